"""Requests of boto3 handed to the server of the same process, without a socket: see DESIGN.md for what that saves.

botocore sends nothing where somebody answers its event `before-send`, which it emits once a request is signed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import CancelledError, Future
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from alt.http.request import Answer, Handler, Request


def connect(client: Any, handler: Handler, loop: asyncio.AbstractEventLoop) -> None:
    """Have the handler, on its event loop, answer what a client asks from now on. Timeouts are the client's own."""
    seconds = client.meta.config.read_timeout
    client.meta.events.register("before-send", partial(_send, handler, loop, seconds))


def _send(
    handler: Handler, loop: asyncio.AbstractEventLoop, seconds: float, request: Any, **_event: Any
) -> Any:
    from botocore.exceptions import ConnectionClosedError, EndpointConnectionError, ReadTimeoutError

    answered: Future[bytes] = Future()
    try:
        loop.call_soon_threadsafe(_begin, handler, _read(request), answered)
    except RuntimeError as closed:
        raise EndpointConnectionError(endpoint_url=request.url, error=closed) from None
    try:
        return _response(request.url, answered.result(seconds))
    except CancelledError:
        raise ConnectionClosedError(endpoint_url=request.url) from None
    except TimeoutError:
        raise ReadTimeoutError(endpoint_url=request.url) from None


def _read(request: Any) -> Request:
    """A request of botocore's as the server reads it, without asking for a compressed answer."""
    headers = {
        name.lower().encode(): value if isinstance(value, bytes) else str(value).encode()
        for name, value in request.headers.items()
    }
    headers.pop(b"accept-encoding", None)
    parts = urlsplit(request.url)
    headers.setdefault(b"host", parts.netloc.encode())
    body = request.body or b""
    body = body.encode() if isinstance(body, str) else bytes(body)
    return Request(request.method.encode(), (parts.path or "/").encode(), headers, body, keep_alive=True)


def _begin(handler: Handler, request: Request, answered: Future[bytes]) -> None:
    _hand_over(handler, request, answered, handler.answer(request))


def _hand_over(handler: Handler, request: Request, answered: Future[bytes], answer: Answer) -> None:
    if isinstance(answer, bytes):
        answered.set_result(answer)
        return

    def finish(reply: asyncio.Future[Any]) -> None:
        if reply.cancelled():  # the server has ended
            answered.cancel()
        else:
            _hand_over(handler, request, answered, handler.finish(request, reply))

    answer.add_done_callback(finish)


def _response(url: str, answer: bytes) -> Any:
    from botocore.awsrequest import AWSResponse

    head, _, body = answer.partition(b"\r\n\r\n")
    status, *lines = head.decode("latin-1").split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    return AWSResponse(url, int(status.split(" ", 2)[1]), headers, _Body(body))


class _Body:
    """A body that is there, as botocore reads those that come."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def stream(self, *_size: Any, **_options: Any) -> Iterator[bytes]:
        yield self._body
