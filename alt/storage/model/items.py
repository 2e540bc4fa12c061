"""Items on their way into a table: as they are stored, what a write decides, and what it did."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import ujson

from alt.errors import ApiError
from alt.storage.model.definition import IndexDefinition
from alt.storage.model.keys import RowKey
from alt.values.types import Item


class Stored(NamedTuple):
    """An item as it is stored: its bytes, as DynamoDB counts them, and its JSON."""

    size: int
    text: str


def same_items(old: Stored, new: Stored) -> bool:
    """Whether the items are equal; the order of attributes in their JSON does not count."""
    if old.size != new.size:
        return False
    return old.text == new.text or bool(ujson.loads(old.text) == ujson.loads(new.text))


class Put(NamedTuple):
    """The item is stored, given both as it is and as JSON.

    `before` is what was stored, where whoever decided has decoded it.
    """

    item: Item
    new: Stored
    before: Item | None = None


class Delete:
    """The item goes, if there is one."""

    __slots__ = ()


class Keep(NamedTuple):
    """Nothing is changed; `size` are the bytes of the item that stays, 0 for none."""

    size: int = 0


class Refuse(NamedTuple):
    """The write is not done, and the client is answered with the error. A transaction is cancelled by it."""

    error: ApiError


Effect = Put | Delete | Keep | Refuse

# What a write does, told from the stored item, None where there is none. It reads nothing else and changes
# nothing, so that an engine may call it on any thread, and again after it has lost a race.
Decide = Callable[[Stored | None], Effect]


def _once() -> int:
    return 1


class Write(NamedTuple):
    """A write of one item: a Put or Delete whatever is stored, or what `effect` decides on what is.

    `looks` tells in how many ways the effect looks at the stored item, as a measure of the time that takes: it is
    asked for large items only.
    """

    key: RowKey
    effect: Put | Delete | Decide
    looks: Callable[[], int] = _once


class EntryChange(NamedTuple):
    """What a write did to one index: bytes of the entry before and after, 0 for none.

    `is_moved`: both are there, under different keys.
    """

    definition: IndexDefinition
    old_size: int
    new_size: int
    is_moved: bool


class Written(NamedTuple):
    """What a write did: the bytes of the item before and after, 0 for none, and the entries it changed.

    `old` is the item it found, where it looked. `collection` are the bytes of its item collection, None on a
    table without local indexes. `refused` says why nothing was done.
    """

    old_size: int
    new_size: int
    changes: Sequence[EntryChange] = ()
    old: Stored | None = None
    collection: int | None = None
    refused: ApiError | None = None

    @property
    def larger_size(self) -> int:
        """What the write is charged for."""
        return max(self.old_size, self.new_size)


TOKEN_SECONDS = 600.0  # how long a ClientRequestToken counts


class Token(NamedTuple):
    """A ClientRequestToken: the hash of its request, and until when it counts, in epoch seconds."""

    token: str
    request: bytes
    expires: float
