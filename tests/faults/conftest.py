"""A server in the process, with two tables, and a client that does not try again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore import xform_name
from botocore.config import Config
from botocore.exceptions import ClientError

from alt.testing import Server, serve

KEYS = [{"pk": {"S": key}} for key in "abcd"]
TABLES = {"Music": {"Items": KEYS}, "Other": {"Items": KEYS}}

Call = Callable[..., Any]


@pytest.fixture(scope="session")
def one_server() -> Iterator[Server]:
    with serve() as server:
        yield server


@pytest.fixture
def server(one_server: Server) -> Iterator[Server]:
    one_server.seed(TABLES)
    yield one_server
    one_server.reset()


@pytest.fixture(scope="session")
def client(one_server: Server) -> Any:
    """One that does not try again."""
    return one_server.client(config=Config(retries={"max_attempts": 0}))


@pytest.fixture
def call(client: Any) -> Call:
    """A request to the members of its answer, `Error` among them for one that is refused."""

    def ask(operation: str, **request: Any) -> Any:
        try:
            answer = getattr(client, xform_name(operation))(**request)
        except ClientError as error:
            answer = error.response
        return {name: member for name, member in answer.items() if name != "ResponseMetadata"}

    return ask
