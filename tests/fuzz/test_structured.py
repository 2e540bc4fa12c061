"""Requests grown from valid ones by mutation, over several connections, against a real server.

No answer is a 500, none is missing, the server's memory stays flat and its log has no traceback. The
seed is the same each time; ALT_FUZZ_SEED gives another and ALT_FUZZ_CASES another number of requests. A
request that fails is written to `corpus/finds/`, where `test_members.py` tries it ever after.
"""

from __future__ import annotations

import json
import os
import random
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from mutation import Mutator
from world import clear, corpus, furnish, keep, named, target

from alt.validation import operations

SEED = int(os.environ.get("ALT_FUZZ_SEED", "20261126"))
FEW, MANY = 800, 100_000
CONNECTIONS = 4
ANSWER_SECONDS = 60.0  # a request without an answer for so long hangs
REFURNISH_CASES = 1_500  # mutated requests make and remove tables
WARM_UP = 0.25  # of all cases, until memory is what it stays
MOST_GROWTH_BYTES = 48 * 1024 * 1024
# Requests that make or copy files take their time, so there are fewer of them.
SLOW = frozenset(
    ("CreateBackup", "CreateTable", "RestoreTableFromBackup", "RestoreTableToPointInTime", "UpdateTable")
)
SLOW_SHARE = 0.2  # of what another operation gets


class Connection:
    """One that is kept alive. What is sent is answered in turn."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._socket = self._opened()
        self._received = b""

    def _opened(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self._port), timeout=ANSWER_SECONDS)

    def send(self, operation: str, body: bytes) -> None:
        head = (
            f"POST / HTTP/1.1\r\nHost: localhost\r\nX-Amz-Target: {target(operation)}\r\n"
            f"Content-Type: application/x-amz-json-1.0\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        self._socket.sendall(head.encode() + body)

    def answer(self) -> tuple[int, bytes]:
        while b"\r\n\r\n" not in self._received:
            self._more()
        head, _, self._received = self._received.partition(b"\r\n\r\n")
        lines = head.split(b"\r\n")
        headers = dict(line.lower().split(b": ", 1) for line in lines[1:])
        length = int(headers[b"content-length"])
        while len(self._received) < length:
            self._more()
        body, self._received = self._received[:length], self._received[length:]
        if headers.get(b"connection") == b"close":
            self.close()
            self._socket, self._received = self._opened(), b""
        return int(lines[0].split(b" ")[1]), body

    def call(self, operation: str, request: Any) -> tuple[int, Any]:
        self.send(operation, json.dumps(request).encode())
        status, body = self.answer()
        return status, json.loads(body) if body else None

    def close(self) -> None:
        self._socket.close()

    def _more(self) -> None:
        data = self._socket.recv(1 << 18)
        if not data:
            raise ConnectionError(f"closed after {self._received[:200]!r}")
        self._received += data


class Fuzzer:
    """Sends one request on each connection, then reads the answers, again and again."""

    def __init__(self, port: int, seed: int) -> None:
        self._connections = [Connection(port) for _ in range(CONNECTIONS)]
        seeds = corpus()
        self._mutator = Mutator(seeds, seed)
        self._random = random.Random(seed)
        known = sorted(operations("dynamodb") | operations("dynamodbstreams"))
        self._seeds = {name: seeds.get(name, [{"TableName": "Music"}]) for name in known}
        self._weights = [_weight(name, name in seeds) for name in known]
        self._names = furnish(self._connections[0].call)

    def run(self, cases: int) -> None:
        """So many cases, on tables that are made anew now and then."""
        for done in range(0, cases, CONNECTIONS):
            if done % REFURNISH_CASES < CONNECTIONS:
                clear(self._connections[0].call)
                self._names = furnish(self._connections[0].call)
            sent = [self._send(connection) for connection in self._connections]
            for connection, (operation, body) in zip(self._connections, sent, strict=True):
                self._check(connection, operation, body)

    def _send(self, connection: Connection) -> tuple[str, bytes]:
        (operation,) = self._random.choices([*self._seeds], self._weights)
        request = self._random.choice(self._seeds[operation])
        body = self._mutator.body(named(request, self._names))
        connection.send(operation, body)
        return operation, body

    def _check(self, connection: Connection, operation: str, body: bytes) -> None:
        try:
            status, answer = connection.answer()
        except OSError as fault:
            pytest.fail(
                f"{operation} was not answered ({fault}); kept as {keep(operation, body, self._names)}"
            )
        if status not in (200, 400):
            pytest.fail(
                f"{operation} was answered {status} {answer!r}; kept as {keep(operation, body, self._names)}"
            )

    def close(self) -> None:
        for connection in self._connections:
            connection.close()


def _weight(operation: str, is_built: bool) -> float:
    return SLOW_SHARE if operation in SLOW or not is_built else 1.0


def resident_bytes(process_id: int) -> int:
    """The memory that a process holds."""
    shown = subprocess.run(
        ["ps", "-o", "rss=", "-p", str(process_id)], capture_output=True, text=True, check=True
    )
    return int(shown.stdout) * 1024


@pytest.fixture
def where(request: pytest.FixtureRequest, tmp_path: Path) -> Sequence[str]:
    """The options of a server without data."""
    if request.config.getoption("--engine") == "postgres":
        return "--engine", request.getfixturevalue("new_database")
    return "--data-dir", str(tmp_path / "data"), "--sync", "off"


@pytest.mark.parametrize("cases", [FEW, pytest.param(MANY, marks=pytest.mark.nightly)])
def test_no_request_fails_hangs_or_leaks(
    cases: int, start_server: Any, where: Sequence[str], tmp_path: Path
) -> None:
    cases = int(os.environ.get("ALT_FUZZ_CASES", cases))
    print(f"ALT_FUZZ_SEED={SEED} ALT_FUZZ_CASES={cases}")
    log = tmp_path / "log"
    server = start_server(*where, log=log)
    fuzzer = Fuzzer(server.port, SEED)
    warm = round(cases * WARM_UP)
    fuzzer.run(warm)
    before = resident_bytes(server.process.pid)
    fuzzer.run(cases - warm)
    growth = resident_bytes(server.process.pid) - before
    fuzzer.close()
    print(f"{before / 1e6:.0f} MB after {warm} cases, {growth / 1e6:+.0f} MB after all")
    assert "Traceback" not in log.read_text(encoding="utf-8")
    if cases >= MANY:
        assert growth < MOST_GROWTH_BYTES
    assert server.stop() == 0
