"""The tables of one data directory, opened as they are needed."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import ParamSpec, TypeVar

import apsw

from alt.config import MAX_ITEM_COLLECTION_BYTES, TTL_INTERVAL_SECONDS, Sync
from alt.storage import copies
from alt.storage.backups import Backups
from alt.storage.catalog import Catalog
from alt.storage.data_directory import UnusableDataError
from alt.storage.definition import TableDefinition
from alt.storage.expiry_work import ExpiryWork
from alt.storage.index_work import IndexWork
from alt.storage.journal import Journal
from alt.storage.log_trim import LogTrim
from alt.storage.recovery import Past, past_contents
from alt.storage.restores import Origin, OriginLostError, Restores
from alt.storage.table import TOKEN_SECONDS, Table
from alt.storage.transactions import Transactions
from alt.storage.usage import USAGE_FILE, Usage

# How long a data operation may miss that another process created or removed a table.
CATALOG_POLL_SECONDS = 0.02
# Each open table holds a few file descriptors; the least recently opened idle one makes room.
MAX_OPEN_TABLES = 250
COMMIT_THREADS = 4
# Copies are long: on threads of their own, so that no commit waits for one.
COPY_THREADS = 2

# A transaction may have found a table and wait for another one's file before it writes to this one's.
RETIRE_SECONDS = 5.0

CATALOG_FILE = "catalog.db"
JOURNAL_FILE = "journal.db"
TABLES_FOLDER = "tables"
BACKUPS_FOLDER = "backups"

_log = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")


class Store:
    """Tables by name. `directory` None keeps everything in memory. `on_step`: see Transactions; copies have steps, too.

    `clock` gives epoch seconds. Expired items are looked for every `ttl_interval` seconds.
    """

    def __init__(
        self,
        directory: Path | None,
        sync: Sync = "full",
        on_step: Callable[[str], None] = lambda _step: None,
        item_collection_limit: int = MAX_ITEM_COLLECTION_BYTES,
        clock: Callable[[], float] = time.time,
        ttl_interval: float = TTL_INTERVAL_SECONDS,
    ) -> None:
        self._directory = directory
        self._sync = sync
        self._clock = clock
        self._item_collection_limit = item_collection_limit
        if directory is not None:
            (directory / TABLES_FOLDER).mkdir(parents=True, exist_ok=True)
        self._catalog = Catalog(None if directory is None else directory / CATALOG_FILE, sync)
        self._open: dict[str, Table] = {}  # by table name
        self._retired: set[Table] = set()  # files that are no table's any more, not yet closed
        self._serves = False  # as the one server of the directory, and not beside it
        self._executor = ThreadPoolExecutor(COMMIT_THREADS, thread_name_prefix="commit")
        self._next_poll = 0.0
        self._on_step = on_step
        self._index_work = IndexWork(self)
        self._log_trim = LogTrim(self, clock)
        self.expiry_work = ExpiryWork(self, clock, ttl_interval)
        self._copier = ThreadPoolExecutor(COPY_THREADS, thread_name_prefix="copy")
        self.backups = Backups(
            self._catalog, None if directory is None else directory / BACKUPS_FOLDER, self._copier, on_step
        )
        self.restores = Restores(self)
        self._journal = None if directory is None else Journal(directory / JOURNAL_FILE, sync)
        self.usage = Usage(None if directory is None else directory / USAGE_FILE)
        self.transactions = Transactions(
            self._journal, None if directory is None else self._executor, on_step
        )

    # Definitions

    def names(self) -> list[str]:
        """All tables' names, sorted."""
        self._refresh()
        return sorted(self._catalog.tables)

    def definitions(self) -> Iterable[TableDefinition]:
        return [self._catalog.tables[name] for name in self.names()]

    def definition(self, name: str) -> TableDefinition | None:
        """The table's definition, as any process last stored it."""
        self._refresh()
        return self._catalog.tables.get(name)

    def create(self, definition: TableDefinition) -> bool:
        """Create a table; False if its name is taken. One with a `restore` has no file until that is done."""
        if definition.restore is not None:
            return self._catalog.add(definition, lambda _file: None)
        return self._catalog.add(definition, lambda file: self._create_file(file, definition))

    def redefine(self, definition: TableDefinition) -> None:
        """Store a changed definition of an existing table."""
        self._catalog.replace(definition)
        if (table := self._open.get(definition.name)) is not None:
            table.redefine(definition)

    def start_index_work(self, definition: TableDefinition) -> None:
        """In the background, build the table's indexes that are CREATING and drop those DELETING."""
        self._index_work.start(definition)

    def remove(self, definition: TableDefinition) -> asyncio.Future[None]:
        """Remove a table, from now on unknown.

        The future resolves when its last writes are done and its file is gone.
        """
        file = self._catalog.files[definition.id]
        self._catalog.remove(definition)
        table = self._open.pop(definition.name, None)
        removed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def finish() -> None:
            try:
                if table is not None:
                    table.close(is_gone=True)
                self._unlink(file)
            except (OSError, apsw.Error) as error:
                removed.set_exception(error)
            else:
                removed.set_result(None)

        if table is None:
            finish()
        else:
            table.when_idle(finish)
        return removed

    # What a restore needs (alt/storage/restores.py)

    async def origin(self, definition: TableDefinition) -> Origin:
        """What a table is to be restored from. Raises OriginLostError."""
        assert definition.restore is not None
        origin = definition.restore.origin
        if "table" in origin:
            return await past_contents(self.table(origin["table"]), Past(**origin))
        backup = self.backups.get(origin["backup"])
        if backup is None or not backup.available:
            raise OriginLostError(origin)
        contents = self.backups.open(backup)
        release = contents.close if self._directory is not None else lambda: None
        return Origin(contents, release, backup.table)

    def part(self, definition: TableDefinition) -> Path | None:
        """Where the file of a table is put together; None in memory."""
        if self._directory is None:
            return None
        return self._path(self._catalog.files[definition.id]).with_suffix(copies.PART)

    async def beside(self, work: Callable[P, T], *arguments: P.args, **_: P.kwargs) -> T:
        """Do long work on a thread for copies."""
        return await asyncio.get_running_loop().run_in_executor(self._copier, work, *arguments)

    def open_unseen(
        self, definition: TableDefinition, path: Path | None, contents: apsw.Connection | None
    ) -> Table:
        """A table that only its restore knows. What it writes is made durable when it is published."""
        limit = self._item_collection_limit
        return Table(definition, path, "off", self._executor, limit, self._clock, contents)

    def publish(self, definition: TableDefinition, part: Path | None, table: Table | None) -> None:
        """A restored table is complete, in the file `part` or in memory: from now on clients see it."""
        self._on_step("restore copied")

        def place(file: str) -> None:
            if part is not None:
                copies.place(part, self._path(file))
                self._on_step("restore placed")

        published = self._catalog.publish(definition, place)
        if published and table is not None and part is None:
            self._open[definition.name] = table
        if not published and part is not None:
            part.unlink(missing_ok=True)
        self._on_step("restored")
        self.start_index_work(definition)

    def abandon(self, definition: TableDefinition) -> None:
        """Remove a table whose restore failed."""
        self._refresh()
        current = self._catalog.tables.get(definition.name)
        if current is not None and current.id == definition.id and current.restore is not None:
            self._catalog.remove(current)

    # Tables

    def table(self, name: str) -> Table | None:
        """The open table, or None if there is none of this name yet. This is the hot path."""
        now = time.monotonic()
        if now >= self._next_poll:
            self._next_poll = now + CATALOG_POLL_SECONDS
            self._refresh()
        table = self._open.get(name)
        if table is not None:
            return table
        definition = self._catalog.tables.get(name)
        if definition is None or definition.restore is not None:
            return None
        return self._open_table(definition)

    def recover(self) -> None:
        """Serve the directory, and take up what the last process left.

        That is files of tables that no longer are, transactions, backups, tables and indexes half made.
        """
        self._serves = True
        if self._directory is not None:
            self._catalog.sweep_tables(self._directory / TABLES_FOLDER)
        self.backups.recover()
        self.finish_transactions()
        for definition in self.definitions():
            self.start_index_work(definition)
            self.restores.start(definition)
        self._log_trim.start()
        self.expiry_work.start()

    def finish_transactions(self) -> None:
        """Where no server runs: write to every file what the last process had decided."""
        definitions = list(self.definitions())
        by_file = {self._catalog.files[definition.id]: definition.name for definition in definitions}
        self.transactions.recover(
            by_file, lambda file: self.table(by_file.get(file, "")), self._recent(definitions)
        )
        for file in self.transactions.lacking:
            if (table := self._open.pop(by_file[file], None)) is not None:
                table.close()

    def _recent(self, definitions: Iterable[TableDefinition]) -> list[Table]:
        """The tables whose ClientRequestTokens may still count."""
        return [table for each in definitions if self._is_recent(each) and (table := self._usable(each.name))]

    def _usable(self, name: str) -> Table | None:
        """The table if its file can be used: one that cannot does not keep the others from being served."""
        try:
            return self.table(name)
        except (UnusableDataError, apsw.Error) as fault:
            _log.error("table %s cannot be used: %s. `alt tables check` says more", name, fault)
            return None

    def _is_recent(self, definition: TableDefinition) -> bool:
        """Whether the table's file changed since the oldest ClientRequestToken that still counts."""
        if self._directory is None or definition.restore is not None:
            return False
        path = self._path(self._catalog.files[definition.id])
        paths = [each for each in (path, Path(f"{path}-wal")) if each.exists()]
        return any(each.stat().st_mtime > self._clock() - TOKEN_SECONDS for each in paths)

    async def close(self) -> None:
        """Finish every write and every backup, and close every file."""
        await self.restores.stop()
        await self.backups.finish()
        await self._index_work.stop()
        await self._log_trim.stop()
        await self.expiry_work.stop()
        for table in self._open.values():
            await table.drain()
            table.close()
        self._open.clear()
        for table in list(self._retired):
            await table.drain()
            self._finish_retired(table)
        self._executor.shutdown()
        self._copier.shutdown()
        if self._journal is not None:
            self._journal.close()
        self.usage.close()
        self._catalog.close()

    def _refresh(self) -> None:
        old_files = self._catalog.files
        if not self._catalog.refresh():
            return
        files = self._catalog.files
        for name, table in list(self._open.items()):
            definition = self._catalog.tables.get(name)
            if definition is None or files[definition.id] != table.file:
                self._retire(self._open.pop(name))
            else:
                table.redefine(definition)
        if self._serves:
            open_files = {table.file for table in self._retired}
            for file in set(old_files.values()) - set(files.values()) - open_files:
                self._unlink(file)
            if any(old_files.get(table_id, file) != file for table_id, file in files.items()):
                self._follow_snapshot()
            for definition in self._catalog.tables.values():
                self.start_index_work(definition)

    def _follow_snapshot(self) -> None:
        """A snapshot was loaded: what is known of the tables' contents is no longer true."""
        definitions = list(self._catalog.tables.values())
        self.transactions.read_tokens(self._recent(definitions))
        for definition in definitions:
            self._index_work.restart(definition)

    def _retire(self, table: Table) -> None:
        """Close a table that is gone, once no request that found it before can still come to write there."""
        self._retired.add(table)
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:  # a command that only looks
            self._finish_retired(table)
        else:
            loop.call_later(RETIRE_SECONDS, lambda: table.when_idle(lambda: self._finish_retired(table)))

    def _finish_retired(self, table: Table) -> None:
        if table in self._retired:
            self._retired.remove(table)
            table.close()
            if self._serves:
                self._unlink(table.file)

    def _open_table(self, definition: TableDefinition) -> Table:
        if len(self._open) >= MAX_OPEN_TABLES and self._directory is not None:
            name = next((name for name, table in self._open.items() if table.idle), None)
            if name is not None:
                self._open.pop(name).close()
        if self._catalog.files[definition.id] in self.transactions.lacking:
            raise UnusableDataError(
                f"table {definition.name} lacks a transaction, which the next start writes"
            )
        path = None if self._directory is None else self._path(self._catalog.files[definition.id])
        table = Table(definition, path, self._sync, self._executor, self._item_collection_limit, self._clock)
        self._open[definition.name] = table
        return table

    def _create_file(self, file: str, definition: TableDefinition) -> None:
        if self._directory is not None:
            Table.create_file(self._path(file), definition)

    def file(self, definition: TableDefinition) -> Path:
        """The table's SQLite file."""
        return self._path(self._catalog.files[definition.id])

    def _path(self, file: str) -> Path:
        assert self._directory is not None
        return self._directory / TABLES_FOLDER / file

    def _unlink(self, file: str) -> None:
        if self._directory is None:
            return
        for suffix in ("", "-wal", "-shm"):
            # Windows keeps a file another process has open; the sweep at the next start takes it.
            try:
                Path(f"{self._path(file)}{suffix}").unlink(missing_ok=True)
            except PermissionError:
                continue
