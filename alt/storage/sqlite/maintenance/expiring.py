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
import logging
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from alt.storage.model.definition import TableDefinition
from alt.storage.sqlite.faults import DATA_FAULTS
from alt.storage.sqlite.table import Table

if TYPE_CHECKING:
    from alt.storage.sqlite.store import Store

RETRY_SECONDS = 30.0  # after a full disk or the like

_log = logging.getLogger(__name__)


class ExpiryWork:
    """The work on all tables of a store, one task for each table that has some.

    `clock` gives epoch seconds; the tables are looked at every `interval` seconds.
    """

    def __init__(self, store: Store, clock: Callable[[], float], interval: float) -> None:
        self._store = store
        self._clock = clock
        self._interval = interval
        self._tasks: dict[str, asyncio.Task[None]] = {}  # by table id
        self._sweeping: asyncio.Task[None] | None = None

    def start(self) -> None:
        """From now on do, again and again, what there is to do."""
        self._sweeping = asyncio.get_running_loop().create_task(self._sweep())

    async def stop(self) -> None:
        """End between two steps."""
        tasks = [*self._tasks.values(), *([] if self._sweeping is None else [self._sweeping])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _sweep(self) -> None:
        while True:
            try:
                self.start_all()
            except Exception:
                _log.exception("tables with expired items were not looked for")
            await asyncio.sleep(self._interval)

    def start_all(self) -> list[asyncio.Task[None]]:
        """Begin what there is to do now, on all tables."""
        return [
            self.start_on(definition)
            for definition in self._store.definitions()
            if definition.time_to_live is not None and definition.time_to_live.status != "DISABLED"
        ]

    def start_on(self, definition: TableDefinition) -> asyncio.Task[None]:
        """Turn a table's TimeToLive on or off, or delete what has expired there: as its definition says."""
        task = self._tasks.get(definition.id)
        if task is None:
            task = asyncio.get_running_loop().create_task(self._run(definition))
            self._tasks[definition.id] = task
        return task

    async def _run(self, definition: TableDefinition) -> None:
        try:
            while await self._step(definition):
                pass
        except DATA_FAULTS as fault:
            _log.error("expired items of %s stay for now: %s", definition.name, fault)
            await asyncio.sleep(RETRY_SECONDS)
        except Exception:
            _log.exception("a step of expiring items of %s failed", definition.name)
            await asyncio.sleep(RETRY_SECONDS)
        finally:
            # At once, not in a callback later: who starts more work now must not find this still there.
            self._tasks.pop(definition.id, None)

    async def _step(self, definition: TableDefinition) -> bool:
        """One step of what there is to do; False if there is nothing more now.

        False is said without a pause since the definition was looked at: who changes it later
        finds the task gone, and who changed it before is heard.
        """
        table = await self._store.opened(definition.name)
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
        await table.submit(lambda: self._delete_expired(table))
        return True

    def _delete_expired(self, table: Table) -> None:
        for key, item in table.expiry.expired(self._clock()):
            table.delete(key, item, by_ttl=True)

    def _settle(self, definition: TableDefinition, asked: str, settled: str) -> None:
        """What was asked for is done."""
        current = self._store.definition(definition.name)
        if current is None or current.id != definition.id or current.time_to_live is None:
            return
        if current.time_to_live.status == asked:
            time_to_live = replace(current.time_to_live, status=settled)
            self._store.redefine(replace(current, time_to_live=time_to_live))
