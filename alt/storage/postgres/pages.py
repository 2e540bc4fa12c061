"""Pages of a Query or Scan: read in parts, so that neither a large nor a long page is more than asked for.

A filter is the tree's own evaluator. A page of several parts is not of one state, which DynamoDB does not promise either.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, NamedTuple

import ujson

from alt.capacity import read_units
from alt.config import MAX_PAGE_BYTES
from alt.storage.model.costs import evaluation_cost
from alt.storage.model.definition import TableDefinition
from alt.storage.model.items import Stored
from alt.storage.model.keys import ITEMS
from alt.storage.model.pages import PageFound, PageRead
from alt.storage.model.ranges import PartitionRange, SlotRange
from alt.storage.postgres import keys
from alt.storage.postgres import statements as sql
from alt.storage.postgres.database import Database, Row
from alt.storage.postgres.reads import Reads
from alt.values.json import dumps

# A part has so many rows at first, and then as many as the page is likely to have, but never more than this.
FIRST_ROWS = 128
MAX_ROWS = 512
# So many cost less as one value than as rows.
MANY_ROWS = 32
# What may take longer to test or to cut, in microseconds, leaves the event loop.
MAX_LOOK_COST = 10_000.0

# Where rows have these: by their names it takes twice as long.
_SLOT, _KEY, _SIZE, _ITEM = range(4)


class _Part(NamedTuple):
    """Rows of a range: their bytes by DynamoDB's count, and what they hold."""

    size: int
    texts: Sequence[str]


class _Range:
    """A range, read part by part."""

    def __init__(self, database: Database, source: int, wanted: PartitionRange | SlotRange) -> None:
        self._database = database
        self._source = source
        self._wanted = wanted
        if isinstance(wanted, SlotRange):
            self._slot, self._low = keys.first_of(wanted)
            self._statements = sql.SLOTS_TEXTS, sql.SLOTS
        else:
            self._slot, self._low, self._high = keys.interval(wanted)
            self._statements = sql.PARTITION_TEXTS, sql.PARTITION
            if wanted.descending:
                self._statements = sql.PARTITION_TEXTS_BACKWARD, sql.PARTITION_BACKWARD

    async def next(self, count: int, size: int, *, is_last: bool) -> _Part:
        """At most so many rows more, up to the one with which they have `size` bytes. `is_last`: no more will be asked for.

        Many come as one value, if all of them have no more than that.
        """
        texts, rows = self._statements
        if count >= MANY_ROWS:
            ((bytes_, items, slot, key),) = await self._ask(texts, count, size, 0 if is_last else count)
            if items is not None:
                if key is not None:
                    self._pass(slot, key)
                return _Part(bytes_, items)
        found = await self._ask(rows, count, size)
        if found:
            self._pass(found[-1][_SLOT], found[-1][_KEY])
        return _Part(sum([row[_SIZE] for row in found]), [row[_ITEM] for row in found])

    async def _ask(self, statement: str, *counts: int) -> list[Row]:
        bounds: tuple[Any, ...]
        if isinstance(self._wanted, SlotRange):
            bounds = self._wanted.end, self._slot, self._low
        else:
            bounds = self._slot, self._low, self._high
        return await self._database.fetch(statement, self._source, *bounds, *counts)

    def _pass(self, slot: int, key: bytes) -> None:
        """The rest begins behind this row."""
        if isinstance(self._wanted, PartitionRange) and self._wanted.descending:
            self._high = key
        else:
            self._slot, self._low = slot, keys.after(key)


class Pages:
    """Reads pages of tables and indexes."""

    def __init__(self, database: Database, reads: Reads) -> None:
        self._database = database
        self._reads = reads

    async def page(self, definition: TableDefinition, read: PageRead) -> PageFound:
        """See alt/storage/engine.py."""
        range_ = _Range(self._database, keys.source_of(definition.id, read.keys.layout), read.keys)
        limit = read.limit
        passed: list[str] = []
        count = scanned = size = 0
        fetched = 0.0
        last: str | None = None
        while size < MAX_PAGE_BYTES and scanned != limit:
            wanted = _part(scanned, size, limit)
            is_last = limit is not None and scanned + wanted >= limit
            part_size, texts = await range_.next(wanted, MAX_PAGE_BYTES - size, is_last=is_last)
            items = texts
            size += part_size
            scanned += len(texts)
            if texts:
                last = texts[-1]
            if read.fetch:
                whole = await self._fetch(definition, texts)
                fetched += sum(read_units(stored.size, read.is_consistent) for stored in whole)
                items = [stored.text for stored in whole]
            passing = await _passing(read, texts, items, part_size)
            count += len(passing)
            if not read.is_count:
                passed += passing
            if len(texts) < wanted:
                break
        has_more = scanned == limit or size >= MAX_PAGE_BYTES
        joined = None if read.is_count else ",".join(passed).encode()
        return PageFound(count, scanned, size, joined, last if has_more else None, fetched, is_short=False)

    async def _fetch(self, definition: TableDefinition, entries: Sequence[str]) -> list[Stored]:
        """The items of a local index's entries; one that is gone meanwhile is what its entry has."""
        source = keys.source_of(definition.id, ITEMS)
        places = [keys.place(source, keys.key_of(definition, ujson.loads(entry))) for entry in entries]
        found = await self._reads.all(places)
        return [stored or Stored(0, entry) for stored, entry in zip(found, entries, strict=True)]


def _part(scanned: int, size: int, limit: int | None) -> int:
    """How many rows to ask for next."""
    wanted = FIRST_ROWS
    if scanned:
        wanted = int((MAX_PAGE_BYTES - size) * scanned / max(size, 1)) + 1
    if limit is not None:
        wanted = min(wanted, limit - scanned)
    return max(1, min(wanted, MAX_ROWS))


async def _passing(read: PageRead, rows: Sequence[str], items: Sequence[str], size: int) -> Sequence[str]:
    """What is left of each item that passes the condition, which looks at the row. The rows have `size` bytes."""
    if read.condition is None and read.projection is None:
        return items
    if evaluation_cost(len(rows), size, read.condition) <= MAX_LOOK_COST:
        return _looked_at(read, rows, items)
    return await asyncio.get_running_loop().run_in_executor(None, _looked_at, read, rows, items)


def _looked_at(read: PageRead, rows: Sequence[str], items: Sequence[str]) -> list[str]:
    condition, projection = read.condition, read.projection
    texts = []
    for row, item in zip(rows, items, strict=True):
        if condition is not None and not condition.matches(ujson.loads(row)):
            continue
        if projection is None or read.is_count:
            texts.append(item)
        else:
            texts.append(dumps(projection.apply(ujson.loads(item))))
    return texts
