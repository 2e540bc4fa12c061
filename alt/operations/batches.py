"""BatchGetItem and BatchWriteItem.

Everything a request says is checked before anything is read or written; what then
runs cannot fail on one item alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, NamedTuple

import ujson

from alt import capacity
from alt.config import MAX_ITEM_BYTES
from alt.errors import validation
from alt.expressions import Projection
from alt.operations.engine import Caller, Engine
from alt.operations.index_keys import check_index_keys
from alt.operations.items import read_projection
from alt.operations.keys import check_paths, item_row, key_row, schema_mismatch
from alt.operations.parameters import check_expressions
from alt.operations.reply import dumps, members, optional
from alt.storage.indexes import Stored
from alt.storage.rows import RowKey
from alt.storage.table import Table
from alt.values.attribute import normalize_item
from alt.values.types import Item

Request = dict[str, Any]

# The limit on one table's keys or writes is the model's; these are for all tables of a batch together.
MAX_KEYS = 100
MAX_WRITES = 25
MAX_RESPONSE_BYTES = 16 * 1024 * 1024  # of BatchGetItem's items


class _TableReads(NamedTuple):
    """What is read of one table: the keys as sent, their rows, and how."""

    name: str
    table: Table
    keys: list[Item]
    rows: list[RowKey]
    projection: Projection | None
    consistent: bool
    counted: bool  # whether the capacity consumed is asked for
    request: Request


def batch_get_item(engine: Engine, request: Request, caller: Caller) -> bytes:  # noqa: ARG001
    wanted: dict[str, Request] = request["RequestItems"]
    _refuse_mixing_across(wanted)
    projections = {}
    for name, reads in wanted.items():
        for key in reads["Keys"]:
            normalize_item(key)
        projections[name] = read_projection(reads)
    if sum(len(reads["Keys"]) for reads in wanted.values()) > MAX_KEYS:
        raise validation("Too many items requested for the BatchGetItem call")
    counted = "ReturnConsumedCapacity" in request
    tables = [_table_reads(engine, name, reads, projections[name], counted) for name, reads in wanted.items()]
    left = MAX_RESPONSE_BYTES
    responses, unprocessed, consumed = [], {}, []
    for plan in tables:
        items, units, left, missed = _read(plan, left)
        responses.append(b"%b:[%b]" % (dumps(plan.name).encode(), b",".join(items)))
        if missed:
            unprocessed[plan.name] = {**plan.request, "Keys": missed}
        consumed.append(capacity.consumed(request, plan.table.definition.name, units))
    return members(
        Responses=b"{%b}" % b",".join(responses),
        UnprocessedKeys=dumps(unprocessed),
        ConsumedCapacity=optional([each for each in consumed if each is not None] or None),
    )


def _refuse_mixing_across(wanted: dict[str, Request]) -> None:
    """Old and new parameters do not go together, not even on different tables."""
    names = {name: True for reads in wanted.values() for name, value in reads.items() if value is not None}
    check_expressions(names, ("ProjectionExpression",), ("AttributesToGet",))


def _table_reads(
    engine: Engine, name: str, reads: Request, projection: Projection | None, counted: bool
) -> _TableReads:
    table = engine.table(name)
    rows = [key_row(table.definition, key) for key in reads["Keys"]]
    _refuse_duplicates(rows)
    check_paths(table.definition, reads, projection)
    return _TableReads(
        name, table, reads["Keys"], rows, projection, reads.get("ConsistentRead") is True, counted, reads
    )


def _refuse_duplicates(rows: list[RowKey]) -> None:
    if len(set(rows)) < len(rows):
        raise validation("Provided list of item keys contains duplicates")


def _read(reads: _TableReads, left: int) -> tuple[list[bytes], float, int, list[Item]]:
    """The items' JSON, the units consumed, the bytes still allowed, and the keys beyond them."""
    if reads.projection is None and not reads.counted:
        size, joined = reads.table.get_joined(reads.rows)
        if size <= left:
            return [joined] if joined else [], 0.0, left - size, []
    found: list[bytes] = []
    units = 0.0
    for position, row in enumerate(reads.rows):
        if left <= 0:
            return found, units, left, reads.keys[position:]
        stored = reads.table.get_sized(row)
        if stored is None:
            units += capacity.read_units(0, reads.consistent)
            continue
        size, item = stored
        if size > left:
            return found, units, 0, reads.keys[position:]
        units += capacity.read_units(size, reads.consistent)
        left -= size
        found.append(
            item if reads.projection is None else dumps(reads.projection.apply(ujson.loads(item))).encode()
        )
    return found, units, left, []


def batch_write_item(engine: Engine, request: Request, caller: Caller) -> asyncio.Future[bytes]:  # noqa: ARG001
    wanted: dict[str, list[Request]] = request["RequestItems"]
    sizes = {name: [_check_write(write) for write in writes] for name, writes in wanted.items()}
    if sum(map(len, sizes.values())) > MAX_WRITES:
        raise validation("Too many items requested for the BatchWriteItem call")
    tables = [(engine.table(name), writes, sizes[name]) for name, writes in wanted.items()]
    runs = [(table, _writes(table, writes, sized)) for table, writes, sized in tables]
    if len(runs) == 1:
        table, run = runs[0]
        return table.submit(lambda: _write_reply(request, [(table, run())]))
    return asyncio.ensure_future(_write_all(request, runs))


async def _write_all(request: Request, runs: list[tuple[Table, Callable[[], float]]]) -> bytes:
    units = await asyncio.gather(*[table.submit(run) for table, run in runs])
    return _write_reply(request, [(table, used) for (table, _), used in zip(runs, units, strict=True)])


def _write_reply(request: Request, used: list[tuple[Table, float]]) -> bytes:
    if "ReturnConsumedCapacity" not in request:
        return b'{"UnprocessedItems":{}}'
    consumed = [capacity.consumed(request, table.definition.name, units) for table, units in used]
    return members(
        UnprocessedItems=b"{}",
        ConsumedCapacity=optional([each for each in consumed if each is not None] or None),
    )


def _check_write(write: Request) -> int:
    """Normalises one put or delete; answers an item's size."""
    put, delete = write.get("PutRequest"), write.get("DeleteRequest")
    if (put is None) == (delete is None):  # an empty one is said to be too many, too
        raise validation(
            "Supplied AttributeValue has more than one datatypes set, "
            "must contain exactly one of the supported datatypes"
        )
    if put is None:
        return normalize_item(write["DeleteRequest"]["Key"], older=True)
    size = normalize_item(put["Item"], older=True)
    if size > MAX_ITEM_BYTES:
        raise validation("Item size has exceeded the maximum allowed size")
    return size


def _writes(table: Table, writes: list[Request], sizes: list[int]) -> Callable[[], float]:
    """One table's part of the batch, ready to run in one write."""
    puts: list[tuple[RowKey, Item, Stored]] = []
    deletes: list[RowKey] = []
    for write, size in zip(writes, sizes, strict=True):
        if (put := write.get("PutRequest")) is not None:
            item = put["Item"]
            row = _put_row(table, item)
            check_index_keys(table.definition, item)
            puts.append((row, item, Stored(size, dumps(item))))
        else:
            deletes.append(key_row(table.definition, write["DeleteRequest"]["Key"]))
    _refuse_duplicates([row for row, _, _ in puts] + deletes)

    def run() -> float:
        units = 0.0
        for row, item, new in puts:
            old_size = table.overwrite(row, item, new)
            units += capacity.write_units(max(new.size, old_size or 0))
        for row in deletes:
            old = table.stored(row)
            if old is not None:
                table.delete(row, old)
            units += capacity.write_units(0 if old is None else old.size)
        return units

    return run


def _put_row(table: Table, item: Item) -> RowKey:
    """A missing or wrong-typed key reads as a delete's would; an empty or long one as everywhere."""
    for attribute in table.definition.key_attributes:
        if attribute.type not in item.get(attribute.name, ()):
            raise schema_mismatch()
    return item_row(table.definition, item)
