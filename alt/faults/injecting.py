"""What faults do to a request: it is run in a context that refuses it, reads for it from a replica, or waits."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, cast

from alt import errors
from alt.capacity import READ, WRITE, Consumption
from alt.errors import ApiError
from alt.expressions.rebinding import Kept
from alt.faults.fault import TRANSACTIONS, Kind
from alt.faults.faults import Drawn, Faults
from alt.faults.replica import Replica
from alt.operations import Operation, Reply, TwoSteps
from alt.operations.arns import table_arn, table_name
from alt.operations.authorization.actions import asked
from alt.operations.caller import Caller
from alt.operations.capacity.metering import Meter
from alt.operations.capacity.throttling import partition_is_hot
from alt.operations.context import Context
from alt.operations.reply import body
from alt.storage.engine import Answer, Engine, NotReadyError, Table, settled, then
from alt.storage.model.definition import IndexDefinition
from alt.storage.model.reads import KeysFound, KeysRead

Run = Callable[[Context], Reply]


def injected(faults: Faults, name: tuple[str, str], operation: Operation) -> Operation:
    """An operation that meets the faults that are set."""
    ask = asked(name)

    def answer(context: Context, request: Any, caller: Caller, read: Any, run: Run) -> Reply:
        asks = [(action, resource) for action, resource, _ in ask(request, caller.place, read)]
        drawn = faults.draw(name[1], request, asks)
        return _answer(context, name[1], request, drawn, run) if drawn else run(context)

    if isinstance(operation, TwoSteps):
        steps = operation
        return TwoSteps(
            steps.read,
            lambda context, request, caller, read: answer(
                context, request, caller, read, lambda within: steps.run(within, request, caller, read)
            ),
            steps.large_bytes,
        )
    return lambda context, request, caller: answer(
        context, request, caller, None, lambda within: operation(within, request, caller)
    )


def _answer(context: Context, operation: str, request: Any, drawn: Drawn, run: Run) -> Reply:
    if not drawn.delay:
        return _begun(context, operation, request, drawn, run)
    begun: Reply | Exception
    try:
        begun = _begun(context, operation, request, drawn, run)
    except Exception as error:
        begun = errors.without_trace(error)
    return asyncio.ensure_future(_late(begun, drawn.delay))


async def _late(begun: Reply | Exception, delay: float) -> bytes:
    await asyncio.sleep(delay)
    if isinstance(begun, Exception):
        raise begun
    return await settled(begun)


def _begun(context: Context, operation: str, request: Any, drawn: Drawn, run: Run) -> Reply:
    if "internal_error" in drawn.refusals.values():
        raise errors.internal_server_error()
    within = copy.copy(context)
    if drawn.refusals:
        within.meter = cast(Meter, _RefusingMeter(context.meter, operation, request, drawn.refusals))
    halved = {table for table, kind in drawn.refusals.items() if kind == "unprocessed"}
    if drawn.replicas or (halved and operation == "BatchGetItem"):
        within.engine = cast(Engine, _PartialEngine(context.engine, drawn.replicas, halved))
        within.plans, within.statements = Kept(), Kept()  # which know the tables as they are
    try:
        reply = run(within)
    except NotReadyError as wait:
        # Not left to the caller: another beginning would draw again.
        reply = then(context.engine.when_ready(wait, lambda: run(within)), lambda begun: begun)
    if operation == "BatchWriteItem" and halved:
        return asyncio.ensure_future(_or_all_unprocessed(reply, request))
    return reply


async def _or_all_unprocessed(reply: Reply, request: Any) -> bytes:
    try:
        return await settled(reply)
    except _LeftOutError:
        return body({"UnprocessedItems": request["RequestItems"]})


class _LeftOutError(ApiError):
    """A write of a batch is left out: what the service answers as unprocessed, if anything else was done."""

    def __init__(self) -> None:
        super().__init__("InternalServerError")


class _RefusingMeter:
    """A meter that lets nothing in on some tables: the last step before anything is read or written."""

    is_idle = False

    def __init__(
        self, meter: Meter, operation: str, request: Mapping[str, Any], refusals: Mapping[str, Kind]
    ) -> None:
        self._meter = meter
        self._is_transaction = operation in TRANSACTIONS
        self._refusals = refusals
        # Of each table in a batch, how many writes are let in yet.
        self._rooms: dict[str, int] = {}
        if operation == "BatchWriteItem":
            wanted = request["RequestItems"].items()
            self._rooms = {table_name(name): len(writes) // 2 for name, writes in wanted}
        self.read = meter.read
        self.write = meter.write

    def admit_read(self, caller: Caller, table: Table, index: IndexDefinition | None = None) -> None:
        self._admit(caller, table, READ)
        self._meter.admit_read(caller, table, index)

    def admit_write(self, caller: Caller, table: Table, foreseen: Consumption | None = None) -> None:
        self._admit(caller, table, WRITE)
        self._meter.admit_write(caller, table, foreseen)

    def _admit(self, caller: Caller, table: Table, kind: str) -> None:
        name = table.definition.name
        refusal = self._refusals.get(name)
        if refusal == "throttle":
            self._meter.throttled(caller, table)
            arn = table_arn(caller.place, name)
            raise partition_is_hot(table.definition, arn, kind, is_transaction=self._is_transaction)
        if refusal == "conflict" and (kind == WRITE or self._is_transaction):
            raise errors.transaction_conflict()
        if refusal == "unprocessed" and kind == WRITE:
            self._rooms[name] -= 1
            if self._rooms[name] < 0:
                raise _LeftOutError


class _PartialEngine:
    """An engine that reads some tables from replicas, and of the keys of a batch on some tables the first half."""

    def __init__(self, engine: Engine, replicas: Mapping[str, Replica], halved: set[str]) -> None:
        self._engine = engine
        self._replicas = replicas
        self._halved = halved

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def table(self, name: str) -> Table | None:
        return self._read_from(name, self._engine.table(name))

    def tables(self, names: Iterable[str]) -> dict[str, Table | None]:
        return {name: self._read_from(name, table) for name, table in self._engine.tables(names).items()}

    def get_all(self, reads: Sequence[KeysRead], limit: int) -> Answer[Sequence[KeysFound]]:
        answers = [self._get(read, limit) for read in reads]
        return asyncio.ensure_future(_joined(answers))

    def _get(self, read: KeysRead, limit: int) -> Answer[Sequence[KeysFound]]:
        if read.table.definition.name in self._halved:
            read = read._replace(keys=read.keys[: len(read.keys) // 2])
        return self._engine_of(read.table).get_all([read], limit) if read.keys else [KeysFound((), 0, 0)]

    def _engine_of(self, table: Table) -> Engine:
        replica = self._replicas.get(table.definition.name)
        return self._engine if replica is None or not replica.has(table) else replica.engine

    def _read_from(self, name: str, table: Table | None) -> Table | None:
        replica = self._replicas.get(name)
        return table if replica is None else replica.table(table)


async def _joined(answers: Sequence[Answer[Sequence[KeysFound]]]) -> list[KeysFound]:
    return [found for answer in answers for found in await settled(answer)]
