"""Pages on a database: however rows come from it, as one value or one by one, a page is what DynamoDB's is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import pytest

from alt.config import MAX_PAGE_BYTES
from alt.storage.postgres.pages import FIRST_ROWS, MANY_ROWS
from tests.operations.conftest import Service

ITEMS = 300
SORTED = {
    "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
    "AttributeDefinitions": [
        {"AttributeName": "pk", "AttributeType": "S"},
        {"AttributeName": "sk", "AttributeType": "S"},
    ],
}


@pytest.fixture
def service(begin: Callable[[], Service]) -> Service:
    """A partition of mostly small items, of which some fill a page with the few before them."""
    service = begin()
    service.create(**SORTED)
    chance = Random(7)
    puts = []
    for number in range(ITEMS):
        text = "x" * chance.choice([1, 10, 100, 1_000, 300_000 if number % 3 == 0 else 5_000])
        kind = {"S": "odd" if number % 2 else "even"}
        item = {"pk": {"S": "p"}, "sk": {"S": f"{number:03}"}, "kind": kind, "text": {"S": text}}
        puts.append({"PutRequest": {"Item": item}})
    for first in range(0, ITEMS, 25):
        service("BatchWriteItem", RequestItems={"Music": puts[first : first + 25]})
    return service


QUERY = {"KeyConditionExpression": "pk = :p", "ExpressionAttributeValues": {":p": {"S": "p"}}}
READS: dict[str, tuple[str, dict[str, Any]]] = {
    "forward": ("Query", QUERY),
    "backward": ("Query", {**QUERY, "ScanIndexForward": False}),
    "scan": ("Scan", {}),
}


def pages(service: Service, operation: str, request: dict[str, Any]) -> Iterator[dict[str, Any]]:
    start: dict[str, Any] = {}
    while True:
        page = service(operation, TableName="Music", **request, **start)
        yield page
        if "LastEvaluatedKey" not in page:
            return
        start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}


def size(item: dict[str, Any]) -> int:
    return sum(len(name) + len(value["S"]) for name, value in item.items())


@pytest.mark.parametrize("limit", [None, 1, MANY_ROWS - 1, MANY_ROWS, FIRST_ROWS, FIRST_ROWS + 1, ITEMS])
@pytest.mark.parametrize("read", READS)
def test_pages_have_all_items_in_their_order_and_end_where_they_are_full(
    service: Service, read: str, limit: int | None
) -> None:
    operation, request = READS[read]
    found = list(pages(service, operation, request if limit is None else {**request, "Limit": limit}))
    keys = [item["sk"]["S"] for page in found for item in page["Items"]]
    assert keys == sorted(f"{number:03}" for number in range(ITEMS))[:: -1 if read == "backward" else 1]
    for page in found:
        *others, last = page["Items"] or [None]
        assert sum(map(size, others)) < MAX_PAGE_BYTES
        if "LastEvaluatedKey" in page:
            assert last["sk"] == page["LastEvaluatedKey"]["sk"]
            assert len(page["Items"]) == limit or sum(map(size, page["Items"])) >= MAX_PAGE_BYTES


@pytest.mark.parametrize("limit", [None, MANY_ROWS - 1, FIRST_ROWS])
@pytest.mark.parametrize("read", READS)
def test_pages_that_are_only_counted_are_the_same(service: Service, read: str, limit: int | None) -> None:
    operation, request = READS[read]
    request = request if limit is None else {**request, "Limit": limit}
    counted = pages(service, operation, {**request, "Select": "COUNT"})
    for page, count in zip(pages(service, operation, request), counted, strict=True):
        items = page.pop("Items")
        assert "Items" not in count
        assert count == page == {**page, "Count": len(items), "ScannedCount": len(items)}


ODD = {"FilterExpression": "kind = :k"}


@pytest.mark.parametrize("limit", [None, MANY_ROWS, FIRST_ROWS, FIRST_ROWS + 1, ITEMS])
@pytest.mark.parametrize("read", READS)
def test_a_filter_leaves_pages_as_they_are_but_for_what_it_takes(
    service: Service, read: str, limit: int | None
) -> None:
    operation, request = READS[read]
    request = request if limit is None else {**request, "Limit": limit}
    values = {**request.get("ExpressionAttributeValues", {}), ":k": {"S": "odd"}}
    filtered = {**request, **ODD, "ExpressionAttributeValues": values}
    for page, rest in zip(
        pages(service, operation, request), pages(service, operation, filtered), strict=True
    ):
        assert rest["Items"] == [item for item in page["Items"] if item["kind"] == {"S": "odd"}]
        assert rest["ScannedCount"] == page["ScannedCount"]
        assert rest.get("LastEvaluatedKey") == page.get("LastEvaluatedKey")
