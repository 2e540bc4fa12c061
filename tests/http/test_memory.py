"""What a server keeps of requests that came to nothing. Nothing may wait for the garbage collector."""

from __future__ import annotations

import contextlib
import gzip
import json
import socket
import struct
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

MEGABYTE = 1024 * 1024
# What the allocator keeps for each of the four threads that read large bodies, of two bodies of 17 MB at most; that a
# busy machine has them all at work at once was seen to take 128 MB. A thousand bombs that were kept are 10 GB.
ALLOWED_GROWTH_BYTES = 200 * MEGABYTE
# Smaller bodies are read without a thread, and leave 2 MB at most.
ALLOWED_GROWTH_OF_SMALL_BODIES_BYTES = 50 * MEGABYTE
SETTLE_SECONDS = 60  # for bodies of clients that are gone, which are read one after another
HEAD = (
    b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-amz-json-1.0\r\n"
    b"X-Amz-Target: DynamoDB_20120810.%b\r\n%bContent-Length: %d\r\n\r\n"
)
BOMB = gzip.compress(b" " * (17 * MEGABYTE), 1)

Client = Callable[[int], None]


def request(operation: bytes, body: bytes, *headers: bytes) -> bytes:
    return HEAD % (operation, b"".join(line + b"\r\n" for line in headers), len(body)) + body


def resident_bytes(server: Any) -> int:
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    (line,) = [line for line in status.splitlines() if line.startswith("VmRSS:")]
    return int(line.split()[1]) * 1024


@contextlib.contextmanager
def connected(port: int) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        yield connection


def answered(port: int, whole: bytes) -> bytes:
    with connected(port) as connection:
        connection.sendall(whole)
        return connection.recv(65_536)


def drop_an_upload(port: int) -> None:
    with connected(port) as connection:
        connection.sendall(HEAD % (b"PutItem", b"", 3 * MEGABYTE) + b"x" * (2 * MEGABYTE))


def reset_an_upload(port: int) -> None:
    with connected(port) as connection:
        connection.sendall(HEAD % (b"PutItem", b"", 3 * MEGABYTE) + b"x" * (2 * MEGABYTE))
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def send_a_bomb(port: int) -> None:
    assert b" 413 " in answered(port, request(b"PutItem", BOMB, b"Content-Encoding: gzip"))


def drop_a_bomb(port: int) -> None:
    with connected(port) as connection:
        connection.sendall(request(b"PutItem", BOMB, b"Content-Encoding: gzip"))


def send_too_much(port: int) -> None:
    head = request(b"PutItem", b"", b"Transfer-Encoding: chunked").replace(b"Content-Length: 0\r\n", b"")
    with connected(port) as connection:
        connection.sendall(head + b"1100000\r\n" + b"x" * (17 * MEGABYTE))
        assert b" 413 " in connection.recv(65_536)


def send_what_is_no_json(port: int) -> None:
    assert b"Serialization" in answered(port, request(b"PutItem", b"[" + b"1," * 100_000))


def fail_a_condition(port: int) -> None:
    item = {"pk": {"S": "a"}, "b": {"S": "x" * 390_000}}
    put = {"TableName": "memory", "Item": item, "ConditionExpression": "attribute_exists(pk)"}
    assert b"ConditionalCheckFailed" in answered(port, request(b"PutItem", json.dumps(put).encode()))


@pytest.fixture
def server_with_table(start_server: Any) -> Any:
    server = start_server("--memory")
    server.client().create_table(
        TableName="memory",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    return server


def check_growth(server: Any, client: Client, count: int, leniency: int = 1) -> None:
    """How much memory has grown after `count` clients, a few having gone before them, once all is worked off."""
    allowed = ALLOWED_GROWTH_OF_SMALL_BODIES_BYTES if client in SMALL_BODIES else ALLOWED_GROWTH_BYTES
    allowed *= leniency
    for _ in range(10):
        client(server.port)
    before = resident_bytes(server)
    for _ in range(count):
        client(server.port)
    deadline = time.monotonic() + SETTLE_SECONDS
    while True:
        assert answered(server.port, request(b"ListTables", b"{}"))
        grown = resident_bytes(server) - before
        if grown < allowed:
            return
        assert time.monotonic() < deadline, grown
        time.sleep(0.2)


# What comes to nothing, and how often within an ordinary run: enough to be seen if it were kept.
CLIENTS = {
    drop_an_upload: 200,
    reset_an_upload: 200,
    send_a_bomb: 25,
    drop_a_bomb: 25,
    send_too_much: 25,
    send_what_is_no_json: 100,
    fail_a_condition: 250,
}
SMALL_BODIES = (send_what_is_no_json, fail_a_condition)


@pytest.mark.parametrize("client", CLIENTS)
def test_nothing_is_kept(server_with_table: Any, client: Client) -> None:
    check_growth(server_with_table, client, CLIENTS[client])


@pytest.mark.nightly
@pytest.mark.parametrize("client", CLIENTS)
def test_nothing_is_kept_of_a_thousand(server_with_table: Any, client: Client) -> None:
    # Whatever were kept of so many would be a third of a gigabyte at least.
    check_growth(server_with_table, client, 1_000, leniency=2)
