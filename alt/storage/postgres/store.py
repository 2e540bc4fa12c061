"""The engine: the tables of one database, which any number of Alts may serve at once. See alt/storage/engine.py."""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

import asyncpg

from alt.config import MAX_ITEM_COLLECTION_BYTES, TTL_INTERVAL_SECONDS
from alt.errors import idempotent_parameter_mismatch, transaction_in_progress
from alt.storage.engine import NotReadyError, then
from alt.storage.fault_log import FaultLog
from alt.storage.model.activity import Activity, FileSize
from alt.storage.model.definition import Backup, TableDefinition
from alt.storage.model.items import Token, Write, Written
from alt.storage.model.keys import RowKey
from alt.storage.model.reads import KeysFound, KeysRead, Sized
from alt.storage.postgres import schema
from alt.storage.postgres.access_keys import AccessKeys, MasterFile
from alt.storage.postgres.catalog import Catalog
from alt.storage.postgres.copies.backups import Backups
from alt.storage.postgres.copies.backups import add as add_backup
from alt.storage.postgres.copies.restoring import Restoring
from alt.storage.postgres.copies.unfinished import Unfinished
from alt.storage.postgres.database import EVERYBODYS, FAULTS, Connection, Database, DatabaseAwayError
from alt.storage.postgres.group import Unit
from alt.storage.postgres.maintenance.clearing import Forgetting, Removing, Trimming
from alt.storage.postgres.maintenance.expiring import Expiring
from alt.storage.postgres.maintenance.index_building import IndexBuilding
from alt.storage.postgres.maintenance.lease import Lease
from alt.storage.postgres.maintenance.worker import Job, Worker
from alt.storage.postgres.reads import cut, sized
from alt.storage.postgres.replica import standby
from alt.storage.postgres.table import Access, Table
from alt.storage.postgres.tenants import schema_of
from alt.storage.postgres.usage import Usage
from alt.storage.postgres.writer import Writer

T = TypeVar("T")

# Few are enough, as reads and writes go in groups. To a replica there may be as many again.
CONNECTIONS = 12
# A tenant's are fewer, since there may be many tenants: two groups of writes, reads, and the work beside the requests.
TENANT_CONNECTIONS = 4
# Items of a batch that are read by one statement: they may be large, and only so many bytes are answered.
MAX_KEYS_AT_ONCE = 50
# How soon what another Alt has changed of a definition is known here.
FOLLOW_SECONDS = 0.1
# Without a look at the catalog for so long an Alt is not ready.
UNREADY_SECONDS = 2.0

_log = logging.getLogger(__name__)


class Store:
    """See alt/storage/engine.py. Expired items are looked for every `ttl_interval` seconds.

    `replica`: where a standby of the database is reached, for reads that may be old. Its tables are those of a `tenant`, or
    else everybody's. Raises UnusableEngineError for what cannot be a tenant.
    """

    def __init__(
        self,
        dsn: str,
        item_collection_limit: int = MAX_ITEM_COLLECTION_BYTES,
        clock: Callable[[], float] = time.time,
        ttl_interval: float = TTL_INTERVAL_SECONDS,
        replica: str | None = None,
        tenant: str | None = None,
    ) -> None:
        self._settings = dsn, item_collection_limit, clock, ttl_interval, replica
        schema, size = (
            (EVERYBODYS, CONNECTIONS) if tenant is None else (schema_of(tenant), TENANT_CONNECTIONS)
        )
        self._database = Database(dsn, size, schema)
        self._changed = asyncio.Event()
        self.catalog = Catalog(self._database, self._tell_change)
        self._writer = Writer(self._database, self.catalog, item_collection_limit, clock)
        copy = None if replica is None else standby(replica, size, schema)
        self._access = Access(self._database, self.catalog, self._writer, copy)
        self.usage = Usage(self._database)
        holder = str(uuid.uuid4())
        self.backups = Backups(self._database, self.catalog, holder)
        self._expiring = Expiring(self._database, self._access, clock, ttl_interval)
        self._worker = self._make_worker(holder, clock)
        self._faults = FaultLog(FAULTS)
        self._running: dict[
            str, bytes
        ] = {}  # ClientRequestTokens under way, and the hashes of their requests
        self._following: asyncio.Task[None] | None = None
        self._is_closing = False
        self._followed = -UNREADY_SECONDS  # when the catalog was last looked at, on the monotonic clock

    def _make_worker(self, holder: str, clock: Callable[[], float]) -> Worker:
        database, catalog = self._database, self.catalog
        unfinished = Unfinished(catalog, self.backups, clock)
        self._restoring = Restoring(database, catalog, self.backups, clock, holder)
        jobs: list[Job] = [
            IndexBuilding(database, catalog),
            self._expiring,
            self._restoring,
            unfinished,
            Forgetting(catalog, unfinished.awaits, clock),
            Trimming(database, catalog, clock),
            Removing(database),
        ]
        return Worker(Lease(database, "background", holder), jobs, lambda: self._changed)

    def of_tenant(self, name: str) -> Store:
        """A tenant's of the same database, which is yet to be opened. Raises UnusableEngineError."""
        return Store(*self._settings, tenant=name)

    def access_keys(self, file: MasterFile) -> AccessKeys:
        return AccessKeys(self._database, file)

    # Life

    async def open(self) -> None:
        """Serve from now on. Raises UnusableEngineError; a database that is away is waited for meanwhile."""
        try:
            await self._begin()
        except DatabaseAwayError as away:
            _log.warning("%s; requests are refused until it is there", away)
        except BaseException:
            await self._database.close()
            raise
        self._following = asyncio.get_running_loop().create_task(self._follow())

    async def _begin(self) -> None:
        await schema.check(self._database)
        await self.catalog.refresh()
        self._followed = time.monotonic()
        if self._access.replica is not None:
            self._access.replica.start()
        self._worker.start()

    async def _follow(self) -> None:
        while not self._is_closing:
            await asyncio.sleep(FOLLOW_SECONDS)
            try:
                if self.catalog.revision == 0:
                    await self._begin()
                else:
                    await self.catalog.refresh()
                    self._followed = time.monotonic()
            except Exception as fault:
                if isinstance(fault, asyncpg.UndefinedTableError):
                    self.catalog.forget()
                if not self.say(fault):
                    _log.exception("the catalog was not followed")

    async def close(self) -> None:
        """Finish every write, and close every connection."""
        self._is_closing = True
        if self._following is not None:
            self._following.cancel()
            await asyncio.gather(self._following, return_exceptions=True)
        await self._worker.stop()
        await self._restoring.stop()
        await self.backups.finish()
        await self._access.writer.drain()
        if self._access.replica is not None:
            await self._access.replica.close()
        await self._access.reads.drain()
        await asyncio.gather(self.usage.store(), return_exceptions=True)
        await self._database.close()

    async def work(self) -> None:
        """Do what there is to do beside the requests now, and not when its time comes."""
        self._expiring.look_at_once()
        while await self._worker.turn():
            pass
        await self._restoring.finish()
        await self.backups.finish()

    is_encrypted = False  # by Alt: what the database does is its own

    def activity(self, limit: int) -> Activity:  # noqa: ARG002 - what keys consumed is the database's to sum up
        """What this Alt has done; nothing of what others do on the same database. It is told while that is away, too."""
        replica = self._access.replica
        return Activity(
            self._writer.totals,
            len(self.catalog.names),
            open_tables=0,
            cache_bytes=0,
            background={},
            consumed={},
            database=self._database.activity(),
            replica=None if replica is None else replica.activity(),
        )

    def file_sizes(self, limit: int) -> Sequence[FileSize]:  # noqa: ARG002
        """None: the database has its files for itself."""
        return ()

    @property
    def is_ready(self) -> bool:
        return time.monotonic() - self._followed < UNREADY_SECONDS

    def _tell_change(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    def _known(self) -> Catalog:
        """The catalog. Raises DatabaseAwayError where it was never read."""
        if self.catalog.revision == 0:
            raise DatabaseAwayError("the database was not there yet")
        return self.catalog

    # Tables

    def table(self, name: str) -> Table | None:
        shape = self._known().names.get(name)
        if shape is None or shape.definition.restore is not None:
            return None
        return Table(shape, self._access)

    def tables(self, names: Iterable[str]) -> dict[str, Table | None]:
        return {name: self.table(name) for name in names}

    def when_ready(self, _wait: NotReadyError, _begin: Callable[[], T]) -> asyncio.Future[T]:
        raise AssertionError("nothing here has to wait")

    def names(self) -> list[str]:
        return list(self._known().names)

    def definition(self, name: str) -> TableDefinition | None:
        shape = self._known().names.get(name)
        return None if shape is None else shape.definition

    def definitions(self) -> list[TableDefinition]:
        return [shape.definition for shape in self._known().names.values()]

    def deleted(self) -> list[TableDefinition]:
        return self._known().deleted

    def deleted_table(self, definition: TableDefinition) -> Table | None:
        shape = self._known().shapes.get(definition.id)
        return None if shape is None else Table(shape, self._access)

    def create(self, definition: TableDefinition) -> asyncio.Future[bool]:
        return asyncio.ensure_future(self.catalog.create(definition))

    def redefine(self, definition: TableDefinition) -> asyncio.Future[None]:
        return asyncio.ensure_future(self.catalog.redefine(definition))

    def remove(self, definition: TableDefinition) -> asyncio.Future[None]:
        return asyncio.ensure_future(self.catalog.remove(definition))

    def remove_keeping(self, definition: TableDefinition, backup: Backup | None) -> asyncio.Future[None]:
        return asyncio.ensure_future(self._keep(definition, backup))

    async def _keep(self, definition: TableDefinition, backup: Backup | None) -> None:
        async def end(connection: Connection, deleted: TableDefinition) -> TableDefinition:
            if backup is not None:
                await add_backup(connection, backup)
            return deleted

        await self.catalog.redefine(definition, end)

    def settled(self, definition: TableDefinition) -> asyncio.Future[None]:
        return asyncio.ensure_future(self._settled(definition.id))

    async def _settled(self, table_id: str) -> None:
        while True:
            changed = self._changed
            shape = self.catalog.shapes.get(table_id)
            lived = None if shape is None else shape.definition.time_to_live
            if lived is None or not lived.is_changing:
                return
            await changed.wait()

    # Several items

    def get_all(self, reads: Sequence[KeysRead], limit: int) -> asyncio.Future[Sequence[KeysFound]]:
        return asyncio.ensure_future(self._get_all(reads, limit))

    async def _get_all(self, reads: Sequence[KeysRead], limit: int) -> list[KeysFound]:
        answers = []
        for read in reads:
            source = self._access.reads_for(is_consistent=read.is_consistent)
            answer = KeysFound([], 0, 0)
            while answer.read < len(read.keys):
                keys = read.keys[answer.read : answer.read + MAX_KEYS_AT_ONCE]
                found = await source.all([read.table.place(key) for key in keys])
                part, limit = await cut(found, read.projection, limit)
                answer = KeysFound(
                    [*answer.items, *part.items], answer.blocks + part.blocks, answer.read + part.read
                )
                if part.read < len(keys):
                    break
            answers.append(answer)
        return answers

    def get_together(self, keys: Sequence[tuple[Table, RowKey]]) -> asyncio.Future[Sequence[Sized | None]]:
        """One statement reads one state of all tables."""
        places = [table.place(key) for table, key in keys]
        found = asyncio.ensure_future(self._access.reads.all(places))
        return then(found, lambda found: [sized(stored) for stored in found])

    def transact(
        self,
        writes: Sequence[tuple[Table, Write]],
        token: Token | None,
        finish: Callable[[Sequence[Written]], T],
        replayed: Callable[[Sequence[int]], T],
    ) -> asyncio.Future[T]:
        if token is not None:
            token = token._replace(token=_without_nul(token.token))
            if (running := self._running.get(token.token)) is not None:
                raise (
                    transaction_in_progress() if running == token.request else idempotent_parameter_mismatch()
                )
        unit = Unit([(table.shape_now, write) for table, write in writes], is_transaction=True, token=token)
        future: asyncio.Future[T] = self._access.writer.submit(unit, finish, replayed)
        if token is not None:
            self._running[token.token] = token.request
            future.add_done_callback(lambda _: self._running.pop(token.token))
        return future

    # Faults

    def say(self, error: BaseException) -> bool:
        return self._faults.say(error)

    def is_fault(self, error: BaseException) -> bool:
        return isinstance(error, FAULTS)


def _without_nul(text: str) -> str:
    """The text with NUL escaped, so that two texts stay two: PostgreSQL's `text` cannot hold that character.

    https://www.postgresql.org/docs/15/datatype-character.html
    """
    return text.replace("\\", r"\\").replace("\0", r"\0")
