"""INSERT, UPDATE and DELETE: each is one write of one item, whose whole key the statement names.

What a WHERE says beyond the key is a condition. An item that is not there is not updated, and to delete it is nothing
to do.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import ujson

from alt.capacity import consumed_capacity
from alt.errors import duplicate_item, validation
from alt.expressions import Condition, nodes
from alt.expressions import Update as BoundUpdate
from alt.expressions.nodes import And, Function, Path
from alt.expressions.partiql import Delete, Exists, Insert, Update, table_of
from alt.operations.caller import Caller
from alt.operations.capacity.metering import written
from alt.operations.context import Context
from alt.operations.items.index_keys import check_index_keys, too_large
from alt.operations.items.items import (
    DELETE,
    Updating,
    check_update,
    looks,
    refused_by_condition,
)
from alt.operations.items.write_isolation import refuse_reads
from alt.operations.keys import item_row, key_row
from alt.operations.partiql.keys import (
    WholeKey,
    check_type,
    check_whole,
    nested_names,
    refuse_nested_keys,
    whole_key,
)
from alt.operations.reply import members, optional
from alt.storage.engine import Table
from alt.storage.model.definition import TableDefinition
from alt.storage.model.items import Decide, Effect, Keep, Put, Refuse, Stored, Write, Written
from alt.storage.model.keys import RowKey
from alt.values.attribute import normalize_item
from alt.values.json import dumps
from alt.values.types import Item

if TYPE_CHECKING:
    from typing import TypeAlias

    from alt.operations.items.items import Checked
    from alt.validation.requests import ExecuteStatementInput

    Writing: TypeAlias = Insert | Update | Delete | Exists

_EMPTY_ITEMS = b'{"Items":[]}'


class Prepared(NamedTuple):
    """A write on its table. `attributes` are those of an item that the statement asks for, JSON, None for none."""

    table: Table
    row: RowKey
    key: Item
    decide: Decide
    condition: Condition | None
    update: BoundUpdate | None
    updating: Updating | None
    returning: str

    @property
    def write(self) -> Write:
        return Write(self.row, self.decide, partial(looks, self.condition, self.update))

    def attributes(self, done: Written) -> str | None:
        if self.returning == "NONE":
            return None
        if self.updating is not None:
            return self.updating.attributes(done, self.returning)  # type: ignore[arg-type]
        return None if done.old is None else done.old.text


def prepare(context: Context, statement: Writing, request: ExecuteStatementInput) -> Prepared:
    """Raises what is wrong with it on its table. `request` says what a failed condition is answered with."""
    if isinstance(statement, Insert):
        return _insert(context, statement)
    if isinstance(statement, Update):
        return _update(context, statement, request)
    if isinstance(statement, Delete):
        return _delete(context, statement, request)
    raise validation("EXISTS can only be used in ExecuteTransaction write requests.")


def inserted(statement: Insert) -> Put:
    """The item of an INSERT, canonical. Raises what is wrong with it whatever the table is."""
    item: Item = {name: term.attribute for name, term in statement.item}  # type: ignore[union-attr]
    size = normalize_item(item, older=True)
    return Put(item, Stored(size, dumps(item)))


def inserting(put: Put) -> Decide:
    def decide(stored: Stored | None) -> Effect:
        return put if stored is None else Refuse(duplicate_item())

    return decide


def _insert(context: Context, statement: Insert) -> Prepared:
    put = inserted(statement)
    item = put.item
    table = context.table(statement.table)
    definition = table.definition
    for attribute in definition.key_attributes:
        if attribute.name not in item:
            raise validation(f"Key attribute should be present in the item: Key {attribute.name}")
        check_type(attribute, item[attribute.name])
    row = item_row(definition, item)
    if too_large(definition, item, put.new.size):
        raise validation("Item size has exceeded the maximum allowed size")
    check_index_keys(definition, item)
    refuse_reads(context, table, where_it_is_not(definition), None)
    return Prepared(table, row, item, inserting(put), None, None, None, "NONE")


def located(definition: TableDefinition, where: nodes.Condition | None) -> WholeKey:
    """What a WHERE says of the item to be written to."""
    refuse_nested_keys(definition.key_attributes, nested_names(where))
    return whole_key(definition, where)


def where_it_is(definition: TableDefinition, condition: Condition | None) -> Condition:
    """The condition of an UPDATE: that of its WHERE, of an item that is there."""
    is_there = Function("attribute_exists", (Path((definition.hash_key.name,)),))
    return Condition(is_there if condition is None else And((is_there, condition.node)))


def where_it_is_not(definition: TableDefinition) -> Condition:
    """The condition of an INSERT."""
    return Condition(Function("attribute_not_exists", (Path((definition.hash_key.name,)),)))


def _update(context: Context, statement: Update, request: ExecuteStatementInput) -> Prepared:
    table = context.table(statement.table)
    definition = table.definition
    key, condition = located(definition, statement.where)
    check_whole(definition, key)
    row = key_row(definition, key)
    update = BoundUpdate(statement.actions)
    check_update(definition, update)
    refuse_nested_keys(definition.key_attributes, update.nested_names)
    condition = where_it_is(definition, condition)
    refuse_reads(context, table, condition, update, statement.returning)
    updating = Updating(definition, request, key, condition, update)
    return Prepared(table, row, key, updating, condition, update, updating, statement.returning)


def deleting(condition: Condition | None, request: Checked) -> Decide:
    def decide(stored: Stored | None) -> Effect:
        if stored is None:
            return Keep()
        if condition is not None and not condition.matches(ujson.loads(stored.text)):
            return refused_by_condition(request, stored)
        return DELETE

    return decide


def _delete(context: Context, statement: Delete, request: ExecuteStatementInput) -> Prepared:
    table = context.table(statement.table)
    key, condition = located(table.definition, statement.where)
    check_whole(table.definition, key)
    row = key_row(table.definition, key)
    refuse_reads(context, table, condition, None, statement.returning)
    decide = deleting(condition, request)
    return Prepared(table, row, key, decide, condition, None, None, statement.returning)


def execute_write(
    context: Context,
    request: ExecuteStatementInput,
    caller: Caller,
    statement: Insert | Update | Delete | Exists,
) -> asyncio.Future[bytes]:
    prepared = prepare(context, statement, request)
    table = prepared.table
    context.meter.admit_write(caller, table)

    def finish(done: Written) -> bytes:
        used = written(done)
        context.meter.write(caller, table, used)
        if done.refused is not None:
            raise done.refused
        attributes = prepared.attributes(done)
        wanted = request.get("ReturnConsumedCapacity")
        if wanted is None:
            return _EMPTY_ITEMS if attributes is None else b'{"Items":[%b]}' % attributes.encode()
        return members(
            Items=b"[%b]" % (b"" if attributes is None else attributes.encode()),
            ConsumedCapacity=optional(consumed_capacity(wanted, table_of(statement), used)),
        )

    return table.write(prepared.write, finish)
