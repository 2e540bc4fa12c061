"""BatchGetItem: several items of several tables, the limits, and what one part of a batch does to the rest."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest

Refusal = Callable[..., tuple[str, str]]
BatchGet = Callable[..., dict[str, Any]]

OPENING = "1 validation error detected: "
MISMATCH = "The provided key element does not match the schema"
DUPLICATES = "Provided list of item keys contains duplicates"
INVALID = "One or more parameter values were invalid: "
MAP_KEYS = (
    "Map keys must satisfy constraint: [Member must have length less than or equal to 255, "
    "Member must have length greater than or equal to 3, "
    "Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+]"
)
NOT_A_UNIT = (
    "Value 'SOME' at 'returnConsumedCapacity' failed to satisfy constraint: "
    "Member must satisfy enum value set: [INDEXES, TOTAL, NONE]"
)


@pytest.fixture
def batch_get(dynamodb: Any) -> BatchGet:
    def get(request_items: Any, **parameters: Any) -> dict[str, Any]:
        answer = dynamodb.batch_get_item(RequestItems=request_items, **parameters)
        return {name: value for name, value in answer.items() if name != "ResponseMetadata"}

    return get


def key(pk: str) -> dict[str, Any]:
    return {"pk": {"S": pk}}


def in_order(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What a batch answers has no order of its own."""
    return sorted(items, key=str)


@pytest.fixture
def items(dynamodb: Any, table: str, pk: str) -> list[dict[str, Any]]:
    """Five items in the shared table."""
    items = [
        {**key(f"{pk}{at}"), "a": {"N": str(at)}, "m": {"M": {"x": {"S": "x"}, "y": {"S": "y"}}}}
        for at in range(5)
    ]
    dynamodb.batch_write_item(RequestItems={table: [{"PutRequest": {"Item": item}} for item in items]})
    return items


# Items


@pytest.mark.parametrize("consistent", [{}, {"ConsistentRead": True}])
def test_items_that_are_there(
    batch_get: BatchGet, table: str, pk: str, items: list[dict[str, Any]], consistent: dict[str, bool]
) -> None:
    wanted = [key(f"{pk}{at}") for at in (3, 1, 4)] + [key(pk + "absent"), key(pk + "none")]
    answer = batch_get({table: {"Keys": wanted, **consistent}})
    assert in_order(answer["Responses"][table]) == [items[1], items[3], items[4]]
    assert answer["UnprocessedKeys"] == {}


def test_nothing_that_is_there(batch_get: BatchGet, table: str, pk: str) -> None:
    assert batch_get({table: {"Keys": [key(pk)]}}) == {"Responses": {table: []}, "UnprocessedKeys": {}}


def test_several_tables(
    dynamodb: Any, batch_get: BatchGet, table: str, table_of: Callable[..., str], pk: str
) -> None:
    other = table_of("S", "N")
    dynamodb.put_item(TableName=table, Item=key(pk))
    for sk in "12":
        dynamodb.put_item(TableName=other, Item={**key(pk), "sk": {"N": sk}, "a": {"S": sk}})
    answer = batch_get(
        {
            table: {"Keys": [key(pk)]},
            other: {"Keys": [{**key(pk), "sk": {"N": sk}} for sk in "123"], "ProjectionExpression": "a"},
        }
    )
    assert answer["Responses"][table] == [key(pk)]
    assert in_order(answer["Responses"][other]) == [{"a": {"S": "1"}}, {"a": {"S": "2"}}]


def test_the_same_key_in_two_tables_is_no_duplicate(
    batch_get: BatchGet, table: str, table_of: Callable[..., str], pk: str
) -> None:
    other = table_of("S", "S")
    rows = [{**key(pk), "sk": {"S": sk}} for sk in "ab"]
    assert batch_get({table: {"Keys": [key(pk)]}, other: {"Keys": rows}})["UnprocessedKeys"] == {}


@pytest.mark.parametrize(
    ("parameters", "parts"),
    [
        ({"ProjectionExpression": "a"}, {"a": {"N": "0"}}),
        ({"ProjectionExpression": "m.x, a"}, {"a": {"N": "0"}, "m": {"M": {"x": {"S": "x"}}}}),
        (
            {"ProjectionExpression": "#m.#y", "ExpressionAttributeNames": {"#m": "m", "#y": "y"}},
            {"m": {"M": {"y": {"S": "y"}}}},
        ),
        ({"ProjectionExpression": "absent"}, {}),
        ({"AttributesToGet": ["a", "absent"]}, {"a": {"N": "0"}}),
        ({"AttributesToGet": ["m.x"]}, {}),
    ],
)
@pytest.mark.usefixtures("items")
def test_parts_of_items(
    batch_get: BatchGet, table: str, pk: str, parameters: dict[str, Any], parts: dict[str, Any]
) -> None:
    """An item none of whose wanted parts is there is answered all the same."""
    answer = batch_get({table: {"Keys": [key(pk + "0"), key(pk + "absent")], **parameters}})
    assert answer["Responses"][table] == [parts]


def test_a_hundred_keys(dynamodb: Any, batch_get: BatchGet, table: str, pk: str) -> None:
    for start in range(0, 100, 25):
        puts = [{"PutRequest": {"Item": key(f"{pk}{at}")}} for at in range(start, start + 25)]
        dynamodb.batch_write_item(RequestItems={table: puts})
    keys = [key(f"{pk}{at}") for at in range(100)]
    assert in_order(batch_get({table: {"Keys": keys}})["Responses"][table]) == in_order(keys)


# 16 MB


@pytest.fixture(scope="module")
def large(dynamodb: Any) -> str:
    """A table of 45 items of 400 KB, more than one answer may hold."""
    table = f"large-{uuid.uuid4()}"
    dynamodb.create_table(
        TableName=table,
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )
    filler = {"S": "x" * (409_600 - len("pk" + "00" + "filler"))}
    for at in range(45):
        dynamodb.put_item(TableName=table, Item={**key(f"{at:02}"), "filler": filler})
    return table


@pytest.mark.parametrize("asked", [{}, {"ReturnConsumedCapacity": "TOTAL"}])
@pytest.mark.parametrize(
    "parameters", [{}, {"ProjectionExpression": "#k", "ExpressionAttributeNames": {"#k": "pk"}}]
)
def test_keys_beyond_16_megabytes_are_left_to_the_next_request(
    batch_get: BatchGet, large: str, parameters: dict[str, Any], asked: dict[str, str]
) -> None:
    """16,777,216 bytes hold 40 items of 409,600; projections do not make room for more."""
    keys = [key(f"{at:02}") for at in range(45)]
    first = batch_get({large: {"Keys": keys, "ConsistentRead": True, **parameters}}, **asked)
    left = first["UnprocessedKeys"]
    assert [len(first["Responses"][large]), len(left[large]["Keys"])] == [40, 5]
    assert {name: value for name, value in left[large].items() if name != "Keys"} == {
        "ConsistentRead": True,
        **parameters,
    }
    if asked:  # only for what was read
        assert first["ConsumedCapacity"] == [{"TableName": large, "CapacityUnits": 4_000}]
    second = batch_get(left)
    found = [item["pk"]["S"] for answer in (first, second) for item in answer["Responses"][large]]
    assert sorted(found) == [f"{at:02}" for at in range(45)]
    assert second["UnprocessedKeys"] == {}


def test_16_megabytes_are_for_all_tables_together(
    dynamodb: Any, batch_get: BatchGet, large: str, table: str, pk: str
) -> None:
    dynamodb.put_item(TableName=table, Item=key(pk))
    keys = [key(f"{at:02}") for at in range(45)]
    answer = batch_get({large: {"Keys": keys}, table: {"Keys": [key(pk)]}})
    assert len(answer["Responses"][large]) == 40
    assert answer["Responses"].get(table, []) == []
    assert answer["UnprocessedKeys"][table] == {"Keys": [key(pk)]}


# Capacity


def test_units_are_rounded_item_by_item(
    dynamodb: Any, batch_get: BatchGet, table: str, table_of: Callable[..., str], pk: str
) -> None:
    def put(name: str, size: int) -> None:
        filler = {"S": "x" * (size - len("pk" + name + "a"))}
        dynamodb.put_item(TableName=table, Item={**key(name), "a": filler})

    put(pk + "1", 4_096)
    put(pk + "2", 4_097)
    other = table_of("S", "N")
    wanted: dict[str, Any] = {
        table: {"Keys": [key(pk + "1"), key(pk + "2"), key(pk + "absent")]},
        other: {"Keys": [{**key(pk), "sk": {"N": "1"}}], "ConsistentRead": True},
    }

    def consumed(asked: str) -> Any:
        answer = batch_get(wanted, ReturnConsumedCapacity=asked)
        return sorted(answer.get("ConsumedCapacity", []), key=lambda each: each["TableName"] != table)

    assert consumed("NONE") == []
    assert consumed("TOTAL") == [
        {"TableName": table, "CapacityUnits": 2.0},
        {"TableName": other, "CapacityUnits": 1.0},
    ]
    assert consumed("INDEXES") == [
        {"TableName": table, "CapacityUnits": 2.0, "Table": {"CapacityUnits": 2.0}},
        {"TableName": other, "CapacityUnits": 1.0, "Table": {"CapacityUnits": 1.0}},
    ]
    wanted[table]["ConsistentRead"] = True
    assert consumed("TOTAL")[0]["CapacityUnits"] == 4.0


# Refusals

ABSENT = "no-such-table"


@pytest.mark.parametrize(
    ("reads", "message"),
    [
        ({"Keys": [key("a"), key("a")]}, DUPLICATES),
        ({"Keys": [key("a"), key("b"), key("a")]}, DUPLICATES),
        ({"Keys": [{}]}, MISMATCH),
        ({"Keys": [key("a"), {"a": {"S": "x"}}]}, MISMATCH),
        ({"Keys": [{**key("a"), "b": {"S": "x"}}]}, MISMATCH),
        ({"Keys": [{"pk": {"N": "1"}}]}, MISMATCH),
        ({"Keys": [{"pk": {"L": []}}]}, MISMATCH),
        (
            {"Keys": [key("")]},
            "One or more parameter values are not valid. The AttributeValue for a key attribute "
            "cannot contain an empty string value. Key: pk",
        ),
        (
            {"Keys": [key("x" * 2_049)]},
            f"{INVALID}Size of hashkey has exceeded the maximum size limit of2048 bytes",
        ),
        (
            {"Keys": [{"pk": {}}]},
            "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes",
        ),
        ({"Keys": [{"pk": {"N": "abc"}}]}, "The parameter cannot be converted to a numeric value: abc"),
        (
            {"Keys": [{"pk": {"SS": ["b", "a", "b"]}}]},
            f'{INVALID}Input collection ["a", "b", "b"] contains duplicates.',
        ),
        (
            {"Keys": [key("a")], "ProjectionExpression": "a, a"},
            "Invalid ProjectionExpression: Two document paths overlap with each other; "
            "must remove or rewrite one of these paths; path one: [a], path two: [a]",
        ),
        (
            {"Keys": [key("a")], "ProjectionExpression": ""},
            "Invalid ProjectionExpression: The expression can not be empty;",
        ),
        (
            {"Keys": [key("a")], "ProjectionExpression": "a", "ExpressionAttributeNames": {"#u": "u"}},
            "Value provided in ExpressionAttributeNames unused in expressions: keys: {#u}",
        ),
        (
            {"Keys": [key("a")], "ExpressionAttributeNames": {"#u": "u"}},
            "ExpressionAttributeNames can only be specified when using expressions",
        ),
        (
            {"Keys": [key("a")], "AttributesToGet": ["a", "a"]},
            f"{INVALID}Duplicate value in attribute name: a",
        ),
        (
            {"Keys": [key("a")], "ProjectionExpression": "a", "AttributesToGet": ["a"]},
            "Can not use both expression and non-expression parameters in the same request: "
            "Non-expression parameters: {AttributesToGet} Expression parameters: {ProjectionExpression}",
        ),
        (
            {"Keys": [key("a")], "ProjectionExpression": "pk.x"},
            "Key attributes must be scalars; list random access '[]' and map lookup '.' are not allowed: "
            "Key: pk",
        ),
    ],
)
def test_reads_that_are_refused(
    batch_get: BatchGet, table: str, table_of: Callable[..., str], refusal: Refusal, reads: Any, message: str
) -> None:
    """One bad part refuses the whole batch."""
    good = {table_of("S", "S"): {"Keys": [{**key("a"), "sk": {"S": "b"}}]}}
    for wanted in ({table: reads}, {**good, table: reads}, {table: reads, **good}):
        assert refusal(batch_get, request_items=wanted) == ("ValidationException", message)


def test_a_missing_table(batch_get: BatchGet, table: str, refusal: Refusal) -> None:
    wanted = {table: {"Keys": [key("a")]}, ABSENT: {"Keys": [key("a")]}}
    assert refusal(batch_get, request_items=wanted) == (
        "ResourceNotFoundException",
        "Requested resource not found",
    )


def test_old_and_new_parameters_on_different_tables(
    batch_get: BatchGet, table: str, table_of: Callable[..., str], refusal: Refusal
) -> None:
    wanted = {
        table: {"Keys": [key("a")], "ProjectionExpression": "a"},
        table_of("S", "S"): {"Keys": [{**key("a"), "sk": {"S": "b"}}], "AttributesToGet": ["a"]},
    }
    assert refusal(batch_get, request_items=wanted) == (
        "ValidationException",
        "Can not use both expression and non-expression parameters in the same request: "
        "Non-expression parameters: {AttributesToGet} Expression parameters: {ProjectionExpression}",
    )


def many(count: int) -> list[dict[str, Any]]:
    return [key(f"k{at}") for at in range(count)]


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        (
            {},
            f"{OPENING}Value at 'RequestItems' failed to satisfy constraint: Member must have length greater than or equal to 1",
        ),
        (
            {ABSENT: {"Keys": []}},
            f"{OPENING}Value at 'RequestItems.{ABSENT}.member.Keys' failed to satisfy constraint: "
            "Member must have length greater than or equal to 1",
        ),
        (
            {ABSENT: {"Keys": many(101)}},
            f"{OPENING}Value at 'RequestItems.{ABSENT}.member.Keys' failed to satisfy constraint: "
            "Member must have length less than or equal to 100",
        ),
        (
            {ABSENT: {"Keys": many(100)}, "no-other-table": {"Keys": many(1)}},
            "Too many items requested for the BatchGetItem call",
        ),
        (
            {"bad!name": {"Keys": [key("a")]}},
            f"""{OPENING}Value '{{"bad!name":{{"Keys":[{{"pk":{{"S":"a"}}}}]}}}}' at 'requestItems' """
            f"failed to satisfy constraint: {MAP_KEYS}",
        ),
    ],
)
def test_constraints_on_the_request(
    batch_get: BatchGet, refusal: Refusal, wanted: dict[str, Any], message: str
) -> None:
    assert refusal(batch_get, request_items=wanted) == ("ValidationException", message)


def test_a_bad_name_and_a_bad_enum_are_reported_together(batch_get: BatchGet, refusal: Refusal) -> None:
    refused = refusal(
        batch_get, request_items={"bad!name": {"Keys": [key("a")]}}, ReturnConsumedCapacity="SOME"
    )
    assert refused == (
        "ValidationException",
        """2 validation errors detected: Value '{"bad!name":{"Keys":[{"pk":{"S":"a"}}]}}' at 'requestItems' """
        f"failed to satisfy constraint: {MAP_KEYS}; {NOT_A_UNIT}",
    )
