"""GetItem: whole items and their parts, keys that do not match, what a read costs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Refusal = Callable[..., tuple[str, str]]
Get = Callable[..., dict[str, Any]]

MISMATCH = "The provided key element does not match the schema"
INVALID = "One or more parameter values were invalid: "
EMPTY_KEY = (
    "One or more parameter values are not valid. The AttributeValue for a key attribute "
    "cannot contain an empty {} value. Key: {}"
)

ITEM = {
    "a": {"S": "x"},
    "n": {"N": "-1.5"},
    "m": {"M": {"b": {"S": "y"}, "c": {"M": {"d": {"BOOL": True}}}, "e.f": {"N": "7"}}},
    "l": {"L": [{"S": "0"}, {"M": {"x": {"S": "1x"}, "y": {"S": "1y"}}}, {"S": "2"}, {"L": [{"S": "30"}]}]},
}


@pytest.fixture
def get(dynamodb: Any, table: str, pk: str) -> Get:
    """Get the test's item, which is `ITEM` and its key."""
    dynamodb.put_item(TableName=table, Item={"pk": {"S": pk}, **ITEM})

    def get_item(**parameters: Any) -> dict[str, Any]:
        answer = dynamodb.get_item(TableName=table, Key={"pk": {"S": pk}}, **parameters)
        return {name: value for name, value in answer.items() if name != "ResponseMetadata"}

    return get_item


@pytest.mark.parametrize("consistent", [{}, {"ConsistentRead": False}, {"ConsistentRead": True}])
def test_a_whole_item(get: Get, pk: str, consistent: dict[str, bool]) -> None:
    assert get(**consistent) == {"Item": {"pk": {"S": pk}, **ITEM}}


@pytest.mark.parametrize("parameters", [{}, {"ProjectionExpression": "a"}, {"ConsistentRead": True}])
def test_an_absent_item(dynamodb: Any, table: str, pk: str, parameters: dict[str, Any]) -> None:
    assert "Item" not in dynamodb.get_item(TableName=table, Key={"pk": {"S": pk}}, **parameters)


@pytest.mark.parametrize(
    ("types", "key"),
    [
        (("S",), {"pk": {"S": 'é\x00☃\U0001f600 /"\\'}}),
        (("N",), {"pk": {"N": "-12.5"}}),
        (("B",), {"pk": {"B": b"\x00\xff"}}),
        (("S", "S"), {"pk": {"S": "x"}, "sk": {"S": "y"}}),
        (("S", "N"), {"pk": {"S": "x"}, "sk": {"N": "0"}}),
        (("S", "B"), {"pk": {"S": "x"}, "sk": {"B": b"\x80"}}),
    ],
)
def test_keys_of_every_type(
    dynamodb: Any, table_of: Callable[..., str], types: tuple[str, ...], key: dict[str, Any]
) -> None:
    dynamodb.put_item(TableName=table_of(*types), Item={**key, "found": {"BOOL": True}})
    found = dynamodb.get_item(TableName=table_of(*types), Key=key)["Item"]
    assert found == {**key, "found": {"BOOL": True}}


@pytest.mark.parametrize("text", ["7", "7.0", "+7", "007", "0.7e1", "70E-1"])
def test_one_number_is_one_key_however_written(
    dynamodb: Any, table_of: Callable[..., str], text: str
) -> None:
    dynamodb.put_item(TableName=table_of("N"), Item={"pk": {"N": "7"}})
    assert dynamodb.get_item(TableName=table_of("N"), Key={"pk": {"N": text}})["Item"] == {"pk": {"N": "7"}}


# Projections


@pytest.mark.parametrize(
    ("expression", "parts"),
    [
        ("a", {"a": {"S": "x"}}),
        ("a, n", {"a": {"S": "x"}, "n": {"N": "-1.5"}}),
        ("absent", {}),
        ("a.b", {}),
        ("a[0]", {}),
        ("m[0]", {}),
        ("l.b", {}),
        ("m.absent", {}),
        ("l[4]", {}),
        ("m.b", {"m": {"M": {"b": {"S": "y"}}}}),
        ("m.c.d, m.b", {"m": {"M": {"b": {"S": "y"}, "c": {"M": {"d": {"BOOL": True}}}}}}),
        ("m.#ef", {"m": {"M": {"e.f": {"N": "7"}}}}),
        ("l[0]", {"l": {"L": [{"S": "0"}]}}),
        ("l[2], l[0]", {"l": {"L": [{"S": "0"}, {"S": "2"}]}}),
        ("l[1].y", {"l": {"L": [{"M": {"y": {"S": "1y"}}}]}}),
        ("l[1].x, l[1].y", {"l": {"L": [{"M": {"x": {"S": "1x"}, "y": {"S": "1y"}}}]}}),
        ("l[3][0], l[9]", {"l": {"L": [{"L": [{"S": "30"}]}]}}),
        ("a, m.absent, l[1].z", {"a": {"S": "x"}}),
    ],
)
def test_a_projection_keeps_the_structure(get: Get, expression: str, parts: dict[str, Any]) -> None:
    names = {"ExpressionAttributeNames": {"#ef": "e.f"}} if "#" in expression else {}
    assert get(ProjectionExpression=expression, **names) == {"Item": parts}


@pytest.mark.parametrize(
    ("names", "parts"),
    [
        (["a"], {"a": {"S": "x"}}),
        (["m", "absent"], {"m": ITEM["m"]}),
        (["m.b", "l[0]"], {}),
        (["absent"], {}),
    ],
)
def test_attributes_to_get_are_names_not_paths(get: Get, names: list[str], parts: dict[str, Any]) -> None:
    assert get(AttributesToGet=names) == {"Item": parts}


# Capacity


@pytest.mark.parametrize(
    ("size", "consistent", "units"),
    [
        (None, False, 0.5),
        (None, True, 1),
        (100, False, 0.5),
        (4096, False, 0.5),
        (4096, True, 1),
        (4097, False, 1),
        (4097, True, 2),
        (409600, False, 50),
        (409600, True, 100),
    ],
)
def test_units_are_four_kilobytes_rounded_up(
    dynamodb: Any, table: str, pk: str, size: int | None, consistent: bool, units: float
) -> None:
    if size is not None:
        filler = {"S": "x" * (size - len("pk" + pk + "a"))}
        dynamodb.put_item(TableName=table, Item={"pk": {"S": pk}, "a": filler})

    def consumed(wanted: str, **parameters: Any) -> Any:
        return dynamodb.get_item(
            TableName=table,
            Key={"pk": {"S": pk}},
            ConsistentRead=consistent,
            ReturnConsumedCapacity=wanted,
            **parameters,
        ).get("ConsumedCapacity")

    total = {"TableName": table, "CapacityUnits": units}
    assert consumed("NONE") is None
    assert consumed("TOTAL") == total
    assert consumed("TOTAL", ProjectionExpression="pk") == total
    assert consumed("INDEXES") == {**total, "Table": {"CapacityUnits": units}}


# Refusals


@pytest.mark.parametrize(
    ("types", "key", "message"),
    [
        (("S",), {}, MISMATCH),
        (("S",), {"a": {"S": "x"}}, MISMATCH),
        (("S",), {"pk": {"S": "x"}, "a": {"S": "x"}}, MISMATCH),
        (("S", "S"), {"pk": {"S": "x"}}, MISMATCH),
        (("S", "S"), {"pk": {"S": "x"}, "a": {"S": "x"}}, MISMATCH),
        (("S", "N"), {"pk": {"S": "x"}, "sk": {"S": "x"}}, MISMATCH),
        (("S",), {"pk": {"S": ""}}, EMPTY_KEY.format("string", "pk")),
        (("B",), {"pk": {"B": b""}}, EMPTY_KEY.format("binary", "pk")),
        (("S", "B"), {"pk": {"S": "x"}, "sk": {"B": b""}}, EMPTY_KEY.format("binary", "sk")),
        (
            ("S",),
            {"pk": {"S": "x" * 2_049}},
            f"{INVALID}Size of hashkey has exceeded the maximum size limit of2048 bytes",
        ),
        (
            ("S", "S"),
            {"pk": {"S": "x"}, "sk": {"S": "x" * 1_025}},
            f"{INVALID}Aggregated size of all range keys has exceeded the size limit of 1024 bytes",
        ),
    ]
    + [
        (("S",), {"pk": value}, MISMATCH)
        for value in (
            {"N": "1"},
            {"B": b"x"},
            {"BOOL": True},
            {"NULL": True},
            {"SS": ["x"]},
            {"NS": ["1"]},
            {"BS": [b"x"]},
            {"L": []},
            {"M": {}},
        )
    ],
)
def test_keys_that_do_not_match(
    dynamodb: Any,
    table_of: Callable[..., str],
    refusal: Refusal,
    types: tuple[str, ...],
    key: dict[str, Any],
    message: str,
) -> None:
    refused = refusal(dynamodb.get_item, TableName=table_of(*types), Key=key)
    assert refused == ("ValidationException", message)


INVALID_PROJECTION = "Invalid ProjectionExpression: "
OVERLAP = f"{INVALID_PROJECTION}Two document paths overlap with each other; must remove or rewrite one of these paths; "


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"ProjectionExpression": ""}, f"{INVALID_PROJECTION}The expression can not be empty;"),
        ({"ProjectionExpression": "!!!"}, f'{INVALID_PROJECTION}Syntax error; token: "!", near: "!!"'),
        ({"ProjectionExpression": "a, a"}, f"{OVERLAP}path one: [a], path two: [a]"),
        ({"ProjectionExpression": "a.b, a"}, f"{OVERLAP}path one: [a, b], path two: [a]"),
        ({"ProjectionExpression": "l, l[0]"}, f"{OVERLAP}path one: [l], path two: [l, [0]]"),
        (
            {
                "ProjectionExpression": "#a, #b",
                "ExpressionAttributeNames": {"#a": "a", "#b": "a"},
            },
            f"{OVERLAP}path one: [a], path two: [a]",
        ),
        (
            {"ProjectionExpression": "#a"},
            f"{INVALID_PROJECTION}An expression attribute name used in the document path is not defined; "
            "attribute name: #a",
        ),
        (
            {"ProjectionExpression": "size"},
            f"{INVALID_PROJECTION}Attribute name is a reserved keyword; reserved keyword: size",
        ),
        (
            {"ProjectionExpression": "a", "ExpressionAttributeNames": {"#u": "u"}},
            "Value provided in ExpressionAttributeNames unused in expressions: keys: {#u}",
        ),
        (
            {"ExpressionAttributeNames": {"#u": "u"}},
            "ExpressionAttributeNames can only be specified when using expressions",
        ),
        (
            {"AttributesToGet": ["a"], "ExpressionAttributeNames": {"#u": "u"}},
            "ExpressionAttributeNames can only be specified when using expressions",
        ),
        (
            {"ProjectionExpression": "a", "ExpressionAttributeNames": {}},
            "ExpressionAttributeNames must not be empty",
        ),
        (
            {"ProjectionExpression": "a", "AttributesToGet": ["a"]},
            "Can not use both expression and non-expression parameters in the same request: "
            "Non-expression parameters: {AttributesToGet} Expression parameters: {ProjectionExpression}",
        ),
        ({"AttributesToGet": ["a", "a"]}, f"{INVALID}Duplicate value in attribute name: a"),
        (
            {"ProjectionExpression": "#k[0]", "ExpressionAttributeNames": {"#k": "pk"}},
            "Key attributes must be scalars; list random access '[]' and map lookup '.' are not allowed: "
            "Key: pk",
        ),
        (
            {"ReturnConsumedCapacity": "SOME"},
            "1 validation error detected: Value 'SOME' at 'returnConsumedCapacity' failed to satisfy "
            "constraint: Member must satisfy enum value set: [INDEXES, TOTAL, NONE]",
        ),
    ],
)
def test_parameters_that_are_refused(
    dynamodb: Any, table: str, pk: str, refusal: Refusal, parameters: dict[str, Any], message: str
) -> None:
    """Whether there is such an item or not."""
    refused = refusal(dynamodb.get_item, TableName=table, Key={"pk": {"S": pk}}, **parameters)
    assert refused == ("ValidationException", message)
