"""Ranges of keys as SQL: their bounds are stated so that SQLite seeks to the first row and stops after the last."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from alt.storage.model.keys import ITEMS, Key, Layout
from alt.storage.model.ranges import KeyRange, PartitionRange, SlotRange


class Columns(NamedTuple):
    """A clustered table: its SQL name, quoted as need be, and its key's columns after `slot`.

    `tail` makes the keys of an index unique: the item's own key.
    """

    table: str
    hash: tuple[str, ...]
    range: tuple[str, ...]
    tail: tuple[str, ...] = ()

    @property
    def key(self) -> tuple[str, ...]:
        return ("slot", *self.hash, *self.range, *self.tail)


ITEM_COLUMNS = Columns("item", ("pk",), ("sk",))


@lru_cache(maxsize=1_024)
def columns_of(layout: Layout) -> Columns:
    """The table of a layout. An index's is named for people after the index, and unique by its id.

    No name that a client can choose begins like SQLite's own, or like another table's.
    """
    if layout == ITEMS:
        return ITEM_COLUMNS
    return Columns(
        table=f'"index {layout.source}"',
        hash=tuple(f"h{position}" for position in range(layout.hash_keys)),
        range=tuple(f"r{position}" for position in range(layout.range_keys)),
        tail=("pk", "sk"),
    )


class Rows(NamedTuple):
    """A range as SQL: from the table's name to the order of the rows, and what that binds."""

    clause: str
    values: Key


def rows_of(found: KeyRange) -> Rows:
    if type(found) is PartitionRange:
        return _partition_rows(found)
    assert type(found) is SlotRange
    layout, first, end, start = found
    if start is None:
        return Rows(_slots_clause(layout, False), (first, end))
    return Rows(_slots_clause(layout, True), (*start, end))


def _partition_rows(found: PartitionRange) -> Rows:
    layout, values, low, high, descending, start = found
    if start is not None:  # it stands in for one bound: SQLite seeks by one bound a side
        low, high = (low, None) if descending else (None, high)
    clause = _partition_clause(
        layout,
        len(values),
        None if low is None else low[0],
        None if high is None else high[0],
        descending,
        start is not None,
    )
    if low is not None:
        values += (low[1],)
    if high is not None:
        values += (high[1],)
    return Rows(clause, values if start is None else values + start)


@lru_cache(maxsize=1_024)
def _slots_clause(layout: Layout, has_start: bool) -> str:
    columns = columns_of(layout)
    begins = _beyond(columns.key, ">") if has_start else "slot >= ?"
    return f"{columns.table} WHERE {begins} AND slot < ? ORDER BY {', '.join(columns.key)}"


@lru_cache(maxsize=1_024)
def _partition_clause(
    layout: Layout, prefix: int, low: str | None, high: str | None, descending: bool, has_start: bool
) -> str:
    """`prefix`: how many of the key's columns it fixes; `low` and `high`: the operators on the next one."""
    columns = columns_of(layout)
    fixed, free = columns.key[:prefix], columns.key[prefix:]
    terms = [f"{column} = ?" for column in fixed]
    terms += [f"{free[0]} {operator} ?" for operator in (low, high) if operator is not None]
    if has_start:
        terms.append(_beyond(free, "<" if descending else ">"))
    ordered = free or fixed[-1:]  # a whole key leaves nothing to order
    order = ", ".join(f"{column} DESC" if descending else column for column in ordered)
    return f"{columns.table} WHERE {' AND '.join(terms)} ORDER BY {order}"


def _beyond(columns: tuple[str, ...], operator: str) -> str:
    if not columns:
        return "slot < 0"  # nothing follows the only row there can be
    if len(columns) == 1:
        return f"{columns[0]} {operator} ?"
    return f"({', '.join(columns)}) {operator} ({', '.join('?' * len(columns))})"
