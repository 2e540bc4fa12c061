"""One table's items and indexes in one SQLite file: point reads, ranges, and writes in groups.

Reads run where they are called, on a connection of their own, and see what was
committed last; they never wait for a write. Items cross this face as their JSON
text (bytes when they only pass through to a response).
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Executor
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import apsw
from zlib_ng import zlib_ng

from alt.config import MAX_ITEM_COLLECTION_BYTES, Sync
from alt.errors import ApiError, transaction_conflict
from alt.storage.engine import Answer
from alt.storage.model.activity import Totals
from alt.storage.model.changes import ChangesFound, ChangesRead, Positions
from alt.storage.model.definition import TableDefinition
from alt.storage.model.items import (
    Token,
    Write,
    Written,
)
from alt.storage.model.keys import RowKey
from alt.storage.model.pages import PageFound, PageRead
from alt.storage.model.reads import Counts, Sized
from alt.storage.sqlite import connections, own_rows, self_description
from alt.storage.sqlite.change_log import ChangeLog
from alt.storage.sqlite.checksums import DamagedItemError, refuse_size
from alt.storage.sqlite.copies import copying
from alt.storage.sqlite.data_directory import UnusableDataError
from alt.storage.sqlite.durable_mark import DurableMark
from alt.storage.sqlite.group_commit import GroupCommit
from alt.storage.sqlite.indexes import Index
from alt.storage.sqlite.page_reads import PageReads
from alt.storage.sqlite.pages import page_at_once, page_in_steps
from alt.storage.sqlite.ranges import ITEM_COLUMNS
from alt.storage.sqlite.reading import Reading
from alt.storage.sqlite.row_writes import RowWrites, rows_by_keys
from alt.storage.sqlite.statistics import Statistics
from alt.storage.sqlite.transactions.journal import Redo

T = TypeVar("T")
U = TypeVar("U")

# Reads what may take long, given the pages of a table as they are when it begins.
ReadLong = Callable[["Table", Callable[[PageReads], Generator[None, None, Any]]], "asyncio.Future[Any]"]

FORMAT = 3

# Groups that leave the counts as they are get a number so often: it takes them another page of the log.
NUMBER_SECONDS = 0.05

# A hundred items of less are joined at once.
MAX_JOINED_ITEM_BYTES = 16 * 1024

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
        self,
        statistics: Statistics,
        log: ChangeLog,
        durable: DurableMark | None,
        forget_progress: Callable[[], None],
    ) -> None:
        self._statistics = statistics
        self._log = log
        self._durable = durable
        self._forget_progress = forget_progress
        self._number: int | None = None  # of the group under way
        self._next_number = 0.0  # when a group gets one whatever it does, on the monotonic clock
        self.undo = statistics.undo

    def mark(self) -> None:
        self._statistics.mark()
        self._log.begin()

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


class Table(RowWrites):
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
        totals: Totals | None = None,
    ) -> None:
        if path is not None and not path.exists():
            raise UnusableDataError(f"cannot use table {definition.name}: its file {path} is gone")
        self._path = path
        self._sync = sync
        self._executor = executor
        # What messages call it.
        label = f"table {definition.name}" if path is None else f"table {definition.name} ({path})"
        writer = contents or connections.connect(connections.MEMORY if path is None else path, sync)
        reader = writer
        if path is None:
            if contents is None:
                _create(writer, definition)
        else:
            connections.check_format(writer, FORMAT)
            own_rows.refuse_lacking(writer)
            reader = connections.connect(path, read_only=True)
        writer.set_busy_timeout(0)  # who writes waits on the event loop, not inside SQLite
        self._read = Reading(reader, label, is_writer=reader is writer)
        self.pages = PageReads(self._read)
        self._read_long = read_long
        super().__init__(
            definition,
            writer,
            reader,
            label,
            definition.id if path is None else path.name,
            item_collection_limit,
            clock,
        )
        self._durable = DurableMark(path) if is_served and path is not None else None
        self._bookkeeping = _Bookkeeping(self._statistics, self.log, self._durable, self._forget_progress)
        self._commits = GroupCommit(
            self._writer,
            None if path is None else executor,
            self._bookkeeping,
            self.label,
            totals,
        )
        # Rows that a transaction over several tables writes or checks, while it is under way.
        self.contended: set[RowKey] = set()
        self.users = 0  # who needs it beyond the turn in which it was found, but for queued writes
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

    def describe_at_once(self) -> None:
        """The same where no write is under way."""
        with connections.transaction(self._writer):
            self_description.describe_table(self._write, self.definition)

    # Reads

    def get(self, key: RowKey, *, is_consistent: bool = True) -> Sized | None:  # noqa: ARG002 - it always is
        """The committed item's size and JSON."""
        found: tuple[int, bytes | None, int] | None = self._read.execute(
            "SELECT size, CAST(item AS BLOB), checksum FROM item WHERE slot = ? AND pk = ? AND sk = ?", key
        ).get
        if found is None:
            return None
        size, item, stored = found
        if item is None or zlib_ng.crc32(item) != stored:  # is_sound, without a call
            raise DamagedItemError(self.label)
        return size, item

    def get_joined(self, keys: Sequence[RowKey], block: int) -> Joined | None:
        """The committed items of these keys, all at once; None if there are large ones among them.

        One statement: most of what a point read costs is the call of SQLite.
        """
        found, size, largest, blocks, items = self._read.execute(
            f"SELECT count(*), sum(item.size), max(item.size), sum((item.size + {block - 1}) / {block}), "
            f"CAST(group_concat(CASE WHEN item.size < {MAX_JOINED_ITEM_BYTES} THEN item.item END, ',') AS BLOB) "
            f"FROM {rows_by_keys(len(keys))}",
            [column for key in keys for column in key],
        ).get
        if found:
            if type(largest) is not int:
                refuse_size(largest)
            if largest >= MAX_JOINED_ITEM_BYTES:
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

    # Transactions over several tables (alt/storage/sqlite/transactions/)

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
        self.log.begin()
        try:
            self._write.execute("BEGIN IMMEDIATE")
        except apsw.Error:
            self._set_synchronous(self._sync)
            raise

    def attempt(self) -> None:
        """Begin one of the transactions that share it: `keep` keeps and `undo` undoes what is written from now on."""
        self._write.execute("SAVEPOINT attempt")
        self._statistics.mark()
        self.log.begin()
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

    @staticmethod
    def stored_tokens(path: Path) -> list[Token]:
        """The ClientRequestTokens in a table's file, for who needs nothing else of it."""
        if not path.exists():
            raise UnusableDataError(f"the file {path} is gone")
        # What a server closed has no log, and nobody writes to it: so nothing is made beside it, as SQLite else does.
        is_closed = not DurableMark.is_there(path) and not _log_bytes(path)
        with closing(
            connections.finished(path) if is_closed else connections.connect(path, read_only=True)
        ) as reader:
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

    # The write-ahead log (alt/storage/sqlite/maintenance/idle_tables.py)

    @property
    def rows_changed(self) -> int:
        """How many rows were changed since it was opened, for who compares it with what it was. Not while it `is_used`."""
        return self._writer.total_changes()

    def has_log(self) -> bool:
        """Whether there is anything in its write-ahead log."""
        return self._path is not None and _log_bytes(self._path) > 0

    async def empty_log(self) -> None:
        """Take the write-ahead log into the file and empty it; as much of it stays as a reader still needs.

        Writes go on while it is copied, and wait only while it is cut.
        """
        assert self._path is not None, "a table in memory has no log"
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._executor, connections.checkpoint, self._path, self._sync)
        with suppress(ApiError):  # it was closed meanwhile
            await self._commits.between(self._cut_log)

    def _cut_log(self) -> None:
        self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    # Life

    @property
    def is_used(self) -> bool:
        """Whether writes are under way, or anybody else needs it open."""
        return self.users > 0 or not self._commits.idle

    @property
    def is_closed(self) -> bool:
        """Whether it refuses all writes."""
        return self._commits.is_closed

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
    with connections.transaction(connection):
        for index in definition.indexes:
            Index(index, definition).create(cursor)
        self_description.describe_table(cursor, definition)


def _log_bytes(path: Path) -> int:
    try:
        return Path(f"{path}-wal").stat().st_size
    except FileNotFoundError:
        return 0


def _nothing() -> None:
    """A write that changes nothing."""
