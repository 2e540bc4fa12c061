"""What the connections of a listener share: their number, the bytes they hold, and the sweep over them."""

from __future__ import annotations

import asyncio
import logging
from typing import Protocol

from alt.http.outbox import Outbox
from alt.http.request import Handler
from alt.tally import Tally

MAX_CONNECTIONS = 8_192
# Of the connections that there may be, so many are kept to tell others that there are too many, at most this part.
MAX_TURNED_AWAY = 128
TURNED_AWAY_SHARE = 1 / 8
MAX_HELD_BYTES = 1024**3  # of bodies of all connections, unfinished or waiting to be read
SWEEP_SECONDS = 1.0
# How long connections that are closed and owe nothing are waited for. Over TLS a client says that it
# has seen the end, and one that keeps its connection for later requests does not look.
FAREWELL_SECONDS = 0.5

_log = logging.getLogger(__name__)


class Open(Protocol):
    """A connection as all of them are looked after."""

    def check_timeout(self, now: float) -> None: ...

    def close_when_idle(self) -> None: ...

    def owes_answers(self) -> bool: ...

    def abort(self) -> None: ...


class Connections:
    """All connections of a listener: what they share, and the sweep that ends the stuck ones.

    `limit`: how many there may be. Each takes a file descriptor, and where these are used up a new
    connection can be neither answered nor logged.
    """

    def __init__(
        self, handler: Handler, loop: asyncio.AbstractEventLoop, limit: int = MAX_CONNECTIONS
    ) -> None:
        self.handler = handler
        self.loop = loop
        self.outbox = Outbox(loop)
        self.open: set[Open] = set()
        self.held_bytes = 0
        self._most_open = min(limit, MAX_CONNECTIONS)
        self._limit = self._most_open - min(MAX_TURNED_AWAY, int(self._most_open * TURNED_AWAY_SHARE))
        self._turned_away = Tally(loop.time)
        self._sweeping = False

    def add(self, connection: Open) -> bool:
        """Whether the limit allows another connection."""
        self.open.add(connection)
        if not self._sweeping:
            self._sweeping = True
            self.loop.call_later(SWEEP_SECONDS, self._sweep)
        if len(self.open) <= self._limit:
            return True
        self._turned_away.add()
        self._log_turned_away()
        if len(self.open) > self._most_open:
            connection.abort()
        return False

    def remove(self, connection: Open) -> None:
        self.open.discard(connection)

    def hold(self, size: int) -> bool:
        """Count bytes of a body; whether there is room for them."""
        self.held_bytes += size
        return self.held_bytes <= MAX_HELD_BYTES

    def release(self, size: int) -> None:
        self.held_bytes -= size

    def _sweep(self) -> None:
        now = self.loop.time()
        for connection in list(self.open):
            connection.check_timeout(now)
        self._log_turned_away()
        self._sweeping = bool(self.open)
        if self._sweeping:
            self.loop.call_later(SWEEP_SECONDS, self._sweep)

    def _log_turned_away(self) -> None:
        if turned_away := self._turned_away.due():
            _log.warning("connections turned away: %d; there may be %d at a time", turned_away, self._limit)

    async def close(self, grace_seconds: float) -> None:
        """Let requests in work be answered, then close every connection."""
        for connection in list(self.open):
            connection.close_when_idle()
        begun = self.loop.time()
        while self.open and (passed := self.loop.time() - begun) < grace_seconds:
            if passed > FAREWELL_SECONDS and not any(each.owes_answers() for each in self.open):
                break
            await asyncio.sleep(0.005)
        for connection in list(self.open):
            connection.abort()
