"""Expired items leave their tables: each by a write that looks whether it still is expired."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import ujson

from alt.storage.model.items import Delete, Effect, Keep, Stored, Write
from alt.storage.postgres import keys
from alt.storage.postgres import statements as sql
from alt.storage.postgres.database import Database
from alt.storage.postgres.group import Unit
from alt.storage.postgres.shapes import EXPIRY_SLOT, Expiry, Shape, expired
from alt.storage.postgres.table import Access, Table

STEP_ROWS = 200


class Expiring:
    """Looks at all tables every `interval` seconds. `clock` gives epoch seconds."""

    def __init__(
        self, database: Database, access: Access, clock: Callable[[], float], interval: float
    ) -> None:
        self._database = database
        self._access = access
        self._clock = clock
        self._interval = interval
        self._next = 0.0  # look, on the monotonic clock

    def look_at_once(self) -> None:
        """Have the next step look, whenever it was to be."""
        self._next = 0.0

    async def step(self) -> bool:
        now = time.monotonic()
        if now < self._next:
            return False
        is_more = False
        for shape in list(self._access.catalog.names.values()):
            for index in shape.indexes:
                if isinstance(index, Expiry) and not index.is_building and shape.definition.restore is None:
                    is_more |= await self._delete_some(shape, index)
        if not is_more:
            self._next = now + self._interval
        return is_more

    async def _delete_some(self, shape: Shape, index: Expiry) -> bool:
        """False if there is nothing more, or the next second has to come for it."""
        now = self._clock()
        low, high = expired(now)
        found = await self._database.fetch(sql.PARTITION, index.source, EXPIRY_SLOT, low, high, STEP_ROWS, 1)

        def decide(stored: Stored | None) -> Effect:
            if stored is not None and index.has_expired(ujson.loads(stored.text), now):
                return Delete()
            return Keep(0 if stored is None else stored.size)

        shape_now = Table(shape, self._access).shape_now
        found_keys = [keys.key_of(shape.definition, ujson.loads(row["item"])) for row in found]
        units = [Unit([(shape_now, Write(key, decide))], by_ttl=True) for key in found_keys]
        outcomes = await self._access.writer.write(units) if units else []
        deleted = sum(map(_is_deletion, outcomes))
        self._access.writer.totals.expired_items += deleted
        return deleted == STEP_ROWS


def _is_deletion(outcome: Any) -> bool:
    """Not of an item that was renewed or deleted meanwhile, nor where the table was."""
    return isinstance(outcome, list) and outcome[0].old_size > 0 and outcome[0].new_size == 0
