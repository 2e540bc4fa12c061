"""An engine in a dictionary, whose every answer is a future that comes a turn of the event loop later.

It shows that the operations assume no more than alt/storage/engine.py says. What other engines do in
the background is done here at once. There are no backups and no restores.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

import ujson

from alt import errors
from alt.capacity import READ_UNIT_BYTES, read_units
from alt.config import MAX_PAGE_BYTES
from alt.errors import ApiError
from alt.storage.model.changes import Change, ChangesFound, ChangesRead, Positions
from alt.storage.model.definition import TableDefinition
from alt.storage.model.entries import EntryMaker
from alt.storage.model.items import (
    Delete,
    Effect,
    EntryChange,
    Keep,
    Put,
    Refuse,
    Stored,
    Token,
    Write,
    Written,
)
from alt.storage.model.keys import ITEMS, Key, RowKey, layout_of
from alt.storage.model.pages import PageFound, PageRead
from alt.storage.model.ranges import PartitionRange
from alt.storage.model.reads import Counts, KeysFound, KeysRead, Sized
from alt.storage.model.usage import NOBODY, Others
from alt.values.json import dumps


def later(value: Any = None) -> asyncio.Future[Any]:
    return asyncio.ensure_future(_in_a_turn(lambda: value))


async def _in_a_turn(work: Callable[[], Any]) -> Any:
    await asyncio.sleep(0)
    return work()


class DictionaryTable:
    def __init__(self, definition: TableDefinition, clock: Callable[[], float]) -> None:
        self.definition = definition
        self._clock = clock
        self.items: dict[RowKey, Stored] = {}
        self.log: list[Change] = []

    @property
    def write_isolation(self) -> str | None:
        return self.definition.write_isolation

    def get(self, key: RowKey, *, is_consistent: bool) -> asyncio.Future[Sized | None]:  # noqa: ARG002
        return later(self.sized(key))

    def sized(self, key: RowKey) -> Sized | None:
        found = self.items.get(key)
        return None if found is None else (found.size, found.text.encode())

    def page(self, read: PageRead) -> asyncio.Future[PageFound]:
        rows = self._rows(read)
        end = size = 0
        while end < len(rows) and end != read.limit and size < MAX_PAGE_BYTES:
            size += rows[end][1].size
            end += 1
        more = end == read.limit or size >= MAX_PAGE_BYTES
        passed, fetched = [], 0.0
        for key, stored in rows[:end]:
            whole = stored
            if read.fetch:  # from a local index, whose slots are the table's
                whole = self.items[RowKey(key[0], key[-2], key[-1])]
                fetched += read_units(whole.size, read.is_consistent)
            if read.condition is None or read.condition.matches(ujson.loads(stored.text)):
                text = whole.text
                cut = read.projection
                passed.append(text if cut is None else dumps(cut.apply(ujson.loads(text))))
        items = None if read.is_count else ",".join(passed).encode()
        last = rows[end - 1][1].text if more and end else None
        return later(PageFound(len(passed), end, size, items, last, fetched, is_short=False))

    def _rows(self, read: PageRead) -> list[tuple[Key, Stored]]:
        keys = read.keys
        is_backward = isinstance(keys, PartitionRange) and keys.descending
        prefix = keys.prefix if isinstance(keys, PartitionRange) else ()
        start = None if keys.start is None else (*prefix, *keys.start)
        rows = [
            (key, stored)
            for key, stored in self._source(keys.layout.source)
            if keys.contains(key) and (start is None or (key < start if is_backward else key > start))
        ]
        return sorted(rows, reverse=is_backward)

    def _source(self, source: str | None) -> Iterable[tuple[Key, Stored]]:
        if source == ITEMS.source:
            return self.items.items()
        (index,) = (each for each in self.definition.indexes if layout_of(each).source == source)
        maker = EntryMaker(index, self.definition)
        made = (maker.entry(key, ujson.loads(old.text), old) for key, old in self.items.items())
        return [(entry.key, Stored(entry.size, entry.text)) for entry in made if entry is not None]

    def write(self, write: Write, finish: Callable[[Written], Any]) -> asyncio.Future[Any]:
        return asyncio.ensure_future(
            _in_a_turn(lambda: finish(self.apply(write.key, decided(write, self.items.get(write.key)))))
        )

    def write_all(self, writes: Sequence[Write], finish: Callable[[Any], Any]) -> asyncio.Future[Any]:
        def work() -> Any:
            return finish([self.apply(write.key, decided(write, None)) for write in writes])

        return asyncio.ensure_future(_in_a_turn(work))

    def apply(self, key: RowKey, effect: Effect) -> Written:
        old = self.items.get(key)
        old_size = 0 if old is None else old.size
        if isinstance(effect, Refuse):
            return Written(old_size, 0, (), old, None, effect.error)
        if isinstance(effect, Keep):
            return Written(old_size, effect.size, (), old, self._collection(key))
        new = effect.new if isinstance(effect, Put) else None
        changes = [] if new == old else self._index_changes(key, old, new)
        if new is None:
            self.items.pop(key, None)
        else:
            self.items[key] = new
        self._record(key, old, new)
        return Written(old_size, 0 if new is None else new.size, changes, old, self._collection(key))

    def _index_changes(self, key: RowKey, old: Stored | None, new: Stored | None) -> list[EntryChange]:
        changes = []
        for index in self.definition.indexes:
            maker = EntryMaker(index, self.definition)
            before, after = (
                None if each is None else maker.entry(key, ujson.loads(each.text), each)
                for each in (old, new)
            )
            if before != after:
                is_moved = before is not None and after is not None and before.key != after.key
                sizes = [0 if entry is None else entry.size for entry in (before, after)]
                changes.append(EntryChange(index, *sizes, is_moved))
        return changes

    def _collection(self, key: RowKey) -> int | None:
        local = [layout_of(index).source for index in self.definition.indexes if not index.is_global]
        if not local:
            return None
        rows = (row for source in (None, *local) for row in self._source(source))
        return sum(stored.size for found, stored in rows if found[1] == key.pk)

    def _record(self, key: RowKey, old: Stored | None, new: Stored | None) -> None:
        same = old is new or (old and new and ujson.loads(old.text) == ujson.loads(new.text))
        if self.definition.is_logged and not same:
            sizes = [None if each is None else each.size for each in (old, new)]
            texts = [None if each is None else each.text for each in (old, new)]
            number = len(self.log) + 1
            self.log.append(Change(number, self._clock(), key, False, *sizes, *texts))

    def counts(self) -> asyncio.Future[Counts]:
        indexes = {}
        for index in self.definition.indexes:
            sizes = [stored.size for _, stored in self._source(layout_of(index).source)]
            indexes[index.name] = len(sizes), sum(sizes)
        sizes = [stored.size for stored in self.items.values()]
        return later(Counts(len(sizes), sum(sizes), indexes))

    def changes(self, read: ChangesRead) -> asyncio.Future[ChangesFound]:
        end = len(self.log) if read.last is None else read.last
        found = [
            change._replace(old=change.old if read.old else None, new=change.new if read.new else None)
            for change in self.log[read.after : end]
            if read.slots.contains(change.key)
        ]
        position = max(end, read.after) if len(found) <= read.limit else found[read.limit - 1].seq
        return later(ChangesFound(found[: read.limit], position, len(self.log), 0))

    def positions(self, *moments: float) -> asyncio.Future[Positions]:
        until = [sum(change.at <= moment for change in self.log) for moment in moments]
        newest = self.log[-1].at if self.log else -math.inf
        return later(Positions(len(self.log), 0, newest, until))

    def written(self) -> asyncio.Future[None]:
        return later()


def decided(write: Write, old: Stored | None) -> Effect:
    effect = write.effect
    return effect if isinstance(effect, Put | Delete) else effect(old)


class DictionaryEngine:
    backups: Any = None
    is_encrypted = False
    is_ready = True

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._tables: dict[str, DictionaryTable] = {}
        self._tokens: dict[str, tuple[Token, list[int]]] = {}
        self._deleted: list[DictionaryTable] = []
        self.usage = self

    # Usage

    def add(self, *_: Any) -> None: ...
    def add_throttled(self, *_: Any) -> None: ...
    def store(self) -> None: ...
    def limits(self) -> dict[str, Any]:
        return {}

    def others(self) -> Others:
        return NOBODY

    # Tables

    def table(self, name: str) -> DictionaryTable | None:
        return self._tables.get(name)

    def tables(self, names: Iterable[str]) -> dict[str, DictionaryTable | None]:
        return {name: self.table(name) for name in names}

    def when_ready(self, _wait: Any, _begin: Any) -> Any:
        raise AssertionError("nothing here has to wait")

    def names(self) -> list[str]:
        return sorted(self._tables)

    def definition(self, name: str) -> TableDefinition | None:
        table = self._tables.get(name)
        return None if table is None else table.definition

    def definitions(self) -> list[TableDefinition]:
        return [self._tables[name].definition for name in self.names()]

    def create(self, definition: TableDefinition, _progress: Any = None) -> asyncio.Future[bool]:
        is_new = definition.name not in self._tables
        if is_new:
            self._tables[definition.name] = DictionaryTable(definition, self._clock)
        return later(is_new)

    def redefine(self, definition: TableDefinition) -> asyncio.Future[None]:
        indexes = tuple(
            replace(index, status="ACTIVE") for index in definition.indexes if index.status != "DELETING"
        )
        lived = definition.time_to_live
        if lived is not None and lived.is_changing:
            lived = replace(lived, status="ENABLED" if lived.status == "ENABLING" else "DISABLED")
        self._tables[definition.name].definition = replace(definition, indexes=indexes, time_to_live=lived)
        return later()

    def remove(self, definition: TableDefinition) -> asyncio.Future[None]:
        del self._tables[definition.name]
        return later()

    def remove_keeping(self, definition: TableDefinition, backup: Any) -> asyncio.Future[None]:
        assert backup is None
        assert definition.deleted is not None
        table = self._tables.pop(definition.name)
        table.definition = definition.without_stream(definition.deleted, len(table.log))
        self._deleted.append(table)
        return later()

    def deleted(self) -> list[TableDefinition]:
        return [table.definition for table in self._deleted]

    def deleted_table(self, definition: TableDefinition) -> DictionaryTable:
        return next(table for table in self._deleted if table.definition is definition)

    def settled(self, _definition: TableDefinition) -> asyncio.Future[None]:
        return later()

    # Several items

    def get_all(self, reads: Sequence[KeysRead], _limit: int) -> asyncio.Future[list[KeysFound]]:
        return later([self._get_all(read) for read in reads])

    def _get_all(self, read: KeysRead) -> KeysFound:
        found = [read.table.items.get(key) for key in read.keys]
        blocks = sum(1 if each is None else max(1, -(-each.size // READ_UNIT_BYTES)) for each in found)
        texts = [each.text for each in found if each is not None]
        if read.projection is not None:
            texts = [dumps(read.projection.apply(ujson.loads(text))) for text in texts]
        return KeysFound([text.encode() for text in texts], blocks, len(read.keys))

    def get_together(self, keys: Sequence[tuple[DictionaryTable, RowKey]]) -> asyncio.Future[Any]:
        return later([table.sized(key) for table, key in keys])

    def transact(
        self,
        writes: Sequence[tuple[DictionaryTable, Write]],
        token: Token | None,
        finish: Callable[[Sequence[Written]], Any],
        replayed: Callable[[Sequence[int]], Any],
    ) -> asyncio.Future[Any]:
        known = None if token is None else self._tokens.get(token.token)
        if token is not None and known is not None:
            done, sizes = known
            if done.request != token.request:
                raise errors.idempotent_parameter_mismatch()
            return asyncio.ensure_future(_in_a_turn(lambda: replayed(sizes)))
        return asyncio.ensure_future(_in_a_turn(lambda: finish(self._transact(writes, token))))

    def _transact(
        self, writes: Sequence[tuple[DictionaryTable, Write]], token: Token | None
    ) -> list[Written]:
        effects = [self._decided(table, write) for table, write in writes]
        if any(isinstance(effect, Refuse) for effect in effects):
            found = [table.items.get(write.key) for table, write in writes]
            return [
                Written(
                    0 if old is None else old.size,
                    0,
                    (),
                    old,
                    None,
                    effect.error if isinstance(effect, Refuse) else None,
                )
                for old, effect in zip(found, effects, strict=True)
            ]
        written = [
            table.apply(write.key, effect) for (table, write), effect in zip(writes, effects, strict=True)
        ]
        if token is not None:
            self._tokens[token.token] = token, [each.larger_size for each in written]
        return written

    def _decided(self, table: DictionaryTable, write: Write) -> Effect:
        try:
            return decided(write, table.items.get(write.key))
        except ApiError as error:
            return Refuse(error)

    def say(self, _error: BaseException) -> bool:
        return False

    def is_fault(self, _error: BaseException) -> bool:
        return False
