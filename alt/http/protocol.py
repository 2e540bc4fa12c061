"""HTTP/1.1 connections on httptools: keep-alive, pipelining, limits, timeouts.

The parser calls the `on_*` methods. A request is handled at `on_message_complete`;
its answer is either there at once or a future, and answers leave in the order of
their requests. Whatever a client does wrong ends its own connection only.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping
from functools import partial
from typing import Any, cast

import httptools

from alt.config import MAX_REQUEST_BYTES
from alt.http import peer, response
from alt.http.connections import Connections
from alt.http.request import NOT_REPEATED, Request

MAX_URL_BYTES = 8 * 1024
MAX_HEADER_BYTES = 64 * 1024  # all of a request's header lines together
MAX_HEADERS = 128
# What a request's body may take on the wire: chunks have sizes, extensions and trailers, too.
MAX_WIRE_BYTES = 2 * MAX_REQUEST_BYTES
MAX_PIPELINED = 32  # requests of one connection in work or begun in one turn; further ones wait unread
MAX_REQUEST_DIGITS = len(str(MAX_REQUEST_BYTES))

HEADERS_TIMEOUT_SECONDS = 20  # from a request's first byte to the end of its headers
STALLED_TIMEOUT_SECONDS = 30  # without a byte, in a body that is due or an answer not taken
# A body must come at this rate on average, once it has had STALLED_TIMEOUT_SECONDS.
MIN_BODY_BYTES_PER_SECOND = 240
IDLE_TIMEOUT_SECONDS = 300  # between requests
# A client whose request was refused may still be sending. What it sends is read and dropped for so long and
# so far, since to close with bytes unread would take the answer from it.
LINGER_SECONDS = 10
LINGER_BYTES = 2 * MAX_REQUEST_BYTES


class _Refused(Exception):
    """Raised in a parser callback: answer this and close."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


class _Exchange:
    """A request in work and its answer once it is there."""

    __slots__ = ("answer", "keep_alive")

    def __init__(self, answer: bytes | None, keep_alive: bool) -> None:
        self.answer = answer
        self.keep_alive = keep_alive


class Connection(asyncio.Protocol):
    """One client's connection. `source_ip` is the client's address where a proxy has told it."""

    repeated: Mapping[bytes, bytes] = NOT_REPEATED  # see Request; here it is not looked for

    def __init__(self, connections: Connections, source_ip: str | None = None) -> None:
        self._connections = connections
        self._handler = connections.handler
        self._outbox = connections.outbox
        self._time = connections.loop.time
        # It holds this connection's methods: `connection_lost` breaks the cycle.
        self._parser: Any = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport = cast(asyncio.Transport, None)
        self._peer = peer.Peer(source_ip)
        self._exchanges: deque[_Exchange] = deque()  # in the order of their requests
        self._backlog: deque[Request] = deque()  # parsed, not begun: too many in work
        self._begun_in_turn = 0
        self._is_alone = False  # a large request is in work, and no other beside it
        self._closing = False  # nothing further is read; close once all is answered
        self._refusal = b""  # the last answer, if the client is at fault
        self._lingers_until = 0.0  # 0: not at all
        self._lingered_bytes = 0
        self._read_paused = False
        self._write_paused = False
        self._unsent_bytes = 0  # at the last sweep
        self._last_byte = self._time()
        # The request being read
        self._in_request = False
        self._in_headers = False
        self._begun = 0.0
        self._url = b""
        self._headers: dict[bytes, bytes] = {}  # being read
        self._repeated = 0  # of them, such as have come before; each goes on with its list
        self._head: dict[bytes, bytes] = {}  # once they are complete
        self._chunk_bytes = 0  # of what the parser is being fed
        self._wire_bytes = -1  # since the chunk in which it began; -1 in that chunk
        self._chunks: list[bytes] = []  # of the body
        self._body_bytes = 0
        self._held_bytes = 0  # of these, what is counted as held

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._peer = peer.of(transport, self._peer.ip)
        if not self._connections.add(self):
            self._refuse(503, "Too many connections")

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self._connections.remove(self)
        self._closing = True
        self._drop_body()
        for request in self._backlog:
            self._connections.release(request.held_bytes)
        self._backlog.clear()
        self._exchanges.clear()
        self._parser = None

    def data_received(self, data: bytes) -> None:
        if self._closing:
            if self._lingers_until:
                self._linger(len(data))
            return
        self._last_byte = self._time()
        self._chunk_bytes = len(data)
        self._begun_in_turn = 0
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._feed(self._without_upgrade(data[upgrade.args[0] :]))
        except httptools.HttpParserError as error:
            self._end_by(error)
        if self._in_request:
            self._bound_unfinished()

    def eof_received(self) -> bool:
        # A client may shut its side down after its last request and still await the answers.
        self._closing = True
        if self._lingers_until:
            return False
        self._close_if_done()
        return bool(self._exchanges or self._backlog)

    def pause_writing(self) -> None:
        self._write_paused = True
        self._unsent_bytes = 0
        self._pause_reading()

    def resume_writing(self) -> None:
        self._write_paused = False
        self._last_byte = self._time()
        self._resume()

    # Reading

    def _feed(self, data: bytes) -> None:
        """Go on where an offered upgrade has stopped the parser."""
        while data:
            try:
                self._parser.feed_data(data)
            except httptools.HttpParserUpgrade as upgrade:
                data = self._without_upgrade(data[upgrade.args[0] :])
                continue
            except httptools.HttpParserError as error:
                self._end_by(error)
            return

    def _end_by(self, error: Exception) -> None:
        """Answer what cannot be read, or what a callback has refused.

        No variable may hold the cause: its traceback leads to this frame, and only the garbage collector would
        free such a cycle, with the body in it.
        """
        if isinstance(error, httptools.HttpParserCallbackError):
            if not isinstance(error.__context__, _Refused):
                raise error
            self._refuse(error.__context__.status, error.__context__.reason)
        elif not self._closing:  # else: bytes after a last request
            self._refuse(400, "Bad Request")

    def _without_upgrade(self, rest: bytes) -> bytes:
        """What to go on with where the parser has stopped for another protocol to take over.

        The JDK's client offers h2c with every request. To ignore it, as a server may, the head is read again
        without the offer, since the parser has skipped the body.
        """
        headers = self._head
        if b"upgrade" not in headers:  # CONNECT, which is answered; no request follows it
            self._closing = True
            self._close_if_done()
            return b""
        lines = [b"%b: %b\r\n" % header for header in headers.items() if header[0] != b"upgrade"]
        version = self._parser.get_http_version().encode()
        head = b"%b %b HTTP/%b\r\n%b\r\n" % (
            self._parser.get_method(),
            self._url,
            version,
            b"".join(lines),
        )
        self._parser = httptools.HttpRequestParser(self)
        return head + rest

    def _bound_unfinished(self) -> None:
        """Refuse a request that has sent too much to be still unfinished."""
        self._wire_bytes = self._wire_bytes + self._chunk_bytes if self._wire_bytes >= 0 else 0
        if self._in_headers:
            if self._wire_bytes > MAX_HEADER_BYTES:
                self._refuse(431, "Request Header Fields Too Large")
        elif self._wire_bytes > MAX_WIRE_BYTES:
            self._refuse(413, "Request Entity Too Large")
        else:
            added, self._held_bytes = self._body_bytes - self._held_bytes, self._body_bytes
            if not self._connections.hold(added):
                self._refuse(503, "Too many large requests")

    def _drop_body(self) -> None:
        self._connections.release(self._held_bytes)
        self._held_bytes = self._body_bytes = 0
        self._chunks = []

    def _pause_reading(self) -> None:
        if not self._read_paused:
            self._read_paused = True
            self._transport.pause_reading()

    def _resume_reading(self) -> None:
        if self._read_paused:
            self._read_paused = False
            # The client could not go on with its request meanwhile.
            self._begun = self._last_byte = self._time()
            self._transport.resume_reading()

    # httptools

    def on_message_begin(self) -> None:
        self._in_request = self._in_headers = True
        self._begun = self._last_byte
        self._url = b""
        self._headers = {}
        self._repeated = 0
        self._wire_bytes = -1

    def on_url(self, url: bytes) -> None:
        self._url += url
        if len(self._url) > MAX_URL_BYTES:
            raise _Refused(414, "URI Too Long")

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        headers = self._headers
        headers[name] = self._repeat(name, value) if name in headers else value

    def _repeat(self, name: bytes, value: bytes) -> bytes:
        """What a header has that has come before: a list."""
        self._repeated += 1
        if self._repeated > MAX_HEADERS:
            raise _Refused(431, "Request Header Fields Too Large")
        return b"%b, %b" % (self._headers[name], value)

    def on_headers_complete(self) -> None:
        self._in_headers = False
        headers = self._head = self._headers
        self._headers = {}  # for what follows a chunked body, which counts for nothing
        if len(headers) > MAX_HEADERS or (
            # Only what came in several chunks or a large one can have headers of more.
            (self._wire_bytes >= 0 or self._chunk_bytes > MAX_HEADER_BYTES)
            and sum([len(name) + len(value) for name, value in headers.items()]) > MAX_HEADER_BYTES
        ):
            raise _Refused(431, "Request Header Fields Too Large")
        length = headers.get(b"content-length", b"")
        if len(length) >= MAX_REQUEST_DIGITS and int(length) > MAX_REQUEST_BYTES:
            raise _Refused(413, "Request Entity Too Large")
        if (
            b"expect" in headers
            and headers[b"expect"].lower() == b"100-continue"
            and not self._parser.should_upgrade()  # in which case this head is read again
        ):
            self._put(_Exchange(response.CONTINUE, keep_alive=True))

    def on_body(self, body: bytes) -> None:
        self._body_bytes += len(body)
        if self._body_bytes > MAX_REQUEST_BYTES:
            raise _Refused(413, "Request Entity Too Large")
        self._chunks.append(body)

    def on_message_complete(self) -> None:
        headers = self._head
        parser = self._parser
        if b"upgrade" in headers and parser.should_upgrade():
            return
        self._in_request = False
        body = b""
        if self._body_bytes:
            chunks = self._chunks
            body = chunks[0] if len(chunks) == 1 else b"".join(chunks)
            self._chunks = []
            self._body_bytes = 0
        keep_alive = parser.should_keep_alive()
        if not keep_alive:
            self._closing = True
        request = Request(
            parser.get_method(), self._url, headers, body, keep_alive, self.repeated, self._peer
        )
        if self._held_bytes:
            request.held_bytes, self._held_bytes = self._held_bytes, 0
        if self.repeated:
            self.repeated = NOT_REPEATED
        self._begun_in_turn += 1
        if (
            self._backlog
            or self._write_paused
            or self._begun_in_turn > MAX_PIPELINED
            or (self._exchanges and not self._may_begin())
        ):
            self._backlog.append(request)
            self._pause_reading()
            if self._begun_in_turn == MAX_PIPELINED + 1:
                self._connections.loop.call_soon(self._resume)
        else:
            self._begin(request)

    # Answers

    def _may_begin(self) -> bool:
        return not (
            self._write_paused
            or self._is_alone
            or self._begun_in_turn > MAX_PIPELINED
            or len(self._exchanges) >= MAX_PIPELINED
        )

    def _begin(self, request: Request) -> None:
        answer = self._handler.answer(request)
        if isinstance(answer, bytes):
            if request.held_bytes:
                self._connections.release(request.held_bytes)
            if self._exchanges:
                self._exchanges.append(_Exchange(answer, request.keep_alive))
            else:
                self._outbox.send(self._transport, answer)
                if not request.keep_alive:
                    self._outbox.close(self._transport)
            return
        exchange = _Exchange(None, request.keep_alive)
        self._exchanges.append(exchange)
        self._is_alone = request.is_large
        answer.add_done_callback(partial(self._answered, request, exchange))

    def _answered(self, request: Request, exchange: _Exchange, reply: asyncio.Future[bytes]) -> None:
        """No closure that names itself: it would be a cycle with the request in it, for each request."""
        answer = self._handler.finish(request, reply)
        if not isinstance(answer, bytes):
            answer.add_done_callback(partial(self._answered, request, exchange))
            return
        exchange.answer = answer
        if request.held_bytes:
            self._connections.release(request.held_bytes)
        if request.is_large:
            self._is_alone = False
        self._flush()

    def _put(self, exchange: _Exchange) -> None:
        self._exchanges.append(exchange)
        self._flush()

    def _flush(self) -> None:
        """Send the answers that are there, up to the first that is not."""
        exchanges = self._exchanges
        while exchanges and exchanges[0].answer is not None:
            exchange = exchanges.popleft()
            answer = cast(bytes, exchange.answer)
            if not exchange.keep_alive:
                self._outbox.send(self._transport, answer)
                self._outbox.close(self._transport)
                return
            if self._closing and not exchanges and not self._backlog and not self._refusal:
                answer = response.closing(answer)
            self._outbox.send(self._transport, answer)
        self._resume()

    def _resume(self) -> None:
        """Begin waiting requests as far as limits allow; read on once none waits."""
        backlog = self._backlog
        if backlog:
            self._begun_in_turn = 0
            while backlog and self._may_begin():
                self._begun_in_turn += 1
                self._begin(backlog.popleft())
            if self._begun_in_turn > MAX_PIPELINED and backlog:
                self._connections.loop.call_soon(self._resume)
        if self._closing:
            self._close_if_done()
        elif not backlog and not self._write_paused:
            self._resume_reading()

    def _refuse(self, status: int, reason: str) -> None:
        """Answer an unreadable request after those before it, and close."""
        self._closing = True
        self._in_request = False
        self._drop_body()
        self._refusal = self._handler.refuse(status, reason)
        self._close_if_done()

    def _close_if_done(self) -> None:
        if self._exchanges or self._backlog or self._lingers_until:
            return
        if self._refusal and not self._transport.is_closing() and self._transport.can_write_eof():
            self._lingers_until = self._time() + LINGER_SECONDS
            self._outbox.send(self._transport, self._refusal)
            self._outbox.flush()
            self._transport.write_eof()
            self._resume_reading()
        else:
            if self._refusal:
                self._outbox.send(self._transport, self._refusal)
            self._outbox.close(self._transport)

    def _linger(self, size: int) -> None:
        self._lingered_bytes += size
        if self._lingered_bytes > LINGER_BYTES:
            self._transport.abort()

    # Life

    def check_timeout(self, now: float) -> None:
        """End the connection if its client is stuck."""
        silent = now - self._last_byte
        if self._lingers_until:
            if now > self._lingers_until:
                self._transport.abort()
        elif self._write_paused or self._transport.is_closing():
            if self._takes_answers():
                self._last_byte = now
            elif silent > STALLED_TIMEOUT_SECONDS:
                self._transport.abort()
        elif self._exchanges or self._backlog:
            return  # the delay is the server's own
        elif not self._in_request:
            if silent > IDLE_TIMEOUT_SECONDS:
                self._transport.close()
        elif silent > STALLED_TIMEOUT_SECONDS or self._is_slow(now - self._begun):
            self._refuse(408, "Request Timeout")

    def _takes_answers(self) -> bool:
        """Whether the client has read anything since the last sweep."""
        unsent, self._unsent_bytes = self._unsent_bytes, self._transport.get_write_buffer_size()
        return self._unsent_bytes < unsent

    def _is_slow(self, seconds: float) -> bool:
        """Whether the request being read takes too long, `seconds` after its first byte."""
        if self._in_headers:
            return seconds > HEADERS_TIMEOUT_SECONDS
        return self._body_bytes < (seconds - STALLED_TIMEOUT_SECONDS) * MIN_BODY_BYTES_PER_SECOND

    def close_when_idle(self) -> None:
        """Answer what has arrived in full, then close."""
        self._closing = True
        if self._lingers_until:
            self._transport.close()
        if self._backlog:
            self._backlog[-1].keep_alive = False
        self._close_if_done()

    def owes_answers(self) -> bool:
        """Whether a request is in work, or an answer not sent in full."""
        return bool(self._exchanges or self._backlog or self._transport.get_write_buffer_size())

    def abort(self) -> None:
        self._transport.abort()
