"""GetItem, PutItem, UpdateItem, DeleteItem.

A write is prepared before its table is looked up (its errors come in the envelope
of section "request-level problems") and then runs inside a group's transaction,
where it sees the item as the write before it left it.
"""

from __future__ import annotations

import asyncio
from typing import Any

import ujson

from alt import capacity, errors
from alt.config import MAX_ITEM_BYTES
from alt.errors import ApiError, validation
from alt.expressions import Condition, Placeholders, Projection, Update, legacy
from alt.operations.engine import Caller, Engine
from alt.operations.index_keys import check_index_keys, check_updated_index_keys
from alt.operations.keys import check_paths, item_row, key_row
from alt.operations.parameters import check_expressions
from alt.operations.reply import EMPTY, body, dumps, members, optional
from alt.storage.indexes import Stored
from alt.storage.rows import RowKey
from alt.storage.table import Table
from alt.validation import is_deep
from alt.values.attribute import normalize_item
from alt.values.sizes import item_size
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
_PUT_AND_DELETE_RETURN_VALUES = (None, "NONE", "ALL_OLD")


def get_item(engine: Engine, request: Request, caller: Caller) -> bytes:  # noqa: ARG001
    key = request["Key"]
    check_expressions(request, ("ProjectionExpression",), ("AttributesToGet",))
    normalize_item(key)
    projection = read_projection(request)
    table = engine.table(request["TableName"])
    row = key_row(table.definition, key)
    check_paths(table.definition, request, projection)
    if projection is None and "ReturnConsumedCapacity" not in request:
        item = table.get(row)
        return EMPTY if item is None else b'{"Item":%b}' % item
    size, item = table.get_sized(row) or (0, None)
    if item is not None and projection is not None:
        item = body(projection.apply(ujson.loads(item)))
    units = capacity.read_units(size, request.get("ConsistentRead") is True)
    return members(
        Item=item, ConsumedCapacity=optional(capacity.consumed(request, table.definition.name, units))
    )


def read_projection(request: Request) -> Projection | None:
    """The projection of a get, or of one table of BatchGetItem."""
    check_expressions(request, ("ProjectionExpression",), ("AttributesToGet",))
    if "ProjectionExpression" not in request:
        return legacy.projection(request["AttributesToGet"]) if "AttributesToGet" in request else None
    placeholders = Placeholders(request.get("ExpressionAttributeNames"), None)
    projection = placeholders.projection(request["ProjectionExpression"])
    placeholders.finish()
    return projection


def put_item(engine: Engine, request: Request, caller: Caller) -> asyncio.Future[bytes]:  # noqa: ARG001
    item = request["Item"]
    _check_return_values(request, deep=True)
    try:
        check_expressions(request, ("ConditionExpression",), ("Expected", "ConditionalOperator"))
        size = normalize_item(item)
        _check_return_values(request)
        condition = _condition(request)
    except ApiError as error:
        raise error.enveloped() from None
    table = engine.table(request["TableName"])
    row = item_row(table.definition, item)
    if size > MAX_ITEM_BYTES:
        raise validation("Item size has exceeded the maximum allowed size")
    check_index_keys(table.definition, item)
    check_paths(table.definition, request, condition)
    new = Stored(size, dumps(item))

    if condition is None and len(request) == 2:  # the table and the item alone

        def put() -> bytes:
            table.overwrite(row, item, new)
            return EMPTY

        return table.submit(put)

    def replace() -> bytes:
        old = _checked(table, row, condition, request)
        table.put(row, item, new, old)
        return _reply(request, table, max(size, _size(old)), _all_old(request, old))

    return table.submit(replace)


def delete_item(engine: Engine, request: Request, caller: Caller) -> asyncio.Future[bytes]:  # noqa: ARG001
    key = request["Key"]
    _check_return_values(request, deep=True)
    try:
        check_expressions(request, ("ConditionExpression",), ("Expected", "ConditionalOperator"))
        normalize_item(key)
        _check_return_values(request)
        condition = _condition(request)
    except ApiError as error:
        raise error.enveloped() from None
    table = engine.table(request["TableName"])
    row = key_row(table.definition, key)
    check_paths(table.definition, request, condition)

    def delete() -> bytes:
        old = _checked(table, row, condition, request)
        if old is not None:
            table.delete(row, old)
        return _reply(request, table, _size(old), _all_old(request, old))

    return table.submit(delete)


def update_item(engine: Engine, request: Request, caller: Caller) -> asyncio.Future[bytes]:  # noqa: ARG001
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
    table = engine.table(request["TableName"])
    row = key_row(table.definition, key)
    check_update(table, update)
    check_paths(table.definition, request, update, condition)
    if update is not None and update.charge > MAX_ITEM_BYTES:
        raise update_too_large()

    def run() -> bytes:
        old = _checked(table, row, condition, request)
        before: Item = {} if old is None else ujson.loads(old.text)
        after = apply_update(update, before, key)
        size = 0
        if after is not None:
            size = item_size(after)
            if size > MAX_ITEM_BYTES:
                raise update_too_large()
            check_updated_index_keys(table.definition, before, after)
            new = Stored(size, dumps(after))
            if new != old:
                table.put(row, after, new, old)
        attributes = _updated_attributes(request, update, before, after or {}, old)
        return _reply(request, table, max(size, _size(old)), attributes)

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


def update_too_large() -> ApiError:
    return validation("Item size to update has exceeded the maximum allowed size")


def apply_update(update: Update | None, before: Item, key: Item) -> Item | None:
    """The item after an update; None where an update that only removes finds no item, and makes none."""
    if update is None:
        return before or key
    if not before and not update.creates:
        return None
    return update.apply(before or key)


def _check_return_values(request: Request, *, deep: bool = False) -> None:
    """`deep`: only of a request that is nested so deep that an older layer reads it, which looks here first."""
    if request.get("ReturnValues") not in _PUT_AND_DELETE_RETURN_VALUES and (not deep or is_deep(request)):
        raise validation("ReturnValues can only be ALL_OLD or NONE")


def _condition(request: Request) -> Condition | None:
    if _CONDITION_PARAMETERS.isdisjoint(request):
        return None
    expected = legacy.expected(request.get("Expected"), request.get("ConditionalOperator"))
    placeholders = Placeholders(
        request.get("ExpressionAttributeNames"), request.get("ExpressionAttributeValues")
    )
    text = request.get("ConditionExpression")
    condition = expected if text is None else placeholders.condition("ConditionExpression", text)
    placeholders.finish()
    return condition


def _update_and_condition(request: Request) -> tuple[Update | None, Condition | None]:
    update: Update | None = None
    if request.get("AttributeUpdates") is not None:
        update = legacy.attribute_updates(request["AttributeUpdates"])
    condition = legacy.expected(request.get("Expected"), request.get("ConditionalOperator"))
    placeholders = Placeholders(
        request.get("ExpressionAttributeNames"), request.get("ExpressionAttributeValues")
    )
    if (text := request.get("UpdateExpression")) is not None:
        update = placeholders.update(text)
    if (text := request.get("ConditionExpression")) is not None:
        condition = placeholders.condition("ConditionExpression", text)
    placeholders.finish()
    return update, condition


def _checked(table: Table, row: RowKey, condition: Condition | None, request: Request) -> Stored | None:
    """The stored item, once the condition holds for it."""
    stored = table.stored(row)
    if condition is not None and not condition.matches({} if stored is None else ujson.loads(stored.text)):
        wanted = request.get("ReturnValuesOnConditionCheckFailure") == "ALL_OLD"
        raise errors.condition_failed(stored.text if wanted and stored is not None else None)
    return stored


def _size(stored: Stored | None) -> int:
    return 0 if stored is None else stored.size


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


def _reply(request: Request, table: Table, size: int, attributes: str | None) -> bytes:
    if "ReturnConsumedCapacity" not in request:
        return EMPTY if attributes is None else b'{"Attributes":%b}' % attributes.encode()
    units = capacity.write_units(size)
    return members(
        Attributes=attributes,
        ConsumedCapacity=optional(capacity.consumed(request, table.definition.name, units)),
    )
