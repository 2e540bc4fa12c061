"""On-demand backups: a copy of a table's file each, beside the tables and outliving them.

A backup shows the table as it was when the backup was asked for. Its row in the
catalog comes first and its file in the background; what a crash cuts short is gone at
the next start. Before it is called available its items are compared with their checksums,
and a checksum of the file is kept, which a restore compares.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from dataclasses import replace
from pathlib import Path
from typing import Any

import apsw

from alt.storage.engine import Progress, no_progress
from alt.storage.model.definition import SYSTEM, Backup
from alt.storage.sqlite import connections, self_description
from alt.storage.sqlite.background import Tasks
from alt.storage.sqlite.checksums import file_checksum, verify_items
from alt.storage.sqlite.copies import copying
from alt.storage.sqlite.data_directory import UnusableDataError
from alt.storage.sqlite.database_files import part_of, remove
from alt.storage.sqlite.faults import DAMAGE, log_fault
from alt.storage.sqlite.long_reads import to_its_end
from alt.storage.sqlite.table import Table
from alt.storage.sqlite.tables import Tables

RETRY_SECONDS = 1.0  # after a full disk or the like

_log = logging.getLogger(__name__)


class Backups:
    """The backups of a data directory. `directory` None keeps them in memory. `on_step`: see Transactions."""

    def __init__(
        self, tables: Tables, directory: Path | None, executor: Executor, on_step: Callable[[str], None]
    ) -> None:
        self._on_step = on_step
        self._tables = tables
        self._catalog = tables.catalog
        self._directory = directory
        self._executor = executor
        self._in_memory: dict[str, apsw.Connection] = {}
        self.tasks = Tasks()  # by backup id
        self._is_finishing = False
        if directory is not None:
            directory.mkdir(exist_ok=True)

    def all(self) -> list[Backup]:
        """In the order of their tables' names, then of their ids, which begin with the time."""
        self._tables.refresh()
        return sorted(self._catalog.backups.values(), key=lambda backup: (backup.table.name, backup.id))

    def get(self, backup_id: str) -> Backup | None:
        self._tables.refresh()
        return self._catalog.backups.get(backup_id)

    @property
    def are_in_memory(self) -> bool:
        return self._directory is None

    def create(self, table: Table, backup: Backup, progress: Progress = no_progress) -> asyncio.Task[None]:
        """Begin a backup of the table as it is now; the task ends when it is available.

        The backup is in the catalog when this returns. Raises apsw.Error or OSError where nothing was begun.
        """
        source = table.pinned()
        held = table.hold() if self._directory is None else None
        self._catalog.add_backup(backup)
        copy = (
            self._copy_file(source, backup, progress)
            if held is None
            else self._copy_held(table, held, source, backup)
        )
        return self.tasks.begin(backup.id, lambda: self._run(copy, backup))

    def take(self, table: Table, backup: Backup) -> asyncio.Task[None]:
        """The same of a deleted table, which nobody writes to, for a backup that is in the catalog."""
        if (task := self.tasks.get(backup.id)) is not None:
            return task
        source = table.pinned()
        copy = (
            self._copy_memory(source, backup)
            if self._directory is None
            else self._copy_file(source, backup, no_progress)
        )
        return self.tasks.begin(backup.id, lambda: self._run(copy, backup))

    def open(self, backup: Backup) -> apsw.Connection:
        """A connection to copy an available backup from."""
        if self._directory is None:
            return self._in_memory[backup.id]
        return connections.finished(self._path(backup))

    def verify(self, backup: Backup) -> None:
        """Raise UnusableDataError unless the backup's file is what was written. Takes as long as reading it does."""
        if self._directory is None or backup.checksum is None:
            return
        path = self._path(backup)
        if file_checksum(path) != backup.checksum:
            raise UnusableDataError(f"backup {backup.name} is damaged: {path} is not what was written")

    def remove(self, backup: Backup) -> None:
        self._catalog.remove_backup(backup)
        self._forget_file(backup)

    async def _give_up(self, backup: Backup) -> None:
        """Take an unfinished backup out of the catalog, as soon as that can be written; else the next start does."""
        while not self._is_finishing:
            try:
                self.remove(backup)
            except apsw.Error as fault:
                _log.error("backup %s cannot be taken out of the catalog: %s", backup.name, fault)
                await asyncio.sleep(RETRY_SECONDS)
            else:
                return

    def _forget_file(self, backup: Backup) -> None:
        if self._directory is None:
            if (contents := self._in_memory.pop(backup.id, None)) is not None:
                contents.close()
        elif remove(self._path(backup)):
            self._catalog.note_deleted(self._catalog.backup_path(backup))

    def _path(self, backup: Backup) -> Path:
        assert self._directory is not None
        return self._directory.parent / self._catalog.backup_path(backup)

    async def finish(self) -> None:
        """Return when no backup is being taken any more."""
        self._is_finishing = True
        await self.tasks.finish()

    async def _run(self, copy: Coroutine[Any, Any, None], backup: Backup) -> None:
        try:
            await copy
        except BaseException as fault:
            log_fault(f"backup {backup.name} of {backup.table.name} failed", fault)
            # What a deleted table leaves is not given up for a full disk or the like.
            if backup.kind != SYSTEM or isinstance(fault, DAMAGE):
                await self._give_up(backup)
            raise

    async def _copy_file(self, source: apsw.Connection, backup: Backup, progress: Progress) -> None:
        path = self._path(backup)
        part = part_of(path)

        def complete(copy: apsw.Connection) -> None:
            verify_items(copy)
            self_description.describe_backup(copy, replace(backup, available=True))

        def write() -> int:
            copying.write_file(source, part, progress, complete)
            return file_checksum(part)

        try:
            # Cancelled, it ends first: the source is closed after it.
            checksum = await to_its_end(asyncio.get_running_loop().run_in_executor(self._executor, write))
        finally:
            source.close()
        self._on_step("backup copied")

        def place(file: str) -> None:
            copying.place(part, path.with_name(file))
            self._on_step("backup placed")

        if not self._catalog.finish_backup(backup, checksum, place):
            remove(path)
        self._on_step("backed up")

    async def _copy_held(
        self, table: Table, held: asyncio.Future[None], source: apsw.Connection, backup: Backup
    ) -> None:
        await held
        try:
            await self._copy_memory(source, backup)
        finally:
            table.release()

    async def _copy_memory(self, source: apsw.Connection, backup: Backup) -> None:
        target = copying.blank(None)
        await copying.copy_in_steps(source, target)
        self._in_memory[backup.id] = target
        self._catalog.finish_backup(backup, None, lambda _file: None)
