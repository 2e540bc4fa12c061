"""CreateTable's rules on keys and indexes: which problem is answered, in which words, and which one wins."""

from __future__ import annotations

from typing import Any

import pytest

from alt.errors import ApiError
from alt.operations.tables.index_rules import check_keys_and_indexes

PREFIX = "One or more parameter values were invalid: "
SAME_NAME = "Both the Hash Key and the Range Key element in the KeySchema have the same name"
FIRST_NOT_HASH = "Invalid KeySchema: The first KeySchemaElement is not a HASH key type"
SECOND_NOT_RANGE = "Invalid KeySchema: The second KeySchemaElement is not a RANGE key type"


def schema(*keys: str) -> list[dict[str, str]]:
    """`"a"` is a HASH element, `"-a"` a RANGE element."""
    return [
        {"AttributeName": key.lstrip("-"), "KeyType": "RANGE" if key.startswith("-") else "HASH"}
        for key in keys
    ]


def index(name: str, *keys: str, **members: Any) -> dict[str, Any]:
    return {"IndexName": name, "KeySchema": schema(*keys), "Projection": {"ProjectionType": "ALL"}, **members}


def request(defined: str, *keys: str, **members: Any) -> dict[str, Any]:
    """A CreateTable; each letter of `defined` is an attribute of type S."""
    return {
        "TableName": "Music",
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{"AttributeName": name, "AttributeType": "S"} for name in defined],
        "KeySchema": schema(*keys),
        **members,
    }


def refusal(asked: dict[str, Any]) -> str | None:
    try:
        check_keys_and_indexes(asked)
    except ApiError as error:
        return error.message if error.type == "ValidationException" else error.type
    return None


def test_keys_without_indexes_are_accepted() -> None:
    assert refusal(request("a", "a")) is None
    assert refusal(request("ba", "a", "-b")) is None


@pytest.mark.parametrize(
    ("defined", "keys", "message"),
    [
        ("", ["a"], "Invalid KeySchema: Some index key attribute have no definition"),
        ("a", ["a", "-a"], "Invalid KeySchema: Some index key attribute have no definition"),
        ("b", ["a", "-b"], "Invalid KeySchema: Some index key attribute have no definition"),
        (
            "b",
            ["a"],
            PREFIX + "Some index key attributes are not defined in AttributeDefinitions. "
            "Keys: [a], AttributeDefinitions: [b]",
        ),
        ("aa", ["a"], "Attribute Name is duplicated: a"),
        ("ab", ["a", "-a"], SAME_NAME),
        ("ab", ["-a", "b"], FIRST_NOT_HASH),
        ("a", ["-a"], FIRST_NOT_HASH),
        ("ab", ["a", "b"], SECOND_NOT_RANGE),
        (
            "ab",
            ["a"],
            PREFIX + "Number of attributes in KeySchema does not exactly match "
            "number of attributes defined in AttributeDefinitions",
        ),
    ],
)
def test_table_keys(defined: str, keys: list[str], message: str) -> None:
    assert refusal(request(defined, *keys)) == message


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        (["a"], None),
        (["c", "-d"], None),
        (["b", "-a"], None),
        (["c", "d"], None),
        (["c", "-d", "-e"], None),
        (["a", "b", "c", "d", "-e", "-f", "-g", "-h"], None),
        (
            ["z", "-y"],
            PREFIX + "Some index key attributes are not defined in AttributeDefinitions. "
            "Keys: [z, y], AttributeDefinitions: [a, b, c, d, e, f, g, h, i]",
        ),
        (["c", "-c"], SAME_NAME),
        (["c", "c"], "The KeySchema contains multiple key attributes with the same name"),
        (["c", "d", "-c"], "The KeySchema contains multiple key attributes with the same name"),
        (["-c"], FIRST_NOT_HASH),
        (["-c", "d"], FIRST_NOT_HASH),
        (
            ["c", "-d", "e"],
            PREFIX + "All HASH key attributes must precede RANGE key attributes in the KeySchema",
        ),
        (
            ["a", "b", "c", "d", "e"],
            PREFIX + "The KeySchema exceeds the maximum allowed number of HASH key attributes",
        ),
        (
            ["a", "-b", "-c", "-d", "-e", "-f"],
            PREFIX + "The KeySchema exceeds the maximum allowed number of RANGE key attributes",
        ),
    ],
)
def test_global_index_keys(keys: list[str], message: str | None) -> None:
    # A second index uses whatever the first leaves unused.
    rest = [index("rest1", "a", "b", "c", "d", "-e", "-f", "-g", "-h"), index("rest2", "i")]
    asked = request("abcdefghi", "a", "-b", GlobalSecondaryIndexes=[index("tested", *keys), *rest])
    assert refusal(asked) == message


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        (["a", "-c"], None),
        (["a", "-b"], None),
        (
            ["a", "-z"],
            PREFIX + "Some index key attributes are not defined in AttributeDefinitions. "
            "Keys: [a, z], AttributeDefinitions: [a, b, c]",
        ),
        (["a", "-a"], SAME_NAME),
        (["-a"], FIRST_NOT_HASH),
        (["a", "b"], SECOND_NOT_RANGE),
        (["a"], PREFIX + "Index KeySchema does not have a range key for index: tested"),
        (["b"], PREFIX + "Index KeySchema does not have a range key for index: tested"),
        (
            ["b", "-a"],
            PREFIX + "Index KeySchema does not have the same leading hash key as table KeySchema "
            "for index: tested. index hash key: b, table hash key: a",
        ),
    ],
)
def test_local_index_keys(keys: list[str], message: str | None) -> None:
    asked = request(
        "abc", "a", "-b", LocalSecondaryIndexes=[index("tested", *keys), index("rest", "a", "-c")]
    )
    assert refusal(asked) == message


@pytest.mark.parametrize("kind", ["GlobalSecondaryIndexes", "LocalSecondaryIndexes"])
@pytest.mark.parametrize(
    ("projection", "message"),
    [
        ({"ProjectionType": "ALL"}, None),
        ({"ProjectionType": "KEYS_ONLY"}, None),
        ({"ProjectionType": "INCLUDE", "NonKeyAttributes": ["x", "a"]}, None),
        ({}, "Unknown ProjectionType: null"),
        ({"NonKeyAttributes": ["x"]}, "Unknown ProjectionType: null"),
        (
            {"ProjectionType": "ALL", "NonKeyAttributes": ["x"]},
            "ProjectionType is ALL, but NonKeyAttributes is specified",
        ),
        (
            {"ProjectionType": "KEYS_ONLY", "NonKeyAttributes": ["x"]},
            "ProjectionType is KEYS_ONLY, but NonKeyAttributes is specified",
        ),
        ({"ProjectionType": "INCLUDE"}, "ProjectionType is INCLUDE, but NonKeyAttributes is not specified"),
        (
            {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["x", "y", "x"]},
            "Duplicate element in NonKeyAttributes: x",
        ),
    ],
)
def test_projections(kind: str, projection: dict[str, Any], message: str | None) -> None:
    asked = request("ab", "a", "-b", **{kind: [index("tested", "a", "-b", Projection=projection)]})
    assert refusal(asked) == (message and PREFIX + message)


def test_a_local_index_needs_a_table_with_a_range_key() -> None:
    asked = request("ab", "a", LocalSecondaryIndexes=[index("tested", "a", "-b")])
    assert refusal(asked) == (
        PREFIX
        + "Table KeySchema does not have a range key, which is required when specifying a LocalSecondaryIndex"
    )


@pytest.mark.parametrize("kind", ["GlobalSecondaryIndexes", "LocalSecondaryIndexes"])
def test_an_empty_list_is_refused(kind: str) -> None:
    assert refusal(request("ab", "a", **{kind: []})) == f"{PREFIX}List of {kind} is empty"


def test_unused_definitions_hide_what_follows() -> None:
    wrong_everything_else = index(
        "tested", "b", Projection={}, ProvisionedThroughput={"ReadCapacityUnits": 1}
    )
    assert refusal(request("abc", "a", GlobalSecondaryIndexes=[wrong_everything_else])) == (
        PREFIX + "Some AttributeDefinitions are not used. AttributeDefinitions: [a, b, c], keys used: [a, b]"
    )


def test_names_are_unique_across_both_kinds() -> None:
    twice = [index("same", "a"), index("same", "a")]
    assert refusal(request("a", "a", GlobalSecondaryIndexes=twice)) == PREFIX + "Duplicate index name: same"
    both = {
        "LocalSecondaryIndexes": [index("same", "a", "-b")],
        "GlobalSecondaryIndexes": [index("same", "b")],
    }
    assert refusal(request("ab", "a", "-b", **both)) == PREFIX + "Duplicate index name: same"


def test_global_problems_come_before_local_ones() -> None:
    both = {
        "LocalSecondaryIndexes": [index("lsi", "a", "-b", Projection={"ProjectionType": "INCLUDE"})],
        "GlobalSecondaryIndexes": [index("gsi", "b", Projection={})],
    }
    assert refusal(request("ab", "a", "-b", **both)) == PREFIX + "Unknown ProjectionType: null"


@pytest.mark.parametrize(
    ("kind", "maximum", "message"),
    [
        ("GlobalSecondaryIndexes", 20, "GlobalSecondaryIndex count exceeds the per-table limit of 20"),
        ("LocalSecondaryIndexes", 5, "Number of LocalSecondaryIndexes exceeds per-table limit of 5"),
    ],
)
def test_counts(kind: str, maximum: int, message: str) -> None:
    indexes = [index(f"index{number}", "a", "-b") for number in range(maximum + 1)]
    assert refusal(request("ab", "a", "-b", **{kind: indexes[:-1]})) is None
    assert refusal(request("ab", "a", "-b", **{kind: indexes})) == PREFIX + message


def test_a_hundred_projected_attributes_over_all_indexes() -> None:
    def include(name: str, attributes: int) -> dict[str, Any]:
        named = [f"{name}{number}" for number in range(attributes)]
        return index(name, "a", "-b", Projection={"ProjectionType": "INCLUDE", "NonKeyAttributes": named})

    five = [include(f"gsi{number}", 18) for number in range(5)]
    full = {"GlobalSecondaryIndexes": five, "LocalSecondaryIndexes": [include("lsi", 10)]}
    assert refusal(request("ab", "a", "-b", **full)) is None
    over = {"GlobalSecondaryIndexes": five, "LocalSecondaryIndexes": [include("lsi", 11)]}
    assert refusal(request("ab", "a", "-b", **over)) == (
        PREFIX + "Number of NonKeyAttributes of all indexes exceeds the per-table limit of 100"
    )
