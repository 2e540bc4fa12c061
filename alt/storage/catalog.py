"""The catalog: which tables there are, kept in `catalog.db` and mirrored in memory.

Another process (the CLI) may change the file at any time; `refresh` notices by
SQLite's `PRAGMA data_version`, which changes when another connection commits.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw

from alt.config import Sync
from alt.storage import sqlite
from alt.storage.definition import TableDefinition

FORMAT = 1
FILE_PREFIX_LENGTH = 40


class NewerFormatError(Exception):
    """The data was written by a newer version of Alt."""


class Catalog:
    """The tables by name. `path` None keeps the catalog in memory."""

    def __init__(self, path: Path | None, sync: Sync = "full") -> None:
        self._connection = sqlite.connect(sqlite.MEMORY if path is None else path, sync)
        if sqlite.is_empty(self._connection):
            sqlite.create(self._connection, "catalog", FORMAT)
        version = self._connection.pragma("user_version")
        if version != FORMAT or self._connection.pragma("application_id") != sqlite.APPLICATION_ID:
            self._connection.close()
            raise NewerFormatError(f"{path} has format {version}; this version of Alt reads format {FORMAT}")
        self._data_version = -1
        self.tables: dict[str, TableDefinition] = {}
        self.files: dict[str, str] = {}  # table id -> file name
        self.refresh()

    def refresh(self) -> bool:
        """Read the tables again if another process changed them; True if so."""
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

    def add(self, definition: TableDefinition, create_file: Callable[[str], None]) -> bool:
        """Store a new table; `create_file` makes the file of the name it is given.

        False, and nothing done, if the name is taken.
        """
        file = file_name(definition)
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
            self._connection.execute(
                "UPDATE dynamo_table SET definition = ? WHERE id = ?", (definition.to_json(), definition.id)
            )
        self.tables[definition.name] = definition

    def remove(self, definition: TableDefinition) -> None:
        with self._transaction():
            self._connection.execute("DELETE FROM dynamo_table WHERE id = ?", (definition.id,))
        del self.tables[definition.name], self.files[definition.id]

    def sweep(self, directory: Path) -> None:
        """Delete files in `directory` that no table owns (left by a crash between two steps)."""
        with self._transaction():
            self._load()
            owned = set(self.files.values())
            for path in directory.iterdir():
                if path.name.split(".db")[0] + ".db" not in owned:
                    path.unlink(missing_ok=True)

    def close(self) -> None:
        self._connection.close()

    def _transaction(self) -> apsw.Connection:
        self._connection.transaction_mode = "IMMEDIATE"
        return self._connection


def file_name(definition: TableDefinition) -> str:
    """A readable prefix and the table's id: unique even where a file system ignores case."""
    prefix = re.sub(r"[^A-Za-z0-9_-]", "_", definition.name)[:FILE_PREFIX_LENGTH]
    return f"{prefix}-{definition.id}.db"
