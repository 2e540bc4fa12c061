"""Where items are: the key of one, and the order in which a table and its indexes are read.

A table's items and each index's entries are clustered alike: by slot (a hash of the hash key), hash
key, range key, and for an index the key of the item. Values of keys are encoded so that their
order is DynamoDB's (alt/values/keys.py).
"""

from __future__ import annotations

import zlib
from typing import Any, NamedTuple

from alt.storage.model.definition import IndexDefinition

EncodedKey = str | bytes  # alt/values/keys.py

NO_SORT_KEY = b""
SLOTS = 1 << 31


class RowKey(NamedTuple):
    """An item's slot and its encoded partition and sort keys."""

    slot: int
    pk: EncodedKey
    sk: EncodedKey


_new = tuple.__new__  # what RowKey's own does, without a call in Python

# The key of an item or an index entry: the slot, its hash and range values, and of an entry the item's own key.
Key = tuple[Any, ...]

# After every item.
END = RowKey(SLOTS, b"", b"")
# Of no item: the key of what a transaction can only refuse.
NOWHERE = RowKey(-1, b"", b"")


class Layout(NamedTuple):
    """What the keys of a table's items, or of one index's entries, consist of.

    `source` is None for the items; else it names an index, uniquely among all a table ever had.
    """

    source: str | None
    hash_keys: int
    range_keys: int


# A table without a sort key has the same one everywhere.
ITEMS = Layout(None, 1, 1)


def layout_of(index: IndexDefinition | None) -> Layout:
    if index is None:
        return ITEMS
    return Layout(f"{index.name} {index.id}", len(index.hash_keys), len(index.range_keys))


def row_key(pk: EncodedKey, sk: EncodedKey = NO_SORT_KEY) -> RowKey:
    raw = pk.encode() if isinstance(pk, str) else pk
    return _new(RowKey, (zlib.crc32(raw) >> 1, pk, sk))


def slot_of(hash_values: tuple[EncodedKey, ...]) -> int:
    """The slot of a hash key of one or more attributes; of one, it is what `row_key` gives."""
    crc = 0
    for value in hash_values:
        crc = zlib.crc32(value.encode() if type(value) is str else value, crc)  # type: ignore[arg-type]
    return crc >> 1
