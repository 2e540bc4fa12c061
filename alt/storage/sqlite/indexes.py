"""Secondary indexes: generated tables beside the item table, kept in the same transaction.

An entry (alt/storage/model/entries.py) holds exactly what the index projects, so that a Query of it
reads nothing else.
"""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import apsw

from alt.storage.model.definition import IndexDefinition, TableDefinition
from alt.storage.model.entries import Entry, EntryMaker
from alt.storage.model.items import EntryChange, Stored
from alt.storage.model.keys import Key, RowKey, layout_of
from alt.storage.sqlite.ranges import Columns, columns_of
from alt.storage.sqlite.statistics import Statistics


class Index(EntryMaker):
    """One index of an open table.

    While it is being built, `backfilled` is the last item that has been taken in (None
    before the first, END after the last); writes keep entries up to there, and the rest
    come in their turn.
    """

    def __init__(self, definition: IndexDefinition, table: TableDefinition) -> None:
        super().__init__(definition, table)
        self.definition = definition
        self.columns = columns_of(layout_of(definition))
        self.backfilled: RowKey | None = None
        columns = (*self.columns.key, "size", "item")
        holes = ", ".join("?" * len(columns))
        matches = " AND ".join(f"{column} = ?" for column in self.columns.key)
        self._put = f"INSERT OR REPLACE INTO {self.columns.table} ({', '.join(columns)}) VALUES ({holes})"
        self._delete = f"DELETE FROM {self.columns.table} WHERE {matches}"
        self._get = f"SELECT size, CAST(item AS BLOB) FROM {self.columns.table} WHERE {matches}"

    def is_kept(self, row: RowKey) -> bool:
        """Whether a write of this row must keep the index."""
        status = self.definition.status
        if status == "CREATING":
            return self.backfilled is not None and row <= self.backfilled
        return status != "DELETING"

    def stored(self, connection: apsw.Connection, key: Key) -> Stored | None:
        """What the entry of this key holds, if there is one."""
        found = connection.execute(self._get, key).get
        if found is None:
            return None
        size, text = found
        return Stored(size, text.decode("utf-8", "replace"))  # what is damaged may be no UTF-8

    def change(
        self, cursor: apsw.Cursor, statistics: Statistics, old: Entry | None, new: Entry | None
    ) -> EntryChange | None:
        """Put the new entry in the old one's place; None if they are the same."""
        if new == old:
            return None
        is_moved = old is not None and new is not None and new.key != old.key
        if old is not None and (new is None or is_moved):
            cursor.execute(self._delete, old.key)
        if new is not None:
            cursor.execute(self._put, (*new.key, new.size, new.text))
        old_size, new_size = (0 if entry is None else entry.size for entry in (old, new))
        statistics.add(self.columns.table, (new is not None) - (old is not None), new_size - old_size)
        return EntryChange(self.definition, old_size, new_size, is_moved)

    def remove(self, cursor: apsw.Cursor, statistics: Statistics, key: Key, size: int) -> None:
        """Remove the entry of this key, whatever the items say."""
        cursor.execute(self._delete, key)
        statistics.add(self.columns.table, -1, -size)

    def create(self, cursor: apsw.Cursor) -> None:
        """Make the index's empty table, unless it is there."""
        exists = cursor.execute("SELECT 1 FROM statistics WHERE source = ?", (self.columns.table,)).get
        if exists is None:
            cursor.execute(_create_statement(self.columns))
            cursor.execute("INSERT INTO statistics (source) VALUES (?)", (self.columns.table,))

    def drop(self, cursor: apsw.Cursor) -> None:
        cursor.execute(f"DROP TABLE IF EXISTS {self.columns.table}")
        for table in ("statistics", "backfill"):
            cursor.execute(f"DELETE FROM {table} WHERE source = ?", (self.columns.table,))


def _create_statement(columns: Columns) -> str:
    template = files("alt.sql").joinpath("sqlite", "index.sql").read_text(encoding="utf-8")
    declared = "".join(f"{column} NOT NULL, " for column in columns.key[1:])
    filled: dict[str, Any] = {"name": columns.table, "columns": declared, "key": ", ".join(columns.key)}
    return template.format(**filled)
