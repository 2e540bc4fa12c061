"""RestoreTableFromBackup: the table it makes, what it answers meanwhile, and its overrides."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from alt.storage.model.items import Stored
from alt.storage.model.keys import row_key

NOON = 1_795_521_600.0  # conftest.py

KEYS = [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}]
ATTRIBUTES = [{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk", "owner")]
ALL = {"ProjectionType": "ALL"}
GLOBAL = {
    "IndexName": "global",
    "KeySchema": [{"AttributeName": "owner", "KeyType": "HASH"}],
    "Projection": {"ProjectionType": "KEYS_ONLY"},
}
LOCAL = {
    "IndexName": "local",
    "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "owner", "KeyType": "RANGE"}],
    "Projection": ALL,
}
UNITS = {"ReadCapacityUnits": 5, "WriteCapacityUnits": 6}
OTHER_UNITS = {"ReadCapacityUnits": 7, "WriteCapacityUnits": 8}
NO_UNITS = {"ReadCapacityUnits": 0, "WriteCapacityUnits": 0}
ARN = "arn:aws:dynamodb:us-east-1:000000000000:table/Music"


def _item(number: int) -> dict[str, Any]:
    return {"pk": {"S": "a"}, "sk": {"S": str(number)}, "owner": {"S": f"o{number}"}}


@pytest.fixture
def backup(service: Any) -> str:
    """A backup of a provisioned table with one index of each kind and two items; a third came later."""
    service.create(
        KeySchema=KEYS,
        AttributeDefinitions=ATTRIBUTES,
        ProvisionedThroughput=UNITS,
        GlobalSecondaryIndexes=[{**GLOBAL, "ProvisionedThroughput": UNITS}],
        LocalSecondaryIndexes=[LOCAL],
        SSESpecification={"Enabled": True},
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"},
        TableClass="STANDARD_INFREQUENT_ACCESS",
        DeletionProtectionEnabled=True,
        Tags=[{"Key": "k", "Value": "v"}],
    )
    for number in range(2):
        service("PutItem", TableName="Music", Item=_item(number))
    arn: str = service("CreateBackup", TableName="Music", BackupName="before")["BackupDetails"]["BackupArn"]
    service("PutItem", TableName="Music", Item=_item(2))
    service.now += 60
    return arn


def _restore(service: Any, backup: str, name: str = "Copy", **overrides: Any) -> Any:
    service("RestoreTableFromBackup", BackupArn=backup, TargetTableName=name, **overrides)
    service.finish_restore(name)
    return service.describe(name)


def _refused(service: Any, backup: str, **overrides: Any) -> Any:
    refused = service.refusal("RestoreTableFromBackup", BackupArn=backup, TargetTableName="Copy", **overrides)
    assert service("ListTables")["TableNames"] == ["Music"]
    return refused


def _names(description: Any, kind: str) -> list[str]:
    return [index["IndexName"] for index in description.get(kind, ())]


def test_the_restored_table_has_the_items_of_then(service: Any, backup: str) -> None:
    description = _restore(service, backup)
    assert description["ItemCount"] == 2
    assert service("Scan", TableName="Copy")["Items"] == [_item(0), _item(1)]
    for index, projected in (("local", [_item(0), _item(1)]), ("global", [_item(1)])):
        key = "pk = :a" if index == "local" else "#o = :a"
        names = {} if index == "local" else {"ExpressionAttributeNames": {"#o": "owner"}}
        found = service(
            "Query",
            TableName="Copy",
            IndexName=index,
            KeyConditionExpression=key,
            ExpressionAttributeValues={":a": {"S": "a" if index == "local" else "o1"}},
            **names,
        )
        assert found["Items"] == projected
    assert service.describe()["ItemCount"] == 3


def test_the_copy_and_the_source_are_two_tables(service: Any, backup: str) -> None:
    _restore(service, backup)
    service("DeleteItem", TableName="Copy", Key={"pk": {"S": "a"}, "sk": {"S": "0"}})
    service("PutItem", TableName="Copy", Item=_item(7))
    assert service("Scan", TableName="Copy")["Items"] == [_item(1), _item(7)]
    assert service("Scan", TableName="Music")["Items"] == [_item(0), _item(1), _item(2)]
    assert _restore(service, backup, "Again")["ItemCount"] == 2


@pytest.mark.inside_sqlite
def test_a_restored_table_undoes_what_fails(service: Any, backup: str) -> None:
    """A copy in memory keeps a journal although a file that is being made needs none."""
    _restore(service, backup)
    table = service.store.table("Copy")
    key, stored = row_key("new"), Stored(2, "{}")

    async def write_and_fail() -> None:
        def work() -> None:
            table.put(key, {}, stored, table.stored(key))
            raise KeyError

        with pytest.raises(KeyError):
            await table.submit(work)

    asyncio.run(write_and_fail())
    assert service("Scan", TableName="Copy")["Items"] == [_item(0), _item(1)]
    assert service.describe("Copy")["ItemCount"] == 2


def test_what_a_restored_table_keeps_and_what_it_begins_without(service: Any, backup: str) -> None:
    source, description = service.describe(), _restore(service, backup)
    summary = {
        "SourceBackupArn": backup,
        "SourceTableArn": ARN,
        "RestoreDateTime": NOON,
        "RestoreInProgress": False,
    }
    assert description["RestoreSummary"] == summary
    assert service.update("Copy", DeletionProtectionEnabled=True)["RestoreSummary"] == summary
    assert service.describe("Copy")["RestoreSummary"] == summary
    for member in ("KeySchema", "AttributeDefinitions", "SSEDescription"):
        assert description[member] == source[member]
    assert description["TableStatus"] == "ACTIVE"
    assert description["TableId"] != source["TableId"]
    assert description["CreationDateTime"] == NOON + 60
    assert description["ProvisionedThroughput"] == {**UNITS, "NumberOfDecreasesToday": 0}
    assert description["GlobalSecondaryIndexes"][0]["ProvisionedThroughput"]["ReadCapacityUnits"] == 5
    assert description["DeletionProtectionEnabled"] is False
    assert not description.keys() & {"StreamSpecification", "LatestStreamArn", "TableClassSummary"}


def test_meanwhile_the_table_is_creating(service: Any, backup: str) -> None:
    answer = service("RestoreTableFromBackup", BackupArn=backup, TargetTableName="Copy")["TableDescription"]
    assert answer["TableStatus"] == "CREATING"
    assert answer["RestoreSummary"] == {
        "SourceBackupArn": backup,
        "SourceTableArn": ARN,
        "RestoreDateTime": NOON,
        "RestoreInProgress": True,
    }
    assert "IndexStatus" not in answer["GlobalSecondaryIndexes"][0]
    assert service.describe("Copy") == answer
    assert service("ListTables")["TableNames"] == ["Copy", "Music"]
    missing = "Requested resource not found: Table: Copy not found"
    assert service.refusal("UpdateTable", TableName="Copy", DeletionProtectionEnabled=True) == (
        "ResourceNotFoundException",
        missing,
    )
    for operation, members in (
        ("PutItem", {"Item": _item(0)}),
        ("GetItem", {"Key": {"pk": {"S": "a"}, "sk": {"S": "0"}}}),
        ("Scan", {}),
    ):
        assert service.refusal(operation, TableName="Copy", **members) == (
            "ResourceNotFoundException",
            "Requested resource not found",
        )
    assert service.refusal("DeleteTable", TableName="Copy") == (
        "ResourceInUseException",
        "Attempt to change a resource which is still in use: Table is being created: Copy",
    )
    assert service.refusal(
        "CreateTable",
        TableName="Copy",
        AttributeDefinitions=ATTRIBUTES[:1],
        KeySchema=KEYS[:1],
        BillingMode="PAY_PER_REQUEST",
    ) == ("ResourceInUseException", "Table is being used: Copy")
    assert service.refusal("CreateBackup", TableName="Copy", BackupName="copy") == (
        "TableNotFoundException",
        "Table not found: Copy",
    )
    assert service.refusal("RestoreTableFromBackup", BackupArn=backup, TargetTableName="Copy") == (
        "TableInUseException",
        f"Table: Copy is already being restored from backup: {backup}",
    )
    # A backup feeds one restore at a time.
    assert service.refusal("RestoreTableFromBackup", BackupArn=backup, TargetTableName="Other") == (
        "BackupInUseException",
        f"Backup is being used to restore another table: {backup}",
    )
    assert service.refusal("DeleteBackup", BackupArn=backup) == (
        "BackupInUseException",
        f"Backup is being used to restore table: {backup}",
    )
    service.finish_restore("Copy")
    assert service.describe("Copy")["TableStatus"] == "ACTIVE"
    assert service("DeleteBackup", BackupArn=backup)


def test_the_target_must_not_exist(service: Any, backup: str) -> None:
    assert service.refusal("RestoreTableFromBackup", BackupArn=backup, TargetTableName="Music") == (
        "TableAlreadyExistsException",
        "Table already exists: Music",
    )


def test_indexes_left_out(service: Any, backup: str) -> None:
    bare = _restore(service, backup, GlobalSecondaryIndexOverride=[], LocalSecondaryIndexOverride=[])
    assert _names(bare, "GlobalSecondaryIndexes") == _names(bare, "LocalSecondaryIndexes") == []
    assert bare["AttributeDefinitions"] == [
        {"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")
    ]
    local = _restore(service, backup, "Local", GlobalSecondaryIndexOverride=[])
    assert _names(local, "GlobalSecondaryIndexes") == []
    assert _names(local, "LocalSecondaryIndexes") == ["local"]


def test_indexes_renamed(service: Any, backup: str) -> None:
    description = _restore(
        service,
        backup,
        GlobalSecondaryIndexOverride=[
            {**GLOBAL, "IndexName": "renamed", "ProvisionedThroughput": OTHER_UNITS}
        ],
        LocalSecondaryIndexOverride=[{**LOCAL, "IndexName": "also"}],
    )
    (renamed,) = description["GlobalSecondaryIndexes"]
    assert (renamed["IndexName"], renamed["ItemCount"]) == ("renamed", 2)
    assert renamed["ProvisionedThroughput"]["ReadCapacityUnits"] == 7
    assert _names(description, "LocalSecondaryIndexes") == ["also"]
    service("PutItem", TableName="Copy", Item=_item(5))
    assert service("Scan", TableName="Copy", IndexName="renamed")["Count"] == 3
    assert service("Scan", TableName="Copy", IndexName="also")["Count"] == 3


def test_capacity_overrides(service: Any, backup: str) -> None:
    provisioned = _restore(service, backup, ProvisionedThroughputOverride=OTHER_UNITS)
    assert provisioned["ProvisionedThroughput"]["ReadCapacityUnits"] == 7
    # The table's only.
    assert provisioned["GlobalSecondaryIndexes"][0]["ProvisionedThroughput"]["ReadCapacityUnits"] == 5
    on_demand = _restore(
        service,
        backup,
        "OnDemand",
        BillingModeOverride="PAY_PER_REQUEST",
        OnDemandThroughputOverride={"MaxReadRequestUnits": 50},
    )
    assert on_demand["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
    assert on_demand["OnDemandThroughput"] == {"MaxReadRequestUnits": 50}
    for described in (on_demand, on_demand["GlobalSecondaryIndexes"][0]):
        assert described["ProvisionedThroughput"] == {**NO_UNITS, "NumberOfDecreasesToday": 0}


def test_encryption_overrides(service: Any, backup: str) -> None:
    assert "SSEDescription" not in _restore(service, backup, SSESpecificationOverride={"Enabled": False})
    keyed = _restore(
        service,
        backup,
        "Keyed",
        SSESpecificationOverride={"Enabled": True, "SSEType": "KMS", "KMSMasterKeyId": "alias/mine"},
    )
    assert keyed["SSEDescription"] != service.describe()["SSEDescription"]


def test_another_region_needs_an_encryption(service: Any, backup: str) -> None:
    elsewhere = backup.replace("us-east-1", "eu-west-1")
    assert _refused(service, elsewhere) == (
        "ValidationException",
        "Invalid Request: sseSpecificationOverride must be provided for cross-region restores",
    )
    description = _restore(service, elsewhere, SSESpecificationOverride={})
    assert "SSEDescription" not in description


_NO_MATCH = (
    "Index {} does not match a secondary index that existed in the source table "
    "and cannot be created during the restore operation"
)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            {"BillingModeOverride": "PAY_PER_REQUEST", "ProvisionedThroughputOverride": UNITS},
            "Cannot override ProvisionedThroughput unless BillingMode is PROVISIONED",
        ),
        (
            {"BillingModeOverride": "PROVISIONED"},
            "Must override ProvisionedThroughput if BillingMode is overridden to PROVISIONED",
        ),
        (
            {"OnDemandThroughputOverride": {"MaxReadRequestUnits": 1}},
            "Cannot override MaxReadRequestUnits for OnDemandThroughput unless BillingModeOverride is PAY_PER_REQUEST",
        ),
        (
            {
                "BillingModeOverride": "PAY_PER_REQUEST",
                "OnDemandThroughputOverride": {"MaxReadRequestUnits": 0, "MaxWriteRequestUnits": 0},
            },
            "Requested MaxReadRequestUnits for OnDemandThroughput is outside of valid range",
        ),
        (
            {"GlobalSecondaryIndexOverride": [GLOBAL]},
            "Must specify provisioned throughput for index global",
        ),
        (
            {
                "BillingModeOverride": "PAY_PER_REQUEST",
                "GlobalSecondaryIndexOverride": [{**GLOBAL, "ProvisionedThroughput": UNITS}],
            },
            "Cannot override ProvisionedThroughput if BillingMode is overridden to PAY_PER_REQUEST for index global",
        ),
        (
            {
                "GlobalSecondaryIndexOverride": [
                    {**GLOBAL, "Projection": ALL, "ProvisionedThroughput": UNITS},
                ]
            },
            _NO_MATCH.format("global"),
        ),
        (
            {
                "LocalSecondaryIndexOverride": [
                    {**LOCAL, "IndexName": "a-new"},
                    {**LOCAL, "IndexName": "b-new"},
                ]
            },
            _NO_MATCH.format("b-new"),
        ),
        (
            {"LocalSecondaryIndexOverride": [{**LOCAL, "IndexName": "global"}]},
            "One or more parameter values were invalid: Duplicate index name: global",
        ),
        (
            {"SSESpecificationOverride": {"SSEType": "AES256"}},
            "One or more parameter values were invalid: SSEType AES256 is not supported",
        ),
    ],
)
def test_overrides_that_are_refused(
    service: Any, backup: str, overrides: dict[str, Any], message: str
) -> None:
    assert _refused(service, backup, **overrides) == ("ValidationException", message)


def test_an_on_demand_backup_with_provisioned_throughput(service: Any) -> None:
    service.create()
    arn = service("CreateBackup", TableName="Music", BackupName="before")["BackupDetails"]["BackupArn"]
    assert _refused(service, arn, ProvisionedThroughputOverride=UNITS) == (
        "ValidationException",
        "Cannot override ProvisionedThroughput unless BillingMode is PROVISIONED",
    )
    restored = _restore(service, arn, BillingModeOverride="PROVISIONED", ProvisionedThroughputOverride=UNITS)
    assert "BillingModeSummary" not in restored
    assert restored["ProvisionedThroughput"]["WriteCapacityUnits"] == 6


def test_an_index_is_built_to_its_end_in_the_copy(service: Any) -> None:
    """Operations in this context leave the building of an index at rest."""
    service.create(KeySchema=KEYS, AttributeDefinitions=ATTRIBUTES[:2])
    service("PutItem", TableName="Music", Item=_item(1))
    service.update(AttributeDefinitions=ATTRIBUTES[2:], GlobalSecondaryIndexUpdates=[{"Create": GLOBAL}])
    arn = service("CreateBackup", TableName="Music", BackupName="before")["BackupDetails"]["BackupArn"]
    described = _restore(service, arn)
    assert _names(described, "GlobalSecondaryIndexes") == ["global"]
