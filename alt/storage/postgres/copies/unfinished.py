"""Backups that are to be taken of what deleted tables left, that were cut short, or whose time is over."""

from __future__ import annotations

import time
from collections.abc import Callable

from alt.storage.model.definition import SYSTEM, Backup
from alt.storage.postgres.catalog import Catalog
from alt.storage.postgres.copies.backups import Backups
from alt.storage.postgres.shapes import Shape

LOOK_SECONDS = 5.0


class Unfinished:
    """`clock` gives epoch seconds."""

    def __init__(self, catalog: Catalog, backups: Backups, clock: Callable[[], float]) -> None:
        self._catalog = catalog
        self._backups = backups
        self._clock = clock
        self._next = 0.0  # look, on the monotonic clock
        self._known = -1  # the revision of the catalog at the last look
        self._awaited: set[str] = set()  # tables of which a backup has yet to be taken

    def awaits(self, table_id: str) -> bool:
        """Whether a backup of this table may have yet to be taken."""
        return self._known != self._catalog.revision or table_id in self._awaited

    async def step(self) -> bool:
        now, revision = time.monotonic(), self._catalog.revision
        if now < self._next and self._known == revision:
            return False
        self._awaited = set()
        for backup in await self._backups.list_all():
            if not backup.available:
                await self._settle(backup)
            elif backup.expires is not None and backup.expires <= self._clock() and not self._is_read(backup):
                await self._backups.remove_now(backup)
        self._next, self._known = now + LOOK_SECONDS, revision
        return False

    async def _settle(self, backup: Backup) -> None:
        """Take the backup of a deleted table; one that nobody takes any more goes."""
        shape = self._catalog.shapes.get(backup.table.id)
        is_awaited = backup.kind == SYSTEM and shape is not None
        if is_awaited:
            self._awaited.add(backup.table.id)
        lease = self._backups.lease(backup)
        if self._backups.is_taking(backup) or not await lease.is_held():
            return
        # Nobody is at it: whoever was has died.
        if is_awaited and shape is not None:
            self._backups.go_on(shape.source, backup, lease)
        else:
            await self._backups.remove_now(backup)
            await lease.release()

    def _is_read(self, backup: Backup) -> bool:
        return any(_origin(shape) == backup.id for shape in self._catalog.shapes.values())


def _origin(shape: Shape) -> str | None:
    restore = shape.definition.restore
    return None if restore is None else restore.origin.get("backup")
