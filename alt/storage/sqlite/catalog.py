"""The catalog: which tables and backups there are, kept in `catalog.db` and mirrored in memory.

Another process (the CLI) may change the file at any time; `refresh` notices by
SQLite's `PRAGMA data_version`, which changes when another connection commits.

It also names the doomed files: what is being made is doomed until something owns it, what is
removed is doomed in the transaction that removes it. A deleted table may leave something (`keep`): then its file is
owned until that is over. A crash leaves files that are named here, and
the next start deletes those and no others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

from alt.storage.model.definition import Backup, TableDefinition
from alt.storage.sqlite import connections, encryption
from alt.storage.sqlite.data_directory import UnusableDataError
from alt.storage.sqlite.database_files import BACKUPS_FOLDER, TABLES_FOLDER, file_name

FORMAT = 3

# Of the files that are gone so many are named as doomed until the next start.
MAX_DELETED = 100

STARTED_MEANWHILE = "a server has started meanwhile. Try again"

_BACKUP_COLUMNS = "id, name, created, expires, kind, items, size, available, checksum, definition"


class Catalog:
    """The tables by name, the backups by id. `path` None keeps the catalog in memory."""

    def __init__(self, path: Path | None) -> None:
        # Always FULL, whatever the tables are: what it lists is there after a power cut, too.
        self._connection = connections.connect(
            connections.MEMORY if path is None else path, "full", create=True
        )
        self.is_encrypted = path is not None and encryption.key_of(path) is not None
        try:
            if connections.is_empty(self._connection):
                connections.create(self._connection, "catalog", FORMAT)
            connections.check_format(self._connection, FORMAT)
        except BaseException:
            self._connection.close()
            raise
        self._data_version = -1
        self.tables: dict[str, TableDefinition] = {}
        self.files: dict[str, str] = {}  # table id -> file name
        self.deleted: dict[str, TableDefinition] = {}  # by the names of the files that are kept
        self._left: dict[str, str] = {}  # the ids of the backups of these, by file
        self.backups: dict[str, Backup] = {}
        self._backup_files: dict[str, str] = {}  # by the backups' ids
        self.removed: set[str] = set()  # paths of files to delete, in the data directory
        self._dooming: list[str] = []  # by the transaction under way
        self._deleted: dict[str, None] = {}  # those of them that are gone, the oldest first
        self.refresh()

    def refresh(self) -> bool:
        """Read everything again if another process changed it; True if so."""
        version = self._connection.pragma("data_version")
        if version == self._data_version:
            return False
        self._data_version = version
        self._load()
        return True

    def _load(self) -> None:
        rows: list[Any] = self._connection.execute(
            "SELECT id, file, definition FROM dynamo_table ORDER BY name"
        ).fetchall()
        definitions = [TableDefinition.from_json(definition) for _, _, definition in rows]
        self.tables = {definition.name: definition for definition in definitions}
        self.files = {table_id: file for table_id, file, _ in rows}
        deleted: list[Any] = self._connection.execute(
            "SELECT file, definition, backup FROM deleted_table"
        ).fetchall()
        self.deleted = {file: TableDefinition.from_json(definition) for file, definition, _ in deleted}
        self._left = {file: backup for file, _, backup in deleted if backup is not None}
        backups = self._connection.execute(f"SELECT {_BACKUP_COLUMNS} FROM backup ORDER BY id")
        self.backups = {row[0]: _backup(*row) for row in backups}
        files: Any = self._connection.execute("SELECT id, file FROM backup")
        self._backup_files = dict(files)
        removed: Any = self._connection.execute("SELECT path FROM doomed_file WHERE is_removed")
        self.removed = {path for (path,) in removed} - self._deleted.keys()

    # Doomed files

    def sweep(self, delete: Callable[[str], bool]) -> list[Backup]:
        """At start: delete what a crash left behind. `delete` is given a path; False if that is still in use.

        Backups that were cut short go as well, and are returned. One of a deleted table is begun again.
        """
        left = self._left.values()
        torn = [each for each in self.backups.values() if not each.available and each.id not in left]
        with self._transaction():
            for backup in torn:
                self._doom(self.backup_path(backup))
                self._connection.execute("DELETE FROM backup WHERE id = ?", (backup.id,))
            doomed: list[Any] = self._connection.execute("SELECT path FROM doomed_file").fetchall()
            gone = [(path,) for (path,) in doomed if delete(path)]
            self._connection.executemany("DELETE FROM doomed_file WHERE path = ?", gone)
        self._load()
        return torn

    def note_deleted(self, path: str) -> None:
        """A removed file is gone.

        The last of them are doomed until the next start all the same: a command that had one open, and looks into it once
        it is gone, makes an index of its log (`-shm`) beside it, and may be killed before it takes that away.
        """
        self.removed.discard(path)
        self._deleted[path] = None

    def begin_file(self, path: str) -> None:
        """A file is about to be made: until something owns it, it is doomed."""
        with self._transaction():
            self._connection.execute("INSERT OR REPLACE INTO doomed_file VALUES (?, 0)", (path,))

    def is_doomed(self, path: str) -> bool:
        return self._connection.execute("SELECT 1 FROM doomed_file WHERE path = ?", (path,)).get is not None

    def _doom(self, path: str) -> None:
        self._connection.execute("INSERT OR REPLACE INTO doomed_file VALUES (?, 1)", (path,))
        self._dooming.append(path)

    def _own(self, path: str) -> None:
        self._connection.execute("DELETE FROM doomed_file WHERE path = ?", (path,))

    # Tables

    def add(self, definition: TableDefinition, create_file: Callable[[str], None] | None) -> bool:
        """Store a new table; `create_file` makes the file of the name it is given, None where there is none yet.

        False, and nothing done, if the name is taken. Raises UnusableDataError where a server has started meanwhile,
        which deletes what is being made.
        """
        file = self.new_file(definition.name, definition.id)
        if self._is_taken(definition.name):
            self._load()
            return False
        path = table_path(file)
        if create_file is not None:
            self.begin_file(path)
            create_file(file)
        with self._transaction():
            is_taken = self._is_taken(definition.name)
            if is_taken:
                self._doom(path)
            else:
                self._own(path)
                if create_file is not None and not self._connection.changes():
                    raise UnusableDataError(f"{file} is gone: {STARTED_MEANWHILE}")
                self._list(definition, file)
        if is_taken:
            self._load()
            return False
        self.tables[definition.name] = definition
        self.files[definition.id] = file
        return True

    def adopt(self, definition: TableDefinition, file: str) -> bool:
        """List a table whose file is there already; False if its name, or its id, is another table's."""
        with self._transaction():
            taken = self._connection.execute(
                "SELECT 1 FROM dynamo_table WHERE name = ? OR id = ?", (definition.name, definition.id)
            ).get
            if taken is None:
                self._list(definition, file)
        self._load()
        return taken is None

    def _list(self, definition: TableDefinition, file: str) -> None:
        self._connection.execute(
            "INSERT INTO dynamo_table (name, id, file, definition) VALUES (?, ?, ?, ?)",
            (definition.name, definition.id, file, definition.to_json()),
        )

    def _is_taken(self, name: str) -> bool:
        found = self._connection.execute("SELECT 1 FROM dynamo_table WHERE name = ?", (name,)).get
        return found is not None

    def replace(self, definition: TableDefinition) -> None:
        """Store a changed definition of an existing table."""
        with self._transaction():
            # By file, too: it is another once a snapshot was loaded, and so is the definition.
            self._connection.execute(
                "UPDATE dynamo_table SET definition = ? WHERE id = ? AND file = ?",
                (definition.to_json(), definition.id, self.files[definition.id]),
            )
        self.tables[definition.name] = definition

    def publish(self, definition: TableDefinition, place_file: Callable[[str], None]) -> bool:
        """Store that a table is restored; `place_file` puts the complete file under the name it is given.

        False, and nothing done, if the table is gone or another process was faster.
        """
        with self._transaction():
            row: Any = self._connection.execute(
                "SELECT file, definition FROM dynamo_table WHERE id = ?", (definition.id,)
            ).get
            waits = row is not None and TableDefinition.from_json(row[1]).restore is not None
            if waits:
                place_file(row[0])
                self._connection.execute(
                    "UPDATE dynamo_table SET definition = ? WHERE id = ?",
                    (definition.to_json(), definition.id),
                )
        if waits:
            self.tables[definition.name] = definition
        return waits

    def remove(self, definition: TableDefinition) -> None:
        """Forget a table; its file is doomed. One that a snapshot took the place of meanwhile stays as that has it."""
        file = self.files[definition.id]
        with self._transaction():
            if self._unlist(definition, file):
                self._doom(table_path(file))
        del self.tables[definition.name], self.files[definition.id]

    def _unlist(self, definition: TableDefinition, file: str) -> bool:
        """False where the table has another file by now, or is gone."""
        self._connection.execute("DELETE FROM dynamo_table WHERE id = ? AND file = ?", (definition.id, file))
        return self._connection.changes() > 0

    # Of deleted tables

    def keep(self, definition: TableDefinition, backup: Backup | None) -> bool:
        """A table is deleted, and its file kept; if for a backup, that has yet to be made.

        False, and nothing done, if it is gone or a snapshot took its place meanwhile.
        """
        file = self.files.get(definition.id, "")
        with self._transaction():
            is_there = self._unlist(definition, file)
            if is_there:
                self._connection.execute(
                    "INSERT INTO deleted_table VALUES (?, ?, ?)",
                    (file, definition.to_json(), None if backup is None else backup.id),
                )
                if backup is not None:
                    self._add_backup(backup)
        if not is_there:
            return False
        del self.tables[definition.name], self.files[definition.id]
        self.deleted[file] = definition
        if backup is not None:
            self.backups[backup.id] = backup
            self._left[file] = backup.id
        return True

    def awaited_backup(self, file: str) -> Backup | None:
        """The backup that has yet to be made of a deleted table."""
        backup = self.backups.get(self._left.get(file, ""))
        return None if backup is None or backup.available else backup

    def replace_deleted(self, file: str, definition: TableDefinition) -> None:
        with self._transaction():
            self._connection.execute(
                "UPDATE deleted_table SET definition = ? WHERE file = ?", (definition.to_json(), file)
            )
        self.deleted[file] = definition

    def forget(self, file: str) -> None:
        """Keep it no longer: the file is doomed."""
        with self._transaction():
            self._doom(table_path(file))
            self._connection.execute("DELETE FROM deleted_table WHERE file = ?", (file,))
        self.deleted.pop(file, None)
        self._left.pop(file, None)

    def load(
        self, snapshot: Path, placed: Mapping[str, str], changed: Mapping[str, TableDefinition]
    ) -> set[str]:
        """The tables become those of a snapshot's catalog, in one transaction; the paths of the files that were.

        `placed` are the files that stand ready, by table id, and `changed` the definitions that are not the
        snapshot's. Raises UnusableDataError where a server has started meanwhile and deleted what was placed.
        """
        self._connection.execute("ATTACH ? AS snapshot", (str(snapshot),))
        try:
            with self._transaction():
                for file in placed.values():
                    self._own(table_path(file))
                    if not self._connection.changes():
                        raise UnusableDataError(f"{file} is gone: {STARTED_MEANWHILE}")
                files = self._connection.execute("SELECT file FROM main.dynamo_table")
                old = {table_path(str(file)) for (file,) in files.fetchall()}
                for path in old:
                    self._doom(path)
                self._connection.execute("DELETE FROM main.dynamo_table")
                self._connection.execute("INSERT INTO main.dynamo_table SELECT * FROM snapshot.dynamo_table")
                self._connection.executemany(
                    "UPDATE main.dynamo_table SET file = ? WHERE id = ?",
                    ((file, table_id) for table_id, file in placed.items()),
                )
                self._connection.executemany(
                    "UPDATE main.dynamo_table SET definition = ? WHERE id = ?",
                    ((definition.to_json(), table_id) for table_id, definition in changed.items()),
                )
        finally:
            self._connection.execute("DETACH snapshot")
        self._load()
        return old

    # Backups

    def add_backup(self, backup: Backup, file: str | None = None) -> None:
        """`file`: the name of the backup's file, where it has one already."""
        if file is not None:
            self._backup_files[backup.id] = file
        with self._transaction():
            self._add_backup(backup)
        self.backups[backup.id] = backup

    def _add_backup(self, backup: Backup) -> None:
        self._connection.execute(
            "INSERT INTO backup (id, name, table_name, table_id, created, expires, kind, items, size, "
            "available, file, definition, checksum) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                backup.id,
                backup.name,
                backup.table.name,
                backup.table.id,
                backup.created,
                backup.expires,
                backup.kind,
                backup.items,
                backup.size,
                backup.available,
                self._backup_file(backup),
                backup.table.to_json(),
                backup.checksum,
            ),
        )

    def finish_backup(self, backup: Backup, checksum: int | None, place_file: Callable[[str], None]) -> bool:
        """Store that a backup is complete; `place_file` puts its file under the name it is given.

        False, and nothing done, if the backup was given up meanwhile.
        """
        with self._transaction():
            waits = self._connection.execute(
                "SELECT 1 FROM backup WHERE id = ? AND available = 0", (backup.id,)
            ).get
            if waits is not None:
                place_file(self._backup_file(backup))
                self._connection.execute(
                    "UPDATE backup SET available = 1, checksum = ? WHERE id = ?", (checksum, backup.id)
                )
        if waits is None:
            return False
        self.backups[backup.id] = replace(backup, available=True, checksum=checksum)
        return True

    def remove_backup(self, backup: Backup) -> None:
        """Forget a backup; its file is doomed."""
        with self._transaction():
            self._doom(self.backup_path(backup))
            self._connection.execute("DELETE FROM backup WHERE id = ?", (backup.id,))
        self.backups.pop(backup.id, None)

    def backup_path(self, backup: Backup) -> str:
        """Of a backup's file in the data directory."""
        return f"{BACKUPS_FOLDER}/{self._backup_file(backup)}"

    def _backup_file(self, backup: Backup) -> str:
        return self._backup_files.get(backup.id) or self.new_file(backup.table.name, backup.id)

    # Files

    def new_file(self, table: str, unique: str) -> str:
        """A name for a file of a table or of its backup. In an encrypted directory it does not name the table."""
        return file_name("" if self.is_encrypted else table, unique)

    def paths(self) -> Iterable[str]:
        """Of all files that tables and backups own and that are doomed, in the data directory."""
        doomed: Any = self._connection.execute("SELECT path FROM doomed_file")
        yield from map(table_path, self.files.values())
        yield from map(table_path, self.deleted)
        yield from map(self.backup_path, self.backups.values())
        yield from (path for (path,) in doomed)

    def close(self) -> None:
        self._connection.close()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._dooming.clear()
        with connections.transaction(self._connection):
            yield
            forgotten = list(islice(self._deleted, max(0, len(self._deleted) - MAX_DELETED)))
            self._connection.executemany(
                "DELETE FROM doomed_file WHERE path = ?", [(path,) for path in forgotten]
            )
        for path in forgotten:
            del self._deleted[path]
        self.removed.update(self._dooming)  # now that the file is certain to be nobody's


def table_path(file: str) -> str:
    """Of a table's file in the data directory, as the catalog names files."""
    return f"{TABLES_FOLDER}/{file}"


def _backup(
    backup_id: str,
    name: str,
    created: float,
    expires: float | None,
    kind: str,
    items: int,
    size: int,
    available: int,
    checksum: int | None,
    definition: str,
) -> Backup:
    table = TableDefinition.from_json(definition)
    return Backup(backup_id, name, created, table, items, size, kind, expires, bool(available), checksum)
