"""The dispatcher over a furnished store in memory: what the server does between a request and its answer."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from world import Names, furnish, target

from alt.http.access import Access
from alt.http.dispatch import Dispatcher
from alt.http.protocol import Request
from alt.operations.context import Context
from alt.storage.sqlite.store import Store


class Front:
    """Answers requests one by one, in one event loop. `names` are what the service named in it."""

    def __init__(self) -> None:
        self._runner = asyncio.Runner()
        self._store = Store(None)
        ids = (f"00000000-0000-4000-8000-{number:012}" for number in itertools.count(1))
        context = Context(self._store, _standing_still, lambda: next(ids))
        self._dispatcher = Dispatcher(context, "127.0.0.1:8000", Access("127.0.0.1"))
        self.names: Names = furnish(self)

    def __call__(self, operation: str, request: Any) -> tuple[int, Any]:
        return self.send(operation, json.dumps(request).encode())

    def send(self, operation: str, body: bytes) -> tuple[int, Any]:
        """The status and the decoded body."""
        headers = {
            b"content-type": b"application/x-amz-json-1.0",
            b"x-amz-target": target(operation).encode(),
        }
        request = Request(b"POST", b"/", headers, body, True)
        # `Runner.run` would install a signal handler for each request, a quarter of what a request costs.
        whole = self._runner.get_loop().run_until_complete(self._answered(request))
        head, _, answer = whole.partition(b"\r\n\r\n")
        return int(head.split(b" ", 2)[1]), json.loads(answer) if answer else None

    async def _answered(self, request: Request) -> bytes:
        answer = self._dispatcher.answer(request)
        if isinstance(answer, bytes):
            return answer
        await asyncio.wait([answer])
        return self._dispatcher.finish(request, answer)

    def close(self) -> None:
        self._runner.run(self._store.close())
        self._runner.close()


def _standing_still() -> float:
    return 1_795_521_600.0  # Tuesday 24 November 2026, 12:00:00 UTC


@pytest.fixture
def furnished() -> Iterator[Callable[[], Front]]:
    """Makes furnished stores; closes them at the test's end."""
    made: list[Front] = []

    def make() -> Front:
        made.append(Front())
        return made[-1]

    yield make
    for front in made:
        front.close()
