"""What is no longer needed goes: rows of what was removed, old changes, tokens, and what deleted tables left."""

from __future__ import annotations

import time
from collections.abc import Callable

from alt.storage.model.changes import oldest_needed, readable_streams, without_ended
from alt.storage.postgres import change_log
from alt.storage.postgres import statements as sql
from alt.storage.postgres.catalog import Catalog
from alt.storage.postgres.database import Database
from alt.storage.postgres.shapes import Shape

# A transaction deletes so many rows.
STEP_ROWS = 1_000
# How often old changes and tokens are looked for.
LOOK_SECONDS = 60.0


class Removing:
    """Deletes the rows of tables, indexes and backups that were removed."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def step(self) -> bool:
        found = await self._database.fetch(sql.REMOVED)
        if not found:
            return False
        source = found[0]["source"]
        async with self._database.transaction() as connection:
            done = [
                await connection.execute(statement, source, STEP_ROWS)
                for statement in (sql.DELETE_SOME_ITEMS, sql.DELETE_SOME_CHANGES, sql.DELETE_SOME_COLLECTIONS)
            ]
            if all(each == "DELETE 0" for each in done):
                await connection.execute(sql.DELETE_TALLIES, source)
                await connection.execute(sql.FORGET_REMOVED, source)
        return True


class Trimming:
    """Old changes leave the logs, and what nothing can be told of any more leaves the definitions."""

    def __init__(self, database: Database, catalog: Catalog, clock: Callable[[], float]) -> None:
        self._database = database
        self._catalog = catalog
        self._clock = clock
        self._next = 0.0  # look, on the monotonic clock

    async def step(self) -> bool:
        started = time.monotonic()
        if started < self._next:
            return False
        now = self._clock()
        is_more = False
        for shape in list(self._catalog.shapes.values()):
            definition = shape.definition
            if definition.deleted is not None or not (definition.streams or definition.recovery is not None):
                continue
            if await self._trim(shape, oldest_needed(definition, now)):
                is_more = True
            elif (needed := without_ended(definition, now)) != definition:
                await self._catalog.redefine(needed)
        async with self._database.transaction() as connection:
            await connection.execute(sql.DELETE_EXPIRED_TOKENS, now)
        if not is_more:
            self._next = started + LOOK_SECONDS
        return is_more

    async def _trim(self, shape: Shape, before: float) -> bool:
        """False once all that was made before this moment is gone."""
        log = await change_log.positions(self._database, shape.source, [before])
        last = min(log.until[0], log.trimmed + STEP_ROWS)
        if last <= log.trimmed:
            return False
        async with self._database.transaction() as connection:
            await connection.execute(sql.TRIM_LOG, shape.source, last)
            await connection.execute(sql.DELETE_CHANGES_UNTIL, shape.source, last)
        return last < log.until[0]


class Forgetting:
    """What deleted tables have left goes once their streams cannot be read any more."""

    def __init__(
        self, catalog: Catalog, awaits_backup: Callable[[str], bool], clock: Callable[[], float]
    ) -> None:
        self._catalog = catalog
        self._awaits_backup = awaits_backup
        self._clock = clock

    async def step(self) -> bool:
        for definition in self._catalog.deleted:
            if not self._awaits_backup(definition.id) and not readable_streams(definition, self._clock()):
                await self._catalog.remove(definition)
        return False
