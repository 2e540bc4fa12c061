"""Tables made of copies: in the background, and CREATING for clients until they are complete.

A table is filled by writes like any other's, so its indexes and counts come by themselves, and what is cut short is begun
again from the front: what is there already is written once more, which changes nothing. A run has a revision of the
definition to itself, and each of its writes goes by that: so no two runs write to one table.

The past of a table is its items as they are now, with the changes since undone, the newest first: both of one state.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable, Iterable

import ujson

from alt.errors import ApiError
from alt.storage.model.changes import Past
from alt.storage.model.items import Delete, Put, Stored, Write
from alt.storage.model.keys import SLOTS, RowKey
from alt.storage.postgres import dialect, keys
from alt.storage.postgres import statements as sql
from alt.storage.postgres.catalog import Catalog
from alt.storage.postgres.copies.backups import Backups
from alt.storage.postgres.database import (
    Connection,
    Database,
    DatabaseAwayError,
    Row,
    UnknownOutcomeError,
    commit,
)
from alt.storage.postgres.group import Unit
from alt.storage.postgres.maintenance.lease import Lease
from alt.storage.postgres.shapes import Shape
from alt.storage.postgres.writer import Writer

STEP_ROWS = 128
STEP_BYTES = 1024 * 1024
STEP_IMAGES = 16  # of up to 400 KB each
# Of a table that was made once, whatever the limit was then.
NO_LIMIT = sys.maxsize

_log = logging.getLogger(__name__)


class LostOriginError(Exception):
    """What a table is to be made of is not there any more."""


class Restoring:
    """Makes the tables that stand in the catalog with a `restore`, each by a task that has a lease on it.

    `holder` is what this Alt calls itself.
    """

    def __init__(
        self,
        database: Database,
        catalog: Catalog,
        backups: Backups,
        clock: Callable[[], float],
        holder: str,
    ) -> None:
        self._database = database
        self._holder = holder
        self._tasks: dict[str, asyncio.Task[None]] = {}  # by table id
        self._catalog = catalog
        self._backups = backups
        self._writer = Writer(database, catalog, NO_LIMIT, clock)

    async def step(self) -> bool:
        for shape in list(self._catalog.shapes.values()):
            table_id = shape.definition.id
            if shape.definition.restore is None or table_id in self._tasks:
                continue
            lease = Lease(self._database, f"restore {table_id}", self._holder)
            if await lease.is_held():
                task = asyncio.get_running_loop().create_task(self._run(shape, lease))
                self._tasks[table_id] = task
        return False

    async def finish(self) -> None:
        """Return when none is under way."""
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def stop(self) -> None:
        """Give up; whoever has the lease next begins again."""
        for task in self._tasks.values():
            task.cancel()
        await self.finish()

    async def _run(self, shape: Shape, lease: Lease) -> None:
        try:
            async with lease.kept():
                await self._restore(shape)
        except Exception as fault:
            _log.warning("the restore of %s will be begun again: %s", shape.definition.name, fault)
        finally:
            del self._tasks[shape.definition.id]

    async def _restore(self, shape: Shape) -> None:
        # A revision of its own: should another Alt take over, nothing is written any more for this one.
        await self._catalog.redefine(shape.definition)
        claimed = self._catalog.shapes.get(shape.definition.id)
        if claimed is None or claimed.definition.revision != shape.definition.revision + 1:
            return
        definition = claimed.definition
        assert definition.restore is not None
        origin = definition.restore.origin
        try:
            if "table" in origin:
                await self._rewind(claimed, Past(**origin))
            else:
                await self._fill(claimed, origin["backup"])
            await self._catalog.redefine(definition.restored())
        except (DatabaseAwayError, UnknownOutcomeError, ApiError):
            raise
        except Exception as fault:
            if dialect.is_away(fault) or dialect.is_lost_race(fault):
                raise
            _log.error(
                "the restore of %s failed, and there is no such table: %s",
                definition.name,
                fault,
                exc_info=None if isinstance(fault, LostOriginError) else fault,
            )
            await self._catalog.remove(definition)

    async def _fill(self, shape: Shape, backup_id: str) -> None:
        backup = await self._backups.get(backup_id)
        if backup is None or not backup.available:
            raise LostOriginError(f"backup {backup_id} is gone")
        source = keys.backup_source(backup_id)
        place = (0, b"")
        while True:
            rows = await self._database.fetch(sql.SLOTS, source, SLOTS, *place, STEP_ROWS, STEP_BYTES)
            if not rows:
                return
            await self._put(shape, rows)
            place = (rows[-1]["slot"], keys.after(rows[-1]["key"]))

    async def _rewind(self, shape: Shape, past: Past) -> None:
        source = self._catalog.shapes.get(past.id)
        recovery = None if source is None else source.definition.recovery
        if source is None or recovery is None or recovery.enabled is None or recovery.enabled > past.at:
            raise LostOriginError(f"{past.table} as it was then is gone")
        async with self._database.connection() as connection:
            await connection.execute(sql.BEGIN_SNAPSHOT)
            await connection.execute(sql.IDLE_FOR_LONG)
            ((last, trimmed, _),) = await connection.fetch(sql.LOG, source.source)
            if trimmed > past.last:
                raise LostOriginError(f"the change log of {past.table} does not reach back so far")
            await self._copy_snapshot(connection, source, shape)
            await self._undo(connection, source, shape, past.last, last)
            await commit(connection)

    async def _copy_snapshot(self, connection: Connection, source: Shape, shape: Shape) -> None:
        place = (0, b"")
        while rows := await connection.fetch(sql.SLOTS, source.source, SLOTS, *place, STEP_ROWS, STEP_BYTES):
            await self._put(shape, rows)
            place = (rows[-1]["slot"], keys.after(rows[-1]["key"]))

    async def _undo(
        self, connection: Connection, source: Shape, shape: Shape, last: int, newest: int
    ) -> None:
        """Undo the changes from number `newest` back to the one after `last`."""
        while newest > last:
            rows = await connection.fetch(sql.OLD_IMAGES, source.source, last, newest, STEP_IMAGES)
            if not rows:
                return
            definition = source.definition
            await self._write(
                shape,
                (
                    (
                        keys.whole_key(definition, row["slot"], row["key"]),
                        Delete() if row["old_item"] is None else _put(row["old_size"], row["old_item"]),
                    )
                    for row in rows
                ),
            )
            newest = rows[-1]["number"] - 1

    async def _put(self, shape: Shape, rows: Iterable[Row]) -> None:
        puts = [_put(row["size"], row["item"]) for row in rows]
        await self._write(shape, [(keys.key_of(shape.definition, put.item), put) for put in puts])

    async def _write(self, shape: Shape, effects: Iterable[tuple[RowKey, Put | Delete]]) -> None:
        def shape_now() -> Shape | None:
            current = self._catalog.shapes.get(shape.definition.id)
            is_claimed = current is not None and current.definition.revision == shape.definition.revision
            return current if is_claimed else None

        units = [Unit([(shape_now, Write(key, effect))]) for key, effect in effects]
        for outcome in await self._writer.write(units):
            if isinstance(outcome, Exception):
                raise outcome


def _put(size: int, text: str) -> Put:
    return Put(ujson.loads(text), Stored(size, text))
