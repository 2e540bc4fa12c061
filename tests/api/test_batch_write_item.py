"""BatchWriteItem: puts and deletes over several tables, the limits, and all or nothing of a bad batch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import boto3
import pytest

Refusal = Callable[..., tuple[str, str]]
BatchWrite = Callable[..., dict[str, Any]]

OPENING = "1 validation error detected: "
MISMATCH = "The provided key element does not match the schema"
DUPLICATES = "Provided list of item keys contains duplicates"
INVALID = "One or more parameter values were invalid: "
EMPTY_KEY = (
    "One or more parameter values are not valid. The AttributeValue for a key attribute "
    "cannot contain an empty string value. Key: pk"
)
TOO_LARGE = "Item size has exceeded the maximum allowed size"
MAP_KEYS = (
    "Map keys must satisfy constraint: [Member must have length less than or equal to 255, "
    "Member must have length greater than or equal to 3, "
    "Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+]"
)
MAP_VALUE = (
    "Map value must satisfy constraint: [Member must have length less than or equal to 25, "
    "Member must have length greater than or equal to 1]"
)
NOT_A_UNIT = (
    "Value 'SOME' at 'returnConsumedCapacity' failed to satisfy constraint: "
    "Member must satisfy enum value set: [INDEXES, TOTAL, NONE]"
)
ABSENT = "no-such-table"


def key(pk: str) -> dict[str, Any]:
    return {"pk": {"S": pk}}


def put(pk: str, **attributes: Any) -> dict[str, Any]:
    return {"PutRequest": {"Item": {**key(pk), **attributes}}}


def delete(pk: str) -> dict[str, Any]:
    return {"DeleteRequest": {"Key": key(pk)}}


@pytest.fixture
def batch_write(dynamodb: Any) -> BatchWrite:
    def write(request_items: Any, **parameters: Any) -> dict[str, Any]:
        answer = dynamodb.batch_write_item(RequestItems=request_items, **parameters)
        return {name: value for name, value in answer.items() if name != "ResponseMetadata"}

    return write


@pytest.fixture
def stored(dynamodb: Any, table: str) -> Callable[[str], dict[str, Any] | None]:
    """An item of the shared table, None if there is none."""

    def read(pk: str) -> dict[str, Any] | None:
        item: dict[str, Any] | None = dynamodb.get_item(
            TableName=table, Key=key(pk), ConsistentRead=True
        ).get("Item")
        return item

    return read


# Writes


def test_puts_replace_and_deletes_remove(batch_write: BatchWrite, table: str, pk: str, stored: Any) -> None:
    first = [put(pk + "1", a={"N": "1"}), put(pk + "2", a={"N": "2"})]
    assert batch_write({table: first}) == {"UnprocessedItems": {}}
    second = [put(pk + "1", b={"N": "3"}), delete(pk + "2"), put(pk + "3"), delete(pk + "4")]
    assert batch_write({table: second}) == {"UnprocessedItems": {}}
    assert stored(pk + "1") == {**key(pk + "1"), "b": {"N": "3"}}
    assert [stored(pk + name) for name in "24"] == [None, None]
    assert stored(pk + "3") == key(pk + "3")


def test_several_tables(
    dynamodb: Any,
    batch_write: BatchWrite,
    table: str,
    table_of: Callable[..., str],
    pk: str,
    stored: Any,
) -> None:
    """The same partition key in two tables is no duplicate, nor with two sort keys in one."""
    other = table_of("S", "N")
    rows = [put(pk, sk={"N": sk}) for sk in ("1", "2")]
    assert batch_write({table: [put(pk)], other: rows}) == {"UnprocessedItems": {}}
    assert stored(pk) == key(pk)
    found = dynamodb.query(
        TableName=other, KeyConditionExpression="pk = :p", ExpressionAttributeValues={":p": {"S": pk}}
    )
    assert [item["sk"]["N"] for item in found["Items"]] == ["1", "2"]


def test_twenty_five_writes(batch_write: BatchWrite, table: str, pk: str, stored: Any) -> None:
    batch_write({table: [put(f"{pk}{at}") for at in range(25)]})
    assert all(stored(f"{pk}{at}") for at in range(25))


def test_large_items(batch_write: BatchWrite, table: str, pk: str, stored: Any) -> None:
    """25 items of the largest size are within the 16 MB of a request."""
    filler = "x" * (409_600 - len("pk" + pk + "00" + "a"))
    written = [put(f"{pk}{at:02}", a={"S": filler}) for at in range(25)]
    assert batch_write({table: written}) == {"UnprocessedItems": {}}
    assert stored(f"{pk}24")["a"] == {"S": filler}


def test_boto3s_batch_writer(server: Any, table_of: Callable[..., str], pk: str, dynamodb: Any) -> None:
    table = table_of("S", "N")
    resource = boto3.resource(
        "dynamodb",
        endpoint_url=server.url,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    with resource.Table(table).batch_writer() as writer:
        for at in range(60):
            writer.put_item(Item={"pk": pk, "sk": at})
        writer.delete_item(Key={"pk": pk, "sk": 30})
    found = dynamodb.query(
        TableName=table, KeyConditionExpression="pk = :p", ExpressionAttributeValues={":p": {"S": pk}}
    )
    assert [item["sk"]["N"] for item in found["Items"]] == [str(at) for at in range(60) if at != 30]


def test_a_table_without_local_indexes_has_no_item_collections(
    batch_write: BatchWrite, table: str, pk: str
) -> None:
    answer = batch_write({table: [put(pk)]}, ReturnItemCollectionMetrics="SIZE")
    assert answer.get("ItemCollectionMetrics", {}) == {}


# Capacity


def test_units_are_rounded_item_by_item(
    batch_write: BatchWrite, table: str, table_of: Callable[..., str], pk: str
) -> None:
    def sized(name: str, size: int) -> dict[str, Any]:
        return put(name, a={"S": "x" * (size - len("pk" + name + "a"))})

    other = table_of("S", "N")

    def consumed(writes: list[dict[str, Any]], asked: str) -> Any:
        wanted = {table: writes, other: [put(pk, sk={"N": "1"})]}
        answer = batch_write(wanted, ReturnConsumedCapacity=asked)
        return sorted(answer.get("ConsumedCapacity", []), key=lambda each: each["TableName"] != table)

    assert consumed([put(pk + "0")], "NONE") == []
    assert consumed([sized(pk + "1", 1_024), sized(pk + "2", 1_025), delete(pk + "none")], "TOTAL") == [
        {"TableName": table, "CapacityUnits": 4.0},
        {"TableName": other, "CapacityUnits": 1.0},
    ]
    # Over the larger one, and a delete of its size.
    assert consumed([sized(pk + "2", 100), delete(pk + "1")], "INDEXES") == [
        {"TableName": table, "CapacityUnits": 3.0, "Table": {"CapacityUnits": 3.0}},
        {"TableName": other, "CapacityUnits": 1.0, "Table": {"CapacityUnits": 1.0}},
    ]


# Refusals


@pytest.mark.parametrize(
    ("writes", "message"),
    [
        ([put("a"), put("a")], DUPLICATES),
        ([delete("a"), delete("a")], DUPLICATES),
        ([put("a"), delete("a")], DUPLICATES),
        ([delete("a"), put("b"), put("a", x={"N": "1"})], DUPLICATES),
        ([{"PutRequest": {"Item": {}}}], MISMATCH),
        ([{"PutRequest": {"Item": {"a": {"S": "x"}}}}], MISMATCH),
        ([{"PutRequest": {"Item": {"pk": {"N": "5"}}}}], MISMATCH),
        ([{"PutRequest": {"Item": {"pk": {"L": [{"S": "x"}]}}}}], MISMATCH),
        ([{"DeleteRequest": {"Key": {}}}], MISMATCH),
        ([{"DeleteRequest": {"Key": {"a": {"S": "x"}}}}], MISMATCH),
        ([{"DeleteRequest": {"Key": {"pk": {"N": "5"}}}}], MISMATCH),
        ([{"DeleteRequest": {"Key": {**key("a"), "b": {"S": "x"}}}}], MISMATCH),
        ([put("")], EMPTY_KEY),
        ([delete("")], EMPTY_KEY),
        (
            [put("x" * 2_049)],
            f"{INVALID}Size of hashkey has exceeded the maximum size limit of2048 bytes",
        ),
        ([put("a", x={"S": "x" * 409_600})], TOO_LARGE),
        ([put("a", x={"N": "abc"})], "The parameter cannot be converted to a numeric value: abc"),
        ([put("a", x={"N": ""})], "The parameter cannot be converted to a numeric value"),
        ([put("a", x={"NULL": False})], f"{INVALID}Null attribute value types must have the value of true"),
        ([put("a", x={"SS": ["b", "a", "b"]})], f"{INVALID}Input collection [b, a, b] contains duplicates."),
        ([put("a", x={"NS": ["2", "1", "2"]})], "Input collection contains duplicates"),
        ([{"DeleteRequest": {"Key": {"pk": {"SS": []}}}}], f"{INVALID}An string set  may not be empty"),
        (
            [put("a", x={})],
            "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes",
        ),
        (
            [{}],
            "Supplied AttributeValue has more than one datatypes set, "
            "must contain exactly one of the supported datatypes",
        ),
        (
            [{**put("a"), **delete("b")}],
            "Supplied AttributeValue has more than one datatypes set, "
            "must contain exactly one of the supported datatypes",
        ),
    ],
)
def test_writes_that_are_refused(
    dynamodb: Any,
    batch_write: BatchWrite,
    table: str,
    table_of: Callable[..., str],
    refusal: Refusal,
    pk: str,
    stored: Any,
    writes: list[Any],
    message: str,
) -> None:
    """One bad write refuses the whole batch, in every table."""
    other = table_of("S", "S")
    wanted = {other: [put(pk, sk={"S": "x"})], table: [put(pk + "1"), *writes, put(pk + "2")]}
    assert refusal(batch_write, request_items=wanted) == ("ValidationException", message)
    assert [stored(pk + "1"), stored(pk + "2")] == [None, None]
    assert "Item" not in dynamodb.get_item(TableName=other, Key={**key(pk), "sk": {"S": "x"}})


def test_a_missing_table(batch_write: BatchWrite, table: str, refusal: Refusal, pk: str, stored: Any) -> None:
    wanted = {table: [put(pk)], ABSENT: [put(pk)]}
    assert refusal(batch_write, request_items=wanted) == (
        "ResourceNotFoundException",
        "Requested resource not found",
    )
    assert stored(pk) is None


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({}, "The requestItems parameter is required for BatchWriteItem"),
        (
            {ABSENT: []},
            f"{OPENING}Value '{{{ABSENT}=[]}}' at 'requestItems' failed to satisfy constraint: {MAP_VALUE}",
        ),
        (
            {ABSENT: [put(f"k{at}") for at in range(25)], "no-other-table": [put("a")]},
            "Too many items requested for the BatchWriteItem call",
        ),
    ],
)
def test_constraints_on_the_request(
    batch_write: BatchWrite, refusal: Refusal, wanted: dict[str, Any], message: str
) -> None:
    assert refusal(batch_write, request_items=wanted) == ("ValidationException", message)


@pytest.mark.parametrize(
    ("wanted", "opening", "constraint"),
    [
        (
            {ABSENT: [put(f"k{at}") for at in range(26)]},
            f"{ABSENT}=[WriteRequest(putRequest=PutRequest(item={{pk=AttributeValue(s=k0, n=null, ",
            MAP_VALUE,
        ),
        (
            {"bad!name": [put("a")]},
            "bad!name=[WriteRequest(putRequest=PutRequest(item={pk=AttributeValue(s=a, n=null, ",
            MAP_KEYS,
        ),
    ],
)
def test_constraints_that_echo_the_request(
    batch_write: BatchWrite, refusal: Refusal, wanted: dict[str, Any], opening: str, constraint: str
) -> None:
    """The dump between differs from region to region."""
    kind, message = refusal(batch_write, request_items=wanted)
    assert kind == "ValidationException"
    assert message.startswith(f"{OPENING}Value '{{{opening}")
    assert message.endswith(f")]}}' at 'requestItems' failed to satisfy constraint: {constraint}")


def test_a_bad_enum_is_reported_alone(batch_write: BatchWrite, refusal: Refusal) -> None:
    for name in ("bad!name", ABSENT):
        refused = refusal(batch_write, request_items={name: [put("a")]}, ReturnConsumedCapacity="SOME")
        assert refused == ("ValidationException", OPENING + NOT_A_UNIT)


def test_two_bad_enums_are_reported_together(batch_write: BatchWrite, refusal: Refusal) -> None:
    refused = refusal(
        batch_write,
        request_items={ABSENT: [put("a")]},
        ReturnItemCollectionMetrics="SOME",
        ReturnConsumedCapacity="SOME",
    )
    assert refused == (
        "ValidationException",
        f"2 validation errors detected: {NOT_A_UNIT}; "
        "Value 'SOME' at 'returnItemCollectionMetrics' failed to satisfy constraint: "
        "Member must satisfy enum value set: [SIZE, NONE]",
    )
