"""A Query that was asked before answers as one that is asked first, whatever its values; and so does a short page."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alt.config import MAX_PAGE_BYTES
from alt.errors import ApiError
from alt.expressions.rebinding import MAX_KEPT, Kept
from alt.operations.queries.plans import shape_of
from alt.storage.sqlite.page_reads import SHORT_PAGE_ROWS
from alt.values.sizes import item_size
from tests.operations.conftest import Service

TABLE: dict[str, Any] = {
    "TableName": "Music",
    "BillingMode": "PAY_PER_REQUEST",
    "AttributeDefinitions": [
        {"AttributeName": name, "AttributeType": kind}
        for name, kind in (("pk", "S"), ("sk", "N"), ("g", "S"))
    ],
    "KeySchema": [
        {"AttributeName": "pk", "KeyType": "HASH"},
        {"AttributeName": "sk", "KeyType": "RANGE"},
    ],
    "GlobalSecondaryIndexes": [
        {
            "IndexName": "by-g",
            "KeySchema": [
                {"AttributeName": "pk", "KeyType": "HASH"},
                {"AttributeName": "g", "KeyType": "RANGE"},
            ],
            "Projection": {"ProjectionType": "ALL"},
        }
    ],
}

CONDITIONS = ("pk = :a", "pk = :a AND #r = :b", "pk = :a AND #r >= :b", ":b > #r AND :a = pk")
RANGES = ("pk = :a AND #r BETWEEN :b AND :c", "pk = :a AND begins_with(#r, :b)")
FILTERS = (
    None,
    None,
    "n = :f",
    "n < :f OR NOT contains(m, :f)",
    "size(n) >= :f",
    "n BETWEEN :f AND :f",
    "begins_with(m, :f)",
)
VALUES = st.sampled_from(
    [
        *({"S": text} for text in ("p", "q", "", "g1", "g2", "é", "x" * 1_025, "x" * 2_049)),
        *({"N": text} for text in ("1", "2.0", "-3", "1e2", "none", "")),
        {"B": "AQ=="},
        {"BOOL": True},
        {"NULL": False},
        {"L": [{"M": {"": {"S": "x"}}}]},
        {"SS": ["a", "a"]},
        {"S": "x" * 9_000},
    ]
)
STARTS = st.sampled_from(
    [
        None,
        None,
        {"pk": {"S": "p"}, "sk": {"N": "2"}},
        {"pk": {"S": "q"}, "sk": {"N": "2"}},
        {"pk": {"S": "p"}, "sk": {"N": "two"}},
        {"pk": {"S": "p"}},
        {"pk": {"S": "p"}, "sk": {"N": "2"}, "g": {"S": "g2"}},
    ]
)


@pytest.fixture(scope="module")
def music() -> Service:
    service = Service()
    service("CreateTable", **TABLE)
    for pk in "pq":
        for number in range(-3, 5):
            item = {"pk": {"S": pk}, "sk": {"N": str(number)}, "g": {"S": f"g{number % 3}"}, "n": {"N": "1"}}
            item["m"] = {"S": f"g{number}"}
            service("PutItem", TableName="Music", Item=item)
    return service


def outcome(service: Service, request: dict[str, Any]) -> Any:
    try:
        return service("Query", **copy.deepcopy(request))
    except ApiError as error:
        return error.type, error.message


@st.composite
def queries(draw: st.DrawFn) -> dict[str, Any]:
    """A query that is all right but for its values, which may be anything."""
    on_index = draw(st.booleans())
    text = draw(st.sampled_from(CONDITIONS + RANGES))
    request: dict[str, Any] = {
        "TableName": "Music",
        "KeyConditionExpression": text,
        "ExpressionAttributeValues": {name: draw(VALUES) for name in (":a", ":b", ":c") if name in text},
    }
    if "#r" in text:
        request["ExpressionAttributeNames"] = {"#r": "g" if on_index else "sk"}
    if on_index:
        request["IndexName"] = "by-g"
    if (condition := draw(st.sampled_from(FILTERS))) is not None:
        request["FilterExpression"] = condition
        request["ExpressionAttributeValues"][":f"] = draw(VALUES)
    if draw(st.booleans()):
        request["ScanIndexForward"] = draw(st.booleans())
    if draw(st.booleans()):
        request["Limit"] = draw(st.sampled_from([1, 3, SHORT_PAGE_ROWS, 1_000]))
    if draw(st.booleans()):
        request["ProjectionExpression"] = "n, sk"
    if (start := draw(STARTS)) is not None:
        request["ExclusiveStartKey"] = start
    if draw(st.booleans()):
        request["ReturnConsumedCapacity"] = "INDEXES"
    return request


def with_good_values(request: dict[str, Any]) -> dict[str, Any]:
    """A request of the same shape that nothing is wrong with; where its text allows that."""
    on_index = "IndexName" in request
    good: dict[str, Any] = {":a": {"S": "p"}, ":f": {"S": "g"} if "begins" in str(request) else {"N": "1"}}
    for name, text in ((":b", "1"), (":c", "2")):
        good[name] = {"S": f"g{text}"} if on_index else {"N": text}
    values = {name: good[name] for name in request["ExpressionAttributeValues"]}
    return {name: value for name, value in request.items() if name != "ExclusiveStartKey"} | {
        "ExpressionAttributeValues": values
    }


@settings(max_examples=400, deadline=None)
@given(request=queries())
def test_it_answers_as_if_it_were_the_first(music: Service, request: dict[str, Any]) -> None:
    music.context.plans = Kept()
    first = outcome(music, request)
    music.context.plans = Kept()
    known = outcome(music, with_good_values(request))
    shape, _ = shape_of(with_good_values(request))
    assert shape is not None
    checked = "BETWEEN" in request.get("FilterExpression", "")  # its values are, each time
    assert (music.context.plans.get(shape) is None) == (isinstance(known, tuple) or checked)
    assert outcome(music, request) == first
    assert outcome(music, request) == first


def test_a_plan_ends_with_the_definition_it_was_made_for() -> None:
    service = Service()
    request = {
        "TableName": "Music",
        "KeyConditionExpression": "pk = :a",
        "ExpressionAttributeValues": {":a": {"S": "p"}},
    }
    service("CreateTable", **TABLE)
    assert service("Query", **copy.deepcopy(request))["Count"] == 0
    service("DeleteTable", TableName="Music")
    with pytest.raises(ApiError, match="Requested resource not found"):
        service("Query", **copy.deepcopy(request))
    service.create(
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "N"}],
    )
    with pytest.raises(ApiError, match="Condition parameter type does not match schema type"):
        service("Query", **copy.deepcopy(request))


def test_plans_are_bounded() -> None:
    service = Service()
    service.create()
    for number in range(MAX_KEPT + 2):
        request = {
            "TableName": "Music",
            "KeyConditionExpression": f"pk = :a{number}",
            "ExpressionAttributeValues": {f":a{number}": {"S": "p"}},
        }
        service("Query", **request)
    assert service.context.plans.get(shape_of(request)[0]) is not None
    assert len(service.context.plans) == 2


def pages_of(sizes: list[int], limit: int | None) -> list[int]:
    """How many items each page of a whole partition has."""
    pages, count, total = [], 0, 0
    for size in sizes:
        count, total = count + 1, total + size
        if total >= MAX_PAGE_BYTES or count == limit:
            pages.append(count)
            count = total = 0
    return [*pages, count]


@pytest.mark.parametrize("size", [1, 4_000, 5_000, 300_000])
@pytest.mark.parametrize("count", [1, SHORT_PAGE_ROWS - 1, SHORT_PAGE_ROWS, SHORT_PAGE_ROWS + 1])
def test_pages_of_few_and_of_many_of_small_and_of_large_rows_are_whole(size: int, count: int) -> None:
    if size * count > 10_000_000:
        count = 10
    service = Service()
    service("CreateTable", **TABLE)
    items = []
    for number in range(count):
        item = {"pk": {"S": "p"}, "sk": {"N": str(number)}, "t": {"S": "x" * (size if number % 2 else 1)}}
        service("PutItem", TableName="Music", Item=item)
        items.append(item)
    request: dict[str, Any] = {
        "TableName": "Music",
        "KeyConditionExpression": "pk = :a",
        "ExpressionAttributeValues": {":a": {"S": "p"}},
    }
    for limit in (None, count // 2 or 1, count, count + 1):
        for _ in range(2):  # the second time with what the first one found out
            found, pages, start = [], [], {}
            while not pages or start:
                more: dict[str, Any] = {"ExclusiveStartKey": start} if start else {}
                if limit is not None:
                    more["Limit"] = limit
                page = service("Query", **copy.deepcopy(request), **more)
                found += page["Items"]
                pages.append(page["ScannedCount"])
                start = page.get("LastEvaluatedKey")
            assert found == items
            assert pages == pages_of([item_size(item) for item in items], limit)
