"""A context in memory whose clock stands still until a test moves it, and whose ids count up."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from alt.errors import ApiError
from alt.operations import OPERATIONS
from alt.operations.caller import Caller
from alt.operations.context import Context
from alt.storage.engine import Answer
from alt.storage.sqlite.store import Store
from tests.operations.dictionary_engine import DictionaryEngine

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
    ) -> None:
        self.now = NOON
        self.clock_error = 0.0  # seconds by which the clock is set ahead, or back
        self.store = Store(directory, "off", on_step, clock=self.clock)
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

    def clock(self) -> float:
        return self.now + self.clock_error

    def __call__(self, operation: str, region: str = "us-east-1", **request: Any) -> Any:
        body = asyncio.run(self.begin(operation, region, **request))
        return json.loads(body) if body else None

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
            definition = self.store.definition(name)
            assert definition is not None
            self.store.restores.start(definition)
            await self.store.restores.finish(definition)

        asyncio.run(finish())

    def expire(self) -> None:
        """What the background does every few seconds: delete the items that have expired, on all tables."""

        async def work() -> None:
            await asyncio.gather(*self.store.expiry_work.start_all())

        asyncio.run(work())

    def refused(self, operation: str, **request: Any) -> ApiError:
        with pytest.raises(ApiError) as refused:
            self(operation, **request)
        return refused.value

    def refusal(self, operation: str, **request: Any) -> tuple[str, str | None]:
        """The error's type and message."""
        error = self.refused(operation, **request)
        return error.type, error.message


@pytest.fixture
def service() -> Iterator[Service]:
    running = Service()
    yield running
    asyncio.run(running.store.close())


@pytest.fixture(params=["sqlite", "dictionary"])
def any_service(request: pytest.FixtureRequest) -> Iterator[Service]:
    """On SQLite, and on an engine that answers a turn later: for tests that ask for nothing but operations."""
    running = Service(in_dictionary=request.param == "dictionary")
    yield running
    asyncio.run(running.store.close())


@pytest.fixture
def enforcing() -> Iterator[Service]:
    """One that holds tables to their throughput."""
    running = Service(enforce_throughput=True)
    yield running
    asyncio.run(running.store.close())


@pytest.fixture(params=["sqlite", "dictionary"])
def any_enforcing(request: pytest.FixtureRequest) -> Iterator[Service]:
    """The same on either engine."""
    running = Service(enforce_throughput=True, in_dictionary=request.param == "dictionary")
    yield running
    asyncio.run(running.store.close())
