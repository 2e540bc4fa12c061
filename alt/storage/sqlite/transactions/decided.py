"""What transactions over several tables have decided, until every file has it for good.

Should a file not take what is decided, nobody writes to it or reads from it any more until it has
been given that: it is closed, and opened again by `complete`, at once, with the next request for it,
or at the next start.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor

import apsw

from alt.storage.fault_log import FaultLog
from alt.storage.model.items import Token
from alt.storage.sqlite.data_directory import UnusableDataError
from alt.storage.sqlite.faults import DATA_FAULTS
from alt.storage.sqlite.table import Table
from alt.storage.sqlite.transactions.journal import Entry, Journal

# Entries stay in the journal this long at least: then their files are synced, all of one moment at once.
SETTLE_SECONDS = 1.0
# A file that did not take what it lacks is not tried again before.
RETRY_SECONDS = 0.2

_log = logging.getLogger(__name__)


class Decided:
    """See alt.storage.sqlite.transactions.transactions.Transactions for what it is made with."""

    def __init__(
        self,
        journal: Journal | None,
        executor: Executor | None,
        reopen: Callable[[Table], None],
        on_step: Callable[[str], None],
    ) -> None:
        self._journal = journal
        self._executor = executor
        self._reopen = reopen
        self._on_step = on_step
        self._lacking: dict[str, list[Entry]] = {}  # by file, what it has to be given before it is used
        self._tried: dict[str, float] = {}  # by file, when that last failed, on the monotonic clock
        self._redone = 0  # files that were given something
        # By entry, the files that have it but perhaps not durably.
        self._unsettled: dict[int, set[Table]] = {}
        self._settling: asyncio.TimerHandle | None = None
        self._running: asyncio.Task[None] | None = None
        self._faults = FaultLog(DATA_FAULTS)

    # Files that lack something

    def give_later(self, tables: Sequence[Table], entries: Sequence[Entry]) -> bool:
        """Let nobody use the tables before they have the entries; whether they have them now."""
        is_given = True
        for table in tables:
            own = [entry for entry in entries if table.file in entry.files]
            self._lacking.setdefault(table.file, []).extend(own)
            try:
                self._reopen(table)
            except (UnusableDataError, apsw.Error, OSError) as fault:
                is_given = False
                _log.error(
                    "table %s is closed until it has taken what a transaction wrote, which is tried with each "
                    "request for it: %s",
                    table.definition.name,
                    fault,
                )
        return is_given

    def complete(self, table: Table) -> None:
        """Give a file that was just opened what it lacks. Raises UnusableDataError, or what kept it from that."""
        if self._journal is not None:
            self._journal.follow(table.mark())
        entries = self._lacking.get(table.file)
        if entries is None:
            return
        if time.monotonic() - self._tried.get(table.file, -RETRY_SECONDS) < RETRY_SECONDS:
            raise UnusableDataError(
                f"table {table.definition.name} lacks a transaction, which is about to be tried"
            )
        try:
            if self._journal is not None:
                self._journal.settle()
            given = [give(table, entry) for entry in sorted(entries, key=lambda entry: entry.number)]
            if any(given):
                self._redone += 1
                self._on_step(f"redone {self._redone}")
        except Exception:
            self._tried[table.file] = time.monotonic()
            raise
        del self._lacking[table.file]
        self._tried.pop(table.file, None)
        self.settle_later(entries, [table])

    # Entries that all files have

    def settle_later(self, entries: Iterable[Entry], tables: Iterable[Table]) -> None:
        """These tables have these entries, but perhaps not durably."""
        if self._journal is None:
            return
        for entry in entries:
            self._unsettled.setdefault(entry.number, set()).update(tables)
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:  # a command, which settles as it closes
            return
        if self._settling is None:
            self._settling = loop.call_later(SETTLE_SECONDS, self._start)

    def _start(self) -> None:
        self._running = asyncio.get_running_loop().create_task(self._settle_beside())

    async def _settle_beside(self) -> None:
        entries = self._settled()
        try:
            await asyncio.get_running_loop().run_in_executor(self._executor, self._sync, entries)
            self._forget(entries)
        except (apsw.Error, OSError) as fault:
            fault.add_note("the journal keeps its entries for now")
            self._faults.say(fault)
        finally:
            self._settling = None
            if self._unsettled:
                self.settle_later((), ())

    def _settled(self) -> dict[int, set[Table]]:
        """The entries that no file lacks."""
        lacked = {entry.number for entries in self._lacking.values() for entry in entries}
        return {number: tables for number, tables in self._unsettled.items() if number not in lacked}

    def _sync(self, entries: Mapping[int, Iterable[Table]]) -> None:
        """Sync the files that have them. Runs beside the event loop."""
        for table in {table for tables in entries.values() for table in tables}:
            table.sync()

    def _forget(self, entries: Mapping[int, Iterable[Table]]) -> None:
        assert self._journal is not None
        self._journal.finish(entries)
        for number in entries:
            del self._unsettled[number]

    async def drain(self) -> None:
        """Return when nothing is being settled."""
        if self._running is not None:
            await asyncio.wait([self._running])

    def close(self) -> None:
        """Once all tables are closed."""
        if self._settling is not None:
            self._settling.cancel()
        if self._journal is None:
            return
        try:
            entries = self._settled()
            self._sync(entries)
            self._forget(entries)
            self._journal.close()
        except (apsw.Error, OSError) as fault:
            _log.error("the journal keeps its entries: %s", fault)

    # At start

    def recover(
        self,
        is_known: Callable[[str], bool],
        is_there: Callable[[str], bool],
        remember: Callable[[Token], None],
    ) -> list[str]:
        """Note what the last process had decided; the files that have to be opened for it.

        `is_known`: whether a file is a table's. An entry stays while a file that is no table's `is_there`: it may
        be adopted. What was written to files that are gone was undone by a snapshot, or removed. `remember` is told the
        tokens of what was decided.
        """
        if self._journal is None:
            return []
        for entry in self._journal.pending():
            if entry.token is not None and any(map(is_known, entry.files)):
                remember(entry.token)
            self._unsettled[entry.number] = set()
            for file in entry.files:
                if is_known(file) or is_there(file):
                    self._lacking.setdefault(file, []).append(entry)
        if self._unsettled:
            self.settle_later((), ())
        return [file for file in self._lacking if is_known(file)]

    def lacking_tokens(self) -> list[Token]:
        """Those of what has yet to be given to a file."""
        return [entry.token for entries in self._lacking.values() for entry in entries if entry.token]


def give(table: Table, entry: Entry) -> bool:
    """Write a decided transaction to a file; False if that has it already."""
    if table.mark() >= entry.number:
        return False
    table.begin()
    try:
        table.redo([effect for effect in entry.effects if effect.file == table.file])
        if entry.token is not None:
            table.put_token(entry.token)
        table.prepare(entry.number)
        table.commit()
    except BaseException:
        table.rollback()
        raise
    return True
