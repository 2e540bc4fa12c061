"""The tables of one data directory, opened as they are needed."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import ParamSpec, TypeVar

import apsw

from alt.config import MAX_ITEM_COLLECTION_BYTES, TTL_INTERVAL_SECONDS, Sync
from alt.descriptors import MAX_OPEN_TABLES
from alt.storage.model.definition import TableDefinition
from alt.storage.sqlite.catalog import Catalog, table_path
from alt.storage.sqlite.copies import copying
from alt.storage.sqlite.copies.backups import Backups
from alt.storage.sqlite.copies.recovery import Past, past_contents
from alt.storage.sqlite.copies.restores import Origin, OriginLostError, Restores
from alt.storage.sqlite.data_directory import (
    CATALOG_FILE,
    JOURNAL_FILE,
    USAGE_FILE,
    UnusableDataError,
    using,
)
from alt.storage.sqlite.database_files import BACKUPS_FOLDER, TABLES_FOLDER, part_of, remove, unknown
from alt.storage.sqlite.durable_mark import DurableMark
from alt.storage.sqlite.journal import Journal, Token
from alt.storage.sqlite.long_reads import LongReads
from alt.storage.sqlite.maintenance.expiring import ExpiryWork
from alt.storage.sqlite.maintenance.index_building import IndexWork
from alt.storage.sqlite.maintenance.log_trimming import LogTrim
from alt.storage.sqlite.open_tables import NoRoomError, OpenTables
from alt.storage.sqlite.table import TOKEN_SECONDS, Table
from alt.storage.sqlite.transactions import Transactions
from alt.storage.sqlite.usage import Usage, open_usage

# How long a data operation may miss that another process created or removed a table.
CATALOG_POLL_SECONDS = 0.02
COMMIT_THREADS = 4
# Copies are long: on threads of their own, so that no commit waits for one.
COPY_THREADS = 2

# Unknown files that a warning names.
SHOWN_FILES = 5


_log = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")


class Store:
    """Tables by name. `directory` None keeps everything in memory. `on_step`: see Transactions; copies have steps, too.

    `clock` gives epoch seconds. Expired items are looked for every `ttl_interval` seconds. At most
    `max_open_tables` files are open at once (alt/descriptors.py).
    """

    def __init__(
        self,
        directory: Path | None,
        sync: Sync = "full",
        on_step: Callable[[str], None] = lambda _step: None,
        item_collection_limit: int = MAX_ITEM_COLLECTION_BYTES,
        clock: Callable[[], float] = time.time,
        ttl_interval: float = TTL_INTERVAL_SECONDS,
        max_open_tables: int = MAX_OPEN_TABLES,
    ) -> None:
        self._directory = directory
        self._sync = sync
        self._clock = clock
        self._item_collection_limit = item_collection_limit
        if directory is not None:
            (directory / TABLES_FOLDER).mkdir(parents=True, exist_ok=True)
        self._catalog = _catalog(directory)
        self.open_tables = OpenTables(None if directory is None else max_open_tables)
        self._recent = self.open_tables.recent
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
        self.long_reads = LongReads()
        self.usage = _usage(directory)
        self.transactions = Transactions(
            None if directory is None else _journal(directory / JOURNAL_FILE),
            None if directory is None else self._executor,
            self._reopen,
            on_step,
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
        if definition.restore is not None or self._directory is None:
            return self._catalog.add(definition, None)
        return self._catalog.add(definition, lambda file: Table.create_file(self._path(file), definition))

    def redefine(self, definition: TableDefinition) -> None:
        """Store a changed definition of an existing table; its file is told as well, with its next group of writes.

        What the definition says of the file, as that an index is built, is durable there first.
        """
        definition = replace(definition, revision=definition.revision + 1)
        table = self.open_tables.find(definition.name)
        if table is not None and self._sync == "normal":
            table.sync()
        self._catalog.replace(definition)
        if table is not None:
            table.redefine(definition)
            self._describe(table)
        elif self._serves and definition.restore is None:
            self._usable(definition.name)  # tells it as it opens

    def start_index_work(self, definition: TableDefinition) -> None:
        """In the background, build the table's indexes that are CREATING and drop those DELETING."""
        self._index_work.start(definition)

    def remove(self, definition: TableDefinition) -> asyncio.Future[None]:
        """Remove a table, from now on unknown.

        The future resolves when its last writes are done and its file is gone.
        """
        path = self._table_path(definition)
        self._catalog.remove(definition)
        table = self.open_tables.pop(definition.name)
        removed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def finish() -> None:
            try:
                if table is not None:
                    table.close(is_gone=True)
            except apsw.Error as fault:  # a damaged file goes all the same
                _log.warning("%s: %s", definition.name, fault)
            try:
                self._delete_removed(path)
            except OSError as error:
                removed.set_exception(error)
            else:
                removed.set_result(None)

        if table is None:
            finish()
        else:
            table.when_idle(finish)
        return removed

    # What a restore needs (alt/storage/sqlite/copies/restores.py)

    async def origin(self, definition: TableDefinition) -> Origin:
        """What a table is to be restored from. Raises OriginLostError."""
        assert definition.restore is not None
        origin = definition.restore.origin
        if "table" in origin:
            return await past_contents(await self.opened(origin["table"]), Past(**origin))
        backup = self.backups.get(origin["backup"])
        if backup is None or not backup.available:
            raise OriginLostError(origin)
        await self.beside(self.backups.verify, backup)
        contents = self.backups.open(backup)
        release = contents.close if self._directory is not None else lambda: None
        return Origin(contents, release, backup.table)

    def part(self, definition: TableDefinition) -> Path | None:
        """Where the file of a table is put together; None in memory."""
        if self._directory is None:
            return None
        return part_of(self.file(definition))

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
                copying.place(part, self._path(file))
                self._on_step("restore placed")

        published = self._catalog.publish(definition, place)
        if published and table is not None and part is None:
            self.open_tables.add(definition.name, table)
        if not published and part is not None:
            remove(part)
        self._on_step("restored")
        self.start_index_work(definition)

    def abandon(self, definition: TableDefinition) -> bool:
        """Remove a table whose restore failed; False if it is gone already."""
        self._refresh()
        current = self._catalog.tables.get(definition.name)
        if current is not None and current.id == definition.id and current.restore is not None:
            path = self._table_path(current)
            self._catalog.remove(current)
            self._delete_removed(path)
            return True
        return False

    # Tables

    def table(self, name: str) -> Table | None:
        """The open table, for this turn of the event loop; None if there is none of this name yet.

        This is the hot path. Raises NoRoomError where it is not open and all that are open are in use.
        """
        now = time.monotonic()
        if now >= self._next_poll:
            self._next_poll = now + CATALOG_POLL_SECONDS
            self._refresh()
        table = self._recent.get(name)
        if table is not None:
            return table
        table = self.open_tables.find(name)
        if table is not None:
            return table
        definition = self._catalog.tables.get(name)
        if definition is None or definition.restore is not None:
            return None
        return self._open_table(definition)

    async def opened(self, name: str) -> Table | None:
        """The same for work in the background, which waits until there is room."""
        while True:
            try:
                return self.table(name)
            except NoRoomError as full:
                await self.open_tables.with_room(full, lambda: None)

    def recover(self) -> None:
        """Serve the directory, and take up what the last process left.

        That is files of tables that no longer are, transactions, backups, tables and indexes half made.
        """
        self._serves = True
        for backup in self._catalog.sweep(self._delete):
            _log.warning("backup %s of %s was cut short and is gone", backup.name, backup.table.name)
        self._tell_unknown_files()
        self.finish_transactions()
        for definition in self.definitions():
            if self._was_in_use(definition):
                self.open_tables.age()
                self._usable(definition.name)  # and hear whether it has lost anything
            self.start_index_work(definition)
            self.restores.start(definition)
        self._log_trim.start()
        self.expiry_work.start()

    def finish_transactions(self) -> None:
        """Where no server runs: write to every file what the last process had decided."""
        if self.transactions.journal_is_new and self._catalog.tables:
            _log.error(
                "%s was gone and is begun anew: if the last server was killed, transactions over several tables "
                "may be half there",
                JOURNAL_FILE,
            )
        definitions = list(self.definitions())
        by_file = {self._catalog.files[definition.id]: definition.name for definition in definitions}
        for file in self.transactions.recover(
            by_file.__contains__, lambda file: self._directory is not None and self._path(file).exists()
        ):
            self.open_tables.age()
            self._usable(by_file[file])
        self.transactions.know_tokens(self._tokens(definitions))

    def _usable(self, name: str) -> Table | None:
        """The table if its file can be used: one that cannot does not keep the others from being served."""
        try:
            return self.table(name)
        except Exception as fault:  # what is read from a damaged file can be anything
            _log.error("%s. `alt tables check` says more", fault if str(fault) else repr(fault))
            return None

    def _tell_unknown_files(self) -> None:
        if self._directory is None:
            return
        found = [
            path.relative_to(self._directory).as_posix()
            for path in unknown(self._directory, self._catalog.paths())
        ]
        if found:
            more = f" and {len(found) - SHOWN_FILES} more" if len(found) > SHOWN_FILES else ""
            _log.warning(
                "in %s are files that no table and no backup owns; they are left alone: %s%s. With the server "
                "stopped, `alt tables adopt` takes in what is a table's file",
                self._directory,
                ", ".join(found[:SHOWN_FILES]),
                more,
            )

    def _was_in_use(self, definition: TableDefinition) -> bool:
        """Whether the last server had the table open when it died."""
        return self._directory is not None and DurableMark.is_there(self.file(definition))

    def _tokens(self, definitions: Iterable[TableDefinition]) -> list[Token]:
        """The ClientRequestTokens that may still count. The tables are not opened for them: they may be too many."""
        return [token for each in definitions if self._is_recent(each) for token in self._tokens_of(each)]

    def _tokens_of(self, definition: TableDefinition) -> list[Token]:
        """None of a file that cannot be used: it does not keep the others from being served."""
        path = self.file(definition)
        try:
            with using(f"table {definition.name} ({path})"):
                return Table.stored_tokens(path)
        except UnusableDataError as fault:
            _log.error("%s. `alt tables check` says more", fault)
            return []

    def _is_recent(self, definition: TableDefinition) -> bool:
        """Whether the table's file changed since the oldest ClientRequestToken that still counts."""
        if self._directory is None or definition.restore is not None:
            return False
        path = self._path(self._catalog.files[definition.id])
        paths = [each for each in (path, Path(f"{path}-wal")) if each.exists()]
        return any(each.stat().st_mtime > self._clock() - TOKEN_SECONDS for each in paths)

    async def close(self) -> None:
        """Finish every write and every backup, and close every file."""
        await self.transactions.drain()
        await self.long_reads.stop()
        await self.restores.stop()
        await self.backups.finish()
        await self._index_work.stop()
        await self._log_trim.stop()
        await self.expiry_work.stop()
        await self.open_tables.close()
        self._executor.shutdown()
        self._copier.shutdown()
        self.transactions.close()
        self.usage.close()
        self._catalog.close()

    def _refresh(self) -> None:
        old_files = self._catalog.files
        if not self._catalog.refresh():
            return
        files = self._catalog.files
        for name, table in self.open_tables:
            definition = self._catalog.tables.get(name)
            if definition is None or files[definition.id] != table.file:
                self._retire(name)
            else:
                table.redefine(definition)
        if self._serves:
            in_use = set(map(table_path, self.open_tables.leaving_files))
            for path in self._catalog.removed - in_use:
                self._delete_removed(path)
            if any(old_files.get(table_id, file) != file for table_id, file in files.items()):
                self._follow_snapshot()
            for definition in self._catalog.tables.values():
                self.start_index_work(definition)

    def _follow_snapshot(self) -> None:
        """A snapshot was loaded: what is known of the tables' contents is no longer true."""
        definitions = list(self._catalog.tables.values())
        self.transactions.know_tokens(self._tokens(definitions))
        for definition in definitions:
            self._index_work.restart(definition)

    def _retire(self, name: str) -> None:
        """Close a table that is gone, once no request that found it before can still come to write there."""

        def closed(table: Table) -> None:
            path = table_path(table.file)
            if self._serves and path in self._catalog.removed:
                self._delete_removed(path)

        self.open_tables.retire(name, closed)

    def _open_table(self, definition: TableDefinition) -> Table:
        self.open_tables.make_room()
        path = None if self._directory is None else self.file(definition)
        with using(f"table {definition.name} ({path})"):
            table = Table(
                definition,
                path,
                self._sync,
                self._executor,
                self._item_collection_limit,
                self._clock,
                is_served=self._serves,
            )
            try:
                self.transactions.complete(table)
            except BaseException:
                table.close()
                raise
        self.open_tables.add(definition.name, table)
        if self._serves and path is not None:
            self._compare_definitions(table)
        return table

    def _reopen(self, table: Table) -> None:
        """Close a file that has to be given something first, and open it again. Raises where that fails."""
        if self.open_tables.find(table.definition.name) is table:
            self.open_tables.pop(table.definition.name)
        table.close()
        definition = self._catalog.tables.get(table.definition.name)
        if definition is not None and self._catalog.files[definition.id] == table.file:
            self._open_table(definition)

    def _compare_definitions(self, table: Table) -> None:
        """The catalog and the table's file have the same definition, unless a crash or an old copy came between."""
        own = table.described()
        if own is None or own.id != table.definition.id or own.revision < table.definition.revision:
            self._describe(table)
        elif own.revision > table.definition.revision:
            _log.warning("the catalog is older than table %s, whose file has its definition", own.name)
            self._catalog.replace(own)
            table.redefine(own)

    def _describe(self, table: Table) -> None:
        if self._serves and self._directory is not None:
            table.describe().add_done_callback(_noted)

    def file(self, definition: TableDefinition) -> Path:
        """The table's SQLite file."""
        return self._path(self._catalog.files[definition.id])

    def _path(self, file: str) -> Path:
        assert self._directory is not None
        return self._directory / TABLES_FOLDER / file

    def _table_path(self, definition: TableDefinition) -> str:
        """Of the table's file in the data directory, as the catalog has it."""
        return table_path(self._catalog.files[definition.id])

    def _delete_removed(self, path: str) -> None:
        """Delete a file that the catalog says is removed. What is still in use the next start deletes."""
        if self._delete(path):
            self._catalog.note_deleted(path)

    def _delete(self, path: str) -> bool:
        return self._directory is None or remove(self._directory / path)


def _catalog(directory: Path | None) -> Catalog:
    if directory is None:
        return Catalog(None)
    with using(directory / CATALOG_FILE):
        return Catalog(directory / CATALOG_FILE)


def _usage(directory: Path | None) -> Usage:
    if directory is None:
        return Usage(None)
    with using(directory / USAGE_FILE):
        return open_usage(directory / USAGE_FILE)


def _journal(path: Path) -> Journal:
    with using(path):
        return Journal(path)


def _noted(described: asyncio.Future[None]) -> None:
    """What kept a file from being told its definition has been logged; it is told when it is opened next."""
    if not described.cancelled():
        described.exception()
