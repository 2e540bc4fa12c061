"""Tables made from copies: in the background, and invisible until they are complete.

A table that is being restored stands in the catalog with a `restore` that says from
what; for clients it is CREATING. Its file is put together beside the tables' files:

1. the contents of its origin are copied;
2. the copy is given the new table's indexes, and forgets what belonged to the old table;
3. where the origin asks for it, the copy is opened and its items are taken back in time;
4. the file gets its name in the same catalog transaction that makes the table ACTIVE.

What the end of the process cuts short begins again at the next start, from the catalog.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import apsw

from alt.storage.model.definition import IndexDefinition, TableDefinition
from alt.storage.sqlite import connections, expiry, self_description
from alt.storage.sqlite.copies import copying
from alt.storage.sqlite.copies.copying import Progress, no_progress
from alt.storage.sqlite.indexes import index_columns
from alt.storage.sqlite.table import FORMAT, Table

if TYPE_CHECKING:
    from alt.storage.sqlite.store import Store

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Origin:
    """What a table is restored from.

    `contents` is pinned, and `release` is called once it is copied. `definition` is that of
    the table they belong to; its indexes are matched with the new table's by their ids.
    `rewind` is called with the new table, open and seen by nobody else, before it becomes
    ACTIVE: it may submit any number of writes, each of bounded length, and reports its own
    progress. The change log is the source's until then, and empty afterwards.
    """

    contents: apsw.Connection
    release: Callable[[], None]
    definition: TableDefinition
    rewind: Callable[[Table, Progress], Awaitable[None]] | None = None


class OriginLostError(Exception):
    """What a table was to be restored from is not there any more."""


class Restores:
    """The restores of a store, one task for each table."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._tasks: dict[str, asyncio.Task[None]] = {}  # by table id
        self._stopping = False

    def start(self, definition: TableDefinition, progress: Progress = no_progress) -> None:
        """Restore a table that stands in the catalog, unless that is under way."""
        if definition.restore is None or definition.id in self._tasks:
            return
        task = asyncio.get_running_loop().create_task(self._run(definition, progress))
        task.add_done_callback(_noted)
        self._tasks[definition.id] = task

    async def finish(self, definition: TableDefinition) -> BaseException | None:
        """Return when the table's restore has come to its end, with what made it fail."""
        task = self._tasks.get(definition.id)
        if task is None:
            return None
        await asyncio.wait([task])
        return None if task.cancelled() else task.exception()

    async def stop(self) -> None:
        """Give up; the next start begins again."""
        self._stopping = True
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self, definition: TableDefinition, progress: Progress) -> None:
        try:
            await self._restore(definition, progress)
        except Exception:
            # A table that stays CREATING could be neither used nor deleted.
            if self._store.abandon(definition):  # else somebody took it away meanwhile
                _log.exception("the restore of %s failed, and there is no such table", definition.name)
            raise
        finally:
            self._tasks.pop(definition.id, None)

    async def _restore(self, definition: TableDefinition, progress: Progress) -> None:
        """The steps above."""
        origin = await self._store.origin(definition)
        ready = replace(definition, restore=None)
        part = self._store.part(definition)

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
                await self._store.beside(copying.write_file, origin.contents, part, watched, change)
        finally:
            origin.release()
        table = None
        if part is None or origin.rewind is not None:
            table = self._store.open_unseen(ready, part, contents)
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
            await self._store.beside(_settle, part)
        self._store.publish(ready, part, table)


def _noted(task: asyncio.Task[None]) -> None:
    """What made a restore fail has been logged; who waits for it is told as well."""
    if not task.cancelled():
        task.exception()


def reshape(copy: apsw.Connection, old: TableDefinition, new: TableDefinition) -> None:
    """Make a copy of an `old` table's database a `new` table's: fewer indexes or other names for them."""
    connections.check_format(copy, "table", FORMAT)  # a backup may be of an older one
    kept = {index.id: index for index in new.indexes}
    cursor = copy.cursor()
    with copy:
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
    with copy:
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
    columns = index_columns(index)
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
    old, new = index_columns(index).table, index_columns(renamed).table
    is_there = cursor.execute("SELECT 1 FROM statistics WHERE source = ?", (old,)).get
    if is_there is None:
        return
    cursor.execute(f"ALTER TABLE {old} RENAME TO {new}")
    for bookkeeping in ("statistics", "backfill"):
        cursor.execute(f"UPDATE {bookkeeping} SET source = ? WHERE source = ?", (new, old))
