"""The definitions of all tables: kept in memory, followed as other Alts change them, and changed while nobody writes.

The catalog has a revision, which stands in each row of the fence. A group of writes shares one of the rows and learns
the revision from it; whoever changes a definition locks them all. So no write is decided by a definition that is no
longer true, and nothing waits for it but while a definition is being changed.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import asyncpg

from alt import errors
from alt.storage.model.definition import TableDefinition
from alt.storage.postgres import dialect
from alt.storage.postgres import statements as sql
from alt.storage.postgres.database import Connection, Database
from alt.storage.postgres.shapes import Shape

# Before any item.
_NOWHERE = (-2, b"")
MAX_RACES = 8
BACKOFF_SECONDS = 0.05


class Catalog:
    """`shapes` by the ids of tables; `names` has those that are not deleted. `on_changed` hears of every change."""

    def __init__(self, database: Database, on_changed: Callable[[], None]) -> None:
        self._database = database
        self._on_changed = on_changed
        self.revision = 0
        self.shapes: dict[str, Shape] = {}
        self.names: dict[str, Shape] = {}
        self.deleted: list[TableDefinition] = []

    async def refresh(self) -> None:
        """Follow what others have changed."""
        ((revision,),) = await self._database.fetch(sql.REVISION)
        if revision != self.revision:
            async with self._database.connection() as connection:
                await self.follow(connection, revision)

    async def follow(self, connection: Connection, revision: int) -> None:
        """Know the definitions as they are at this revision, or later ones."""
        revisions: dict[str, int] = dict(await connection.fetch(sql.DEFINITION_REVISIONS))
        known = self.shapes
        stale = [
            table_id
            for table_id, number in revisions.items()
            if table_id not in known or known[table_id].definition.revision != number
        ]
        found = {
            row["id"]: replace(TableDefinition.from_json(row["definition"]), revision=row["revision"])
            for row in (await connection.fetch(sql.DEFINITIONS, stale) if stale else ())
        }
        if revision < self.revision:  # somebody else was faster, and knows more
            return
        kept = {table_id: shape for table_id, shape in known.items() if table_id in revisions}
        self.revision = revision
        self._know(kept | {table_id: Shape(definition) for table_id, definition in found.items()})

    def forget(self) -> None:
        """Know nothing, as at the beginning: the tables were taken away, and what comes in their place is another's."""
        self.revision = 0
        self._know({})

    def _know(self, shapes: dict[str, Shape]) -> None:
        self.shapes = shapes
        live = [shape for shape in shapes.values() if shape.definition.deleted is None]
        self.names = {
            shape.definition.name: shape for shape in sorted(live, key=lambda each: each.definition.name)
        }
        gone = [shape.definition for shape in shapes.values() if shape.definition.deleted is not None]
        self.deleted = sorted(gone, key=lambda definition: definition.deleted or 0.0)
        self._on_changed()

    # Changes

    async def create(self, definition: TableDefinition) -> bool:
        """False if the name is taken."""
        shape = Shape(definition)

        async def add(connection: Connection) -> None:
            await connection.execute(
                sql.ADD_DEFINITION, definition.id, definition.name, definition.revision, definition.to_json()
            )
            await connection.execute(sql.ADD_LOG, shape.source, -math.inf)

        try:
            await self.change(add, is_retried=False)
        except asyncpg.UniqueViolationError:
            await self.refresh()
            return False
        return True

    async def redefine(
        self,
        definition: TableDefinition,
        beside: Callable[[Connection, TableDefinition], Awaitable[TableDefinition]] | None = None,
    ) -> None:
        """Store a changed definition. Raises ResourceInUseException where it was changed by somebody else meanwhile.

        `beside` does what has to be done in the same transaction, while nobody writes, and may change it once more.
        """

        async def store(connection: Connection) -> None:
            changed = await self._with_ended_streams(connection, definition)
            if beside is not None:
                changed = await beside(connection, changed)
            await replace_definition(connection, changed)
            for source in Shape(changed).building:
                await connection.execute(sql.BEGIN_BUILDING, source, *_NOWHERE)

        await self.change(store)

    async def _with_ended_streams(
        self, connection: Connection, definition: TableDefinition
    ) -> TableDefinition:
        """A stream that is disabled now ends with the last change that there is, whichever Alt has made it."""
        known = self.shapes.get(definition.id)
        running = None if known is None else known.definition.stream
        if known is None or running is None:
            return definition
        ((last, _, _),) = await connection.fetch(sql.LOG, known.source)
        if definition.deleted is not None:
            return definition.without_stream(definition.deleted, last)
        streams = tuple(
            replace(stream, last=last)
            if stream.label == running.label and stream.disabled is not None
            else stream
            for stream in definition.streams
        )
        return replace(definition, streams=streams)

    async def remove(self, definition: TableDefinition) -> None:
        """Remove a table; its rows are deleted in the background."""
        shape = Shape(definition)

        async def remove(connection: Connection) -> None:
            await connection.execute(sql.REMOVE_DEFINITION, definition.id)
            await connection.execute(sql.REMOVE_LOG, shape.source)
            await connection.execute(sql.END_BUILDING, shape.sources)
            await connection.execute(sql.MARK_REMOVED, shape.sources)

        await self.change(remove)

    async def change(self, work: Callable[[Connection], Awaitable[Any]], *, is_retried: bool = True) -> None:
        """Do it in a transaction while no write is under way anywhere, and know what has come of it."""
        for attempt in range(1, MAX_RACES + 1):
            try:
                async with self._database.transaction() as connection:
                    await connection.fetch(sql.CLOSE_FENCES)
                    await work(connection)
                    await connection.execute(sql.NEXT_REVISION)
                break
            except errors.ApiError:
                await self.refresh()  # it is refused for what another Alt has done
                raise
            except asyncpg.PostgresError as fault:
                is_taken = isinstance(fault, asyncpg.UniqueViolationError) and not is_retried
                if is_taken or not dialect.is_lost_race(fault) or attempt == MAX_RACES:
                    raise
                await asyncio.sleep(BACKOFF_SECONDS * attempt)
        await self.refresh()


async def replace_definition(connection: Connection, changed: TableDefinition) -> None:
    """Store the next revision of a definition. Raises ResourceInUseException where this one is not the last."""
    revision = changed.revision + 1
    stored = replace(changed, revision=revision)
    name = None if changed.deleted is not None else changed.name
    done = await connection.execute(
        sql.REPLACE_DEFINITION, changed.id, name, revision, stored.to_json(), changed.revision
    )
    if done != "UPDATE 1":
        raise errors.resource_in_use(
            f"Attempt to change a resource which is still in use: Table is being updated: {changed.name}"
        )
