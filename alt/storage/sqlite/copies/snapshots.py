"""Snapshots: all tables of a data directory at one moment, to go back to at any time.

A snapshot is a folder under `snapshots/`: a copy of every table's file, of the catalog,
and a summary. It is put together under another name and then renamed, so that it is
there as a whole or not at all. Saving holds the write locks of all files, in the order
in which transactions over several tables take them, only until a read of each has
begun; the copying itself holds up nobody.

Loading gives the copies new names among the tables' files and replaces the catalog's
rows in one transaction. A server that runs meanwhile finds its tables' files changed
and turns to the new ones; what it was about to write goes to the old state, as a whole.
A checksum of each file is kept, and compared as the file is loaded.
Backups are no part of this, nor what deleted tables leave: they outlive their tables. Nor is the change log: a loaded
table's begins anew, after all that a stream's readers may have seen of it.
"""

from __future__ import annotations

import dataclasses
import re
import shutil
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import apsw
import ujson
from zlib_ng import zlib_ng

from alt.storage.engine import Progress
from alt.storage.model.definition import TableDefinition
from alt.storage.sqlite import connections
from alt.storage.sqlite.catalog import FORMAT, Catalog, table_path
from alt.storage.sqlite.checksums import DamagedItemError, file_checksum, verify_items
from alt.storage.sqlite.copies import copying
from alt.storage.sqlite.data_directory import (
    CATALOG_FILE,
    JOURNAL_FILE,
    SNAPSHOTS_FOLDER,
    AlreadyServedError,
    ServerLock,
    UnusableDataError,
    refuse_link,
)
from alt.storage.sqlite.database_files import PART, TABLES_FOLDER, remove
from alt.storage.sqlite.table import Table
from alt.storage.sqlite.tables import CATALOG_POLL_SECONDS
from alt.storage.sqlite.transactions.decided import give
from alt.storage.sqlite.transactions.journal import Entry, Journal

SUMMARY_FILE = "snapshot.json"
CHECKSUMS_FILE = "checksums.json"  # of every other file, by its name

# The tables of the catalog that no snapshot brings back.
LEFT = ("backup", "deleted_table", "doomed_file")

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")
GONE = ".gone"  # ends the name of one that is being removed
LOCK = ".lock"  # ends the name of the file that is locked while a snapshot is saved
REPLACED = ".replaced"  # ends the name of a snapshot that is giving way to another one
CHUNK_BYTES = 4 * 1024 * 1024
# What a server may still log in a table's old file after a load has looked at it, in changes and far more.
LOG_MARGIN = 1_000_000
# A table may be created or removed while all files are being locked.
LOCK_ATTEMPTS = 10


class _Unfinished(Exception):
    """A snapshot is not to come about."""


class SnapshotError(Exception):
    """A snapshot cannot be saved or loaded; the message says why in one line."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """`created` is in epoch seconds, `bytes` what its files take."""

    name: str
    created: float
    tables: int
    items: int
    bytes: int


class _Row(NamedTuple):
    """A table as the catalog has it."""

    id: str
    name: str
    file: str
    definition: str


class _Moment(NamedTuple):
    """Pinned connections to all files, of one moment, and what the journal had to finish then."""

    tables: list[_Row]
    sources: dict[str, apsw.Connection]
    catalog: apsw.Connection
    pending: list[Entry]


class Snapshots:
    """The snapshots of a data directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._folder = directory / SNAPSHOTS_FOLDER

    def all(self) -> list[Snapshot]:
        """By name."""
        self._put_back()
        summaries = sorted(self._folder.glob(f"*/{SUMMARY_FILE}"))
        return [self._read(path.parent) for path in summaries if NAME.fullmatch(path.parent.name)]

    def get(self, name: str) -> Snapshot:
        """Raises SnapshotError where there is none of this name."""
        self._put_back()
        path = self._folder / name
        if NAME.fullmatch(name) is None or not (path / SUMMARY_FILE).exists():
            raise SnapshotError(f"no snapshot {name}: `alt snapshot ls` lists those there are")
        refuse_link(path)
        return self._read(path)

    def remove(self, name: str) -> None:
        self.get(name)
        self._remove(self._folder / name, name)

    def _remove(self, folder: Path, name: str) -> None:
        """First under a name that nobody sees: it goes as a whole, though its files go one by one."""
        gone = self._folder / f".{name}{GONE}"
        shutil.rmtree(gone, ignore_errors=True)
        folder.rename(gone)
        shutil.rmtree(gone)

    def _take_place(self, part: Path, name: str) -> None:
        """Make `part` the snapshot of this name. The one that had it is kept until then, see `_put_back`."""
        replaced = self._folder / f".{name}{REPLACED}"
        if (self._folder / name).exists():
            (self._folder / name).rename(replaced)
        part.rename(self._folder / name)
        copying.sync_directory(self._folder)
        if replaced.exists():
            self._remove(replaced, name)

    def _put_back(self) -> None:
        """What a crash left: of a replacement, one snapshot of the name; of a save or a removal, nothing."""
        for gone in self._folder.glob(f".*{GONE}"):
            shutil.rmtree(gone, ignore_errors=True)
        for lock in self._folder.glob(f".*{PART}{LOCK}"):
            with suppress(SnapshotError, _Unfinished), self._writing(lock.with_name(lock.name[: -len(LOCK)])):
                raise _Unfinished
        for replaced in self._folder.glob(f".*{REPLACED}"):
            name = replaced.name[1 : -len(REPLACED)]
            if (self._folder / name).exists():
                self._remove(replaced, name)
            else:
                replaced.rename(self._folder / name)

    # Saving

    def save(self, name: str, now: float, progress: Progress, *, replace: bool = False) -> Snapshot:
        """Save all tables as they are now. A snapshot of this name gives way only if told to `replace` it."""
        if NAME.fullmatch(name) is None:
            raise SnapshotError(
                f"{name!r} is no name for a snapshot: up to 100 letters, digits, dots, dashes, underscores"
            )
        self._put_back()
        if (self._folder / name).exists() and not replace:
            raise SnapshotError(f"snapshot {name} exists: --replace replaces it, or choose another name")
        part = self._folder / f".{name}{PART}"
        with self._writing(part):
            with self._moment() as moment:
                self._copy(moment, part, progress)
            self._complete(part, moment)
            snapshot = self._summarize(part, name, now, moment)
            self._take_place(part, name)
        return snapshot

    @contextmanager
    def _writing(self, part: Path) -> Iterator[None]:
        """Have a new folder for a snapshot, which goes if that does not come about. Who is killed leaves it unlocked."""
        self._folder.mkdir(exist_ok=True)
        with closing(apsw.Connection(f"{part}{LOCK}")) as lock:
            try:
                lock.execute("BEGIN EXCLUSIVE")
            except apsw.BusyError:
                raise SnapshotError(
                    f"{part.name[1 : -len(PART)]} is being saved by another process"
                ) from None
            shutil.rmtree(part, ignore_errors=True)
            part.mkdir()
            try:
                yield
            except BaseException:
                shutil.rmtree(part, ignore_errors=True)
                raise
            finally:
                Path(f"{part}{LOCK}").unlink(missing_ok=True)

    @contextmanager
    def _moment(self) -> Iterator[_Moment]:
        with ExitStack() as pinned:
            moment = next((m for _ in range(LOCK_ATTEMPTS) if (m := self._try_moment(pinned))), None)
            if moment is None:
                raise SnapshotError("tables come and go too fast to save them all at once: try again")
            yield moment

    def _try_moment(self, pinned: ExitStack) -> _Moment | None:
        """None if tables came or went meanwhile."""
        with ExitStack() as locks:
            tables = self._lock_all(locks)
            return None if tables is None else self._pin_all(pinned, tables)

    def _lock_all(self, locks: ExitStack) -> list[_Row] | None:
        """Take the write lock of every file, the catalog's last; None if the tables changed meanwhile."""
        catalog = locks.enter_context(closing(connections.connect(self._directory / CATALOG_FILE)))
        tables = _ready_tables(catalog)
        for table in sorted(tables):
            path = self._path(table.file)
            try:
                locks.enter_context(closing(connections.connect(path))).execute("BEGIN IMMEDIATE")
            except (apsw.CantOpenError, apsw.IOError) as fault:
                if table in _ready_tables(catalog):
                    raise SnapshotError(f"table {table.name} ({path}) cannot be read: {fault}") from None
                return None  # it was removed meanwhile
        catalog.execute("BEGIN IMMEDIATE")
        return tables if _ready_tables(catalog) == tables else None

    def _pin_all(self, pins: ExitStack, tables: list[_Row]) -> _Moment:
        def pinned(path: Path) -> apsw.Connection:
            return pins.enter_context(closing(copying.pinned(path)))

        # With all files locked, what is journaled and not in a file was cut short, and is to be finished.
        with closing(Journal(self._directory / JOURNAL_FILE)) as journal:
            pending = list(journal.pending())
        sources = {table.file: pinned(self._path(table.file)) for table in tables}
        return _Moment(tables, sources, pinned(self._directory / CATALOG_FILE), pending)

    def _copy(self, moment: _Moment, part: Path, progress: Progress) -> None:
        sizes = {file: source.pragma("page_count") for file, source in moment.sources.items()}
        total = sum(sizes.values()) * connections.PAGE_BYTES
        before = 0
        for file, source in moment.sources.items():

            def advanced(done: int, _pages: int, before: int = before) -> None:
                progress(before + done * connections.PAGE_BYTES, total)

            try:
                copying.write_file(source, part / file, advanced, verify_items)
            except DamagedItemError as damage:
                raise SnapshotError(f"{file}: {damage}") from None
            before += sizes[file] * connections.PAGE_BYTES
        copying.write_file(moment.catalog, part / CATALOG_FILE, change=_keep_restored)

    def _complete(self, part: Path, moment: _Moment) -> None:
        """Finish in the copies what was decided; then they are files that no journal knows."""
        definitions = {row.file: TableDefinition.from_json(row.definition) for row in moment.tables}
        with ThreadPoolExecutor(1) as executor:  # never used: what is given is committed where it stands
            for file in definitions:
                entries = [entry for entry in moment.pending if file in entry.files]
                if entries:
                    with closing(Table(definitions[file], part / file, "off", executor)) as table:
                        for entry in entries:
                            give(table, entry)
        for file in definitions:
            with closing(connections.connect(part / file, "off")) as copy:
                copy.execute("UPDATE transaction_mark SET number = 0")
            copying.sync_file(part / file)

    def _summarize(self, part: Path, name: str, now: float, moment: _Moment) -> Snapshot:
        items = 0
        for table in moment.tables:
            with closing(connections.finished(part / table.file)) as copy:
                items += copy.execute("SELECT items FROM statistics WHERE source = 'item'").get
        size = sum(path.stat().st_size for path in part.iterdir())
        snapshot = Snapshot(name, now, len(moment.tables), items, size)
        (part / SUMMARY_FILE).write_text(ujson.dumps(asdict(snapshot), indent=2) + "\n", encoding="utf-8")
        checksums = {path.name: file_checksum(path) for path in part.iterdir()}
        (part / CHECKSUMS_FILE).write_text(ujson.dumps(checksums), encoding="utf-8")
        for file in (SUMMARY_FILE, CHECKSUMS_FILE):
            copying.sync_file(part / file)
        copying.sync_directory(part)
        return snapshot

    # Loading

    def load(self, name: str, now: float, new_id: Callable[[], str], progress: Progress) -> Snapshot:
        """Make all tables what they were; those that came later are gone. `now` is in epoch seconds.

        When this returns, whatever a running server is asked it answers from the snapshot.
        """
        snapshot = self.get(name)
        folder = self._folder / name
        with self._unserved() as is_served, closing(Catalog(self._directory / CATALOG_FILE)) as catalog:
            tables = self._snapshot_tables(folder)
            placed = {
                table.id: catalog.new_file(table.name, f"{table.id}-{new_id()[-8:]}") for table in tables
            }
            for file in placed.values():
                catalog.begin_file(table_path(file))
            try:
                self._place(folder, tables, placed, progress)
                definitions = self._begin_logs_anew(tables, placed, now)
                old = catalog.load(folder / CATALOG_FILE, placed, definitions)
            except BaseException:
                for file in placed.values():
                    remove(self._path(file))
                raise
            if is_served:
                time.sleep(
                    2 * CATALOG_POLL_SECONDS
                )  # it looks at the catalog so often, and removes the files
            else:
                for path in old:
                    if remove(self._directory / path):
                        catalog.note_deleted(path)
        return snapshot

    @contextmanager
    def _unserved(self) -> Iterator[bool]:
        """Whether a server runs; where none does, none starts meanwhile."""
        try:
            lock = ServerLock(self._directory)
        except AlreadyServedError:
            yield True
            return
        try:
            yield False
        finally:
            lock.release()

    def _snapshot_tables(self, folder: Path) -> list[_Row]:
        with closing(connections.finished(folder / CATALOG_FILE)) as catalog:
            version = int(catalog.pragma("user_version"))
            if version != FORMAT:
                raise UnusableDataError(
                    f"snapshot {folder.name} has format {version}; this version of Alt reads format {FORMAT}"
                )
            return _ready_tables(catalog)

    def _place(self, folder: Path, tables: list[_Row], placed: dict[str, str], progress: Progress) -> None:
        """Copy the snapshot's files among the tables', under names that nobody knows yet."""
        total = sum((folder / table.file).stat().st_size for table in tables)
        done = 0
        saved = self._checksums(folder)
        for table in tables:
            path = self._path(placed[table.id])
            refuse_link(folder / table.file)
            checksum = 0
            with (folder / table.file).open("rb") as source, path.open("wb") as target:
                while chunk := source.read(CHUNK_BYTES):
                    target.write(chunk)
                    checksum = zlib_ng.crc32(chunk, checksum)
                    done += len(chunk)
                    progress(done, total)
            if checksum != saved.get(table.file, checksum):
                raise SnapshotError(
                    f"snapshot {folder.name} is damaged: {folder / table.file} is not what was saved"
                )
            copying.sync_file(path)
        copying.sync_directory(self._directory / TABLES_FOLDER)

    def _checksums(self, folder: Path) -> dict[str, int]:
        """What the files were when they were saved; the catalog's is compared at once. Empty where nobody noted it."""
        if not (folder / CHECKSUMS_FILE).exists():
            return {}
        saved: dict[str, int] = ujson.loads((folder / CHECKSUMS_FILE).read_text(encoding="utf-8"))
        if file_checksum(folder / CATALOG_FILE) != saved.get(CATALOG_FILE):
            raise SnapshotError(
                f"snapshot {folder.name} is damaged: its {CATALOG_FILE} is not what was saved"
            )
        return saved

    def _begin_logs_anew(
        self, tables: list[_Row], placed: dict[str, str], now: float
    ) -> dict[str, TableDefinition]:
        """Empty the placed files' change logs; the definitions that follow from that, by table id."""
        with closing(connections.connect(self._directory / CATALOG_FILE)) as catalog:
            current = {table.id: table.file for table in _ready_tables(catalog)}
        changed = {}
        for table in tables:
            definition = TableDefinition.from_json(table.definition)
            if not definition.streams and definition.recovery is None:
                continue
            path = self._path(placed[table.id])
            seen = _last_change(path)
            if table.id in current:
                seen = max(seen, _last_change(self._path(current[table.id])))
            with closing(connections.connect(path, "off")) as file, file:
                file.execute("DELETE FROM change")
                file.execute("DELETE FROM sqlite_sequence WHERE name = 'change'")
                file.execute("INSERT INTO sqlite_sequence VALUES ('change', ?)", (seen + LOG_MARGIN,))
            copying.sync_file(path)
            if definition.recovery is not None and definition.recovery.enabled is not None:
                recovery = dataclasses.replace(definition.recovery, enabled=now)
                changed[table.id] = dataclasses.replace(
                    definition, recovery=recovery, revision=definition.revision + 1
                )
        return changed

    def _read(self, path: Path) -> Snapshot:
        summary: dict[str, Any] = ujson.loads((path / SUMMARY_FILE).read_text(encoding="utf-8"))
        return Snapshot(**(summary | {"name": path.name}))

    def _path(self, file: str) -> Path:
        return self._directory / TABLES_FOLDER / file


def _ready_tables(catalog: apsw.Connection) -> list[_Row]:
    """The tables that have a file, by id: all but those that are being restored."""
    rows = catalog.execute("SELECT id, name, file, definition FROM dynamo_table ORDER BY id")
    return [row for row in map(_Row._make, rows) if TableDefinition.from_json(row.definition).restore is None]


def _last_change(path: Path) -> int:
    """The number of the last change that a table's file ever logged."""
    with closing(copying.pinned(path)) as file:
        return file.execute("SELECT seq FROM sqlite_sequence WHERE name = 'change'").get or 0


def _keep_restored(catalog: apsw.Connection) -> None:
    """What is left of a copy of the catalog in a snapshot; and it is one file, whoever reads it."""
    ready = [(row.id,) for row in _ready_tables(catalog)]
    with connections.transaction(catalog):
        catalog.execute("CREATE TEMP TABLE ready (id TEXT PRIMARY KEY)")
        catalog.executemany("INSERT INTO ready VALUES (?)", ready)
        catalog.execute("DELETE FROM dynamo_table WHERE id NOT IN (SELECT id FROM ready)")
        for table in LEFT:
            catalog.execute(f"DELETE FROM {table}")
    catalog.execute("PRAGMA journal_mode = DELETE").fetchall()
