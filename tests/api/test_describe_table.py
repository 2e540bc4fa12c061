"""DescribeTable: what it adds to CreateTable's answer, exact counts, regions, ARNs, absent tables."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

PK = {
    "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
    "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
}
ON_DEMAND = {"BillingMode": "PAY_PER_REQUEST"}
UNITS = {"ProvisionedThroughput": {"ReadCapacityUnits": 3, "WriteCapacityUnits": 4}}


def describe(client: Any, name: str) -> Any:
    return client.describe_table(TableName=name)["Table"]


@pytest.mark.parametrize(("mode", "warm"), [(ON_DEMAND, (12_000, 4_000)), (UNITS, (3, 4))])
def test_what_is_added_once_the_table_is_active(
    dynamodb: Any, name: str, mode: dict[str, Any], warm: tuple[int, int]
) -> None:
    created = dynamodb.create_table(TableName=name, **mode, **PK)["TableDescription"]
    described = describe(dynamodb, name)
    assert described["TableStatus"] == "ACTIVE"
    assert described.keys() - created.keys() == {"WarmThroughput"}
    assert described["WarmThroughput"] == {
        "ReadUnitsPerSecond": warm[0],
        "WriteUnitsPerSecond": warm[1],
        "Status": "ACTIVE",
    }
    unchanged = created.keys() - {"TableStatus", "BillingModeSummary"}
    assert {member: described[member] for member in unchanged} == {
        member: created[member] for member in unchanged
    }


def test_an_on_demand_table_says_since_when(dynamodb: Any, name: str) -> None:
    dynamodb.create_table(TableName=name, **ON_DEMAND, **PK)
    described = describe(dynamodb, name)
    assert described["BillingModeSummary"] == {
        "BillingMode": "PAY_PER_REQUEST",
        "LastUpdateToPayPerRequestDateTime": described["CreationDateTime"],
    }


def test_the_count_and_the_size_are_exact(dynamodb: Any, name: str) -> None:
    dynamodb.create_table(TableName=name, **ON_DEMAND, **PK)
    dynamodb.put_item(TableName=name, Item={"pk": {"S": "one"}, "text": {"S": "x" * 100}})
    dynamodb.put_item(TableName=name, Item={"pk": {"S": "two"}})
    described = describe(dynamodb, name)
    assert (described["ItemCount"], described["TableSizeBytes"]) == (2, (2 + 3 + 4 + 100) + (2 + 3))
    dynamodb.delete_item(TableName=name, Key={"pk": {"S": "one"}})
    described = describe(dynamodb, name)
    assert (described["ItemCount"], described["TableSizeBytes"]) == (1, 2 + 3)


def test_all_regions_see_one_table_under_their_own_arn(server: Any, name: str) -> None:
    server.client().create_table(TableName=name, **ON_DEMAND, **PK)
    described = describe(server.client(region="eu-central-1"), name)
    assert described["TableArn"] == f"arn:aws:dynamodb:eu-central-1:000000000000:table/{name}"
    assert described["TableId"] == describe(server.client(), name)["TableId"]
    assert describe(server.client(), described["TableArn"])["TableName"] == name


def test_an_absent_table(dynamodb: Any, name: str, refusal: Callable[..., Any]) -> None:
    assert refusal(dynamodb.describe_table, TableName=name) == (
        "ResourceNotFoundException",
        f"Requested resource not found: Table: {name} not found",
    )


def test_no_name(dynamodb: Any, refusal: Callable[..., Any]) -> None:
    assert refusal(dynamodb.describe_table) == (
        "ValidationException",
        "The parameter 'TableName' is required but was not present in the request",
    )
