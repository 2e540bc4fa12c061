"""Query and Scan: which rows a request asks for, and what it may not ask."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from alt.errors import ApiError, validation
from alt.expressions import Condition, KeyRange, Placeholders, Projection, legacy
from alt.expressions.rebinding import Values
from alt.operations.caller import Caller
from alt.operations.context import Context
from alt.operations.keys import check_paths
from alt.operations.parameters import check_expressions
from alt.operations.queries.pages import consumption, page_read, reply
from alt.operations.queries.plans import Plan, plan_of, shape_of
from alt.operations.queries.source import Source, check_filter, must_fetch, read_source
from alt.storage.engine import Answer, Table, then
from alt.storage.model.keys import Key
from alt.storage.model.pages import PageFound
from alt.storage.model.ranges import PartitionRange, SlotRange
from alt.values.attribute import normalize_item
from alt.values.types import Item

if TYPE_CHECKING:
    from alt.validation.requests import QueryInput, ScanInput

_INVALID_START = "The provided starting key is invalid"
# What is wrong with a starting key's values, Query says bare, but for these. (Recorded from the service.)
_INVALID_IN_QUERY = (
    "Supplied AttributeValue",
    "One or more parameter values were invalid: Null attribute",
    "One or more parameter values were invalid: An string set  may",
    "One or more parameter values were invalid: Binary sets should",
)


def query(context: Context, request: QueryInput, caller: Caller) -> Answer[bytes]:
    """Query (https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_Query.html).

    Most that differ from an earlier one in their values only are read by its plan (plans.py).
    """
    shape, values = shape_of(request)
    plan = context.plans.get(shape)
    read = None if plan is None else _read_again(context, plan, request, values)
    if read is None:
        read, key_range = _read(context, request)
        if shape is not None and plan is None:
            plan = plan_of(key_range, *read[1:])
            if plan is not None:
                context.plans.put(shape, plan)
    table, source, rows, condition, projection, fetch = read
    context.meter.admit_read(caller, table, source.index)
    may_be_short = plan is None or plan.is_short
    wanted = page_read(request, rows, condition, projection, fetch=fetch, may_be_short=may_be_short)

    def finish(found: PageFound) -> bytes:
        if plan is not None:
            plan.is_short = found.is_short
        if source.is_one_row and found.last is not None:
            found = found._replace(last=None)  # nothing follows, and the next page would be refused
        return _reply(context, caller, "Query", request, table, source, found)

    return then(table.page(wanted), finish)


class _Read(NamedTuple):
    """A Query that nothing is wrong with."""

    table: Table
    source: Source
    rows: PartitionRange
    condition: Condition | None
    projection: Projection | None
    fetch: bool


def _read_again(context: Context, plan: Plan, request: QueryInput, values: Values) -> _Read | None:
    """A request of a known shape; None where anything about its values is unusual, which `_read` has the words for."""
    table = context.engine.table(plan.definition.name)
    if table is None or table.definition is not plan.definition:
        return None
    try:
        start = _start_key(request, older=False)
        rows = plan.rows(values)
        if rows is not None and start is not None:
            rows = _after(plan.source, rows, _query_start(plan.source, start), start)
    except ApiError:
        return None
    if rows is None:
        return None
    return _Read(table, plan.source, rows, plan.condition(values), plan.projection, plan.fetch)


def _read(context: Context, request: QueryInput) -> tuple[_Read, KeyRange]:
    replaced = ["AttributesToGet", "QueryFilter", "ConditionalOperator"]
    if "KeyConditionExpression" in request:  # KeyConditions goes with any other expression
        replaced.append("KeyConditions")
    check_expressions(
        request, ("ProjectionExpression", "FilterExpression", "KeyConditionExpression"), replaced
    )
    condition = legacy.filter_conditions(request.get("QueryFilter"), request.get("ConditionalOperator"))
    projection = _attributes_to_get(request)
    start = _start_key(request, older=False)
    values = request.get("ExpressionAttributeValues")
    placeholders = Placeholders(request.get("ExpressionAttributeNames"), values)
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
    table = context.table(request["TableName"])
    source = read_source(table.definition, request)
    row = None if start is None else _query_start(source, start)
    key_range = key_condition.resolve(
        [(key.name, key.type) for key in source.hash_keys],
        [(key.name, key.type) for key in source.range_keys],
    )
    rows = source.partition(key_range, descending=request.get("ScanIndexForward") is False)
    if start is not None and row is not None:
        rows = _after(source, rows, row, start)
    if condition is not None:
        _no_key_attributes(condition, source, request)
        check_filter(source, condition.attribute_names)
    check_paths(table.definition, request, condition, projection)
    fetch = must_fetch(
        source, request.get("Select"), () if projection is None else sorted(projection.attribute_names)
    )
    return _Read(table, source, rows, condition, projection, fetch), key_range


def scan(context: Context, request: ScanInput, caller: Caller) -> Answer[bytes]:
    """Scan (https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_Scan.html)."""
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
    table = context.table(request["TableName"])
    source = read_source(table.definition, request)
    layout = source.layout
    keys = SlotRange(layout) if segment is None else SlotRange.segment(layout, *segment)
    if start is not None:
        keys = keys.after(_scan_start(source, start, keys, segment))
    check_paths(table.definition, request, condition, projection)
    fetch = must_fetch(
        source, request.get("Select"), () if projection is None else sorted(projection.attribute_names)
    )
    context.meter.admit_read(caller, table, source.index)
    wanted = page_read(request, keys, condition, projection, fetch=fetch)
    return then(
        table.page(wanted), lambda found: _reply(context, caller, "Scan", request, table, source, found)
    )


def _reply(
    context: Context,
    caller: Caller,
    operation: Literal["Query", "Scan"],
    request: QueryInput | ScanInput,
    table: Table,
    source: Source,
    found: PageFound,
) -> bytes:
    used = consumption(source, found, is_consistent=request.get("ConsistentRead") is True)
    context.meter.read(caller, table, used)
    context.observed.returned_items[operation] += found.passed
    return reply(source, request, found, used)


def _start_key(request: QueryInput | ScanInput, *, older: bool) -> Item | None:
    start = request.get("ExclusiveStartKey")
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


def _after(source: Source, rows: PartitionRange, row: Key, start: Item) -> PartitionRange:
    """What follows a starting key, which lies in the range; how it does not is said in three ways.

    In a partition of a table without a sort key nothing follows, which the service calls an invalid start.
    """
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
    if source.is_one_row:
        ((name, value),) = start.items()
        ((kind, content),) = value.items()
        raise validation(
            "The provided exclusive start key is invalid: "
            f"ExclusiveStartKey: {{{name}=AttributeValue: {{{kind}:{content}}}}}"
        )
    return rows.after(row)


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


def _segment(request: ScanInput) -> tuple[int, int] | None:
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


def _attributes_to_get(request: QueryInput | ScanInput) -> Projection | None:
    return legacy.projection(request["AttributesToGet"]) if "AttributesToGet" in request else None


def _check_select(request: QueryInput | ScanInput) -> None:
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


def _no_key_attributes(condition: Condition, source: Source, request: QueryInput) -> None:
    for attribute in (*source.hash_keys, *source.range_keys):
        if attribute.name in condition.attribute_names:
            what = "Filter Expression" if "FilterExpression" in request else "QueryFilter"
            raise validation(
                f"{what} can only contain non-primary key attributes: Primary key attribute: {attribute.name}"
            )
