"""Backups: what they say of their table, how they are listed and named, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

NOON = 1_795_521_600.0  # conftest.py

KEYS = [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}]
ATTRIBUTES = [{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk", "owner")]
BY_OWNER = {
    "IndexName": "by-owner",
    "KeySchema": [{"AttributeName": "owner", "KeyType": "HASH"}],
    "Projection": {"ProjectionType": "KEYS_ONLY"},
}
LOCAL = {
    "IndexName": "local",
    "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "owner", "KeyType": "RANGE"}],
    "Projection": {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["b", "a"]},
}
UNITS = {"ReadCapacityUnits": 5, "WriteCapacityUnits": 6}
ARN = "arn:aws:dynamodb:us-east-1:000000000000:table/Music"


def _backup(service: Any, name: str = "before", table: str = "Music") -> str:
    arn: str = service("CreateBackup", TableName=table, BackupName=name)["BackupDetails"]["BackupArn"]
    return arn


def _listed(service: Any, **members: Any) -> list[str]:
    return [backup["BackupName"] for backup in service("ListBackups", **members)["BackupSummaries"]]


def test_the_answer_to_create_backup(service: Any) -> None:
    service.create()
    service("PutItem", TableName="Music", Item={"pk": {"S": "a"}})
    details = service("CreateBackup", TableName="Music", BackupName="before")["BackupDetails"]
    arn = details.pop("BackupArn")
    assert arn.startswith(f"{ARN}/backup/01795521600000-")
    assert len(arn.rpartition("-")[2]) == 8
    assert details == {
        "BackupName": "before",
        "BackupStatus": "CREATING",
        "BackupType": "USER",
        "BackupCreationDateTime": NOON,
        "BackupSizeBytes": 3,
    }


def test_a_backup_describes_its_table_as_it_was(service: Any) -> None:
    service.create(
        KeySchema=KEYS,
        AttributeDefinitions=ATTRIBUTES,
        ProvisionedThroughput=UNITS,
        GlobalSecondaryIndexes=[{**BY_OWNER, "ProvisionedThroughput": UNITS}],
        LocalSecondaryIndexes=[LOCAL],
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"},
        SSESpecification={"Enabled": True},
    )
    service("PutItem", TableName="Music", Item={"pk": {"S": "a"}, "sk": {"S": "b"}, "owner": {"S": "c"}})
    described = service.describe()
    arn = _backup(service)
    service.now += 60
    service.update(ProvisionedThroughput={"ReadCapacityUnits": 50, "WriteCapacityUnits": 60})
    service("DeleteTable", TableName="Music")
    assert service("DescribeBackup", BackupArn=arn)["BackupDescription"] == {
        "BackupDetails": {
            "BackupArn": arn,
            "BackupName": "before",
            "BackupStatus": "AVAILABLE",
            "BackupType": "USER",
            "BackupCreationDateTime": NOON,
            "BackupSizeBytes": 12,
        },
        "SourceTableDetails": {
            "TableName": "Music",
            "TableId": described["TableId"],
            "TableArn": ARN,
            "TableSizeBytes": 12,
            "KeySchema": KEYS,
            "TableCreationDateTime": NOON,
            "ProvisionedThroughput": UNITS,
            "ItemCount": 1,
            "BillingMode": "PROVISIONED",
        },
        "SourceTableFeatureDetails": {
            "GlobalSecondaryIndexes": [{**BY_OWNER, "ProvisionedThroughput": UNITS}],
            "LocalSecondaryIndexes": [
                {**LOCAL, "Projection": {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["a", "b"]}}
            ],
            "StreamDescription": {"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"},
            "SSEDescription": described["SSEDescription"],
        },
    }


def test_a_plain_table_has_no_features(service: Any) -> None:
    service.create(OnDemandThroughput={"MaxReadRequestUnits": 7})
    description = service("DescribeBackup", BackupArn=_backup(service))["BackupDescription"]
    assert description["SourceTableFeatureDetails"] == {}
    assert description["SourceTableDetails"]["BillingMode"] == "PAY_PER_REQUEST"
    assert description["SourceTableDetails"]["OnDemandThroughput"] == {"MaxReadRequestUnits": 7}
    assert description["SourceTableDetails"]["ProvisionedThroughput"] == {
        "ReadCapacityUnits": 0,
        "WriteCapacityUnits": 0,
    }


def test_names_need_not_differ(service: Any) -> None:
    service.create()
    assert len({_backup(service) for _ in range(3)}) == 3
    assert _listed(service) == ["before"] * 3


def test_the_region_of_an_arn_is_only_repeated(service: Any) -> None:
    service.create()
    elsewhere = _backup(service).replace("us-east-1", "eu-west-1")
    description = service("DescribeBackup", BackupArn=elsewhere)["BackupDescription"]
    assert description["BackupDetails"]["BackupArn"] == elsewhere
    assert service("DeleteBackup", BackupArn=elsewhere)["BackupDescription"]["BackupDetails"][
        "BackupStatus"
    ] == ("DELETED")
    assert _listed(service) == []


def test_a_deleted_backup_is_gone_at_once(service: Any) -> None:
    service.create()
    arn = _backup(service)
    answer = service("DeleteBackup", BackupArn=arn)["BackupDescription"]
    assert answer["BackupDetails"]["BackupStatus"] == "DELETED"
    assert answer["SourceTableDetails"]["TableName"] == "Music"
    missing = ("BackupNotFoundException", f"Backup not found: {arn}")
    assert service.refusal("DescribeBackup", BackupArn=arn) == missing
    assert service.refusal("DeleteBackup", BackupArn=arn) == missing
    assert service.refusal("RestoreTableFromBackup", BackupArn=arn, TargetTableName="Copy") == missing


def test_list_backups_filters(service: Any) -> None:
    for table in ("Music", "Films"):
        service.create(table)
    for number in range(3):
        _backup(service, f"music-{number}")
        service.now += 1
    _backup(service, "films", "Films")
    assert _listed(service) == ["films", "music-0", "music-1", "music-2"]
    assert _listed(service, TableName="Music") == ["music-0", "music-1", "music-2"]
    assert _listed(service, TableName=ARN) == ["music-0", "music-1", "music-2"]
    assert _listed(service, TableName="Nowhere") == []
    # The lower bound is part of the range, the upper is not.
    assert _listed(service, TimeRangeLowerBound=NOON + 1, TimeRangeUpperBound=NOON + 2) == ["music-1"]
    assert _listed(service, TimeRangeLowerBound=NOON + 2.001) == ["films"]
    assert service.refusal("ListBackups", TimeRangeLowerBound=2, TimeRangeUpperBound=1) == (
        "ValidationException",
        "Time range lower bound must be less than or equal to upper bound",
    )
    assert _listed(service, BackupType="USER") == _listed(service, BackupType="ALL") == _listed(service)
    assert _listed(service, BackupType="SYSTEM") == _listed(service, BackupType="AWS_BACKUP") == []


def test_list_backups_pages(service: Any) -> None:
    service.create()
    arns = []
    for number in range(4):
        arns.append(_backup(service, f"music-{number}"))
        service.now += 1
    first = service("ListBackups", Limit=2)
    assert [backup["BackupArn"] for backup in first["BackupSummaries"]] == arns[:2]
    assert first["LastEvaluatedBackupArn"] == arns[1]
    second = service("ListBackups", Limit=2, ExclusiveStartBackupArn=arns[1])
    assert [backup["BackupArn"] for backup in second["BackupSummaries"]] == arns[2:]
    assert "LastEvaluatedBackupArn" not in second
    # A cursor need not exist any more.
    service("DeleteBackup", BackupArn=arns[1])
    assert _listed(service, ExclusiveStartBackupArn=arns[1]) == ["music-2", "music-3"]


def test_a_summary(service: Any) -> None:
    table = service.create()
    arn = _backup(service)
    assert service("ListBackups")["BackupSummaries"] == [
        {
            "TableName": "Music",
            "TableId": table["TableId"],
            "TableArn": ARN,
            "BackupArn": arn,
            "BackupName": "before",
            "BackupCreationDateTime": NOON,
            "BackupStatus": "AVAILABLE",
            "BackupType": "USER",
            "BackupSizeBytes": 0,
        }
    ]


@pytest.mark.parametrize(
    ("arn", "message"),
    [
        (ARN, "Invalid Backup ARN"),
        ("x" * 40, "Invalid Backup ARN"),
        (f"{ARN}/backup/01795521600000-00000001".replace("us-east-1", "xx-fake"), "BackupArn is not valid"),
        (f"{ARN}/backup/01795521600000-00000001".replace(":aws:", ":azure:"), "BackupArn is not valid"),
        (f"{ARN}/backup/01795521600000-00000001".replace("dynamodb", "rds"), "BackupArn is not valid"),
    ],
)
def test_arns_that_name_no_backup(service: Any, arn: str, message: str) -> None:
    assert service.refusal("DescribeBackup", BackupArn=arn) == ("ValidationException", message)


def test_a_backup_needs_a_table(service: Any) -> None:
    assert service.refusal("CreateBackup", TableName="Music", BackupName="before") == (
        "TableNotFoundException",
        "Table not found: Music",
    )
