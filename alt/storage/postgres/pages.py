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
from alt.storage.postgres import keys, spelling
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
    """Rows of a range: how many, their bytes by DynamoDB's count, what those hold that may pass, and the last."""

    scanned: int
    size: int
    texts: Sequence[str]
    last: str | None


class _Statements(NamedTuple):
    """What reads rows one by one, as one value, and as one value of those with a text."""

    rows: str
    texts: str
    sought: str


_SLOTS = _Statements(sql.SLOTS, sql.SLOTS_TEXTS, sql.SLOTS_SOUGHT)
_PARTITION = _Statements(sql.PARTITION, sql.PARTITION_TEXTS, sql.PARTITION_SOUGHT)
_PARTITION_BACKWARD = _Statements(
    sql.PARTITION_BACKWARD, sql.PARTITION_TEXTS_BACKWARD, sql.PARTITION_SOUGHT_BACKWARD
)


class _Range:
    """A range, read part by part. Of rows without the text `sought` none has to come."""

    def __init__(
        self, database: Database, source: int, wanted: PartitionRange | SlotRange, sought: str | None
    ) -> None:
        self._database = database
        self._source = source
        self._wanted = wanted
        self._sought = sought
        if isinstance(wanted, SlotRange):
            self._slot, self._low = keys.first_of(wanted)
            self._statements = _SLOTS
        else:
            self._slot, self._low, self._high = keys.interval(wanted)
            self._statements = _PARTITION_BACKWARD if wanted.descending else _PARTITION

    async def next(self, count: int, size: int, *, is_last: bool) -> _Part:
        """At most so many rows more, up to the one with which they have `size` bytes. `is_last`: no more will be asked for.

        Many come as one value, if all of them have no more than that.
        """
        if count >= MANY_ROWS and (part := await self._as_one_value(count, size, is_last)) is not None:
            return part
        found = await self._ask(self._statements.rows, count, size)
        if found:
            self._pass(found[-1][_SLOT], found[-1][_KEY])
        texts = [row[_ITEM] for row in found]
        return _Part(len(texts), sum([row[_SIZE] for row in found]), texts, texts[-1] if texts else None)

    async def _as_one_value(self, count: int, size: int, is_last: bool) -> _Part | None:
        """None if they have more bytes."""
        # At which number of rows the place of the last is told, behind which others may be, and at which the last itself.
        place_at, last_at = (0, count) if is_last else (count, 0)
        if self._sought is None:
            (row,) = await self._ask(self._statements.texts, count, size, place_at)
            scanned, found, texts, slot, key = row
            last = texts[-1] if texts else None
        else:
            (row,) = await self._ask(self._statements.sought, count, size, place_at, last_at, self._sought)
            scanned, found, texts, slot, key, last = row
        if texts is None:
            return None
        if key is not None:
            self._pass(slot, key)
        return _Part(scanned, found, texts, last)

    async def _ask(self, statement: str, *rest: int | str) -> list[Row]:
        bounds: tuple[Any, ...]
        if isinstance(self._wanted, SlotRange):
            bounds = self._wanted.end, self._slot, self._low
        else:
            bounds = self._slot, self._low, self._high
        return await self._database.fetch(statement, self._source, *bounds, *rest)

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
        range_ = _Range(
            self._database,
            keys.source_of(definition.id, read.keys.layout),
            read.keys,
            _sought(read),
        )
        limit = read.limit
        passed: list[str] = []
        count = scanned = size = 0
        fetched = 0.0
        last: str | None = None
        while size < MAX_PAGE_BYTES and scanned != limit:
            wanted = _part(scanned, size, limit)
            is_last = limit is not None and scanned + wanted >= limit
            part = await range_.next(wanted, MAX_PAGE_BYTES - size, is_last=is_last)
            items = part.texts
            size += part.size
            scanned += part.scanned
            last = part.last
            if read.fetch:
                whole = await self._fetch(definition, part.texts)
                fetched += sum(read_units(stored.size, read.is_consistent) for stored in whole)
                items = [stored.text for stored in whole]
            passing = await _passing(read, part, items)
            count += part.scanned if read.condition is None else len(passing)
            if not read.is_count:
                passed += passing
            if part.scanned < wanted:
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


def _sought(read: PageRead) -> str | None:
    """What the rows have in their texts that have to come."""
    if read.fetch:
        return None
    if read.condition is not None:
        return spelling.sought(read.condition)
    return spelling.NOWHERE if read.is_count else None


def _part(scanned: int, size: int, limit: int | None) -> int:
    """How many rows to ask for next."""
    wanted = FIRST_ROWS
    if scanned:
        wanted = int((MAX_PAGE_BYTES - size) * scanned / max(size, 1)) + 1
    if limit is not None:
        wanted = min(wanted, limit - scanned)
    return max(1, min(wanted, MAX_ROWS))


async def _passing(read: PageRead, part: _Part, items: Sequence[str]) -> Sequence[str]:
    """What is left of each item that passes the condition, which looks at the row."""
    if not part.texts or (read.condition is None and read.projection is None):
        return items
    looked_at = part.size * len(part.texts) // part.scanned
    if evaluation_cost(len(part.texts), looked_at, read.condition) <= MAX_LOOK_COST:
        return _looked_at(read, part.texts, items)
    return await asyncio.get_running_loop().run_in_executor(None, _looked_at, read, part.texts, items)


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
