"""What UpdateTable stores, and what its answer shows while the service would still be at work."""

from __future__ import annotations

from typing import Any

import pytest

PREFIX = "One or more parameter values were invalid: "


def units(read: int, write: int) -> dict[str, int]:
    return {"ReadCapacityUnits": read, "WriteCapacityUnits": write}


def warm(read: int, write: int, status: str = "ACTIVE") -> dict[str, Any]:
    return {"ReadUnitsPerSecond": read, "WriteUnitsPerSecond": write, "Status": status}


# Provisioned throughput


def test_an_increase_is_answered_with_the_old_units_and_its_time(any_service: Any) -> None:
    any_service.create(ProvisionedThroughput=units(1, 1))
    any_service.now += 60.25
    answer = any_service.update(ProvisionedThroughput=units(2, 1))
    increased = {"LastIncreaseDateTime": any_service.now, "NumberOfDecreasesToday": 0}
    assert answer["TableStatus"] == "UPDATING"
    assert answer["ProvisionedThroughput"] == units(1, 1) | increased
    described = any_service.describe()
    assert described["TableStatus"] == "ACTIVE"
    assert described["ProvisionedThroughput"] == units(2, 1) | increased


def test_a_decrease_is_counted_once_the_table_is_active(any_service: Any) -> None:
    any_service.create(ProvisionedThroughput=units(5, 5))
    answer = any_service.update(ProvisionedThroughput=units(4, 4))
    decreased = {"LastDecreaseDateTime": any_service.now}
    assert answer["ProvisionedThroughput"] == units(5, 5) | decreased | {"NumberOfDecreasesToday": 0}
    assert any_service.describe()["ProvisionedThroughput"] == units(4, 4) | decreased | {
        "NumberOfDecreasesToday": 1
    }
    any_service.now += 86_400
    assert any_service.describe()["ProvisionedThroughput"]["NumberOfDecreasesToday"] == 0


def test_one_up_and_one_down_is_both(any_service: Any) -> None:
    any_service.create(ProvisionedThroughput=units(5, 5))
    any_service.update(ProvisionedThroughput=units(6, 4))
    throughput = any_service.describe()["ProvisionedThroughput"]
    assert throughput["LastIncreaseDateTime"] == throughput["LastDecreaseDateTime"] == any_service.now


def test_the_fifth_decrease_of_a_day_is_refused_and_changes_nothing(any_service: Any) -> None:
    any_service.create(ProvisionedThroughput=units(10, 10))
    for read in (9, 8, 7, 6):
        any_service.update(ProvisionedThroughput=units(read, 10))
    before = any_service.describe()
    error, message = any_service.refusal("UpdateTable", TableName="Music", ProvisionedThroughput=units(5, 11))
    assert error == "LimitExceededException"
    assert "Number of decreases today: 4." in message
    assert any_service.describe() == before
    any_service.now += 3_600
    any_service.update(ProvisionedThroughput=units(5, 11))
    assert any_service.describe()["ProvisionedThroughput"]["NumberOfDecreasesToday"] == 5


@pytest.mark.parametrize("mode", [{}, {"BillingMode": "PROVISIONED"}])
def test_the_same_units_are_refused(any_service: Any, mode: dict[str, str]) -> None:
    any_service.create(ProvisionedThroughput=units(1, 2))
    assert any_service.refusal(
        "UpdateTable", TableName="Music", ProvisionedThroughput=units(1, 2), **mode
    ) == (
        "ValidationException",
        "The provisioned throughput for the table will not change. The requested value equals the "
        "current value. "
        "Current ReadCapacityUnits provisioned for the table: 1. Requested ReadCapacityUnits: 1. "
        "Current WriteCapacityUnits provisioned for the table: 2. Requested WriteCapacityUnits: 2. "
        "Refer to the Amazon DynamoDB Developer Guide for current limits and how to request higher limits.",
    )


def test_units_on_an_on_demand_table(any_service: Any) -> None:
    any_service.create()
    assert any_service.refusal("UpdateTable", TableName="Music", ProvisionedThroughput=units(1, 1)) == (
        "ValidationException",
        PREFIX + "Neither ReadCapacityUnits nor WriteCapacityUnits can be specified "
        "when BillingMode is PAY_PER_REQUEST",
    )


# Billing mode


def test_from_provisioned_to_on_demand_and_back(any_service: Any) -> None:
    any_service.create(ProvisionedThroughput=units(3, 3))
    assert "BillingModeSummary" not in any_service.describe()
    any_service.now += 60
    switched = any_service.now
    answer = any_service.update(BillingMode="PAY_PER_REQUEST")
    assert answer["TableStatus"] == "UPDATING"
    assert answer["BillingModeSummary"] == {"BillingMode": "PAY_PER_REQUEST"}
    described = any_service.describe()
    assert described["BillingModeSummary"] == {
        "BillingMode": "PAY_PER_REQUEST",
        "LastUpdateToPayPerRequestDateTime": switched,
    }
    assert described["ProvisionedThroughput"] == units(0, 0) | {"NumberOfDecreasesToday": 0}
    assert described["WarmThroughput"] == warm(12_000, 4_000)
    any_service.now += 60
    any_service.update(BillingMode="PROVISIONED", ProvisionedThroughput=units(1, 5_000))
    described = any_service.describe()
    assert described["BillingModeSummary"] == {
        "BillingMode": "PROVISIONED",
        "LastUpdateToPayPerRequestDateTime": switched,
    }
    assert described["ProvisionedThroughput"] == units(1, 5_000) | {"NumberOfDecreasesToday": 0}
    assert described["WarmThroughput"] == warm(12_000, 5_000)


def test_the_same_billing_mode_again_is_no_change(any_service: Any) -> None:
    any_service.create()
    before = any_service.describe()
    any_service.now += 60
    assert any_service.update(BillingMode="PAY_PER_REQUEST")["TableStatus"] == "UPDATING"
    assert any_service.describe() == before


def test_leaving_on_demand_drops_its_limits(any_service: Any) -> None:
    any_service.create(OnDemandThroughput={"MaxReadRequestUnits": 10})
    any_service.update(BillingMode="PROVISIONED", ProvisionedThroughput=units(1, 1))
    any_service.update(BillingMode="PAY_PER_REQUEST")
    assert "OnDemandThroughput" not in any_service.describe()


# On-demand and warm throughput


def test_limits_are_merged_and_taken_off_one_by_one(any_service: Any) -> None:
    any_service.create()
    steps: list[tuple[dict[str, int], dict[str, int], dict[str, int] | None]] = [
        (
            {"MaxReadRequestUnits": 1000, "MaxWriteRequestUnits": 500},
            {"MaxReadRequestUnits": 1000, "MaxWriteRequestUnits": 500},
            {"MaxReadRequestUnits": 1000, "MaxWriteRequestUnits": 500},
        ),
        (
            {"MaxReadRequestUnits": 2000},
            {"MaxReadRequestUnits": 2000, "MaxWriteRequestUnits": 500},
            {"MaxReadRequestUnits": 2000, "MaxWriteRequestUnits": 500},
        ),
        (
            {"MaxReadRequestUnits": -1},
            {"MaxReadRequestUnits": -1, "MaxWriteRequestUnits": 500},
            {"MaxWriteRequestUnits": 500},
        ),
        ({"MaxWriteRequestUnits": -1}, {"MaxWriteRequestUnits": -1}, None),
        ({"MaxReadRequestUnits": -1}, {"MaxReadRequestUnits": -1}, None),
    ]
    for given, answered, described in steps:
        answer = any_service.update(OnDemandThroughput=given)
        assert (answer["TableStatus"], answer["OnDemandThroughput"]) == ("ACTIVE", answered)
        assert any_service.describe().get("OnDemandThroughput") == described


def test_limits_come_with_the_switch_to_on_demand(any_service: Any) -> None:
    any_service.create(ProvisionedThroughput=units(1, 1))
    any_service.update(BillingMode="PAY_PER_REQUEST", OnDemandThroughput={"MaxReadRequestUnits": 7})
    assert any_service.describe()["OnDemandThroughput"] == {"MaxReadRequestUnits": 7}


@pytest.mark.parametrize(
    ("table", "given", "message"),
    [
        ({}, {"MaxWriteRequestUnits": 0}, "Requested MaxWriteRequestUnits for OnDemandThroughput for table "),
        ({}, {"MaxReadRequestUnits": -2}, "Requested MaxReadRequestUnits for OnDemandThroughput for table "),
    ],
)
def test_limits_out_of_range(
    any_service: Any, table: dict[str, Any], given: dict[str, int], message: str
) -> None:
    any_service.create(**table)
    assert any_service.refusal("UpdateTable", TableName="Music", OnDemandThroughput=given) == (
        "ValidationException",
        PREFIX + message + "is outside of valid range",
    )


def test_limits_on_a_provisioned_table(any_service: Any) -> None:
    any_service.create(ProvisionedThroughput=units(1, 1))
    assert any_service.refusal(
        "UpdateTable", TableName="Music", OnDemandThroughput={"MaxReadRequestUnits": 5}
    ) == (
        "ValidationException",
        PREFIX
        + "MaxReadRequestUnits for OnDemandThroughput cannot be specified when the table BillingMode is "
        "PROVISIONED",
    )


def test_warm_throughput_rises_while_the_table_stays_active(any_service: Any) -> None:
    any_service.create()
    answer = any_service.update(WarmThroughput={"WriteUnitsPerSecond": 4_001})
    assert answer["TableStatus"] == "ACTIVE"
    assert answer["WarmThroughput"] == warm(12_000, 4_000, "UPDATING")
    assert any_service.describe()["WarmThroughput"] == warm(12_000, 4_001)
    any_service.update(WarmThroughput={"ReadUnitsPerSecond": 12_000, "WriteUnitsPerSecond": 4_001})
    assert any_service.refusal(
        "UpdateTable", TableName="Music", WarmThroughput={"WriteUnitsPerSecond": 4_000}
    ) == (
        "ValidationException",
        PREFIX
        + "Requested WriteUnitsPerSecond for WarmThroughput for table is lower than current WarmThroughput, "
        "decreasing WarmThroughput is not supported",
    )


def test_warm_throughput_of_a_provisioned_table_is_the_most_it_ever_had(any_service: Any) -> None:
    any_service.create(ProvisionedThroughput=units(1, 1))
    assert any_service.describe()["WarmThroughput"] == warm(1, 1)
    for changed in (units(3, 3), units(1, 1), units(2, 1)):
        any_service.update(ProvisionedThroughput=changed)
    assert any_service.describe()["WarmThroughput"] == warm(3, 3)


# Table class, protection


def test_a_table_class_is_answered_with_the_old_one(any_service: Any) -> None:
    any_service.create()
    any_service.now += 60
    answer = any_service.update(TableClass="STANDARD_INFREQUENT_ACCESS")
    assert answer["TableStatus"] == "UPDATING"
    assert "TableClassSummary" not in answer
    assert any_service.describe()["TableClassSummary"] == {
        "TableClass": "STANDARD_INFREQUENT_ACCESS",
        "LastUpdateDateTime": any_service.now,
    }


def test_the_default_table_class_is_no_change(any_service: Any) -> None:
    any_service.create()
    for _ in range(5):
        assert any_service.update(TableClass="STANDARD")["TableStatus"] == "UPDATING"
    assert "TableClassSummary" not in any_service.describe()


def test_the_third_table_class_in_thirty_days_is_refused_even_if_it_is_no_change(any_service: Any) -> None:
    any_service.create()
    any_service.update(TableClass="STANDARD_INFREQUENT_ACCESS")
    any_service.update(TableClass="STANDARD")
    for table_class in ("STANDARD", "STANDARD_INFREQUENT_ACCESS"):
        error, _ = any_service.refusal("UpdateTable", TableName="Music", TableClass=table_class)
        assert error == "LimitExceededException"
    any_service.now += 31 * 86_400
    any_service.update(TableClass="STANDARD_INFREQUENT_ACCESS")


def test_deletion_protection_is_immediate(any_service: Any) -> None:
    any_service.create()
    for protected in (True, True, False):
        answer = any_service.update(DeletionProtectionEnabled=protected)
        assert (answer["TableStatus"], answer["DeletionProtectionEnabled"]) == ("ACTIVE", protected)
        assert any_service.describe()["DeletionProtectionEnabled"] is protected


# Streams


def test_a_stream_is_enabled_disabled_and_enabled_anew(any_service: Any) -> None:
    any_service.create()
    keys_only = {"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"}
    answer = any_service.update(StreamSpecification=keys_only)
    arn = "arn:aws:dynamodb:us-east-1:000000000000:table/Music/stream/2026-11-24T12:00:00.000"
    for description in (answer, any_service.describe()):
        assert description["StreamSpecification"] == keys_only
        assert description["LatestStreamLabel"] == "2026-11-24T12:00:00.000"
        assert description["LatestStreamArn"] == arn
    assert answer["TableStatus"] == "UPDATING"
    for view_type in ("KEYS_ONLY", "NEW_IMAGE"):
        again = {"StreamEnabled": True, "StreamViewType": view_type}
        assert any_service.refusal("UpdateTable", TableName="Music", StreamSpecification=again) == (
            "ValidationException",
            "Table already has an enabled stream: TableName: Music",
        )
    any_service.now += 1.5
    any_service.update(StreamSpecification={"StreamEnabled": False})
    described = any_service.describe()
    assert "StreamSpecification" not in described
    assert described["LatestStreamArn"] == arn
    assert any_service.refusal(
        "UpdateTable", TableName="Music", StreamSpecification={"StreamEnabled": False}
    ) == (
        "ValidationException",
        "Table has no stream to disable: TableName: Music",
    )
    any_service.update(StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"})
    assert any_service.describe()["LatestStreamLabel"] == "2026-11-24T12:00:01.500"


# Encryption


def test_encryption_with_the_managed_key_and_back(any_service: Any) -> None:
    any_service.create()
    answer = any_service.update(SSESpecification={"Enabled": True})
    assert answer["TableStatus"] == "ACTIVE"
    assert answer["SSEDescription"] == {"Status": "UPDATING"}
    managed = any_service.describe()["SSEDescription"]
    assert (managed["Status"], managed["SSEType"]) == (
        "DISABLED",
        "KMS",
    )  # what is in memory is not encrypted
    assert managed["KMSMasterKeyArn"].startswith("arn:aws:kms:us-east-1:000000000000:key/")
    answer = any_service.update(SSESpecification={"Enabled": False})
    assert answer["SSEDescription"] == managed | {"Status": "UPDATING"}
    assert "SSEDescription" not in any_service.describe()


@pytest.mark.parametrize("specification", [{}, {"Enabled": False}])
def test_turning_off_what_is_off(any_service: Any, specification: dict[str, bool]) -> None:
    any_service.create()
    assert any_service.refusal("UpdateTable", TableName="Music", SSESpecification=specification) == (
        "ValidationException",
        PREFIX + "Table is already encrypted by default",
    )


def test_the_same_key_is_refused_by_arn_and_taken_by_alias(any_service: Any) -> None:
    any_service.create()
    mine = {"SSEType": "KMS", "KMSMasterKeyId": "alias/mine"}
    any_service.update(SSESpecification=mine)
    arn = any_service.describe()["SSEDescription"]["KMSMasterKeyArn"]
    any_service.update(SSESpecification=mine)
    assert any_service.describe()["SSEDescription"]["KMSMasterKeyArn"] == arn
    by_arn = {"SSEType": "KMS", "KMSMasterKeyId": arn}
    assert any_service.refusal("UpdateTable", TableName="Music", SSESpecification=by_arn) == (
        "ValidationException",
        PREFIX + "Table is already encrypted with given KMSMasterKeyId. "
        "Use KMSMasterKeyId parameter if you want to change Master Key",
    )


def test_the_fifth_encryption_change_of_a_day_is_refused(any_service: Any) -> None:
    any_service.create()
    for enabled in (True, False, True, False):
        any_service.update(SSESpecification={"Enabled": enabled})
    error, message = any_service.refusal("UpdateTable", TableName="Music", SSESpecification={"Enabled": True})
    assert error == "LimitExceededException"
    assert "Number of updates today: 4." in message


# The table, and what is not there yet


def test_an_absent_table(any_service: Any) -> None:
    assert any_service.refusal("UpdateTable", TableName="Music", BillingMode="PAY_PER_REQUEST") == (
        "ResourceNotFoundException",
        "Requested resource not found: Table: Music not found",
    )


def test_the_request_is_checked_before_the_table_is_looked_up(any_service: Any) -> None:
    error, _ = any_service.refusal("UpdateTable", TableName="Music")
    assert error == "ValidationException"


def test_a_refused_change_applies_nothing(any_service: Any) -> None:
    any_service.create(ProvisionedThroughput=units(1, 1))
    before = any_service.describe()
    enabled = {"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"}
    any_service.update(StreamSpecification=enabled)
    error, _ = any_service.refusal(
        "UpdateTable", TableName="Music", BillingMode="PAY_PER_REQUEST", StreamSpecification=enabled
    )
    assert error == "ValidationException"
    assert any_service.describe()["ProvisionedThroughput"] == before["ProvisionedThroughput"]
    assert "BillingModeSummary" not in any_service.describe()


def test_attribute_definitions_beside_another_change_are_ignored(any_service: Any) -> None:
    any_service.create()
    retyped = [{"AttributeName": "pk", "AttributeType": "N"}]
    any_service.update(AttributeDefinitions=retyped, DeletionProtectionEnabled=True)
    assert any_service.describe()["AttributeDefinitions"] == [{"AttributeName": "pk", "AttributeType": "S"}]


@pytest.mark.parametrize(
    "change",
    [
        {"ReplicaUpdates": [{"Create": {"RegionName": "eu-west-1"}}]},
        {"VectorIndexUpdates": [{"Delete": {"IndexName": "vector"}}]},
        {"GlobalTableSettingsReplicationMode": "ENABLED"},
    ],
)
def test_changes_of_features_not_there_yet_are_unknown(any_service: Any, change: dict[str, Any]) -> None:
    any_service.create()
    error, _ = any_service.refusal("UpdateTable", TableName="Music", **change)
    assert error == "UnknownOperationException"
