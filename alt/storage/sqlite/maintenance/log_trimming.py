"""Old changes leave the logs: in the background, in bounded steps.

A log reaches back as far as the longest of its table's needs: a day for streams, the
chosen days for point-in-time recovery. What nothing needs any more goes: a stream that
has been disabled for a day, and the log of a table that has neither.

A log that stands ahead of the clock was written by a clock that was wrong, or is read by
one that is. Nothing of it is old then. If it stays so for a day the clock is believed, and
what is ahead counts as made now: else a log of the year 2099 would stay for ever.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

from alt.storage.model.changes import DAY_SECONDS, oldest_needed, without_ended
from alt.storage.model.definition import TableDefinition
from alt.storage.sqlite.background import Repeated, survive
from alt.storage.sqlite.table import Table
from alt.storage.sqlite.tables import Tables

TRIM_INTERVAL_SECONDS = 300.0
# So long a log may stand ahead of the clock until the clock is believed.
AHEAD_SECONDS = DAY_SECONDS


class LogTrim:
    """Trims the logs of all tables, again and again. `clock` gives epoch seconds."""

    def __init__(self, tables: Tables, clock: Callable[[], float]) -> None:
        self._tables = tables
        self._clock = clock
        self._ahead_since: dict[str, float] = {}  # by the ids of tables whose log is ahead of the clock
        self._trimming = Repeated("the trimming of change logs", self.trim_all, TRIM_INTERVAL_SECONDS)
        self.start = self._trimming.start
        self.stop = self._trimming.stop

    async def trim_all(self) -> None:
        """Trim every log to what its table needs now."""
        for definition in self._tables.definitions():
            if definition.streams or definition.recovery is not None:
                await survive(
                    f"the trimming of the change log of {definition.name}", partial(self._trim, definition)
                )
                await asyncio.sleep(0)  # opening many tables must not hold requests up

    async def _trim(self, definition: TableDefinition) -> None:
        now = self._clock()
        for step in (self._bring_back, self._trim_some):
            while await step(definition, now):
                pass
        current = self._tables.definition(definition.name)
        if current is None or current.id != definition.id:
            return
        needed = without_ended(current, now)
        if needed != current:
            self._tables.redefine(needed)

    async def _bring_back(self, definition: TableDefinition, now: float) -> bool:
        """See to it that the log does not stand ahead of the clock for ever. False if nothing is left to do."""
        table = await self._opened(definition)
        if table is None or table.log.newest() <= now:
            self._ahead_since.pop(definition.id, None)
            return False
        # The least, since a clock may be set back twice.
        since = min(self._ahead_since.get(definition.id, now), now)
        self._ahead_since[definition.id] = since
        if now - since < AHEAD_SECONDS:
            return False
        await table.submit(lambda: table.log.bring_back(now))
        return True

    async def _trim_some(self, definition: TableDefinition, now: float) -> bool:
        """Trim some changes, by the definition as it is then: what was off may be on again. False if none is left."""
        table = await self._opened(definition)
        if table is None or not table.log.begins_before(oldest_needed(table.definition, now)):
            return False
        await table.submit(lambda: table.log.trim(oldest_needed(table.definition, now)))
        return True

    async def _opened(self, definition: TableDefinition) -> Table | None:
        """The table, opened anew for each step; None if there is another of its name now."""
        table = await self._tables.opened(definition.name)
        return None if table is None or table.definition.id != definition.id else table
