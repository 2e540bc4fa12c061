"""Secondary indexes: generated tables beside the item table, kept in the same transaction.

An entry holds exactly what the index projects, so that a Query of it reads nothing
else. An item that lacks a key attribute, or has one of another type, empty or too
long, has no entry.
"""

from __future__ import annotations

from importlib.resources import files
from typing import Any, NamedTuple

import apsw
import ujson

from alt.config import MAX_HASH_KEY_BYTES, MAX_RANGE_KEY_BYTES
from alt.storage.model.definition import IndexDefinition, TableDefinition
from alt.storage.model.rows import Columns, EncodedKey, Key, RowKey, slot_of
from alt.storage.sqlite.statistics import Statistics
from alt.values.keys import encode, key_size
from alt.values.sizes import item_size
from alt.values.types import Item

KeyTypes = list[tuple[str, str]]  # attributes and their types

MAX_UTF8_BYTES = 4  # of a character


class Entry(NamedTuple):
    """An index's row: its key, the bytes of what it projects, and that as JSON."""

    key: Key
    size: int
    text: str


class Stored(NamedTuple):
    """An item as it is stored: its bytes and its JSON."""

    size: int
    text: str


class EntryChange(NamedTuple):
    """What a write did to one index: bytes of the entry before and after, 0 for none.

    `is_moved`: both are there, under different keys.
    """

    definition: IndexDefinition
    old_size: int
    new_size: int
    is_moved: bool


class Index:
    """One index of an open table.

    While it is being built, `backfilled` is the last item that has been taken in (None
    before the first, END after the last); writes keep entries up to there, and the rest
    come in their turn.
    """

    def __init__(self, definition: IndexDefinition, table: TableDefinition) -> None:
        self.definition = definition
        self.columns = index_columns(definition)
        self.backfilled: RowKey | None = None
        self._hash_keys = [(key.name, key.type) for key in definition.hash_keys]
        self._range_keys = [(key.name, key.type) for key in definition.range_keys]
        self._projected: frozenset[str] | None = None
        if definition.projection != "ALL":
            keys = (*definition.key_attributes, *table.key_attributes)
            self._projected = frozenset([key.name for key in keys] + list(definition.non_key_attributes))
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

    def entry(self, row: RowKey, item: Item, stored: Stored) -> Entry | None:
        """The item's entry, if it has one."""
        hash_values = _key_values(item, self._hash_keys, MAX_HASH_KEY_BYTES)
        if hash_values is None:
            return None
        range_values = _key_values(item, self._range_keys, MAX_RANGE_KEY_BYTES)
        if range_values is None:
            return None
        key = (slot_of(hash_values), *hash_values, *range_values, row.pk, row.sk)
        if self._projected is None:
            return Entry(key, stored.size, stored.text)
        projected = {name: value for name, value in item.items() if name in self._projected}
        text = ujson.dumps(projected, ensure_ascii=False, escape_forward_slashes=False)
        return Entry(key, item_size(projected), text)

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


def index_columns(definition: IndexDefinition) -> Columns:
    """The index's table: named for people after the index, and unique by its id.

    No name that a client can choose begins like SQLite's own, or like another table's.
    """
    return Columns(
        table=f'"index {definition.name} {definition.id}"',
        hash=tuple(f"h{position}" for position in range(len(definition.hash_keys))),
        range=tuple(f"r{position}" for position in range(len(definition.range_keys))),
        tail=("pk", "sk"),
    )


def _key_values(item: Item, keys: KeyTypes, limit: int) -> tuple[EncodedKey, ...] | None:
    """What an item has for key attributes, as columns; None where that is no key."""
    columns: list[EncodedKey] = []
    length = 0
    for name, kind in keys:
        value = item.get(name)
        content = None if value is None else value.get(kind)
        if not content:
            return None
        column = content if kind == "S" else encode(value)  # type: ignore[arg-type]
        length += len(column)
        columns.append(column)
    if length * MAX_UTF8_BYTES > limit and sum(key_size(item[name]) for name, _ in keys) > limit:
        return None
    return tuple(columns)


def _create_statement(columns: Columns) -> str:
    template = files("alt.sql").joinpath("sqlite", "index.sql").read_text(encoding="utf-8")
    declared = "".join(f"{column} NOT NULL, " for column in columns.key[1:])
    filled: dict[str, Any] = {"name": columns.table, "columns": declared, "key": ", ".join(columns.key)}
    return template.format(**filled)
