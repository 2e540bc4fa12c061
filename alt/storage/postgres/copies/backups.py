"""Backups: the items of a table under a source of their own, copied by one statement, which sees one state of them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Sequence
from dataclasses import asdict, replace
from typing import Any

import ujson

from alt.storage.engine import Progress, no_progress
from alt.storage.model.definition import Backup, TableDefinition
from alt.storage.postgres import keys
from alt.storage.postgres import statements as sql
from alt.storage.postgres.catalog import Catalog
from alt.storage.postgres.database import Connection, Database
from alt.storage.postgres.maintenance.lease import Lease
from alt.storage.postgres.shapes import Shape
from alt.storage.postgres.table import Table

# A copy takes its time.
COPY_SECONDS = 86_400.0

_log = logging.getLogger(__name__)


class Backups:
    """See alt/storage/engine.py. `holder` is what this Alt calls itself."""

    def __init__(self, database: Database, catalog: Catalog, holder: str) -> None:
        self._database = database
        self._catalog = catalog
        self._holder = holder
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def create(self, table: Table, backup: Backup, _progress: Progress = no_progress) -> asyncio.Future[None]:
        return self._begin(backup, self._create(table.shape, backup))

    def _begin(self, backup: Backup, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks[backup.id] = task
        task.add_done_callback(lambda _: self._tasks.pop(backup.id, None))
        return task

    async def _create(self, shape: Shape, backup: Backup) -> None:
        lease = self.lease(backup)
        await lease.is_held()
        async with lease.kept():
            await self._database.fetch(sql.ADD_BACKUP, backup.id, to_json(backup))
            try:
                await self._take(shape.source, backup)
            except Exception:
                await self.remove_now(backup)
                raise

    def go_on(self, source: int, backup: Backup, lease: Lease) -> None:
        """Take a backup that stands there as one that has yet to be taken; `lease` is held."""

        async def take() -> None:
            async with lease.kept():
                await self._take(source, backup)

        self._begin(backup, take()).add_done_callback(_noted)

    def is_taking(self, backup: Backup) -> bool:
        return backup.id in self._tasks

    def lease(self, backup: Backup) -> Lease:
        """Whoever copies has it: without it an unfinished backup is nobody's."""
        return Lease(self._database, f"backup {backup.id}", self._holder)

    async def _take(self, source: int, backup: Backup) -> None:
        """Copy the items, after which the backup is available."""
        target = keys.backup_source(backup.id)
        async with self._database.transaction() as connection:
            await connection.execute(sql.WITHOUT_TIME_OUT)
            await connection.execute(sql.COPY_ITEMS, target, source, timeout=COPY_SECONDS)
            ((items, size),) = await connection.fetch(sql.SUM_ITEMS, target, timeout=COPY_SECONDS)
            done = replace(backup, items=items, size=size, available=True)
            await connection.execute(sql.REPLACE_BACKUP, backup.id, to_json(done))

    async def _find(self, backup_id: str) -> Backup | None:
        rows = await self._database.fetch(sql.BACKUP, backup_id)
        return from_json(rows[0]["backup"]) if rows else None

    async def list_all(self) -> Sequence[Backup]:
        found = [from_json(row["backup"]) for row in await self._database.fetch(sql.BACKUPS)]
        return sorted(found, key=lambda backup: (backup.table.name, backup.id))

    async def remove_now(self, backup: Backup) -> None:
        async with self._database.transaction() as connection:
            await connection.execute(sql.REMOVE_BACKUP, backup.id)
            await connection.execute(sql.MARK_REMOVED, [keys.backup_source(backup.id)])

    def get(self, backup_id: str) -> asyncio.Future[Backup | None]:
        return asyncio.ensure_future(self._find(backup_id))

    def all(self) -> asyncio.Future[Sequence[Backup]]:
        return asyncio.ensure_future(self.list_all())

    def remove(self, backup: Backup) -> asyncio.Future[None]:
        return asyncio.ensure_future(self.remove_now(backup))

    async def finish(self) -> None:
        """Return when this Alt takes none any more."""
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)


async def add(connection: Connection, backup: Backup) -> None:
    """In a transaction: a backup that has yet to be taken."""
    await connection.execute(sql.ADD_BACKUP, backup.id, to_json(backup))


def to_json(backup: Backup) -> str:
    members = asdict(replace(backup, table=backup.table))
    members["table"] = backup.table.to_json()
    return ujson.dumps(members, ensure_ascii=False)


def from_json(text: str) -> Backup:
    members: dict[str, Any] = ujson.loads(text)
    return Backup(**{**members, "table": TableDefinition.from_json(members["table"])})


def _noted(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (fault := task.exception()) is not None:
        _log.warning("a backup was not taken, which will be tried again: %s", fault)
