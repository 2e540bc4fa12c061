"""Expired items leave their tables: in the background, in bounded steps.

Each step is a write like any other, in the groups of its table: it looks for the items
inside the write, so none is deleted that another write has given more time, and their
index entries and changes in the log go with them in one commit.

Turning TimeToLive on makes an index over the whole table, and turning it off drops it.
That is one statement of SQLite's; the table's writes wait for it, and its reads go on.
What the end of the process cuts short follows from the definitions and is taken up at
the next start.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

from alt.storage.model.definition import TableDefinition
from alt.storage.sqlite.background import RETRY_SECONDS, Repeated, Tasks, survive
from alt.storage.sqlite.table import Table
from alt.storage.sqlite.tables import Tables


class ExpiryWork:
    """The work on all tables, one task for each table that has some.

    `clock` gives epoch seconds; the tables are looked at every `interval` seconds.
    """

    def __init__(self, tables: Tables, clock: Callable[[], float], interval: float) -> None:
        self._tables = tables
        self._clock = clock
        self.tasks = Tasks()  # by table id
        self._looking = Repeated("the look for expired items", self._look, interval)
        self.start = self._looking.start

    async def stop(self) -> None:
        """End between two steps."""
        await self._looking.stop()
        await self.tasks.stop()

    async def _look(self) -> None:
        self.start_all()

    def start_all(self) -> list[asyncio.Task[None]]:
        """Begin what there is to do now, on all tables."""
        return [
            self.start_on(definition)
            for definition in self._tables.definitions()
            if definition.time_to_live is not None and definition.time_to_live.status != "DISABLED"
        ]

    def start_on(self, definition: TableDefinition) -> asyncio.Task[None]:
        """Turn a table's TimeToLive on or off, or delete what has expired there: as its definition says."""
        return self.tasks.begin(definition.id, lambda: self._run(definition))

    def under_way(self, definition: TableDefinition) -> asyncio.Future[None]:
        """Ends with what is being done on the table, if anything is."""
        task = self.tasks.get(definition.id)
        if task is not None:
            return task
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        done.set_result(None)
        return done

    async def _run(self, definition: TableDefinition) -> None:
        async def work() -> None:
            while await self._step(definition):
                pass

        if not await survive(f"the work on expired items of {definition.name}", work):
            await asyncio.sleep(RETRY_SECONDS)  # until then nobody begins it anew

    async def _step(self, definition: TableDefinition) -> bool:
        """One step of what there is to do; False if there is nothing more now.

        False is said without a pause since the definition was looked at: who changes it later
        finds the task gone, and who changed it before is heard.
        """
        table = await self._tables.opened(definition.name)
        if table is None or table.definition.id != definition.id:
            return False
        time_to_live = table.definition.time_to_live
        if time_to_live is None or time_to_live.status == "DISABLED":
            return False
        if time_to_live.status == "DISABLING":
            await table.alone(table.expiry.drop)
            self._settle(definition, "DISABLING", "DISABLED")
            return False
        if not table.expiry.is_built():
            await table.alone(table.expiry.build)
            return True
        if time_to_live.status == "ENABLING":
            # Deleting begins with the next look: who turned TimeToLive on waits for this only.
            self._settle(definition, "ENABLING", "ENABLED")
            return False
        if not table.expiry.has_expired(self._clock()):
            return False
        self._tables.totals.expired_items += await table.submit(lambda: self._delete_expired(table))
        return True

    def _delete_expired(self, table: Table) -> int:
        expired = table.expiry.expired(self._clock())
        for key, item in expired:
            table.delete(key, item, by_ttl=True)
        return len(expired)

    def _settle(self, definition: TableDefinition, asked: str, settled: str) -> None:
        """What was asked for is done."""
        current = self._tables.definition(definition.name)
        if current is None or current.id != definition.id or current.time_to_live is None:
            return
        if current.time_to_live.status == asked:
            time_to_live = replace(current.time_to_live, status=settled)
            self._tables.redefine(replace(current, time_to_live=time_to_live))
