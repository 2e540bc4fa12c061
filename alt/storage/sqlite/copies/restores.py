"""Tables made from copies: in the background, and invisible until they are complete.

A table that is being restored stands in the catalog with a `restore` that says from
what; for clients it is CREATING. Its file is put together beside the tables' files:

1. the contents of its origin are copied;
2. the copy is given the new table's indexes, and forgets what belonged to the old table;
3. where the origin asks for it, the copy is opened and its items are taken back in time;
4. the file gets its name in the same catalog transaction that makes the table ACTIVE.

What the end of the process cuts short begins again at the next start, from the catalog.

A command does the same to a table that is not in the catalog before it is there as a whole: it may be killed at any
moment, and nobody would go on with it while the server runs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from pathlib import Path
from typing import ParamSpec, TypeVar

import apsw

from alt.storage.engine import Progress, no_progress
from alt.storage.model.changes import Past
from alt.storage.model.definition import IndexDefinition, TableDefinition
from alt.storage.model.keys import layout_of
from alt.storage.sqlite import connections, expiry, self_description
from alt.storage.sqlite.background import Tasks
from alt.storage.sqlite.copies import copying
from alt.storage.sqlite.copies.backups import Backups
from alt.storage.sqlite.copies.origin import Origin, OriginLostError
from alt.storage.sqlite.copies.recovery import past_contents
from alt.storage.sqlite.faults import log_fault
from alt.storage.sqlite.long_reads import to_its_end
from alt.storage.sqlite.ranges import columns_of
from alt.storage.sqlite.table import FORMAT, Table
from alt.storage.sqlite.tables import Tables

P = ParamSpec("P")
T = TypeVar("T")


class Restores:
    """The restores of a data directory, one task for each table. `executor` copies."""

    def __init__(self, tables: Tables, backups: Backups, executor: Executor) -> None:
        self._tables = tables
        self._backups = backups
        self._executor = executor
        self.tasks = Tasks()  # by table id
        self._stopping = False

    def start(self, definition: TableDefinition, progress: Progress = no_progress) -> None:
        """Restore a table that stands in the catalog, unless that is under way."""
        if definition.restore is not None:
            self.tasks.begin(definition.id, lambda: self._run(definition, progress))

    async def make(self, definition: TableDefinition, progress: Progress) -> None:
        """For a command: restore a table that is there for all once this returns, and not before.

        Raises what keeps it from being made, and UnusableDataError or ApiError where another process came between.
        """
        with self._tables.making(definition):
            await self._restore(definition, progress, self._tables.list_made)

    async def finish(self, definition: TableDefinition) -> BaseException | None:
        """Return when the table's restore has come to its end, with what made it fail."""
        task = self.tasks.get(definition.id)
        if task is None:
            return None
        await asyncio.wait([task])
        return None if task.cancelled() else task.exception()

    async def stop(self) -> None:
        """Give up; the next start begins again."""
        self._stopping = True
        await self.tasks.stop()

    async def _run(self, definition: TableDefinition, progress: Progress) -> None:
        try:
            await self._restore(definition, progress, self._tables.publish)
        except Exception as fault:
            # A table that stays CREATING could be neither used nor deleted; the next start goes on with what is given up.
            # If it is not there to be abandoned, somebody took it away meanwhile.
            if not self._stopping and self._tables.abandon(definition):
                log_fault(f"the restore of {definition.name} failed, and there is no such table", fault)
            raise

    async def _origin(self, definition: TableDefinition) -> Origin:
        """What a table is to be restored from. Raises OriginLostError."""
        assert definition.restore is not None
        origin = definition.restore.origin
        if "table" in origin:
            return await past_contents(await self._tables.opened(origin["table"]), Past(**origin))
        backup = self._backups.get(origin["backup"])
        if backup is None or not backup.available:
            raise OriginLostError(origin)
        await self._beside(self._backups.verify, backup)
        contents = self._backups.open(backup)
        release = (lambda: None) if self._backups.are_in_memory else contents.close
        return Origin(contents, release, backup.table)

    async def _beside(self, work: Callable[P, T], *arguments: P.args, **_: P.kwargs) -> T:
        """Do long work on a thread. Cancelled, it ends first: what it uses may be closed after it."""
        return await to_its_end(asyncio.get_running_loop().run_in_executor(self._executor, work, *arguments))

    async def _restore(
        self,
        definition: TableDefinition,
        progress: Progress,
        publish: Callable[[TableDefinition, Path | None, Table | None], None],
    ) -> None:
        """The steps above."""
        origin = await self._origin(definition)
        ready = definition.restored()
        part = self._tables.part(definition)

        def change(copy: apsw.Connection) -> None:
            reshape(copy, origin.definition, ready)
            if origin.rewind is None:
                forget_changes(copy)

        def watched(done: int, total: int) -> None:
            if self._stopping:
                raise InterruptedError
            progress(done, total)

        contents = None
        try:
            if part is None:
                contents = copying.blank(None)
                await copying.copy_in_steps(origin.contents, contents)
                change(contents)
            else:
                await self._beside(copying.write_file, origin.contents, part, watched, change)
        finally:
            origin.release()
        table = None
        if part is None or origin.rewind is not None:
            table = self._tables.open_unseen(ready, part, contents)
        try:
            if table is not None and origin.rewind is not None:
                await origin.rewind(table, watched)
                await table.drain()
                if contents is not None:
                    forget_changes(contents)
        finally:
            if table is not None and part is not None:
                await table.drain()  # what the end of the process cuts short has a write under way
                table.close()
        if part is not None and origin.rewind is not None:
            await self._beside(_settle, part)
        publish(ready, part, table)


def reshape(copy: apsw.Connection, old: TableDefinition, new: TableDefinition) -> None:
    """Make a copy of an `old` table's database a `new` table's: fewer indexes or other names for them."""
    connections.check_format(copy, FORMAT)
    kept = {index.id: index for index in new.indexes}
    cursor = copy.cursor()
    with connections.transaction(copy):
        for index in old.indexes:
            if index.id not in kept:
                _drop_index(cursor, index)
            elif index.name != kept[index.id].name:
                _rename_index(cursor, index, kept[index.id])
        cursor.execute(expiry.DROP)  # no restored table has TimeToLive
        # The journal's entries and the clients' tokens are about the old table.
        cursor.execute("UPDATE transaction_mark SET number = 0")
        cursor.execute("DELETE FROM token")
        self_description.describe_table(cursor, new)


def forget_changes(copy: apsw.Connection) -> None:
    """A restored table's log begins with the table."""
    with connections.transaction(copy):
        copy.execute("DELETE FROM change")
        copy.execute("DELETE FROM sqlite_sequence WHERE name = 'change'")


def _settle(part: Path) -> None:
    """Complete a rewound file, durably."""
    connection = connections.connect(part, "off")
    try:
        forget_changes(connection)
    finally:
        connection.close()
    copying.sync_file(part)


def _drop_index(cursor: apsw.Cursor, index: IndexDefinition) -> None:
    columns = columns_of(layout_of(index))
    is_there = cursor.execute("SELECT 1 FROM statistics WHERE source = ?", (columns.table,)).get
    if is_there is None:
        return
    if not index.is_global:
        # A local index shares slots and partition keys with the items, whose collections count it.
        cursor.execute(
            "UPDATE item_collection SET bytes = bytes - (SELECT coalesce(sum(entry.size), 0) "
            f"FROM {columns.table} AS entry "
            f"WHERE entry.slot = item_collection.slot AND entry.{columns.hash[0]} = item_collection.pk)"
        )
    cursor.execute(f"DROP TABLE {columns.table}")
    for bookkeeping in ("statistics", "backfill"):
        cursor.execute(f"DELETE FROM {bookkeeping} WHERE source = ?", (columns.table,))


def _rename_index(cursor: apsw.Cursor, index: IndexDefinition, renamed: IndexDefinition) -> None:
    old, new = columns_of(layout_of(index)).table, columns_of(layout_of(renamed)).table
    is_there = cursor.execute("SELECT 1 FROM statistics WHERE source = ?", (old,)).get
    if is_there is None:
        return
    cursor.execute(f"ALTER TABLE {old} RENAME TO {new}")
    for bookkeeping in ("statistics", "backfill"):
        cursor.execute(f"UPDATE {bookkeeping} SET source = ? WHERE source = ?", (new, old))
