"""Clients of the server of the same process: answered without a socket as they are with one."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError, EndpointConnectionError, ReadTimeoutError

from alt.http.request import Answer, Handler, Request
from alt.testing import serve
from alt.testing.direct import connect

SONG = {"pk": {"S": "Blue Monday"}, "text": {"S": "ü" * 100_000}}
NO_RETRIES = {"max_attempts": 0}


def over_http(url: str, service: str = "dynamodb", **more: Any) -> Any:
    keys = {"aws_access_key_id": "a", "aws_secret_access_key": "b"}
    return boto3.client(service, endpoint_url=url, region_name="us-east-1", **keys, **more)


def test_no_connection_is_made() -> None:
    with serve() as server:
        server.seed({"Music": {"Items": [SONG]}})
        assert server.resource().Table("Music").item_count == 1
        assert not server._service._connections.open


def test_answers_and_errors_are_those_of_a_connection() -> None:
    with serve() as server:
        server.seed({"Music": {"Items": [SONG]}})
        answers = []
        for client in (server.client(), over_http(server.url)):
            answer = client.get_item(TableName="Music", Key={"pk": SONG["pk"]})
            with pytest.raises(ClientError) as refused:
                client.get_item(TableName="Absent", Key={"pk": SONG["pk"]})
            response = answer["ResponseMetadata"]
            answers.append((answer["Item"], refused.value.response["Error"], response["HTTPStatusCode"]))
        assert answers[0] == answers[1]
        streams = [
            client.list_streams()["Streams"]
            for client in (server.client("dynamodbstreams"), over_http(server.url, "dynamodbstreams"))
        ]
        assert streams == [[], []]


def test_many_threads_are_answered_each_its_own() -> None:
    with serve() as server:
        server.seed({"Music": {"Items": [{"pk": {"S": str(number)}} for number in range(50)]}})
        client = server.client()

        def read(number: int) -> str:
            found = client.get_item(TableName="Music", Key={"pk": {"S": str(number % 50)}})
            return str(found["Item"]["pk"]["S"])

        with ThreadPoolExecutor(8) as threads:
            assert list(threads.map(read, range(400))) == [str(number % 50) for number in range(400)]


def test_the_timeout_is_the_clients() -> None:
    with serve() as server:
        server.seed({"Music": {}})
        server.faults.slow("Music", 60.0, operations=["PutItem"])
        client = server.client(config=Config(read_timeout=0.05, retries=NO_RETRIES))
        with pytest.raises(ReadTimeoutError):
            client.put_item(TableName="Music", Item=SONG)
        deadline = time.monotonic() + 60
        while not server.client().scan(TableName="Music")["Count"]:  # it is done all the same
            assert time.monotonic() < deadline


def test_who_still_waits_is_told_when_the_server_ends(caplog: pytest.LogCaptureFixture) -> None:
    with ThreadPoolExecutor() as threads:
        with serve() as server:
            client = over_http(server.url, config=Config(retries=NO_RETRIES))
            handler = _Silent(server._service.handler)
            connect(client, handler, server._loop)
            waiting = threads.submit(client.list_tables)
            assert handler.was_asked.wait(60)
        with pytest.raises(ConnectionClosedError):
            waiting.result(60)
    gc.collect()  # a task that was left in the midst of something complains as it goes
    assert not [record for record in caplog.records if record.name == "asyncio"]


class _Silent:
    """A handler that never answers."""

    def __init__(self, handler: Handler) -> None:
        self.finish = handler.finish
        self.was_asked = threading.Event()
        self._never = asyncio.Event()  # a task that waits for what nobody else knows is garbage

    def answer(self, _request: Request) -> Answer:
        self.was_asked.set()
        return asyncio.ensure_future(self._never.wait())  # type: ignore[arg-type]


def test_a_server_that_has_ended_is_not_there() -> None:
    with serve() as server:
        client = server.client(config=Config(retries=NO_RETRIES))
    with pytest.raises(EndpointConnectionError):
        client.list_tables()
