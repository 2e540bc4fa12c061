"""GetItem, PutItem, UpdateItem, DeleteItem.

A write is prepared before its table is looked up (its errors come in the envelope
of section "request-level problems") and then runs inside a group's transaction,
where it sees the item as the write before it left it.
"""

from __future__ import annotations

import asyncio
from typing import Any

import ujson

from alt import errors
from alt.capacity import Consumption, consumed_capacity, read_units, write_units
from alt.config import MAX_ITEM_BYTES
from alt.errors import ApiError, validation
from alt.expressions import Condition, Placeholders, Projection, Update, legacy, write_expressions
from alt.operations.caller import Caller
from alt.operations.capacity.metering import written
from alt.operations.context import Context
from alt.operations.items.index_keys import check_index_keys, check_updated_index_keys, too_large
from alt.operations.items.write_isolation import refuse_reads
from alt.operations.keys import check_paths, item_row, key_row
from alt.operations.parameters import check_expressions
from alt.operations.reply import EMPTY, body, dumps, members, optional
from alt.storage.model.rows import RowKey
from alt.storage.sqlite.indexes import Stored
from alt.storage.sqlite.table import UNCHANGED, Table, Written
from alt.validation import is_deep
from alt.values.attribute import normalize_item
from alt.values.sizes import item_size, resized
from alt.values.types import Item

Request = dict[str, Any]

# Without any of these a write has no condition.
_CONDITION_PARAMETERS = frozenset(
    (
        "ConditionExpression",
        "Expected",
        "ConditionalOperator",
        "ExpressionAttributeNames",
        "ExpressionAttributeValues",
    )
)
# Without any of these a read answers whole items.
_PROJECTION_PARAMETERS = frozenset(
    ("ProjectionExpression", "AttributesToGet", "ExpressionAttributeNames", "ExpressionAttributeValues")
)
_PUT_AND_DELETE_RETURN_VALUES = (None, "NONE", "ALL_OLD")
_REPORTS = frozenset(("ReturnConsumedCapacity", "ReturnItemCollectionMetrics"))
GIGABYTE = 1 << 30


def get_item(context: Context, request: Request, caller: Caller) -> bytes:
    key = request["Key"]
    is_whole = _PROJECTION_PARAMETERS.isdisjoint(request)
    if not is_whole:
        check_expressions(request, ("ProjectionExpression",), ("AttributesToGet",))
    normalize_item(key)
    projection = None if is_whole else read_projection(request)
    table = context.table(request["TableName"])
    row = key_row(table.definition, key)
    if projection is not None:
        check_paths(table.definition, request, projection)
    context.meter.admit_read(caller, table)
    size, item = table.get_sized(row) or (0, None)
    used = Consumption(read_units(size, request.get("ConsistentRead") is True))
    context.meter.read(caller, table, used)
    if item is not None and projection is not None:
        item = body(projection.apply(ujson.loads(item)))
    if "ReturnConsumedCapacity" not in request:
        return EMPTY if item is None else b'{"Item":%b}' % item
    return members(Item=item, ConsumedCapacity=_consumed_capacity(request, used))


def read_projection(request: Request) -> Projection | None:
    """The projection of a get, or of one table of BatchGetItem."""
    check_expressions(request, ("ProjectionExpression",), ("AttributesToGet",))
    if "ProjectionExpression" not in request:
        return legacy.projection(request["AttributesToGet"]) if "AttributesToGet" in request else None
    placeholders = Placeholders(request.get("ExpressionAttributeNames"), None)
    projection = placeholders.projection(request["ProjectionExpression"])
    placeholders.finish()
    return projection


def read_put(request: Request) -> tuple[int, Condition | None]:
    """Makes the item canonical; answers its size and the condition."""
    _check_return_values(request, deep=True)
    try:
        check_expressions(request, ("ConditionExpression",), ("Expected", "ConditionalOperator"))
        size = normalize_item(request["Item"])
        _check_return_values(request)
        return size, _condition(request)
    except ApiError as error:
        raise error.enveloped() from None


def put_item(
    context: Context, request: Request, caller: Caller, read: tuple[int, Condition | None]
) -> asyncio.Future[bytes]:
    """`read`: what `read_put` answers of the request."""
    item = request["Item"]
    size, condition = read
    table = context.table(request["TableName"])
    row = item_row(table.definition, item)
    if too_large(table.definition, item, size):
        raise validation("Item size has exceeded the maximum allowed size")
    check_index_keys(table.definition, item)
    check_paths(table.definition, request, condition)
    new = Stored(size, dumps(item))
    table.refuse_contended(row)
    context.meter.admit_write(caller, table)

    if condition is None and len(request) == 2:  # the table and the item alone

        def put() -> bytes:
            context.meter.write(caller, table, written(table.overwrite(row, item, new), size))
            return EMPTY

        return table.submit(put)

    refuse_reads(context, table, condition, None, request.get("ReturnValues"))
    write = _Write(context, caller, request, table, row)

    def replace() -> bytes:
        old = write.checked(condition)
        used = written(table.put(row, item, new, old), size)
        return write.reply(used, _all_old(request, old))

    return table.submit(replace)


def delete_item(context: Context, request: Request, caller: Caller) -> asyncio.Future[bytes]:
    key = request["Key"]
    _check_return_values(request, deep=True)
    try:
        check_expressions(request, ("ConditionExpression",), ("Expected", "ConditionalOperator"))
        normalize_item(key)
        _check_return_values(request)
        condition = _condition(request)
    except ApiError as error:
        raise error.enveloped() from None
    table = context.table(request["TableName"])
    row = key_row(table.definition, key)
    check_paths(table.definition, request, condition)
    refuse_reads(context, table, condition, None, request.get("ReturnValues"))
    table.refuse_contended(row)
    context.meter.admit_write(caller, table)
    write = _Write(context, caller, request, table, row)

    def delete() -> bytes:
        old = write.checked(condition)
        used = written(UNCHANGED if old is None else table.delete(row, old), 0)
        return write.reply(used, _all_old(request, old))

    return table.submit(delete)


def update_item(context: Context, request: Request, caller: Caller) -> asyncio.Future[bytes]:
    key = request["Key"]
    try:
        check_expressions(
            request,
            ("UpdateExpression", "ConditionExpression"),
            ("AttributeUpdates", "Expected", "ConditionalOperator"),
        )
        normalize_item(key)
        update, condition = _update_and_condition(request)
    except ApiError as error:
        raise error.enveloped() from None
    table = context.table(request["TableName"])
    row = key_row(table.definition, key)
    check_update(table, update)
    check_paths(table.definition, request, update, condition)
    if update is not None and update.is_too_large:
        raise _update_too_large()
    refuse_reads(context, table, condition, update, request.get("ReturnValues"))
    table.refuse_contended(row)
    context.meter.admit_write(caller, table)
    write = _Write(context, caller, request, table, row)

    def run() -> bytes:
        old = write.checked(condition)
        before: Item = {} if old is None else ujson.loads(old.text)
        done = UNCHANGED if old is None else Written(old.size, ())
        after, new = updated_item(table, update, before, key, old) or ({}, None)
        if new is not None and new != old:
            done = table.put(row, after, new, old)
        size = 0 if new is None else new.size
        return write.reply(written(done, size), _updated_attributes(request, update, before, after, old))

    return table.submit(run)


def check_update(table: Table, update: Update | None) -> None:
    """An update leaves the key alone."""
    if update is None:
        return
    for attribute in table.definition.key_attributes:
        if attribute.name in update.attribute_names:
            raise errors.invalid_parameters(
                f"Cannot update attribute {attribute.name}. This attribute is part of the key"
            )


def updated_item(
    table: Table, update: Update | None, before: Item, key: Item, old: Stored | None
) -> tuple[Item, Stored] | None:
    """The item after an update of what is stored, which is `before`, or `{}` where `old` is None.

    None where an update that only removes finds no item, and makes none. Raises what is wrong with the item.
    """
    after = before or key
    changed: frozenset[str] = frozenset()
    if update is not None:
        if not before and not update.creates:
            return None
        after, changed = update.apply(after), update.attribute_names
    size = item_size(after) if old is None else resized(old.size, before, after, changed, MAX_ITEM_BYTES)
    if too_large(table.definition, after, size):
        raise _update_too_large()
    check_updated_index_keys(table.definition, before, after)
    return after, Stored(size, dumps(after))


def _update_too_large() -> ApiError:
    return validation("Item size to update has exceeded the maximum allowed size")


def _check_return_values(request: Request, *, deep: bool = False) -> None:
    """`deep`: only of a request that is nested so deep that an older layer reads it, which looks here first."""
    if request.get("ReturnValues") not in _PUT_AND_DELETE_RETURN_VALUES and (not deep or is_deep(request)):
        raise validation("ReturnValues can only be ALL_OLD or NONE")


def _condition(request: Request) -> Condition | None:
    if _CONDITION_PARAMETERS.isdisjoint(request):
        return None
    expected = legacy.expected(request.get("Expected"), request.get("ConditionalOperator"))
    condition = write_expressions(request).condition
    return expected if condition is None else condition


def _update_and_condition(request: Request) -> tuple[Update | None, Condition | None]:
    attribute_updates: Update | None = None
    if request.get("AttributeUpdates") is not None:
        attribute_updates = legacy.attribute_updates(request["AttributeUpdates"])
    expected = legacy.expected(request.get("Expected"), request.get("ConditionalOperator"))
    update, condition = write_expressions(request, updates=True)
    return update or attribute_updates, condition or expected


class _Write:
    """A write of one item that has a condition or an answer, as it runs in its group."""

    __slots__ = ("_caller", "_context", "_request", "_row", "_table")

    def __init__(self, context: Context, caller: Caller, request: Request, table: Table, row: RowKey) -> None:
        self._context = context
        self._caller = caller
        self._request = request
        self._table = table
        self._row = row

    def checked(self, condition: Condition | None) -> Stored | None:
        """The stored item, once the condition holds for it. One that does not hold costs a write, too."""
        stored = self._table.stored(self._row)
        if condition is not None and not condition.matches(
            {} if stored is None else ujson.loads(stored.text)
        ):
            size = 0 if stored is None else stored.size
            self._context.meter.write(self._caller, self._table, Consumption(write_units(size)))
            wanted = self._request.get("ReturnValuesOnConditionCheckFailure") == "ALL_OLD"
            raise errors.condition_failed(stored.text if wanted and stored is not None else None)
        return stored

    def reply(self, used: Consumption, attributes: str | None) -> bytes:
        request = self._request
        self._context.meter.write(self._caller, self._table, used)
        if _REPORTS.isdisjoint(request):
            return EMPTY if attributes is None else b'{"Attributes":%b}' % attributes.encode()
        metrics = None
        if request.get("ReturnItemCollectionMetrics") == "SIZE":
            metrics = collection_metrics(self._table, self._row, request.get("Key") or request["Item"])
        return members(
            Attributes=attributes,
            ConsumedCapacity=_consumed_capacity(request, used),
            ItemCollectionMetrics=optional(metrics),
        )


def _consumed_capacity(request: Request, used: Consumption) -> str | None:
    return optional(consumed_capacity(request.get("ReturnConsumedCapacity"), request["TableName"], used))


def collection_metrics(table: Table, row: RowKey, key: Item) -> dict[str, Any] | None:
    """ItemCollectionMetrics of an item's collection as a write leaves it; None on a table without local indexes.

    The service answers a range of whole gigabytes that the size lies in.
    """
    size = table.collection_size(row)
    if size is None:
        return None
    name = table.definition.hash_key.name
    low = size // GIGABYTE
    return {"ItemCollectionKey": {name: key[name]}, "SizeEstimateRangeGB": [float(low), float(low + 1)]}


def _all_old(request: Request, old: Stored | None) -> str | None:
    return old.text if old is not None and request.get("ReturnValues") == "ALL_OLD" else None


def _updated_attributes(
    request: Request, update: Update | None, before: Item, after: Item, old: Stored | None
) -> str | None:
    """The Attributes that ReturnValues asks for, None for none."""
    wanted = request.get("ReturnValues", "NONE")
    if wanted == "NONE":
        return None
    if wanted == "ALL_OLD":
        return None if old is None else old.text
    if wanted == "ALL_NEW":
        return dumps(after) if after else None
    if update is None:
        return None
    updated = update.updated(before if wanted == "UPDATED_OLD" else after)
    return dumps(updated) if updated else None
