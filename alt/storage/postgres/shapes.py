"""What a table is made of in the database: its rows, those of its indexes, and what says when its items expire."""

from __future__ import annotations

import math
import struct
from typing import Final

from alt.storage.model.definition import IndexDefinition, TableDefinition
from alt.storage.model.entries import Entry, EntryMaker
from alt.storage.model.items import Stored
from alt.storage.model.keys import ITEMS, Layout, RowKey, layout_of
from alt.storage.postgres import keys
from alt.storage.postgres.keys import Place
from alt.values.json import dumps
from alt.values.types import Item

# An item whose time is longer ago than this stays.
MAX_AGE_SECONDS = 5 * 365 * 86_400
# Beyond any that somebody means.
MAX_MOMENT = 2**63
# Of all that says when items expire: it is read in the order of time.
EXPIRY_SLOT = 0
_MOMENT = struct.Struct(">Q")
_BY_MOMENT = Layout(None, 0, 1)


class Index:
    """The entries of one secondary index. `is_building`: only those before a position are there."""

    def __init__(self, definition: IndexDefinition, table: TableDefinition) -> None:
        self.definition: Final = definition
        self._layout = layout_of(definition)
        self.source = keys.source_of(table.id, self._layout)
        self.is_building = definition.status == "CREATING"
        self.is_local = not definition.is_global
        self._maker = EntryMaker(definition, table)

    def entry(self, row: RowKey, item: Item, stored: Stored) -> tuple[Place, Entry] | None:
        """Where the item's entry is, and what it holds, if it has one."""
        entry = self._maker.entry(row, item, stored)
        if entry is None:
            return None
        return (self.source, entry.key[0], keys.composed(self._layout, entry.key[1:])), entry


class Expiry:
    """Says when items expire, in the order of time: an index that no client sees, whose entries are the items' keys."""

    definition = None
    is_local = False

    def __init__(self, table: TableDefinition) -> None:
        assert table.time_to_live is not None
        self.source = keys.expiry_source(table.id, table.time_to_live.changed)
        self.is_building = table.time_to_live.status == "ENABLING"
        self._attribute = table.time_to_live.attribute
        self._keys = [key.name for key in table.key_attributes]

    def has_expired(self, item: Item, now: float) -> bool:
        moment = _expiry(item, self._attribute)
        return moment is not None and now - MAX_AGE_SECONDS <= moment < now

    def entry(self, row: RowKey, item: Item, _stored: Stored) -> tuple[Place, Entry] | None:
        moment = _expiry(item, self._attribute)
        if moment is None:
            return None
        key = keys.composed(_BY_MOMENT, (_MOMENT.pack(math.ceil(moment)), row.pk, row.sk))
        text = dumps({name: item[name] for name in self._keys})
        return (self.source, EXPIRY_SLOT, key), Entry((), 0, text)


def expired(now: float) -> tuple[bytes, bytes]:
    """Of what says when items expire the keys, from the first to before the second, of those that may have by now.

    Keys have whole seconds: of those in the first and the last of these, only the item tells.
    """
    return _second(math.ceil(now - MAX_AGE_SECONDS)), _second(math.ceil(now) + 1)


def _second(moment: int) -> bytes:
    """Before the keys of what expires in this second, up to its end."""
    return keys.composed(_BY_MOMENT, (_MOMENT.pack(max(0, moment)),))[: -len(keys.END)]


def _expiry(item: Item, attribute: str) -> float | None:
    """When an item expires; None where it never does."""
    number = item.get(attribute, {}).get("N")
    if number is None:
        return None
    moment = float(number)
    return moment if 0 <= moment < MAX_MOMENT else None


class Shape:
    """A table as its definition has it. `sources`: the items' and those of all that is kept beside them."""

    def __init__(self, definition: TableDefinition) -> None:
        self.definition = definition
        self.source = keys.source_of(definition.id, ITEMS)
        self.is_logged = definition.is_logged
        self.write_isolation = definition.write_isolation
        self.indexes: list[Index | Expiry] = [
            Index(index, definition) for index in definition.indexes if index.status != "DELETING"
        ]
        time_to_live = definition.time_to_live
        if time_to_live is not None and time_to_live.status in ("ENABLING", "ENABLED"):
            self.indexes.append(Expiry(definition))
        self.has_collections = any(not index.is_global for index in definition.indexes)

    @property
    def sources(self) -> list[int]:
        return [self.source, *(index.source for index in self.indexes)]

    @property
    def building(self) -> list[int]:
        return [index.source for index in self.indexes if index.is_building]
