"""Pages of a range of rows: how far one reaches, and its items, filtered, counted and joined inside SQLite.

Items are their JSON text, and bytes where they only pass through to a response.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from alt.config import MAX_PAGE_BYTES
from alt.storage.sqlite.checksums import refuse_size
from alt.storage.sqlite.ranges import Rows
from alt.storage.sqlite.reading import Reading

# Sizes are summed inside SQLite this many rows at a time while a page's end is looked for.
PROBE_ROWS = 2_048

# A page of up to so many rows is summed and joined at once; with items smaller than this, it has less than 1 MB.
SHORT_PAGE_ROWS = 256
LARGE_ITEM_BYTES = MAX_PAGE_BYTES // SHORT_PAGE_ROWS


class Extent(NamedTuple):
    """How far a page reaches: its rows, their bytes, and whether the range may go on after it."""

    rows: int
    size: int
    more: bool


class Filter(NamedTuple):
    """An SQL expression over the column `item`, and the values it binds."""

    sql: str
    values: Sequence[Any]


class Selection(NamedTuple):
    """The first `length` rows of a range after `skipped` ones.

    `fetch` reads the items of a local index's rows from the table.
    """

    rows: Rows
    length: int
    fetch: bool = False
    skipped: int = 0


class PageReads:
    """The pages of one table and its indexes."""

    def __init__(self, read: Reading) -> None:
        self._read = read
        self.snapshot = read.snapshot

    def extent(self, rows: Rows, limit: int | None, most: int | None = None) -> Extent | None:
        """The page that begins the range: up to `limit` rows, ending with the row that fills 1 MB.

        None once it is known to have more than `most` rows.

        SQLite sums sizes far faster than it hands them out, so they are summed in steps
        that come up to the end of the page, and counted one by one only around it.
        """
        sizes = f"SELECT size FROM {rows.clause} LIMIT ? OFFSET ?"
        count = size = 0
        step = PROBE_ROWS
        while True:
            step = step if limit is None else min(step, limit - count)
            totals: Any = self._read.execute(
                f"SELECT count(*), coalesce(sum(size), 0) FROM ({sizes})", (*rows.values, step, count)
            ).get
            found, added = totals
            if size + added >= MAX_PAGE_BYTES:
                break
            count += found
            size += added
            if found < step or count == limit:
                return Extent(count, size, count == limit)
            if most is not None and count > most:
                return None
            expected = (MAX_PAGE_BYTES - size) * count // size
            step = max(16, min(PROBE_ROWS, expected * 9 // 10))
        around: list[Any] = self._read.execute(sizes, (*rows.values, step, count)).fetchall()
        for (row_size,) in around:
            if type(row_size) is not int:
                refuse_size(row_size)
            count += 1
            size += row_size
            if size >= MAX_PAGE_BYTES:
                break
        return Extent(count, size, True)

    def short_page(
        self, rows: Rows, limit: int | None, only: Filter | None = None
    ) -> tuple[Extent, int, bytes] | None:
        """`extent`, and of its items those that pass: how many, and their JSON joined with commas, by one statement.

        None for a page of more than SHORT_PAGE_ROWS rows, or with a large item: to join it may take
        far more memory than a page has.
        """
        wanted = SHORT_PAGE_ROWS if limit is None or limit > SHORT_PAGE_ROWS else limit
        sql, values = (None, ()) if only is None else only
        found, size, largest, passed, items = self._read.execute(
            _short_page_sql(rows.clause, sql), (*values, *rows.values, wanted)
        ).get
        if not found:
            return Extent(0, 0, False), 0, b""
        if type(largest) is not int:
            refuse_size(largest)
        if largest >= LARGE_ITEM_BYTES or (found == wanted and found != limit):
            return None
        return Extent(found, size, found == limit), passed, items or b""

    def item_at(self, rows: Rows, position: int) -> str:
        """The JSON of the range's row at `position`, counted from 0."""
        item: str = self._read.execute(
            f"SELECT item FROM {rows.clause} LIMIT 1 OFFSET ?",
            (*rows.values, position),
        ).get
        return item

    def joined(self, selection: Selection, only: Filter | None) -> tuple[int, bytes]:
        """The selected items that pass: how many, and their JSON joined with commas."""
        inner, values = _items_sql(selection, only)
        passed, items = self._read.execute(
            f"SELECT count(*), CAST(group_concat(item, ',') AS BLOB) FROM ({inner})", values
        ).get
        return passed, items or b""

    def items(self, selection: Selection, only: Filter | None) -> list[str]:
        """The same items' JSON, one by one."""
        inner, values = _items_sql(selection, only)
        return [str(item) for (item,) in self._read.execute(inner, values)]

    def count(self, selection: Selection, only: Filter) -> int:
        """How many of the selected items pass."""
        inner, values = _items_sql(selection, only)
        passed: int = self._read.execute(f"SELECT count(*) FROM ({inner})", values).get
        return passed

    def fetched_sizes(self, selection: Selection) -> list[int]:
        """Bytes of each item that a selection fetches from the table."""
        inner, values = _items_sql(selection, None, "item.size AS item")
        return [size for (size,) in self._read.execute(inner, values)]


@lru_cache(maxsize=256)
def _short_page_sql(clause: str, only: str | None) -> str:
    rows = f"SELECT size, item FROM {clause} LIMIT ?"
    is_small = f"size < {LARGE_ITEM_BYTES}"
    joined = "CAST(group_concat({}, ',') AS BLOB)"
    if only is None:
        items = joined.format(f"CASE WHEN {is_small} THEN item END")
        return f"SELECT count(*), sum(size), max(size), count(*), {items} FROM ({rows})"
    # LIMIT keeps SQLite from computing `passed` wherever it stands.
    passing = f"SELECT size, CASE WHEN {is_small} AND {only} THEN item END AS passed FROM ({rows}) LIMIT -1"
    return f"SELECT count(*), sum(size), max(size), count(passed), {joined.format('passed')} FROM ({passing})"


def _items_sql(
    selection: Selection, only: Filter | None, fetched: str = "item.item AS item"
) -> tuple[str, tuple[Any, ...]]:
    """A filter sees what the rows themselves hold; only those that pass are fetched from the table."""
    rows = selection.rows
    wanted = "slot, pk, sk" if selection.fetch else "item"
    columns = f"{wanted}, item" if selection.fetch and only is not None else wanted
    sql = f"SELECT {columns} FROM {rows.clause} LIMIT ?"
    values: tuple[Any, ...] = (*rows.values, selection.length)
    if selection.skipped:
        sql += " OFFSET ?"
        values += (selection.skipped,)
    if only is not None:
        sql = f"SELECT {wanted} FROM ({sql}) WHERE {only.sql}"
        values += (*only.values,)
    if selection.fetch:
        # CROSS JOIN keeps the index's order. A local index shares its slots with the table.
        sql = (
            f"SELECT {fetched} FROM ({sql}) AS entry CROSS JOIN item "
            "ON item.slot = entry.slot AND item.pk = entry.pk AND item.sk = entry.sk"
        )
    return sql, values
