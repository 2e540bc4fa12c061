"""What an item has for a secondary index: an entry, which holds exactly what the index projects.

An item that lacks a key attribute, or has one of another type, empty or too long, has no entry.
"""

from __future__ import annotations

from typing import NamedTuple

from alt.config import MAX_HASH_KEY_BYTES, MAX_RANGE_KEY_BYTES
from alt.storage.model.definition import IndexDefinition, KeyAttribute, TableDefinition
from alt.storage.model.items import Stored
from alt.storage.model.keys import EncodedKey, Key, RowKey, slot_of
from alt.values.json import dumps
from alt.values.keys import encode, key_size
from alt.values.sizes import item_size
from alt.values.types import Item

MAX_UTF8_BYTES = 4  # of a character


class Entry(NamedTuple):
    """An index's row: its key, the bytes of what it projects, and that as JSON."""

    key: Key
    size: int
    text: str


class EntryMaker:
    """Makes the entries of one index of a table."""

    def __init__(self, index: IndexDefinition, table: TableDefinition) -> None:
        self._hash_keys = _names_and_types(index.hash_keys)
        self._range_keys = _names_and_types(index.range_keys)
        self._projected = table.projected_names(index)

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
        return Entry(key, item_size(projected), dumps(projected))


def _names_and_types(keys: tuple[KeyAttribute, ...]) -> list[tuple[str, str]]:
    return [(key.name, key.type) for key in keys]


def _key_values(item: Item, keys: list[tuple[str, str]], limit: int) -> tuple[EncodedKey, ...] | None:
    """What an item has for key attributes, encoded; None where that is no key."""
    values: list[EncodedKey] = []
    length = 0
    for name, kind in keys:
        value = item.get(name)
        content = None if value is None else value.get(kind)
        if not content:
            return None
        encoded = content if kind == "S" else encode(value)  # type: ignore[arg-type]
        length += len(encoded)
        values.append(encoded)
    if length * MAX_UTF8_BYTES > limit and sum(key_size(item[name]) for name, _ in keys) > limit:
        return None
    return tuple(values)
