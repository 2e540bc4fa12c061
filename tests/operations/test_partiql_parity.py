"""A statement does what the call on the item does: to the item, its indexes, the stream, and what it costs."""

from __future__ import annotations

import asyncio
import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest

from alt.errors import ApiError
from tests.operations.conftest import Service

KEY = {"pk": {"S": "k"}, "sk": {"N": "1"}}
ITEM = {
    **KEY,
    "g": {"S": "g"},
    "l": {"N": "5"},
    "n": {"N": "1"},
    "s": {"SS": ["a"]},
    "big": {"S": "x" * 1500},
}
INDEXES: dict[str, Any] = {
    "AttributeDefinitions": [
        {"AttributeName": name, "AttributeType": kind}
        for name, kind in (("pk", "S"), ("sk", "N"), ("g", "S"), ("l", "N"))
    ],
    "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
    "GlobalSecondaryIndexes": [
        {
            "IndexName": "by-g",
            "KeySchema": [{"AttributeName": "g", "KeyType": "HASH"}],
            "Projection": {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["n"]},
        }
    ],
    "LocalSecondaryIndexes": [
        {
            "IndexName": "by-l",
            "KeySchema": [
                {"AttributeName": "pk", "KeyType": "HASH"},
                {"AttributeName": "l", "KeyType": "RANGE"},
            ],
            "Projection": {"ProjectionType": "ALL"},
        }
    ],
}
IS_THERE = "attribute_exists(pk)"
WHERE = "WHERE pk = 'k' AND sk = 1"


def update(expression: str, condition: str = "", **values: Any) -> tuple[str, dict[str, Any]]:
    request: dict[str, Any] = {
        "Key": KEY,
        "UpdateExpression": expression,
        "ConditionExpression": IS_THERE + condition,
    }
    if values:
        request["ExpressionAttributeValues"] = {f":{name}": value for name, value in values.items()}
    return "UpdateItem", request


ONE = {"N": "1"}
# What an item's own call and a statement both do, each to the item or to none.
ALIKE: list[tuple[tuple[str, dict[str, Any]], str]] = [
    (update("SET n = n + :v", v=ONE), f"UPDATE Music SET n = n + 1 {WHERE}"),
    (update("SET g = :v REMOVE l", v={"S": "h"}), f"UPDATE Music SET g = 'h' REMOVE l {WHERE}"),
    (update("ADD s :v", v={"SS": ["b"]}), f"FROM Music {WHERE} SET s = set_add(s, <<'b'>>)"),
    (update("DELETE s :v", v={"SS": ["a"]}), f"UPDATE Music SET s = set_delete(s, <<'a'>>) {WHERE}"),
    (update("SET n = n"), f"UPDATE Music SET n = n {WHERE}"),
    (update("SET n = :v", " AND n = :v", v=ONE), f"UPDATE Music SET n = 1 {WHERE} AND n = 1"),
    (update("SET n = :v", " AND n <> :v", v=ONE), f"UPDATE Music SET n = 1 {WHERE} AND n <> 1"),
    (update("SET g = :v", v=ONE), f"UPDATE Music SET g = 1 {WHERE}"),
    (update("SET g = n"), f"UPDATE Music SET g = n {WHERE}"),
    (update("SET big = big + :v", v=ONE), f"UPDATE Music SET big = big + 1 {WHERE}"),
    (("DeleteItem", {"Key": KEY}), f"DELETE FROM Music {WHERE}"),
    (
        (
            "DeleteItem",
            {"Key": KEY, "ConditionExpression": "attribute_not_exists(pk) OR attribute_exists(g)"},
        ),
        f"DELETE FROM Music {WHERE} AND attribute_exists(g)",
    ),
    (("GetItem", {"Key": KEY, "ConsistentRead": True}), f"SELECT * FROM Music {WHERE}"),
]
PUT = (
    ("PutItem", {"Item": ITEM, "ConditionExpression": "attribute_not_exists(pk)"}),
    f"INSERT INTO Music VALUE {{'pk': 'k', 'sk': 1, 'g': 'g', 'l': 5, 'n': 1, 's': <<'a'>>, 'big': '{'x' * 1500}'}}",
)


def outcome(service: Service, is_there: bool, operation: str, request: Any) -> dict[str, Any]:
    """What one write does on a table of its own."""
    if is_there:
        service("PutItem", TableName="Music", Item=copy.deepcopy(ITEM))
    seen: dict[str, Any] = {}
    try:
        answer = service(operation, **copy.deepcopy(request), ReturnConsumedCapacity="INDEXES")
        seen["capacity"] = answer["ConsumedCapacity"]
    except ApiError as error:
        is_duplicate = error.type == "DuplicateItemException"
        seen["error"] = "ConditionalCheckFailedException" if is_duplicate else (error.type, error.message)
        if error.type == "ConditionalCheckFailedException":
            seen["error"] = error.type
    seen["item"] = service("GetItem", TableName="Music", Key=KEY).get("Item")
    for index in ("by-g", "by-l"):
        seen[index] = service("Scan", TableName="Music", IndexName=index)["Items"]
    (stream,) = service("ListStreams")["Streams"]
    shards = service("DescribeStream", StreamArn=stream["StreamArn"])["StreamDescription"]["Shards"]
    seen["records"] = []
    for shard in shards:
        where = {"StreamArn": stream["StreamArn"], "ShardId": shard["ShardId"]}
        iterator = service("GetShardIterator", **where, ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
        records = service("GetRecords", ShardIterator=iterator)["Records"]
        seen["records"] += [(each["eventName"], each["dynamodb"]) for each in records]
    return seen


@pytest.fixture(params=["sqlite", "dictionary"])
def pair(request: pytest.FixtureRequest) -> Iterator[list[Service]]:
    """Two services with the same table, on one engine."""
    services = [Service(in_dictionary=request.param == "dictionary") for _ in range(2)]
    for service in services:
        stream = {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}
        service.create(**INDEXES, StreamSpecification=stream)
    yield services
    for service in services:
        asyncio.run(service.store.close())


@pytest.mark.parametrize("is_there", [True, False])
@pytest.mark.parametrize(("call", "statement"), [*ALIKE, PUT])
def test_a_statement_does_what_the_call_does(
    pair: list[Service], is_there: bool, call: tuple[str, dict[str, Any]], statement: str
) -> None:
    operation, request = call
    one = outcome(pair[0], is_there, operation, {"TableName": "Music", **request})
    stated = {"Statement": statement}
    if operation == "GetItem":
        stated |= {"ConsistentRead": True}  # type: ignore[dict-item]
    assert outcome(pair[1], is_there, "ExecuteStatement", stated) == one


@pytest.mark.parametrize("is_there", [True, False])
@pytest.mark.parametrize(("call", "statement"), [*ALIKE[:-1], PUT])
def test_a_transaction_of_a_statement_does_what_one_of_the_action_does(
    pair: list[Service], is_there: bool, call: tuple[str, dict[str, Any]], statement: str
) -> None:
    operation, request = call
    action = {operation.removesuffix("Item"): {"TableName": "Music", **request}}
    one = outcome(pair[0], is_there, "TransactWriteItems", {"TransactItems": [action]})
    other = outcome(
        pair[1], is_there, "ExecuteTransaction", {"TransactStatements": [{"Statement": statement}]}
    )
    if operation == "PutItem" and is_there:
        one["error"] = other["error"] = other["error"][0]
    assert other == one


@pytest.mark.parametrize(
    ("statement", "reader"),
    [
        (f"DELETE FROM Music {WHERE}", None),
        (f"DELETE FROM Music {WHERE} AND n = 1", "a condition"),
        (f"DELETE FROM Music {WHERE} RETURNING ALL OLD *", "ReturnValues ALL_OLD"),
        (f"UPDATE Music SET n = 1 {WHERE}", "a condition"),
        ("INSERT INTO Music VALUE {'pk': 'k', 'sk': 1}", "a condition"),
    ],
)
def test_write_isolation(any_service: Service, statement: str, reader: str | None) -> None:
    """An item has to be there for an UPDATE, and not to be there for an INSERT: both read it."""
    any_service.create(**INDEXES, Tags=[{"Key": "system:write_isolation", "Value": "forbid"}])
    wanted = [{"Statement": statement}]
    if reader is None:
        any_service("ExecuteStatement", Statement=statement)
        any_service("BatchExecuteStatement", Statements=wanted)
        any_service("ExecuteTransaction", TransactStatements=wanted)
        return
    beginning = "Read-modify-write operations are disabled by 'forbid_rmw' write isolation policy"
    alone = any_service.refused("ExecuteStatement", Statement=statement)
    (failed,) = any_service("BatchExecuteStatement", Statements=wanted)["Responses"]
    assert str(alone.message).startswith(f"{beginning}, and {reader} needs the item as it is.")
    assert failed == {"Error": {"Code": "ValidationError", "Message": alone.message}}
    if "RETURNING" not in statement:
        assert any_service.refusal("ExecuteTransaction", TransactStatements=wanted) == (
            "ValidationException",
            alone.message,
        )


# Throughput


@pytest.mark.parametrize(
    ("statement", "kind"),
    [
        ("SELECT * FROM Music WHERE pk = 'x'", "Read"),
        ("SELECT * FROM Music WHERE pk IN ['x', 'y']", "Read"),
        ("SELECT * FROM Music", "Read"),
        ("INSERT INTO Music VALUE {'pk': 'x'}", "Write"),
        ("UPDATE Music SET a = 1 WHERE pk = 'x'", "Write"),
        ("DELETE FROM Music WHERE pk = 'x'", "Write"),
    ],
)
def test_throughput_that_is_enforced(any_enforcing: Service, statement: str, kind: str) -> None:
    units = {"ReadCapacityUnits": 1, "WriteCapacityUnits": 1}
    any_enforcing.create(ProvisionedThroughput=units)
    key = {"pk": {"S": "x"}}
    for _ in range(300):
        if kind == "Read":
            any_enforcing("GetItem", TableName="Music", Key=key, ConsistentRead=True)
        else:
            any_enforcing("DeleteItem", TableName="Music", Key=key)
    refused = any_enforcing.refused("ExecuteStatement", Statement=statement)
    assert refused.type == "ProvisionedThroughputExceededException"
    assert f"Table{kind}ProvisionedThroughputExceeded" in str(refused.members)
    if statement.endswith("'x'") or kind == "Write":
        wanted = [{"Statement": statement}]
        (failed,) = any_enforcing("BatchExecuteStatement", Statements=wanted)["Responses"]
        assert failed["Error"]["Code"] == "ProvisionedThroughputExceeded"
        cancelled = any_enforcing.refused("ExecuteTransaction", TransactStatements=wanted)
        (reason,) = json.loads((cancelled.members or {})["CancellationReasons"])
        assert reason["Code"] == "ProvisionedThroughputExceeded"
    any_enforcing.now += 10
    any_enforcing("ExecuteStatement", Statement="SELECT * FROM Music WHERE pk = 'x'")
