"""Where items are: the key of one, and the order in which a table and its indexes are read.

A table's items and each index's entries are clustered alike: by slot, hash key, range key, and for
an index the key of the item. Values of keys are encoded so that their order is DynamoDB's
(alt/values/keys.py).

The slot is the leading bits of the hash by which the service itself keeps partitions, so that a Scan
returns items in the service's order, and a segment holds what it holds there. The hash is not
documented; recordings of the service are reproduced by it (tests/api/test_scan.py). That the hash of a
key of several attributes is that of their bytes one after the other is a guess.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from alt.storage.model.definition import IndexDefinition

try:
    # hashlib asks OpenSSL, which takes a microsecond more for what is as short as a key.
    from _md5 import md5  # type: ignore[import-not-found,unused-ignore]
except ImportError:  # a Python that was built without it
    from hashlib import md5

EncodedKey = str | bytes  # alt/values/keys.py

NO_SORT_KEY = b""
# Of six bytes, which SQLite stores as such: two keys of a million meet in one once in three hundred tables.
SLOTS = 1 << 47
_HASH_PREFIX = b"Outliers"


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
    return _new(RowKey, (_slot(raw), pk, sk))


def slot_of(hash_values: tuple[EncodedKey, ...]) -> int:
    """The slot of a hash key of one or more attributes; of one, it is what `row_key` gives."""
    raw = b"".join([value.encode() if isinstance(value, str) else value for value in hash_values])
    return _slot(raw)


def _slot(raw: bytes) -> int:
    return int.from_bytes(md5(_HASH_PREFIX + raw).digest()[:6], "big") >> 1
