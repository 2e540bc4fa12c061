"""TransactWriteItems and TransactGetItems.

Every action is prepared in the order of the request, before any table is looked up:
what is wrong with one there fails the whole request. What is wrong with an action
once its table is known, or with the item it finds, cancels the transaction, with a
reason for each action.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

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
from alt.errors import ApiError, validation
from alt.expressions import Condition, Projection, Update, write_expressions
from alt.operations.caller import Caller
from alt.operations.capacity.metering import written
from alt.operations.context import Context
from alt.operations.items.index_keys import check_index_keys, too_large
from alt.operations.items.items import check_update, collection_metrics, read_projection, updated_item
from alt.operations.items.write_isolation import refuse_reads
from alt.operations.keys import check_key_not_empty, item_row, key_row
from alt.operations.reply import EMPTY, body, dumps, members, optional
from alt.storage.model.rows import RowKey
from alt.storage.sqlite.indexes import Stored
from alt.storage.sqlite.journal import Token
from alt.storage.sqlite.long_reads import DECODED_FACTOR, STEP_BYTES
from alt.storage.sqlite.table import TOKEN_SECONDS, UNCHANGED, Table, Written
from alt.values.attribute import normalize_item
from alt.values.types import Item

Request = dict[str, Any]

MAX_TRANSACTION_BYTES = 4 * 1024 * 1024

# Without any of these an action has neither an update nor a condition.
_EXPRESSION_PARAMETERS = frozenset(
    ("UpdateExpression", "ConditionExpression", "ExpressionAttributeNames", "ExpressionAttributeValues")
)
_KINDS = frozenset(("ConditionCheck", "Put", "Delete", "Update"))
_REPORTS = frozenset(("ReturnConsumedCapacity", "ReturnItemCollectionMetrics"))
_NONE = '{"Code":"None"}'
_REASON_CODES = {
    "ConditionalCheckFailedException": "ConditionalCheckFailed",
    "ItemCollectionSizeLimitExceededException": "ItemCollectionSizeLimitExceeded",
    "ProvisionedThroughputExceededException": "ProvisionedThroughputExceeded",
    "ThrottlingException": "ThrottlingError",
    "TransactionConflictException": "TransactionConflict",
    "ValidationException": "ValidationError",
}


@dataclass(slots=True)
class _Action:
    """One action, as it comes to be known step by step.

    Prepared: what its request says; `key` is the item of a Put. Located: its table and row, or why
    its key fits no row there (`mismatch`). Evaluated: the `old` item, and the one to store in its
    place as `item` and `new`, which stay None where it deletes or only checks.
    """

    kind: str
    request: Request
    key: Item
    size: int
    condition: Condition | None = None
    update: Update | None = None
    item: Item | None = None
    new: Stored | None = None
    table: Table = field(init=False)
    row: RowKey | None = None
    mismatch: ApiError | None = None
    old: Stored | None = None


def read_actions(request: Request) -> list[_Action]:
    """The actions of a TransactWriteItems, prepared; their items and keys become canonical."""
    actions = list(map(_prepare, request["TransactItems"]))
    if sum([action.size for action in actions]) > MAX_TRANSACTION_BYTES:
        raise _too_large()
    return actions


def transact_write_items(
    context: Context, request: Request, caller: Caller, actions: list[_Action]
) -> bytes | asyncio.Future[bytes]:
    """`actions`: what `read_actions` answers of the request."""
    _locate(context, actions)
    _refuse_repeated_rows(actions)
    for action in actions:
        definition = action.table.definition
        if action.mismatch is not None:
            check_key_not_empty(definition, action.key)
        if definition.indexes and action.kind == "Put":
            _check_empty_index_keys(action)
        if action.condition is not None or action.update is not None:
            refuse_reads(context, action.table, action.condition, action.update)
    token = _token(context, request)
    if token is not None and token.token in context.store.transactions.tokens:
        return _replayed(context, request, caller, actions)
    _step(actions, _refuse_contended)
    rows: dict[Table, list[RowKey]] = {action.table: [] for action in actions}
    for action in actions:
        if action.row is not None:
            rows[action.table].append(action.row)

    def work() -> bytes:
        return _write(context, request, caller, actions)

    return context.store.transactions.write(rows, work, token)


def transact_get_items(context: Context, request: Request, caller: Caller) -> bytes | asyncio.Future[bytes]:
    gets = [each["Get"] for each in request["TransactItems"]]
    projections = []
    for get in gets:
        normalize_item(get["Key"], older=True)
        projections.append(read_projection(get))
    actions = [_Action("Get", get, get["Key"], 0) for get in gets]
    _locate(context, actions)
    _refuse_repeated_rows(actions)
    for action in actions:
        if action.mismatch is not None:
            check_key_not_empty(action.table.definition, action.key)
    _raise_if_cancelled([action.mismatch for action in actions])
    _step(actions, _refuse_contended)
    tables = list(dict.fromkeys([action.table for action in actions]))
    _step(actions, lambda action: context.meter.admit_read(caller, action.table))

    found = context.store.transactions.read(tables, lambda: _read(actions))

    async def reply() -> bytes:
        items, used = await found if isinstance(found, asyncio.Future) else found
        used.count(context.meter.read, caller)
        responses = await _responses(items, projections)
        return members(
            Responses=b"[%b]" % b",".join(responses), ConsumedCapacity=used.shown(request, actions, READ)
        )

    return asyncio.ensure_future(reply())


def _read(actions: Sequence[_Action]) -> tuple[list[bytes | None], _Consumptions]:
    items: list[bytes | None] = []
    used = _Consumptions()
    total = 0
    for action in actions:
        assert action.row is not None
        size, item = action.table.get_sized(action.row) or (0, None)
        total += size
        if total > MAX_TRANSACTION_BYTES:
            raise _too_large()
        used.add(action, Consumption(read_units(size, consistent=True)))
        items.append(item)
    return items, used


async def _responses(items: Sequence[bytes | None], projections: Sequence[Projection | None]) -> list[bytes]:
    """What is asked for of each item; large ones are cut in several turns of the event loop."""
    responses = []
    step = 0
    for item, projection in zip(items, projections, strict=True):
        if item is None:
            responses.append(EMPTY)
            continue
        shown = item
        if projection is not None:
            step += len(item) * DECODED_FACTOR
            if step >= STEP_BYTES:
                step = 0
                await asyncio.sleep(0)
            shown = body(projection.apply(ujson.loads(item)))
        responses.append(b'{"Item":%b}' % shown)
    return responses


def _too_large() -> ApiError:
    return validation("Aggregate size of all items in the transaction exceeds the limit of 4 MB")


def _replayed(context: Context, request: Request, caller: Caller, actions: Sequence[_Action]) -> bytes:
    """What was done before is answered again, and costs the reading of its items."""
    used = _Consumptions()
    for action in actions:
        size, _ = (action.row and action.table.get_sized(action.row)) or (0, None)
        used.add(action, Consumption(read_units(size, consistent=True)))
    used.count(context.meter.read, caller)
    return members(ConsumedCapacity=used.shown(request, actions, READ))


# Capacity


class _Consumptions:
    """What a transaction consumed of each table, all of it twice."""

    def __init__(self) -> None:
        self._by_table: dict[Table, Consumption] = {}

    def add(self, action: _Action, used: Consumption) -> None:
        total = self._by_table.get(action.table)
        if total is None:
            total = self._by_table[action.table] = Consumption()
        total.add(used, TRANSACTION_FACTOR)

    def count(self, meter: Callable[[Caller, Table, Consumption], None], caller: Caller) -> None:
        for table, consumption in self._by_table.items():
            meter(caller, table, consumption)

    def shown(self, request: Request, actions: Sequence[_Action], kind: str) -> str | None:
        """The ConsumedCapacity that was asked for, each table under the name it was given."""
        names = {action.table: action.request["TableName"] for action in actions}
        used = [(names[table], used) for table, used in self._by_table.items()]
        return optional(consumed_capacities(request.get("ReturnConsumedCapacity"), used, kind))


# Preparing


def _prepare(item: Request) -> _Action:
    """The one action of an element of TransactItems; raises what is wrong with it by itself."""
    kinds = [kind for kind in item if kind in _KINDS and item[kind] is not None]
    if len(kinds) != 1:
        raise validation("TransactItems can only contain one of Check, Put, Update or Delete")
    (kind,) = kinds
    request = item[kind]
    if kind == "Put":
        key = request["Item"]
        size = normalize_item(key, older=True)
        if size > MAX_ITEM_BYTES:
            raise validation("Item size has exceeded the maximum allowed size")
        action = _Action(kind, request, key, size, item=key, new=Stored(size, dumps(key)))
    else:
        key = request["Key"]
        action = _Action(kind, request, key, normalize_item(key, older=True))
    if _EXPRESSION_PARAMETERS.isdisjoint(request):
        return action
    action.update, action.condition = write_expressions(request, updates=kind == "Update", older=True)
    return action


def _locate(context: Context, actions: Sequence[_Action]) -> None:
    tables = context.tables([action.request["TableName"] for action in actions])
    for action in actions:
        action.table = tables[action.request["TableName"]]
        locate: Callable[..., RowKey] = item_row if action.kind == "Put" else key_row
        try:
            action.row = locate(action.table.definition, action.key)
        except ApiError as error:
            action.mismatch = error


def _refuse_repeated_rows(actions: Sequence[_Action]) -> None:
    rows = [(action.table.definition.id, action.row) for action in actions if action.row is not None]
    if len(set(rows)) < len(rows):
        raise validation("Transaction request cannot include multiple operations on one item")


def _refuse_contended(action: _Action) -> None:
    if action.row is not None:
        action.table.refuse_contended(action.row)


def _check_empty_index_keys(action: _Action) -> None:
    """An empty index key fails the request; one of a wrong type cancels it."""
    definition = action.table.definition
    if too_large(definition, action.key, action.size):
        raise validation("Item size has exceeded the maximum allowed size")
    try:
        check_index_keys(definition, action.key)
    except ApiError as error:
        if str(error.message).startswith("One or more parameter values are not valid."):
            raise
        action.mismatch = action.mismatch or error


# Tokens


def _token(context: Context, request: Request) -> Token | None:
    """The request's token, once it is known not to be another request's or one under way."""
    text = request.get("ClientRequestToken")
    if text is None:
        return None
    items = ujson.dumps(request["TransactItems"], sort_keys=True)
    token = Token(
        text, hashlib.sha256(items.encode("utf-8", "replace")).digest(), context.clock() + TOKEN_SECONDS
    )
    transactions = context.store.transactions
    known = transactions.tokens.get(text)
    if known is not None and known.expires < context.clock():
        del transactions.tokens[text]
        known = None
    running = transactions.running.get(text)
    if (running or (known.request if known is not None else token.request)) != token.request:
        raise errors.idempotent_parameter_mismatch()
    if running is not None:
        raise errors.transaction_in_progress()
    return token


# Running


def _evaluate(action: _Action) -> None:
    """What the action does, on the item as it is before the transaction."""
    table, condition, update = action.table, action.condition, action.update
    if action.row is not None:
        action.old = table.stored(action.row)
    if action.mismatch is not None or action.row is None:
        raise action.mismatch or errors.internal_server_error()
    old = action.old
    if condition is None and update is None:
        return
    check_update(table, update)
    before: Item = {} if old is None else ujson.loads(old.text)
    if condition is not None and not condition.matches(before):
        wanted = action.request.get("ReturnValuesOnConditionCheckFailure") == "ALL_OLD"
        raise errors.condition_failed(old.text if wanted and old is not None else None)
    if update is None:
        return
    updated = updated_item(table, update, before, action.key, old)
    if updated is not None:
        action.item, action.new = updated


def _write(context: Context, request: Request, caller: Caller, actions: Sequence[_Action]) -> bytes:
    """The transaction itself, inside the transactions of its tables."""
    if not context.meter.is_idle:
        _step(actions, lambda action: context.meter.admit_write(caller, action.table))
    used = _Consumptions()
    try:
        _step(actions, _evaluate)
    except ApiError:  # what is cancelled has been prepared all the same
        for action in actions:
            used.add(action, Consumption(write_units(0 if action.old is None else action.old.size)))
        used.count(context.meter.write, caller)
        raise
    _apply_all(actions, used)
    used.count(context.meter.write, caller)
    if _REPORTS.isdisjoint(request):
        return EMPTY
    metrics = _collection_metrics(actions) if request.get("ReturnItemCollectionMetrics") == "SIZE" else None
    return members(
        ConsumedCapacity=used.shown(request, actions, WRITE), ItemCollectionMetrics=optional(metrics or None)
    )


def _apply_all(actions: Sequence[_Action], used: _Consumptions) -> None:
    if _are_plain_puts(actions):
        puts: list[tuple[RowKey, Stored, int | None]] = []
        units = 0.0
        for action in actions:
            row, new, old = action.row, action.new, action.old
            if row is None or new is None:
                continue
            old_size = None if old is None else old.size
            units += write_units(max(new.size, old_size or 0))
            if new != old:
                puts.append((row, new, old_size))
        actions[0].table.put_all(puts)
        used.add(actions[0], Consumption(units))
        return
    problems: list[ApiError | None] = [None] * len(actions)
    for position, action in enumerate(actions):
        try:
            used.add(action, _apply(action))
        except ApiError as error:  # an item collection grows too large
            problems[position] = error
            _raise_if_cancelled(problems)


def _are_plain_puts(actions: Sequence[_Action]) -> bool:
    """Whether all there is to do is to store items, all in one table, which nothing else is to know of."""
    table = actions[0].table
    return table.is_plain and all(action.new is not None and action.table is table for action in actions)


def _apply(action: _Action) -> Consumption:
    """A check costs what a write of its item would."""
    old, new = action.old, action.new
    assert action.row is not None
    done = UNCHANGED if old is None else Written(old.size, ())
    if new is not None and action.item is not None:
        if new != old:
            done = action.table.put(action.row, action.item, new, old)
    elif action.kind == "Delete" and old is not None:
        done = action.table.delete(action.row, old)
    return written(done, 0 if new is None else new.size)


def _collection_metrics(actions: Sequence[_Action]) -> dict[str, list[dict[str, Any]]]:
    """By the tables' names as given, one for each collection that was written to."""
    found: dict[str, dict[Any, dict[str, Any]]] = {}
    for action in actions:
        if action.kind == "ConditionCheck" or action.row is None:
            continue
        metrics = collection_metrics(action.table, action.row, action.key)
        if metrics is not None:
            found.setdefault(action.request["TableName"], {})[action.row.pk] = metrics
    return {name: list(collections.values()) for name, collections in found.items()}


def _step(actions: Sequence[_Action], step: Callable[[_Action], None]) -> None:
    """Take a step of every action. The transaction is cancelled if it fails for any."""
    problems: list[ApiError | None] = []
    for action in actions:
        try:
            step(action)
            problems.append(None)
        except ApiError as error:
            if error.type not in _REASON_CODES:
                raise
            problems.append(error)
    _raise_if_cancelled(problems)


def _raise_if_cancelled(problems: Sequence[ApiError | None]) -> None:
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
