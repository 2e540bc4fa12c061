"""The fixtures that pytest finds by itself where Alt is installed.

    def test_it(dynamodb):
        dynamodb.client.create_table(...)

One server runs for a worker's tests, from the first that wants it; each test finds it empty.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from alt.testing import Clock, Server
    from alt.testing.faults import Faults


class DynamoDB:
    """What a test that speaks boto3 wants: `client`, `resource`, `streams` for dynamodbstreams, clock and faults."""

    def __init__(self, server: Server) -> None:
        self._server = server

    @property
    def client(self) -> Any:
        return self._server.client()

    @property
    def resource(self) -> Any:
        return self._server.resource()

    @property
    def streams(self) -> Any:
        return self._server.client("dynamodbstreams")

    @property
    def clock(self) -> Clock:
        return self._server.clock

    @property
    def faults(self) -> Faults:
        return self._server.faults

    @property
    def url(self) -> str:
        return self._server.url

    def seed(self, data: Any) -> None:
        """Tables and items to begin with, from a JSON file or a dictionary."""
        self._server.seed(data)


@pytest.fixture(scope="session")
def _alt_process() -> Iterator[Server]:
    from alt.testing import serve

    with serve() as server:
        yield server


@pytest.fixture
def alt_server(_alt_process: Server) -> Iterator[Server]:
    """An empty server, for code under test that takes a URL."""
    yield _alt_process
    _alt_process.reset()


@pytest.fixture
def dynamodb(alt_server: Server) -> DynamoDB:
    """An empty DynamoDB, as boto3's client and resource."""
    return DynamoDB(alt_server)
