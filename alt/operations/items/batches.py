"""BatchGetItem and BatchWriteItem.

Everything a request says is checked before anything is read or written; what then
runs cannot fail on one item alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from alt.capacity import Consumption, consumed_capacities, write_units
from alt.config import MAX_ITEM_BYTES
from alt.errors import ApiError, validation, without_trace
from alt.expressions import Projection
from alt.operations.caller import Caller
from alt.operations.capacity.metering import Meter, written
from alt.operations.context import Context
from alt.operations.items.index_keys import check_index_keys, too_large
from alt.operations.items.items import DELETE, collection_metrics, read_projection
from alt.operations.keys import check_paths, item_row, key_row, schema_mismatch
from alt.operations.parameters import check_expressions
from alt.operations.reply import members, optional
from alt.storage.engine import Answer, Table, then
from alt.storage.model.definition import TableDefinition
from alt.storage.model.items import Put, Stored, Write, Written
from alt.storage.model.keys import RowKey
from alt.storage.model.reads import KeysFound, KeysRead
from alt.values.attribute import normalize_item
from alt.values.json import dumps
from alt.values.types import Item

if TYPE_CHECKING:
    from alt.validation.requests import (
        BatchGetItemInput,
        BatchWriteItemInput,
        KeysAndAttributes,
        WriteRequest,
    )

T = TypeVar("T")

# The limit on one table's keys or writes is the model's; these are for all tables of a batch together.
MAX_KEYS = 100
MAX_WRITES = 25
MAX_RESPONSE_BYTES = 16 * 1024 * 1024  # of BatchGetItem's items


class _TableReads(NamedTuple):
    """What is read of one table, under the name that it was given, and the table's part of the request."""

    name: str
    read: KeysRead
    request: KeysAndAttributes


def batch_get_item(context: Context, request: BatchGetItemInput, caller: Caller) -> Answer[bytes]:
    """BatchGetItem (https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchGetItem.html).

    Keys for which there is no capacity, or no more room in the answer, are answered as UnprocessedKeys.
    """
    wanted = request["RequestItems"]
    _refuse_mixing_across(wanted)
    projections = {}
    for name, reads in wanted.items():
        for key in reads["Keys"]:
            normalize_item(key)
        projections[name] = read_projection(reads)
    if sum(len(reads["Keys"]) for reads in wanted.values()) > MAX_KEYS:
        raise validation("Too many items requested for the BatchGetItem call")
    tables = context.tables(wanted)
    parts = [_table_reads(name, tables[name], reads, projections[name]) for name, reads in wanted.items()]
    admitted, refusal = _admitted(context, caller, parts)
    if refusal is not None and not admitted:
        raise refusal

    def finish(found: Sequence[KeysFound]) -> bytes:
        return _read_reply(context, request, caller, parts, dict(zip(admitted, found, strict=True)))

    return then(context.engine.get_all([part.read for part in admitted.values()], MAX_RESPONSE_BYTES), finish)


def _refuse_mixing_across(wanted: dict[str, KeysAndAttributes]) -> None:
    """Old and new parameters do not go together, not even on different tables."""
    names = {name: True for reads in wanted.values() for name, value in reads.items() if value is not None}
    check_expressions(names, ("ProjectionExpression",), ("AttributesToGet",))


def _table_reads(
    name: str, table: Table, reads: KeysAndAttributes, projection: Projection | None
) -> _TableReads:
    rows = [key_row(table.definition, key) for key in reads["Keys"]]
    _refuse_duplicates(rows)
    check_paths(table.definition, reads, projection)
    is_consistent = reads.get("ConsistentRead") is True
    return _TableReads(name, KeysRead(table, rows, projection, is_consistent), reads)


def _refuse_duplicates(rows: list[RowKey]) -> None:
    if len(set(rows)) < len(rows):
        raise validation("Provided list of item keys contains duplicates")


def _admitted(
    context: Context, caller: Caller, parts: list[_TableReads]
) -> tuple[dict[str, _TableReads], ApiError | None]:
    """Those parts that there is capacity for, by name, and why there is none for the last of the others."""
    admitted = {}
    refusal: ApiError | None = None
    for part in parts:
        try:
            context.meter.admit_read(caller, part.read.table)
        except ApiError as error:
            refusal = without_trace(error)
        else:
            admitted[part.name] = part
    return admitted, refusal


def _read_reply(
    context: Context,
    request: BatchGetItemInput,
    caller: Caller,
    parts: list[_TableReads],
    found: dict[str, KeysFound],
) -> bytes:
    responses, consumed = [], []
    unprocessed: dict[str, KeysAndAttributes] = {}
    for name, (table, keys, _, is_consistent), reads in parts:
        items, blocks, count = found.get(name, _NOTHING)
        responses.append(b"%b:[%b]" % (dumps(name).encode(), b",".join(items)))
        if name not in found:
            unprocessed[name] = reads
            continue
        used = Consumption(float(blocks) if is_consistent else blocks / 2)
        context.meter.read(caller, table, used)
        consumed.append((name, used))
        if count < len(keys):
            unprocessed[name] = {**reads, "Keys": reads["Keys"][count:]}
    return members(
        Responses=b"{%b}" % b",".join(responses),
        UnprocessedKeys=dumps(unprocessed),
        ConsumedCapacity=optional(consumed_capacities(request.get("ReturnConsumedCapacity"), consumed)),
    )


_NOTHING = KeysFound((), 0, 0)


class _TableWrites:
    """One table's part of a BatchWriteItem, and what became of it."""

    def __init__(self, name: str, table: Table, writes: list[WriteRequest], sizes: list[int]) -> None:
        self.name = name
        self.table = table
        self.used = Consumption()
        self.unprocessed: list[WriteRequest] = []
        self.refusal: ApiError | None = None  # why they are
        self.metrics: list[dict[str, Any]] = []
        self._writes = [
            (request, self._write(request, size)) for request, size in zip(writes, sizes, strict=True)
        ]
        _refuse_duplicates([write.key for _, write in self._writes])

    def _write(self, request: WriteRequest, size: int) -> Write:
        definition = self.table.definition
        if (put := request.get("PutRequest")) is None:
            return Write(key_row(definition, request["DeleteRequest"]["Key"]), DELETE)
        item = put["Item"]
        row = _put_row(definition, item)
        if too_large(definition, item, size):
            raise validation("Item size has exceeded the maximum allowed size")
        check_index_keys(definition, item)
        return Write(row, Put(item, Stored(size, dumps(item))))

    def begin(
        self, meter: Meter, caller: Caller, request: BatchWriteItemInput, answer: Callable[[], T]
    ) -> asyncio.Future[T]:
        """Write what there is capacity for; the future has the `answer` there is then."""
        admitted = self._writes if meter.is_idle else self._admitted(meter, caller)
        with_metrics = request.get("ReturnItemCollectionMetrics") == "SIZE"

        def finish(done: Sequence[Written]) -> T:
            units = 0.0
            for write in done:
                if write.changes:
                    self.used.add(written(write))
                else:
                    units += write_units(max(write.old_size, write.new_size))
            self.used.table += units
            if done:
                meter.write(caller, self.table, self.used)
            if with_metrics:
                self._measure(admitted, done)
            return answer()

        return self.table.write_all([write for _, write in admitted], finish)

    def _admitted(self, meter: Meter, caller: Caller) -> list[tuple[WriteRequest, Write]]:
        """Those writes that there is capacity for, if each takes what its own item costs."""
        admitted = []
        foreseen = Consumption()
        for request, write in self._writes:
            try:
                meter.admit_write(caller, self.table, foreseen)
            except ApiError as error:
                self.refusal = without_trace(error)
                self.unprocessed.append(request)
            else:
                size = write.effect.new.size if isinstance(write.effect, Put) else 0
                foreseen.add(Consumption(write_units(size)))
                admitted.append((request, write))
        return admitted

    def _measure(self, writes: list[tuple[WriteRequest, Write]], done: Sequence[Written]) -> None:
        collections = {}
        for (request, write), each in zip(writes, done, strict=True):
            key = (
                request["PutRequest"]["Item"] if "PutRequest" in request else request["DeleteRequest"]["Key"]
            )
            collections[write.key.pk] = collection_metrics(self.table.definition, each, key)
        self.metrics = [metrics for metrics in collections.values() if metrics is not None]


def read_writes(request: BatchWriteItemInput) -> dict[str, list[int]]:
    """Makes the items and keys canonical; answers their sizes by table."""
    wanted = request["RequestItems"]
    sizes = {name: [_check_write(write) for write in writes] for name, writes in wanted.items()}
    if sum(map(len, sizes.values())) > MAX_WRITES:
        raise validation("Too many items requested for the BatchWriteItem call")
    return sizes


def batch_write_item(
    context: Context, request: BatchWriteItemInput, caller: Caller, sizes: dict[str, list[int]]
) -> asyncio.Future[bytes]:
    """BatchWriteItem (https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchWriteItem.html).

    Writes for which there is no capacity are answered as UnprocessedItems.

    `sizes`: what `read_writes` answers of the request.
    """
    wanted = request["RequestItems"]
    tables = context.tables(wanted)
    parts = [_TableWrites(name, tables[name], writes, sizes[name]) for name, writes in wanted.items()]
    if len(parts) == 1:
        return parts[0].begin(context.meter, caller, request, lambda: _write_reply(request, parts))
    begun = [part.begin(context.meter, caller, request, lambda: None) for part in parts]

    async def reply() -> bytes:
        await asyncio.gather(*begun)
        return _write_reply(request, parts)

    return asyncio.ensure_future(reply())


def _write_reply(request: BatchWriteItemInput, parts: list[_TableWrites]) -> bytes:
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


def _check_write(write: WriteRequest) -> int:
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
