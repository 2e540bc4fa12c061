"""The catalog: which tables and backups there are, kept in `catalog.db` and mirrored in memory.

Another process (the CLI) may change the file at any time; `refresh` notices by
SQLite's `PRAGMA data_version`, which changes when another connection commits.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import apsw

from alt.config import Sync
from alt.storage import sqlite
from alt.storage.data_directory import UnusableDataError
from alt.storage.definition import Backup, TableDefinition

FORMAT = 1
FILE_PREFIX_LENGTH = 40

_BACKUP_COLUMNS = "id, name, created, expires, kind, items, size, available, definition"


class Catalog:
    """The tables by name, the backups by id. `path` None keeps the catalog in memory."""

    def __init__(self, path: Path | None, sync: Sync = "full") -> None:
        self._connection = sqlite.connect(sqlite.MEMORY if path is None else path, sync)
        if sqlite.is_empty(self._connection):
            sqlite.create(self._connection, "catalog", FORMAT)
        try:
            sqlite.check_format(self._connection, FORMAT)
        except UnusableDataError:
            self._connection.close()
            raise
        self._data_version = -1
        self.tables: dict[str, TableDefinition] = {}
        self.files: dict[str, str] = {}  # table id -> file name
        self.backups: dict[str, Backup] = {}
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
        backups = self._connection.execute(f"SELECT {_BACKUP_COLUMNS} FROM backup ORDER BY id")
        self.backups = {row[0]: _backup(*row) for row in backups}

    # Tables

    def add(self, definition: TableDefinition, create_file: Callable[[str], None]) -> bool:
        """Store a new table; `create_file` makes the file of the name it is given.

        False, and nothing done, if the name is taken.
        """
        file = file_name(definition.name, definition.id)
        with self._transaction():
            taken = self._connection.execute(
                "SELECT 1 FROM dynamo_table WHERE name = ?", (definition.name,)
            ).get
            if taken is None:
                create_file(file)
                self._connection.execute(
                    "INSERT INTO dynamo_table (name, id, file, definition) VALUES (?, ?, ?, ?)",
                    (definition.name, definition.id, file, definition.to_json()),
                )
        if taken is not None:
            self._load()
            return False
        self.tables[definition.name] = definition
        self.files[definition.id] = file
        return True

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
        with self._transaction():
            self._connection.execute("DELETE FROM dynamo_table WHERE id = ?", (definition.id,))
        del self.tables[definition.name], self.files[definition.id]

    # Backups

    def add_backup(self, backup: Backup) -> None:
        with self._transaction():
            self._connection.execute(
                "INSERT INTO backup (id, name, table_name, table_id, created, expires, kind, items, size, "
                "available, file, definition) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
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
                    backup_file_name(backup),
                    backup.table.to_json(),
                ),
            )
        self.backups[backup.id] = backup

    def finish_backup(self, backup: Backup, place_file: Callable[[str], None]) -> bool:
        """Store that a backup is complete; `place_file` puts its file under the name it is given.

        False, and nothing done, if the backup was given up meanwhile.
        """
        with self._transaction():
            waits = self._connection.execute(
                "SELECT 1 FROM backup WHERE id = ? AND available = 0", (backup.id,)
            ).get
            if waits is not None:
                place_file(backup_file_name(backup))
                self._connection.execute("UPDATE backup SET available = 1 WHERE id = ?", (backup.id,))
        if waits is None:
            return False
        self.backups[backup.id] = replace(backup, available=True)
        return True

    def remove_backup(self, backup: Backup) -> None:
        with self._transaction():
            self._connection.execute("DELETE FROM backup WHERE id = ?", (backup.id,))
        self.backups.pop(backup.id, None)

    # Life

    def sweep_tables(self, directory: Path) -> None:
        """Delete files in `directory` that no table owns (left by a crash between two steps)."""
        with self._transaction():
            self._load()
            _sweep(directory, self.files.values())

    def sweep_backups(self, directory: Path) -> list[Backup]:
        """Forget the backups that a crash cut short, delete files that none owns; return those forgotten."""
        with self._transaction():
            self._load()
            torn = [backup for backup in self.backups.values() if not backup.available]
            self._connection.execute("DELETE FROM backup WHERE available = 0")
            for backup in torn:
                del self.backups[backup.id]
            _sweep(directory, map(backup_file_name, self.backups.values()))
        return torn

    def close(self) -> None:
        self._connection.close()

    def _transaction(self) -> apsw.Connection:
        self._connection.transaction_mode = "IMMEDIATE"
        return self._connection


def file_name(table: str, unique: str) -> str:
    """A readable prefix and an id: unique even where a file system ignores case."""
    prefix = re.sub(r"[^A-Za-z0-9_-]", "_", table)[:FILE_PREFIX_LENGTH]
    return f"{prefix}-{unique}.db"


def backup_file_name(backup: Backup) -> str:
    return file_name(backup.table.name, backup.id)


def _backup(
    backup_id: str,
    name: str,
    created: float,
    expires: float | None,
    kind: str,
    items: int,
    size: int,
    available: int,
    definition: str,
) -> Backup:
    table = TableDefinition.from_json(definition)
    return Backup(backup_id, name, created, table, items, size, kind, expires, bool(available))


def _sweep(directory: Path, owned: Iterable[str]) -> None:
    owned = set(owned)
    for path in directory.iterdir():
        # With its -wal and -shm. What is still being written ends in .part, and nobody owns it.
        if path.name.split(".db")[0] + ".db" not in owned:
            path.unlink(missing_ok=True)
