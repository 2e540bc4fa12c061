"""CreateTable, DescribeTable, DeleteTable and ListTables on an context whose clock and ids are known."""

from __future__ import annotations

import asyncio
import functools
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alt.operations.tables import quotas
from alt.storage.model.items import Stored
from alt.storage.model.keys import row_key


def test_a_table_is_created_with_what_it_was_given(service: Any) -> None:
    answer = service.create(
        TableClass="STANDARD",
        DeletionProtectionEnabled=True,
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
        SSESpecification={"SSEType": "KMS", "KMSMasterKeyId": "1234"},
        OnDemandThroughput={"MaxWriteRequestUnits": 3},
        WarmThroughput={"ReadUnitsPerSecond": 12_001},
        Tags=[{"Key": "team", "Value": "jazz"}],
    )
    arn = "arn:aws:dynamodb:us-east-1:000000000000:table/Music"
    expected = {
        "TableName": "Music",
        "TableStatus": "CREATING",
        "TableArn": arn,
        "TableId": "00000000-0000-4000-8000-000000000001",
        "CreationDateTime": service.now,
        "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
        "ProvisionedThroughput": {
            "NumberOfDecreasesToday": 0,
            "ReadCapacityUnits": 0,
            "WriteCapacityUnits": 0,
        },
        "BillingModeSummary": {"BillingMode": "PAY_PER_REQUEST"},
        "ItemCount": 0,
        "TableSizeBytes": 0,
        "DeletionProtectionEnabled": True,
        "TableClassSummary": {"TableClass": "STANDARD"},
        "StreamSpecification": {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
        "LatestStreamLabel": "2026-11-24T12:00:00.000",
        "LatestStreamArn": f"{arn}/stream/2026-11-24T12:00:00.000",
        "SSEDescription": {
            "Status": "DISABLED",  # what is in memory is not encrypted
            "SSEType": "KMS",
            "KMSMasterKeyArn": "arn:aws:kms:us-east-1:000000000000:key/1234",
        },
        "OnDemandThroughput": {"MaxWriteRequestUnits": 3},
        "WarmThroughput": {"ReadUnitsPerSecond": 12_001, "WriteUnitsPerSecond": 4_000, "Status": "UPDATING"},
    }
    assert answer == expected
    described = expected | {
        "TableStatus": "ACTIVE",
        "BillingModeSummary": {
            "BillingMode": "PAY_PER_REQUEST",
            "LastUpdateToPayPerRequestDateTime": service.now,
        },
        "WarmThroughput": {"ReadUnitsPerSecond": 12_001, "WriteUnitsPerSecond": 4_000, "Status": "ACTIVE"},
    }
    service.now += 60
    assert service.describe() == described
    stored = service.store.definition("Music").settings
    assert stored["Tags"] == [{"Key": "team", "Value": "jazz"}]


@pytest.mark.parametrize(
    "nothing",
    [
        {"StreamSpecification": {"StreamEnabled": False}},
        {"SSESpecification": {"Enabled": False}},
        {"SSESpecification": {}},
        {"OnDemandThroughput": {}},
        {"WarmThroughput": {}},
        {"DeletionProtectionEnabled": False},
        {"Tags": []},
    ],
)
def test_what_asks_for_nothing_leaves_nothing(any_service: Any, nothing: dict[str, Any]) -> None:
    plain, asked = any_service.create("plain"), any_service.create("asked", **nothing)
    assert plain.keys() == asked.keys()


@pytest.mark.inside_sqlite
def test_the_count_and_the_size_are_the_tables_own(service: Any) -> None:
    service.create()

    async def write() -> None:
        table = service.store.table("Music")
        await asyncio.gather(
            *(
                table.submit(functools.partial(table.put, row_key(b"%d" % n), {}, Stored(10 + n, "{}"), None))
                for n in range(3)
            )
        )

    asyncio.run(write())
    for description in (service.describe(), service("DeleteTable", TableName="Music")["TableDescription"]):
        assert (description["ItemCount"], description["TableSizeBytes"]) == (3, 33)


def test_the_arn_bears_the_callers_region_and_the_table_is_the_same(any_service: Any) -> None:
    any_service.create()
    described = any_service.describe(region="eu-central-1")
    assert described["TableArn"] == "arn:aws:dynamodb:eu-central-1:000000000000:table/Music"
    assert described["TableId"] == any_service.describe()["TableId"]


def test_a_table_is_described_by_its_arn(any_service: Any) -> None:
    arn = any_service.create()["TableArn"]
    assert any_service.describe(arn)["TableName"] == "Music"
    assert any_service.refusal("DescribeTable", TableName=arn + "al") == (
        "ResourceNotFoundException",
        "Requested resource not found: Table: Musical not found",
    )


def test_a_name_is_taken_once_in_each_case(any_service: Any) -> None:
    any_service.create()
    any_service.create("music")
    taken = {
        "TableName": "Music",
        "AttributeDefinitions": [{"AttributeName": "other", "AttributeType": "N"}],
        "KeySchema": [{"AttributeName": "other", "KeyType": "HASH"}],
        "BillingMode": "PAY_PER_REQUEST",
    }
    assert any_service.refusal("CreateTable", **taken) == (
        "ResourceInUseException",
        "Table already exists: Music",
    )
    error, _ = any_service.refusal("CreateTable", **taken | {"AttributeDefinitions": []})
    assert error == "ValidationException"


@pytest.mark.parametrize("operation", ["DescribeTable", "DeleteTable"])
def test_an_absent_table(any_service: Any, operation: str) -> None:
    assert any_service.refusal(operation, TableName="Music") == (
        "ResourceNotFoundException",
        "Requested resource not found: Table: Music not found",
    )


def test_a_deleted_table_is_gone_and_its_name_free(any_service: Any) -> None:
    first = any_service.create()
    assert any_service("DeleteTable", TableName="Music")["TableDescription"]["TableStatus"] == "DELETING"
    error, _ = any_service.refusal("DescribeTable", TableName="Music")
    assert error == "ResourceNotFoundException"
    assert any_service.create()["TableId"] != first["TableId"]


def test_a_protected_table_stays(any_service: Any) -> None:
    any_service.create(DeletionProtectionEnabled=True)
    assert any_service.refusal("DeleteTable", TableName="Music") == (
        "ValidationException",
        "Resource cannot be deleted as it is currently protected against deletion. "
        "Disable deletion protection first.",
    )
    any_service.update(DeletionProtectionEnabled=False)
    any_service("DeleteTable", TableName="Music")


def test_no_more_tables_than_the_quota(service: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quotas, "MAX_TABLES", 2)
    service.create("one")
    service.create("two")
    error, _ = service.refusal(
        "CreateTable",
        TableName="three",
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )
    assert error == "LimitExceededException"


@settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))
@given(names=st.sets(st.text("aB-_.9", min_size=3, max_size=5), max_size=12), limit=st.integers(1, 13))
def test_pages_of_names_join_to_all_names_in_byte_order(
    any_service: Any, names: set[str], limit: int
) -> None:
    for name in any_service("ListTables")["TableNames"]:
        any_service("DeleteTable", TableName=name)
    for name in names:
        any_service.create(name)
    listed: list[str] = []
    start: dict[str, str] = {}
    while True:
        page = any_service("ListTables", Limit=limit, **start)
        listed += page["TableNames"]
        if "LastEvaluatedTableName" not in page:
            break
        assert page["TableNames"][-1] == page["LastEvaluatedTableName"]
        assert len(page["TableNames"]) == limit
        start = {"ExclusiveStartTableName": page["LastEvaluatedTableName"]}
    assert listed == sorted(names, key=str.encode)


@pytest.mark.parametrize(
    "member",
    [
        {"VectorIndexes": [{"IndexName": "vector"}]},
        {"GlobalTableSourceArn": "arn:aws:dynamodb:us-east-1:1:table/x"},
    ],
)
def test_features_not_there_yet_are_unknown(any_service: Any, member: dict[str, Any]) -> None:
    request = {
        "TableName": "Music",
        "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
        "BillingMode": "PAY_PER_REQUEST",
    }
    error, _ = any_service.refusal("CreateTable", **request, **member)
    assert error == "UnknownOperationException"
    assert any_service("ListTables") == {"TableNames": []}
