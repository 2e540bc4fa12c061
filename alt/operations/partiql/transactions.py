"""ExecuteTransaction: statements that are done together or not at all, or items of one state.

What is wrong with a parameter fails the request as it is; what is wrong with a statement fails it with the statement's
number; a table that is not there, or a key that does not fit it, cancels the transaction (recorded).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import ujson

from alt.errors import ApiError, validation, without_trace
from alt.expressions import Update as BoundUpdate
from alt.expressions.partiql import (
    Asked,
    Delete,
    Exists,
    Insert,
    Select,
    Statement,
    Update,
    bind,
    parse,
    read_parameters,
)
from alt.operations.caller import Caller
from alt.operations.context import Context
from alt.operations.items.items import refused_by_condition
from alt.operations.items.transactions import (
    Action,
    get_together,
    raise_if_cancelled,
    token_of,
    write_together,
)
from alt.operations.partiql.keys import TwoValuesError, WrongKeyTypeError, refuse_nested_keys, whole_key
from alt.operations.partiql.select import read_select
from alt.operations.partiql.statements import open_tables
from alt.operations.partiql.writes import deleting, inserted, inserting, located, where_it_is, where_it_is_not
from alt.storage.engine import Answer
from alt.storage.model.items import Effect, Keep, Stored
from alt.values.sizes import item_size
from alt.values.types import Item

if TYPE_CHECKING:
    from alt.validation.requests import ExecuteTransactionInput, ParameterizedStatement

T = TypeVar("T")

_ONLY_WHOLE_KEYS = (
    "Select statements within ExecuteTransaction must specify the primary key in the where clause."
)
_NO_INDEX = "Reads on indices are not supported within transactions."
_NO_RETURNING = "RETURNING clause is not supported in ExecuteTransaction."
_ONE_ITEM = "EXISTS() must contain a single item read with additional condition"
_MIXED = "ExecuteTransaction API does not support both read and write operations in the same request."


def read_statements(request: ExecuteTransactionInput) -> list[Asked]:
    """The statements. Raises what cannot be parsed, by its number, and then what is wrong with any's parameters."""
    wanted = request["TransactStatements"]
    parsed = [_numbered(number, parse, each["Statement"]) for number, each in enumerate(wanted)]
    parameters = [read_parameters(each.get("Parameters") or ()) for each in wanted]
    return list(map(Asked, parsed, parameters))


def execute_transaction(
    context: Context, request: ExecuteTransactionInput, caller: Caller, asked: Sequence[Asked]
) -> Answer[bytes]:
    """ExecuteTransaction (https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_ExecuteTransaction.html).

    `asked`: what `read_statements` answers of the request.
    """
    wanted = request["TransactStatements"]
    found = [_numbered(number, bind, each) for number, each in enumerate(asked)]
    if len({isinstance(each, Select) for each in found}) > 1:
        raise validation(_MIXED)
    open_tables(context, found)
    is_read = isinstance(found[0], Select)
    actions: list[Action[Any]] = []
    problems: list[ApiError | None] = []
    for number, (each, request_of) in enumerate(zip(found, wanted, strict=True)):
        make: Callable[..., Action[Any]] = _read if is_read else _write
        try:
            actions.append(_numbered(number, make, context, each, request_of))
            problems.append(None)
        except ApiError as error:
            if error.type != "ResourceNotFoundException":
                raise
            problems.append(without_trace(error))
    raise_if_cancelled(problems)
    if is_read:
        return get_together(context, request, caller, actions)
    token = token_of(context, request, "TransactStatements")
    return write_together(context, request, caller, actions, token, responses=b"[]")


def _numbered(number: int, step: Callable[..., T], *given: Any) -> T:
    """What a step of a statement answers. What is wrong with the statement is told with its number."""
    try:
        return step(*given)
    except ApiError as error:
        if error.type != "ValidationException":
            raise
        raise validation(f"Validation failed in TransactStatements[{number}]: {error.message}") from None


def _read(context: Context, found: Select, asked: ParameterizedStatement) -> Action[Any]:
    definition = context.table(found.table).definition
    if found.index is not None:
        raise validation(_NO_INDEX)
    try:
        reading = read_select(context, found, is_consistent=True)
    except WrongKeyTypeError:
        return _action("Get", found.table, asked, whole_key(definition, found.where, is_read=True).key)
    if reading.row is None or reading.condition is not None:
        raise validation(_ONLY_WHOLE_KEYS)
    values = zip(definition.key_attributes, reading.key, strict=True)
    key: Item = {attribute.name: value.attribute for attribute, value in values}
    return _action("Get", found.table, asked, key, projection=reading.projection)


def _write(context: Context, found: Statement, asked: ParameterizedStatement) -> Action[Any]:
    if isinstance(found, Exists):
        return _check(context, found, asked)
    assert isinstance(found, Insert | Update | Delete)
    definition = context.table(found.table).definition
    if isinstance(found, Insert):
        put = inserted(found)
        absent = where_it_is_not(definition)
        decide = inserting(put)
        return _action("Put", found.table, asked, put.item, put=put, condition=absent, decide=decide)
    if found.returning != "NONE":
        raise validation(_NO_RETURNING)
    try:
        key, condition = located(definition, found.where)
    except TwoValuesError:
        key, condition = {}, None  # a key that fits no table
    if isinstance(found, Delete):
        gone = deleting(condition, asked)
        return _action("Delete", found.table, asked, key, condition=condition, decide=gone)
    update = BoundUpdate(found.actions)
    refuse_nested_keys(definition.key_attributes, update.nested_names)
    condition = where_it_is(definition, condition)
    return _action("Update", found.table, asked, key, condition=condition, update=update)


def _check(context: Context, found: Exists, asked: ParameterizedStatement) -> Action[Any]:
    select = found.select
    definition = context.table(select.table).definition
    if select.index is not None:
        raise validation("Operations on indices are not supported in transactions")
    key, condition = whole_key(definition, select.where, is_read=True)
    if len(key) < len(definition.key_attributes) or condition is None:
        raise validation(_ONE_ITEM)

    def decide(stored: Stored | None) -> Effect:
        if stored is None or not condition.matches(ujson.loads(stored.text)):
            return refused_by_condition(asked, stored)
        return Keep(stored.size)

    return _action("ConditionCheck", select.table, asked, key, condition=condition, decide=decide)


def _action(kind: Any, table: str, asked: ParameterizedStatement, key: Item, **more: Any) -> Action[Any]:
    """An action as a transaction knows it, with the name of its table."""
    return Action(kind, {**asked, "TableName": table}, key, item_size(key), **more)
