"""Continuous backups and restores to a point in time, while the clock stands still."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from alt.storage.sqlite.copies import recovery
from alt.storage.sqlite.maintenance.log_trimming import LogTrim

NOON = 1_795_521_600.0  # conftest.py
DAY = 86_400.0
ARN = "arn:aws:dynamodb:us-east-1:000000000000:table/Music"
OUTSIDE = (
    "InvalidRestoreTimeException",
    "An invalid restore time was specified. RestoreDateTime must be between "
    "EarliestRestorableDateTime and LatestRestorableDateTime.",
)
UNAVAILABLE = (
    "PointInTimeRecoveryUnavailableException",
    "Point in time recovery is not enabled for table 'Music'",
)
BY_OWNER = {
    "IndexName": "by-owner",
    "KeySchema": [{"AttributeName": "owner", "KeyType": "HASH"}],
    "Projection": {"ProjectionType": "ALL"},
}


def switch(service: Any, enabled: bool, **members: Any) -> Any:
    answer = service(
        "UpdateContinuousBackups",
        TableName="Music",
        PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": enabled, **members},
    )
    assert answer == service("DescribeContinuousBackups", TableName="Music")
    return description(service)


def description(service: Any) -> Any:
    described = service("DescribeContinuousBackups", TableName="Music")["ContinuousBackupsDescription"]
    assert described["ContinuousBackupsStatus"] == "ENABLED"
    return described["PointInTimeRecoveryDescription"]


def put(service: Any, pk: str, **attributes: str) -> None:
    item = {"pk": {"S": pk}, **{name: {"S": text} for name, text in attributes.items()}}
    service("PutItem", TableName="Music", Item=item)


def delete(service: Any, pk: str) -> None:
    service("DeleteItem", TableName="Music", Key={"pk": {"S": pk}})


def items(service: Any, table: str = "Music", **request: Any) -> list[Any]:
    found = service("Scan", TableName=table, **request)["Items"]
    return sorted(found, key=lambda item: str(item["pk"]["S"]))


def restore(service: Any, **request: Any) -> list[Any]:
    """The items of a table restored as Copy, which is gone again."""
    service("RestoreTableToPointInTime", SourceTableName="Music", TargetTableName="Copy", **request)
    service.finish_restore("Copy")
    found = items(service, "Copy")
    assert service.describe("Copy")["ItemCount"] == len(found)
    service("DeleteTable", TableName="Copy")
    return found


@pytest.fixture
def recoverable(service: Any) -> Any:
    """With a table that has an index and can be restored to any moment since noon."""
    service.create(
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "owner")],
        GlobalSecondaryIndexes=[BY_OWNER],
    )
    switch(service, True)
    return service


def test_what_is_described(any_service: Any) -> None:
    any_service.create()
    off = {"PointInTimeRecoveryStatus": "DISABLED"}
    assert description(any_service) == off
    assert switch(any_service, False) == off
    any_service.now += 0.25
    assert switch(any_service, True) == {
        "PointInTimeRecoveryStatus": "ENABLED",
        "RecoveryPeriodInDays": 35,
        "EarliestRestorableDateTime": NOON + 0.25,
        "LatestRestorableDateTime": NOON + 0.25,
    }
    any_service.now += 10.5
    described = switch(any_service, True, RecoveryPeriodInDays=2)
    assert described["RecoveryPeriodInDays"] == 2
    assert described["EarliestRestorableDateTime"] == NOON + 1
    assert described["LatestRestorableDateTime"] == NOON + 10.75
    any_service.now += 3 * DAY
    assert description(any_service)["EarliestRestorableDateTime"] == NOON + 11 + DAY
    # What a period of two days let go does not come back.
    assert switch(any_service, True)["EarliestRestorableDateTime"] == NOON + 11 + DAY
    assert switch(any_service, False) == off
    any_service.now += 7
    assert switch(any_service, True)["EarliestRestorableDateTime"] == any_service.now


def test_any_moment_can_be_had(recoverable: Any) -> None:
    moments = [(NOON, items(recoverable))]
    steps: list[Callable[[], None]] = [
        lambda: put(recoverable, "a", owner="x"),
        lambda: put(recoverable, "b"),
        lambda: put(recoverable, "a", owner="y"),
        lambda: delete(recoverable, "b"),
        lambda: put(recoverable, "b", owner="x"),
        lambda: delete(recoverable, "a"),
    ]
    for step in steps:
        recoverable.now += 1.5
        step()
        moments.append((recoverable.now, items(recoverable)))
    now = items(recoverable)
    recoverable.now += 1.5
    for moment, then in moments:
        assert restore(recoverable, RestoreDateTime=moment) == then
        assert restore(recoverable, RestoreDateTime=moment + 1) == then
    assert restore(recoverable, UseLatestRestorableTime=True) == now
    assert items(recoverable) == now


def test_undoing_goes_in_steps(recoverable: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recovery, "STEP_CHANGES", 3)
    put(recoverable, "a", x="before")
    recoverable.now += 1
    for number in range(20):
        put(recoverable, "a" if number % 2 else f"{number}", x=f"{number}")
    delete(recoverable, "a")
    monkeypatch.setattr(recovery, "STEP_BYTES", 10)
    assert restore(recoverable, RestoreDateTime=NOON) == [{"pk": {"S": "a"}, "x": {"S": "before"}}]


def test_indexes_are_those_of_the_moment(recoverable: Any) -> None:
    put(recoverable, "a", owner="x")
    put(recoverable, "b", owner="y")
    recoverable.now += 1
    put(recoverable, "a", owner="y")
    delete(recoverable, "b")
    recoverable(
        "RestoreTableToPointInTime", SourceTableName="Music", TargetTableName="Copy", RestoreDateTime=NOON
    )
    recoverable.finish_restore("Copy")
    owners = [item["owner"]["S"] for item in items(recoverable, "Copy", IndexName="by-owner")]
    assert owners == ["x", "y"]
    (index,) = recoverable.describe("Copy")["GlobalSecondaryIndexes"]
    assert (index["IndexName"], index["ItemCount"]) == ("by-owner", 2)


@pytest.mark.inside_sqlite
def test_a_restored_table_begins_anew(recoverable: Any) -> None:
    recoverable.update(StreamSpecification={"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"})
    put(recoverable, "a")
    recoverable.now += 1
    put(recoverable, "b")
    answer = recoverable(
        "RestoreTableToPointInTime",
        SourceTableArn=ARN,
        TargetTableName="Copy",
        RestoreDateTime=NOON + 0.5,
        GlobalSecondaryIndexOverride=[],
        BillingModeOverride="PROVISIONED",
        ProvisionedThroughputOverride={"ReadCapacityUnits": 3, "WriteCapacityUnits": 4},
    )["TableDescription"]
    assert answer["TableStatus"] == "CREATING"
    assert answer["RestoreSummary"] == {
        "SourceTableArn": ARN,
        "RestoreDateTime": NOON + 0.5,
        "RestoreInProgress": True,
    }
    recoverable.finish_restore("Copy")
    described = recoverable.describe("Copy")
    assert described["TableStatus"] == "ACTIVE"
    assert described["RestoreSummary"] == answer["RestoreSummary"] | {"RestoreInProgress": False}
    assert "GlobalSecondaryIndexes" not in described
    assert "LatestStreamArn" not in described
    assert described["ProvisionedThroughput"]["WriteCapacityUnits"] == 4
    recovery_of_copy = recoverable("DescribeContinuousBackups", TableName="Copy")
    assert recovery_of_copy["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"] == {
        "PointInTimeRecoveryStatus": "DISABLED"
    }
    assert recoverable.context.table("Copy").log.last() == 0


def test_moments_that_cannot_be_had(service: Any) -> None:
    service.create()
    assert refused(service, UseLatestRestorableTime=True) == UNAVAILABLE
    service.now += 1
    switch(service, True, RecoveryPeriodInDays=1)
    assert refused(service, RestoreDateTime=NOON + 0.999) == OUTSIDE
    assert refused(service, RestoreDateTime=NOON + 1.001) == OUTSIDE
    service.now += DAY + 10
    assert refused(service, RestoreDateTime=NOON + 10.999) == OUTSIDE
    assert restore(service, RestoreDateTime=NOON + 11) == []
    switch(service, False)
    assert refused(service, RestoreDateTime=NOON + 11) == UNAVAILABLE


def refused(service: Any, **request: Any) -> Any:
    return service.refusal(
        "RestoreTableToPointInTime", **{"SourceTableName": "Music", "TargetTableName": "Copy", **request}
    )


def test_refused_requests(recoverable: Any) -> None:
    now = {"UseLatestRestorableTime": True}
    for operation in ("DescribeContinuousBackups", "UpdateContinuousBackups"):
        request = {"PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True}}
        assert recoverable.refusal(operation, TableName="Absent", **request) == (
            "TableNotFoundException",
            "Table not found: Absent",
        )
    absent = refused(recoverable, SourceTableName="Absent", **now)
    assert absent == ("TableNotFoundException", "Table not found: Absent")
    taken = refused(recoverable, TargetTableName="Music", **now)
    assert taken == ("TableAlreadyExistsException", "Table already exists: Music")
    for request in (
        {},
        {"RestoreDateTime": NOON, **now},
        {"SourceTableName": None, **now},
        {"SourceTableArn": ARN, **now},
        {"BillingModeOverride": "PROVISIONED", **now},
    ):
        assert refused(recoverable, **request)[0] == "ValidationException"
    assert refused(recoverable, SourceTableName=None, SourceTableArn="Music", **now) == (
        "ValidationException",
        "Invalid TableArn: Invalid ResourceArn provided as input Music",
    )


@pytest.mark.inside_sqlite
def test_the_log_is_trimmed_to_the_period(recoverable: Any) -> None:
    switch(recoverable, True, RecoveryPeriodInDays=2)
    put(recoverable, "a", x="1")
    recoverable.now += DAY
    put(recoverable, "a", x="2")
    recoverable.now += DAY + 1
    put(recoverable, "a", x="3")
    asyncio.run(LogTrim(recoverable.store, recoverable.context.clock).trim_all())
    assert recoverable.context.table("Music").log.trimmed() == 1
    found = [restore(recoverable, RestoreDateTime=NOON + seconds) for seconds in (1, DAY, 2 * DAY + 1)]
    assert [item["x"]["S"] for (item,) in found] == ["1", "2", "3"]


@pytest.mark.inside_sqlite
@pytest.mark.parametrize("lost", ["the log was off", "changes were trimmed", "the table is another"])
def test_a_restore_whose_past_is_lost_meanwhile_leaves_no_table(
    recoverable: Any, caplog: pytest.LogCaptureFixture, lost: str
) -> None:
    """Rather none than a wrong one."""
    put(recoverable, "a")
    recoverable.now += 1
    put(recoverable, "b")
    recoverable(
        "RestoreTableToPointInTime", SourceTableName="Music", TargetTableName="Copy", RestoreDateTime=NOON
    )
    if lost == "the log was off":
        switch(recoverable, False)
        switch(recoverable, True)
    elif lost == "changes were trimmed":
        table = recoverable.context.table("Music")

        async def trim() -> None:
            await table.submit(lambda: table.log.trim(NOON + 2))

        asyncio.run(trim())
    else:
        recoverable("DeleteTable", TableName="Music")
        recoverable.create()
        switch(recoverable, True)
    recoverable.finish_restore("Copy")
    assert recoverable("ListTables")["TableNames"] == ["Music"]
    assert "OriginLostError" in caplog.text


def test_a_clock_that_is_set_back_hides_nothing_that_came_before(recoverable: Any) -> None:
    put(recoverable, "a", x="1")
    recoverable.now += 10
    recoverable.clock_error = -30 * DAY
    put(recoverable, "a", x="2")
    latest = recoverable("DescribeContinuousBackups", TableName="Music")["ContinuousBackupsDescription"]
    assert latest["PointInTimeRecoveryDescription"]["LatestRestorableDateTime"] == NOON
    (item,) = restore(recoverable, UseLatestRestorableTime=True)
    assert item["x"]["S"] == "2"
    recoverable.clock_error = 0.0
    put(recoverable, "a", x="3")
    found = [restore(recoverable, RestoreDateTime=NOON + seconds) for seconds in (9, 10)]
    assert [item["x"]["S"] for (item,) in found] == ["2", "3"]


@pytest.mark.inside_sqlite
def test_so_many_restores_at_a_time(recoverable: Any) -> None:
    arn = recoverable("CreateBackup", TableName="Music", BackupName="backup")["BackupDetails"]["BackupArn"]
    latest = {"SourceTableName": "Music", "UseLatestRestorableTime": True}
    for number in range(50):
        recoverable("RestoreTableToPointInTime", **latest, TargetTableName=f"Copy-{number}")
    too_many = (
        "LimitExceededException",
        "Subscriber limit exceeded: Only 50 restore operations can be done simultaneously",
    )
    assert recoverable.refusal("RestoreTableToPointInTime", **latest, TargetTableName="More") == too_many
    assert recoverable.refusal("RestoreTableFromBackup", BackupArn=arn, TargetTableName="More") == too_many
    recoverable.finish_restore("Copy-0")
    recoverable("RestoreTableFromBackup", BackupArn=arn, TargetTableName="More")
