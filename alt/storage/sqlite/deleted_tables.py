"""What deleted tables leave: streams that can be read for another day, and the backup that is made of one at its end.

A deleted table's file stays for both: it has the change log. It is in the catalog from the transaction that deletes the
table on (`Catalog.keep`), with the backup as one that has yet to be made, so whatever is cut short is begun again: by
the server, at its start, or when another process has deleted a table. Then, in the background:

1. the stream is closed after the last change;
2. the backup is made, and tried again where the disk does not let it;
3. once the streams' day is over the catalog dooms the file, and it is deleted like any other.

The backup goes when its time is over.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

from alt.storage.model.changes import readable_streams
from alt.storage.sqlite.background import Repeated, Tasks, survive
from alt.storage.sqlite.copies.backups import Backups
from alt.storage.sqlite.tables import Tables

INTERVAL_SECONDS = 300.0
# In memory each takes 0.2 MB and its items: of more than so many the oldest go before their time.
MAX_IN_MEMORY = 100


class DeletedTables:
    """Looks after what there is of the deleted tables of a data directory. `clock` gives epoch seconds."""

    def __init__(self, tables: Tables, backups: Backups, clock: Callable[[], float]) -> None:
        self._tables = tables
        self._catalog = tables.catalog
        self._backups = backups
        self._clock = clock
        self.tasks = Tasks()  # by the names of files
        self._repeated = Repeated("the work on what deleted tables leave", self.work, INTERVAL_SECONDS)
        self.start = self._repeated.start

    async def stop(self) -> None:
        await self._repeated.stop()
        await self.tasks.stop()

    async def work(self) -> None:
        """Do for all what there is to do now."""
        self._tables.refresh()
        self._remove_expired_backups()
        self.begin_all()
        await self.tasks.finish()

    def begin_all(self) -> None:
        for file in list(self._catalog.deleted):
            self.begin(file)

    def begin(self, file: str) -> None:
        """Do what there is to do for one."""
        definition = self._catalog.deleted[file]
        what = f"the work on what {definition.name} leaves, which was deleted,"

        async def work() -> None:
            await survive(what, partial(self._settle, file))

        self.tasks.begin(file, work)

    async def _settle(self, file: str) -> None:
        definition = self._catalog.deleted.get(file)
        if definition is None:  # it gave way to another one
            return
        backup = self._catalog.awaited_backup(file)
        if definition.stream is not None or backup is not None:
            table = await self._tables.opened_deleted(file)
            if table is None:
                return
            self._tables.end(file, table)
            if backup is not None:
                # It tells of its own failure.
                await asyncio.wait([self._backups.take(table, backup)])
        if self._catalog.awaited_backup(file) is None and not readable_streams(definition, self._clock()):
            self._tables.forget(file)
        if self._backups.are_in_memory:
            for oldest in list(self._catalog.deleted)[:-MAX_IN_MEMORY]:
                if self._catalog.awaited_backup(oldest) is None:
                    self._tables.forget(oldest)

    def _remove_expired_backups(self) -> None:
        """Those that are read just now go the next time."""
        now = self._clock()
        sources = [each.restore.origin.get("backup") for each in self._tables.definitions() if each.restore]
        for backup in list(self._catalog.backups.values()):
            if backup.expires is not None and backup.expires <= now and backup.id not in sources:
                self._backups.remove(backup)
