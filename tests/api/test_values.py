"""Attribute values through every operation that takes them: how they come back, and how they are refused.

Two layers read the values of requests, with different words: the newer one of PutItem,
UpdateItem, DeleteItem (whose problems come in an envelope), GetItem, BatchGetItem and
Query (bare), and the older one of BatchWriteItem and Scan.
"""

from __future__ import annotations

import http.client
from collections.abc import Callable
from typing import Any

import pytest

Refusal = Callable[..., tuple[str, str]]
Value = dict[str, Any]

OPENING = "1 validation error detected: "
INVALID = "One or more parameter values were invalid: "
OVERFLOW = "Number overflow. Attempting to store a number with magnitude larger than supported range"
UNDERFLOW = "Number underflow. Attempting to store a number with magnitude smaller than supported range"
NOT_NUMERIC = "The parameter cannot be converted to a numeric value"
TOO_PRECISE = "Attempting to store more than 38 significant digits in a Number"
TOO_DEEP = (
    "Nesting Levels have exceeded supported limits: "
    "Attributes in the item have nested levels beyond supported limit"
)


def nested(levels: int, kind: str = "L") -> Value:
    """A text within so many lists or maps."""
    value: Value = {"S": "leaf"}
    for _ in range(levels):
        value = {"L": [value]} if kind == "L" else {"M": {"a": value}}
    return value


@pytest.fixture
def round_trip(dynamodb: Any, table: str, pk: str) -> Callable[[Value], Value]:
    """A value as it comes back."""

    def put_and_get(value: Value) -> Value:
        dynamodb.put_item(TableName=table, Item={"pk": {"S": pk}, "v": value})
        stored: Value = dynamodb.get_item(TableName=table, Key={"pk": {"S": pk}})["Item"]["v"]
        return stored

    return put_and_get


# What comes back

EVERY_CHARACTER_BELOW_128 = "".join(map(chr, range(128)))


@pytest.mark.parametrize(
    "value",
    [
        {"S": "text"},
        {"S": ""},
        {"S": EVERY_CHARACTER_BELOW_128},
        {"S": "é\u0301 \u2028\u2029\ufeff\uffff ☃ 𝒳 \U0010ffff"},
        {"S": '"}]\\u0000\\/'},
        {"S": "x" * 100_000},
        {"N": "0"},
        {"N": "-123.456"},
        {"N": "9" * 38},
        {"B": b""},
        {"B": bytes(range(256))},
        {"BOOL": True},
        {"BOOL": False},
        {"NULL": True},
        {"SS": ["a"]},
        {"SS": ["", "a"]},
        {"BS": [b"", b"\x00"]},
        {"L": []},
        {"M": {}},
        {"L": [{"S": ""}, {"N": "1"}, {"L": []}, {"M": {"a": {"NULL": True}}}]},
        {"M": {"é.[0]#:": {"S": "x"}, "a b": {"B": b"x"}}},
        nested(31),
        nested(31, "M"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_values_come_back_as_they_were(round_trip: Callable[[Value], Value], value: Value) -> None:
    assert round_trip(value) == value


@pytest.mark.parametrize(
    ("literal", "number"),
    [
        ("+5", "5"),
        (".5", "0.5"),
        ("5.", "5"),
        ("1.e5", "100000"),
        ("00042", "42"),
        ("1.0", "1"),
        ("3.1400", "3.14"),
        ("1.5E2", "150"),
        ("1.5e-2", "0.015"),
        ("-0", "0"),
        ("0.000", "0"),
        ("0e125", "0"),
        ("0042.1200", "42.12"),
        ("-1e0", "-1"),
        ("1E125", "1" + "0" * 125),
        ("1E-130", "0." + "0" * 129 + "1"),
        ("9.9999999999999999999999999999999999999E+125", "9" * 38 + "0" * 88),
        ("-9.9999999999999999999999999999999999999E+125", "-" + "9" * 38 + "0" * 88),
        ("000" + "1" * 38 + "000", "1" * 38 + "000"),
        ("1.2345678901234567890123456789012345678000", "1.2345678901234567890123456789012345678"),
    ],
)
def test_numbers_are_normalised(round_trip: Callable[[Value], Value], literal: str, number: str) -> None:
    assert round_trip({"N": literal}) == {"N": number}


@pytest.mark.parametrize(
    ("given", "answered"),
    [
        ({"SS": ["b", "a", "é", "aa", "B"]}, {"SS": ["B", "a", "aa", "b", "é"]}),
        ({"NS": ["10", "9", "-1", "1.50", "1e2"]}, {"NS": ["-1", "1.5", "9", "10", "100"]}),
        ({"BS": [b"b", b"\xff", b"a", b""]}, {"BS": [b"", b"a", b"b", b"\xff"]}),
    ],
)
def test_sets_have_an_order_of_their_own(
    round_trip: Callable[[Value], Value], given: Value, answered: Value
) -> None:
    assert round_trip(given) == answered


@pytest.mark.parametrize("name", ["é☃\U0001f600", "a.b", "a b", '"\\', "\x00", "#:x", "n" * 65_535])
def test_names_of_attributes(dynamodb: Any, table: str, pk: str, name: str) -> None:
    dynamodb.put_item(TableName=table, Item={"pk": {"S": pk}, name: {"M": {name: {"S": "x"}}}})
    found = dynamodb.get_item(
        TableName=table,
        Key={"pk": {"S": pk}},
        ProjectionExpression="#n.#n",
        ExpressionAttributeNames={"#n": name},
    )
    assert found["Item"] == {name: {"M": {name: {"S": "x"}}}}


def test_equal_sets_and_numbers_are_equal_however_written(dynamodb: Any, table: str, pk: str) -> None:
    values = {"n": {"N": "1.50"}, "ns": {"NS": ["2", "1"]}, "ss": {"SS": ["b", "a"]}}
    dynamodb.put_item(TableName=table, Item={"pk": {"S": pk}, **values})
    dynamodb.put_item(
        TableName=table,
        Item={"pk": {"S": pk}},
        ConditionExpression="n = :n AND ns = :ns AND ss = :ss",
        ExpressionAttributeValues={
            ":n": {"N": "15e-1"},
            ":ns": {"NS": ["1.0", "2.0"]},
            ":ss": {"SS": ["a", "b"]},
        },
    )


# What is refused, place by place


def _key(value: Value) -> Value:
    return {"pk": value}


GOOD = {"pk": {"S": "x"}}
EQUAL = {"ComparisonOperator": "EQ"}

# The operation and the request that carries a value, by the place it stands in.
NEWER_ENVELOPED: dict[str, tuple[str, Callable[[Value], dict[str, Any]]]] = {
    "PutItem: item": ("put_item", lambda v: {"Item": {**GOOD, "v": v}}),
    "PutItem: nested": ("put_item", lambda v: {"Item": {**GOOD, "m": {"M": {"l": {"L": [v]}}}}}),
    "PutItem: condition": (
        "put_item",
        lambda v: {
            "Item": GOOD,
            "ConditionExpression": "a = :v",
            "ExpressionAttributeValues": {":v": v},
        },
    ),
    "PutItem: Expected": ("put_item", lambda v: {"Item": GOOD, "Expected": {"a": {"Value": v}}}),
    "UpdateItem: key": ("update_item", lambda v: {"Key": _key(v), "UpdateExpression": "REMOVE a"}),
    "UpdateItem: update": (
        "update_item",
        lambda v: {"Key": GOOD, "UpdateExpression": "SET a = :v", "ExpressionAttributeValues": {":v": v}},
    ),
    "UpdateItem: AttributeUpdates": (
        "update_item",
        lambda v: {"Key": GOOD, "AttributeUpdates": {"a": {"Value": v}}},
    ),
    "DeleteItem: key": ("delete_item", lambda v: {"Key": _key(v)}),
    "DeleteItem: condition": (
        "delete_item",
        lambda v: {
            "Key": GOOD,
            "ConditionExpression": "a = :v",
            "ExpressionAttributeValues": {":v": v},
        },
    ),
}
NEWER_BARE: dict[str, tuple[str, Callable[[Value], dict[str, Any]]]] = {
    "GetItem: key": ("get_item", lambda v: {"Key": _key(v)}),
    "Query: key condition": (
        "query",
        lambda v: {"KeyConditionExpression": "pk = :v", "ExpressionAttributeValues": {":v": v}},
    ),
    "Query: filter": (
        "query",
        lambda v: {
            "KeyConditionExpression": "pk = :p",
            "FilterExpression": "a = :v",
            "ExpressionAttributeValues": {":p": {"S": "x"}, ":v": v},
        },
    ),
    "Query: KeyConditions": (
        "query",
        lambda v: {"KeyConditions": {"pk": {**EQUAL, "AttributeValueList": [v]}}},
    ),
    "Query: QueryFilter": (
        "query",
        lambda v: {
            "KeyConditions": {"pk": {**EQUAL, "AttributeValueList": [{"S": "x"}]}},
            "QueryFilter": {"a": {**EQUAL, "AttributeValueList": [v]}},
        },
    ),
    "BatchGetItem: key": ("batch_get_item", lambda v: {"Keys": [_key(v)]}),
}
OLDER_BARE: dict[str, tuple[str, Callable[[Value], dict[str, Any]]]] = {
    "BatchWriteItem: item": ("batch_write_item", lambda v: {"PutRequest": {"Item": {**GOOD, "v": v}}}),
    "BatchWriteItem: key": ("batch_write_item", lambda v: {"DeleteRequest": {"Key": _key(v)}}),
    "Scan: ScanFilter": ("scan", lambda v: {"ScanFilter": {"a": {**EQUAL, "AttributeValueList": [v]}}}),
}
OLDER_NAMED: dict[str, tuple[str, Callable[[Value], dict[str, Any]]]] = {
    "Scan: filter": (
        "scan",
        lambda v: {"FilterExpression": "a = :v", "ExpressionAttributeValues": {":v": v}},
    ),
}
PLACES = {**NEWER_ENVELOPED, **NEWER_BARE, **OLDER_BARE, **OLDER_NAMED}

# A value, and how the newer and the older layer refuse it.
REFUSED: list[tuple[Value, str, str]] = [
    ({"N": ""}, f"{NOT_NUMERIC}: ", NOT_NUMERIC),
    *[
        ({"N": text}, f"{NOT_NUMERIC}: {text}", f"{NOT_NUMERIC}: {text}")
        for text in (
            "abc",
            "1.2.3",
            " 1",
            "1 ",
            "0x10",
            "1e",
            "+e2",
            "1+2",
            "NaN",
            "Infinity",
            " ",
            "١",
            "--1",
            "1_0",
        )
    ],
    *[({"N": text}, OVERFLOW, OVERFLOW) for text in ("1e126", "-1e126", "1" + "0" * 126)],
    *[({"N": text}, UNDERFLOW, UNDERFLOW) for text in ("1e-131", "-1e-131", "0." + "0" * 130 + "1")],
    ({"N": "1e2147483647"}, OVERFLOW, UNDERFLOW),
    ({"N": "1e2147483648"}, OVERFLOW, f"{NOT_NUMERIC}: 1e2147483648"),
    ({"N": "1e-99999999999"}, UNDERFLOW, f"{NOT_NUMERIC}: 1e-99999999999"),
    (
        {"N": "1e9223372036854775808"},
        f"{NOT_NUMERIC}: 1e9223372036854775808",
        f"{NOT_NUMERIC}: 1e9223372036854775808",
    ),
    ({"N": "1" * 39}, TOO_PRECISE, TOO_PRECISE),
    ({"N": "-1." + "2" * 38}, TOO_PRECISE, TOO_PRECISE),
    ({"NS": ["1", "abc"]}, f"{NOT_NUMERIC}: abc", f"{NOT_NUMERIC}: abc"),
    (
        {"SS": ["b", "a", "b"]},
        f'{INVALID}Input collection ["a", "b", "b"] contains duplicates.',
        f"{INVALID}Input collection [b, a, b] contains duplicates.",
    ),
    (
        {"SS": ["", ""]},
        f'{INVALID}Input collection ["", ""] contains duplicates.',
        f"{INVALID}Input collection [, ] contains duplicates.",
    ),
    (
        {"BS": [b"\xff", b"\x00", b"\x00"]},
        f'{INVALID}Input collection ["AA==","/w==","AA=="]of type BS contains duplicates.',
        f"{INVALID}Input collection [/w==, AA==, AA==]of type BS contains duplicates.",
    ),
    (
        {"NS": ["2", "1", "2.0"]},
        f"{INVALID}Input collection contains duplicates.",
        "Input collection contains duplicates",
    ),
    *[
        ({kind: []}, INVALID + problem, INVALID + problem)
        for kind, problem in (
            ("SS", "An string set  may not be empty"),
            ("NS", "An number set  may not be empty"),
            ("BS", "Binary sets should not be empty"),
        )
    ],
    (
        {"NULL": False},
        f"{INVALID}Null attribute value types must have the value of true",
        f"{INVALID}Null attribute value types must have the value of true",
    ),
    (nested(40), TOO_DEEP, TOO_DEEP),
    *[
        (
            value,
            f"Supplied AttributeValue {problem}, must contain exactly one of the supported datatypes",
            f"Supplied AttributeValue {problem}, must contain exactly one of the supported datatypes",
        )
        for value, problem in (({}, "is empty"), ({"S": "a", "N": "1"}, "has more than one datatypes set"))
    ],
]


@pytest.mark.parametrize("place", PLACES)
def test_values_that_are_refused(dynamodb: Any, table: str, refusal: Refusal, place: str) -> None:
    operation, request = PLACES[place]
    call = getattr(dynamodb, operation)
    for value, newer, older in REFUSED:
        parameters = request(value)
        if operation == "batch_get_item":
            parameters = {"RequestItems": {table: parameters}}
        elif operation == "batch_write_item":
            parameters = {"RequestItems": {table: [parameters]}}
        else:
            parameters = {"TableName": table, **parameters}
        if place in NEWER_ENVELOPED:
            message = OPENING + newer
        elif place in NEWER_BARE:
            message = newer
        elif place in OLDER_BARE:
            message = older
        else:
            message = f"ExpressionAttributeValues contains invalid value: {older} for key :v"
        assert refusal(call, **parameters) == ("ValidationException", message), value


@pytest.mark.parametrize("kind", ["L", "M"])
def test_32_levels(dynamodb: Any, table: str, pk: str, refusal: Refusal, kind: str) -> None:
    """A leaf within 31 lists or maps is as deep as an item goes."""
    item = {"pk": {"S": pk}, "v": nested(31, kind)}
    dynamodb.put_item(TableName=table, Item=item)
    dynamodb.batch_write_item(RequestItems={table: [{"PutRequest": {"Item": item}}]})
    deeper = {"pk": {"S": pk}, "v": nested(32, kind)}
    assert refusal(dynamodb.put_item, TableName=table, Item=deeper)[1] == OPENING + TOO_DEEP
    batch = {table: [{"PutRequest": {"Item": deeper}}]}
    assert refusal(dynamodb.batch_write_item, RequestItems=batch)[1] == TOO_DEEP
    assert dynamodb.get_item(TableName=table, Key={"pk": {"S": pk}})["Item"] == item


@pytest.mark.parametrize("levels", [1_000, 100_000])
def test_absurd_depth_is_refused(dynamodb: Any, server: Any, table: str, levels: int) -> None:
    deep = '{"L":[' * levels + '{"S":"x"}' + "]}" * levels
    body = f'{{"TableName":"{table}","Item":{{"pk":{{"S":"x"}},"v":{deep}}}}}'
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    headers = {"X-Amz-Target": "DynamoDB_20120810.PutItem", "Content-Type": "application/x-amz-json-1.0"}
    connection.request("POST", "/", body, headers)
    assert connection.getresponse().status == 400
    assert dynamodb.list_tables(Limit=1)["TableNames"]  # it goes on


@pytest.mark.parametrize(
    "item",
    [
        {"": {"S": "x"}},
        {"m": {"M": {"": {"S": "x"}}}},
    ],
)
def test_empty_names(dynamodb: Any, table: str, refusal: Refusal, item: dict[str, Any]) -> None:
    refused = refusal(dynamodb.put_item, TableName=table, Item={"pk": {"S": "x"}, **item})
    assert refused == ("ValidationException", f"{OPENING}Empty attribute name")


def test_names_too_long(dynamodb: Any, table: str, refusal: Refusal) -> None:
    item = {"pk": {"S": "x"}, "n" * 65_536: {"S": "x"}}
    kind, message = refusal(dynamodb.put_item, TableName=table, Item=item)
    assert (kind, "too large" in message) == ("ValidationException", True)


@pytest.mark.parametrize("text", ["\ud800", "a\udfff", "\udc00\ud800"])
@pytest.mark.parametrize("place", ["value", "name", "key"])
def test_lone_surrogates_are_refused(
    dynamodb: Any, table: str, refusal: Refusal, place: str, text: str
) -> None:
    item = {
        "value": {"pk": {"S": "x"}, "v": {"S": text}},
        "name": {"pk": {"S": "x"}, text: {"S": "v"}},
        "key": {"pk": {"S": text}},
    }[place]
    kind, _ = refusal(dynamodb.put_item, TableName=table, Item=item)
    assert kind in ("SerializationException", "ValidationException")
