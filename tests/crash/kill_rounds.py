"""Rounds of kill -9 under mixed load on one data directory.

A round lets clients (load.py, long_work.py) work on a server until it is killed at a
moment of chance, sometimes again while it starts; a command that saves or loads a
snapshot may be killed, too. After each start everything is compared with what is known
(worlds.py): items, counters, transactions, tables, indexes, backups and the stream; all
tables are checked as `alt tables check` does, no file may be left over, and the log
tells of no error.

The seed decides what is done and when; how requests interleave is left to the machine.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

from alt.storage.sqlite.maintenance.check import check
from alt.storage.sqlite.store import Store
from tests.crash import load, long_work
from tests.crash.client import Client, Failed, Refused, Unanswered, scan
from tests.crash.load import Ledger, Session
from tests.crash.long_work import INDEX, SnapshotCommand, waited
from tests.crash.stream_reader import TABLE as STREAMED
from tests.crash.stream_reader import StreamReader
from tests.crash.worlds import Register, Value, becomes

SHORTEST_SECONDS = 0.1
START_SECONDS = 1.0  # about; a start is killed within them
EXPIRY_GRACE_SECONDS = 2.0

SNAPSHOT_CHANCE = 0.5
KILLED_AGAIN_CHANCE = 0.3
COMMAND_KILLED_CHANCE = 0.3
BESIDE_COMMAND_CHANCE = 0.3  # a start does not wait for the command to end

# What the process wrote outlives it, whether it waited for the disk or not; without, more is done in a round.
SYNC_LEVELS = ("full", "normal", "off")

# Refusals that the load itself brings about.
EXPECTED = frozenset(
    (
        "ConditionalCheckFailedException",
        "LimitExceededException",
        "ResourceInUseException",
        "TransactionConflictException",
        "TransactionInProgressException",
    )
)
EXPECTED_REASONS = frozenset(("None", "ConditionalCheckFailed", "TransactionConflict"))
# Refusals once a snapshot was loaded: what a client has just seen may be gone.
EXPECTED_OF_LOADS = frozenset(
    ("ResourceNotFoundException", "TrimmedDataAccessException", "ValidationException")
)


class _Server:
    """`alt start`, which logs to a file."""

    def __init__(self, directory: Path, log: Path, sync: str) -> None:
        options = ("--port", "0", "--ttl-interval", "0.3", "--sync", sync, "--data-dir", str(directory))
        with log.open("a") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "alt.cli", "start", *options],
                stdout=subprocess.PIPE,
                stderr=file,
                text=True,
            )

    def port(self) -> int | None:
        """Once it is ready; None if it has ended before."""
        assert self.process.stdout is not None
        lines = [self.process.stdout.readline() for _ in range(3)]
        return int(lines[2].rpartition(":")[2]) if lines[2] else None

    def kill(self) -> None:
        """It may be dead already."""
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


class KillRounds:
    """`run` one round after another; it raises AssertionError that tells all that was wrong."""

    def __init__(self, directory: Path, seed: int, longest_seconds: float) -> None:
        self._directory = directory / "data"
        self._log = directory / "server.log"
        self._random = Random(seed)
        self._longest_seconds = longest_seconds
        self._log_read = 0
        self._rounds = 0
        self.ledger = Ledger()
        self._server, port = self._start(None)
        client = Client(port)
        load.create_tables(client, self.ledger)
        self._reader = StreamReader(client, {})
        self._port = port

    def close(self) -> None:
        self._server.kill()

    def run(self) -> None:
        self._rounds += 1
        loads = self.ledger.worlds.loads
        command = self._work_until_killed(loads)
        if command is not None and self._random.random() > BESIDE_COMMAND_CHANCE:
            command.join()
        self._server, self._port = self._start(command)
        if command is not None:
            command.join()
        wrong = [*self.ledger.faults, *self._look(loaded=self.ledger.worlds.loads > loads)]
        assert not wrong, f"round {self._rounds}: " + "\n".join(wrong)

    # Work

    def _work_until_killed(self, loads: int) -> threading.Thread | None:
        """Until the server is dead and its clients have noticed; the snapshot command that may go on."""
        sessions = [
            (step, self._session(number))
            for step, clients in (*load.STEPS, *long_work.STEPS, (self._read_stream, 1))
            for number in range(clients)
        ]
        threads = [
            threading.Thread(target=self._keep_doing, args=(step, session, loads))
            for step, session in sessions
        ]
        for thread in threads:
            thread.start()
        seconds = self._random.uniform(SHORTEST_SECONDS, self._longest_seconds)
        begins = self._random.uniform(0, seconds)
        time.sleep(begins)
        command: SnapshotCommand | None = None
        thread: threading.Thread | None = None
        if self._random.random() < SNAPSHOT_CHANCE:
            command = SnapshotCommand(
                self.ledger, self._directory, Random(self._random.random()), self._rounds
            )
            thread = threading.Thread(target=self._noting_faults, args=(command.run,))
            thread.start()
        time.sleep(seconds - begins)
        if command is not None and self._random.random() < COMMAND_KILLED_CHANCE:
            command.kill()
        self._server.kill()
        for each in threads:
            each.join()
        return thread

    def _session(self, number: int) -> Session:
        return Session(Client(self._port), self.ledger, Random(self._random.random()), number)

    def _keep_doing(self, step: Callable[[Session], None], session: Session, loads: int) -> None:
        def until_unanswered() -> None:
            while True:
                try:
                    step(session)
                except Refused as refused:
                    if not self._is_expected(refused, loads):
                        raise
                    time.sleep(0.001)
                except Unanswered:
                    return
                else:
                    self.ledger.requests[step.__name__.strip("_")] += 1

        self._noting_faults(until_unanswered)
        session.client.close()

    def _is_expected(self, refused: Refused, loads: int) -> bool:
        if refused.code == "TransactionCanceledException":
            return EXPECTED_REASONS.issuperset(
                reason["Code"] for reason in refused.body["CancellationReasons"]
            )
        was_loaded = self.ledger.worlds.loads > loads
        return refused.code in EXPECTED or (was_loaded and refused.code in EXPECTED_OF_LOADS)

    def _noting_faults(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception:
            self.ledger.faults.append(traceback.format_exc())

    def _read_stream(self, session: Session) -> None:
        self._reader.read(session.client)
        time.sleep(0.01)

    # Starting

    def _start(self, command: threading.Thread | None) -> tuple[_Server, int]:
        """Start, sometimes after a start that is killed itself."""
        if self._rounds and self._random.random() < KILLED_AGAIN_CHANCE:
            server = self._new_server()
            time.sleep(self._random.uniform(0, START_SECONDS))
            server.kill()
            self.ledger.requests["killed again"] += 1
        server = self._new_server()
        port = server.port()
        if port is None and command is not None:
            # A command that loads a snapshot without a server lets none start.
            command.join()
            server.kill()
            assert "is already being served" in self._new_log()
            self.ledger.requests["refused to start beside a load"] += 1
            server = self._new_server()
            port = server.port()
        assert port is not None, f"round {self._rounds}: the server does not start: {self._new_log()}"
        return server, port

    def _new_server(self) -> _Server:
        return _Server(self._directory, self._log, self._random.choice(SYNC_LEVELS))

    def _new_log(self) -> str:
        text = self._log.read_text()
        new, self._log_read = text[self._log_read :], len(text)
        return new

    # Looking

    def _look(self, *, loaded: bool) -> list[str]:
        """What is wrong, now that nobody writes."""
        session = self._session(0)
        try:
            load.send_again(session)
            names = self._settled_tables(session.client)
            tables = {table: scan(session.client, table) for table in names}
            seen = self._registers(session.client, tables)
            streamed = {each.name: value for each, value in seen.items() if each.place == STREAMED}
            wrong = self.ledger.worlds.observe(seen)
            wrong += load.broken_invariants(tables)
            wrong += self._restored(session, tables)
            wrong += self._reader.check(session.client, self.ledger, streamed, loaded=loaded)
            wrong += self._backups(session)
            wrong += self._files()
        except (AssertionError, Failed, Refused, TimeoutError, Unanswered):
            wrong = [traceback.format_exc()]
        log = self._new_log()
        if "Traceback" in log or " ERROR " in log:
            wrong.append(f"the log tells of errors: {log}")
        session.client.close()
        return wrong

    def _settled_tables(self, client: Client) -> list[str]:
        """All tables, once none is being restored and what has expired is gone; an index may still be built."""
        names: list[str] = client.call("ListTables")["TableNames"]
        for name in names:
            waited(f"{name} restored", partial(_is_restored, client, name))
        waited("expired items gone", lambda: not _expired(client))
        if self._random.random() < 0.5:
            waited("the index settled", lambda: long_work.index_statuses(client) in ([], ["ACTIVE"]))
        return names

    def _registers(self, client: Client, tables: dict[str, list[Any]]) -> dict[Register, Value]:
        seen: dict[Register, Value] = {}
        for name, items in tables.items():
            if name in load.TABLES:
                seen |= load.registers_of(name, items)
            elif name.startswith("restored"):
                seen[Register("table", name)] = "there"
            else:
                (item,) = items or [{"value": {"N": "0"}}]
                seen[Register("table", name)] = int(item["value"]["N"])
        if any(status != "DELETING" for status in long_work.index_statuses(client)):
            seen[INDEX] = "there"
        return seen

    def _backups(self, session: Session) -> list[str]:
        """All that were available are there, and one of them can be restored; what else there is goes."""
        found = session.client.call("ListBackups")["BackupSummaries"]
        available = {each["BackupArn"] for each in found if each["BackupStatus"] == "AVAILABLE"}
        wrong = [f"backup {arn} is gone" for arn in self.ledger.backups if arn not in available]
        for arn in available - self.ledger.backups.keys():
            session.client.call("DeleteBackup", BackupArn=arn)
        if self.ledger.backups and not wrong:
            long_work.restore(session, self._random.choice(list(self.ledger.backups)))
        return wrong

    def _restored(self, session: Session, tables: dict[str, list[Any]]) -> list[str]:
        """What was being restored when the server was killed has become whole; then it goes."""
        wrong = []
        for name in tables.keys() & self.ledger.restored.keys():
            wrong += long_work.contradictions(self.ledger.restored[name], name, tables[name])
            with session.worlds.writing({Register("table", name): becomes(None)}):
                session.client.call("DeleteTable", TableName=name)
            self.ledger.requests["restored after a restart"] += 1
        return wrong

    def _files(self) -> list[str]:
        """Every table's file is sound, and there are no others."""
        store = Store(self._directory)
        try:
            names = store.names()
            checks = {name: check(store, name, lambda *_: None) for name in names}
            wrong = [
                f"{name} is not sound: {each}"
                for name, each in checks.items()
                if not (each and each.is_sound)
            ]
            owned = {store.file(definition).name for definition in store.definitions()}
        finally:
            asyncio.run(store.close())
        files = {path.name for path in (self._directory / "tables").iterdir()}
        backups = list((self._directory / "backups").iterdir())
        wrong += [
            f"tables/{file} is left over" for file in files if file.split(".db")[0] + ".db" not in owned
        ]
        if len(backups) != len(self.ledger.backups):
            wrong.append(f"{len(self.ledger.backups)} backups have the files {backups}")
        return wrong


def _is_restored(client: Client, name: str) -> bool:
    found = long_work.described(client, name)
    return found is None or found["TableStatus"] != "CREATING"


def _expired(client: Client) -> list[Any]:
    latest = time.time() - EXPIRY_GRACE_SECONDS
    return [item for item in scan(client, "expiring") if int(item["expires"]["N"]) < latest]
