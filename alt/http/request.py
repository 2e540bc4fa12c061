"""A request as it is handed over, and what answers it."""

from __future__ import annotations

import asyncio
from typing import Protocol

# A longer body is read and checked off the event loop, and what comes after it on its connection waits.
LARGE_BODY_BYTES = 64 * 1024


class Request:
    """One parsed request. Header names are lower case; the body is as sent, compressed or not."""

    __slots__ = ("allowed_origin", "body", "headers", "held_bytes", "is_large", "keep_alive", "method", "url")

    def __init__(
        self, method: bytes, url: bytes, headers: dict[bytes, bytes], body: bytes, keep_alive: bool
    ) -> None:
        self.method = method
        self.url = url
        self.headers = headers
        self.body = body
        self.keep_alive = keep_alive
        self.allowed_origin = b""  # what to say to the web page that asks; nothing if none does
        self.held_bytes = 0  # that count as held until the request is answered
        # Whether reading its body could hold the event loop: a compressed one may be of any length.
        self.is_large = len(body) > LARGE_BODY_BYTES or b"content-encoding" in headers


Answer = bytes | asyncio.Future[bytes]


class Handler(Protocol):
    """What answers requests. Nothing here raises; what is not a future is a whole HTTP answer."""

    def answer(self, request: Request) -> Answer: ...

    def finish(self, request: Request, reply: asyncio.Future[bytes]) -> bytes:
        """The answer whose future `answer` gave, once that is done."""
        ...

    def refuse(self, status: int, reason: str) -> bytes: ...
