"""A lease: one Alt at a time has it, and whoever dies with it loses it.

It says who does some work, not that the work is safe: each step of it is a transaction that is right whoever else is at
it, should an Alt be asleep for so long that another has taken over.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta

import asyncpg

from alt.errors import ForeseenError
from alt.storage.postgres import dialect
from alt.storage.postgres import statements as sql
from alt.storage.postgres.database import Database

LEASE_SECONDS = 10.0
RENEWED_AFTER_SECONDS = 3.0


class Lease:
    """On some `work`, for the Alt that calls itself `holder`."""

    def __init__(self, database: Database, work: str, holder: str) -> None:
        self._database = database
        self._work = work
        self._holder = holder
        self._taken = -LEASE_SECONDS  # when it was taken or renewed, on the monotonic clock

    async def is_held(self) -> bool:
        """Whether this Alt has it now: it is taken where nobody else has it, and renewed in time."""
        now = time.monotonic()
        if now - self._taken < RENEWED_AFTER_SECONDS:
            return True
        async with self._database.transaction() as connection:
            done = await connection.execute(
                sql.TAKE_LEASE, self._work, self._holder, timedelta(seconds=LEASE_SECONDS)
            )
        if done != "INSERT 0 1":
            return False
        self._taken = now
        return True

    @asynccontextmanager
    async def kept(self) -> AsyncIterator[None]:
        """Renewed for as long as this lasts, and released at its end."""
        renewing = asyncio.ensure_future(self._renew())
        try:
            yield
        finally:
            renewing.cancel()
            await asyncio.gather(renewing, self.release(), return_exceptions=True)

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(RENEWED_AFTER_SECONDS)
            with suppress(ForeseenError, OSError, asyncpg.PostgresError, *dialect.CUT):
                await self.is_held()

    async def release(self) -> None:
        """Let another Alt have it at once."""
        self._taken = -LEASE_SECONDS
        async with self._database.transaction() as connection:
            await connection.execute(sql.RELEASE_LEASE, self._work, self._holder)
