"""What a request may do before its items are known to be well-formed: nothing."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest

from alt.http.access import Access
from alt.http.dispatch import Dispatcher
from alt.http.protocol import Request
from alt.operations.context import Context
from alt.storage.sqlite.store import Store

NOON = 1_795_521_600.0  # Tuesday 24 November 2026, 12:00:00 UTC
# A member that the API does not know, which is ignored: read once by the operation, and once more by the check.
ODD = {"pk": {"S": "x", "XX": 1}}
# Refused, whatever the table is like.
ILL_FORMED = {"pk": {"S": 1}}
WRITES = [
    ("PutItem", lambda item: {"TableName": "Music", "Item": item}),
    ("BatchWriteItem", lambda item: {"RequestItems": {"Music": [{"PutRequest": {"Item": item}}]}}),
    ("TransactWriteItems", lambda item: {"TransactItems": [{"Put": {"TableName": "Music", "Item": item}}]}),
]


class Front:
    """A dispatcher over a store in memory whose table has one write unit a second, all of it used up."""

    def __init__(self) -> None:
        self.store = Store(None)
        # Time stands still, so no capacity comes back.
        context = Context(
            self.store, lambda: NOON, lambda: "id", elapsed=lambda: 0.0, enforce_throughput=True
        )
        self._dispatcher = Dispatcher(context, "127.0.0.1:8000", Access("127.0.0.1"))
        self(
            "CreateTable",
            {
                "TableName": "Music",
                "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
                "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
                "ProvisionedThroughput": {"ReadCapacityUnits": 1, "WriteCapacityUnits": 1},
            },
        )
        self("PutItem", {"TableName": "Music", "Item": {"pk": {"S": "x"}, "a": {"S": "x" * 350 * 1024}}})

    def __call__(self, operation: str, request: Any) -> bytes:
        headers = {
            b"content-type": b"application/x-amz-json-1.0",
            b"x-amz-target": f"DynamoDB_20120810.{operation}".encode(),
        }
        sent = Request(b"POST", b"/", headers, json.dumps(request).encode(), True)

        async def answered() -> bytes:
            answer = self._dispatcher.answer(sent)
            if isinstance(answer, bytes):
                return answer
            await asyncio.wait([answer])
            return self._dispatcher.finish(sent, answer)

        return asyncio.run(answered())

    def throttled(self) -> int:
        self.store.usage.store()
        return sum(used.throttled for used in self.store.usage.rows())


@pytest.fixture
def front() -> Iterator[Front]:
    running = Front()
    yield running
    asyncio.run(running.store.close())


@pytest.mark.parametrize(("operation", "request_of"), WRITES)
def test_a_throttled_write_of_an_odd_item_is_counted_once(
    front: Front, operation: str, request_of: Any
) -> None:
    assert b"hroughput" in front(operation, request_of(ODD))
    assert front.throttled() == 1


@pytest.mark.parametrize(("operation", "request_of"), WRITES)
def test_an_ill_formed_item_is_refused_before_anything_is_counted(
    front: Front, operation: str, request_of: Any
) -> None:
    assert b"SerializationException" in front(operation, request_of(ILL_FORMED))
    assert front.throttled() == 0
