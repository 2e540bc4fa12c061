"""ExecuteStatement and BatchExecuteStatement."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from alt.capacity import READ, WRITE, Consumption, consumed_capacities, read_units
from alt.errors import ApiError, validation, without_trace
from alt.expressions.partiql import Asked, Select, Statement, bind, read, table_of
from alt.operations.caller import Caller
from alt.operations.capacity.metering import written
from alt.operations.context import Context
from alt.operations.partiql.readings import point_read, shape_of
from alt.operations.partiql.select import execute_select, read_select, shown_item
from alt.operations.partiql.writes import Prepared, execute_write, prepare
from alt.operations.reply import members, optional
from alt.storage.engine import Answer, settled, then
from alt.storage.model.items import Written
from alt.storage.model.reads import Sized
from alt.values.json import dumps

if TYPE_CHECKING:
    from alt.validation.requests import (
        BatchExecuteStatementInput,
        BatchStatementRequest,
        ExecuteStatementInput,
    )

_ONLY_WHOLE_KEYS = (
    "Select statements within BatchExecuteStatement must specify the primary key in the where clause."
)
_REPEATED = "Provided list of item keys contains duplicates"
_MIXED = "BatchExecuteStatement API does not support both read and write operations in the same request."
# What is said of a statement before it is run.
_NOT_RUN = ("ValidationException", "ResourceNotFoundException")
# Documented as BatchStatementError's codes.
_CODES = {
    "AccessDeniedException": "AccessDenied",
    "ConditionalCheckFailedException": "ConditionalCheckFailed",
    "DuplicateItemException": "DuplicateItem",
    "InternalServerError": "InternalServerError",
    "ItemCollectionSizeLimitExceededException": "ItemCollectionSizeLimitExceeded",
    "ProvisionedThroughputExceededException": "ProvisionedThroughputExceeded",
    "RequestLimitExceeded": "RequestLimitExceeded",
    "ResourceNotFoundException": "ResourceNotFound",
    "ThrottlingException": "ThrottlingError",
    "TransactionConflictException": "TransactionConflict",
    "ValidationException": "ValidationError",
}


def read_statement(request: ExecuteStatementInput) -> Asked:
    return read(request["Statement"], request.get("Parameters"))


def execute_statement(
    context: Context, request: ExecuteStatementInput, caller: Caller, asked: Asked
) -> Answer[bytes]:
    """ExecuteStatement (https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_ExecuteStatement.html).

    `asked`: what `read_statement` answers of the request.
    """
    is_consistent = request.get("ConsistentRead") is True
    values = asked.values
    shape = shape_of(request["Statement"], values, is_consistent)
    known = context.statements.get(shape)
    if known is not None:
        again = known.reading(context.engine.table(known.definition.name), values)
        if again is not None:
            return execute_select(context, request, caller, again, known.name)
    found = bind(asked)
    if not isinstance(found, Select):
        return execute_write(context, request, caller, found)
    reading = read_select(context, found, is_consistent=is_consistent)
    if known is None and (kept := point_read(found.table, reading)) is not None:
        context.statements.put(shape, kept)
    return execute_select(context, request, caller, reading, found.table)


def read_statements(request: BatchExecuteStatementInput) -> list[Asked | ApiError]:
    return [_read(each) for each in request["Statements"]]


def _read(each: BatchStatementRequest) -> Asked | ApiError:
    try:
        return read(each["Statement"], each.get("Parameters"))
    except ApiError as error:
        return without_trace(error)


def batch_execute_statement(
    context: Context, request: BatchExecuteStatementInput, caller: Caller, asked: Sequence[Asked | ApiError]
) -> asyncio.Future[bytes]:
    """BatchExecuteStatement (https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchExecuteStatement.html).

    What is wrong with a statement is answered in its place; the others are done all the same. `asked`: what
    `read_statements` answers of the request.
    """
    found = list(map(_bound, asked))
    reads = {isinstance(each, Select) for each in found if not isinstance(each, ApiError)}
    if len(reads) > 1:
        raise validation(_MIXED)
    open_tables(context, found)
    batch = _Batch(context, request, caller)
    return asyncio.ensure_future(batch.reply(found, batch.begun(found)))


def open_tables(context: Context, found: Sequence[Statement | ApiError]) -> None:
    """Have all tables of several statements open at once, or raise NotReadyError before anything is done."""
    context.engine.tables({table_of(each) for each in found if not isinstance(each, ApiError)})


def _bound(asked: Asked | ApiError) -> Statement | ApiError:
    if isinstance(asked, ApiError):
        return asked
    try:
        return bind(asked)
    except ApiError as error:
        return without_trace(error)


class _Batch:
    """A batch under way."""

    def __init__(self, context: Context, request: BatchExecuteStatementInput, caller: Caller) -> None:
        self._context = context
        self._request = request
        self._caller = caller
        self._rows: set[Any] = set()
        self._used: dict[str, Consumption] = {}
        self._kind = READ

    def begun(self, parsed: Sequence[Statement | ApiError]) -> list[Answer[str | None] | ApiError]:
        """Everything is begun before anything is waited for."""
        return [
            self._begun(found, each) for found, each in zip(parsed, self._request["Statements"], strict=True)
        ]

    async def reply(
        self, parsed: Sequence[Statement | ApiError], begun: Sequence[Answer[str | None] | ApiError]
    ) -> bytes:
        """The answers, in the order of the statements."""
        responses = []
        for answer, found in zip(begun, parsed, strict=True):
            if isinstance(answer, ApiError):
                responses.append(_failed(None if answer.type in _NOT_RUN else found, answer))
                continue
            try:
                responses.append(_response(found, await settled(answer)))
            except ApiError as error:
                responses.append(_failed(found, error))
        wanted = self._request.get("ReturnConsumedCapacity")
        capacities = consumed_capacities(wanted, self._uses(parsed), self._kind)
        return members(Responses="[" + ",".join(responses) + "]", ConsumedCapacity=optional(capacities))

    def _begun(
        self, found: Statement | ApiError, each: BatchStatementRequest
    ) -> Answer[str | None] | ApiError:
        if isinstance(found, ApiError):
            return found
        try:
            return self._read(found, each) if isinstance(found, Select) else self._write(found, each)
        except ApiError as error:
            return without_trace(error)

    def _read(self, found: Select, each: BatchStatementRequest) -> Answer[str | None]:
        is_consistent = each.get("ConsistentRead") is True
        reading = read_select(self._context, found, is_consistent=is_consistent)
        if reading.row is None or reading.condition is not None:
            raise validation(_ONLY_WHOLE_KEYS)
        self._once(reading.table.definition.id, reading.row)
        self._context.meter.admit_read(self._caller, reading.table)

        def finish(got: Sized | None) -> str | None:
            size, item = got or (0, None)
            used = Consumption(read_units(size, is_consistent))
            self._context.meter.read(self._caller, reading.table, used)
            self._count(found.table, used)
            shown = None if item is None else shown_item(reading, item)
            return None if shown is None else shown.decode()

        return then(reading.table.get(reading.row, is_consistent=is_consistent), finish)

    def _write(self, found: Statement, each: BatchStatementRequest) -> Answer[str | None]:
        self._kind = WRITE
        prepared = prepare(self._context, found, each)  # type: ignore[arg-type]
        self._once(prepared.table.definition.id, prepared.row)
        self._context.meter.admit_write(self._caller, prepared.table)
        return prepared.table.write(prepared.write, lambda done: self._written(prepared, found, done))

    def _written(self, prepared: Prepared, found: Statement, done: Written) -> str | None:
        used = written(done)
        self._context.meter.write(self._caller, prepared.table, used)
        self._count(table_of(found), used)
        if done.refused is not None:
            raise done.refused
        return prepared.attributes(done)

    def _once(self, table: str, row: Any) -> None:
        if (table, row) in self._rows:
            raise validation(_REPEATED)
        self._rows.add((table, row))

    def _count(self, table: str, used: Consumption) -> None:
        self._used.setdefault(table, Consumption()).add(used)

    def _uses(self, parsed: Sequence[Statement | ApiError]) -> list[tuple[str, Consumption]]:
        """What was used of each table, in the order of the statements: they may end in any order."""
        named = dict.fromkeys(table_of(each) for each in parsed if not isinstance(each, ApiError))
        return [(table, self._used[table]) for table in named if table in self._used]


def _response(found: Statement | ApiError, item: str | None) -> str:
    shown = "" if item is None else f',"Item":{item}'
    return f"{{{_named(found)[1:]}{shown}}}"


def _failed(found: Statement | ApiError | None, error: ApiError) -> str:
    """`found` None: the statement was not run, and no table is named then (recorded)."""
    text = f'"Code":{dumps(_CODES.get(error.type, error.type))},"Message":{dumps(error.message)}'
    for name, member in (error.members or {}).items():
        text += f',"{name}":{member}'
    return f'{{"Error":{{{text}}}{_named(found)}}}'


def _named(found: Statement | ApiError | None) -> str:
    return "" if found is None or isinstance(found, ApiError) else f',"TableName":{dumps(table_of(found))}'
