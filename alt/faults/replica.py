"""What stale reads read: a copy of a table in memory, which no later write reaches."""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

import ujson

from alt.operations.keys import item_row
from alt.storage.engine import Engine, NotReadyError, Table, settled
from alt.storage.model.definition import TableDefinition
from alt.storage.model.items import Put, Stored, Write
from alt.storage.model.pages import PageRead
from alt.storage.model.ranges import SlotRange
from alt.values.json import dumps
from alt.values.sizes import item_size
from alt.values.types import Item

MAX_BYTES = 64 * 1024 * 1024  # of the items of a table that is copied
# So many items are copied in one turn of the event loop: a few milliseconds.
STEP_ITEMS = 200


class Copies(Engine, Protocol):
    """An engine that is a replica's alone."""

    async def close(self) -> None: ...


class Replica:
    """A copy of the table as it was."""

    def __init__(self, engine: Copies, original: TableDefinition) -> None:
        self.engine = engine
        self._original = original
        self._is_closed = False

    async def close(self) -> None:
        """Once what reads it has done so."""
        self._is_closed = True
        await self.engine.remove(self._original)
        await self.engine.close()

    def table(self, now: Table | None) -> Table | None:
        """The copy, if `now` is still the table that was copied and not another of its name."""
        if self._is_closed or now is None or now.definition.id != self._original.id:
            return now
        return self.engine.table(self._original.name)

    def has(self, table: Table) -> bool:
        """Whether it is the copy."""
        return not self._is_closed and self.engine.table(self._original.name) is table


async def replicate(engine: Engine, name: str, copies: Copies) -> Replica:
    """A copy of a table in another engine, `copies`, which is the replica's alone.

    What is written meanwhile may be in it or not. Raises ValueError where there is no such table, or it is too large.
    """
    original = (await _found(engine, name)).definition
    if (await settled((await _found(engine, name)).counts())).size > MAX_BYTES:
        raise ValueError(f"{name} is too large to be copied for stale reads: over {MAX_BYTES >> 20} MB")
    await settled(copies.create(replace(original, streams=(), recovery=None, time_to_live=None)))
    keys = SlotRange()
    while True:
        table = await _found(engine, name)
        page = await settled(table.page(PageRead(keys, limit=STEP_ITEMS, is_consistent=True)))
        writes = [_put(original, item) for item in ujson.loads(b"[%b]" % (page.items or b""))]
        if writes:
            await (await _found(copies, name)).write_all(writes, lambda _done: None)
        if page.last is None:
            return Replica(copies, original)
        keys = keys.after(item_row(original, ujson.loads(page.last)))


async def _found(engine: Engine, name: str) -> Table:
    try:
        table = engine.table(name)
    except NotReadyError as wait:
        table = await engine.when_ready(wait, lambda: engine.table(name))
    if table is None:
        raise ValueError(f"there is no table {name}")
    return table


def _put(definition: TableDefinition, item: Item) -> Write:
    return Write(item_row(definition, item), Put(item, Stored(item_size(item), dumps(item))))
