"""Keys as bytes of one column, in whose order the rows of a table or an index are.

The values of a key are written one after the other, each ended by `00 01`; a zero byte within one is `00 FF`. So keys
are ordered as the tuples of their values are, no key is the beginning of another, and what begins with given values is
an interval.

A row of PostgreSQL's indexes has room for 2,704 bytes, and DynamoDB's keys may have 6,144. So a long value whose order
nobody asks for, of a hash key, or of the item's key at the end of an index entry's, is its SHA-256, after `00 FE`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

from alt.storage.model.definition import KeyAttribute, TableDefinition
from alt.storage.model.keys import NO_SORT_KEY, EncodedKey, Layout, RowKey, row_key
from alt.storage.model.ranges import PartitionRange, SlotRange
from alt.values.keys import encode
from alt.values.types import Item

_ZERO, _ESCAPED_ZERO = b"\x00", b"\x00\xff"
END = b"\x00\x01"
_AFTER_END = b"\x00\x02"  # after whatever begins with the same values, and before any other value
_DIGEST = b"\x00\xfe"
MAX_VALUE_BYTES = 64  # of one that stands for itself
_SOURCE_BYTES = 8

# Where a row is: its source, its slot, its key.
Place = tuple[int, int, bytes]


class Interval(NamedTuple):
    """Of one slot the keys from `low` up to but not including `high`."""

    slot: int
    low: bytes
    high: bytes


def source_of(table_id: str, layout: Layout) -> int:
    """The number that the rows of a table or an index have: told from its name, so that nobody has to give it out."""
    return _number(f"{table_id} {layout.source or ''}")


def backup_source(backup_id: str) -> int:
    return _number(f"backup {backup_id}")


def expiry_source(table_id: str, changed: float) -> int:
    """Of what says when a table's items expire; `changed`: when its TimeToLive was turned on."""
    return _number(f"{table_id} expiry {changed!r}")


def _number(name: str) -> int:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:_SOURCE_BYTES], "big") >> 1


def composed(layout: Layout, key: Sequence[EncodedKey], begun: int = 0) -> bytes:
    """The values of a key, but for its slot, of which the first `begun` stand elsewhere."""
    ranges = range(layout.hash_keys, layout.hash_keys + layout.range_keys)
    return b"".join(
        [(_raw(value) if place in ranges else _short(value)) + END for place, value in enumerate(key, begun)]
    )


def place(source: int, key: RowKey) -> Place:
    """Where an item is. This is the hot path."""
    slot, pk, sk = key
    return source, slot, _short(pk) + END + _raw(sk) + END


def collection_key(pk: EncodedKey) -> bytes:
    """What the keys of a partition's items begin with."""
    return _short(pk) + END


def whole(key: RowKey) -> bytes:
    """The values of an item's key, none shortened: where it has to be told again, and is in no index."""
    return _raw(key.pk) + END + _raw(key.sk) + END


def whole_key(definition: TableDefinition, slot: int, text: bytes) -> RowKey:
    """The key that `whole` was given."""
    pk, sk = [value.replace(_ESCAPED_ZERO, _ZERO) for value in text[: -len(END)].split(END)]
    range_key = definition.range_key
    return RowKey(
        slot, _typed(pk, definition.hash_key), NO_SORT_KEY if range_key is None else _typed(sk, range_key)
    )


def key_of(definition: TableDefinition, item: Item) -> RowKey:
    """The key of an item, told from the item itself."""
    range_key = definition.range_key
    return row_key(
        _encoded(item, definition.hash_key), NO_SORT_KEY if range_key is None else _encoded(item, range_key)
    )


def _encoded(item: Item, attribute: KeyAttribute) -> EncodedKey:
    value = item[attribute.name]
    content: str = value[attribute.type]
    return content if attribute.type == "S" else encode(value)


def _typed(value: bytes, attribute: KeyAttribute) -> EncodedKey:
    return value.decode() if attribute.type == "S" else value


def _raw(value: EncodedKey) -> bytes:
    raw = value.encode() if isinstance(value, str) else value
    return raw.replace(_ZERO, _ESCAPED_ZERO) if _ZERO in raw else raw


def _short(value: EncodedKey) -> bytes:
    raw = _raw(value)
    if len(raw) <= MAX_VALUE_BYTES:
        return raw
    return _DIGEST + hashlib.sha256(raw).hexdigest().encode()


def interval(keys: PartitionRange) -> Interval:
    """What a range of one partition is; a descending one as well, which is read from its end."""
    given = keys.prefix[1:]
    prefix = composed(keys.layout, given)
    low, high = prefix, prefix[: -len(END)] + _AFTER_END
    if keys.low is not None:
        operator, value = keys.low
        low = prefix + _raw(value) + (_AFTER_END if operator == ">" else END)
    if keys.high is not None:
        operator, value = keys.high
        high = prefix + _raw(value) + (END if operator == "<" else _AFTER_END)
    if keys.start is not None:
        start = prefix + composed(keys.layout, keys.start, len(given))
        if keys.descending:
            high = min(high, start)
        else:
            low = max(low, after(start))
    return Interval(keys.prefix[0], low, high)


def first_of(keys: SlotRange) -> tuple[int, bytes]:
    """The slot and the key with which a range of slots begins."""
    if keys.start is None:
        return keys.first, b""
    return keys.start[0], after(composed(keys.layout, keys.start[1:]))


def after(key: bytes) -> bytes:
    """The least that is more than a key."""
    return key + _ZERO
