"""A server in memory for tests, in the process of the tests.

    with alt.testing.serve() as server:
        dynamodb = server.client()

With pytest the fixtures `dynamodb` and `alt_server` are there by themselves (alt/pytest_plugin.py). boto3 is needed only for
`client` and `resource`.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import ujson

from alt.config import DEFAULT_REGION, Settings
from alt.service import Service
from alt.testing.direct import connect
from alt.testing.faults import Faults
from alt.testing.seeding import seed

T = TypeVar("T")

# What a server that does not start or stop by then never will.
PATIENCE_SECONDS = 30.0
# Nobody checks them; SDKs want some.
ACCESS_KEY = "test"


class Clock:
    """The system's clock, and ahead of it by what a test says."""

    def __init__(self) -> None:
        self._ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self._ahead

    def advance(self, seconds: float) -> None:
        """Let time pass: what expires by then has expired when it is looked for next."""
        if seconds < 0:
            raise ValueError("time does not go back")
        self._ahead += seconds

    def reset(self) -> None:
        self._ahead = 0.0


class Server:
    """A running server. `url` is for code under test, in AWS_ENDPOINT_URL_DYNAMODB or wherever it takes it.

    What `client` and `resource` give needs no port: their requests are handed over in the process.
    """

    def __init__(self, url: str, service: Service, loop: asyncio.AbstractEventLoop, clock: Clock) -> None:
        self.url = url
        self.clock = clock
        self.faults = Faults(self._run, service.faults)
        self._service = service
        self._loop = loop
        self._clients: dict[tuple[str, str, str], Any] = {}

    def client(self, service: str = "dynamodb", region: str = DEFAULT_REGION, config: Any = None) -> Any:
        """A boto3 client, for `dynamodb` or `dynamodbstreams`. One without a `config`, botocore's, is given again."""
        return self._boto3("client", service, region, config)

    def resource(self, region: str = DEFAULT_REGION) -> Any:
        """A boto3 resource."""
        return self._boto3("resource", "dynamodb", region)

    def reset(self) -> None:
        """Be as new: no tables, no backups, no faults, and the time of day."""
        self.clock.reset()
        self._run(self._service.begin_anew())

    def seed(self, data: Path | str | dict[str, Any]) -> None:
        """Create tables and put items into them: see alt/testing/seeding.py. A path is of a JSON file."""
        seed(self.client(), data if isinstance(data, dict) else ujson.loads(Path(data).read_text("utf-8")))

    def _boto3(self, kind: str, service: str, region: str, config: Any = None) -> Any:
        made = self._clients.get((kind, service, region)) if config is None else None
        if made is None:
            import boto3

            make = getattr(boto3.session.Session(), kind)
            made = make(
                service,
                endpoint_url=self.url,
                region_name=region,
                aws_access_key_id=ACCESS_KEY,
                aws_secret_access_key=ACCESS_KEY,
                config=config,
            )
            connect(getattr(made.meta, "client", made), self._service.handler, self._loop)
            if config is None:
                self._clients[kind, service, region] = made
        return made

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(PATIENCE_SECONDS)


@contextmanager
def serve(**settings: Any) -> Iterator[Server]:
    """A server on a free port of this machine, on a thread of its own. `settings` are those of alt.config.Settings.

    A process that is forked has none: begin it in each worker, as the pytest plugin does.
    """
    clock = Clock()
    loop = asyncio.new_event_loop()
    service = Service(Settings(**{"port": 0, "data_dir": None, "ttl_interval": 0.1} | settings), clock)
    thread = threading.Thread(target=loop.run_forever, name="alt", daemon=True)
    thread.start()
    try:
        urls = asyncio.run_coroutine_threadsafe(service.begin(), loop).result(PATIENCE_SECONDS)
        owner = os.getpid()
        try:
            yield Server(urls[0], service, loop, clock)
        finally:
            if os.getpid() == owner:
                asyncio.run_coroutine_threadsafe(service.end(), loop).result(PATIENCE_SECONDS)
                asyncio.run_coroutine_threadsafe(_cancel_others(), loop).result(PATIENCE_SECONDS)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(PATIENCE_SECONDS)
        loop.close()


async def _cancel_others() -> None:
    """End what a client no longer waits for: a loop that is closed in the midst of something complains of it."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
