"""What idle tables give up, in the background: their write-ahead logs, and then their files.

SQLite keeps a write-ahead log at the size that it once had, up to 16 MB, until the file is closed. So the log of a table
to which nobody writes is taken into its file and emptied, and a table that nobody finds is closed, which lets go of
its descriptors and its memory; who wants it again opens it in a millisecond.

What a server had open when it died is opened, so that the operator hears what it lost, and put to rest.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial

from alt import memory
from alt.storage.model.definition import TableDefinition
from alt.storage.sqlite.background import Repeated, Tasks, survive
from alt.storage.sqlite.open_tables import NoRoomError
from alt.storage.sqlite.table import Table
from alt.storage.sqlite.tables import Tables

# A table without a write for so long is idle, or for twice as long.
LOG_SECONDS = 5.0
# One that nobody has found for so long is closed, or for twice as long.
CLOSE_SECONDS = 60.0

# After so many are closed their memory is given back, some 10 MB, for which whoever needs memory may have to wait.
MEMORY_TABLES = 32

_INHERITED = "inherited"


class IdleWork:
    """The work on all tables of a directory, one after another."""

    def __init__(
        self, tables: Tables, log_interval: float = LOG_SECONDS, close_interval: float = CLOSE_SECONDS
    ) -> None:
        self._tables = tables
        self._changes: dict[Table, int] = {}  # as they were at the last look
        self._logs = Repeated("the emptying of write-ahead logs", self.empty_logs, log_interval)
        self._files = Repeated("the closing of idle tables", self.close_unfound, close_interval)
        self._inherited = Tasks()

    def start(self, inherited: Sequence[TableDefinition]) -> None:
        """Begin. `inherited`: the tables that the last server had open when it died."""
        self._logs.start()
        self._files.start()
        if inherited:
            self._inherited.begin(_INHERITED, partial(self._take_over, inherited))

    async def stop(self) -> None:
        await self._logs.stop()
        await self._files.stop()
        await self._inherited.stop()

    async def empty_logs(self) -> None:
        """Empty the logs of the tables that were not written to since this was done last."""
        before = self._changes
        self._changes = {
            table: table.rows_changed for _, table in self._tables.open_tables if not table.is_used
        }
        for table, changes in self._changes.items():
            if changes == before.get(table) and table.has_log():
                await survive(f"emptying the write-ahead log of {table.label}", partial(_empty_log, table))

    async def close_unfound(self) -> None:
        """Close the tables that nobody has found since this was done last."""
        unfound = self._tables.open_tables.unfound()
        for number, name in enumerate(unfound, 1):
            await survive(f"closing table {name}", partial(self._rest, name))
            if number % MEMORY_TABLES == 0:
                await asyncio.to_thread(memory.give_back)
        if unfound:
            await asyncio.to_thread(memory.collect_and_give_back)

    async def _take_over(self, inherited: Sequence[TableDefinition]) -> None:
        for definition in inherited:
            name, open_tables = definition.name, self._tables.open_tables
            await open_tables.with_room(NoRoomError(), partial(self._tables.usable, name))
            open_tables.age()
            await survive(f"closing table {name}", partial(self._rest, name))

    async def _rest(self, name: str) -> None:
        """Close a table, unless somebody wants it meanwhile. Its log is emptied before, on another thread."""
        table = self._tables.open_tables.unused(name)
        if table is None:
            return
        if table.has_log():
            await _empty_log(table)
        self._tables.open_tables.close_unused(name, table)


async def _empty_log(table: Table) -> None:
    table.users += 1  # it is not closed to make room meanwhile
    try:
        if not table.is_closed:
            await table.empty_log()
    finally:
        table.users -= 1
