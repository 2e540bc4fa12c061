"""When what is sent, and clients that are stuck: a connection on a transport and a loop of the test's own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast

import pytest

from alt.http import protocol, response
from alt.http.outbox import MAX_HELD_BYTES
from alt.http.protocol import Connection, Connections, Request


class Transport:
    def __init__(self) -> None:
        self.written = b""
        self.closed = False
        self.half_closed = False
        self.unsent = 0

    def write(self, data: bytes) -> None:
        self.written += data

    def close(self) -> None:
        self.closed = True

    abort = close

    def is_closing(self) -> bool:
        return self.closed

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.half_closed = True

    def get_write_buffer_size(self) -> int:
        return self.unsent

    def get_extra_info(self, _name: str) -> None: ...

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


class Loop:
    """As much of an event loop as connections use, with a clock that stands still."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.due: list[Callable[[], None]] = []

    def end_turn(self) -> None:
        due, self.due = self.due, []
        for callback in due:
            callback()

    def call_soon(self, callback: Callable[[], None]) -> None:
        self.due.append(callback)

    def time(self) -> float:
        return self.now

    def call_later(self, *_: Any) -> None: ...


class Handler:
    def answer(self, request: Request) -> bytes:
        return response.render(request.url)

    def refuse(self, status: int, reason: str) -> bytes:
        return response.render(reason.encode(), status=status, close=True)


@pytest.fixture
def loop() -> Loop:
    return Loop()


@pytest.fixture
def connection(loop: Loop) -> Connection:
    made = Connection(Connections(Handler(), cast(asyncio.AbstractEventLoop, loop)))
    made.connection_made(cast(asyncio.BaseTransport, Transport()))
    return made


def _transport(connection: Connection) -> Transport:
    return cast(Transport, connection._transport)


HALF_HEAD = b"POST / HTTP/1.1\r\nContent-"
HALF_BODY = b"POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\nabc"
WHOLE = b"GET /x HTTP/1.1\r\n\r\n"


@pytest.mark.parametrize(
    ("data", "seconds"),
    [
        (HALF_HEAD, protocol.HEADERS_TIMEOUT_SECONDS),
        (HALF_BODY, protocol.STALLED_TIMEOUT_SECONDS),
    ],
)
def test_half_a_request_times_out(connection: Connection, loop: Loop, data: bytes, seconds: int) -> None:
    connection.data_received(data)
    connection.check_timeout(loop.now + seconds - 1)
    assert not _transport(connection).closed
    connection.check_timeout(loop.now + seconds + 1)
    assert b" 408 " in _transport(connection).written
    assert _transport(connection).half_closed


def test_headers_that_trickle_time_out(connection: Connection, loop: Loop) -> None:
    connection.data_received(HALF_HEAD)
    for _ in range(protocol.HEADERS_TIMEOUT_SECONDS + 1):
        loop.now += 1
        connection.data_received(b"x")
        connection.check_timeout(loop.now)
    assert b" 408 " in _transport(connection).written


def _sent_steadily(connection: Connection, loop: Loop, size: int, seconds: int) -> Transport:
    connection.data_received(b"POST / HTTP/1.1\r\nContent-Length: 1000000\r\n\r\n")
    for _ in range(seconds):
        loop.now += 1
        connection.data_received(b"x" * size)
        connection.check_timeout(loop.now)
    return _transport(connection)


def test_a_body_that_trickles_times_out(connection: Connection, loop: Loop) -> None:
    transport = _sent_steadily(connection, loop, 1, 2 * protocol.STALLED_TIMEOUT_SECONDS)
    assert b" 408 " in transport.written


def test_a_slow_but_steady_body_passes(connection: Connection, loop: Loop) -> None:
    seconds = 20 * protocol.STALLED_TIMEOUT_SECONDS
    assert _sent_steadily(connection, loop, protocol.MIN_BODY_BYTES_PER_SECOND, seconds).written == b""


def test_who_was_refused_is_listened_to_for_a_while(connection: Connection, loop: Loop) -> None:
    connection.data_received(b"nonsense\r\n\r\n")
    transport = _transport(connection)
    assert b" 400 " in transport.written
    assert transport.half_closed
    connection.data_received(b"more")
    connection.check_timeout(loop.now + protocol.LINGER_SECONDS - 1)
    assert not transport.closed
    connection.check_timeout(loop.now + protocol.LINGER_SECONDS + 1)
    assert transport.closed


def test_who_was_refused_and_sends_without_end_is_cut_off(connection: Connection) -> None:
    connection.data_received(b"nonsense\r\n\r\n")
    for _ in range(protocol.LINGER_BYTES // 1_000_000 + 1):
        connection.data_received(b"x" * 1_000_000)
    assert _transport(connection).closed


def test_an_idle_connection_is_closed_without_a_word(connection: Connection, loop: Loop) -> None:
    connection.data_received(WHOLE)
    loop.end_turn()
    written = _transport(connection).written
    connection.check_timeout(loop.now + protocol.IDLE_TIMEOUT_SECONDS + 1)
    assert _transport(connection).closed
    assert _transport(connection).written == written


def test_a_client_that_does_not_read_is_dropped(connection: Connection, loop: Loop) -> None:
    connection.data_received(WHOLE)
    loop.end_turn()
    connection.pause_writing()
    connection.check_timeout(loop.now + protocol.STALLED_TIMEOUT_SECONDS + 1)
    assert _transport(connection).closed


def test_a_client_that_reads_slowly_is_not_dropped(connection: Connection, loop: Loop) -> None:
    connection.data_received(WHOLE)
    connection.pause_writing()
    for unsent in range(1_000, 900, -1):
        _transport(connection).unsent = unsent
        loop.now += protocol.STALLED_TIMEOUT_SECONDS - 1
        connection.check_timeout(loop.now)
    assert not _transport(connection).closed


def test_requests_of_a_client_that_does_not_read_wait(connection: Connection, loop: Loop) -> None:
    connection.pause_writing()
    connection.data_received(WHOLE * 3)
    loop.end_turn()
    assert _transport(connection).written == b""
    connection.resume_writing()
    loop.end_turn()
    assert _transport(connection).written.count(b" 200 ") == 3


def test_answers_leave_at_the_end_of_their_turn(connection: Connection, loop: Loop) -> None:
    connection.data_received(WHOLE)
    connection.data_received(WHOLE)
    assert _transport(connection).written == b""
    loop.end_turn()
    assert _transport(connection).written.count(b" 200 ") == 2
    connection.data_received(WHOLE)
    loop.end_turn()
    assert _transport(connection).written.count(b" 200 ") == 3


def test_a_turn_holds_back_few_bytes(connection: Connection) -> None:
    """Answers beyond that go to the transport, which says when it is full."""
    connection.data_received(WHOLE)
    connection.data_received(b"GET /" + b"x" * 8_000 + b" HTTP/1.1\r\n\r\n")
    assert _transport(connection).written == b""
    for _ in range(MAX_HELD_BYTES // 8_000):
        connection.data_received(b"GET /" + b"x" * 8_000 + b" HTTP/1.1\r\n\r\n")
    assert len(_transport(connection).written) > MAX_HELD_BYTES


def test_what_is_held_back_is_sent_before_the_connection_closes(connection: Connection, loop: Loop) -> None:
    connection.data_received(WHOLE)
    connection.eof_received()
    assert _transport(connection).written.count(b" 200 ") == 1
    assert _transport(connection).closed
    loop.end_turn()


def test_nothing_is_sent_on_a_connection_that_is_lost(connection: Connection, loop: Loop) -> None:
    connection.data_received(WHOLE)
    connection.abort()
    loop.end_turn()
    assert _transport(connection).written == b""
