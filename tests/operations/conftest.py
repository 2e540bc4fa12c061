"""A context in memory whose clock stands still until a test moves it, and whose ids count up."""

from __future__ import annotations

import asyncio
import itertools
import json
import math
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest

from alt.errors import ApiError
from alt.operations import OPERATIONS
from alt.operations.caller import Caller
from alt.operations.context import Context
from alt.storage.engine import Answer
from alt.storage.postgres.store import Store as RemoteStore
from alt.storage.sqlite.store import Store
from tests.operations.dictionary_engine import DictionaryEngine

T = TypeVar("T")

# Tuesday 24 November 2026, 12:00:00 UTC.
NOON = 1_795_521_600.0


class Service:
    """Operations by name on one context, their answers decoded."""

    def __init__(
        self,
        *,
        enforce_throughput: bool = False,
        directory: Path | None = None,
        on_step: Callable[[str], None] = lambda _step: None,
        in_dictionary: bool = False,
        database: str | None = None,
    ) -> None:
        self.now = NOON
        self.clock_error = 0.0  # seconds by which the clock is set ahead, or back
        self._runner = asyncio.Runner()  # connections live as long as their loop
        self.is_remote = database is not None
        self.store: Any
        if database is None:
            self.store = Store(directory, "off", on_step, clock=self.clock)
        else:
            # Items expire when a test says so, and never by themselves.
            self.store = RemoteStore(database, clock=self.clock, ttl_interval=math.inf)
            self._runner.run(self._begin())
        engine: Any = DictionaryEngine(self.clock) if in_dictionary else self.store
        ids = (f"00000000-0000-4000-8000-{number:012}" for number in itertools.count(1))
        self.context = Context(
            engine,
            self.clock,
            lambda: next(ids),
            elapsed=lambda: self.now,
            enforce_throughput=enforce_throughput,
        )
        self.access_key = "AKID"

    async def _begin(self) -> None:
        await self.store.open()
        await self.store.work()

    def clock(self) -> float:
        return self.now + self.clock_error

    def __call__(self, operation: str, region: str = "us-east-1", **request: Any) -> Any:
        body = self.run(self.begin(operation, region, **request))
        return json.loads(body) if body else None

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """On a loop of its own, with which ends what goes on in the background; a database's is kept for that."""
        return self._runner.run(work) if self.is_remote else asyncio.run(work)

    def close(self) -> None:
        self.run(self.store.close())
        self._runner.close()

    async def begin(self, operation: str, region: str = "us-east-1", **request: Any) -> bytes:
        """The same for one of several requests at a time: the answer's body."""
        reply = self.ask(operation, region, **request)
        return reply if isinstance(reply, bytes) else await reply

    def ask(self, operation: str, region: str = "us-east-1", **request: Any) -> Answer[bytes]:
        """As the server does: the answer's body at once, or a future with it."""
        scope = f"{self.access_key}/20261124/{region}/dynamodb/aws4_request"
        caller = Caller(f"AWS4-HMAC-SHA256 Credential={scope}".encode())
        api = "dynamodbstreams" if ("dynamodbstreams", operation) in OPERATIONS else "dynamodb"
        return OPERATIONS[api, operation](self.context, request, caller)

    def create(self, name: str = "Music", **members: Any) -> Any:
        """Create a table whose partition key is the string `pk`, on demand unless told otherwise."""
        request: dict[str, Any] = {
            "TableName": name,
            "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
            "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
        }
        if "ProvisionedThroughput" not in members and "BillingMode" not in members:
            request["BillingMode"] = "PAY_PER_REQUEST"
        return self("CreateTable", **(request | members))["TableDescription"]

    def update(self, name: str = "Music", **members: Any) -> Any:
        return self("UpdateTable", TableName=name, **members)["TableDescription"]

    def describe(self, name: str = "Music", region: str = "us-east-1") -> Any:
        return self("DescribeTable", region, TableName=name)["Table"]

    def finish_restore(self, name: str) -> None:
        """A restore runs in the background; here it rests once the call that began it is answered."""

        async def finish() -> None:
            if self.is_remote:
                await self.store.work()
                return
            definition = self.store.definition(name)
            assert definition is not None
            self.store.restores.start(definition)
            await self.store.restores.finish(definition)

        self.run(finish())

    def expire(self) -> None:
        """What the background does every few seconds: delete the items that have expired, on all tables."""

        async def work() -> None:
            if self.is_remote:
                await self.store.work()
            else:
                await asyncio.gather(*self.store.expiry_work.start_all())

        self.run(work())

    def refused(self, operation: str, **request: Any) -> ApiError:
        with pytest.raises(ApiError) as refused:
            self(operation, **request)
        return refused.value

    def refusal(self, operation: str, **request: Any) -> tuple[str, str | None]:
        """The error's type and message."""
        error = self.refused(operation, **request)
        return error.type, error.message


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """What asks for nothing but operations is tried on each engine: on SQLite and in a dictionary, or on a database."""
    if "engine" in metafunc.fixturenames:
        is_remote = metafunc.config.getoption("--engine") == "postgres"
        metafunc.parametrize("engine", ["postgres"] if is_remote else ["sqlite", "dictionary"])


@pytest.fixture
def make_service(engine: str, request: pytest.FixtureRequest) -> Iterator[Callable[..., Service]]:
    """Makes one service on the engine, which is empty."""
    running: list[Service] = []

    def make(**options: Any) -> Service:
        if engine == "postgres":
            options["database"] = request.getfixturevalue("empty_database")
        running.append(Service(in_dictionary=engine == "dictionary", **options))
        return running[-1]

    yield make
    for service in running:
        service.close()


@pytest.fixture
def any_service(make_service: Callable[..., Service]) -> Service:
    """On SQLite, and on an engine that answers a turn later: for tests that ask for nothing but operations."""
    return make_service()


@pytest.fixture
def any_enforcing(make_service: Callable[..., Service]) -> Service:
    """The same that holds tables to their throughput."""
    return make_service(enforce_throughput=True)


def _on_sqlite_or_a_database(request: pytest.FixtureRequest) -> Iterator[Service]:
    options: dict[str, Any] = {}
    if request.config.getoption("--engine") == "postgres":
        if request.node.get_closest_marker("inside_sqlite"):
            pytest.skip("it looks into SQLite's engine")
        options["database"] = request.getfixturevalue("empty_database")
    running = Service(enforce_throughput=request.fixturename == "enforcing", **options)
    yield running
    running.close()


@pytest.fixture
def service(request: pytest.FixtureRequest) -> Iterator[Service]:
    """For tests that ask for more than operations, or for much. With `inside_sqlite` they know the engine, too."""
    yield from _on_sqlite_or_a_database(request)


@pytest.fixture
def enforcing(request: pytest.FixtureRequest) -> Iterator[Service]:
    """One that holds tables to their throughput."""
    yield from _on_sqlite_or_a_database(request)
