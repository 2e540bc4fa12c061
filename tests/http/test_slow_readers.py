"""A thousand connections whose clients read slowly, and others beside them."""

from __future__ import annotations

import json
import selectors
import socket
import statistics
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

CONNECTIONS = 1_000
SECONDS = 60
PAGE_BYTES = 300_000
RECEIVE_BUFFER_BYTES = 4_096
READ_BYTES = 4_096  # a second, of each client
# An unsent page, what the sockets hold, and the connection itself.
MOST_BYTES_A_CONNECTION = 3 * PAGE_BYTES
# A request beside them, or so many times as long as one alone, on a machine that takes its time for that.
SLOWEST_MEDIAN_SECONDS = 0.1
SLOWEST_MEDIAN_RATIO = 10
ALONE = 200  # requests that tell how long one takes

HEAD = (
    "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-amz-json-1.0\r\n"
    "X-Amz-Target: DynamoDB_20120810.{}\r\nContent-Length: {}\r\n\r\n"
)


def request(operation: str, parameters: Any) -> bytes:
    body = json.dumps(parameters).encode()
    return HEAD.format(operation, len(body)).encode() + body


def slow_reader(port: int, whole: bytes) -> socket.socket:
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
    connection.settimeout(60)
    connection.connect(("127.0.0.1", port))
    connection.sendall(whole * 4)
    connection.setblocking(False)
    return connection


def read_slowly(readers: list[socket.socket], seconds: float) -> tuple[int, int, int]:
    """Read a little from each once a second: how often, how many bytes came in all, and how many were cut off."""
    rounds = received = closed = 0
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        next_round = time.monotonic() + 1
        rounds += 1
        with selectors.DefaultSelector() as ready:
            for reader in readers:
                ready.register(reader, selectors.EVENT_READ)
            for key, _ in ready.select(0):
                try:
                    data = key.fileobj.recv(READ_BYTES)  # type: ignore[union-attr]
                except ConnectionError:
                    data = b""
                received += len(data)
                if not data:
                    closed += 1
                    readers.remove(key.fileobj)  # type: ignore[arg-type]
        time.sleep(max(0.0, next_round - time.monotonic()))
    return rounds, received, closed


def resident_bytes(server: Any) -> int:
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    (line,) = [line for line in status.splitlines() if line.startswith("VmRSS:")]
    return int(line.split()[1]) * 1024


def write_and_read(client: Any) -> float:
    """How many seconds it takes."""
    began = time.perf_counter()
    client.put_item(TableName="slow", Item={"pk": {"S": "b"}})
    client.get_item(TableName="slow", Key={"pk": {"S": "b"}})
    return time.perf_counter() - began


@pytest.mark.nightly
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_slow_readers_disturb_nobody(start_server: Any, tmp_path: Path) -> None:
    server = start_server("--data-dir", tmp_path)
    client = server.client()
    client.create_table(
        TableName="slow",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    client.put_item(TableName="slow", Item={"pk": {"S": "a"}, "b": {"S": "x" * PAGE_BYTES}})
    alone = statistics.median(write_and_read(client) for _ in range(ALONE))
    before = resident_bytes(server)
    whole = request("GetItem", {"TableName": "slow", "Key": {"pk": {"S": "a"}}})
    readers = [slow_reader(server.port, whole) for _ in range(CONNECTIONS)]
    taken: list[float] = []
    stopped = threading.Event()

    def use() -> None:
        own = server.client()
        while not stopped.is_set():
            taken.append(write_and_read(own))

    user = threading.Thread(target=use)
    user.start()
    rounds, received, closed = read_slowly(readers, SECONDS)
    grown = resident_bytes(server) - before
    stopped.set()
    user.join()
    for reader in readers:
        reader.close()
    assert closed == 0
    assert received > CONNECTIONS * rounds * READ_BYTES // 4
    assert statistics.median(taken) < max(SLOWEST_MEDIAN_SECONDS, SLOWEST_MEDIAN_RATIO * alone)
    assert grown < CONNECTIONS * MOST_BYTES_A_CONNECTION
    client.put_item(TableName="slow", Item={"pk": {"S": "c"}})
