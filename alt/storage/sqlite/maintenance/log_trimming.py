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
import logging
import math
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from alt.storage.model.definition import TableDefinition
from alt.storage.sqlite.faults import DATA_FAULTS

if TYPE_CHECKING:
    from alt.storage.sqlite.store import Store
    from alt.storage.sqlite.table import Table

DAY_SECONDS = 86_400.0
STREAM_SECONDS = DAY_SECONDS  # a stream's records and, once it is disabled, the stream itself can be read
# A client may hold an iterator this long; the records it stands before stay as long beyond their day.
ITERATOR_SECONDS = 900.0
TRIM_INTERVAL_SECONDS = 300.0
# So long a log may stand ahead of the clock until the clock is believed.
AHEAD_SECONDS = DAY_SECONDS

_log = logging.getLogger(__name__)


class LogTrim:
    """Trims the logs of all tables of a store, again and again. `clock` gives epoch seconds."""

    def __init__(self, store: Store, clock: Callable[[], float]) -> None:
        self._store = store
        self._clock = clock
        self._task: asyncio.Task[None] | None = None
        self._ahead_since: dict[str, float] = {}  # by the ids of tables whose log is ahead of the clock

    def start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        """End between two steps."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            await self.trim_all()
            await asyncio.sleep(TRIM_INTERVAL_SECONDS)

    async def trim_all(self) -> None:
        """Trim every log to what its table needs now."""
        for definition in self._store.definitions():
            if definition.streams or definition.recovery is not None:
                try:
                    await self._trim(definition)
                except DATA_FAULTS as fault:  # a damaged file; its table's own requests say the same
                    _log.error("the change log of %s was not trimmed: %s", definition.name, fault)
                except Exception:
                    _log.exception("the change log of %s was not trimmed", definition.name)
                await asyncio.sleep(0)  # opening many tables must not hold requests up

    async def _trim(self, definition: TableDefinition) -> None:
        now = self._clock()
        for step in (self._bring_back, self._trim_some):
            while await step(definition, now):
                pass
        current = self._store.definition(definition.name)
        if current is None or current.id != definition.id:
            return
        needed = _without_ended(current, now)
        if needed != current:
            self._store.redefine(needed)

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
        if table is None or not table.log.begins_before(_oldest_needed(table.definition, now)):
            return False
        await table.submit(lambda: table.log.trim(_oldest_needed(table.definition, now)))
        return True

    async def _opened(self, definition: TableDefinition) -> Table | None:
        """The table, opened anew for each step; None if there is another of its name now."""
        table = await self._store.opened(definition.name)
        return None if table is None or table.definition.id != definition.id else table


def stream_ended(disabled: float | None, now: float) -> bool:
    """Whether a stream disabled at that moment can no longer be read."""
    return disabled is not None and now - disabled >= STREAM_SECONDS


def _oldest_needed(definition: TableDefinition, now: float) -> float:
    """The moment back to which the table's log must reach; infinite where nothing needs it."""
    needs: list[float] = []
    if any(not stream_ended(stream.disabled, now) for stream in definition.streams):
        needs.append(STREAM_SECONDS + ITERATOR_SECONDS)
    if definition.recovery is not None and definition.recovery.enabled is not None:
        needs.append(definition.recovery.days * DAY_SECONDS)
    return now - max(needs) if needs else math.inf


def _without_ended(definition: TableDefinition, now: float) -> TableDefinition:
    recovery = definition.recovery
    if recovery is not None and recovery.enabled is None:
        recovery = None
    streams = tuple(stream for stream in definition.streams if not stream_ended(stream.disabled, now))
    return replace(definition, streams=streams, recovery=recovery)
