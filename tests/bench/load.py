"""A load generator: raw sockets, prebuilt requests, one thread.

It measures servers that answer in about 100 microseconds, so it does nothing a
request that it could do before.
"""

from __future__ import annotations

import itertools
import json
import re
import select
import socket
import time
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import urlsplit

BUFFER_BYTES = 1 << 18  # one for all connections: nothing is kept of an answer but its length
MAX_HEAD_BYTES = 1_024

_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_AUTHORIZATION = (
    "AWS4-HMAC-SHA256 Credential=bench/20260101/us-east-1/dynamodb/aws4_request, "
    "SignedHeaders=content-type;host;x-amz-date;x-amz-target, Signature=" + "0" * 64
)


def request_bytes(url: str, operation: str, parameters: dict[str, Any]) -> bytes:
    """A whole HTTP request, with the headers an SDK sends."""
    body = json.dumps(parameters).encode()
    head = (
        f"POST / HTTP/1.1\r\nHost: {urlsplit(url).netloc}\r\nAccept-Encoding: identity\r\n"
        f"X-Amz-Target: DynamoDB_20120810.{operation}\r\nContent-Type: application/x-amz-json-1.0\r\n"
        "User-Agent: Boto3/1.40 md/Botocore#1.40 ua/2.0 os/linux lang/python\r\n"
        f"X-Amz-Date: 20260101T000000Z\r\nAuthorization: {_AUTHORIZATION}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def call(url: str, operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
    """One request, for setting up; raises RuntimeError on an error answer."""
    connection = _connect(url)
    try:
        connection.setblocking(True)
        connection.sendall(request_bytes(url, operation, parameters))
        received = b""
        while not _complete(received):
            chunk = connection.recv(1 << 20)
            if not chunk:
                raise RuntimeError(f"{operation}: the server closed the connection")
            received += chunk
    finally:
        connection.close()
    head, _, body = received.partition(b"\r\n\r\n")
    if b" 200 " not in head[:20]:
        raise RuntimeError(f"{operation}: {body.decode(errors='replace')[:500]}")
    answer: dict[str, Any] = json.loads(body)
    return answer


class _Client:
    """One connection and the answer it is receiving."""

    __slots__ = ("expected", "received", "socket")

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self.received = 0
        self.expected = 0  # bytes of the whole answer; 0 until its head is there


def run(url: str, requests: Sequence[bytes], connections: int, seconds: float) -> float:
    """Keep `connections` busy for `seconds`, cycling through `requests`; answers a second."""
    poll = select.epoll()
    clients = {}
    for _ in range(connections):
        connection = _connect(url)
        clients[connection.fileno()] = _Client(connection)
        poll.register(connection.fileno(), select.EPOLLIN)
    source = itertools.cycle(requests)
    began = time.perf_counter()
    for client in clients.values():
        client.socket.sendall(next(source))
    answered = _pump(poll, clients, source, began + seconds)
    elapsed = time.perf_counter() - began
    for client in clients.values():
        client.socket.close()
    poll.close()
    return answered / elapsed


def _pump(poll: select.epoll, clients: dict[int, _Client], source: Iterator[bytes], deadline: float) -> int:
    answered = 0
    buffer = memoryview(bytearray(BUFFER_BYTES))
    while time.perf_counter() < deadline:
        for number, _ in poll.poll(1.0):
            client = clients[number]
            received = client.socket.recv_into(buffer)
            if not received:
                raise RuntimeError("the server closed a connection")
            if not client.expected:
                client.expected = _answer_bytes(bytes(buffer[: min(received, MAX_HEAD_BYTES)]))
                client.received = 0
            client.received += received
            if client.received >= client.expected:
                client.expected = 0
                answered += 1
                client.socket.sendall(next(source))
    return answered


def _answer_bytes(begin: bytes) -> int:
    """The length of a whole answer that begins so."""
    end = begin.find(b"\r\n\r\n")
    length = _LENGTH.search(begin, 0, end)
    if end < 0 or length is None:
        raise RuntimeError(f"unreadable answer: {begin!r}")
    if b" 200 " not in begin[:16]:
        raise RuntimeError(f"error answer: {begin!r}")
    return end + 4 + int(length.group(1))


def _complete(received: bytes) -> bool:
    end = received.find(b"\r\n\r\n")
    length = _LENGTH.search(received, 0, max(end, 0))
    return end >= 0 and length is not None and len(received) >= end + 4 + int(length.group(1))


def _connect(url: str) -> socket.socket:
    parts = urlsplit(url)
    connection = socket.create_connection((parts.hostname or "127.0.0.1", parts.port or 80))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection
