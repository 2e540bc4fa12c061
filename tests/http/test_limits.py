"""What a listener as a whole bears: too many connections, a stop, and large bodies beside small requests."""

from __future__ import annotations

import json
import socket
import threading
import time
from pathlib import Path
from typing import Any

import pytest

HEAD = (
    "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-amz-json-1.0\r\n"
    "X-Amz-Target: DynamoDB_20120810.{}\r\nContent-Length: {}\r\n\r\n"
)
# One request may hold all others for about 50 ms. A machine that is slow, or does other things, adds its own delays, so
# what is asserted is how much of the time goes by in reads that take twice as long, and a part of what a large body takes.
SLOW_SECONDS = 0.1
SLOW_SHARE = 0.05
MOST_TIME_IN_SLOW_READS = 0.5


def request(operation: str, parameters: Any) -> bytes:
    body = json.dumps(parameters).encode()
    return HEAD.format(operation, len(body)).encode() + body


def connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=60)


def answer(connection: socket.socket) -> bytes:
    """The next answer, head and body; what came of it before the connection closed."""
    received = b""
    while chunk := connection.recv(65_536):
        received += chunk
        head, end, body = received.partition(b"\r\n\r\n")
        if end:
            (length,) = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")]
            if len(body) >= int(length.split(b":")[1]):
                break
    return received


def create_table(server: Any) -> None:
    server.client().create_table(
        TableName="limits",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )


def test_connections_beyond_the_descriptors_are_turned_away_and_named(
    start_server: Any, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    program = (
        "import os, resource, sys; resource.setrlimit(resource.RLIMIT_NOFILE, (400, 400)); "
        f"os.dup2(os.open({str(log)!r}, os.O_CREAT | os.O_WRONLY), 2); "
        "from alt.cli import main; sys.argv = ['alt', *sys.argv[1:]]; main()"
    )
    server = start_server("--memory", program=("-c", program, "start"))
    listing = request("ListTables", {})
    kept: list[socket.socket] = []
    while len(kept) < 400:
        connection = connect(server.port)
        connection.sendall(listing)
        if b" 503 " in answer(connection):
            connection.close()
            break
        kept.append(connection)
    assert 20 < len(kept) < 400
    for _ in range(300):
        with connect(server.port) as connection:
            connection.sendall(listing)
            assert b" 503 " in answer(connection)
    for connection in kept:
        connection.sendall(listing)
        assert b" 200 " in answer(connection)
        connection.close()
    for _ in range(100):
        with connect(server.port) as connection:
            connection.sendall(listing)
            if b" 200 " in answer(connection):
                break
        time.sleep(0.1)
    else:
        pytest.fail("no room is found again")
    (line,) = log.read_text().splitlines()
    assert "connections turned away" in line


def test_the_last_answers_before_a_stop_say_so(start_server: Any, tmp_path: Path) -> None:
    server = start_server("--data-dir", tmp_path)
    create_table(server)
    put = request("PutItem", {"TableName": "limits", "Item": {"pk": {"S": "a"}, "b": {"S": "x" * 100_000}}})
    last: list[bytes] = []

    def write() -> None:
        with connect(server.port) as connection:
            try:
                while True:
                    connection.sendall(put)
                    received = answer(connection)
                    if not received:
                        return
                    last[:] = [*last, received]
            except OSError:
                return

    threads = [threading.Thread(target=write) for _ in range(8)]
    for thread in threads:
        thread.start()
    while len(last) < 50:
        time.sleep(0.01)
    assert server.stop() == 0
    for thread in threads:
        thread.join()
    assert not any(b"Connection: close" in received for received in last[:20])
    assert any(b"Connection: close" in received for received in last)


LARGE_BODIES = {
    "numbers": {"TableName": "limits", "Item": {"pk": {"L": [1] * 4_000_000}}},
    "values": {"TableName": "limits", "Item": {"pk": {"L": [{"N": "1"}] * 1_200_000}}},
}


@pytest.mark.nightly
@pytest.mark.parametrize("name", LARGE_BODIES)
def test_reads_beside_large_bodies_are_quick(start_server: Any, name: str) -> None:
    server = start_server("--memory")
    create_table(server)
    whole = request("PutItem", LARGE_BODIES[name])
    stopped = threading.Event()

    bodies: list[float] = []  # the seconds that each has taken

    def send() -> None:
        with connect(server.port) as connection:
            connection.settimeout(300)
            while not stopped.is_set():
                began = time.perf_counter()
                connection.sendall(whole)
                assert b" 400 " in answer(connection)
                bodies.append(time.perf_counter() - began)

    sender = threading.Thread(target=send)
    sender.start()
    get = request("GetItem", {"TableName": "limits", "Key": {"pk": {"S": "a"}}})
    taken = []
    with connect(server.port) as connection:
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline or (not bodies and sender.is_alive()):
            began = time.perf_counter()
            connection.sendall(get)
            assert b" 200 " in answer(connection)
            taken.append(time.perf_counter() - began)
            time.sleep(0.002)
    stopped.set()
    sender.join()
    limit = max(SLOW_SECONDS, SLOW_SHARE * min(bodies))
    slow = sum(seconds for seconds in taken if seconds > limit)
    assert slow < MOST_TIME_IN_SLOW_READS * sum(taken)
