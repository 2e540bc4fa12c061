"""Throughput that is enforced: who is let in, what is answered to the rest, and when it goes on."""

from __future__ import annotations

import json
from typing import Any

import pytest

from alt.errors import ApiError
from alt.storage.model.usage import KeyLimit

PROVISIONED = "ProvisionedThroughputExceededException"
TABLE_MESSAGE = (
    "The level of configured provisioned throughput for the table was exceeded. "
    "Consider increasing your provisioning level with the UpdateTable API."
)
ARN = "arn:aws:dynamodb:us-east-1:000000000000:table/Music"
ITEM = {"pk": {"S": "x"}}
PUT = {"TableName": "Music", "Item": ITEM}
GET = {"TableName": "Music", "Key": ITEM, "ConsistentRead": True}


def provisioned(read: int, write: int) -> dict[str, Any]:
    return {"ProvisionedThroughput": {"ReadCapacityUnits": read, "WriteCapacityUnits": write}}


def reasons(service: Any, operation: str, **request: Any) -> tuple[str, list[dict[str, str]]]:
    """The error's type and its ThrottlingReasons."""
    error = service.refused(operation, **request)
    ((name, text),) = (error.members or {}).items()
    assert name == ("throttlingReasons" if error.type == "ThrottlingException" else "ThrottlingReasons")
    return error.type, json.loads(text)


def test_unused_capacity_of_300_seconds_can_be_used_at_once(any_enforcing: Any) -> None:
    any_enforcing.create(**provisioned(1, 1))
    for _ in range(300):
        any_enforcing("GetItem", **GET)
    assert any_enforcing.refusal("GetItem", **GET) == (PROVISIONED, TABLE_MESSAGE)
    any_enforcing("PutItem", **PUT)  # of the other kind
    any_enforcing.now += 2
    any_enforcing("GetItem", **GET)
    any_enforcing("GetItem", **GET)
    assert any_enforcing.refusal("GetItem", **GET)[0] == PROVISIONED
    any_enforcing.now += 1_000_000
    for _ in range(300):
        any_enforcing("GetItem", **GET)
    assert any_enforcing.refusal("GetItem", **GET)[0] == PROVISIONED


def test_what_was_found_to_cost_more_is_paid_later(any_enforcing: Any) -> None:
    any_enforcing.create(**provisioned(1, 1))
    large = {"pk": {"S": "y"}, "a": {"S": "x" * 350 * 1024}}
    any_enforcing("PutItem", TableName="Music", Item=large)  # 351 of 300 units
    assert reasons(any_enforcing, "PutItem", **PUT) == (
        PROVISIONED,
        [{"reason": "TableWriteProvisionedThroughputExceeded", "resource": ARN}],
    )
    any_enforcing.now += 51
    assert any_enforcing.refusal("PutItem", **PUT)[0] == PROVISIONED
    any_enforcing.now += 1
    any_enforcing("PutItem", **PUT)


def test_raised_throughput_counts_at_once(any_enforcing: Any) -> None:
    any_enforcing.create(**provisioned(1, 1))
    for _ in range(300):
        any_enforcing("PutItem", **PUT)
    any_enforcing.update(**provisioned(1, 10))
    any_enforcing.now += 1
    for _ in range(1):
        any_enforcing("PutItem", **PUT)
    any_enforcing.now += 1
    for _ in range(10):
        any_enforcing("PutItem", **PUT)
    assert any_enforcing.refusal("PutItem", **PUT)[0] == PROVISIONED


INDEX = {
    "IndexName": "by-a",
    "KeySchema": [{"AttributeName": "a", "KeyType": "HASH"}],
    "Projection": {"ProjectionType": "ALL"},
}
INDEXED = {
    "AttributeDefinitions": [{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "a")],
    "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
}


def test_an_index_without_capacity_holds_up_its_table(any_enforcing: Any) -> None:
    indexes = [{**INDEX, **provisioned(1, 1)}]
    any_enforcing(
        "CreateTable", TableName="Music", GlobalSecondaryIndexes=indexes, **INDEXED, **provisioned(100, 100)
    )
    for number in range(300):
        any_enforcing("PutItem", TableName="Music", Item={"pk": {"S": str(number)}, "a": {"S": "x"}})
    resource = f"{ARN}/index/by-a"
    assert reasons(any_enforcing, "PutItem", **PUT) == (
        PROVISIONED,
        [{"reason": "IndexWriteProvisionedThroughputExceeded", "resource": resource}],
    )
    query = {
        "TableName": "Music",
        "IndexName": "by-a",
        "KeyConditionExpression": "a = :a",
        "ExpressionAttributeValues": {":a": {"S": "none"}},
    }
    for _ in range(600):
        any_enforcing("Query", **query)
    assert reasons(any_enforcing, "Query", **query) == (
        PROVISIONED,
        [{"reason": "IndexReadProvisionedThroughputExceeded", "resource": resource}],
    )
    any_enforcing("GetItem", **GET)


def test_an_on_demand_table_is_held_to_its_maximum(any_enforcing: Any) -> None:
    any_enforcing.create(OnDemandThroughput={"MaxReadRequestUnits": 2, "MaxWriteRequestUnits": 3})
    for _ in range(3):
        any_enforcing("PutItem", **PUT)
    assert reasons(any_enforcing, "PutItem", **PUT) == (
        "ThrottlingException",
        [{"reason": "TableWriteMaxOnDemandThroughputExceeded", "resource": ARN}],
    )
    any_enforcing.now += 1
    any_enforcing("PutItem", **PUT)


def test_an_on_demand_table_without_a_maximum_is_free(any_enforcing: Any) -> None:
    any_enforcing.create()
    for _ in range(1_000):
        any_enforcing("GetItem", **GET)


def test_nothing_is_enforced_unless_asked_for(any_service: Any) -> None:
    any_service.create(**provisioned(1, 1))
    for _ in range(400):
        any_service("GetItem", **GET)


# Batches and transactions


def exhaust(service: Any) -> None:
    for _ in range(298):
        service("PutItem", **PUT)


def test_a_batch_write_answers_what_there_was_no_capacity_for(any_enforcing: Any) -> None:
    any_enforcing.create(**provisioned(1, 1))
    exhaust(any_enforcing)
    writes = [{"PutRequest": {"Item": {"pk": {"S": str(number)}}}} for number in range(4)]
    answer = any_enforcing("BatchWriteItem", RequestItems={"Music": writes}, ReturnConsumedCapacity="TOTAL")
    assert answer["UnprocessedItems"] == {"Music": writes[2:]}
    assert answer["ConsumedCapacity"][0]["CapacityUnits"] == 2
    assert any_enforcing.refusal("BatchWriteItem", RequestItems={"Music": writes}) == (
        PROVISIONED,
        TABLE_MESSAGE,
    )
    any_enforcing.now += 2
    assert any_enforcing("BatchWriteItem", RequestItems={"Music": writes[2:]}) == {"UnprocessedItems": {}}


def test_a_batch_get_answers_the_tables_there_was_no_capacity_for(any_enforcing: Any) -> None:
    any_enforcing.create(**provisioned(1, 1))
    any_enforcing.create("Other")
    for _ in range(300):
        any_enforcing("GetItem", **GET)
    keys = {"Keys": [ITEM]}
    answer = any_enforcing("BatchGetItem", RequestItems={"Music": keys, "Other": keys})
    assert answer == {"Responses": {"Music": [], "Other": []}, "UnprocessedKeys": {"Music": keys}}
    assert any_enforcing.refusal("BatchGetItem", RequestItems={"Music": keys}) == (PROVISIONED, TABLE_MESSAGE)


def until_refused(service: Any, operation: str, **request: Any) -> None:
    for _ in range(1_000):
        try:
            service(operation, **request)
        except ApiError:
            return
    pytest.fail("never refused")


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        (provisioned(1, 1), "ProvisionedThroughputExceeded"),
        ({"OnDemandThroughput": {"MaxReadRequestUnits": 1, "MaxWriteRequestUnits": 1}}, "ThrottlingError"),
    ],
)
@pytest.mark.parametrize(
    ("operation", "action", "exhausting"),
    [
        ("TransactWriteItems", "Put", ("PutItem", {"Item": ITEM})),
        ("TransactGetItems", "Get", ("GetItem", {"Key": ITEM})),
    ],
)
def test_a_transaction_is_cancelled(
    any_enforcing: Any,
    settings: dict[str, Any],
    code: str,
    operation: str,
    action: str,
    exhausting: tuple[str, dict[str, Any]],
) -> None:
    any_enforcing.create("Full", **settings)
    any_enforcing.create("Free")
    until_refused(any_enforcing, exhausting[0], TableName="Full", **exhausting[1])
    actions = [{action: {"TableName": name, **exhausting[1]}} for name in ("Free", "Full")]
    error = any_enforcing.refused(operation, TransactItems=actions)
    assert error.type == "TransactionCanceledException"
    reasons = json.loads((error.members or {})["CancellationReasons"])
    assert [reason["Code"] for reason in reasons] == ["None", code]
    assert any_enforcing("Scan", TableName="Free")["Count"] == 0


# Access keys


@pytest.mark.inside_sqlite
def test_an_access_key_is_held_to_its_limit_over_all_tables(service: Any) -> None:
    service.create()
    service.create("Other")
    service.store.usage.set_limit("AKID", KeyLimit(2, None))
    service.context.meter.take_over_limits()
    service("GetItem", **GET)
    service("GetItem", **{**GET, "TableName": "Other"})
    assert reasons(service, "GetItem", **GET) == (
        "RequestLimitExceeded",
        [{"reason": "TableReadAccountLimitExceeded", "resource": ARN}],
    )
    service("PutItem", **PUT)
    service.access_key = "ANOTHER"
    service("GetItem", **GET)
    service.access_key = "AKID"
    service.now += 0.5
    service("GetItem", **GET)


@pytest.mark.parametrize("error", [-30 * 86_400.0, 30 * 86_400.0])
def test_capacity_comes_with_time_whatever_the_clock_says(enforcing: Any, error: float) -> None:
    enforcing.create(**provisioned(1, 1))
    for _ in range(300):
        enforcing("GetItem", **GET)
    enforcing.clock_error = error
    assert enforcing.refusal("GetItem", **GET)[0] == PROVISIONED
    enforcing.now += 1
    enforcing("GetItem", **GET)
    assert enforcing.refusal("GetItem", **GET)[0] == PROVISIONED
