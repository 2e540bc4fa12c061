"""Whether a table's file holds what its items say: everything else in it is computed from them again.

The check reads one state of the file, whoever writes to it meanwhile. It trusts the
items alone: their sizes, the entries of every index, the counts and the sizes of item
collections all follow from them. alt/storage/sqlite/maintenance/repair.py mends what differs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import apsw
import ujson

from alt.storage.model.definition import TableDefinition
from alt.storage.model.entries import Entry
from alt.storage.model.items import Stored
from alt.storage.model.keys import EncodedKey, RowKey, row_key
from alt.storage.sqlite import connections, own_rows
from alt.storage.sqlite.checksums import is_sound
from alt.storage.sqlite.data_directory import UnusableDataError, using
from alt.storage.sqlite.indexes import Index
from alt.storage.sqlite.ranges import ITEM_COLUMNS
from alt.storage.sqlite.table import FORMAT
from alt.storage.sqlite.tables import Tables
from alt.values.keys import encode
from alt.values.sizes import item_size
from alt.values.types import Item

# What is being done, how many rows of how many are done. The total is 0 where it is not known.
Progress = Callable[[str, int, int], None]

PROGRESS_ROWS = 1_000

Partition = tuple[int, EncodedKey]  # slot and partition key
Drift = tuple[int, int]  # rows and bytes that the stored counts lack; negative for what they have too many


@dataclass(slots=True)
class Items:
    """The items as they stand."""

    rows: int = 0
    bytes: int = 0
    unreadable: int = 0  # no JSON, or no item of this table
    misplaced: int = 0  # stored under another key than their own
    missized: int = 0  # stored with another size than their own
    damaged: int = 0  # not what was stored, by their checksums


@dataclass(slots=True)
class Entries:
    """The entries of one index, against those its items should have."""

    rows: int = 0
    bytes: int = 0
    missing: int = 0  # items that should have one and have none
    extra: int = 0  # entries of no item, or under a key that is not its item's
    different: int = 0  # entries that hold something else than what is projected of their item
    lost: bool = False  # the index's table is gone or cannot be read

    @property
    def differ(self) -> bool:
        return bool(self.lost or self.missing or self.extra or self.different)


@dataclass(slots=True)
class Changes:
    """The change log."""

    rows: int = 0
    damaged: int = 0  # with an image that is not what was stored
    last_damaged: int = 0  # the number of the last of them


@dataclass(slots=True)
class Found:
    """What a check found. `damage` is in SQLite's words, `unreadable` names the SQL tables that are hurt by it."""

    definition: TableDefinition
    damage: list[str] = field(default_factory=list)
    unreadable: set[str] = field(default_factory=set)
    items: Items = field(default_factory=Items)
    indexes: dict[str, Entries] = field(default_factory=dict)
    counts: dict[str, Drift] = field(default_factory=dict)  # by SQL table, those that are wrong
    collections: dict[Partition, int] = field(default_factory=dict)  # bytes, of those that are wrong
    changes: Changes = field(default_factory=Changes)

    @property
    def is_sound(self) -> bool:
        items = self.items
        differs = any(entries.differ for entries in self.indexes.values())
        wrong = items.unreadable or items.misplaced or items.missized or items.damaged
        return not (
            self.damage or wrong or differs or self.counts or self.collections or self.changes.damaged
        )

    @property
    def only_indexes_are_unreadable(self) -> bool:
        """Whether all that damaged pages have taken can be computed from the items."""
        return self.unreadable <= {index.columns.table for index in wanted_indexes(self.definition)}


def check(store: Tables, name: str, progress: Progress) -> Found | None:
    """Check the table of this name; None if there is none, or it is still being restored and has no file.

    Raises UnusableDataError where there is nothing to read.
    """
    while (definition := store.definition(name)) is not None and definition.restore is None:
        path = store.file(definition)
        with _one_state(path, name) as connection:
            if store.definition(name) != definition:
                continue  # the definition must be the one of the state that is read
            with using(f"table {name} ({path})"):
                return _Check(connection, definition, progress).run()
    return None


def wanted_indexes(definition: TableDefinition) -> list[Index]:
    """The indexes that the file should have: those being deleted may be in any state."""
    return [Index(each, definition) for each in definition.indexes if each.status != "DELETING"]


def read_progress(connection: apsw.Connection, index: Index) -> None:
    """Let an index being built know how far it has come, so that it tells which items it should have."""
    found = connection.execute(
        "SELECT slot, pk, sk FROM backfill WHERE source = ?", (index.columns.table,)
    ).get
    index.backfilled = None if found is None else RowKey(*found)


def read_item(text: str) -> Item | None:
    """The item of a row, None if it is none."""
    try:
        item: Item = ujson.loads(text)
        item_size(item)
    except (ValueError, TypeError, AttributeError):
        return None
    return item


def own_key(definition: TableDefinition, item: Item) -> RowKey | None:
    """Where the item belongs, None if it lacks a key attribute."""
    try:
        hash_key, *range_key = (
            encode({key.type: item[key.name][key.type]}) for key in definition.key_attributes
        )
    except (KeyError, ValueError):
        return None
    return row_key(hash_key, *range_key)


class _Check:
    """A check under way."""

    def __init__(self, connection: apsw.Connection, definition: TableDefinition, progress: Progress) -> None:
        self._connection = connection
        self._execute = connection.execute
        self._found = Found(definition)
        self._progress = progress
        self._indexes: list[Index] = []
        self._expected: dict[str, int] = {}  # by index, how many entries there should be
        self._has_collections = any(not index.is_global for index in definition.indexes)

    def run(self) -> Found:
        self._check_pages()
        if self._found.only_indexes_are_unreadable:
            self._indexes = self._readable_indexes()
            self._check_items()
            for index in self._indexes:
                self._check_entries(index)
            self._check_counts()
            self._check_changes()
        return self._found

    def _check_pages(self) -> None:
        """SQLite's own check; where it finds something, also which SQL tables are hurt."""
        self._progress("Checking the file", 0, 0)
        self._found.damage = _integrity(self._connection, "integrity_check")
        if self._found.damage:
            tables = self._execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()
            for name in [str(name) for (name,) in tables]:
                if _integrity(self._connection, f'integrity_check("{name}")'):
                    self._found.unreadable.add(name if name.isidentifier() else f'"{name}"')
        for name in own_rows.lacking(self._connection):
            if name == "statistics":
                continue  # the counts are computed again from the items
            self._found.damage.append(f"{name} lost the row that every table has")
            self._found.unreadable.add(name)

    def _readable_indexes(self) -> list[Index]:
        readable = []
        for index in wanted_indexes(self._found.definition):
            entries = self._found.indexes[index.definition.name] = Entries()
            if index.columns.table in self._found.unreadable or not table_exists(self._connection, index):
                # One still to be built has no table yet, and an item in it neither.
                entries.lost = index.definition.status != "CREATING" or index.definition.backfilling
                continue
            read_progress(self._connection, index)
            self._expected[index.definition.name] = 0
            readable.append(index)
        return readable

    def _check_items(self) -> None:
        partition: Partition | None = None
        size = collections = 0
        total, _ = self._stored_counts(ITEM_COLUMNS.table) or (0, 0)
        for slot, pk, sk, stored_size, raw, stored_checksum in self._execute(
            "SELECT slot, pk, sk, size, CAST(item AS BLOB), checksum FROM item ORDER BY slot, pk, sk"
        ):
            self._found.items.damaged += not is_sound(raw, stored_checksum)
            text = raw.decode("utf-8", "replace")
            if self._has_collections and partition != (slot, pk):
                collections += self._check_collection(partition, size)
                partition, size = (slot, pk), 0
            size += self._check_item(RowKey(slot, pk, sk), Stored(stored_size, text))
            if self._found.items.rows % PROGRESS_ROWS == 0:
                self._progress("Checking the items", self._found.items.rows, total)
        if self._has_collections:
            collections += self._check_collection(partition, size)
            if collections != self._execute("SELECT count(*) FROM item_collection").get:
                self._find_stray_collections()

    def _check_item(self, row: RowKey, stored: Stored) -> int:
        """Check one row and its entries; its bytes in its item collection."""
        items = self._found.items
        items.rows += 1
        items.bytes += stored.size
        item = read_item(stored.text)
        own = None if item is None else own_key(self._found.definition, item)
        if item is None or own is None:
            items.unreadable += 1
            return stored.size
        right = Stored(item_size(item), stored.text)
        items.misplaced += own != row
        items.missized += right.size != stored.size
        size = right.size
        for index in self._indexes:
            entry = index.entry(row, item, right) if index.is_kept(row) else None
            if entry is None:
                continue
            entries = self._found.indexes[index.definition.name]
            self._expected[index.definition.name] += 1
            there = index.stored(self._connection, entry.key)
            if there is None:
                entries.missing += 1
            elif not is_same(there, entry):
                entries.different += 1
            if not index.definition.is_global:
                size += entry.size
        return size

    def _check_collection(self, partition: Partition | None, size: int) -> int:
        """Compare a collection's stored bytes; whether it is stored."""
        if partition is None:
            return 0
        stored: int | None = self._execute(
            "SELECT bytes FROM item_collection WHERE slot = ? AND pk = ?", partition
        ).get
        if size != (stored or 0):
            self._found.collections[partition] = size - (stored or 0)
        return stored is not None

    def _find_stray_collections(self) -> None:
        strays = self._execute(
            "SELECT slot, pk, bytes FROM item_collection AS collection WHERE NOT EXISTS "
            "(SELECT 1 FROM item WHERE item.slot = collection.slot AND item.pk = collection.pk)"
        )
        for slot, pk, size in strays:
            self._found.collections[slot, pk] = -size

    def _check_entries(self, index: Index) -> None:
        """Find entries that no item has: only where there are more of them than items account for."""
        name = index.definition.name
        entries = self._found.indexes[name]
        entries.rows, entries.bytes = self._recount(index.columns.table)
        if entries.rows == self._expected[name] - entries.missing:
            return
        keys = self._execute(f"SELECT {', '.join(index.columns.key)} FROM {index.columns.table}")
        for done, key in enumerate(keys, 1):
            if is_extra(self._connection, self._found.definition, index, key):
                entries.extra += 1
            if done % PROGRESS_ROWS == 0:
                self._progress(f"Checking the entries of {name}", done, entries.rows)

    def _check_counts(self) -> None:
        counted = {ITEM_COLUMNS.table: (self._found.items.rows, self._found.items.bytes)}
        for index in self._indexes:
            entries = self._found.indexes[index.definition.name]
            counted[index.columns.table] = (entries.rows, entries.bytes)
        for source, (rows, size) in counted.items():
            stored = self._stored_counts(source)
            stored_rows, stored_size = stored or (0, 0)
            if stored != (rows, size):
                self._found.counts[source] = (rows - stored_rows, size - stored_size)

    def _check_changes(self) -> None:
        changes = self._found.changes
        total: int = self._execute("SELECT count(*) FROM change").get
        rows = self._execute(
            "SELECT seq, CAST(old AS BLOB), old_checksum, CAST(new AS BLOB), new_checksum FROM change ORDER BY seq"
        )
        for number, old, old_checksum, new, new_checksum in rows:
            changes.rows += 1
            images = ((old, old_checksum), (new, new_checksum))
            if not all(image is None or is_sound(image, stored) for image, stored in images):
                changes.damaged += 1
                changes.last_damaged = number
            if changes.rows % PROGRESS_ROWS == 0:
                self._progress("Checking the change log", changes.rows, total)

    def _stored_counts(self, source: str) -> tuple[int, int] | None:
        """None where the row is gone, or is none of counts."""
        counts: tuple[int, int] | None = self._execute(
            f"SELECT items, bytes FROM statistics WHERE source = ? AND {own_rows.IS_COUNTS}", (source,)
        ).get
        return counts

    def _recount(self, source: str) -> tuple[int, int]:
        counts: tuple[int, int] = self._execute(f"SELECT count(*), coalesce(sum(size), 0) FROM {source}").get
        return counts


def is_extra(connection: apsw.Connection, definition: TableDefinition, index: Index, key: Any) -> bool:
    """Whether the entry of this key is none that the item it stands for should have."""
    found = connection.execute(
        "SELECT slot, pk, sk, size, item FROM item WHERE slot = ? AND pk = ? AND sk = ?",
        row_key(*key[-2:]),
    ).get
    if found is None:
        return True
    slot, pk, sk, size, text = found
    row, item = RowKey(slot, pk, sk), read_item(text)
    if item is None or own_key(definition, item) is None:
        return False  # nothing can be said of it
    entry = index.entry(row, item, Stored(size, text)) if index.is_kept(row) else None
    return entry is None or entry.key != key


def is_same(there: Stored, entry: Entry) -> bool:
    """Whether a stored entry is this one; its attributes may stand in another order."""
    if there.size != entry.size:
        return False
    return there.text == entry.text or read_item(there.text) == read_item(entry.text)


def table_name(index: Index) -> str:
    """The name of an index's table as SQLite's schema has it."""
    return index.columns.table.strip('"')


def table_exists(connection: apsw.Connection, index: Index) -> bool:
    found = connection.execute(
        "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?", (table_name(index),)
    ).get
    return found is not None


@contextmanager
def _one_state(path: Path, name: str) -> Iterator[apsw.Connection]:
    """A connection that sees one state of the file, whoever writes to it meanwhile."""
    if not path.exists():
        raise UnusableDataError(f"cannot use table {name}: its file {path} is gone")
    with using(f"table {name} ({path})"):
        connection = connections.connect(path)
        connections.check_format(connection, FORMAT)
    try:
        with using(f"table {name} ({path})"):
            connection.execute("BEGIN")
            connection.execute("SELECT count(*) FROM sqlite_schema").get  # noqa: B018 - begins the state
        yield connection
    finally:
        connection.close()


def _integrity(connection: apsw.Connection, pragma: str) -> list[str]:
    try:
        messages: list[Any] = connection.execute(f"PRAGMA {pragma}").fetchall()
    except apsw.Error as error:
        return [str(error)]
    return [str(message) for (message,) in messages if message != "ok"]
