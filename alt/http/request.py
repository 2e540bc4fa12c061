"""A request as it is handed over, and what answers it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Protocol

from alt.http.peer import NOBODY, Peer
from alt.metrics.requests import OperationMetrics

# A longer body is read and checked, or compressed, off the event loop; what comes after it on its connection waits.
LARGE_BODY_BYTES = 64 * 1024
NOT_REPEATED: Mapping[bytes, bytes] = {}


class Request:
    """One parsed request. Header names are lower case; the body is as sent, compressed or not."""

    __slots__ = (
        "allowed_origin",
        "begun",
        "body",
        "coding",
        "headers",
        "held_bytes",
        "is_large",
        "keep_alive",
        "method",
        "metrics",
        "peer",
        "repeated",
        "url",
    )

    def __init__(
        self,
        method: bytes,
        url: bytes,
        headers: dict[bytes, bytes],
        body: bytes,
        keep_alive: bool,
        repeated: Mapping[bytes, bytes] = NOT_REPEATED,
        peer: Peer = NOBODY,
    ) -> None:
        self.method = method
        self.url = url
        self.headers = headers
        self.body = body
        self.keep_alive = keep_alive
        # Headers that came several times, their values joined, where that is told (alt/http/strict.py).
        self.repeated = repeated
        self.peer = peer  # whose connection it came over
        self.begun = 0.0  # when it was complete, by `perf_counter`
        self.metrics: OperationMetrics | None = None  # those of its operation, once that is known
        self.allowed_origin = b""  # what to say to the web page that asks; nothing if none does
        self.coding: bytes | None = None  # what the answer's body is compressed with, once it is
        self.held_bytes = 0  # that count as held until the request is answered
        # Whether reading its body could hold the event loop: a compressed one may be of any length.
        self.is_large = len(body) > LARGE_BODY_BYTES or b"content-encoding" in headers


Answer = bytes | asyncio.Future[bytes]


class Handler(Protocol):
    """What answers requests. Nothing here raises; what is not a future is a whole HTTP answer."""

    def answer(self, request: Request) -> Answer: ...

    def finish(self, request: Request, reply: asyncio.Future[bytes]) -> Answer:
        """The answer whose future `answer`, or this, gave, once that is done."""
        ...

    def refuse(self, status: int, reason: str) -> bytes: ...
