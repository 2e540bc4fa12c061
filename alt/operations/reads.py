"""Query and Scan: a page of a range, filtered inside SQLite wherever that is exact.

What no expression touches is never decoded: the response is spliced from stored text.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ujson

from alt.capacity import Consumption, consumed_capacity, read_units
from alt.errors import ApiError, validation
from alt.expressions import Condition, Placeholders, Projection, legacy, sql
from alt.operations.caller import Caller
from alt.operations.engine import Engine
from alt.operations.keys import check_paths
from alt.operations.parameters import check_expressions
from alt.operations.reply import dumps, members, optional
from alt.operations.source import Source, check_filter, must_fetch, read_source
from alt.storage.rows import Key, PartitionRange, SlotRange
from alt.storage.table import Extent, Filter, Rows, Selection, Table
from alt.values.attribute import normalize_item
from alt.values.types import Item

Request = dict[str, Any]

_INVALID_START = "The provided starting key is invalid"
# What is wrong with a starting key's values, Query says bare, but for these. (Recorded from the service.)
_INVALID_IN_QUERY = (
    "Supplied AttributeValue",
    "One or more parameter values were invalid: Null attribute",
    "One or more parameter values were invalid: An string set  may",
    "One or more parameter values were invalid: Binary sets should",
)

# Up to here one statement that hands out the rows beats one that measures and one that joins them.
SMALL_PAGE_ROWS = 50


def query(engine: Engine, request: Request, caller: Caller) -> bytes:
    replaced = ["AttributesToGet", "QueryFilter", "ConditionalOperator"]
    if "KeyConditionExpression" in request:  # KeyConditions goes with any other expression
        replaced.append("KeyConditions")
    check_expressions(
        request, ("ProjectionExpression", "FilterExpression", "KeyConditionExpression"), replaced
    )
    condition = legacy.filter_conditions(request.get("QueryFilter"), request.get("ConditionalOperator"))
    projection = _attributes_to_get(request)
    start = _start_key(request, older=False)
    placeholders = Placeholders(
        request.get("ExpressionAttributeNames"), request.get("ExpressionAttributeValues")
    )
    if "KeyConditionExpression" in request:
        key_condition = placeholders.key_condition(request["KeyConditionExpression"])
    elif "KeyConditions" in request:
        key_condition = legacy.key_conditions(request["KeyConditions"])
    else:
        raise validation(
            "Either the KeyConditions or KeyConditionExpression parameter must be specified in the request."
        )
    if "FilterExpression" in request:
        condition = placeholders.condition("FilterExpression", request["FilterExpression"])
    if "ProjectionExpression" in request:
        projection = placeholders.projection(request["ProjectionExpression"])
    placeholders.finish()
    try:
        _check_select(request)
    except ApiError as error:
        raise error.enveloped() from None
    table = engine.table(request["TableName"])
    source = read_source(table.definition, request)
    row = None if start is None else _query_start(source, start)
    key_range = key_condition.resolve(
        [(key.name, key.type) for key in source.hash_keys],
        [(key.name, key.type) for key in source.range_keys],
    )
    rows = source.partition(key_range, descending=request.get("ScanIndexForward") is False)
    if row is not None:
        _check_boundaries(source, rows, row)
        rows = rows.after(row)
    if condition is not None:
        _no_key_attributes(condition, source, request)
        check_filter(source, condition.attribute_names)
    check_paths(table.definition, request, condition, projection)
    engine.meter.admit_read(caller, table, source.index)
    reply, used = _page(table, source, request, rows, condition, projection)
    engine.meter.read(caller, table, used)
    return reply


def scan(engine: Engine, request: Request, caller: Caller) -> bytes:
    check_expressions(
        request,
        ("ProjectionExpression", "FilterExpression"),
        ("AttributesToGet", "ScanFilter", "ConditionalOperator"),
    )
    projection = _attributes_to_get(request)
    condition = legacy.filter_conditions(
        request.get("ScanFilter"), request.get("ConditionalOperator"), older=True
    )
    start = _start_key(request, older=True)
    segment = _segment(request)
    placeholders = Placeholders(
        request.get("ExpressionAttributeNames"), request.get("ExpressionAttributeValues"), older=True
    )
    if "FilterExpression" in request:
        condition = placeholders.condition("FilterExpression", request["FilterExpression"])
    if "ProjectionExpression" in request:
        projection = placeholders.projection(request["ProjectionExpression"])
    placeholders.finish()
    _check_select(request)
    table = engine.table(request["TableName"])
    source = read_source(table.definition, request)
    columns = source.columns
    rows = SlotRange(columns) if segment is None else SlotRange.segment(columns, *segment)
    if start is not None:
        rows = rows.after(_scan_start(source, start, rows, segment))
    check_paths(table.definition, request, condition, projection)
    engine.meter.admit_read(caller, table, source.index)
    reply, used = _page(table, source, request, rows, condition, projection)
    engine.meter.read(caller, table, used)
    return reply


def _start_key(request: Request, *, older: bool) -> Item | None:
    start: Item | None = request.get("ExclusiveStartKey")
    if start is None:
        return None
    try:
        normalize_item(start, older)
    except ApiError as error:
        message = str(error.message)
        if older or message.startswith(_INVALID_IN_QUERY):
            message = f"{_INVALID_START}: {message}"
        raise validation(message) from None
    return start


def _query_start(source: Source, start: Item) -> Key:
    try:
        return source.start_key(start)
    except ApiError:
        raise validation(_INVALID_START) from None


def _check_boundaries(source: Source, rows: PartitionRange, row: Key) -> None:
    """The starting key lies in the range; how it does not is said in three ways."""
    partition = rows.prefix[: 1 + len(source.hash_keys)]
    in_partition = row[: len(partition)] == partition
    if rows.prefix == partition and rows.low is None and rows.high is None:
        if not in_partition:
            raise validation(
                "The provided starting key is outside query boundaries based on provided conditions"
            )
    elif not rows.contains(partition + row[len(partition) :]):
        raise validation("The provided starting key does not match the range key predicate")
    elif not in_partition:
        raise validation("The query can return at most one row and cannot be restarted")


def _scan_start(source: Source, start: Item, rows: SlotRange, segment: tuple[int, int] | None) -> Key:
    try:
        row = source.start_key(start)
    except ApiError as error:
        raise validation(f"{_INVALID_START}: {error.message}") from None
    if segment is not None and not rows.contains(row):
        raise validation(
            f"{_INVALID_START}: Invalid ExclusiveStartKey. Please use ExclusiveStartKey "
            f"with correct Segment. TotalSegments: {segment[1]} Segment: {segment[0]}"
        )
    return row


def _segment(request: Request) -> tuple[int, int] | None:
    segment, total = request.get("Segment"), request.get("TotalSegments")
    if segment is None and total is None:
        return None
    if total is None:
        raise validation(
            "The TotalSegments parameter is required but was not present in the request when Segment parameter is present"
        )
    if segment is None:
        raise validation(
            "The Segment parameter is required but was not present in the request when parameter TotalSegments is present"
        )
    if segment >= total:
        raise validation(
            "The Segment parameter is zero-based and must be less than parameter TotalSegments: "
            f"Segment: {segment} is not less than TotalSegments: {total}"
        )
    return segment, total


def _attributes_to_get(request: Request) -> Projection | None:
    return legacy.projection(request["AttributesToGet"]) if "AttributesToGet" in request else None


def _check_select(request: Request) -> None:
    select = request.get("Select")
    if select is None:
        return
    asked = next((name for name in ("ProjectionExpression", "AttributesToGet") if name in request), None)
    if select == "SPECIFIC_ATTRIBUTES":
        if asked is None:
            raise validation(
                "Must specify the AttributesToGet or ProjectionExpression when choosing to get SPECIFIC_ATTRIBUTES"
            )
        return
    if asked is not None:
        what = "only the Count" if select == "COUNT" else select
        raise validation(f"Cannot specify the {asked} when choosing to get {what}")
    if select == "ALL_PROJECTED_ATTRIBUTES" and "IndexName" not in request:
        raise validation("ALL_PROJECTED_ATTRIBUTES can be used only when Querying using an IndexName")


def _no_key_attributes(condition: Condition, source: Source, request: Request) -> None:
    for attribute in (*source.hash_keys, *source.range_keys):
        if attribute.name in condition.attribute_names:
            what = "Filter Expression" if "FilterExpression" in request else "QueryFilter"
            raise validation(
                f"{what} can only contain non-primary key attributes: Primary key attribute: {attribute.name}"
            )


def _page(
    table: Table,
    source: Source,
    request: Request,
    rows: Rows,
    condition: Condition | None,
    projection: Projection | None,
) -> tuple[bytes, Consumption]:
    fetch = must_fetch(source, request, () if projection is None else projection.attribute_names)
    limit = request.get("Limit")
    is_count = request.get("Select") == "COUNT"
    items: bytes | None
    if limit is not None and limit <= SMALL_PAGE_ROWS and condition is None and not fetch and not is_count:
        extent, texts = table.small_page(rows, limit)
        count, items = len(texts), _join(texts, projection)
        last_text = texts[-1] if extent.more else None
    else:

        def read() -> tuple[Extent, int, bytes | None, str | None]:
            extent = table.extent(rows, limit)
            count, items = _passed(
                table, Selection(rows, extent.rows, fetch), is_count, condition, projection
            )
            return extent, count, items, table.item_at(rows, extent.rows - 1) if extent.more else None

        # Of one state: the last key must be that of the last row that was read.
        extent, count, items, last_text = table.snapshot(read)
    last = None if last_text is None else dumps(source.last_key(ujson.loads(last_text)))
    used = _consumption(table, source, request, extent, Selection(rows, extent.rows, fetch))
    capacity = None
    if "ReturnConsumedCapacity" in request:
        capacity = optional(consumed_capacity(request["ReturnConsumedCapacity"], request["TableName"], used))
    reply = members(
        Items=None if items is None else b"[%b]" % items,
        Count=str(count),
        ScannedCount=str(extent.rows),
        LastEvaluatedKey=last,
        ConsumedCapacity=capacity,
    )
    return reply, used


def _consumption(
    table: Table, source: Source, request: Request, extent: Extent, selection: Selection
) -> Consumption:
    """A page is one read of all its rows; what a local index lacks is fetched from the table item by item."""
    consistent = request.get("ConsistentRead") is True
    units = read_units(extent.size, consistent)
    if source.index is None:
        return Consumption(units)
    used = Consumption()
    used.add_index(source.index.name, source.is_global, units)
    if selection.fetch:
        used.table = sum(read_units(size, consistent) for size in table.fetched_sizes(selection))
    return used


def _join(texts: list[str], projection: Projection | None) -> bytes:
    if projection is not None:
        texts = [dumps(projection.apply(ujson.loads(text))) for text in texts]
    return ",".join(texts).encode()


def _passed(
    table: Table,
    selection: Selection,
    is_count: bool,
    condition: Condition | None,
    projection: Projection | None,
) -> tuple[int, bytes | None]:
    """Of a page's rows those that pass: how many, and unless only that is asked, their JSON."""
    only, test = _compiled(condition, nul_free=not table.may_hold_nul)
    if is_count:
        if test is not None:
            return sum(test(ujson.loads(text)) for text in table.items(selection, None)), None
        return (selection.length if only is None else table.count(selection, only)), None
    if test is None and projection is None:
        return table.joined(selection, only)
    found = [ujson.loads(text) for text in table.items(selection, only)]
    if test is not None:
        found = [item for item in found if test(item)]
    if projection is not None:
        found = [projection.apply(item) for item in found]
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
