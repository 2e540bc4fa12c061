"""Reads that may be old go to a standby of the database, while it is there and knows the tables as they are.

The primary answers what it does not. After a fault it is left alone for a while: so a standby that is away or hangs costs
those reads a moment that meet it first, and the others nothing.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence

from alt.errors import ForeseenError
from alt.storage.fault_log import FaultLog
from alt.storage.model.activity import ReplicaActivity
from alt.storage.model.definition import TableDefinition
from alt.storage.model.pages import PageFound, PageRead
from alt.storage.postgres import statements as sql
from alt.storage.postgres.catalog import Catalog
from alt.storage.postgres.database import FAULTS, Database
from alt.storage.postgres.keys import Place
from alt.storage.postgres.pages import Pages
from alt.storage.postgres.reads import Found, Reads

# Less patience than with the primary (database.py), since there is somebody else to ask.
ANSWER_SECONDS = 2.0
# Between two looks whether it is current.
LOOK_SECONDS = 0.1
# How long it is left alone after a fault.
PAUSE_SECONDS = 5.0
# For so long it may lack definitions before the operator is told.
BEHIND_SECONDS = 10.0

_NO_REVISION = -1

_log = logging.getLogger(__name__)


def standby(dsn: str, size: int, schema: str) -> Database:
    """The connections to a standby, or to whichever of several hosts, for a Replica."""
    return Database(dsn, size, schema, attempts=1, answer_seconds=ANSWER_SECONDS)


class ReplicaBehindError(ForeseenError):
    """The replica does not know the tables as they are."""


class Replica:
    """Reads from a standby's `database`. `primary_reads` and `primary_pages` stand in for it.

    It is current while its definitions are those that `catalog` has. One that has not heard of a table, or has not all of an
    index or a restored table yet, would be asked for what it cannot have: that is not merely old.
    """

    def __init__(
        self, database: Database, catalog: Catalog, primary_reads: Reads, primary_pages: Pages
    ) -> None:
        self._database = database
        self._catalog = catalog
        self.reads: Reads = _Reads(self, self._database, primary_reads)
        self.pages: Pages = _Pages(self, self._database, self.reads, primary_pages)
        self._faults = FaultLog((*FAULTS, ReplicaBehindError))
        self._revision = _NO_REVISION  # at which its definitions are the catalog's
        self._left_until = 0.0  # on the monotonic clock, as is the next
        self._was_current = time.monotonic()
        self._following: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Find out from now on whether it is there, if that is not done yet."""
        self._following = self._following or asyncio.get_running_loop().create_task(self._follow())

    async def close(self) -> None:
        if self._following is not None:
            self._following.cancel()
            await asyncio.gather(self._following, return_exceptions=True)
        await self.reads.drain()
        await self._database.close()

    @property
    def is_current(self) -> bool:
        return self._revision == self._catalog.revision

    def activity(self) -> ReplicaActivity:
        return ReplicaActivity(self._database.activity(), self.is_current)

    def leave(self, fault: Exception) -> None:
        """Leave it alone for a while, since it did not answer."""
        self._revision = _NO_REVISION
        self._left_until = time.monotonic() + PAUSE_SECONDS
        fault.add_note("the replica is not read from for now")
        self._faults.say(fault)

    async def _follow(self) -> None:
        while True:
            try:
                await self._look()
            except FAULTS as fault:
                self.leave(fault)
            except Exception:
                _log.exception("the replica was not followed")
            await asyncio.sleep(max(LOOK_SECONDS, self._left_until - time.monotonic()))

    async def _look(self) -> None:
        ((revision,),) = await self._database.fetch(sql.REVISION)
        is_known = revision == self._revision or await self._has_same_definitions(revision)
        now = time.monotonic()
        if now < self._left_until:  # a read has met a fault meanwhile
            return
        self._revision = revision if is_known else _NO_REVISION
        if self.is_current or self._catalog.revision == 0:
            self._was_current = now
        elif now - self._was_current > BEHIND_SECONDS:
            self._faults.say(
                ReplicaBehindError(
                    "the replica does not know the tables as they are, and is not read from until it does"
                )
            )

    async def _has_same_definitions(self, revision: int) -> bool:
        """A database that is no copy of the primary has others at the same revision."""
        if revision != self._catalog.revision:
            return False
        found = dict(await self._database.fetch(sql.DEFINITION_REVISIONS))
        return found == {
            table_id: shape.definition.revision for table_id, shape in self._catalog.shapes.items()
        }


class _Reads(Reads):
    """Items by their keys, from the replica or else from the primary."""

    def __init__(self, replica: Replica, database: Database, primary: Reads) -> None:
        super().__init__(database)
        self._replica = replica
        self._primary = primary

    async def all(self, places: Sequence[Place]) -> Found:
        if self._replica.is_current:  # it may no longer be, for what has waited
            try:
                return await super().all(places)
            except FAULTS as fault:
                self._replica.leave(fault)
        return await self._primary.all(places)


class _Pages(Pages):
    """Pages, each from the replica or else, from its beginning, from the primary."""

    def __init__(self, replica: Replica, database: Database, reads: Reads, primary: Pages) -> None:
        super().__init__(database, reads)
        self._replica = replica
        self._primary = primary

    async def page(self, definition: TableDefinition, read: PageRead) -> PageFound:
        if self._replica.is_current:
            try:
                return await super().page(definition, read)
            except FAULTS as fault:
                self._replica.leave(fault)
        return await self._primary.page(definition, read)
