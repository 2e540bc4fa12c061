"""A listener whose connections begin with a header of the PROXY protocol, before TLS where that is spoken."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, TypeVar

from alt.http.connections import Connections
from alt.http.proxy_header import HEAD_BYTES, NotAHeaderError, rest_bytes, source_ip
from alt.http.tls import HANDSHAKE_SECONDS
from alt.tally import Tally

HEADER_SECONDS = 5.0  # within which a balancer has sent its header, which it does at once
ACCEPT_PAUSE_SECONDS = 1.0  # after one connection could not be taken: descriptors are used up

T = TypeVar("T")

_log = logging.getLogger(__name__)


class ProxiedListener:
    """Accepts connections until it is closed. `connection` is given the address that a header names, if it names one.

    What is no header, or is late, is closed without an answer. The header is read off the bare socket and no byte
    beyond it, so that a transport, and its handshake, begin where they always do.
    """

    def __init__(
        self,
        listener: socket.socket,
        connections: Connections,
        connection: Callable[[str | None], asyncio.Protocol],
        context: ssl.SSLContext | None,
        backlog: int,
    ) -> None:
        self._listener = listener
        self._connections = connections
        self._connection = connection
        self._context = context
        self._closed = Tally(connections.loop.time)  # for want of a header
        self._tasks: set[asyncio.Task[Any]] = set()  # a loop keeps no task alive by itself
        listener.listen(backlog)
        self._accepting: asyncio.Task[None] | None = self._keep(self._accept())
        self._accepting.add_done_callback(lambda _: listener.close())

    def close(self) -> None:
        """Accept nothing more. What is there already goes on."""
        # A connection that is accepted in this very turn is the task's alone, and is closed as nothing keeps that.
        if self._accepting is not None:
            self._accepting.cancel()
            self._accepting = None

    def _keep(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = self._connections.loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _accept(self) -> None:
        while True:
            try:
                client, _ = await self._connections.loop.sock_accept(self._listener)
            except ConnectionAbortedError:
                continue
            except OSError as error:
                _log.error("cannot accept a connection: %s", error.strerror or error)
                await asyncio.sleep(ACCEPT_PAUSE_SECONDS)
            else:
                self._welcome(client)

    def _welcome(self, client: socket.socket) -> None:
        client.setblocking(False)
        reading = self._keep(_read_header(self._connections.loop, client))
        newcomer = _Newcomer(reading)
        reading.add_done_callback(partial(self._welcomed, client, newcomer))
        if not self._connections.add(newcomer):
            newcomer.abort()

    def _welcomed(
        self, client: socket.socket, newcomer: _Newcomer, reading: asyncio.Task[str | None]
    ) -> None:
        self._connections.remove(newcomer)
        if reading.cancelled():
            client.close()
        elif (error := reading.exception()) is not None:
            client.close()
            self._note(error)
        else:
            self._keep(self._serve(client, reading.result()))

    async def _serve(self, client: socket.socket, told: str | None) -> None:
        try:
            await self._connections.loop.connect_accepted_socket(
                lambda: self._connection(told),
                client,
                ssl=self._context,
                ssl_handshake_timeout=None if self._context is None else HANDSHAKE_SECONDS,
            )
        except OSError as error:
            _log.debug("a handshake was not finished: %s", error)

    def _note(self, error: BaseException) -> None:
        """What was no header. A client that is gone is nothing."""
        if isinstance(error, OSError):
            return
        if not isinstance(error, NotAHeaderError):
            _log.error("a header of the PROXY protocol could not be read", exc_info=error)
            return
        self._closed.add()
        if closed := self._closed.due():
            _log.warning(
                "connections closed that did not begin with a header of the PROXY protocol: %d", closed
            )


class _Newcomer:
    """A connection of which the header is awaited, among all others: it counts, and ends with them."""

    def __init__(self, reading: asyncio.Task[str | None]) -> None:
        self._reading = reading

    def check_timeout(self, now: float) -> None:
        """To read a header has a timeout of its own."""

    def close_when_idle(self) -> None:
        self.abort()

    def owes_answers(self) -> bool:
        return False

    def abort(self) -> None:
        self._reading.cancel()


async def _read_header(loop: asyncio.AbstractEventLoop, client: socket.socket) -> str | None:
    """The address that it names. Raises NotAHeaderError, OSError."""
    try:
        async with asyncio.timeout(HEADER_SECONDS):
            head = await _read(loop, client, HEAD_BYTES)
            return source_ip(head, await _read(loop, client, rest_bytes(head)))
    except TimeoutError:
        raise NotAHeaderError from None


async def _read(loop: asyncio.AbstractEventLoop, client: socket.socket, size: int) -> bytes:
    read = b""
    while len(read) < size:
        piece = await loop.sock_recv(client, size - len(read))
        if not piece:
            raise NotAHeaderError
        read += piece
    return read
