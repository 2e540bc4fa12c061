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
from alt.expressions import Condition, Placeholders, Projection, Update
from alt.operations.caller import Caller
from alt.operations.engine import Engine
from alt.operations.index_keys import check_index_keys, check_updated_index_keys, too_large
from alt.operations.items import (
    apply_update,
    check_update,
    collection_metrics,
    read_projection,
    update_too_large,
)
from alt.operations.keys import check_key_not_empty, item_row, key_row
from alt.operations.metering import written
from alt.operations.reply import EMPTY, body, dumps, members, optional
from alt.operations.write_isolation import refuse_reads
from alt.storage.indexes import Stored
from alt.storage.journal import Token
from alt.storage.rows import RowKey
from alt.storage.table import TOKEN_SECONDS, UNCHANGED, Table, Written
from alt.values.attribute import normalize_item
from alt.values.sizes import item_size
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
    "ValidationException": "ValidationError",
}


@dataclass(slots=True)
class _Action:
    """One action, prepared; `key` is the item of a Put, and `new` that as it is to be stored."""

    kind: str
    request: Request
    key: Item
    size: int
    new: Stored | None = None
    condition: Condition | None = None
    update: Update | None = None


@dataclass(slots=True)
class _Target:
    """An action on its table. `mismatch` is why its key fits no row there."""

    action: _Action
    table: Table
    row: RowKey | None = None
    mismatch: ApiError | None = None


@dataclass(slots=True)
class _Write:
    """What an action does to its row: `item` and `new` to put, or neither to delete or only check."""

    target: _Target
    old: Stored | None
    item: Item = field(default_factory=dict)
    new: Stored | None = None


def transact_write_items(engine: Engine, request: Request, caller: Caller) -> bytes | asyncio.Future[bytes]:
    actions = [_prepare(each) for each in request["TransactItems"]]
    if sum(action.size for action in actions) > MAX_TRANSACTION_BYTES:
        raise validation("Aggregate size of all items in the transaction exceeds the limit of 4 MB")
    targets = _targets(engine, actions)
    _refuse_repeated_rows(targets)
    for target in targets:
        action, definition = target.action, target.table.definition
        if target.mismatch is not None:
            check_key_not_empty(definition, action.key)
        if definition.indexes and action.kind == "Put":
            _check_empty_index_keys(target)
        if action.condition is not None or action.update is not None:
            refuse_reads(engine, target.table, action.condition, action.update)
    token = _token(engine, request)
    if token is not None and token.token in engine.store.transactions.tokens:
        return _replayed(engine, request, caller, targets)
    tables = list(dict.fromkeys(target.table for target in targets))

    def work() -> bytes:
        return _write(engine, request, caller, targets)

    return engine.store.transactions.write(tables, work, token)


def transact_get_items(engine: Engine, request: Request, caller: Caller) -> asyncio.Future[bytes]:
    gets = [each["Get"] for each in request["TransactItems"]]
    projections = []
    for get in gets:
        normalize_item(get["Key"], older=True)
        projections.append(read_projection(get))
    actions = [_Action("Get", get, get["Key"], 0) for get in gets]
    targets = _targets(engine, actions)
    _refuse_repeated_rows(targets)
    for target in targets:
        if target.mismatch is not None:
            check_key_not_empty(target.table.definition, target.action.key)
    _raise_if_cancelled([target.mismatch for target in targets])
    tables = list(dict.fromkeys(target.table for target in targets))
    _admit(targets, lambda table: engine.meter.admit_read(caller, table))

    def work() -> bytes:
        responses, used = _read(targets, projections)
        used.count(engine.meter.read, caller)
        return members(
            Responses=b"[%b]" % b",".join(responses), ConsumedCapacity=used.shown(request, targets, READ)
        )

    return asyncio.ensure_future(engine.store.transactions.read(tables, work))


def _read(
    targets: Sequence[_Target], projections: Sequence[Projection | None]
) -> tuple[list[bytes], _Consumptions]:
    responses = []
    used = _Consumptions()
    for target, projection in zip(targets, projections, strict=True):
        assert target.row is not None
        size, item = target.table.get_sized(target.row) or (0, None)
        used.add(target, Consumption(read_units(size, consistent=True)))
        if item is not None and projection is not None:
            item = body(projection.apply(ujson.loads(item)))
        responses.append(EMPTY if item is None else b'{"Item":%b}' % item)
    return responses, used


def _replayed(engine: Engine, request: Request, caller: Caller, targets: Sequence[_Target]) -> bytes:
    """What was done before is answered again, and costs the reading of its items."""
    used = _Consumptions()
    for target in targets:
        size, _ = (target.row and target.table.get_sized(target.row)) or (0, None)
        used.add(target, Consumption(read_units(size, consistent=True)))
    used.count(engine.meter.read, caller)
    return members(ConsumedCapacity=used.shown(request, targets, READ))


# Capacity


class _Consumptions:
    """What a transaction consumed of each table, all of it twice."""

    def __init__(self) -> None:
        self._by_table: dict[Table, Consumption] = {}

    def add(self, target: _Target, used: Consumption) -> None:
        total = self._by_table.get(target.table)
        if total is None:
            total = self._by_table[target.table] = Consumption()
        total.add(used, TRANSACTION_FACTOR)

    def count(self, meter: Callable[[Caller, Table, Consumption], None], caller: Caller) -> None:
        for table, consumption in self._by_table.items():
            meter(caller, table, consumption)

    def shown(self, request: Request, targets: Sequence[_Target], kind: str) -> str | None:
        """The ConsumedCapacity that was asked for, each table under the name it was given."""
        names = {target.table: target.action.request["TableName"] for target in targets}
        used = [(names[table], used) for table, used in self._by_table.items()]
        return optional(consumed_capacities(request.get("ReturnConsumedCapacity"), used, kind))


def _admit(targets: Sequence[_Target], admit: Callable[[Table], None]) -> None:
    """Cancels a transaction for which a table has no capacity left."""
    problems: list[ApiError | None] = []
    for target in targets:
        try:
            admit(target.table)
            problems.append(None)
        except ApiError as error:
            if error.type not in _REASON_CODES:
                raise
            problems.append(error)
    _raise_if_cancelled(problems)


# Preparing


def _prepare(item: Request) -> _Action:
    """The one action of an element of TransactItems; raises what is wrong with it by itself."""
    kinds = [kind for kind, request in item.items() if request is not None and kind in _KINDS]
    if len(kinds) != 1:
        raise validation("TransactItems can only contain one of Check, Put, Update or Delete")
    (kind,) = kinds
    request = item[kind]
    key = request["Item" if kind == "Put" else "Key"]
    size = normalize_item(key, older=True)
    if kind == "Put" and size > MAX_ITEM_BYTES:
        raise validation("Item size has exceeded the maximum allowed size")
    new = Stored(size, dumps(key)) if kind == "Put" else None
    if _EXPRESSION_PARAMETERS.isdisjoint(request):
        return _Action(kind, request, key, size, new)
    placeholders = Placeholders(
        request.get("ExpressionAttributeNames"), request.get("ExpressionAttributeValues"), older=True
    )
    update = placeholders.update(request["UpdateExpression"]) if kind == "Update" else None
    condition = None
    if (text := request.get("ConditionExpression")) is not None:
        condition = placeholders.condition("ConditionExpression", text)
    placeholders.finish()
    return _Action(kind, request, key, size, new, condition, update)


def _targets(engine: Engine, actions: Sequence[_Action]) -> list[_Target]:
    names = dict.fromkeys([action.request["TableName"] for action in actions])
    tables = {name: engine.table(name) for name in names}
    targets = [_Target(action, tables[action.request["TableName"]]) for action in actions]
    for target in targets:
        locate: Callable[..., RowKey] = item_row if target.action.kind == "Put" else key_row
        try:
            target.row = locate(target.table.definition, target.action.key)
        except ApiError as error:
            target.mismatch = error
    return targets


def _refuse_repeated_rows(targets: Sequence[_Target]) -> None:
    rows = [(target.table.definition.id, target.row) for target in targets if target.row is not None]
    if len(set(rows)) < len(rows):
        raise validation("Transaction request cannot include multiple operations on one item")


def _check_empty_index_keys(target: _Target) -> None:
    """An empty index key fails the request; one of a wrong type cancels it."""
    definition = target.table.definition
    if too_large(definition, target.action.key, target.action.size):
        raise validation("Item size has exceeded the maximum allowed size")
    try:
        check_index_keys(definition, target.action.key)
    except ApiError as error:
        if str(error.message).startswith("One or more parameter values are not valid."):
            raise
        target.mismatch = target.mismatch or error


# Tokens


def _token(engine: Engine, request: Request) -> Token | None:
    """The request's token, once it is known not to be another request's or one under way."""
    text = request.get("ClientRequestToken")
    if text is None:
        return None
    items = ujson.dumps(request["TransactItems"], sort_keys=True)
    token = Token(
        text, hashlib.sha256(items.encode("utf-8", "replace")).digest(), engine.clock() + TOKEN_SECONDS
    )
    transactions = engine.store.transactions
    known = transactions.tokens.get(text)
    if known is not None and known.expires < engine.clock():
        del transactions.tokens[text]
        known = None
    running = transactions.running.get(text)
    if (running or (known.request if known is not None else token.request)) != token.request:
        raise errors.idempotent_parameter_mismatch()
    if running is not None:
        raise errors.transaction_in_progress()
    return token


# Running


def _evaluate(targets: Sequence[_Target]) -> list[_Write]:
    """What each action does, all of them on the items as they are before the transaction.

    Raises TransactionCanceledException if any cannot be done.
    """
    writes: list[_Write] = []
    problems: list[ApiError | None] = []
    for target in targets:
        try:
            writes.append(_evaluate_one(target))
            problems.append(None)
        except ApiError as error:
            problems.append(error)
    _raise_if_cancelled(problems)
    return writes


def _evaluate_one(target: _Target) -> _Write:
    if target.mismatch is not None or target.row is None:
        raise target.mismatch or errors.internal_server_error()
    action, table = target.action, target.table
    check_update(table, action.update)
    old = table.stored(target.row)
    before: Item = {}
    if old is not None and (action.condition is not None or action.update is not None):
        before = ujson.loads(old.text)
    if action.condition is not None and not action.condition.matches(before):
        wanted = action.request.get("ReturnValuesOnConditionCheckFailure") == "ALL_OLD"
        raise errors.condition_failed(old.text if wanted and old is not None else None)
    if action.new is not None:
        return _Write(target, old, action.key, action.new)
    if action.kind != "Update":
        return _Write(target, old)
    after = apply_update(action.update, before, action.key)
    if after is None:
        return _Write(target, old)
    size = item_size(after)
    if too_large(table.definition, after, size):
        raise update_too_large()
    check_updated_index_keys(table.definition, before, after)
    return _Write(target, old, after, Stored(size, dumps(after)))


def _write(engine: Engine, request: Request, caller: Caller, targets: Sequence[_Target]) -> bytes:
    """The transaction itself, inside the transactions of its tables."""
    if not engine.meter.is_idle:
        _admit(targets, lambda table: engine.meter.admit_write(caller, table))
    used = _Consumptions()
    try:
        writes = _evaluate(targets)
    except ApiError:  # what is cancelled has been prepared all the same
        for target in targets:
            old = None if target.row is None else target.table.stored(target.row)
            used.add(target, Consumption(write_units(0 if old is None else old.size)))
        used.count(engine.meter.write, caller)
        raise
    _apply_all(writes, used)
    used.count(engine.meter.write, caller)
    if _REPORTS.isdisjoint(request):
        return EMPTY
    metrics = _collection_metrics(targets) if request.get("ReturnItemCollectionMetrics") == "SIZE" else None
    return members(
        ConsumedCapacity=used.shown(request, targets, WRITE), ItemCollectionMetrics=optional(metrics or None)
    )


def _apply_all(writes: Sequence[_Write], used: _Consumptions) -> None:
    if _are_plain_puts(writes):
        puts: list[tuple[RowKey, Stored, int | None]] = []
        units = 0.0
        for write in writes:
            row, new, old = write.target.row, write.new, write.old
            if row is None or new is None:
                continue
            old_size = None if old is None else old.size
            units += write_units(max(new.size, old_size or 0))
            if new != old:
                puts.append((row, new, old_size))
        writes[0].target.table.put_all(puts)
        used.add(writes[0].target, Consumption(units))
        return
    problems: list[ApiError | None] = [None] * len(writes)
    for position, write in enumerate(writes):
        try:
            used.add(write.target, _apply(write))
        except ApiError as error:  # an item collection grows too large
            problems[position] = error
            _raise_if_cancelled(problems)


def _are_plain_puts(writes: Sequence[_Write]) -> bool:
    """Whether all there is to do is to store items, all in one table, which nothing else is to know of."""
    table = writes[0].target.table
    return table.is_plain and all(write.new is not None and write.target.table is table for write in writes)


def _apply(write: _Write) -> Consumption:
    """A check costs what a write of its item would."""
    target, old = write.target, write.old
    assert target.row is not None
    done = UNCHANGED if old is None else Written(old.size, ())
    if write.new is not None:
        if write.new != old:
            done = target.table.put(target.row, write.item, write.new, old)
    elif target.action.kind == "Delete" and old is not None:
        done = target.table.delete(target.row, old)
    return written(done, 0 if write.new is None else write.new.size)


def _collection_metrics(targets: Sequence[_Target]) -> dict[str, list[dict[str, Any]]]:
    """By the tables' names as given, one for each collection that was written to."""
    found: dict[str, dict[Any, dict[str, Any]]] = {}
    for target in targets:
        if target.action.kind == "ConditionCheck" or target.row is None:
            continue
        metrics = collection_metrics(target.table, target.row, target.action.key)
        if metrics is not None:
            found.setdefault(target.action.request["TableName"], {})[target.row.pk] = metrics
    return {name: list(collections.values()) for name, collections in found.items()}


def _raise_if_cancelled(problems: Sequence[ApiError | None]) -> None:
    if not any(problems):
        return
    codes = [
        "None" if problem is None else _REASON_CODES.get(problem.type, problem.type) for problem in problems
    ]
    reasons = [
        _NONE if problem is None else _reason(code, problem)
        for code, problem in zip(codes, problems, strict=True)
    ]
    raise errors.transaction_cancelled(codes, f"[{','.join(reasons)}]")


def _reason(code: str, problem: ApiError) -> str:
    if problem.type == "InternalServerError":
        raise problem
    parts = [f'"Code":"{code}"', *(f'"{name}":{text}' for name, text in (problem.members or {}).items())]
    parts.append(f'"Message":{dumps(problem.message)}')
    return "{" + ",".join(parts) + "}"
