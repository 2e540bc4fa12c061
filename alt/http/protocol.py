"""HTTP/1.1 connections on httptools: keep-alive, pipelining, limits, timeouts.

The parser calls the `on_*` methods. A request is handled at `on_message_complete`;
its answer is either there at once or a future, and answers leave in the order of
their requests. Whatever a client does wrong ends its own connection only.
"""

from __future__ import annotations

import asyncio
import zlib
from collections import deque
from typing import Protocol, cast

import httptools

from alt.config import MAX_REQUEST_BYTES
from alt.http import response
from alt.http.outbox import Outbox

MAX_URL_BYTES = 8 * 1024
MAX_HEADER_BYTES = 64 * 1024  # all of a request's header lines together
MAX_HEADERS = 128
MAX_PIPELINED = 32  # requests of one connection in work; further ones wait unread
MAX_CONNECTIONS = 8_192
MAX_REQUEST_DIGITS = len(str(MAX_REQUEST_BYTES))

HEADERS_TIMEOUT_SECONDS = 20  # from a request's first byte to the end of its headers
STALLED_TIMEOUT_SECONDS = 30  # without a byte, in a body that is due or an answer not taken
IDLE_TIMEOUT_SECONDS = 300  # between requests
SWEEP_SECONDS = 1.0


class Request:
    """One parsed request. Header names are lower case."""

    __slots__ = ("body", "headers", "keep_alive", "method", "url")

    def __init__(
        self, method: bytes, url: bytes, headers: dict[bytes, bytes], body: bytes, keep_alive: bool
    ) -> None:
        self.method = method
        self.url = url
        self.headers = headers
        self.body = body
        self.keep_alive = keep_alive


Answer = bytes | asyncio.Future[bytes]


class Handler(Protocol):
    """What answers requests. Nothing here raises; what is not a future is a whole HTTP answer."""

    def answer(self, request: Request) -> Answer: ...

    def finish(self, request: Request, reply: asyncio.Future[bytes]) -> bytes:
        """The answer whose future `answer` gave, once that is done."""
        ...

    def refuse(self, status: int, reason: str) -> bytes: ...


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


class Connections:
    """All connections of a listener: what they share, and the sweep that ends the stuck ones."""

    def __init__(
        self, handler: Handler, loop: asyncio.AbstractEventLoop, limit: int = MAX_CONNECTIONS
    ) -> None:
        self.limit = min(limit, MAX_CONNECTIONS)
        self.handler = handler
        self.loop = loop
        self.outbox = Outbox(loop)
        self.open: set[Connection] = set()
        self._sweeping = False

    def __call__(self) -> Connection:
        return Connection(self)

    def add(self, connection: Connection) -> None:
        self.open.add(connection)
        if not self._sweeping:
            self._sweeping = True
            self.loop.call_later(SWEEP_SECONDS, self._sweep)

    def _sweep(self) -> None:
        now = self.loop.time()
        for connection in list(self.open):
            connection.check_timeout(now)
        self._sweeping = bool(self.open)
        if self._sweeping:
            self.loop.call_later(SWEEP_SECONDS, self._sweep)

    async def close(self, grace_seconds: float) -> None:
        """Let requests in work be answered, then close every connection."""
        for connection in list(self.open):
            connection.close_when_idle()
        deadline = self.loop.time() + grace_seconds
        while self.open and self.loop.time() < deadline:
            await asyncio.sleep(0.005)
        for connection in list(self.open):
            connection.abort()


class Connection(asyncio.Protocol):
    """One client's connection."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._handler = connections.handler
        self._outbox = connections.outbox
        self._time = connections.loop.time
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport = cast(asyncio.Transport, None)
        self._exchanges: deque[_Exchange] = deque()  # in the order of their requests
        self._backlog: deque[Request] = deque()  # parsed, not begun: too many in work
        self._closing = False  # nothing further is read; close once all is answered
        self._write_paused = False
        self._last_byte = self._time()
        # The request being read
        self._in_request = False
        self._in_headers = False
        self._begun = 0.0
        self._url = b""
        self._headers: dict[bytes, bytes] = {}
        self._chunk_bytes = 0  # of what the parser is being fed
        self._header_bytes = 0  # read before the headers were complete, in earlier chunks
        self._chunks: list[bytes] = []  # of the body
        self._body_bytes = 0

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        if len(self._connections.open) >= self._connections.limit:
            self._outbox.send(self._transport, self._handler.refuse(503, "Too many connections"))
            self._outbox.close(self._transport)
            return
        self._connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self._connections.open.discard(self)
        self._closing = True
        self._backlog.clear()
        self._exchanges.clear()

    def data_received(self, data: bytes) -> None:
        if self._closing:
            return
        self._last_byte = self._time()
        self._chunk_bytes = len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserCallbackError as error:
            cause = error.__context__
            if not isinstance(cause, _Refused):
                raise
            self._refuse(cause.status, cause.reason)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            if not self._closing:  # else: bytes after a last request
                self._refuse(400, "Bad Request")
        else:
            if self._in_headers:
                self._header_bytes += len(data)
                if self._header_bytes > MAX_HEADER_BYTES:
                    self._refuse(431, "Request Header Fields Too Large")

    def eof_received(self) -> bool:
        # A client may shut its side down after its last request and still await the answers.
        self._closing = True
        self._close_if_done()
        return bool(self._exchanges or self._backlog)

    def pause_writing(self) -> None:
        self._write_paused = True
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        self._write_paused = False
        self._last_byte = self._time()
        self._resume()

    # httptools

    def on_message_begin(self) -> None:
        self._in_request = self._in_headers = True
        self._begun = self._last_byte
        self._url = b""
        self._headers = {}
        self._header_bytes = 0

    def on_url(self, url: bytes) -> None:
        self._url += url
        if len(self._url) > MAX_URL_BYTES:
            raise _Refused(414, "URI Too Long")

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.lower()] = value

    def on_headers_complete(self) -> None:
        self._in_headers = False
        headers = self._headers
        if len(headers) > MAX_HEADERS or (
            # Only what came in so many bytes can have headers of more.
            self._header_bytes + self._chunk_bytes > MAX_HEADER_BYTES
            and sum([len(name) + len(value) for name, value in headers.items()]) > MAX_HEADER_BYTES
        ):
            raise _Refused(431, "Request Header Fields Too Large")
        length = headers.get(b"content-length", b"")
        if len(length) >= MAX_REQUEST_DIGITS and int(length) > MAX_REQUEST_BYTES:
            raise _Refused(413, "Request Entity Too Large")
        if b"expect" in headers and headers[b"expect"].lower() == b"100-continue":
            self._put(_Exchange(response.CONTINUE, keep_alive=True))

    def on_body(self, body: bytes) -> None:
        self._body_bytes += len(body)
        if self._body_bytes > MAX_REQUEST_BYTES:
            raise _Refused(413, "Request Entity Too Large")
        self._chunks.append(body)

    def on_message_complete(self) -> None:
        self._in_request = False
        body = b""
        if self._body_bytes:
            chunks = self._chunks
            body = chunks[0] if len(chunks) == 1 else b"".join(chunks)
            self._chunks = []
            self._body_bytes = 0
        headers = self._headers
        if b"content-encoding" in headers:
            body = _decompressed(body, headers[b"content-encoding"])
        parser = self._parser
        keep_alive = parser.should_keep_alive()
        if not keep_alive:
            self._closing = True
        request = Request(parser.get_method(), self._url, headers, body, keep_alive)
        if self._backlog or self._write_paused or len(self._exchanges) >= MAX_PIPELINED:
            self._backlog.append(request)
            self._transport.pause_reading()
        else:
            self._begin(request)

    # Answers

    def _begin(self, request: Request) -> None:
        answer = self._handler.answer(request)
        if isinstance(answer, bytes):
            if self._exchanges:
                self._exchanges.append(_Exchange(answer, request.keep_alive))
            else:
                self._outbox.send(self._transport, answer)
                if not request.keep_alive:
                    self._outbox.close(self._transport)
            return
        exchange = _Exchange(None, request.keep_alive)
        self._exchanges.append(exchange)

        def answered(reply: asyncio.Future[bytes]) -> None:
            exchange.answer = self._handler.finish(request, reply)
            self._flush()

        answer.add_done_callback(answered)

    def _put(self, exchange: _Exchange) -> None:
        self._exchanges.append(exchange)
        self._flush()

    def _flush(self) -> None:
        """Send the answers that are there, up to the first that is not."""
        exchanges = self._exchanges
        while exchanges and exchanges[0].answer is not None:
            exchange = exchanges.popleft()
            self._outbox.send(self._transport, cast(bytes, exchange.answer))
            if not exchange.keep_alive:
                self._outbox.close(self._transport)
                return
        self._resume()

    def _resume(self) -> None:
        """Begin waiting requests as far as limits allow; read on once none waits."""
        while self._backlog and not self._write_paused and len(self._exchanges) < MAX_PIPELINED:
            self._begin(self._backlog.popleft())
        if self._closing:
            self._close_if_done()
        elif not self._backlog and not self._write_paused:
            self._transport.resume_reading()

    def _refuse(self, status: int, reason: str) -> None:
        """Answer an unreadable request after those before it, and close."""
        self._closing = True
        self._in_request = False
        self._chunks.clear()
        exchange = _Exchange(self._handler.refuse(status, reason), keep_alive=False)
        if self._backlog:
            self._backlog.clear()
            self._transport.resume_reading()
        self._put(exchange)

    def _close_if_done(self) -> None:
        if not self._exchanges and not self._backlog:
            self._outbox.close(self._transport)

    # Life

    def check_timeout(self, now: float) -> None:
        """End the connection if its client is stuck."""
        silent = now - self._last_byte
        if self._write_paused or self._transport.is_closing():
            if silent > STALLED_TIMEOUT_SECONDS:
                self._transport.abort()
        elif self._exchanges or self._backlog:
            return  # the delay is the server's own
        elif not self._in_request:
            if silent > IDLE_TIMEOUT_SECONDS:
                self._transport.close()
        elif silent > STALLED_TIMEOUT_SECONDS or (
            self._in_headers and now - self._begun > HEADERS_TIMEOUT_SECONDS
        ):
            self._refuse(408, "Request Timeout")

    def close_when_idle(self) -> None:
        """Answer what has arrived in full, then close."""
        self._closing = True
        self._close_if_done()

    def abort(self) -> None:
        self._transport.abort()


def _decompressed(body: bytes, encoding: bytes) -> bytes:
    encoding = encoding.strip().lower()
    if encoding in (b"", b"identity"):
        return body
    if encoding != b"gzip":
        raise _Refused(415, "Unsupported Content-Encoding")
    inflater = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
    try:
        body = inflater.decompress(body, MAX_REQUEST_BYTES + 1)
    except zlib.error:
        raise _Refused(400, "Bad gzip body") from None
    if len(body) > MAX_REQUEST_BYTES:
        raise _Refused(413, "Request Entity Too Large")
    if not inflater.eof:
        raise _Refused(400, "Bad gzip body")
    return body
