"""From a CreateTable to the description of the table: keys, indexes, ARNs, statuses."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from alt.operations.arns import Place
from alt.operations.tables.description import as_creating, as_deleting, describe
from alt.operations.tables.tables import define
from alt.storage.model.definition import IndexDefinition, KeyAttribute, TableDefinition
from alt.storage.model.reads import Counts

CREATED = 1_795_521_600.25
PLACE = Place("eu-west-1", "000000000000")
ARN = "arn:aws:dynamodb:eu-west-1:000000000000:table/Music"


def key(name: str, key_type: str) -> dict[str, str]:
    return {"AttributeName": name, "KeyType": key_type}


REQUEST: dict[str, Any] = {
    "TableName": "Music",
    "ProvisionedThroughput": {"ReadCapacityUnits": 5, "WriteCapacityUnits": 6},
    "AttributeDefinitions": [
        {"AttributeName": "z", "AttributeType": "B"},
        {"AttributeName": "pk", "AttributeType": "S"},
        {"AttributeName": "sk", "AttributeType": "N"},
        {"AttributeName": "a", "AttributeType": "S"},
    ],
    "KeySchema": [key("pk", "HASH"), key("sk", "RANGE")],
    "GlobalSecondaryIndexes": [
        {
            "IndexName": "by-z",
            "KeySchema": [key("z", "HASH"), key("a", "HASH"), key("sk", "RANGE"), key("pk", "RANGE")],
            "Projection": {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["y", "x"]},
            "ProvisionedThroughput": {"ReadCapacityUnits": 1, "WriteCapacityUnits": 2},
        },
        {
            "IndexName": "by-a",
            "KeySchema": [key("a", "HASH")],
            "Projection": {"ProjectionType": "KEYS_ONLY"},
            "ProvisionedThroughput": {"ReadCapacityUnits": 3, "WriteCapacityUnits": 4},
        },
    ],
    "LocalSecondaryIndexes": [
        {
            "IndexName": "local",
            "KeySchema": [key("pk", "HASH"), key("a", "RANGE")],
            "Projection": {"ProjectionType": "ALL"},
        }
    ],
}


@pytest.fixture
def definition() -> TableDefinition:
    return define(REQUEST, "Music", "the-id", CREATED, PLACE)


def described(definition: TableDefinition, *, is_encrypted: bool = False, **members: Any) -> Any:
    return describe(definition, PLACE, CREATED, **members, is_encrypted=is_encrypted)


def test_definitions_hold_typed_keys(definition: TableDefinition) -> None:
    z, a = KeyAttribute("z", "B"), KeyAttribute("a", "S")
    pk, sk = KeyAttribute("pk", "S"), KeyAttribute("sk", "N")
    assert (definition.hash_key, definition.range_key) == (pk, sk)
    assert [
        (index.name, index.is_global, index.hash_keys, index.range_keys) for index in definition.indexes
    ] == [
        ("by-z", True, (z, a), (sk, pk)),
        ("by-a", True, (a,), ()),
        ("local", False, (pk,), (a,)),
    ]


def test_definitions_survive_the_catalog(definition: TableDefinition) -> None:
    assert TableDefinition.from_json(definition.to_json()) == definition


def test_a_table_with_indexes(definition: TableDefinition) -> None:
    description = described(
        definition,
        counts=Counts(7, 700, {"by-z": (6, 600), "by-a": (5, 500), "local": (4, 400)}),
    )
    assert description == {
        "TableName": "Music",
        "TableStatus": "ACTIVE",
        "TableArn": ARN,
        "TableId": "the-id",
        "CreationDateTime": CREATED,
        "AttributeDefinitions": sorted(
            REQUEST["AttributeDefinitions"], key=lambda each: each["AttributeName"]
        ),
        "KeySchema": REQUEST["KeySchema"],
        "ProvisionedThroughput": {
            "ReadCapacityUnits": 5,
            "WriteCapacityUnits": 6,
            "NumberOfDecreasesToday": 0,
        },
        "ItemCount": 7,
        "TableSizeBytes": 700,
        "DeletionProtectionEnabled": False,
        "WarmThroughput": {"ReadUnitsPerSecond": 5, "WriteUnitsPerSecond": 6, "Status": "ACTIVE"},
        "GlobalSecondaryIndexes": [
            {
                "IndexName": "by-z",
                "IndexArn": f"{ARN}/index/by-z",
                "KeySchema": REQUEST["GlobalSecondaryIndexes"][0]["KeySchema"],
                "Projection": {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["x", "y"]},
                "IndexStatus": "ACTIVE",
                "ProvisionedThroughput": {
                    "ReadCapacityUnits": 1,
                    "WriteCapacityUnits": 2,
                    "NumberOfDecreasesToday": 0,
                },
                "WarmThroughput": {"ReadUnitsPerSecond": 1, "WriteUnitsPerSecond": 2, "Status": "ACTIVE"},
                "IndexSizeBytes": 600,
                "ItemCount": 6,
            },
            {
                "IndexName": "by-a",
                "IndexArn": f"{ARN}/index/by-a",
                "KeySchema": [key("a", "HASH")],
                "Projection": {"ProjectionType": "KEYS_ONLY"},
                "IndexStatus": "ACTIVE",
                "ProvisionedThroughput": {
                    "ReadCapacityUnits": 3,
                    "WriteCapacityUnits": 4,
                    "NumberOfDecreasesToday": 0,
                },
                "WarmThroughput": {"ReadUnitsPerSecond": 3, "WriteUnitsPerSecond": 4, "Status": "ACTIVE"},
                "IndexSizeBytes": 500,
                "ItemCount": 5,
            },
        ],
        "LocalSecondaryIndexes": [
            {
                "IndexName": "local",
                "IndexArn": f"{ARN}/index/local",
                "KeySchema": [key("pk", "HASH"), key("a", "RANGE")],
                "Projection": {"ProjectionType": "ALL"},
                "IndexSizeBytes": 400,
                "ItemCount": 4,
            }
        ],
    }


def test_indexes_of_an_on_demand_table_report_no_units_and_initial_warmth() -> None:
    index = {**REQUEST["GlobalSecondaryIndexes"][1], "OnDemandThroughput": {"MaxReadRequestUnits": 9}}
    del index["ProvisionedThroughput"]
    request = REQUEST | {"BillingMode": "PAY_PER_REQUEST", "GlobalSecondaryIndexes": [index]}
    del request["ProvisionedThroughput"]
    (described_index,) = described(define(request, "Music", "id", CREATED, "r"))["GlobalSecondaryIndexes"]
    assert described_index["ProvisionedThroughput"] == {
        "ReadCapacityUnits": 0,
        "WriteCapacityUnits": 0,
        "NumberOfDecreasesToday": 0,
    }
    assert described_index["WarmThroughput"]["ReadUnitsPerSecond"] == 12_000
    assert described_index["OnDemandThroughput"] == {"MaxReadRequestUnits": 9}


@pytest.mark.parametrize(
    ("state", "seen"),
    [
        ({"status": "CREATING", "backfilling": False}, {"IndexStatus": "CREATING", "Backfilling": False}),
        ({"status": "CREATING", "backfilling": True}, {"IndexStatus": "CREATING", "Backfilling": True}),
        ({"status": "ACTIVE"}, {"IndexStatus": "ACTIVE"}),
        ({"status": "DELETING"}, {"IndexStatus": "DELETING"}),
    ],
)
def test_an_index_under_change(
    definition: TableDefinition, state: dict[str, Any], seen: dict[str, Any]
) -> None:
    changing: IndexDefinition = replace(definition.indexes[1], **state)
    (index,) = described(replace(definition, indexes=(changing,)))["GlobalSecondaryIndexes"]
    assert {member: index[member] for member in ("IndexStatus", "Backfilling") if member in index} == seen


def test_while_creating_indexes_are_too(definition: TableDefinition) -> None:
    description = described(definition)
    shown = as_creating(description, warm_throughput_given=False)
    assert shown["TableStatus"] == "CREATING"
    assert "WarmThroughput" not in shown
    for index in shown["GlobalSecondaryIndexes"]:
        assert index["IndexStatus"] == "CREATING"
        assert not {"WarmThroughput", "Backfilling"} & index.keys()
    assert shown["LocalSecondaryIndexes"] == description["LocalSecondaryIndexes"]


def test_while_deleting_the_schema_is_gone(definition: TableDefinition) -> None:
    description = described(definition)
    shown = as_deleting(description)
    assert shown["TableStatus"] == "DELETING"
    assert description.keys() - shown.keys() == {
        "AttributeDefinitions",
        "KeySchema",
        "CreationDateTime",
        "GlobalSecondaryIndexes",
        "LocalSecondaryIndexes",
        "WarmThroughput",
    }


@pytest.mark.parametrize(
    ("asked", "is_encrypted", "status"),
    [
        ({"Enabled": True}, True, "ENABLED"),
        ({"Enabled": True}, False, "DISABLED"),
        ({"SSEType": "KMS", "KMSMasterKeyId": "alias/mine"}, True, "ENABLED"),
        ({"Enabled": False}, True, None),
        (None, True, None),
    ],
)
def test_encryption_is_shown_as_it_is(asked: Any, is_encrypted: bool, status: str | None) -> None:
    definition = define(REQUEST | {"SSESpecification": asked}, "Music", "the-id", CREATED, PLACE)
    shown = described(definition, is_encrypted=is_encrypted).get("SSEDescription", {})
    assert shown.get("Status") == status
