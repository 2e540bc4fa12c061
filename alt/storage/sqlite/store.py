"""The SQLite engine: the tables of one data directory, and all that is done with them."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import apsw

from alt.config import MAX_ITEM_COLLECTION_BYTES, TTL_INTERVAL_SECONDS, Sync
from alt.descriptors import MAX_OPEN_TABLES
from alt.storage.engine import Answer, NotReadyError, Progress, no_progress
from alt.storage.fault_log import FaultLog
from alt.storage.model.activity import Activity
from alt.storage.model.definition import TableDefinition
from alt.storage.model.items import Token, Write, Written
from alt.storage.model.keys import RowKey
from alt.storage.model.reads import KeysFound, KeysRead, Sized
from alt.storage.sqlite.copies.backups import Backups
from alt.storage.sqlite.copies.restores import Restores
from alt.storage.sqlite.data_directory import JOURNAL_FILE, USAGE_FILE, using
from alt.storage.sqlite.database_files import BACKUPS_FOLDER
from alt.storage.sqlite.deleted_tables import DeletedTables
from alt.storage.sqlite.faults import DATA_FAULTS
from alt.storage.sqlite.key_reads import get_all
from alt.storage.sqlite.long_reads import LongReads, over_turns
from alt.storage.sqlite.maintenance.expiring import ExpiryWork
from alt.storage.sqlite.maintenance.idle_tables import IdleWork
from alt.storage.sqlite.maintenance.index_building import IndexWork
from alt.storage.sqlite.maintenance.log_trimming import LogTrim
from alt.storage.sqlite.open_tables import NoRoomError
from alt.storage.sqlite.table import Table
from alt.storage.sqlite.tables import Tables
from alt.storage.sqlite.transactions.journal import Journal
from alt.storage.sqlite.transactions.transactions import Transactions
from alt.storage.sqlite.usage import Usage, open_usage

COMMIT_THREADS = 4
# Copies are long: on threads of their own, so that no commit waits for one.
COPY_THREADS = 2

_log = logging.getLogger(__name__)

T = TypeVar("T")


class Store(Tables):
    """See alt/storage/engine.py, and Tables. `on_step`: see Transactions; copies have steps, too.

    Expired items are looked for every `ttl_interval` seconds.
    """

    def __init__(
        self,
        directory: Path | None,
        sync: Sync = "full",
        on_step: Callable[[str], None] = lambda _step: None,
        item_collection_limit: int = MAX_ITEM_COLLECTION_BYTES,
        clock: Callable[[], float] = time.time,
        ttl_interval: float = TTL_INTERVAL_SECONDS,
        max_open_tables: int = MAX_OPEN_TABLES,
    ) -> None:
        self._commit_threads = ThreadPoolExecutor(COMMIT_THREADS, thread_name_prefix="commit")
        self._copy_threads = ThreadPoolExecutor(COPY_THREADS, thread_name_prefix="copy")
        self._long_reads = LongReads()
        super().__init__(
            directory,
            sync,
            self._commit_threads,
            self._long_reads.run,
            on_step=on_step,
            item_collection_limit=item_collection_limit,
            clock=clock,
            max_open_tables=max_open_tables,
        )
        self._faults = FaultLog(DATA_FAULTS)
        self.usage = _usage(directory)
        self.transactions = Transactions(
            None if directory is None else _journal(directory / JOURNAL_FILE),
            None if directory is None else self._commit_threads,
            self.reopen,
            on_step,
        )
        self.backups = Backups(
            self, None if directory is None else directory / BACKUPS_FOLDER, self._copy_threads, on_step
        )
        self.restores = Restores(self, self.backups, self._copy_threads)
        self.deleted_tables = DeletedTables(self, self.backups, clock)
        self._index_work = IndexWork(self)
        self._log_trim = LogTrim(self, clock)
        self._idle_work = IdleWork(self)
        self.expiry_work = ExpiryWork(self, clock, ttl_interval)

    # Requests

    def when_ready(self, wait: NotReadyError, begin: Callable[[], T]) -> asyncio.Future[T]:
        """Do what met with `wait` once there is room for its tables."""
        assert isinstance(wait, NoRoomError)
        return self.open_tables.with_room(wait, begin)

    def get_all(self, reads: Sequence[KeysRead], limit: int) -> Answer[Sequence[KeysFound]]:
        return over_turns(get_all(reads, limit), [read.table for read in reads])

    def get_together(self, keys: Sequence[tuple[Table, RowKey]]) -> Answer[Sequence[Sized | None]]:
        return self.transactions.get_together(keys)

    def transact(
        self,
        writes: Sequence[tuple[Table, Write]],
        token: Token | None,
        finish: Callable[[Sequence[Written]], T],
        replayed: Callable[[Sequence[int]], T],
    ) -> Answer[T]:
        return self.transactions.transact(writes, token, finish, replayed)

    def say(self, error: BaseException) -> bool:
        """Tell the operator of a fault of the disk, once a minute; False if the error is none."""
        return self._faults.say(error)

    def activity(self, limit: int) -> Activity:
        names = self.names()
        background = {
            "index_building": self._index_work.tasks,
            "expiring": self.expiry_work.tasks,
            "backup": self.backups.tasks,
            "restore": self.restores.tasks,
            "table_deletion": self.deleted_tables.tasks,
        }
        return Activity(
            self.totals,
            len(names),
            len(self.open_tables),
            apsw.memory_used(),
            {work: len(tasks) for work, tasks in background.items()},
            self.usage.by_table(self.catalog.tables, names[:limit]),
        )

    def is_fault(self, error: BaseException) -> bool:
        return isinstance(error, DATA_FAULTS)

    is_ready = True  # a table that cannot be used does not keep the others from being served

    # Definitions

    def create(self, definition: TableDefinition, progress: Progress = no_progress) -> bool:
        """The same, and begin to restore a table that asks for it."""
        is_new = super().create(definition)
        if is_new:
            self.restores.start(definition, progress)
        return is_new

    def settled(self, definition: TableDefinition) -> asyncio.Future[None]:
        """Resolves once the TimeToLive that the definition asks for is in effect."""
        return self.expiry_work.under_way(definition)

    def complete(self, table: Table) -> None:
        self.transactions.complete(table)

    def on_redefined(self, definition: TableDefinition) -> None:
        if _is_serving():
            self._index_work.start(definition)
            if definition.time_to_live is not None and definition.time_to_live.is_changing:
                self.expiry_work.start_on(definition)

    def on_kept(self, file: str) -> None:
        if self.serves:
            self.deleted_tables.begin(file)

    def on_changed(self) -> None:
        for definition in self.definitions():
            self._index_work.start(definition)
        self.deleted_tables.begin_all()

    def on_replaced(self) -> None:
        self.transactions.know_tokens(self.tokens())
        for definition in self.definitions():
            self._index_work.restart(definition)

    # Life

    def recover(self) -> None:
        """Serve the directory, and take up what the last process left.

        That is files of tables that no longer are, transactions, backups, tables and indexes half made.
        """
        self.sweep()
        self.finish_transactions()
        self._idle_work.start([each for each in self.definitions() if self.was_in_use(each)])
        for definition in self.definitions():
            self._index_work.start(definition)
            self.restores.start(definition)
        self.deleted_tables.start()
        self._log_trim.start()
        self.expiry_work.start()

    def finish_transactions(self) -> None:
        """Where no server runs: write to every file what the last process had decided."""
        by_file = self.by_file()
        if self.transactions.journal_is_new and by_file:
            _log.error(
                "%s was gone and is begun anew: if the last server was killed, transactions over several tables "
                "may be half there",
                JOURNAL_FILE,
            )
        for file in self.transactions.recover(by_file.__contains__, self.has_file):
            self.open_tables.age()
            self.usable(by_file[file])
        self.transactions.know_tokens(self.tokens())

    async def close(self) -> None:
        """Finish every write and every backup, and close every file."""
        await self.transactions.drain()
        await self._idle_work.stop()
        await self._long_reads.stop()
        await self.restores.stop()
        await self.deleted_tables.stop()
        await self.backups.finish()
        await self._index_work.stop()
        await self._log_trim.stop()
        await self.expiry_work.stop()
        await super().close()
        self._commit_threads.shutdown()
        self._copy_threads.shutdown()
        self.transactions.close()
        self.usage.close()
        self.catalog.close()


def _usage(directory: Path | None) -> Usage:
    if directory is None:
        return Usage(None)
    with using(directory / USAGE_FILE):
        return open_usage(directory / USAGE_FILE)


def _journal(path: Path) -> Journal:
    with using(path):
        return Journal(path)


def _is_serving() -> bool:
    """False in a command, which leaves the work to the server."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
