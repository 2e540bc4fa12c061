"""GetItem, PutItem, UpdateItem, DeleteItem.

A write is prepared before its table is looked up (its errors come in the envelope
of section "request-level problems") and then runs inside a group's transaction,
where it sees the item as the write before it left it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import ujson

from alt import errors
from alt.capacity import Consumption, consumed_capacity, read_units
from alt.config import MAX_ITEM_BYTES
from alt.errors import ApiError, validation
from alt.expressions import Condition, Placeholders, Projection, Update, legacy, write_expressions
from alt.operations.caller import Caller
from alt.operations.capacity.metering import written
from alt.operations.context import Context
from alt.operations.items.index_keys import (
    check_given_index_keys,
    check_index_keys,
    check_updated_index_keys,
    too_large,
)
from alt.operations.items.write_isolation import refuse_reads
from alt.operations.keys import check_paths, item_row, key_row
from alt.operations.parameters import check_expressions
from alt.operations.reply import EMPTY, body, members, optional
from alt.storage.engine import Answer, Table, then
from alt.storage.model.definition import TableDefinition
from alt.storage.model.items import Delete, Effect, Keep, Put, Refuse, Stored, Write, Written
from alt.storage.model.keys import RowKey
from alt.storage.model.reads import Sized
from alt.validation import is_deep
from alt.values.attribute import normalize_item
from alt.values.json import dumps
from alt.values.sizes import item_size, resized
from alt.values.types import Item

if TYPE_CHECKING:
    from typing import NotRequired, TypeAlias, TypedDict

    from alt.validation.requests import (
        DeleteItemInput,
        GetItemInput,
        PutItemInput,
        ReturnValue,
        ReturnValuesOnConditionCheckFailure,
        UpdateItemInput,
    )

    WriteInput: TypeAlias = PutItemInput | UpdateItemInput | DeleteItemInput

    class Checked(TypedDict):
        """What each write of one item has, be it a request or an action of a transaction."""

        ReturnValuesOnConditionCheckFailure: NotRequired[ReturnValuesOnConditionCheckFailure]


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


def get_item(context: Context, request: GetItemInput, caller: Caller) -> Answer[bytes]:
    """GetItem (https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_GetItem.html)."""
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
    is_consistent = request.get("ConsistentRead") is True

    def finish(found: Sized | None) -> bytes:
        size, item = found or (0, None)
        used = Consumption(read_units(size, is_consistent))
        context.meter.read(caller, table, used)
        if item is not None and projection is not None:
            item = body(projection.apply(ujson.loads(item)))
        if "ReturnConsumedCapacity" not in request:
            return EMPTY if item is None else b'{"Item":%b}' % item
        return members(Item=item, ConsumedCapacity=_consumed_capacity(request, used))

    return then(table.get(row, is_consistent=is_consistent), finish)


def read_projection(request: Mapping[str, Any]) -> Projection | None:
    """The projection of a GetItem, of one table of BatchGetItem, or of a Get in a transaction."""
    check_expressions(request, ("ProjectionExpression",), ("AttributesToGet",))
    if "ProjectionExpression" not in request:
        return legacy.projection(request["AttributesToGet"]) if "AttributesToGet" in request else None
    placeholders = Placeholders(request.get("ExpressionAttributeNames"), None)
    projection = placeholders.projection(request["ProjectionExpression"])
    placeholders.finish()
    return projection


def read_put(request: PutItemInput) -> tuple[int, Condition | None]:
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
    context: Context, request: PutItemInput, caller: Caller, read: tuple[int, Condition | None]
) -> asyncio.Future[bytes]:
    """PutItem (https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_PutItem.html).

    `read`: what `read_put` answers of the request.
    """
    item = request["Item"]
    size, condition = read
    table = context.table(request["TableName"])
    row = item_row(table.definition, item)
    if too_large(table.definition, item, size):
        raise validation("Item size has exceeded the maximum allowed size")
    check_index_keys(table.definition, item)
    check_paths(table.definition, request, condition)
    put = Put(item, Stored(size, dumps(item)))
    context.meter.admit_write(caller, table)

    if condition is None and len(request) == 2:  # the table and the item alone

        def finish(done: Written) -> bytes:
            context.meter.write(caller, table, written(done))
            return EMPTY

        return table.write(Write(row, put), finish)

    refuse_reads(context, table, condition, None, request.get("ReturnValues"))
    if condition is None and request.get("ReturnValues") != "ALL_OLD":
        write = Write(row, put)
    else:
        write = conditional(row, request, condition, put)
    reply = _Reply(context, caller, request, table, item)
    return table.write(write, lambda done: reply(done, _all_old(request, done.old)))


def delete_item(context: Context, request: DeleteItemInput, caller: Caller) -> asyncio.Future[bytes]:
    """DeleteItem (https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_DeleteItem.html)."""
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
    context.meter.admit_write(caller, table)
    write = Write(row, DELETE) if condition is None else conditional(row, request, condition, DELETE)
    reply = _Reply(context, caller, request, table, key)
    return table.write(write, lambda done: reply(done, _all_old(request, done.old)))


def update_item(context: Context, request: UpdateItemInput, caller: Caller) -> asyncio.Future[bytes]:
    """UpdateItem (https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_UpdateItem.html)."""
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
    check_update(table.definition, update)
    check_paths(table.definition, request, update, condition)
    if update is not None and update.is_too_large:
        raise update_too_large()
    refuse_reads(context, table, condition, update, request.get("ReturnValues"))
    context.meter.admit_write(caller, table)
    updating = Updating(table.definition, request, key, condition, update)
    reply = _Reply(context, caller, request, table, key)
    return table.write(
        Write(row, updating, partial(looks, condition, update)),
        lambda done: reply(done, updating.attributes(done, request.get("ReturnValues", "NONE"))),
    )


DELETE = Delete()


def conditional(
    row: RowKey, request: Checked, condition: Condition | None, effect: Put | Delete | None
) -> Write:
    """A write that is done if the condition holds; `effect` None only looks whether it does."""

    def decide(stored: Stored | None) -> Effect:
        item = {} if stored is None or condition is None else ujson.loads(stored.text)
        if condition is not None and not condition.matches(item):
            return refused_by_condition(request, stored)
        return effect or Keep(0 if stored is None else stored.size)

    return Write(row, decide, partial(looks, condition))


def looks(*bound: Condition | Update | None) -> int:
    """In how many ways expressions look at an item, about: as often as they name a path in it."""
    return sum([each.size for each in bound if each is not None])


class Updating:
    """An update of one item, which decides what becomes of it."""

    __slots__ = ("_after", "_before", "_condition", "_definition", "_key", "_request", "_update")

    def __init__(
        self,
        definition: TableDefinition,
        request: Checked,
        key: Item,
        condition: Condition | None,
        update: Update | None,
    ) -> None:
        self._definition = definition
        self._request = request
        self._key = key
        self._condition = condition
        self._update = update
        # Of the last decision, which is the one that was carried out.
        self._before: Item = {}
        self._after: Item = {}

    def __call__(self, stored: Stored | None) -> Effect:
        before: Item = {} if stored is None else ujson.loads(stored.text)
        self._before, self._after = before, before
        if self._condition is not None and not self._condition.matches(before):
            return refused_by_condition(self._request, stored)
        updated = updated_item(self._definition, self._update, before, self._key, stored)
        if updated is None:
            return Keep()
        self._after, new = updated
        return Put(self._after, new, before)

    def attributes(self, done: Written, wanted: ReturnValue) -> str | None:
        """The Attributes that `wanted`, the ReturnValues, asks for, None for none."""
        if wanted == "NONE":
            return None
        if wanted == "ALL_OLD":
            return None if done.old is None else done.old.text
        if wanted == "ALL_NEW":
            return dumps(self._after) if self._after else None
        if self._update is None:
            return None
        updated = self._update.updated(self._before if wanted == "UPDATED_OLD" else self._after)
        return dumps(updated) if updated else None


def refused_by_condition(request: Checked, stored: Stored | None) -> Refuse:
    wanted = request.get("ReturnValuesOnConditionCheckFailure") == "ALL_OLD"
    return Refuse(errors.condition_failed(stored.text if wanted and stored is not None else None))


def check_update(definition: TableDefinition, update: Update | None) -> None:
    """An update leaves the key alone, and gives the keys of indexes values that they can have."""
    if update is None:
        return
    for attribute in definition.key_attributes:
        if attribute.name in update.attribute_names:
            raise errors.invalid_parameters(
                f"Cannot update attribute {attribute.name}. This attribute is part of the key"
            )
    check_given_index_keys(definition, update)


def updated_item(
    definition: TableDefinition, update: Update | None, before: Item, key: Item, old: Stored | None
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
    if too_large(definition, after, size):
        raise update_too_large()
    check_updated_index_keys(definition, before, after)
    return after, Stored(size, dumps(after))


def update_too_large() -> ApiError:
    return validation("Item size to update has exceeded the maximum allowed size")


def _check_return_values(request: PutItemInput | DeleteItemInput, *, deep: bool = False) -> None:
    """`deep`: only of a request that is nested so deep that an older layer reads it, which looks here first."""
    if request.get("ReturnValues") not in _PUT_AND_DELETE_RETURN_VALUES and (not deep or is_deep(request)):
        raise validation("ReturnValues can only be ALL_OLD or NONE")


def _condition(request: PutItemInput | DeleteItemInput) -> Condition | None:
    if _CONDITION_PARAMETERS.isdisjoint(request):
        return None
    expected = legacy.expected(request.get("Expected"), request.get("ConditionalOperator"))
    condition = write_expressions(request).condition
    return expected if condition is None else condition


def _update_and_condition(request: UpdateItemInput) -> tuple[Update | None, Condition | None]:
    attribute_updates: Update | None = None
    if request.get("AttributeUpdates") is not None:
        attribute_updates = legacy.attribute_updates(request["AttributeUpdates"])
    expected = legacy.expected(request.get("Expected"), request.get("ConditionalOperator"))
    update, condition = write_expressions(request, updates=True)
    return update or attribute_updates, condition or expected


class _Reply:
    """The answer to a write of one item that has a condition or answers something; `key` holds the item's key."""

    __slots__ = ("_caller", "_context", "_key", "_request", "_table")

    def __init__(
        self, context: Context, caller: Caller, request: WriteInput, table: Table, key: Item
    ) -> None:
        self._context = context
        self._caller = caller
        self._request = request
        self._table = table
        self._key = key

    def __call__(self, done: Written, attributes: str | None) -> bytes:
        """Raises what a condition that did not hold is answered; it costs a write, too."""
        request = self._request
        used = written(done)
        self._context.meter.write(self._caller, self._table, used)
        if done.refused is not None:
            raise done.refused
        if _REPORTS.isdisjoint(request):
            return EMPTY if attributes is None else b'{"Attributes":%b}' % attributes.encode()
        metrics = None
        if request.get("ReturnItemCollectionMetrics") == "SIZE":
            metrics = collection_metrics(self._table.definition, done, self._key)
        return members(
            Attributes=attributes,
            ConsumedCapacity=_consumed_capacity(request, used),
            ItemCollectionMetrics=optional(metrics),
        )


def _consumed_capacity(request: GetItemInput | WriteInput, used: Consumption) -> str | None:
    return optional(consumed_capacity(request.get("ReturnConsumedCapacity"), request["TableName"], used))


def collection_metrics(definition: TableDefinition, done: Written, key: Item) -> dict[str, Any] | None:
    """ItemCollectionMetrics of an item's collection as a write leaves it; None on a table without local indexes.

    The service answers a range of whole gigabytes that the size lies in.
    """
    if done.collection is None:
        return None
    name = definition.hash_key.name
    low = done.collection // GIGABYTE
    return {"ItemCollectionKey": {name: key[name]}, "SizeEstimateRangeGB": [float(low), float(low + 1)]}


def _all_old(request: PutItemInput | DeleteItemInput, old: Stored | None) -> str | None:
    return old.text if old is not None and request.get("ReturnValues") == "ALL_OLD" else None
