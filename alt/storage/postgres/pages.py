"""Pages of a Query or Scan: read in parts, so that neither a large nor a long page is more than asked for.

A filter is the tree's own evaluator. A page of several parts is not of one state, which DynamoDB does not promise either.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import ujson

from alt.capacity import read_units
from alt.config import MAX_PAGE_BYTES
from alt.storage.model.costs import evaluation_cost
from alt.storage.model.definition import TableDefinition
from alt.storage.model.items import Stored
from alt.storage.model.keys import Layout
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
# What may take longer to test or to cut, in microseconds, leaves the event loop.
MAX_LOOK_COST = 10_000.0

# Where a row has these: by their names it takes twice as long.
_SIZE = 2
_ITEM = 3


class _Rows:
    """The rows of a range, part by part."""

    def __init__(self, database: Database, source: int, wanted: PartitionRange | SlotRange) -> None:
        self._database = database
        self._source = source
        self._wanted = wanted
        if isinstance(wanted, PartitionRange):
            self._slot, self._low, self._high = keys.interval(wanted)
        else:
            self._slot, self._low = keys.first_of(wanted)

    async def next(self, count: int, size: int) -> list[Row]:
        """At most so many more, up to the one with which they have `size` bytes."""
        if isinstance(self._wanted, SlotRange):
            found = await self._database.fetch(
                sql.SLOTS, self._source, self._wanted.end, self._slot, self._low, count, size
            )
            if found:
                self._slot, self._low = found[-1]["slot"], keys.after(found[-1]["key"])
            return found
        statement = sql.PARTITION_BACKWARD if self._wanted.descending else sql.PARTITION
        found = await self._database.fetch(
            statement, self._source, self._slot, self._low, self._high, count, size
        )
        if found and self._wanted.descending:
            self._high = found[-1]["key"]
        elif found:
            self._low = keys.after(found[-1]["key"])
        return found


class Pages:
    """Reads pages of tables and indexes."""

    def __init__(self, database: Database, reads: Reads) -> None:
        self._database = database
        self._reads = reads

    async def page(self, definition: TableDefinition, read: PageRead) -> PageFound:
        """See alt/storage/engine.py."""
        rows = _Rows(self._database, keys.source_of(definition.id, read.keys.layout), read.keys)
        limit = read.limit
        passed: list[str] = []
        count = scanned = size = 0
        fetched = 0.0
        last: str | None = None
        while size < MAX_PAGE_BYTES and scanned != limit:
            wanted = _part(scanned, size, limit)
            found = await rows.next(wanted, MAX_PAGE_BYTES - size)
            part_size = sum([row[_SIZE] for row in found])
            texts = items = [row[_ITEM] for row in found]
            size += part_size
            scanned += len(found)
            if found:
                last = texts[-1]
            if read.fetch:
                whole = await self._fetch(definition, found)
                fetched += sum(read_units(stored.size, read.is_consistent) for stored in whole)
                items = [stored.text for stored in whole]
            passing = await _passing(read, texts, items, part_size)
            count += len(passing)
            if not read.is_count:
                passed += passing
            if len(found) < wanted:
                break
        has_more = scanned == limit or size >= MAX_PAGE_BYTES
        joined = None if read.is_count else ",".join(passed).encode()
        return PageFound(count, scanned, size, joined, last if has_more else None, fetched, is_short=False)

    async def _fetch(self, definition: TableDefinition, entries: Sequence[Row]) -> list[Stored]:
        """The items of a local index's entries, whose slots are the table's; one that is gone meanwhile is empty."""
        source = keys.source_of(definition.id, Layout(None, 1, 1))
        found_keys = [keys.key_of(definition, row["slot"], ujson.loads(row["item"])) for row in entries]
        places = [keys.place(source, key) for key in found_keys]
        found = await self._reads.all(places)
        return [stored or Stored(row[_SIZE], row[_ITEM]) for stored, row in zip(found, entries, strict=True)]


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
