"""A page that may take long is read in steps, and is the page that it would be at once: of one state."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
import ujson

from alt.operations import OPERATIONS
from alt.operations.caller import Caller
from alt.operations.context import Context
from alt.storage.sqlite import pages
from alt.storage.sqlite.store import Store

ITEMS = 300
TABLE = {
    "TableName": "Long",
    "AttributeDefinitions": [{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk", "other")],
    "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
    "LocalSecondaryIndexes": [
        {
            "IndexName": "local",
            "KeySchema": [
                {"AttributeName": "pk", "KeyType": "HASH"},
                {"AttributeName": "other", "KeyType": "RANGE"},
            ],
            "Projection": {"ProjectionType": "KEYS_ONLY"},
        }
    ],
    "BillingMode": "PAY_PER_REQUEST",
}
PARTITION = {"KeyConditionExpression": "pk = :p", "ExpressionAttributeValues": {":p": {"S": "p"}}}
ABOVE = {"FilterExpression": "n > :n", "ExpressionAttributeValues": {":n": {"N": "40"}}}
# Nested deeper than filters are made SQL of.
DEEP = ABOVE | {"FilterExpression": "NOT (NOT (" * 31 + "n > :n" + "))" * 31}
FETCHED = PARTITION | {"IndexName": "local"}
REQUESTS = {
    "plain": ("Scan", {}),
    "limit": ("Scan", {"Limit": 70}),
    "count": ("Scan", {"Select": "COUNT"}),
    "filter": ("Scan", ABOVE),
    "filter, count": ("Scan", ABOVE | {"Select": "COUNT"}),
    "filter that nothing passes": ("Scan", ABOVE | {"FilterExpression": "n < :n AND n > :n"}),
    "filter in Python": ("Scan", DEEP),
    "filter in Python, count": ("Scan", DEEP | {"Select": "COUNT"}),
    "projection": ("Scan", {"ProjectionExpression": "n, listed[1]"}),
    "filter and projection": ("Scan", ABOVE | {"ProjectionExpression": "n"}),
    "segment": ("Scan", {"Segment": 0, "TotalSegments": 1}),
    "nothing": ("Query", PARTITION | {"ExpressionAttributeValues": {":p": {"S": "none"}}}),
    "query": ("Query", PARTITION),
    "query, descending": ("Query", PARTITION | {"ScanIndexForward": False, "Limit": 70}),
    "query, short, projection": ("Query", PARTITION | {"Limit": 70, "ProjectionExpression": "listed"}),
    "local index": ("Query", FETCHED | {"Select": "ALL_ATTRIBUTES", "ReturnConsumedCapacity": "INDEXES"}),
    "local index, projection": ("Query", FETCHED | {"ProjectionExpression": "n", "ConsistentRead": True}),
}


def item(number: int, **more: Any) -> dict[str, Any]:
    listed = {"L": [{"S": "é"}, {"N": str(number)}]}
    key = {"pk": {"S": "p"}, "sk": {"S": f"{number:04}"}, "other": {"S": str(number % 7)}}
    return {**key, "n": {"N": str(number)}, "listed": listed, **more}


async def ask(context: Context, operation: str, request: dict[str, Any]) -> dict[str, Any]:
    copy = ujson.loads(ujson.dumps({"TableName": "Long"} | request))
    answer = OPERATIONS["dynamodb", operation](context, copy, Caller(None, None))
    found: dict[str, Any] = ujson.loads(answer if isinstance(answer, bytes) else await answer)
    return found


async def put(context: Context, items: list[dict[str, Any]]) -> None:
    for at in range(0, len(items), 25):
        writes = [{"PutRequest": {"Item": each}} for each in items[at : at + 25]]
        await ask(context, "BatchWriteItem", {"RequestItems": {"Long": writes}})


def on_engine(directory: Path | None, test: Callable[[Context], Coroutine[Any, Any, None]]) -> None:
    async def run() -> None:
        store = Store(directory, "off")
        ids = iter(range(1_000))
        context = Context(store, time.time, lambda: f"id{next(ids):06}")
        await ask(context, "CreateTable", TABLE)
        await put(context, [item(number) for number in range(ITEMS)])
        await test(context)
        await store.close()

    asyncio.run(run())


@pytest.mark.parametrize("in_memory", [False, True])
@pytest.mark.parametrize("name", REQUESTS)
def test_in_steps_the_answer_is_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, in_memory: bool
) -> None:
    operation, request = REQUESTS[name]

    async def test(context: Context) -> None:
        at_once = await ask(context, operation, request)
        monkeypatch.setattr(pages, "STEP_COST", 100.0)
        steps = []
        passed = pages._passed

        def counted(*arguments: Any) -> Any:
            steps.append(threading.current_thread())
            return passed(*arguments)

        monkeypatch.setattr(pages, "_passed", counted)
        assert await ask(context, operation, request) == at_once
        monkeypatch.undo()
        if name not in ("nothing", "limit", "query, descending"):
            assert len(steps) > 1
            assert (threading.main_thread() in steps) == in_memory

    on_engine(None if in_memory else tmp_path, test)


@pytest.mark.parametrize("in_memory", [False, True])
def test_a_page_in_steps_is_of_one_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, in_memory: bool
) -> None:
    """Each write changes an item at the beginning of the page and one at its end."""
    monkeypatch.setattr(pages, "STEP_COST", 100.0)

    async def test(context: Context) -> None:
        async def change() -> None:
            for number in range(60):
                changed = [item(each, seen={"N": str(number)}) for each in (0, ITEMS - 1)]
                actions = [{"Put": {"TableName": "Long", "Item": each}} for each in changed]
                await ask(context, "TransactWriteItems", {"TransactItems": actions})

        changing = asyncio.ensure_future(change())
        rounds = 0
        while not changing.done() or rounds < 3:
            found = (await ask(context, "Query", PARTITION))["Items"]
            assert len(found) == ITEMS
            assert found[0].get("seen") == found[-1].get("seen")
            rounds += 1

    on_engine(None if in_memory else tmp_path, test)


@pytest.mark.parametrize("in_memory", [False, True])
def test_a_page_sees_what_was_answered_before_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, in_memory: bool
) -> None:
    monkeypatch.setattr(pages, "STEP_COST", 1.0)

    async def test(context: Context) -> None:
        for number in range(20):
            await put(context, [item(0, seen={"N": str(number)})])
            found = await ask(context, "Query", PARTITION | {"Limit": 2, "ProjectionExpression": "seen"})
            assert found["Items"][0] == {"seen": {"N": str(number)}}

    on_engine(None if in_memory else tmp_path, test)


def test_a_store_closes_while_pages_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "STEP_COST", 1.0)

    async def test(context: Context) -> None:
        asked = [asyncio.ensure_future(ask(context, "Scan", ABOVE)) for _ in range(20)]
        await asyncio.sleep(0.05)
        await context.engine._long_reads.stop()
        await asyncio.gather(*asked, return_exceptions=True)

    on_engine(tmp_path, test)
