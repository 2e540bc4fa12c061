"""One table's items and indexes in one SQLite file: point reads, ranges, and writes in groups.

Reads run where they are called, on a connection of their own, and see what was
committed last; they never wait for a write. Items cross this face as their JSON
text (bytes when they only pass through to a response).
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import Executor
from contextlib import closing, suppress
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import apsw
import ujson
from zlib_ng import zlib_ng

from alt.config import MAX_ITEM_COLLECTION_BYTES, Sync
from alt.errors import transaction_conflict
from alt.storage.engine import Answer
from alt.storage.model.changes import ChangesFound, ChangesRead, Positions
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
from alt.storage.model.pages import PageFound, PageRead
from alt.storage.model.ranges import SlotRange
from alt.storage.model.reads import Counts, Sized
from alt.storage.sqlite import connections, own_rows, self_description
from alt.storage.sqlite.change_log import ChangeLog
from alt.storage.sqlite.checksums import DamagedItemError, is_sound
from alt.storage.sqlite.copies import copying
from alt.storage.sqlite.data_directory import UnusableDataError
from alt.storage.sqlite.durable_mark import DurableMark
from alt.storage.sqlite.expiry import Expiry
from alt.storage.sqlite.group_commit import GroupCommit, TooLongError
from alt.storage.sqlite.indexes import Index
from alt.storage.sqlite.item_collections import ItemCollections
from alt.storage.sqlite.journal import Redo
from alt.storage.sqlite.page_reads import PageReads
from alt.storage.sqlite.pages import page_at_once, page_in_steps
from alt.storage.sqlite.ranges import ITEM_COLUMNS, rows_of
from alt.storage.sqlite.reading import Reading
from alt.storage.sqlite.statistics import Statistics
from alt.storage.sqlite.steps import STEP_BYTES
from alt.values.types import Item

T = TypeVar("T")
U = TypeVar("U")

# Reads what may take long, given the pages of a table as they are when it begins.
ReadLong = Callable[["Table", Callable[[PageReads], Generator[None, None, Any]]], "asyncio.Future[Any]"]

FORMAT = 2

# Groups that leave the counts as they are get a number so often: it takes them another page of the log.
NUMBER_SECONDS = 0.05

# A hundred items of less are joined at once.
MAX_JOINED_ITEM_BYTES = 16 * 1024

ESCAPED_NUL = "\\u0000"  # as JSON text has it

# What it takes to decide on an item, in nanoseconds (DESIGN.md, "Conditions of writes"). At most so much is decided on
# the event loop, and nothing smaller is looked at for it.
VALUE_COST = 600  # of each value in it, to decode it, to measure it and to write it again
BYTE_COST = 3
VALUE_LOOK_COST = 35  # of each, in each way it is looked at
BYTE_LOOK_COST = 2
MAX_DECISION_COST = 10_000_000
LARGE_ITEM_BYTES = 8_192

_new = tuple.__new__  # what Written's own does, without a call in Python

PUT = "INSERT OR REPLACE INTO item (slot, pk, sk, size, item, checksum) VALUES (?, ?, ?, ?, ?, ?)"

_log = logging.getLogger(__name__)


class Joined(NamedTuple):
    """Several items: how many, their bytes, the blocks they take if each begins one, and their JSON with commas."""

    found: int
    size: int
    blocks: int
    items: bytes


class _Bookkeeping:
    """What a table keeps beside its writes, for GroupCommit."""

    def __init__(
        self, statistics: Statistics, durable: DurableMark | None, forget_progress: Callable[[], None]
    ) -> None:
        self._statistics = statistics
        self._durable = durable
        self._forget_progress = forget_progress
        self._number: int | None = None  # of the group under way
        self._next_number = 0.0  # when a group gets one whatever it does, on the monotonic clock
        self.mark = statistics.mark
        self.undo = statistics.undo

    def store(self) -> None:
        now = time.monotonic()
        self._number = self._statistics.store(is_numbered=now >= self._next_number)
        if self._number is not None:
            self._next_number = now + NUMBER_SECONDS

    def stored(self) -> None:
        if self._durable is not None and self._number is not None:
            self._durable.write(self._number)

    def discard(self) -> None:
        self._statistics.discard()
        self._forget_progress()


class Table:
    """An open table. `path` None keeps it in memory, in `contents` if those are given.

    `read_long`: see long_reads.py; a table without it is only written to.
    `is_served`: by the one server of its directory, which notices if its write-ahead log was lost.
    Raises UnusableDataError or apsw.Error where its file cannot be used.
    """

    def __init__(
        self,
        definition: TableDefinition,
        path: Path | None,
        sync: Sync,
        executor: Executor,
        item_collection_limit: int = MAX_ITEM_COLLECTION_BYTES,
        clock: Callable[[], float] = time.time,
        contents: apsw.Connection | None = None,
        *,
        read_long: ReadLong | None = None,
        is_served: bool = False,
    ) -> None:
        if path is not None and not path.exists():
            raise UnusableDataError(f"cannot use table {definition.name}: its file {path} is gone")
        self._path = path
        self._sync = sync
        # What messages call it.
        self.label = f"table {definition.name}" if path is None else f"table {definition.name} ({path})"
        self.file = definition.id if path is None else path.name
        self._writer = contents or connections.connect(connections.MEMORY if path is None else path, sync)
        if path is None:
            if contents is None:
                _create(self._writer, definition)
            self._reader = self._writer
        else:
            connections.check_format(self._writer, "table", FORMAT)
            own_rows.refuse_lacking(self._writer)
            self._reader = connections.connect(path, read_only=True)
        self._writer.set_busy_timeout(0)  # who writes waits on the event loop, not inside SQLite
        self._read = Reading(self._reader, self.label, is_writer=self._reader is self._writer)
        self.pages = PageReads(self._read)
        self._read_long = read_long
        self._write = self._writer.cursor()
        read = self._reader.cursor()
        self.log = ChangeLog(self._write, read, clock)
        self.expiry = Expiry(self._write, read)
        self._statistics = Statistics(self._write)
        self._durable = DurableMark(path) if is_served and path is not None else None
        self._bookkeeping = _Bookkeeping(self._statistics, self._durable, self._forget_progress)
        self._commits = GroupCommit(
            self._writer,
            None if path is None else executor,
            self._bookkeeping,
            self.label,
        )
        self.effects: list[Redo] | None = None
        # Rows that a transaction over several tables writes or checks, while it is under way.
        self.contended: set[RowKey] = set()
        self.users = 0  # who needs it beyond the turn in which it was found, but for queued writes
        # Set before an item with a NUL can be read, and for good.
        self.may_hold_nul = bool(self._reader.execute("SELECT nul FROM peculiarity").get)
        self.indexes: dict[str, Index] = {}
        self._collections: ItemCollections | None = None
        if any(not index.is_global for index in definition.indexes):  # there from the start, or never
            self._collections = ItemCollections(self._write, item_collection_limit)
        self.redefine(definition)
        self._tell_lost_groups()

    def _tell_lost_groups(self) -> None:
        if self._durable is None:
            return
        found, marked = self._statistics.groups(), self._durable.read()
        if found < marked:
            _log.error(
                "table %s has lost its last %d groups of writes: the write-ahead log %s-wal was removed, cut or "
                "overwritten while no server ran, or the power failed under --sync normal or off",
                self.definition.name,
                marked - found,
                self._path,
            )
        self._durable.write(found)

    @staticmethod
    def create_file(path: Path, definition: TableDefinition) -> None:
        """Make a new table's empty file, durably. Until it is listed nobody misses it, so it is synced once, as a whole."""
        connection = connections.connect(path, "off", create=True)
        _create(connection, definition)
        connection.close()
        copying.sync_file(path)
        copying.sync_directory(path.parent)

    def described(self) -> TableDefinition | None:
        """The definition that the file has of itself."""
        return self_description.described_table(self._reader)

    def describe(self) -> asyncio.Future[None]:
        """Let the file have the definition as it is now."""
        return self.submit(lambda: self_description.describe_table(self._write, self.definition))

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

    # Reads

    def get(self, key: RowKey) -> Sized | None:
        """The committed item's size and JSON."""
        found: tuple[int, bytes, int | None] | None = self._read.execute(
            "SELECT size, CAST(item AS BLOB), checksum FROM item WHERE slot = ? AND pk = ? AND sk = ?", key
        ).get
        if found is None:
            return None
        size, item, stored = found
        if stored is not None and zlib_ng.crc32(item) != stored:  # is_sound, without a call
            raise DamagedItemError(self.label)
        return size, item

    def get_joined(self, keys: Sequence[RowKey], block: int) -> Joined | None:
        """The committed items of these keys, all at once; None if there are large ones among them.

        One statement: most of what a point read costs is the call of SQLite.
        """
        found, size, largest, blocks, items = self._read.execute(
            f"SELECT count(*), sum(item.size), max(item.size), sum((item.size + {block - 1}) / {block}), "
            f"CAST(group_concat(CASE WHEN item.size < {MAX_JOINED_ITEM_BYTES} THEN item.item END, ',') AS BLOB) "
            f"FROM {_rows_of(len(keys))}",
            [column for key in keys for column in key],
        ).get
        if found and largest >= MAX_JOINED_ITEM_BYTES:
            return None
        return Joined(found, size or 0, blocks or 0, items or b"")

    def counts(self) -> Counts:
        """Exact, of the items and of each index."""
        items, size = self._counts(ITEM_COLUMNS.table)
        indexes = {name: self._counts(index.columns.table) for name, index in self.indexes.items()}
        return Counts(items, size, indexes)

    def page(self, read: PageRead) -> Answer[PageFound]:
        """At once, or as a future where that may take long."""
        found = page_at_once(self.pages, read, not self.may_hold_nul)
        if found is not None:
            return found
        assert self._read_long is not None
        return self._read_long(self, lambda pages: page_in_steps(pages, read, lambda: not self.may_hold_nul))

    def changes(self, read: ChangesRead) -> ChangesFound:
        return self.log.page(read)

    def positions(self, *moments: float) -> Positions:
        return self.log.positions(*moments)

    def _counts(self, source: str) -> tuple[int, int]:
        counts = self._read.execute("SELECT items, bytes FROM statistics WHERE source = ?", (source,)).get
        items, size = counts or (0, 0)
        return items, size

    # Writes

    def submit(
        self, write: Callable[[], Any], finish: Callable[[Any], Any] | None = None
    ) -> asyncio.Future[Any]:
        """Run `write` in the next group; once it is durable the future has its result, or what `finish` makes of it.

        `write` may call the methods below, which see every write before it.
        """
        return self._commits.submit(write, finish)

    def write(self, write: Write, finish: Callable[[Written], U]) -> asyncio.Future[U]:
        """Raises TransactionConflictException if a transaction over several tables is under way for the item."""
        if self.contended and write.key in self.contended:
            raise transaction_conflict()
        return self._commits.submit(partial(self._write_one, write), finish)

    def write_all(
        self, writes: Sequence[Write], finish: Callable[[Sequence[Written]], U]
    ) -> asyncio.Future[U]:
        """Writes of different items of which no effect has to be decided, together."""
        return self._commits.submit(partial(self._write_all, writes), finish)

    def written(self) -> asyncio.Future[None]:
        """Resolves once every write that has been begun is durable."""
        return self._commits.submit(_nothing)

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
        found: tuple[int, bytes, int | None] | None = self._write.execute(
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
            f"SELECT item.slot, item.pk, item.sk, item.size FROM {_rows_of(len(writes))}", keys
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

    # Transactions over several tables (alt/storage/sqlite/transactions.py)

    def hold(self) -> asyncio.Future[None]:
        """Resolves once this file is free; no group of writes begins until `release`."""
        return self._commits.hold()

    def release(self) -> None:
        self._commits.release()

    def begin(self) -> None:
        """Begin a transaction on a held file.

        Its COMMIT does not wait for the disk: what it writes has been made durable in the journal, until `sync`.
        """
        self._set_synchronous("normal")
        try:
            self._write.execute("BEGIN IMMEDIATE")
        except apsw.Error:
            self._set_synchronous(self._sync)
            raise

    def attempt(self) -> None:
        """Begin one of the transactions that share it: `keep` keeps and `undo` undoes what is written from now on."""
        self._write.execute("SAVEPOINT attempt")
        self._statistics.mark()
        self.effects = []

    def keep(self, token: Token | None) -> list[Redo]:
        """What was written since `attempt`, with the ClientRequestToken that goes with it."""
        effects, self.effects = self.effects or [], None
        if token is not None:
            self.put_token(token)
        self._write.execute("RELEASE attempt")
        return effects

    def undo(self) -> None:
        self.effects = None
        self._write.execute("ROLLBACK TO attempt")
        self._write.execute("RELEASE attempt")
        self._statistics.undo()

    def prepare(self, number: int) -> None:
        """Write what goes with all of them: `number` is the highest they have in the journal."""
        self._write.execute("UPDATE transaction_mark SET number = ?", (number,))
        self._bookkeeping.store()

    def commit(self) -> None:
        """May run on any thread while the file is held."""
        self._write.execute("COMMIT")
        self._set_synchronous(self._sync)

    def rollback(self) -> None:
        """Undo what was not committed; for good where even that fails, as `close` does."""
        self.effects = None
        self._bookkeeping.discard()
        if self._writer.in_transaction:
            self._write.execute("ROLLBACK")
        self._set_synchronous(self._sync)

    def _set_synchronous(self, sync: Sync) -> None:
        if self._path is not None and self._sync == "full":
            # SQLite carries it out as it prepares the statement: one from a cache would do nothing.
            self._writer.execute(f"PRAGMA synchronous = {sync}", can_cache=False)

    def sync(self) -> None:
        """Make durable what was committed without a wait for the disk. May run on any thread, on a closed table, too.

        That is the write-ahead log: SQLite syncs the file itself before it lets go of the log. The file must not be
        opened here, since closing it again would drop SQLite's locks (DESIGN.md, "Locks").
        """
        if self._path is None or self._sync == "off":
            return
        with suppress(FileNotFoundError):  # it was let go of
            copying.sync_file(Path(f"{self._path}-wal"))

    def mark(self) -> int:
        """The number of the last transaction over several tables that this file has."""
        number: int = self._write.execute("SELECT number FROM transaction_mark").get
        return number

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

    @staticmethod
    def stored_tokens(path: Path) -> list[Token]:
        """The ClientRequestTokens in a table's file, for who needs nothing else of it."""
        if not path.exists():
            raise UnusableDataError(f"the file {path} is gone")
        with closing(connections.connect(path, read_only=True)) as reader:
            # What is read from a damaged file can be of any type.
            rows = reader.execute(
                "SELECT token, request, expires FROM token "
                "WHERE typeof(token) = 'text' AND typeof(request) = 'blob' AND typeof(expires) = 'real'"
            )
            return [Token(*row) for row in rows]

    @property
    def is_in_memory(self) -> bool:
        return self._path is None

    def pinned(self) -> apsw.Connection:
        """A connection that reads the file as it is now, for a copy.

        In memory it is the table's own: `hold` the table until the copy is made, and do not close it.
        """
        return self._writer if self._path is None else copying.pinned(self._path)

    async def alone(self, work: Callable[[], None]) -> None:
        """Run `work` in a transaction of its own that may take long, beside the event loop; writes wait for it."""
        await self._commits.alone(work)

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

    # Life

    @property
    def is_used(self) -> bool:
        """Whether writes are under way, or anybody else needs it open."""
        return self.users > 0 or not self._commits.idle

    def when_idle(self, callback: Callable[[], None]) -> None:
        """Call back once every submitted write is durable."""
        self._commits.when_idle(callback)

    async def drain(self) -> None:
        """Return when every submitted write is durable."""
        drained = asyncio.Event()
        self.when_idle(drained.set)
        await drained.wait()

    def refuse(self, *, is_gone: bool = False) -> None:
        """Refuse all writes from now on, those that wait as well. `is_gone`: the table is removed."""
        self._commits.close(is_gone=is_gone)

    def close(self, *, is_gone: bool = False) -> None:
        """Close the file; the last connection to close checkpoints it. `is_gone`: the table is removed."""
        self.refuse(is_gone=is_gone)
        self._read.close()
        if self._writer is not self._reader:
            self._writer.close()
        if self._durable is not None:
            self._durable.close(is_over=not Path(f"{self._path}-wal").exists())


def _create(connection: apsw.Connection, definition: TableDefinition) -> None:
    connections.create(connection, "table", FORMAT)
    cursor = connection.cursor()
    with connection:
        for index in definition.indexes:
            Index(index, definition).create(cursor)
        self_description.describe_table(cursor, definition)


def _nothing() -> None:
    """A write that changes nothing."""


def decision_cost(stored: Stored, looks: int) -> int:
    """Nanoseconds that it may take to decide on a large item that is looked at in so many ways."""
    values = stored.text.count("{")
    return values * (VALUE_COST + VALUE_LOOK_COST * looks) + stored.size * (
        BYTE_COST + BYTE_LOOK_COST * looks
    )


def _size(stored: Stored | None) -> int:
    return 0 if stored is None else stored.size


@lru_cache(maxsize=128)
def _rows_of(count: int) -> str:
    """FROM clause of the items of `count` keys, each bound as its three columns."""
    keys = ", ".join(["(?, ?, ?)"] * count)
    return (
        f"(VALUES {keys}) AS wanted CROSS JOIN item "
        "ON item.slot = wanted.column1 AND item.pk = wanted.column2 AND item.sk = wanted.column3"
    )
