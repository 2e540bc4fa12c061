"""Items that are read by their keys, and how many there are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from alt.expressions import Projection
from alt.storage.model.keys import RowKey

Sized = tuple[int, bytes]  # an item's bytes as DynamoDB counts them, and its JSON


class KeysRead(NamedTuple):
    """Items of one table by their keys, cut to a projection. Not `is_consistent`: they may be as they were."""

    table: Any  # an engine's own
    keys: Sequence[RowKey]
    projection: Projection | None
    is_consistent: bool


class KeysFound(NamedTuple):
    """Of keys the first `read`: the JSON of the items there are, in pieces to be joined with commas.

    `blocks` is what they cost: as many read units as consistent reads would.
    """

    items: Sequence[bytes]
    blocks: int
    read: int


class Counts(NamedTuple):
    """How many items a table has and their bytes, exactly; likewise the entries of each index, by its name."""

    items: int
    size: int
    indexes: Mapping[str, tuple[int, int]]


NO_COUNTS = Counts(0, 0, {})
