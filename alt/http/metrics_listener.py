"""What answers on a port of its own that serves the metrics and nothing else."""

from __future__ import annotations

import asyncio
import logging

from alt.errors import ApiError
from alt.http import response
from alt.http.access import Access
from alt.http.metrics_page import METRICS_PATH, MetricsPage
from alt.http.request import Answer, Request
from alt.metrics.exposition import CONTENT_TYPE

_log = logging.getLogger(__name__)


class MetricsHandler:
    """Answers `GET /metrics` to programs that name the server as they may; no web page may."""

    def __init__(self, page: MetricsPage, access: Access) -> None:
        self._page = page
        self._access = access

    def answer(self, request: Request) -> Answer:
        if request.method != b"GET" or request.url.partition(b"?")[0] != METRICS_PATH:
            return self._refuse(request, 404, b"the metrics are at /metrics\n")
        try:
            self._access.check_host(request.headers.get(b"host", b"localhost"))
        except ApiError as refusal:
            return self._refuse(request, 403, f"{refusal.message}\n".encode())
        if b"origin" in request.headers:
            return self._refuse(request, 403, b"web pages may not use this\n")
        return asyncio.ensure_future(self._page.text())

    def finish(self, request: Request, reply: asyncio.Future[bytes]) -> Answer:
        if (error := reply.exception()) is not None:
            _log.error("the metrics cannot be read", exc_info=error)
            return self._refuse(request, 500, b"the metrics cannot be read\n")
        return response.render(reply.result(), content_type=CONTENT_TYPE, close=not request.keep_alive)

    def refuse(self, status: int, reason: str) -> bytes:
        return response.render(reason.encode() + b"\n", status=status, content_type=response.TEXT, close=True)

    def _refuse(self, request: Request, status: int, text: bytes) -> bytes:
        return response.render(text, status=status, content_type=response.TEXT, close=not request.keep_alive)
