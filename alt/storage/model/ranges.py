"""The ranges that Query and Scan read: both kinds are contiguous in the order of the keys."""

from __future__ import annotations

from typing import Any, NamedTuple

from alt.storage.model.keys import ITEMS, SLOTS, EncodedKey, Key, Layout

Bound = tuple[str, EncodedKey]  # a comparison operator and a key value


class PartitionRange(NamedTuple):
    """What has a key that begins with `prefix`: the slot, the hash key, and equal range attributes.

    `low` (`>` or `>=`) and `high` bound the range attribute that follows the prefix;
    `start` is the rest of a key, after which the range begins.
    """

    layout: Layout
    prefix: Key
    low: Bound | None = None
    high: Bound | None = None
    descending: bool = False
    start: Key | None = None

    def after(self, key: Key) -> PartitionRange:
        """What follows `key`, which lies inside the range."""
        return self._replace(start=key[len(self.prefix) :])

    def contains(self, key: Key) -> bool:
        """Whether `key` would lie in the range."""
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
    def is_reversed(self) -> bool:
        """Whether the upper bound is below the lower one."""
        low: Any = self.low
        high: Any = self.high
        return low is not None and high is not None and bool(low[1] > high[1])


class SlotRange(NamedTuple):
    """What has a slot from `first` up to but not including `end`: a Scan or one of its segments.

    `start` is a key after which the range begins.
    """

    layout: Layout = ITEMS
    first: int = 0
    end: int = SLOTS
    start: Key | None = None

    @staticmethod
    def segment(layout: Layout, segment: int, total: int) -> SlotRange:
        return SlotRange(layout, segment * SLOTS // total, (segment + 1) * SLOTS // total)

    def after(self, key: Key) -> SlotRange:
        return self._replace(start=key)

    def contains(self, key: Key) -> bool:
        return bool(self.first <= key[0] < self.end)


KeyRange = PartitionRange | SlotRange
