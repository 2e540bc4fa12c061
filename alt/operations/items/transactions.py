"""TransactWriteItems and TransactGetItems.

Every action is prepared in the order of the request, before any table is looked up:
what is wrong with one there fails the whole request. What is wrong with an action
once its table is known, or with the item it finds, cancels the transaction, with a
reason for each action.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import ujson

from alt import errors
from alt.capacity import (
    READ,
    TRANSACTION_FACTOR,
    WRITE,
    Consumption,
    consumed_capacities,
    read_units,
    write_units,
)
from alt.config import MAX_ITEM_BYTES
from alt.errors import ApiError, validation, without_trace
from alt.expressions import Condition, Projection, Update, write_expressions
from alt.operations.caller import Caller
from alt.operations.capacity.metering import written
from alt.operations.context import Context
from alt.operations.items.index_keys import check_index_keys, too_large
from alt.operations.items.items import (
    DELETE,
    Updating,
    check_update,
    collection_metrics,
    conditional,
    looks,
    read_projection,
)
from alt.operations.items.write_isolation import refuse_reads
from alt.operations.keys import EmptyKeyError, check_key_not_empty, check_paths, item_row, key_row
from alt.operations.reply import EMPTY, body, members, optional
from alt.storage.engine import Answer, ConflictError, Table, settled
from alt.storage.model.items import TOKEN_SECONDS, Decide, Put, Stored, Token, Write, Written
from alt.storage.model.keys import NOWHERE, RowKey
from alt.storage.model.reads import Sized
from alt.values.attribute import normalize_item
from alt.values.json import dumps
from alt.values.sizes import item_size
from alt.values.types import Item

if TYPE_CHECKING:
    from typing import Literal, TypeAlias

    from alt.validation import requests

    WriteKind: TypeAlias = Literal["ConditionCheck", "Put", "Delete", "Update"]
    WriteRequest: TypeAlias = requests.ConditionCheck | requests.Put | requests.Delete | requests.Update
    WriteAction: TypeAlias = "Action[WriteRequest]"
    WriteRequests: TypeAlias = requests.TransactWriteItemsInput | requests.ExecuteTransactionInput
    ReadRequests: TypeAlias = requests.TransactGetItemsInput | requests.ExecuteTransactionInput
    Input: TypeAlias = WriteRequests | ReadRequests

# One kind of action's part of the request.
R = TypeVar("R", bound="WriteRequest | requests.Get")


MAX_TRANSACTION_BYTES = 4 * 1024 * 1024
# So many bytes of items are cut to projections in one turn of the event loop: about 5 ms.
STEP_BYTES = 128 * 1024

_KINDS: frozenset[WriteKind] = frozenset(("ConditionCheck", "Put", "Delete", "Update"))
_REPORTS = frozenset(("ReturnConsumedCapacity", "ReturnItemCollectionMetrics"))
_NONE = '{"Code":"None"}'
_REASON_CODES = {
    "ConditionalCheckFailedException": "ConditionalCheckFailed",
    "DuplicateItemException": "DuplicateItem",
    "ItemCollectionSizeLimitExceededException": "ItemCollectionSizeLimitExceeded",
    "ProvisionedThroughputExceededException": "ProvisionedThroughputExceeded",
    "ResourceNotFoundException": "ResourceNotFound",
    "ThrottlingException": "ThrottlingError",
    "TransactionConflictException": "TransactionConflict",
    "ValidationException": "ValidationError",
}


@dataclass(slots=True)
class Action(Generic[R]):
    """One action, as it comes to be known step by step.

    Prepared: what its request says; `key` is the item of a Put, `size` the bytes that are given, `decide` what it does
    where that is not told by the rest. Located: its table and row, or what of the keys does not fit there (`mismatch`).
    """

    kind: WriteKind | Literal["Get"]
    request: R
    key: Item
    size: int
    condition: Condition | None = None
    update: Update | None = None
    put: Put | None = None
    projection: Projection | None = None
    decide: Decide | None = None
    table: Table = field(init=False)
    row: RowKey = NOWHERE
    mismatch: ApiError | None = None


def read_actions(request: requests.TransactWriteItemsInput) -> list[WriteAction]:
    """The actions of a TransactWriteItems, prepared; their items and keys become canonical."""
    actions = list(map(_prepare, request["TransactItems"]))
    if sum([action.size for action in actions]) > MAX_TRANSACTION_BYTES:
        raise validation("Transaction payload size cannot exceed 4 MB")
    return actions


def transact_write_items(
    context: Context, request: requests.TransactWriteItemsInput, caller: Caller, actions: list[WriteAction]
) -> Answer[bytes]:
    """TransactWriteItems (https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html).

    `actions`: what `read_actions` answers of the request.
    """
    return write_together(context, request, caller, actions, token_of(context, request, "TransactItems"))


def write_together(
    context: Context,
    request: WriteRequests,
    caller: Caller,
    actions: Sequence[WriteAction],
    token: Token | None,
    responses: bytes | None = None,
) -> Answer[bytes]:
    """All that the actions ask for or none of it; `request` says which reports are wanted.

    `responses` is a member of every answer.
    """
    _locate(context, actions)
    _refuse_repeated_rows(actions)
    for action in actions:
        _check_keys(action)
        if action.condition is not None or action.update is not None:
            refuse_reads(context, action.table, action.condition, action.update)
    _refuse_first_mismatch(actions)
    if not context.meter.is_idle:
        _step(actions, lambda action: context.meter.admit_write(caller, action.table))

    def finish(done: Sequence[Written]) -> bytes:
        return _reply(context, request, caller, actions, done, responses)

    def replayed(sizes: Sequence[int]) -> bytes:
        return _replayed(context, request, caller, actions, sizes, responses)

    writes = [(action.table, _write(action)) for action in actions]
    return context.engine.transact(writes, token, finish, replayed)


def transact_get_items(
    context: Context, request: requests.TransactGetItemsInput, caller: Caller
) -> bytes | asyncio.Future[bytes]:
    """TransactGetItems (https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactGetItems.html).

    The items are all of one state.
    """
    return get_together(
        context, request, caller, [_prepare_get(each["Get"]) for each in request["TransactItems"]]
    )


def get_together(
    context: Context, request: ReadRequests, caller: Caller, actions: Sequence[Action[requests.Get]]
) -> bytes | asyncio.Future[bytes]:
    """What the actions ask for, all of one state; `request` says which reports are wanted."""
    _locate(context, actions)
    _refuse_repeated_rows(actions)
    for action in actions:
        _check_keys(action)
    _refuse_first_mismatch(actions)
    _step(actions, lambda action: context.meter.admit_read(caller, action.table))
    keys = [(action.table, action.row) for action in actions]
    try:
        found = context.engine.get_together(keys)
    except ConflictError as conflict:
        raise_if_cancelled(conflict.errors)
        raise

    async def reply() -> bytes:
        items = await settled(found)
        if sum([0 if item is None else item[0] for item in items]) > MAX_TRANSACTION_BYTES:
            raise validation("Aggregate size of all items in the transaction exceeds the limit of 4 MB")
        used = _Consumptions()
        for action, item in zip(actions, items, strict=True):
            used.add(action, Consumption(read_units(0 if item is None else item[0], consistent=True)))
        used.count(context.meter.read, caller)
        responses = await _responses(items, [action.projection for action in actions])
        return members(
            Responses=b"[%b]" % b",".join(responses), ConsumedCapacity=used.shown(request, actions, READ)
        )

    return asyncio.ensure_future(reply())


async def _responses(items: Sequence[Sized | None], projections: Sequence[Projection | None]) -> list[bytes]:
    """What is asked for of each item, if there is any of it; large ones are cut in several turns of the event loop."""
    responses = []
    step = 0
    for found, projection in zip(items, projections, strict=True):
        if found is None:
            responses.append(EMPTY)
            continue
        size, shown = found
        if projection is not None:
            step += size
            if step >= STEP_BYTES:
                step = 0
                await asyncio.sleep(0)
            cut = projection.apply(ujson.loads(shown))
            if not cut:
                responses.append(EMPTY)
                continue
            shown = body(cut)
        responses.append(b'{"Item":%b}' % shown)
    return responses


def _replayed(
    context: Context,
    request: WriteRequests,
    caller: Caller,
    actions: Sequence[WriteAction],
    sizes: Sequence[int],
    responses: bytes | None,
) -> bytes:
    """What was done before is answered again, and costs the reading of the items as they were charged for then."""
    used = _Consumptions()
    for action, size in zip(actions, sizes, strict=True):
        used.add(action, Consumption(read_units(size, consistent=True)))
    used.count(context.meter.read, caller)
    return members(Responses=responses, ConsumedCapacity=used.shown(request, actions, READ))


# Capacity


class _Consumptions:
    """What a transaction consumed of each table: twice of the table itself, once of its indexes."""

    def __init__(self) -> None:
        self._by_table: dict[Table, Consumption] = {}

    def add(self, action: Action[R], used: Consumption) -> None:
        total = self._by_table.get(action.table)
        if total is None:
            total = self._by_table[action.table] = Consumption()
        total.add(used, TRANSACTION_FACTOR)

    def add_units(self, action: Action[R], units: float) -> None:
        """What was consumed of the table alone."""
        total = self._by_table.get(action.table)
        if total is None:
            total = self._by_table[action.table] = Consumption()
        total.table += units * TRANSACTION_FACTOR

    def count(self, meter: Callable[[Caller, Table, Consumption], None], caller: Caller) -> None:
        for table, consumption in self._by_table.items():
            meter(caller, table, consumption)

    def shown(self, request: Input, actions: Sequence[Action[R]], kind: str) -> str | None:
        """The ConsumedCapacity that was asked for, each table under the name it was given."""
        names = {action.table: action.request["TableName"] for action in actions}
        used = [(names[table], used) for table, used in self._by_table.items()]
        return optional(consumed_capacities(request.get("ReturnConsumedCapacity"), used, kind))


# Preparing


def _prepare(item: requests.TransactWriteItem) -> WriteAction:
    """The one action of an element of TransactItems; raises what is wrong with it by itself."""
    kinds = [kind for kind in item if kind in _KINDS and item[kind] is not None]
    if len(kinds) != 1:
        raise validation("TransactItems can only contain one of Check, Put, Update or Delete")
    (kind,) = kinds
    request: WriteRequest
    action: WriteAction
    if kind == "Put":
        request = item[kind]
        key = request["Item"]
        size = normalize_item(key, older=True)
        if size > MAX_ITEM_BYTES:
            raise validation("Item size has exceeded the maximum allowed size")
        action = Action(kind, request, key, size, put=Put(key, Stored(size, dumps(key))))
    else:
        request = item[kind]
        key = request["Key"]
        action = Action(kind, request, key, normalize_item(key, older=True))
    # Unlike other requests, an action may come with placeholders and without an expression for them.
    if kind == "Update" or request.get("ConditionExpression") is not None:
        action.update, action.condition = write_expressions(request, updates=kind == "Update", older=True)
        action.size += item_size(request.get("ExpressionAttributeValues") or {})
    return action


def _prepare_get(request: requests.Get) -> Action[requests.Get]:
    """The one action of an element of TransactGetItems; raises what is wrong with it by itself."""
    key = request["Key"]
    action = Action("Get", request, key, normalize_item(key, older=True))
    if request.get("ProjectionExpression") is not None:
        action.projection = read_projection(request)
    return action


def _locate(context: Context, actions: Sequence[Action[R]]) -> None:
    tables = context.tables([action.request["TableName"] for action in actions])
    for action in actions:
        action.table = tables[action.request["TableName"]]
        locate: Callable[..., RowKey] = item_row if action.kind == "Put" else key_row
        try:
            action.row = locate(action.table.definition, action.key)
        except ApiError as error:
            action.mismatch = without_trace(error)


def _refuse_repeated_rows(actions: Sequence[Action[R]]) -> None:
    rows = [(action.table.definition.id, action.row) for action in actions if action.row is not NOWHERE]
    if len(set(rows)) < len(rows):
        raise validation("Transaction request cannot include multiple operations on one item")


def _check_keys(action: Action[R]) -> None:
    """An empty key value fails the request; whatever else of the keys does not fit cancels it."""
    definition = action.table.definition
    if action.mismatch is not None:
        check_key_not_empty(definition, action.key)
    if action.put is not None and too_large(definition, action.key, action.put.new.size):
        raise validation("Item size has exceeded the maximum allowed size")
    try:
        if action.put is not None:
            check_index_keys(definition, action.key)
        check_update(definition, action.update)
        check_paths(definition, action.request, action.update, action.condition, action.projection)
    except EmptyKeyError:
        raise
    except ApiError as error:
        action.mismatch = action.mismatch or without_trace(error)


def _refuse_first_mismatch(actions: Sequence[Action[R]]) -> None:
    """Only the first is told: neither the others nor any condition is looked at then."""
    first = next((action for action in actions if action.mismatch is not None), None)
    if first is not None:
        raise_if_cancelled([action.mismatch if action is first else None for action in actions])


def token_of(context: Context, request: Mapping[str, Any], actions: str) -> Token | None:
    """The request's ClientRequestToken, which stands for the member called `actions`."""
    text = request.get("ClientRequestToken")
    if text is None:
        return None
    items = ujson.dumps(request[actions], sort_keys=True)
    digest = hashlib.sha256(items.encode("utf-8", "replace")).digest()
    return Token(text, digest, context.clock() + TOKEN_SECONDS)


# Running


def _write(action: WriteAction) -> Write:
    """What the action does, on the item as it is before the transaction."""
    if action.decide is not None:
        return Write(action.row, action.decide, partial(looks, action.condition))
    condition, update, put = action.condition, action.update, action.put
    if action.kind == "Update":
        updating = Updating(action.table.definition, action.request, action.key, condition, update)
        return Write(action.row, updating, partial(looks, condition, update))
    if action.kind == "ConditionCheck":
        return conditional(action.row, action.request, condition, None)
    effect = DELETE if put is None else put
    return (
        Write(action.row, effect)
        if condition is None
        else conditional(action.row, action.request, condition, effect)
    )


def _reply(
    context: Context,
    request: WriteRequests,
    caller: Caller,
    actions: Sequence[WriteAction],
    done: Sequence[Written],
    responses: bytes | None,
) -> bytes:
    """What is cancelled has been prepared all the same, and costs that, but for what met another transaction."""
    refusals = [each.refused for each in done]
    used = _Consumptions()
    if not any(each is not None and each.type == "TransactionConflictException" for each in refusals):
        for action, each in zip(actions, done, strict=True):
            if each.changes:
                used.add(action, written(each))
            else:
                used.add_units(action, write_units(max(each.old_size, each.new_size)))
        used.count(context.meter.write, caller)
    raise_if_cancelled(refusals)
    if responses is None and _REPORTS.isdisjoint(request):
        return EMPTY
    metrics = None
    if request.get("ReturnItemCollectionMetrics") == "SIZE":
        metrics = _collection_metrics(actions, done)
    return members(
        Responses=responses,
        ConsumedCapacity=used.shown(request, actions, WRITE),
        ItemCollectionMetrics=optional(metrics or None),
    )


def _collection_metrics(
    actions: Sequence[WriteAction], done: Sequence[Written]
) -> dict[str, list[dict[str, Any]]]:
    """By the tables' names as given, one for each collection that was written to."""
    found: dict[str, dict[Any, dict[str, Any]]] = {}
    for action, each in zip(actions, done, strict=True):
        if action.kind == "ConditionCheck":
            continue
        metrics = collection_metrics(action.table.definition, each, action.key)
        if metrics is not None:
            found.setdefault(action.request["TableName"], {})[action.row.pk] = metrics
    return {name: list(collections.values()) for name, collections in found.items()}


def _step(actions: Sequence[Action[R]], step: Callable[[Action[R]], None]) -> None:
    """Take a step of every action. The transaction is cancelled if it fails for any."""
    problems: list[ApiError | None] = []
    for action in actions:
        try:
            step(action)
            problems.append(None)
        except ApiError as error:
            if error.type not in _REASON_CODES:
                raise
            problems.append(without_trace(error))
    raise_if_cancelled(problems)


def raise_if_cancelled(problems: Sequence[ApiError | None]) -> None:
    if not any(problems):
        return
    codes = ["None" if problem is None else _REASON_CODES[problem.type] for problem in problems]
    reasons = [
        _NONE if problem is None else _reason(code, problem)
        for code, problem in zip(codes, problems, strict=True)
    ]
    raise errors.transaction_cancelled(codes, f"[{','.join(reasons)}]")


def _reason(code: str, problem: ApiError) -> str:
    parts = [f'"Code":"{code}"', *(f'"{name}":{text}' for name, text in (problem.members or {}).items())]
    parts.append(f'"Message":{dumps(problem.message)}')
    return "{" + ",".join(parts) + "}"
