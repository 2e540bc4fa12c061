"""Indexes are filled and emptied while their tables are written to. What says when items expire is one, too.

An index that is being built has a position: a write keeps the entries of the items up to there, and a step takes in the
items that follow. Both lock the position's row, so they take turns, and each entry is made once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import ujson

from alt.storage.model.definition import TableDefinition
from alt.storage.model.items import Stored
from alt.storage.model.keys import SLOTS
from alt.storage.postgres import keys
from alt.storage.postgres import statements as sql
from alt.storage.postgres.catalog import Catalog
from alt.storage.postgres.database import Connection, Database
from alt.storage.postgres.group_writes import columns, tallied
from alt.storage.postgres.keys import Place
from alt.storage.postgres.shapes import Expiry, Index, Shape

STEP_ROWS = 200
STEP_BYTES = 256 * 1024
# After every item.
END = (SLOTS, b"")
# Of counts: the one that steps add to, one at a time.
STRIPE = 0


class IndexBuilding:
    """The building and emptying of all indexes."""

    def __init__(self, database: Database, catalog: Catalog) -> None:
        self._database = database
        self._catalog = catalog

    async def step(self) -> bool:
        is_more = False
        for shape in list(self._catalog.shapes.values()):
            if shape.definition.deleted is None and shape.definition.restore is None:
                for index in shape.indexes:
                    if index.is_building:
                        is_more |= await self._build(shape, index)
                if _is_shrinking(shape.definition):
                    await self._drop(shape.definition)
        return is_more

    async def _build(self, shape: Shape, index: Index | Expiry) -> bool:
        """Take in some items; False once all are in."""
        async with self._database.transaction() as connection:
            revision = await connection.fetchval(sql.SHARE_FENCE, STRIPE)
            if revision != self._catalog.revision:
                await self._catalog.follow(connection, revision)
            if self._catalog.shapes.get(shape.definition.id) is not shape:
                return True  # the definition is another one: this begins anew
            rows = await connection.fetch(sql.LOCK_BUILDING, [index.source])
            if not rows:
                return False
            found = await connection.fetch(
                sql.SLOTS,
                shape.source,
                SLOTS,
                rows[0]["slot"],
                keys.after(rows[0]["key"]),
                STEP_ROWS,
                STEP_BYTES,
            )
            entries = []
            for _, _, size, item in found:
                decoded = ujson.loads(item)
                row = keys.key_of(shape.definition, decoded)
                made = index.entry(row, decoded, Stored(size, item))
                if made is not None:
                    entries.append((made[0], Stored(made[1].size, made[1].text)))
            await _store(connection, index.source, entries)
            position = (found[-1]["slot"], found[-1]["key"]) if found else END
            await connection.execute(sql.MOVE_BUILDING, index.source, *position)
        if found:
            return True
        await self._finish(shape.definition, index)
        return False

    async def _finish(self, definition: TableDefinition, index: Index | Expiry) -> None:
        """All items are in, and every write keeps their entries: from now on the index is read."""
        if isinstance(index, Expiry):
            assert definition.time_to_live is not None
            changed = replace(definition, time_to_live=replace(definition.time_to_live, status="ENABLED"))
        else:
            indexes = tuple(
                replace(each, status="ACTIVE", backfilling=False) if each == index.definition else each
                for each in definition.indexes
            )
            changed = replace(definition, indexes=indexes)

        async def end(connection: Connection, changed: TableDefinition) -> TableDefinition:
            await connection.execute(sql.END_BUILDING, [index.source])
            return changed

        await self._catalog.redefine(changed, end)

    async def _drop(self, definition: TableDefinition) -> None:
        """What is to go is not written to any more: it leaves the definition, and then its rows go."""
        indexes = tuple(index for index in definition.indexes if index.status != "DELETING")
        lived = definition.time_to_live
        if lived is not None and lived.status == "DISABLING":
            lived = replace(lived, status="DISABLED")
        gone = _sources_of_all(definition)

        async def remove(connection: Connection, changed: TableDefinition) -> TableDefinition:
            sources = sorted(gone - set(Shape(changed).sources))
            await connection.execute(sql.END_BUILDING, sources)
            await connection.execute(sql.MARK_REMOVED, sources)
            return changed

        await self._catalog.redefine(replace(definition, indexes=indexes, time_to_live=lived), remove)


def _is_shrinking(definition: TableDefinition) -> bool:
    lived = definition.time_to_live
    return any(index.status == "DELETING" for index in definition.indexes) or (
        lived is not None and lived.status == "DISABLING"
    )


def _sources_of_all(definition: TableDefinition) -> set[int]:
    """The sources of a table, those included that are on their way out."""
    indexes = tuple(replace(index, status="ACTIVE") for index in definition.indexes)
    return set(Shape(replace(definition, indexes=indexes)).sources)


async def _store(connection: Connection, source: int, entries: Sequence[tuple[Place, Stored]]) -> None:
    if not entries:
        return
    ordered = sorted(entries)
    sizes = [stored.size for _, stored in ordered]
    texts = [stored.text for _, stored in ordered]
    counts = tallied({source: (len(entries), sum(sizes))}, STRIPE)
    await connection.execute(sql.INSERT_ITEMS, *counts, *columns([at for at, _ in ordered]), sizes, texts)
