"""A page of a Query or Scan: rows of a range, filtered inside SQLite wherever that is exact.

What no expression touches is never decoded: the reply is spliced from stored text.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import ujson

from alt.capacity import Consumption, consumed_capacity, read_units
from alt.expressions import Condition, Projection, sql
from alt.operations.reply import dumps
from alt.operations.source import Source
from alt.storage.page_reads import SHORT_PAGE_ROWS, Extent, Filter, Rows, Selection
from alt.storage.table import Table
from alt.values.types import Item

Request = dict[str, Any]


class Page(NamedTuple):
    """A reply, what it consumed, and whether its rows were few and small."""

    reply: bytes
    used: Consumption
    is_short: bool


def page(
    table: Table,
    source: Source,
    request: Request,
    rows: Rows,
    condition: Condition | None,
    projection: Projection | None,
    *,
    fetch: bool,
    may_be_short: bool,
) -> Page:
    """The page that begins `rows`. `fetch`: see must_fetch.

    `may_be_short`: one without a limit is expected to have few and small rows.
    """
    pages = table.pages
    limit = request.get("Limit")
    is_count = request.get("Select") == "COUNT"
    short: tuple[Extent, bytes] | None = None
    if condition is None and not fetch and not is_count:
        may_be_short = may_be_short if limit is None else limit <= SHORT_PAGE_ROWS
        short = pages.short_page(rows, limit) if may_be_short else None
    items: bytes | None
    if short is not None:
        extent, items = short
        count = extent.rows
        if projection is not None:
            items = _projected(ujson.loads(b"[%b]" % items), projection)
        last_text = pages.item_at(rows, count - 1) if extent.more else None
    else:

        def read() -> tuple[Extent, int, bytes | None, str | None]:
            extent = pages.extent(rows, limit)
            count, items = _passed(
                table, Selection(rows, extent.rows, fetch), is_count, condition, projection
            )
            return extent, count, items, pages.item_at(rows, extent.rows - 1) if extent.more else None

        # Of one state: the last key must be that of the last row that was read.
        extent, count, items, last_text = table.snapshot(read)
    used = _consumption(source, request, extent)
    if fetch:
        sizes = pages.fetched_sizes(Selection(rows, extent.rows, fetch))
        used.table = sum(read_units(size, request.get("ConsistentRead") is True) for size in sizes)
    reply = b'"Count":%d,"ScannedCount":%d' % (count, extent.rows)
    if last_text is not None:
        reply += b',"LastEvaluatedKey":%b' % dumps(source.last_key(ujson.loads(last_text))).encode()
    if (wanted := request.get("ReturnConsumedCapacity")) is not None and (
        capacity := consumed_capacity(wanted, request["TableName"], used)
    ):
        reply += b',"ConsumedCapacity":%b' % dumps(capacity).encode()
    reply = b"{%b}" % reply if items is None else b'{"Items":[%b],%b}' % (items, reply)
    return Page(reply, used, extent.rows < SHORT_PAGE_ROWS and (short is not None or not may_be_short))


def _consumption(source: Source, request: Request, extent: Extent) -> Consumption:
    """A page is one read of all its rows; what a local index lacks is fetched from the table item by item."""
    units = read_units(extent.size, request.get("ConsistentRead") is True)
    if source.index is None:
        return Consumption(units)
    used = Consumption()
    used.add_index(source.index.name, source.is_global, units)
    return used


def _projected(items: list[Item], projection: Projection) -> bytes:
    return ",".join([dumps(projection.apply(item)) for item in items]).encode()


def _passed(
    table: Table,
    selection: Selection,
    is_count: bool,
    condition: Condition | None,
    projection: Projection | None,
) -> tuple[int, bytes | None]:
    """Of a page's rows those that pass: how many, and unless only that is asked, their JSON."""
    pages = table.pages
    only, test = _compiled(condition, nul_free=not table.may_hold_nul)
    if is_count:
        if test is not None:
            return sum(test(ujson.loads(text)) for text in pages.items(selection, None)), None
        return (selection.length if only is None else pages.count(selection, only)), None
    if test is None and projection is None:
        return pages.joined(selection, only)
    found = [ujson.loads(text) for text in pages.items(selection, only)]
    if test is not None:
        found = [item for item in found if test(item)]
    if projection is not None:
        return len(found), _projected(found, projection)
    return len(found), ",".join(map(dumps, found)).encode()


def _compiled(
    condition: Condition | None, *, nul_free: bool
) -> tuple[Filter | None, Callable[[Item], bool] | None]:
    """The condition as SQL, or else as a test of decoded items."""
    if condition is None:
        return None, None
    compiled = sql.compile_condition(condition, nul_free)
    if compiled is None:
        return None, condition.matches
    return Filter(*compiled), None
