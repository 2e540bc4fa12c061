"""Mend what a check found: sizes, index entries, counts and item collections, computed from the items again.

A server may go on serving the table. Rows are mended in bounded steps, each one
transaction of its own, in which every row it looks at is made to agree with its item;
writes between the steps keep that so. Nor are counts counted under a lock: what the
stored ones lack is known from the check, and writes, which only add and take away, do
not change it. Only damaged pages need a file that nobody else uses.
"""

from __future__ import annotations

from typing import Any

import apsw

from alt.config import MAX_ITEM_COLLECTION_BYTES
from alt.storage.model.items import Stored
from alt.storage.model.keys import NO_SORT_KEY, RowKey, layout_of
from alt.storage.model.ranges import SlotRange
from alt.storage.sqlite import connections, own_rows
from alt.storage.sqlite.checksums import checksum, is_sound
from alt.storage.sqlite.data_directory import using
from alt.storage.sqlite.indexes import Index
from alt.storage.sqlite.item_collections import ItemCollections
from alt.storage.sqlite.maintenance.check import (
    Found,
    Progress,
    check,
    is_extra,
    is_same,
    own_key,
    read_item,
    read_progress,
    table_exists,
    table_name,
    wanted_indexes,
)
from alt.storage.sqlite.ranges import rows_of
from alt.storage.sqlite.statistics import Statistics
from alt.storage.sqlite.steps import STEP_ROWS
from alt.storage.sqlite.tables import Tables
from alt.values.sizes import item_size


def repair(store: Tables, found: Found, progress: Progress) -> Found | None:
    """Mend what was found, short of damaged pages; what a check finds afterwards.

    Items that cannot be read, or that stand under a key not their own, stay as they are. One that is
    not what was stored, but can be read, counts as it is from now on: else it could be neither read nor replaced.
    A change log begins after the last change that is not what was stored.
    Raises UnusableDataError where the file cannot be written.
    """
    name = found.definition.name
    with using(f"table {name}"):
        connection = _connect(store, found)
        try:
            _Repair(connection, found, progress).mend_rows()
            _Repair(connection, found, progress).trim_changes()
            after = check(store, name, progress)
            if after is not None and (after.counts or after.collections):
                _Repair(connection, after, progress).mend_counts()
                after = check(store, name, progress)
        finally:
            connection.close()
    return after


def rewrite(store: Tables, found: Found) -> None:
    """Write a file with damaged pages anew, the damaged indexes empty; `repair` fills them again.

    For one who holds the server's lock. Raises UnusableDataError where more is damaged than indexes.
    """
    with using(f"table {found.definition.name}"):
        connection = _connect(store, found)
        try:
            damaged = [
                index for index in wanted_indexes(found.definition) if index.columns.table in found.unreadable
            ]
            # DROP TABLE would walk the damaged pages. Without the table, VACUUM leaves them behind.
            version: int = connection.pragma("schema_version")
            connection.pragma("writable_schema", True)
            with connections.transaction(connection):
                for index in damaged:
                    connection.execute("DELETE FROM sqlite_schema WHERE name = ?", (table_name(index),))
                connection.pragma("schema_version", version + 1)
            connection.execute("PRAGMA writable_schema = RESET")
            with connections.transaction(connection):
                for index in damaged:
                    _create_again(connection, index)
            connection.execute("VACUUM")
        finally:
            connection.close()


class _Repair:
    def __init__(self, connection: apsw.Connection, found: Found, progress: Progress) -> None:
        self._connection = connection
        self._cursor = connection.cursor()
        self._found = found
        self._progress = progress
        # Of no use: rows are mended first, and the counts then by what a check says they lack.
        self._statistics = Statistics(self._cursor)

    def mend_rows(self) -> None:
        """Sizes of items, and the entries of the indexes that differ."""
        found = self._found
        indexes = [
            index
            for index in wanted_indexes(found.definition)
            if found.items.missized or found.indexes[index.definition.name].differ
        ]
        for index in indexes:
            if found.indexes[index.definition.name].lost and not table_exists(self._connection, index):
                with connections.transaction(self._connection):
                    _create_again(self._connection, index)
        if indexes or found.items.missized or found.items.damaged:
            self._mend_items(indexes)
        for index in indexes:
            self._mend_entries(index)

    def trim_changes(self) -> None:
        """Take away the changes that are not what was stored, with all before them: a log has no gaps."""
        changes = self._found.changes
        left = bool(changes.damaged)
        while left:
            self._progress("Trimming the change log", 0, 0)
            with connections.transaction(self._connection):
                self._cursor.execute(
                    "DELETE FROM change WHERE seq IN (SELECT seq FROM change WHERE seq <= ? ORDER BY seq LIMIT ?)",
                    (changes.last_damaged, STEP_ROWS),
                )
                left = self._connection.changes() == STEP_ROWS

    def mend_counts(self) -> None:
        """The counts of items and entries, and the sizes of item collections."""
        with connections.transaction(self._connection):
            for source, drift in self._found.counts.items():
                self._cursor.execute(
                    f"DELETE FROM statistics WHERE source = ? AND NOT ({own_rows.IS_COUNTS})", (source,)
                )
                self._cursor.execute("INSERT OR IGNORE INTO statistics (source) VALUES (?)", (source,))
                self._cursor.execute(
                    "UPDATE statistics SET items = items + ?, bytes = bytes + ? WHERE source = ?",
                    (*drift, source),
                )
        collections = ItemCollections(self._cursor, MAX_ITEM_COLLECTION_BYTES)
        collections.is_limited = False
        wrong = list(self._found.collections.items())
        for first in range(0, len(wrong), STEP_ROWS):
            self._progress("Mending item collections", first, len(wrong))
            with connections.transaction(self._connection):
                for (slot, pk), size in wrong[first : first + STEP_ROWS]:
                    collections.add(RowKey(slot, pk, NO_SORT_KEY), size)

    def _mend_items(self, indexes: list[Index]) -> None:
        rows: SlotRange | None = SlotRange()
        done = 0
        while rows is not None:
            self._progress("Mending items and entries", done, self._found.items.rows)
            with connections.transaction(self._connection):
                for index in indexes:
                    read_progress(self._connection, index)
                step = self._step(rows, "slot, pk, sk, size, CAST(item AS BLOB), checksum")
                for slot, pk, sk, size, text, stored_checksum in step:
                    stored = Stored(size, text.decode("utf-8", "replace"))
                    self._mend_item(
                        RowKey(slot, pk, sk), stored, indexes, is_damaged=not is_sound(text, stored_checksum)
                    )
            done += len(step)
            rows = rows.after(step[-1][:3]) if step else None

    def _mend_item(self, row: RowKey, stored: Stored, indexes: list[Index], *, is_damaged: bool) -> None:
        item = read_item(stored.text)
        if item is None or own_key(self._found.definition, item) is None:
            return
        right = Stored(item_size(item), stored.text)
        if is_damaged:
            self._cursor.execute(
                "UPDATE item SET item = ?, checksum = ? WHERE slot = ? AND pk = ? AND sk = ?",
                (right.text, checksum(right.text), *row),
            )
        if right.size != stored.size:
            self._cursor.execute(
                "UPDATE item SET size = ? WHERE slot = ? AND pk = ? AND sk = ?", (right.size, *row)
            )
        for index in indexes:
            entry = index.entry(row, item, right) if index.is_kept(row) else None
            if entry is None:
                continue
            there = index.stored(self._connection, entry.key)
            if there is None or not is_same(there, entry):
                index.change(self._cursor, self._statistics, None, entry)

    def _mend_entries(self, index: Index) -> None:
        """Take away the entries that no item has."""
        name, columns = index.definition.name, index.columns
        rows: SlotRange | None = SlotRange(layout_of(index.definition))
        done = 0
        while rows is not None:
            self._progress(f"Mending {name}", done, self._found.indexes[name].rows)
            with connections.transaction(self._connection):
                read_progress(self._connection, index)
                step = self._step(rows, ", ".join(columns.key))
                for key in step:
                    if is_extra(self._connection, self._found.definition, index, key):
                        index.remove(self._cursor, self._statistics, key, 0)
            done += len(step)
            rows = rows.after(step[-1]) if step else None

    def _step(self, rows: SlotRange, wanted: str) -> list[Any]:
        clause, values = rows_of(rows)
        found: list[Any] = self._cursor.execute(
            f"SELECT {wanted} FROM {clause} LIMIT ?", (*values, STEP_ROWS)
        ).fetchall()
        return found


def _connect(store: Tables, found: Found) -> apsw.Connection:
    return connections.connect(store.file(found.definition))


def _create_again(connection: apsw.Connection, index: Index) -> None:
    """Make the empty table of an index that has lost its own."""
    cursor = connection.cursor()
    cursor.execute("DELETE FROM statistics WHERE source = ?", (index.columns.table,))
    index.create(cursor)
