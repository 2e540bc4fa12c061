"""The work beside the requests, on the Alt that has the lease: jobs that take one step after another."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Protocol

import asyncpg

from alt.errors import ApiError
from alt.storage.postgres import dialect
from alt.storage.postgres.database import DatabaseAwayError, UnknownOutcomeError
from alt.storage.postgres.maintenance.lease import Lease

# How often there is looked for work, unless a definition has changed.
LOOK_SECONDS = 1.0

_log = logging.getLogger(__name__)


class Job(Protocol):
    """One kind of work. `step` does a little of it; False if there is nothing more to do now."""

    async def step(self) -> bool: ...


class Worker:
    """Does `jobs` while it has the lease. `changed` gives what is set when a definition changes next."""

    def __init__(self, lease: Lease, jobs: Sequence[Job], changed: Callable[[], asyncio.Event]) -> None:
        self._lease = lease
        self._jobs = jobs
        self._changed = changed
        self._turns = asyncio.Lock()
        self._is_stopping = False
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Work from now on, if it does not yet."""
        self._task = self._task or asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        """End between two steps, and let another Alt go on."""
        if self._task is None:
            return
        self._is_stopping = True  # a cancellation that meets a driver's own may be lost
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        await asyncio.gather(self._lease.release(), return_exceptions=True)

    async def _run(self) -> None:
        while not self._is_stopping:
            changed = self._changed()
            if not await self.turn():
                with suppress(TimeoutError):
                    await asyncio.wait_for(changed.wait(), LOOK_SECONDS)

    async def turn(self) -> bool:
        """A step of each job; whether there is more to do at once."""
        async with self._turns:
            return await self._step_each()

    async def _step_each(self) -> bool:
        is_more = False
        for job in self._jobs:
            try:
                if await self._lease.is_held():
                    is_more |= await job.step()
            except (DatabaseAwayError, UnknownOutcomeError, ApiError, asyncpg.UndefinedTableError) as fault:
                # The last: somebody has taken the tables away, which is said as the catalog is followed.
                _log.debug("%s is tried again: %s", type(job).__name__, fault)
            except Exception as fault:
                if not dialect.is_away(fault) and not dialect.is_lost_race(fault):
                    _log.exception("%s failed and will be tried again", type(job).__name__)
        return is_more
