"""Where rows are: the key of one, and the ranges that Query and Scan read.

The item table and every index table are clustered alike: by slot (a hash of the hash
key), hash key, range key, and for an index the key of the item. Both kinds of range
are contiguous in that order, and state their bounds so that SQLite seeks to the
first row and stops after the last.
"""

from __future__ import annotations

import zlib
from functools import lru_cache
from typing import Any, NamedTuple

EncodedKey = str | bytes  # alt/values/keys.py

NO_SORT_KEY = b""
SLOTS = 1 << 31


class Columns(NamedTuple):
    """A clustered table: its SQL name, quoted as need be, and its key's columns after `slot`.

    `tail` makes the keys of an index unique: the item's own key.
    """

    table: str
    hash: tuple[str, ...]
    range: tuple[str, ...]
    tail: tuple[str, ...] = ()

    @property
    def key(self) -> tuple[str, ...]:
        return ("slot", *self.hash, *self.range, *self.tail)


ITEMS = Columns("item", ("pk",), ("sk",))


class RowKey(NamedTuple):
    """An item's slot and its encoded partition and sort keys."""

    slot: int
    pk: EncodedKey
    sk: EncodedKey


_new = tuple.__new__  # what RowKey's own does, without a call in Python

# The key of a row of any clustered table, in the order of its Columns.key.
Key = tuple[Any, ...]

# After every row.
END = RowKey(SLOTS, b"", b"")


def row_key(pk: EncodedKey, sk: EncodedKey = NO_SORT_KEY) -> RowKey:
    raw = pk.encode() if isinstance(pk, str) else pk
    return _new(RowKey, (zlib.crc32(raw) >> 1, pk, sk))


def slot_of(hash_values: tuple[EncodedKey, ...]) -> int:
    """The slot of a hash key of one or more attributes; of one, it is what `row_key` gives."""
    crc = 0
    for value in hash_values:
        crc = zlib.crc32(value.encode() if type(value) is str else value, crc)  # type: ignore[arg-type]
    return crc >> 1


Bound = tuple[str, EncodedKey]  # a comparison operator and a key value


class PartitionRange(NamedTuple):
    """Rows whose key begins with `prefix`: the slot, the hash key, and equal range attributes.

    `low` (`>` or `>=`) and `high` bound the range attribute that follows the prefix;
    `start` is the rest of the key of a row, after which the range begins.
    """

    columns: Columns
    prefix: Key
    low: Bound | None = None
    high: Bound | None = None
    descending: bool = False
    start: Key | None = None

    def after(self, key: Key) -> PartitionRange:
        """What follows the row of `key`, which lies inside the range."""
        return self._replace(start=key[len(self.prefix) :])

    def contains(self, key: Key) -> bool:
        """Whether a row of `key` would lie in the range."""
        length = len(self.prefix)
        if key[:length] != self.prefix:
            return False
        if self.low is None and self.high is None:
            return True
        value = key[length]
        above = self.low is None or value > self.low[1] or (self.low[0] == ">=" and value == self.low[1])
        below = self.high is None or value < self.high[1] or (self.high[0] == "<=" and value == self.high[1])
        return above and below

    @property
    def _bounds(self) -> tuple[Bound | None, Bound | None]:
        """Those that SQL is given. The start stands in for one: SQLite seeks by one bound a side."""
        if self.start is None:
            return self.low, self.high
        return (self.low, None) if self.descending else (None, self.high)

    @property
    def is_reversed(self) -> bool:
        """Whether the upper bound is below the lower one."""
        low: Any = self.low
        high: Any = self.high
        return low is not None and high is not None and bool(low[1] > high[1])

    @property
    def clause(self) -> str:
        """SQL from the table's name to the order of the rows."""
        low, high = self._bounds
        return _partition_clause(
            self.columns,
            len(self.prefix),
            None if low is None else low[0],
            None if high is None else high[0],
            self.descending,
            self.start is not None,
        )

    @property
    def values(self) -> Key:
        """What the clause binds."""
        low, high = self._bounds
        values = self.prefix
        if low is not None:
            values += (low[1],)
        if high is not None:
            values += (high[1],)
        return values if self.start is None else values + self.start


class SlotRange(NamedTuple):
    """Rows of the slots from `first` up to but not including `end`: a Scan or one of its segments."""

    columns: Columns = ITEMS
    first: int = 0
    end: int = SLOTS
    start: Key | None = None

    @staticmethod
    def segment(columns: Columns, segment: int, total: int) -> SlotRange:
        return SlotRange(columns, segment * SLOTS // total, (segment + 1) * SLOTS // total)

    def after(self, key: Key) -> SlotRange:
        return self._replace(start=key)

    def contains(self, key: Key) -> bool:
        return bool(self.first <= key[0] < self.end)

    @property
    def clause(self) -> str:
        """SQL from the table's name to the order of the rows."""
        columns = self.columns
        begins = "slot >= ?" if self.start is None else _beyond(columns.key, ">")
        return f"{columns.table} WHERE {begins} AND slot < ? ORDER BY {', '.join(columns.key)}"

    @property
    def values(self) -> Key:
        """What the clause binds."""
        return (self.first, self.end) if self.start is None else (*self.start, self.end)


@lru_cache(maxsize=1_024)
def _partition_clause(
    columns: Columns, prefix: int, low: str | None, high: str | None, descending: bool, has_start: bool
) -> str:
    """`prefix`: how many of the key's columns it fixes; `low` and `high`: the operators on the next one."""
    fixed, free = columns.key[:prefix], columns.key[prefix:]
    terms = [f"{column} = ?" for column in fixed]
    terms += [f"{free[0]} {operator} ?" for operator in (low, high) if operator is not None]
    if has_start:
        terms.append(_beyond(free, "<" if descending else ">"))
    ordered = free or fixed[-1:]  # a whole key leaves nothing to order
    order = ", ".join(f"{column} DESC" if descending else column for column in ordered)
    return f"{columns.table} WHERE {' AND '.join(terms)} ORDER BY {order}"


def _beyond(columns: tuple[str, ...], operator: str) -> str:
    if not columns:
        return "slot < 0"  # nothing follows the only row there can be
    if len(columns) == 1:
        return f"{columns[0]} {operator} ?"
    return f"({', '.join(columns)}) {operator} ({', '.join('?' * len(columns))})"
