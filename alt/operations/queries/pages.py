"""A page of a Query or Scan: rows of a range, filtered inside SQLite wherever that is exact.

What no expression touches is never decoded: the reply is spliced from stored text.

Most pages are read at once, where the request stands. One that may take long, as is told
from its rows and from what is asked of each of them, is read in steps (alt/storage/sqlite/long_reads.py).
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any, NamedTuple

import ujson

from alt.capacity import Consumption, consumed_capacity, read_units
from alt.expressions import Condition, Projection, sql
from alt.expressions.nodes import walk
from alt.operations.queries.source import Source
from alt.operations.reply import dumps
from alt.storage.sqlite.page_reads import SHORT_PAGE_ROWS, Extent, Filter, PageReads, Rows, Selection
from alt.storage.sqlite.table import Table
from alt.values.types import Item

Request = dict[str, Any]

# What parts of a page take at most, in microseconds, as measured (alt/storage/sqlite/DESIGN.md).
ROW_COST = 1.0  # to find a row and join it
FETCH_COST = 15.0  # to find its item in the table
DECODE_COST = 20.0  # to read its item in Python, to test it or cut it, and to write it again
DECODE_BYTE_COST = 0.05
NODE_COST = 0.5  # of a test in Python, for each node of its tree
NODE_BYTE_COST = 0.01
SQL_CHARACTER_COST = 0.01  # of a filter, and for each of its values:
SQL_VALUE_COST = 0.1
FILTERED_BYTES = 1_000  # so many bytes cost a filter as much as another row

# A page that may take longer is read in steps of about this length.
STEP_COST = 20_000.0


class Page(NamedTuple):
    """A reply, what it consumed, and whether its rows were few and small."""

    reply: bytes
    used: Consumption
    is_short: bool


class Wanted(NamedTuple):
    """The page that begins `rows`. `fetch`: see must_fetch."""

    table: Table
    source: Source
    request: Request
    rows: Rows
    condition: Condition | None
    projection: Projection | None
    fetch: bool

    @property
    def limit(self) -> int | None:
        return self.request.get("Limit")

    @property
    def is_count(self) -> bool:
        return self.request.get("Select") == "COUNT"


# Of a page's rows those that pass: how many, their JSON, or None where only their number is asked for, and the
# capacity that was consumed by fetching them from the table.
_Found = tuple[int, bytes | None, float]

# A condition as SQL, or else as a test of decoded items; neither where there is none.
_Work = tuple[Filter | None, Callable[[Item], bool] | None]


def page(wanted: Wanted, *, may_be_short: bool) -> Page | None:
    """None for a page that may take long: `page_in_steps` reads it.

    `may_be_short`: one without a limit is expected to have few and small rows.
    """
    limit, projection = wanted.limit, wanted.projection
    short: tuple[Extent, bytes] | None = None
    if wanted.condition is None and not wanted.fetch and not wanted.is_count:
        may_be_short = may_be_short if limit is None else limit <= SHORT_PAGE_ROWS
        short = wanted.table.pages.short_page(wanted.rows, limit) if may_be_short else None
    if short is None:
        # Of one state: the last key must be that of the last row that was read.
        return wanted.table.snapshot(lambda: _page_at_once(wanted, may_be_short))
    extent, items = short
    if projection is not None:
        if _cost(wanted, (None, None), extent) > STEP_COST:
            return None
        items = _projected(ujson.loads(b"[%b]" % items), projection)
    last = wanted.table.pages.item_at(wanted.rows, extent.rows - 1) if extent.more else None
    reply, used = _reply(wanted, extent, (extent.rows, items, 0.0), last)
    return Page(reply, used, extent.rows < SHORT_PAGE_ROWS)


def _page_at_once(wanted: Wanted, was_short: bool) -> Page | None:
    pages = wanted.table.pages
    extent = pages.extent(wanted.rows, wanted.limit, most=int(STEP_COST / ROW_COST))
    if extent is None:
        return None
    work = _compiled(wanted)
    if _cost(wanted, work, extent) > STEP_COST:
        return None
    found = _passed(pages, wanted, work, Selection(wanted.rows, extent.rows, wanted.fetch))
    last = pages.item_at(wanted.rows, extent.rows - 1) if extent.more else None
    reply, used = _reply(wanted, extent, found, last)
    return Page(reply, used, extent.rows < SHORT_PAGE_ROWS and not was_short)


def page_in_steps(wanted: Wanted, pages: PageReads) -> Generator[None, None, Page]:
    """The same, from `pages` that are of one state from the first step to the last."""
    extent = pages.extent(wanted.rows, wanted.limit)
    assert extent is not None
    yield
    work = _compiled(wanted)
    steps = int(_cost(wanted, work, extent) / STEP_COST) + 1
    length = -(-extent.rows // steps)
    count, units, items = 0, 0.0, []
    for skipped in range(0, extent.rows, length or 1):
        rows = min(length, extent.rows - skipped)
        selection = Selection(wanted.rows, rows, wanted.fetch, skipped)
        passed, texts, fetched = _passed(pages, wanted, work, selection)
        count += passed
        units += fetched
        if texts:
            items.append(texts)
        yield
    joined = None if wanted.is_count else b",".join(items)
    last = pages.item_at(wanted.rows, extent.rows - 1) if extent.more else None
    reply, used = _reply(wanted, extent, (count, joined, units), last)
    return Page(reply, used, is_short=False)


def _reply(wanted: Wanted, extent: Extent, found: _Found, last_text: str | None) -> tuple[bytes, Consumption]:
    request, source = wanted.request, wanted.source
    passed, items, units = found
    used = _consumption(source, request, extent)
    if wanted.fetch:
        used.table = units
    reply = b'"Count":%d,"ScannedCount":%d' % (passed, extent.rows)
    if last_text is not None:
        reply += b',"LastEvaluatedKey":%b' % dumps(source.last_key(ujson.loads(last_text))).encode()
    if (shown := request.get("ReturnConsumedCapacity")) is not None and (
        capacity := consumed_capacity(shown, request["TableName"], used)
    ):
        reply += b',"ConsumedCapacity":%b' % dumps(capacity).encode()
    return (b"{%b}" % reply if items is None else b'{"Items":[%b],%b}' % (items, reply)), used


def _consumption(source: Source, request: Request, extent: Extent) -> Consumption:
    """A page is one read of all its rows; what a local index lacks is fetched from the table item by item."""
    units = read_units(extent.size, request.get("ConsistentRead") is True)
    if source.index is None:
        return Consumption(units)
    used = Consumption()
    used.add_index(source.index.name, source.is_global, units)
    return used


def _compiled(wanted: Wanted) -> _Work:
    """To be called on the state that is read: whether that may hold a NUL is known from then on."""
    condition = wanted.condition
    if condition is None:
        return None, None
    compiled = sql.compile_condition(condition, not wanted.table.may_hold_nul)
    return (None, condition.matches) if compiled is None else (Filter(*compiled), None)


def _cost(wanted: Wanted, work: _Work, extent: Extent) -> float:
    """How long a page may take, in microseconds."""
    cost = ROW_COST * extent.rows
    if wanted.fetch:
        cost += FETCH_COST * extent.rows
    only, test = work
    if only is not None:
        terms = SQL_CHARACTER_COST * len(only.sql) + SQL_VALUE_COST * len(only.values)
        cost += terms * (extent.rows + extent.size / FILTERED_BYTES)
    if test is None and wanted.projection is None:
        return cost
    decoding = DECODE_COST * extent.rows + DECODE_BYTE_COST * extent.size
    if test is not None and wanted.condition is not None:
        nodes = sum(1 for _ in walk(wanted.condition.node))
        cost += decoding + nodes * (NODE_COST * extent.rows + NODE_BYTE_COST * extent.size)
    else:
        cost += decoding
    return cost


def _projected(items: list[Item], projection: Projection) -> bytes:
    return ",".join([dumps(projection.apply(item)) for item in items]).encode()


def _passed(pages: PageReads, wanted: Wanted, work: _Work, selection: Selection) -> _Found:
    units = 0.0
    if wanted.fetch:
        is_consistent = wanted.request.get("ConsistentRead") is True
        units = sum([read_units(size, is_consistent) for size in pages.fetched_sizes(selection)])
    only, test = work
    if wanted.is_count:
        if test is not None:
            return sum(test(ujson.loads(text)) for text in pages.items(selection, None)), None, units
        return (selection.length if only is None else pages.count(selection, only)), None, units
    if test is None and wanted.projection is None:
        return *pages.joined(selection, only), units
    found = [ujson.loads(text) for text in pages.items(selection, only)]
    if test is not None:
        found = [item for item in found if test(item)]
    if wanted.projection is not None:
        return len(found), _projected(found, wanted.projection), units
    return len(found), ",".join(map(dumps, found)).encode(), units
