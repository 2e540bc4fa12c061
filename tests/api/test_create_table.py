"""CreateTable: its answer in each billing mode, its refusals, and that the table stays."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

PREFIX = "One or more parameter values were invalid: "
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def key(**attributes: str) -> dict[str, Any]:
    """`key(pk="S", sk="N")`: the first is the partition key."""
    types = zip(attributes, ("HASH", "RANGE"), strict=False)
    return {
        "KeySchema": [{"AttributeName": attribute, "KeyType": key_type} for attribute, key_type in types],
        "AttributeDefinitions": [
            {"AttributeName": attribute, "AttributeType": scalar} for attribute, scalar in attributes.items()
        ],
    }


ON_DEMAND = {"BillingMode": "PAY_PER_REQUEST"}
UNITS = {"ProvisionedThroughput": {"ReadCapacityUnits": 3, "WriteCapacityUnits": 4}}


def test_an_on_demand_table(dynamodb: Any, name: str) -> None:
    answer = dynamodb.create_table(TableName=name, **ON_DEMAND, **key(pk="S", sk="N"))["TableDescription"]
    assert UUID.fullmatch(answer.pop("TableId"))
    assert timedelta(0) <= datetime.now(UTC) - answer.pop("CreationDateTime") < timedelta(seconds=60)
    assert answer == {
        "TableName": name,
        "TableStatus": "CREATING",
        "TableArn": f"arn:aws:dynamodb:us-east-1:000000000000:table/{name}",
        "AttributeDefinitions": [
            {"AttributeName": "pk", "AttributeType": "S"},
            {"AttributeName": "sk", "AttributeType": "N"},
        ],
        "KeySchema": [
            {"AttributeName": "pk", "KeyType": "HASH"},
            {"AttributeName": "sk", "KeyType": "RANGE"},
        ],
        "BillingModeSummary": {"BillingMode": "PAY_PER_REQUEST"},
        "ProvisionedThroughput": {
            "NumberOfDecreasesToday": 0,
            "ReadCapacityUnits": 0,
            "WriteCapacityUnits": 0,
        },
        "ItemCount": 0,
        "TableSizeBytes": 0,
        "DeletionProtectionEnabled": False,
    }


def test_a_provisioned_table(dynamodb: Any, name: str) -> None:
    answer = dynamodb.create_table(TableName=name, **UNITS, **key(pk="B"))["TableDescription"]
    assert answer["ProvisionedThroughput"] == {
        "NumberOfDecreasesToday": 0,
        "ReadCapacityUnits": 3,
        "WriteCapacityUnits": 4,
    }
    assert "BillingModeSummary" not in answer


def test_waiters_see_the_table_at_once(dynamodb: Any, name: str) -> None:
    dynamodb.create_table(TableName=name, **ON_DEMAND, **key(pk="S"))
    waiter = dynamodb.get_waiter("table_exists")
    waiter.wait(TableName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 1})


@pytest.mark.parametrize("awkward", ["...", "a" * 255, "CON-{}", "con-{}", "-_.{}"])
def test_every_allowed_name_is_a_table_of_its_own(dynamodb: Any, name: str, awkward: str) -> None:
    awkward = awkward.format(name)
    answer = dynamodb.create_table(TableName=awkward, **ON_DEMAND, **key(pk="S"))
    assert answer["TableDescription"]["TableName"] == awkward
    dynamodb.delete_table(TableName=awkward)


def test_a_key_may_have_any_name(dynamodb: Any, name: str) -> None:
    for number, attribute in enumerate((":attrs", 'a"b', "ключ", "x" * 255)):
        described = dynamodb.create_table(TableName=f"{name}{number}", **ON_DEMAND, **key(**{attribute: "S"}))
        assert described["TableDescription"]["KeySchema"][0]["AttributeName"] == attribute


def test_a_name_is_taken(dynamodb: Any, name: str, refusal: Callable[..., Any]) -> None:
    dynamodb.create_table(TableName=name, **ON_DEMAND, **key(pk="S"))
    assert refusal(dynamodb.create_table, TableName=name, **UNITS, **key(other="N")) == (
        "ResourceInUseException",
        f"Table already exists: {name}",
    )


TWO = [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "pk", "KeyType": "RANGE"}]
GSI = {
    "IndexName": "gsi",
    "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
    "Projection": {"ProjectionType": "ALL"},
}
LSI = {
    "IndexName": "lsi",
    "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
    "Projection": {"ProjectionType": "ALL"},
}
BOTH_UNITS = "ReadCapacityUnits and WriteCapacityUnits must both be specified when BillingMode is PROVISIONED"


@pytest.mark.parametrize(
    ("request_members", "message"),
    [
        (
            ON_DEMAND | key(pk="S") | {"KeySchema": TWO},
            "Invalid KeySchema: Some index key attribute have no definition",
        ),
        (key(pk="S"), PREFIX + BOTH_UNITS),
        (
            ON_DEMAND | UNITS | key(pk="S"),
            PREFIX + "Neither ReadCapacityUnits nor WriteCapacityUnits can be specified "
            "when BillingMode is PAY_PER_REQUEST",
        ),
        (
            ON_DEMAND | key(pk="S") | {"LocalSecondaryIndexes": [LSI]},
            PREFIX + "Table KeySchema does not have a range key, "
            "which is required when specifying a LocalSecondaryIndex",
        ),
        (
            ON_DEMAND | key(pk="S") | {"GlobalSecondaryIndexes": [GSI, GSI]},
            PREFIX + "Duplicate index name: gsi",
        ),
        (
            ON_DEMAND
            | key(pk="S")
            | {"GlobalSecondaryIndexes": [GSI | {"Projection": {"ProjectionType": "INCLUDE"}}]},
            PREFIX + "ProjectionType is INCLUDE, but NonKeyAttributes is not specified",
        ),
        (
            ON_DEMAND
            | key(pk="S", sk="S")
            | {"LocalSecondaryIndexes": [LSI | {"Projection": {"ProjectionType": "INCLUDE"}}]},
            PREFIX + "ProjectionType is INCLUDE, but NonKeyAttributes is not specified",
        ),
        (
            ON_DEMAND
            | key(pk="S")
            | {"StreamSpecification": {"StreamEnabled": False, "StreamViewType": "NEW_IMAGE"}},
            PREFIX + "Table is being created with a stream disabled, UpdateViewType should not be specified",
        ),
        (
            ON_DEMAND | key(pk="S") | {"TableClass": "GLACIER"},
            "Invalid table-class parameter provided. Please try again with a valid table-class value: "
            "[STANDARD, STANDARD_INFREQUENT_ACCESS].",
        ),
    ],
)
def test_rules(
    dynamodb: Any, name: str, refusal: Callable[..., Any], request_members: dict[str, Any], message: str
) -> None:
    assert refusal(dynamodb.create_table, TableName=name, **request_members) == (
        "ValidationException",
        message,
    )
    assert refusal(dynamodb.describe_table, TableName=name)[0] == "ResourceNotFoundException"


def test_member_constraints_come_before_the_rules(dynamodb: Any, refusal: Callable[..., Any]) -> None:
    assert refusal(dynamodb.create_table, TableName="ab", **key(pk="S")) == (
        "ValidationException",
        "1 validation error detected: Value 'ab' at 'tableName' failed to satisfy constraint: "
        "Member must have length greater than or equal to 3",
    )


def test_a_table_outlives_the_server(start_server: Any, tmp_path: Path, name: str) -> None:
    first = start_server("--data-dir", tmp_path)
    first.client().create_table(
        TableName=name,
        **UNITS,
        **key(pk="S", sk="B"),
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"},
        SSESpecification={"Enabled": True},
        TableClass="STANDARD_INFREQUENT_ACCESS",
    )
    before = first.client().describe_table(TableName=name)["Table"]
    assert first.stop() == 0
    second = start_server("--data-dir", tmp_path)
    assert second.client().describe_table(TableName=name)["Table"] == before
