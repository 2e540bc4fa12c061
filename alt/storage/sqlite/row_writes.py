"""What writes do to a table's rows inside a transaction on its file: to items, index entries, counts, and the change log."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache, partial
from typing import Any

import apsw
import ujson
from zlib_ng import zlib_ng

from alt.config import MAX_ITEM_COLLECTION_BYTES
from alt.storage.model.costs import decision_cost
from alt.storage.model.definition import TableDefinition
from alt.storage.model.items import (
    TOKEN_SECONDS,
    Decide,
    Delete,
    Effect,
    EntryChange,
    Keep,
    Put,
    Stored,
    Token,
    Write,
    Written,
)
from alt.storage.model.keys import END, RowKey
from alt.storage.model.ranges import SlotRange
from alt.storage.sqlite.change_log import ChangeLog
from alt.storage.sqlite.checksums import DamagedItemError, is_sound
from alt.storage.sqlite.expiry import Expiry
from alt.storage.sqlite.group_commit import TooLongError
from alt.storage.sqlite.indexes import Index
from alt.storage.sqlite.item_collections import ItemCollections
from alt.storage.sqlite.ranges import ITEM_COLUMNS, rows_of
from alt.storage.sqlite.statistics import Statistics
from alt.storage.sqlite.steps import STEP_BYTES
from alt.storage.sqlite.transactions.journal import Redo
from alt.values.types import Item

# At most so much is decided on the event loop, and nothing smaller is looked at for it (alt/storage/model/costs.py).
MAX_DECISION_COST = 10_000_000
LARGE_ITEM_BYTES = 8_192

ESCAPED_NUL = "\\u0000"  # as JSON text has it

_new = tuple.__new__  # what Written's own does, without a call in Python

PUT = "INSERT OR REPLACE INTO item (slot, pk, sk, size, item, checksum) VALUES (?, ?, ?, ?, ?, ?)"


class RowWrites:
    """The write side of a table's file. `writer` is its connection; `reader` sees what is committed.

    `label` is what errors call the table, `file` its name in the journal.
    """

    def __init__(
        self,
        definition: TableDefinition,
        writer: apsw.Connection,
        reader: apsw.Connection,
        label: str,
        file: str,
        item_collection_limit: int = MAX_ITEM_COLLECTION_BYTES,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.label = label
        self.file = file
        self._writer = writer
        self._reader = reader
        self._write = writer.cursor()
        read = reader.cursor()
        self.log = ChangeLog(self._write, read, clock, label)
        self.expiry = Expiry(self._write, read)
        self._statistics = Statistics(self._write)
        # What a transaction over several tables has written, while it is under way.
        self.effects: list[Redo] | None = None
        # Set before an item with a NUL can be read, and for good.
        self.may_hold_nul = bool(reader.execute("SELECT nul FROM peculiarity").get)
        self.indexes: dict[str, Index] = {}
        self._collections: ItemCollections | None = None
        if any(not index.is_global for index in definition.indexes):  # there from the start, or never
            self._collections = ItemCollections(self._write, item_collection_limit)
        self.redefine(definition)

    def redefine(self, definition: TableDefinition) -> None:
        """Take over a changed definition."""
        self.definition = definition
        self.write_isolation = definition.write_isolation
        self._is_logged = definition.is_logged
        self.expiry.redefine(definition)
        kept = {index.definition.id: index for index in self.indexes.values()}
        self.indexes = {}
        for index_definition in definition.indexes:
            index = Index(index_definition, definition)
            if index_definition.status == "CREATING":
                known = kept.get(index_definition.id)
                index.backfilled = self._stored_progress(index) if known is None else known.backfilled
            self.indexes[index_definition.name] = index

    # Writes

    def _write_one(self, write: Write) -> Written:
        """A write inside its group."""
        key, effect, looks = write
        if type(effect) is Put and not self.indexes and not self._is_logged:
            return self._overwrite(key, effect.new)
        old = self.stored(key)
        if type(effect) is Put or type(effect) is Delete:
            return self.apply(key, effect, old)
        decide: Any = effect
        if (
            old is not None
            and old.size >= LARGE_ITEM_BYTES
            and decision_cost(old, looks()) > MAX_DECISION_COST
        ):
            raise TooLongError(partial(self._look, key, decide))
        return self.apply(key, decide(old), old)

    def _look(self, key: RowKey, decide: Decide) -> Callable[[], Callable[[], Written]]:
        old = self.stored(key)
        return lambda: partial(self.apply, key, decide(old), old)

    def apply(self, key: RowKey, effect: Effect, old: Stored | None) -> Written:
        """Do what was decided on the `old` item."""
        old_size = 0 if old is None else old.size
        kind = type(effect)
        changes: Sequence[EntryChange] = ()
        new_size = 0
        if kind is Put:
            item, new, before = effect  # type: ignore[misc]
            new_size = new.size
            if new != old:
                changes = self._replace(key, item, new, old, before)
        elif kind is Delete:
            if old is not None:
                changes = self.delete(key, old)
        elif kind is Keep:
            new_size = effect.size  # type: ignore[union-attr]
        else:
            return Written(old_size, 0, (), old, None, effect.error)  # type: ignore[union-attr]
        collection = None if self._collections is None else self._collections.size(key)
        return Written(old_size, new_size, changes, old, collection)

    def _write_all(self, writes: Sequence[Write]) -> list[Written]:
        """Puts on a plain table take two statements in all."""
        if not writes or not self.is_plain or not all(type(effect) is Put for _, effect, _ in writes):
            return [self._write_one(write) for write in writes]
        return self.put_plain(writes)

    def put_plain(self, writes: Sequence[Write]) -> list[Written]:
        """Puts of different items of a plain table, whatever is there."""
        puts: list[Any] = [(key, effect.new) for key, effect, _ in writes]  # type: ignore[union-attr]
        old_sizes = self._overwrite_all(puts)
        return [
            _new(Written, (old, new.size, (), None, None, None))
            for (_, new), old in zip(puts, old_sizes, strict=True)
        ]

    def stored(self, key: RowKey) -> Stored | None:
        """The item as this write finds it."""
        found: tuple[int, bytes, int] | None = self._write.execute(
            "SELECT size, CAST(item AS BLOB), checksum FROM item WHERE slot = ? AND pk = ? AND sk = ?", key
        ).get
        if found is None:
            return None
        size, text, stored = found
        if not is_sound(text, stored):
            raise DamagedItemError(self.label)  # else damage would be stored again as what was meant
        return Stored(size, text.decode())

    def _overwrite(self, key: RowKey, new: Stored) -> Written:
        """Store an item over whatever is there, where nothing is to know of that but the counts."""
        old_size: int | None = self._write.execute(
            "SELECT size FROM item WHERE slot = ? AND pk = ? AND sk = ?", key
        ).get
        self._put(key, new, old_size)
        return Written(old_size or 0, new.size)

    @property
    def is_plain(self) -> bool:
        """Whether a write is nothing more than its row: no index, log or transaction over tables is to know of it."""
        return not self.indexes and not self._is_logged and self.effects is None

    def _overwrite_all(self, writes: Sequence[tuple[RowKey, Stored]]) -> list[int]:
        """Overwrite several rows of a plain table, none twice; the bytes of the items found, 0 for none."""
        keys = [column for key, _ in writes for column in key]
        found: Any = self._write.execute(
            f"SELECT item.slot, item.pk, item.sk, item.size FROM {rows_by_keys(len(writes))}", keys
        )
        old_sizes = {(slot, pk, sk): size for slot, pk, sk, size in found}
        self.put_all([(key, new, old_sizes.get(key)) for key, new in writes])
        return [old_sizes.get(key, 0) for key, _ in writes]

    def put_all(self, writes: Sequence[tuple[RowKey, Stored, int | None]]) -> None:
        """Store several items on a plain table, given the bytes of those they replace, None for none."""
        rows = []
        added = grown = 0
        for key, new, old_size in writes:
            rows.append(key + new + (zlib_ng.crc32(new.text.encode()),))
            if ESCAPED_NUL in new.text:
                self._note_nul()
            if old_size is None:
                added += 1
                grown += new.size
            else:
                grown += new.size - old_size
        self._write.executemany(PUT, rows)
        self._statistics.add(ITEM_COLUMNS.table, added, grown)

    def put(self, key: RowKey, item: Item, new: Stored, old: Stored | None) -> Sequence[EntryChange]:
        """Store an item, given both as it is and as JSON, over the `old` one."""
        return self._replace(key, item, new, old, None)

    def _replace(
        self, key: RowKey, item: Item, new: Stored, old: Stored | None, before: Item | None
    ) -> Sequence[EntryChange]:
        """`before`: the old item, decoded, where that has been done."""
        self._put(key, new, None if old is None else old.size)
        if self._is_logged:
            self.log.record(key, old, new)
        if not self.indexes:
            return ()
        replaced = None if old is None else (before or ujson.loads(old.text), old)
        return self._change_indexes(key, (item, new), replaced)

    def delete(self, key: RowKey, old: Stored, *, by_ttl: bool = False) -> Sequence[EntryChange]:
        """Remove the item; `by_ttl`: because it expired."""
        if self.effects is not None:
            self.effects.append(Redo(self.file, key, None))
        self._write.execute("DELETE FROM item WHERE slot = ? AND pk = ? AND sk = ?", key)
        self._statistics.add(ITEM_COLUMNS.table, -1, -old.size)
        if self._is_logged:
            self.log.record(key, old, None, by_ttl=by_ttl)
        return () if not self.indexes else self._change_indexes(key, None, (ujson.loads(old.text), old))

    def _put(self, key: RowKey, new: Stored, old_size: int | None) -> None:
        if self.effects is not None:
            self.effects.append(Redo(self.file, key, new))
        if ESCAPED_NUL in new.text:
            self._note_nul()
        self._write.execute(PUT, key + new + (zlib_ng.crc32(new.text.encode()),))  # checksum, without a call
        if old_size is None:
            self._statistics.add(ITEM_COLUMNS.table, 1, new.size)
        else:
            self._statistics.add(ITEM_COLUMNS.table, 0, new.size - old_size)

    def _note_nul(self) -> None:
        self.may_hold_nul = True
        self._write.execute("UPDATE peculiarity SET nul = 1 WHERE nul = 0")

    def _change_indexes(
        self, key: RowKey, new: tuple[Item, Stored] | None, old: tuple[Item, Stored] | None
    ) -> list[EntryChange]:
        grown = _size(None if new is None else new[1]) - _size(None if old is None else old[1])
        changes = []
        for index in self.indexes.values():
            if index.is_kept(key):
                old_entry = None if old is None else index.entry(key, *old)
                new_entry = None if new is None else index.entry(key, *new)
                change = index.change(self._write, self._statistics, old_entry, new_entry)
                if change is not None:
                    changes.append(change)
                    if not index.definition.is_global:
                        grown += change.new_size - change.old_size
        if self._collections is not None:
            self._collections.add(key, grown)
        return changes

    def redo(self, effects: Iterable[Redo]) -> None:
        """Write effects whatever the limits: of a decided transaction, or to undo changes."""
        if self._collections is not None:
            self._collections.is_limited = False
        for _, key, new in effects:
            old = self.stored(key)
            if new is not None:
                self.put(key, ujson.loads(new.text), new, old)
            elif old is not None:
                self.delete(key, old)
        if self._collections is not None:
            self._collections.is_limited = True

    def put_token(self, token: Token) -> None:
        """Keep a ClientRequestToken with what its transaction writes; expired ones go."""
        self._write.execute("DELETE FROM token WHERE expires < ?", (token.expires - TOKEN_SECONDS,))
        self._write.execute("INSERT OR REPLACE INTO token (token, request, expires) VALUES (?, ?, ?)", token)

    # Index changes, each a write of bounded length

    def create_index(self, name: str) -> None:
        """Make an index's table. `backfill` fills it."""
        self.indexes[name].create(self._write)

    def backfill(self, name: str, limit: int) -> bool:
        """Take up to `limit` more items into an index that is CREATING; False once all are in."""
        index = self.indexes[name]
        rows = rows_of(SlotRange() if index.backfilled is None else SlotRange().after(index.backfilled))
        found = self._step(
            f"SELECT size, CAST(item AS BLOB), checksum, slot, pk, sk FROM {rows.clause} LIMIT ?",
            (*rows.values, limit),
        )
        for size, text, stored_checksum, *row in found:
            if not is_sound(text, stored_checksum):
                raise DamagedItemError(self.label)
            key, stored = RowKey(*row), Stored(size, text.decode())
            index.change(self._write, self._statistics, None, index.entry(key, ujson.loads(text), stored))
        index.backfilled = key if found else END
        self._write.execute(
            "INSERT OR REPLACE INTO backfill (source, slot, pk, sk) VALUES (?, ?, ?, ?)",
            (index.columns.table, *index.backfilled),
        )
        return bool(found)

    def empty_index(self, name: str, limit: int) -> bool:
        """Remove up to `limit` entries of an index that is DELETING; False once its table is gone too."""
        index = self.indexes[name]
        table, key = index.columns.table, ", ".join(index.columns.key)
        if self._write.execute("SELECT 1 FROM statistics WHERE source = ?", (table,)).get is not None:
            found = self._step(f"SELECT size, {key} FROM {table} ORDER BY {key} LIMIT ?", (limit,))
            for size, *entry_key in found:
                index.remove(self._write, self._statistics, tuple(entry_key), size)
            if found:
                return True
        index.drop(self._write)
        return False

    def _step(self, sql: str, values: tuple[Any, ...]) -> list[Any]:
        """The rows, whose first column is their size, up to the one that fills STEP_BYTES."""
        found, size = [], 0
        cursor = self._writer.execute(sql, values)
        for row in cursor:
            found.append(row)
            size += row[0]
            if size >= STEP_BYTES:
                cursor.close()
                break
        return found

    def _stored_progress(self, index: Index) -> RowKey | None:
        found = self._reader.execute(
            "SELECT slot, pk, sk FROM backfill WHERE source = ?", (index.columns.table,)
        ).get
        return None if found is None else RowKey(*found)

    def _forget_progress(self) -> None:
        """After a group was lost: an index under way is as far as the file says."""
        for index in self.indexes.values():
            if index.definition.status == "CREATING":
                index.backfilled = self._stored_progress(index)


def _size(stored: Stored | None) -> int:
    return 0 if stored is None else stored.size


@lru_cache(maxsize=128)
def rows_by_keys(count: int) -> str:
    """FROM clause of the items of `count` keys, each bound as its three columns."""
    keys = ", ".join(["(?, ?, ?)"] * count)
    return (
        f"(VALUES {keys}) AS wanted CROSS JOIN item "
        "ON item.slot = wanted.column1 AND item.pk = wanted.column2 AND item.sk = wanted.column3"
    )
