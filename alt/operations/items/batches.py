"""BatchGetItem and BatchWriteItem.

Everything a request says is checked before anything is read or written; what then
runs cannot fail on one item alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from typing import Any, NamedTuple

import ujson

from alt.capacity import READ_UNIT_BYTES, Consumption, consumed_capacities, read_units, write_units
from alt.config import MAX_ITEM_BYTES
from alt.errors import ApiError, validation
from alt.expressions import Projection
from alt.operations.caller import Caller
from alt.operations.capacity.metering import Meter, written
from alt.operations.context import Context
from alt.operations.items.index_keys import check_index_keys, too_large
from alt.operations.items.items import collection_metrics, read_projection
from alt.operations.keys import check_paths, item_row, key_row, schema_mismatch
from alt.operations.parameters import check_expressions
from alt.operations.reply import body, dumps, members, optional
from alt.storage.model.definition import TableDefinition
from alt.storage.model.rows import RowKey
from alt.storage.sqlite.indexes import Stored
from alt.storage.sqlite.long_reads import DECODED_FACTOR, STEP_BYTES, over_turns
from alt.storage.sqlite.open_tables import NoRoomError
from alt.storage.sqlite.table import UNCHANGED, Table
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
    request: Request


def batch_get_item(context: Context, request: Request, caller: Caller) -> bytes | asyncio.Future[bytes]:
    wanted: dict[str, Request] = request["RequestItems"]
    _refuse_mixing_across(wanted)
    projections = {}
    for name, reads in wanted.items():
        for key in reads["Keys"]:
            normalize_item(key)
        projections[name] = read_projection(reads)
    if sum(len(reads["Keys"]) for reads in wanted.values()) > MAX_KEYS:
        raise validation("Too many items requested for the BatchGetItem call")
    try:
        tables = [_table_reads(context, name, reads, projections[name]) for name, reads in wanted.items()]
    except NoRoomError:
        raise NoRoomError(len(wanted)) from None
    return over_turns(_read_all(context, request, caller, tables), [plan.table for plan in tables])


def _read_all(
    context: Context, request: Request, caller: Caller, tables: list[_TableReads]
) -> Generator[None, None, bytes]:
    """The answer, in steps; of each item the service promises its own state only."""
    left = MAX_RESPONSE_BYTES
    responses, unprocessed, consumed = [], {}, []
    refusal: ApiError | None = None
    for plan in tables:
        try:
            context.meter.admit_read(caller, plan.table)
        except ApiError as error:
            refusal = error
            unprocessed[plan.name] = plan.request
            responses.append(b"%b:[]" % dumps(plan.name).encode())
            continue
        items, units, left, missed = yield from _read(plan, left)
        used = Consumption(units)
        context.meter.read(caller, plan.table, used)
        responses.append(b"%b:[%b]" % (dumps(plan.name).encode(), b",".join(items)))
        if missed:
            unprocessed[plan.name] = {**plan.request, "Keys": missed}
        consumed.append((plan.name, used))
    if refusal is not None and not consumed:
        raise refusal
    return members(
        Responses=b"{%b}" % b",".join(responses),
        UnprocessedKeys=dumps(unprocessed),
        ConsumedCapacity=optional(consumed_capacities(request.get("ReturnConsumedCapacity"), consumed)),
    )


def _refuse_mixing_across(wanted: dict[str, Request]) -> None:
    """Old and new parameters do not go together, not even on different tables."""
    names = {name: True for reads in wanted.values() for name, value in reads.items() if value is not None}
    check_expressions(names, ("ProjectionExpression",), ("AttributesToGet",))


def _table_reads(context: Context, name: str, reads: Request, projection: Projection | None) -> _TableReads:
    table = context.table(name)
    rows = [key_row(table.definition, key) for key in reads["Keys"]]
    _refuse_duplicates(rows)
    check_paths(table.definition, reads, projection)
    return _TableReads(
        name, table, reads["Keys"], rows, projection, reads.get("ConsistentRead") is True, reads
    )


def _refuse_duplicates(rows: list[RowKey]) -> None:
    if len(set(rows)) < len(rows):
        raise validation("Provided list of item keys contains duplicates")


# The items' JSON, the units consumed, the bytes still allowed, and the keys beyond them.
_Found = tuple[list[bytes], float, int, list[Item]]


def _read(reads: _TableReads, left: int) -> Generator[None, None, _Found]:
    if reads.projection is None:
        joined = reads.table.get_joined(reads.rows, READ_UNIT_BYTES)
        if joined is not None and joined.size <= left:
            blocks = joined.blocks + len(reads.rows) - joined.found  # what is absent costs one, too
            units = float(blocks) if reads.consistent else blocks / 2
            return [joined.items] if joined.found else [], units, left - joined.size, []
    return (yield from _read_one_by_one(reads, left))


def _read_one_by_one(reads: _TableReads, left: int) -> Generator[None, None, _Found]:
    found: list[bytes] = []
    units = 0.0
    factor = 1 if reads.projection is None else DECODED_FACTOR
    step = 0
    for position, row in enumerate(reads.rows):
        if left <= 0:
            return found, units, left, reads.keys[position:]
        size, item = reads.table.get_sized(row) or (0, None)
        if size > left:
            return found, units, 0, reads.keys[position:]
        units += read_units(size, reads.consistent)
        left -= size
        step += size * factor
        if step >= STEP_BYTES:
            step = 0
            yield
        if item is not None:
            found.append(
                item if reads.projection is None else body(reads.projection.apply(ujson.loads(item)))
            )
    return found, units, left, []


class _TableWrites:
    """One table's part of a BatchWriteItem, and what became of it."""

    def __init__(self, name: str, table: Table, writes: list[Request], sizes: list[int]) -> None:
        self.name = name
        self.table = table
        self.used = Consumption()
        self.unprocessed: list[Request] = []
        self.refusal: ApiError | None = None  # why they are
        self.metrics: list[dict[str, Any]] = []
        self._writes = [
            (write, *self._located(write, size)) for write, size in zip(writes, sizes, strict=True)
        ]
        _refuse_duplicates([row for _, row, _ in self._writes])

    def _located(self, write: Request, size: int) -> tuple[RowKey, Stored | None]:
        """The row, and what is to be stored there; None to delete it."""
        definition = self.table.definition
        if (put := write.get("PutRequest")) is None:
            return key_row(definition, write["DeleteRequest"]["Key"]), None
        item = put["Item"]
        row = _put_row(definition, item)
        if too_large(definition, item, size):
            raise validation("Item size has exceeded the maximum allowed size")
        check_index_keys(definition, item)
        return row, Stored(size, dumps(item))

    def run(self, meter: Meter, caller: Caller, with_metrics: bool) -> None:
        """Write what there is capacity for. Runs in the table's group."""
        puts = [(row, new) for _, row, new in self._writes if new is not None]
        if meter.is_idle and self.table.is_plain and len(puts) == len(self._writes):
            old_sizes = self.table.overwrite_all(puts)
            self.used.table = sum(
                [write_units(max(new.size, old)) for (_, new), old in zip(puts, old_sizes, strict=True)]
            )
        else:
            self._run_one_by_one(meter, caller)
        if self.used.table:
            meter.count_write(caller, self.table, self.used)
        if with_metrics:
            self._measure()

    def _run_one_by_one(self, meter: Meter, caller: Caller) -> None:
        for write, row, new in self._writes:
            try:
                meter.admit_write(caller, self.table)
            except ApiError as error:
                self.refusal = error
                self.unprocessed.append(write)
                continue
            used = self._write(write, row, new)
            meter.pay_write(caller, self.table, used)
            self.used.add(used)

    def _write(self, write: Request, row: RowKey, new: Stored | None) -> Consumption:
        if new is not None:
            return written(self.table.overwrite(row, write["PutRequest"]["Item"], new), new.size)
        old = self.table.stored(row)
        return written(UNCHANGED if old is None else self.table.delete(row, old), 0)

    def _measure(self) -> None:
        collections = {}
        for write, row, _ in self._writes:
            key = write["PutRequest"]["Item"] if "PutRequest" in write else write["DeleteRequest"]["Key"]
            collections[row.pk] = collection_metrics(self.table, row, key)
        self.metrics = [metrics for metrics in collections.values() if metrics is not None]


def read_writes(request: Request) -> dict[str, list[int]]:
    """Makes the items and keys canonical; answers their sizes by table."""
    wanted: dict[str, list[Request]] = request["RequestItems"]
    sizes = {name: [_check_write(write) for write in writes] for name, writes in wanted.items()}
    if sum(map(len, sizes.values())) > MAX_WRITES:
        raise validation("Too many items requested for the BatchWriteItem call")
    return sizes


def batch_write_item(
    context: Context, request: Request, caller: Caller, sizes: dict[str, list[int]]
) -> asyncio.Future[bytes]:
    """`sizes`: what `read_writes` answers of the request."""
    wanted: dict[str, list[Request]] = request["RequestItems"]
    tables = context.tables(wanted)
    parts = [_TableWrites(name, tables[name], writes, sizes[name]) for name, writes in wanted.items()]
    with_metrics = request.get("ReturnItemCollectionMetrics") == "SIZE"

    def run(part: _TableWrites) -> asyncio.Future[None]:
        return part.table.submit(lambda: part.run(context.meter, caller, with_metrics))

    async def reply(written: asyncio.Future[list[None]]) -> bytes:
        await written
        return _write_reply(request, parts)

    if len(parts) > 1:
        return asyncio.ensure_future(reply(asyncio.gather(*map(run, parts))))
    (part,) = parts

    def run_one() -> bytes:
        part.run(context.meter, caller, with_metrics)
        return _write_reply(request, parts)

    return part.table.submit(run_one)


def _write_reply(request: Request, parts: list[_TableWrites]) -> bytes:
    """Raises what the service answers a batch of which there was capacity for nothing."""
    unprocessed = {part.name: part.unprocessed for part in parts if part.unprocessed}
    if unprocessed and not any(part.used.table for part in parts):
        raise next(part.refusal for part in parts if part.refusal is not None)
    consumed = [(part.name, part.used) for part in parts]
    metrics = {part.name: part.metrics for part in parts if part.metrics}
    return members(
        UnprocessedItems=dumps(unprocessed),
        ItemCollectionMetrics=optional(metrics or None),
        ConsumedCapacity=optional(consumed_capacities(request.get("ReturnConsumedCapacity"), consumed)),
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


def _put_row(definition: TableDefinition, item: Item) -> RowKey:
    """A missing or wrong-typed key reads as a delete's would; an empty or long one as everywhere."""
    for attribute in definition.key_attributes:
        if attribute.type not in item.get(attribute.name, ()):
            raise schema_mismatch()
    return item_row(definition, item)
