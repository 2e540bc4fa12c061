"""The tables of one data directory: the catalog's definitions, and the files opened as they are needed.

All that works on tables in the background stands on this: it knows nothing of what that is.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import apsw

from alt.config import MAX_ITEM_COLLECTION_BYTES, Sync
from alt.descriptors import MAX_OPEN_TABLES
from alt.errors import table_already_exists
from alt.storage.model.activity import FileSize, Totals
from alt.storage.model.definition import Backup, TableDefinition
from alt.storage.model.items import TOKEN_SECONDS, Token
from alt.storage.sqlite.catalog import STARTED_MEANWHILE, Catalog, table_path
from alt.storage.sqlite.copies import copying
from alt.storage.sqlite.data_directory import CATALOG_FILE, UnusableDataError, using
from alt.storage.sqlite.database_files import TABLES_FOLDER, part_of, remove, unknown
from alt.storage.sqlite.durable_mark import DurableMark
from alt.storage.sqlite.open_tables import POLL_SECONDS, NoRoomError, OpenTables
from alt.storage.sqlite.table import ReadLong, Table

# How long a data operation may miss that another process created or removed a table.
CATALOG_POLL_SECONDS = 0.02
# What a deleted table is open as: this, which no name has, and its file's name.
_DELETED = "/"
# Unknown files that a warning names.
SHOWN_FILES = 5

_log = logging.getLogger(__name__)


class Tables:
    """Tables by name. `directory` None keeps everything in memory. `clock` gives epoch seconds.

    `read_long`: see long_reads.py. At most `max_open_tables` files are open at once (alt/descriptors.py).
    `on_step`: see Transactions.
    """

    def __init__(
        self,
        directory: Path | None,
        sync: Sync,
        executor: Executor,
        read_long: ReadLong,
        *,
        on_step: Callable[[str], None] = lambda _step: None,
        item_collection_limit: int = MAX_ITEM_COLLECTION_BYTES,
        clock: Callable[[], float] = time.time,
        max_open_tables: int = MAX_OPEN_TABLES,
    ) -> None:
        self._directory = directory
        self._sync = sync
        self._clock = clock
        self._item_collection_limit = item_collection_limit
        if directory is not None:
            (directory / TABLES_FOLDER).mkdir(parents=True, exist_ok=True)
        self.catalog = _catalog(directory)
        self.open_tables = OpenTables(None if directory is None else max_open_tables)
        self._recent = self.open_tables.recent
        self.serves = False  # as the one server of the directory, and not beside it
        self._executor = executor
        self._read_long = read_long
        self._next_poll = 0.0
        self._on_step = on_step
        self.totals = Totals()

    @property
    def is_encrypted(self) -> bool:
        """Whether what is stored is encrypted."""
        return self.catalog.is_encrypted

    # For whoever stands on this

    def complete(self, table: Table) -> None:
        """Give a file that was just opened what it lacks. Raises what keeps it from being used."""

    def on_redefined(self, definition: TableDefinition) -> None:
        """A definition was changed here."""

    def on_kept(self, file: str) -> None:
        """A table was deleted of which something is kept."""

    def on_changed(self) -> None:
        """Another process has changed definitions."""

    def on_replaced(self) -> None:
        """Tables' files have given way to others: what was known of their contents is no longer true."""

    # Definitions

    def names(self) -> list[str]:
        """All tables' names, sorted."""
        self.refresh()
        return sorted(self.catalog.tables)

    def definitions(self) -> Iterable[TableDefinition]:
        return [self.catalog.tables[name] for name in self.names()]

    def definition(self, name: str) -> TableDefinition | None:
        """The table's definition, as any process last stored it."""
        self.refresh()
        return self.catalog.tables.get(name)

    def deleted(self) -> Iterable[TableDefinition]:
        """The tables that were deleted and of which something is kept."""
        self.refresh()
        return list(self.catalog.deleted.values())

    def create(self, definition: TableDefinition) -> bool:
        """Create a table; False if its name is taken. One with a `restore` has no file until that is done."""
        if definition.restore is not None or self._directory is None:
            return self.catalog.add(definition, None)
        return self.catalog.add(definition, lambda file: Table.create_file(self._path(file), definition))

    def redefine(self, definition: TableDefinition) -> None:
        """Store a changed definition of an existing table; its file is told as well, with its next group of writes.

        What the definition says of the file, as that an index is built, is durable there first.
        """
        definition = replace(definition, revision=definition.revision + 1)
        table = self.open_tables.find(definition.name)
        if table is not None and self._sync == "normal":
            table.sync()
        self.catalog.replace(definition)
        if table is not None:
            table.redefine(definition)
            self._describe(table)
        elif self.serves and definition.restore is None:
            self.usable(definition.name)  # tells it as it opens
        self.on_redefined(definition)

    def remove(self, definition: TableDefinition) -> asyncio.Future[None]:
        """Remove a table, from now on unknown.

        The future resolves when its last writes are done and its file is gone.
        """
        path = self._table_path(definition)
        self.catalog.remove(definition)

        def go(table: Table | None) -> None:
            if table is not None:
                _close_removed(table)
            self._delete_removed(path)

        return self._when_unused(definition.name, go)

    def remove_keeping(self, definition: TableDefinition, backup: Backup | None) -> asyncio.Future[None]:
        """The same, but that the file is kept: see deleted_tables.py."""
        file = self.catalog.files.get(definition.id, "")
        if not self.catalog.keep(replace(definition, revision=definition.revision + 1), backup):
            done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            done.set_result(None)  # another process was faster
            return done
        self._on_step("table kept")

        def go(table: Table | None) -> None:
            if table is not None:
                if self.serves or table.is_in_memory:  # else a server may still write to it
                    with suppress(apsw.Error):  # later, then
                        self.end(file, table)
                if table.is_in_memory:
                    table.refuse(is_gone=True)
                    self.open_tables.add(_open_name(file), table)
                else:
                    _close_removed(table)
            self._on_step("table ended")
            self.on_kept(file)

        return self._when_unused(definition.name, go)

    def _when_unused(self, name: str, go: Callable[[Table | None], None]) -> asyncio.Future[None]:
        """Take a table out of sight, and do the rest once its last writes are done. `go` is given it if it is open."""
        table = self.open_tables.pop(name)
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def finish() -> None:
            try:
                go(table)
            except (apsw.Error, OSError) as error:
                done.set_exception(error)
            else:
                done.set_result(None)

        if table is None:
            finish()
        else:
            table.when_idle(finish)
        return done

    # Of deleted tables (alt/storage/sqlite/deleted_tables.py)

    def end(self, file: str, table: Table) -> None:
        """Nobody writes to a deleted table any more: its stream ends with its last change, and its file says so."""
        definition = self.catalog.deleted[file]
        if definition.stream is not None and definition.deleted is not None:
            ended = definition.without_stream(definition.deleted, table.log.last())
            if self._sync == "normal":
                table.sync()
            self.catalog.replace_deleted(file, replace(ended, revision=ended.revision + 1))
        table.redefine(self.catalog.deleted[file])
        table.describe_at_once()

    def deleted_table(self, definition: TableDefinition) -> Table | None:
        """The table that was deleted, open, for this turn of the event loop. Raises NoRoomError."""
        files = (file for file, each in self.catalog.deleted.items() if each == definition)
        file = next(files, None)
        return None if file is None else self.table(_open_name(file))

    async def opened_deleted(self, file: str) -> Table | None:
        """The same for work in the background, once nobody uses it as the table that it was."""
        while file in self.open_tables.leaving_files:
            await asyncio.sleep(POLL_SECONDS)
        return await self.opened(_open_name(file))

    def forget(self, file: str) -> None:
        """Nothing of a deleted table is needed any more."""
        self.catalog.forget(file)
        self._on_step("table forgotten")
        if self.open_tables.find(_open_name(file)) is None:
            self._delete_removed(table_path(file))
        else:
            self._retire(_open_name(file))

    # Of tables that are being restored (alt/storage/sqlite/copies/restores.py)

    def part(self, definition: TableDefinition) -> Path | None:
        """Where the file of a table is put together; None in memory."""
        if self._directory is None:
            return None
        return part_of(self._path(self._new_file(definition)))

    def _new_file(self, definition: TableDefinition) -> str:
        """The name of a table's file that is there or is being made."""
        return self.catalog.files.get(definition.id) or self.catalog.new_file(definition.name, definition.id)

    @contextmanager
    def making(self, definition: TableDefinition) -> Iterator[None]:
        """Have a table's file made that nobody knows yet: it is doomed meanwhile, and gone if that fails."""
        file = self._new_file(definition)
        path = table_path(file)
        self.catalog.begin_file(path)
        try:
            yield
        except BaseException as fault:
            is_swept = not self.catalog.is_doomed(path)
            self._delete_removed(path)
            if is_swept and isinstance(fault, (apsw.Error, OSError)):
                raise UnusableDataError(f"{file} is gone: {STARTED_MEANWHILE}") from None
            raise

    def list_made(self, definition: TableDefinition, part: Path | None, _table: Table | None) -> None:
        """A table that was made so is complete: from now on it is in the catalog."""
        assert part is not None, "a command has a directory"
        if not self.catalog.add(definition, lambda file: copying.place(part, self._path(file))):
            raise table_already_exists(definition.name)

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

        published = self.catalog.publish(definition, place)
        if published and table is not None and part is None:
            self.open_tables.add(definition.name, table)
        if not published and part is not None:
            remove(part)
        self._on_step("restored")
        self.on_redefined(definition)

    def abandon(self, definition: TableDefinition) -> bool:
        """Remove a table whose restore failed; False if it is gone already."""
        self.refresh()
        current = self.catalog.tables.get(definition.name)
        if current is not None and current.id == definition.id and current.restore is not None:
            path = self._table_path(current)
            self.catalog.remove(current)
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
            self.refresh()
        table = self._recent.get(name)
        if table is not None:
            return table
        table = self.open_tables.find(name)
        if table is not None:
            return table
        definition, file = self._listed(name)
        if definition is None or definition.restore is not None:
            return None
        return self._open_table(name, definition, file)

    def _listed(self, name: str) -> tuple[TableDefinition | None, str]:
        """The definition and the file of what is open under this name, or may be."""
        if name.startswith(_DELETED):
            file = name.removeprefix(_DELETED)
            return self.catalog.deleted.get(file), file
        definition = self.catalog.tables.get(name)
        return definition, "" if definition is None else self.catalog.files[definition.id]

    def tables(self, names: Iterable[str]) -> dict[str, Table | None]:
        """Several tables at once. Raises NoRoomError where there is not room for all of them."""
        wanted = dict.fromkeys(names)
        try:
            return {name: self.table(name) for name in wanted}
        except NoRoomError:
            raise NoRoomError(len(wanted)) from None

    async def opened(self, name: str) -> Table | None:
        """The same for work in the background, which waits until there is room."""
        while True:
            try:
                return self.table(name)
            except NoRoomError as full:
                await self.open_tables.with_room(full, lambda: None)

    def usable(self, name: str) -> Table | None:
        """The table if its file can be used: one that cannot does not keep the others from being served."""
        try:
            return self.table(name)
        except Exception as fault:  # what is read from a damaged file can be anything
            _log.error("%s. `alt tables check` says more", fault if str(fault) else repr(fault))
            return None

    # At start

    def sweep(self) -> None:
        """Serve the directory: delete what the last process left to be deleted, and name what nobody owns."""
        self.serves = True
        for backup in self.catalog.sweep(self._delete):
            _log.warning("backup %s of %s was cut short and is gone", backup.name, backup.table.name)
        self._tell_unknown_files()

    def _tell_unknown_files(self) -> None:
        if self._directory is None:
            return
        found = [
            path.relative_to(self._directory).as_posix()
            for path in unknown(self._directory, self.catalog.paths())
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

    def was_in_use(self, definition: TableDefinition) -> bool:
        """Whether the last server had the table open when it died."""
        return self._directory is not None and DurableMark.is_there(self.file(definition))

    def tokens(self) -> list[Token]:
        """The ClientRequestTokens that may still count. The tables are not opened for them: they may be too many."""
        return [
            token for each in self.definitions() if self._is_recent(each) for token in self._tokens_of(each)
        ]

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
        path = self._path(self.catalog.files[definition.id])
        paths = [each for each in (path, Path(f"{path}-wal")) if each.exists()]
        return any(each.stat().st_mtime > self._clock() - TOKEN_SECONDS for each in paths)

    def by_file(self) -> dict[str, str]:
        """What tables are open as, by the names of their files; deleted ones, too."""
        found = {self.catalog.files[each.id]: each.name for each in self.definitions()}
        return found | {file: _open_name(file) for file in self.catalog.deleted}

    def has_file(self, file: str) -> bool:
        """Whether there is a file of this name, a table's or not."""
        return self._directory is not None and self._path(file).exists()

    async def close(self) -> None:
        """Close every file, when its writes are durable."""
        await self.open_tables.close()

    # What other processes change

    def refresh(self) -> None:
        """Follow what another process has changed in the catalog. Nobody else may ask the catalog for that."""
        old_files = self.catalog.files
        if not self.catalog.refresh():
            return
        files = self.catalog.files
        for name, table in self.open_tables:
            definition, file = self._listed(name)
            if definition is None or file != table.file:
                self._retire(name)
            else:
                table.redefine(definition)
        if self.serves:
            in_use = set(map(table_path, self.open_tables.leaving_files))
            for path in self.catalog.removed - in_use:
                self._delete_removed(path)
            if any(old_files.get(table_id, file) != file for table_id, file in files.items()):
                self.on_replaced()
            self.on_changed()

    def _retire(self, name: str) -> None:
        """Close a table that is gone, once no request that found it before can still come to write there."""

        def closed(table: Table) -> None:
            path = table_path(table.file)
            if self.serves and path in self.catalog.removed:
                self._delete_removed(path)

        self.open_tables.retire(name, closed)

    def _open_table(self, name: str, definition: TableDefinition, file: str) -> Table:
        self.open_tables.make_room()
        path = None if self._directory is None else self._path(file)
        with using(f"table {definition.name} ({path})"):
            table = Table(
                definition,
                path,
                self._sync,
                self._executor,
                self._item_collection_limit,
                self._clock,
                read_long=self._read_long,
                is_served=self.serves,
                totals=self.totals,
            )
            try:
                self.complete(table)
            except BaseException:
                table.close()
                raise
        self.open_tables.add(name, table)
        if self.serves and path is not None:
            self._compare_definitions(table)
        return table

    def reopen(self, table: Table) -> None:
        """Close a file that has to be given something first, and open it again. Raises where that fails."""
        if self.open_tables.find(table.definition.name) is table:
            self.open_tables.pop(table.definition.name)
        table.close()
        definition, file = self._listed(table.definition.name)
        if definition is not None and file == table.file:
            self._open_table(definition.name, definition, file)

    def _compare_definitions(self, table: Table) -> None:
        """The catalog and the table's file have the same definition, unless a crash or an old copy came between."""
        own = table.described()
        if own is None or own.id != table.definition.id or own.revision < table.definition.revision:
            self._describe(table)
        elif own.revision > table.definition.revision and table.definition.deleted is None:
            _log.warning("the catalog is older than table %s, whose file has its definition", own.name)
            self.catalog.replace(own)
            table.redefine(own)

    def _describe(self, table: Table) -> None:
        if self.serves and self._directory is not None:
            table.describe().add_done_callback(_noted)

    def file(self, definition: TableDefinition) -> Path:
        """The table's SQLite file."""
        return self._path(self.catalog.files[definition.id])

    def file_sizes(self, limit: int) -> asyncio.Future[Sequence[FileSize]]:
        """Of so many tables that have files, the first by name; they are looked at on another thread."""
        files = []
        if self._directory is not None:
            definitions = [self.catalog.tables[name] for name in self.names()[:limit]]
            files = [(each.name, self.file(each)) for each in definitions if each.restore is None]
        return asyncio.get_running_loop().run_in_executor(None, _file_sizes, files)

    def _path(self, file: str) -> Path:
        assert self._directory is not None
        return self._directory / TABLES_FOLDER / file

    def _table_path(self, definition: TableDefinition) -> str:
        """Of the table's file in the data directory, as the catalog has it."""
        return table_path(self.catalog.files[definition.id])

    def _delete_removed(self, path: str) -> None:
        """Delete a file that the catalog says is removed. What is still in use the next start deletes."""
        if self._delete(path):
            self.catalog.note_deleted(path)

    def _delete(self, path: str) -> bool:
        return self._directory is None or remove(self._directory / path)


def _file_sizes(files: list[tuple[str, Path]]) -> Sequence[FileSize]:
    sizes = []
    for name, path in files:
        with suppress(FileNotFoundError):  # of a table that has been removed meanwhile
            sizes.append(FileSize(name, path.stat().st_size, _size(path.with_name(path.name + "-wal"))))
    return sizes


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _catalog(directory: Path | None) -> Catalog:
    if directory is None:
        return Catalog(None)
    with using(directory / CATALOG_FILE):
        return Catalog(directory / CATALOG_FILE)


def _open_name(file: str) -> str:
    return _DELETED + file


def _close_removed(table: Table) -> None:
    try:
        table.close(is_gone=True)
    except apsw.Error as fault:  # a damaged file goes all the same
        _log.warning("%s: %s", table.definition.name, fault)


def _noted(described: asyncio.Future[None]) -> None:
    """What kept a file from being told its definition has been logged; it is told when it is opened next."""
    if not described.cancelled():
        described.exception()
