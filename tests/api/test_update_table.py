"""UpdateTable through a client: each kind of change, the waiter, and what is refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

PREFIX = "One or more parameter values were invalid: "


@pytest.fixture
def table(dynamodb: Any, name: str) -> str:
    """A provisioned table, 5 read and 5 write units."""
    dynamodb.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        ProvisionedThroughput={"ReadCapacityUnits": 5, "WriteCapacityUnits": 5},
    )
    return name


def describe(client: Any, name: str) -> Any:
    return client.describe_table(TableName=name)["Table"]


def test_throughput(dynamodb: Any, table: str) -> None:
    changed = {"ReadCapacityUnits": 7, "WriteCapacityUnits": 4}
    answer = dynamodb.update_table(TableName=table, ProvisionedThroughput=changed)["TableDescription"]
    assert answer["TableStatus"] == "UPDATING"
    assert answer["ProvisionedThroughput"]["ReadCapacityUnits"] == 5
    dynamodb.get_waiter("table_exists").wait(TableName=table, WaiterConfig={"Delay": 1, "MaxAttempts": 1})
    throughput = describe(dynamodb, table)["ProvisionedThroughput"]
    assert throughput.pop("LastIncreaseDateTime") == throughput.pop("LastDecreaseDateTime")
    assert throughput == changed | {"NumberOfDecreasesToday": 1}


def test_billing_mode(dynamodb: Any, table: str) -> None:
    dynamodb.update_table(TableName=table, BillingMode="PAY_PER_REQUEST")
    described = describe(dynamodb, table)
    assert described["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
    assert described["ProvisionedThroughput"]["ReadCapacityUnits"] == 0
    units = {"ReadCapacityUnits": 1, "WriteCapacityUnits": 1}
    dynamodb.update_table(TableName=table, BillingMode="PROVISIONED", ProvisionedThroughput=units)
    assert describe(dynamodb, table)["BillingModeSummary"]["BillingMode"] == "PROVISIONED"


@pytest.mark.parametrize(
    ("change", "described"),
    [
        ({"DeletionProtectionEnabled": True}, {"DeletionProtectionEnabled": True}),
        (
            {"StreamSpecification": {"StreamEnabled": True, "StreamViewType": "OLD_IMAGE"}},
            {"StreamSpecification": {"StreamEnabled": True, "StreamViewType": "OLD_IMAGE"}},
        ),
        (
            {"WarmThroughput": {"ReadUnitsPerSecond": 100}},
            {"WarmThroughput": {"ReadUnitsPerSecond": 100, "WriteUnitsPerSecond": 5, "Status": "ACTIVE"}},
        ),
        (
            {"BillingMode": "PAY_PER_REQUEST", "OnDemandThroughput": {"MaxReadRequestUnits": 9}},
            {"OnDemandThroughput": {"MaxReadRequestUnits": 9}},
        ),
    ],
)
def test_settings(dynamodb: Any, table: str, change: dict[str, Any], described: dict[str, Any]) -> None:
    dynamodb.update_table(TableName=table, **change)
    found = describe(dynamodb, table)
    assert {member: found[member] for member in described} == described
    dynamodb.update_table(TableName=table, DeletionProtectionEnabled=False)


def test_table_class(dynamodb: Any, table: str) -> None:
    dynamodb.update_table(TableName=table, TableClass="STANDARD_INFREQUENT_ACCESS")
    summary = describe(dynamodb, table)["TableClassSummary"]
    assert summary["TableClass"] == "STANDARD_INFREQUENT_ACCESS"
    assert "LastUpdateDateTime" in summary


def test_encryption(dynamodb: Any, table: str) -> None:
    answer = dynamodb.update_table(TableName=table, SSESpecification={"Enabled": True, "SSEType": "KMS"})
    assert answer["TableDescription"]["SSEDescription"] == {"Status": "UPDATING"}
    assert describe(dynamodb, table)["SSEDescription"]["Status"] == "DISABLED"


def test_data_stays(dynamodb: Any, table: str) -> None:
    dynamodb.put_item(TableName=table, Item={"pk": {"S": "kept"}})
    dynamodb.update_table(TableName=table, BillingMode="PAY_PER_REQUEST")
    assert dynamodb.get_item(TableName=table, Key={"pk": {"S": "kept"}})["Item"] == {"pk": {"S": "kept"}}
    assert describe(dynamodb, table)["ItemCount"] == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {},
            "At least one of ProvisionedThroughput, BillingMode, UpdateStreamEnabled, "
            "GlobalSecondaryIndexUpdates, "
            "SSESpecification, ReplicaUpdates, MultiAccountReplicaReady, ReplicaTransitRoleArn, "
            "MultiRegionConsistency, DeletionProtectionEnabled, OnDemandThroughput, WarmThroughput or "
            "TableClass "
            "is required",
        ),
        (
            {"ProvisionedThroughput": {"ReadCapacityUnits": 5, "WriteCapacityUnits": 5}},
            "The provisioned throughput for the table will not change. "
            "The requested value equals the current value. "
            "Current ReadCapacityUnits provisioned for the table: 5. Requested ReadCapacityUnits: 5. "
            "Current WriteCapacityUnits provisioned for the table: 5. Requested WriteCapacityUnits: 5. "
            "Refer to the Amazon DynamoDB Developer Guide for current limits and how to request higher "
            "limits.",
        ),
        (
            {"BillingMode": "PROVISIONED"},
            PREFIX + "ProvisionedThroughput must be specified when BillingMode is PROVISIONED",
        ),
        (
            {"DeletionProtectionEnabled": True, "TableClass": "STANDARD"},
            PREFIX + "TableClass modification must be the only operation in the request",
        ),
        (
            {"TableClass": "GLACIER"},
            "Invalid table-class parameter provided. Please try again with a valid table-class value: "
            "[STANDARD, STANDARD_INFREQUENT_ACCESS].",
        ),
        (
            {"ProvisionedThroughput": {"ReadCapacityUnits": 0, "WriteCapacityUnits": 0}},
            "2 validation errors detected: Value '0' at 'provisionedThroughput.writeCapacityUnits' "
            "failed to satisfy constraint: Member must have value greater than or equal to 1; "
            "Value '0' at 'provisionedThroughput.readCapacityUnits' "
            "failed to satisfy constraint: Member must have value greater than or equal to 1",
        ),
    ],
)
def test_refusals(
    dynamodb: Any, table: str, refusal: Callable[..., Any], change: dict[str, Any], message: str
) -> None:
    before = describe(dynamodb, table)
    assert refusal(dynamodb.update_table, TableName=table, **change) == ("ValidationException", message)
    assert describe(dynamodb, table) == before


def test_an_absent_table(dynamodb: Any, name: str, refusal: Callable[..., Any]) -> None:
    assert refusal(dynamodb.update_table, TableName=name, DeletionProtectionEnabled=True) == (
        "ResourceNotFoundException",
        f"Requested resource not found: Table: {name} not found",
    )


# AttributeDefinitions of an index that is added


@pytest.fixture
def indexed(dynamodb: Any, name: str) -> Iterator[str]:
    """A table whose keys are `pk` and `sk`, strings, and of an index `n`, a number."""
    dynamodb.create_table(
        TableName=name,
        AttributeDefinitions=defined("S", "pk", "sk") + defined("N", "n"),
        KeySchema=KEYS,
        GlobalSecondaryIndexes=[
            {
                "IndexName": "known",
                "KeySchema": keys("pk", "n"),
                "Projection": {"ProjectionType": "ALL"},
            }
        ],
        BillingMode="PAY_PER_REQUEST",
    )
    yield name
    dynamodb.delete_table(TableName=name)


def keys(*names: str) -> list[dict[str, str]]:
    return [
        {"AttributeName": key, "KeyType": role} for key, role in zip(names, ("HASH", "RANGE"), strict=False)
    ]


KEYS = keys("pk", "sk")


def defined(kind: str, *names: str) -> list[dict[str, str]]:
    return [{"AttributeName": key, "AttributeType": kind} for key in names]


def undefined(*names: str, given: str) -> str:
    return (
        "Some index key attributes are not defined in AttributeDefinitions. "
        f"Keys: [{', '.join(names)}], AttributeDefinitions: [{given}]"
    )


def redefined(existing: str, new: str) -> str:
    return (
        "Attributes cannot be redefined. Please check that your attribute has the same type as previously defined. "
        f"Existing schema: Schema:[SchemaElement: key{{{existing}}}] "
        f"New schema: Schema:[SchemaElement: key{{{new}}}]"
    )


def create(definitions: list[dict[str, str]] | None, *names: str) -> dict[str, Any]:
    wanted = {"IndexName": "added", "KeySchema": keys(*names), "Projection": {"ProjectionType": "ALL"}}
    given = {} if definitions is None else {"AttributeDefinitions": definitions}
    return {"GlobalSecondaryIndexUpdates": [{"Create": wanted}], **given}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (create(None, "n"), "AttributeDefinitions is not specified for index: added"),
        (create([], "n"), undefined("n", given="")),
        (create(defined("S", "x"), "n"), undefined("n", given="x")),
        (create(defined("S", "x"), "x", "sk"), undefined("x", "sk", given="x")),
        (create(defined("S", "n"), "n"), redefined("n:N:RANGE", "n:S:HASH")),
        (create(defined("S", "x") + defined("B", "pk"), "x", "pk"), redefined("pk:S:HASH", "pk:B:RANGE")),
    ],
)
def test_an_added_index_needs_its_keys_defined_as_they_are(
    dynamodb: Any, indexed: str, refusal: Callable[..., Any], change: dict[str, Any], message: str
) -> None:
    refused = refusal(dynamodb.update_table, TableName=indexed, **change)
    assert refused == ("ValidationException", PREFIX + message)


def test_definitions_that_an_added_index_does_not_use_change_nothing(dynamodb: Any, indexed: str) -> None:
    before = describe(dynamodb, indexed)["AttributeDefinitions"]
    change = create(defined("N", "n", "sk", "unused"), "n")
    shown = dynamodb.update_table(TableName=indexed, **change)["TableDescription"]
    assert shown["AttributeDefinitions"] == before
