"""TransactGetItems: items in the order asked for, projections, and what fails or cancels it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Refusal = Callable[..., tuple[str, str]]

MISMATCH = "The provided key element does not match the schema"


def get(table: str, pk: str, **more: Any) -> dict[str, Any]:
    return {"Get": {"TableName": table, "Key": {"pk": {"S": pk}}, **more}}


@pytest.fixture
def three(dynamodb: Any, table: str, pk: str) -> list[str]:
    """The keys of two stored items and of none."""
    for suffix, value in (("1", "x"), ("2", "é\x00")):
        item = {"pk": {"S": pk + suffix}, "a": {"M": {"b": {"S": value}}}, "c": {"N": suffix}}
        dynamodb.put_item(TableName=table, Item=item)
    return [pk + "1", pk + "2", pk + "absent"]


def test_items_come_in_the_order_asked_for(
    dynamodb: Any, table: str, table_of: Any, three: list[str]
) -> None:
    other = table_of("S", "N")
    dynamodb.put_item(TableName=other, Item={"pk": {"S": three[0]}, "sk": {"N": "1"}})
    gets = [get(table, pk) for pk in reversed(three)]
    gets.insert(1, {"Get": {"TableName": other, "Key": {"pk": {"S": three[0]}, "sk": {"N": "1.0"}}}})
    answer = dynamodb.transact_get_items(TransactItems=gets)
    assert answer["Responses"] == [
        {},
        {"Item": {"pk": {"S": three[0]}, "sk": {"N": "1"}}},
        {"Item": {"pk": {"S": three[1]}, "a": {"M": {"b": {"S": "é\x00"}}}, "c": {"N": "2"}}},
        {"Item": {"pk": {"S": three[0]}, "a": {"M": {"b": {"S": "x"}}}, "c": {"N": "1"}}},
    ]


def test_each_get_has_its_own_projection(dynamodb: Any, table: str, three: list[str]) -> None:
    answer = dynamodb.transact_get_items(
        TransactItems=[
            get(table, three[0], ProjectionExpression="a.b"),
            get(table, three[1], ProjectionExpression="#c", ExpressionAttributeNames={"#c": "c"}),
            get(table, three[2], ProjectionExpression="c"),
        ]
    )
    assert answer["Responses"] == [{"Item": {"a": {"M": {"b": {"S": "x"}}}}}, {"Item": {"c": {"N": "2"}}}, {}]


@pytest.mark.parametrize("projection", ["absent", "a.absent", "a[0]"])
def test_a_projection_that_matches_nothing_leaves_no_item(
    dynamodb: Any, table: str, three: list[str], projection: str
) -> None:
    answer = dynamodb.transact_get_items(
        TransactItems=[get(table, three[0], ProjectionExpression=projection), get(table, three[2])]
    )
    assert answer["Responses"] == [{}, {}]


def test_names_are_idle_without_a_projection(dynamodb: Any, table: str, three: list[str]) -> None:
    gets = [get(table, three[0], ExpressionAttributeNames={"#unused": "a"})]
    answer = dynamodb.transact_get_items(TransactItems=gets)
    assert answer["Responses"][0]["Item"]["pk"] == {"S": three[0]}


@pytest.mark.parametrize(
    "key", [{}, {"pk": {"N": "1"}}, {"pk": {"M": {}}}, {"pk": {"S": "x"}, "b": {"S": "x"}}, {"b": {"S": "x"}}]
)
def test_a_key_that_fits_no_item_cancels_it(
    dynamodb: Any, table: str, three: list[str], key: dict[str, Any]
) -> None:
    """Only the first such key is told."""
    misfit = {"Get": {"TableName": table, "Key": key}}
    with pytest.raises(dynamodb.exceptions.TransactionCanceledException) as cancelled:
        dynamodb.transact_get_items(TransactItems=[get(table, three[0]), misfit, misfit])
    assert cancelled.value.response["CancellationReasons"] == [
        {"Code": "None"},
        {"Code": "ValidationError", "Message": MISMATCH},
        {"Code": "None"},
    ]


def test_a_projection_into_a_key_cancels_it(dynamodb: Any, table: str, three: list[str]) -> None:
    with pytest.raises(dynamodb.exceptions.TransactionCanceledException) as cancelled:
        dynamodb.transact_get_items(TransactItems=[get(table, three[0], ProjectionExpression="pk.x")])
    (reason,) = cancelled.value.response["CancellationReasons"]
    assert (reason["Code"], reason["Message"].split(";")[0]) == (
        "ValidationError",
        "Key attributes must be scalars",
    )


REFUSED: list[tuple[str, Callable[[str, str], list[Any]], str, str]] = [
    ("one item twice", lambda t, pk: [get(t, pk), get(t, pk)], "ValidationException", "Transaction request cannot include multiple operations on one item"),
    ("an empty key", lambda t, _: [get(t, "")], "ValidationException", "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty string value. Key: pk"),
    ("an absent table", lambda _, pk: [get("no-such-table", pk)], "ResourceNotFoundException", "Requested resource not found"),
    ("a bad projection", lambda t, pk: [get(t, pk, ProjectionExpression="a, a")], "ValidationException", "Invalid ProjectionExpression: Two document paths overlap with each other; must remove or rewrite one of these paths; path one: [a], path two: [a]"),
    ("a bad projection after an absent table", lambda t, pk: [get("no-such-table", pk), get(t, pk, ProjectionExpression="#x")], "ValidationException", "Invalid ProjectionExpression: An expression attribute name used in the document path is not defined; attribute name: #x"),
    ("a bad number", lambda t, _: [{"Get": {"TableName": t, "Key": {"pk": {"N": "1e2147483647"}}}}], "ValidationException", "Number underflow. Attempting to store a number with magnitude smaller than supported range"),
    ("nothing", lambda *_: [], "ValidationException", "1 validation error detected: Value '[]' at 'transactItems' failed to satisfy constraint: Member must have length greater than or equal to 1"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("gets", "kind", "message"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED]
)
def test_what_fails_the_whole_request(
    refusal: Refusal,
    dynamodb: Any,
    table: str,
    pk: str,
    gets: Callable[[str, str], list[Any]],
    kind: str,
    message: str,
) -> None:
    assert refusal(dynamodb.transact_get_items, TransactItems=gets(table, pk)) == (kind, message)
