"""What a deleted table leaves, and when that goes, while the clock stands still."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from alt.storage.sqlite import deleted_tables
from tests.operations.conftest import NOON, Service

DAY = 86_400.0
ARN = "arn:aws:dynamodb:us-east-1:000000000000:table/Music/stream/2026-11-24T12:00:00.000"
STREAM = {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}


@pytest.fixture(params=["disk", "memory"])
def service(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Service]:
    running = Service(directory=tmp_path if request.param == "disk" else None)
    yield running
    asyncio.run(running.store.close())


def work(service: Any) -> None:
    """What a server does every few minutes in the background, to its end."""

    async def until_done() -> None:
        service.store.serves = True
        await service.store.deleted_tables.work()
        for _, table in service.store.open_tables:
            await table.drain()
        service.store.serves = False

    asyncio.run(until_done())


def recover(service: Any, name: str = "Music") -> None:
    service(
        "UpdateContinuousBackups",
        TableName=name,
        PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True},
    )


def put(service: Any, pk: str, name: str = "Music") -> None:
    service("PutItem", TableName=name, Item={"pk": {"S": pk}})


def streams(service: Any) -> list[str]:
    return [stream["StreamArn"] for stream in service("ListStreams")["Streams"]]


def backups(service: Any) -> list[Any]:
    found: list[Any] = service("ListBackups", BackupType="SYSTEM")["BackupSummaries"]
    return found


def files(directory: Path) -> list[str]:
    return sorted(path.suffix for folder in ("tables", "backups") for path in (directory / folder).iterdir())


def test_a_stream_stays_for_a_day(any_service: Any) -> None:
    any_service.context.stream_shards = 1
    any_service.create(StreamSpecification=STREAM)
    put(any_service, "a")
    any_service.now += 60
    any_service("DeleteTable", TableName="Music")
    assert streams(any_service) == [ARN]
    description = any_service("DescribeStream", StreamArn=ARN)["StreamDescription"]
    assert description["StreamStatus"] == "DISABLED"
    (shard,) = description["Shards"]
    assert shard["SequenceNumberRange"] == {
        "StartingSequenceNumber": f"{10**20 + 1}",
        "EndingSequenceNumber": f"{10**20 + 1}",
    }
    any_service.now += DAY - 61
    iterator = any_service(
        "GetShardIterator", StreamArn=ARN, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
    )["ShardIterator"]
    answer = any_service("GetRecords", ShardIterator=iterator)
    assert [record["eventName"] for record in answer["Records"]] == ["INSERT"]
    assert "NextShardIterator" not in answer
    any_service.now += 61
    assert streams(any_service) == []
    for operation, request in (
        ("DescribeStream", {"StreamArn": ARN}),
        ("GetRecords", {"ShardIterator": iterator}),
        (
            "GetShardIterator",
            {"StreamArn": ARN, "ShardId": shard["ShardId"], "ShardIteratorType": "LATEST"},
        ),
    ):
        assert any_service.refusal(operation, **request) == (
            "ResourceNotFoundException",
            f"Requested resource not found: Stream: {ARN} not found",
        )


def test_no_two_streams_have_one_arn(any_service: Any) -> None:
    """Not even those of tables of one name that were made in one millisecond."""
    for _ in range(3):
        any_service.create(StreamSpecification=STREAM)
        any_service("DeleteTable", TableName="Music")
    assert [arn[-4:] for arn in streams(any_service)] == [".000", ".001", ".002"]


def test_what_is_left_goes_when_its_time_is_over(service: Any, tmp_path: Path) -> None:
    is_on_disk = (tmp_path / "tables").exists()
    for name in ("Music", "Films"):
        service.create(name, StreamSpecification=STREAM)
        recover(service, name)
        put(service, "a", name)
        service("DeleteTable", TableName=name)
    work(service)
    assert [backup["BackupName"] for backup in backups(service)] == [
        "Films$DeletedTableBackup",
        "Music$DeletedTableBackup",
    ]
    # Both were deleted in one millisecond.
    assert len({backup["BackupArn"].rpartition("/")[2] for backup in backups(service)}) == 2
    if is_on_disk:
        assert [each for each in files(tmp_path) if each == ".db"] == [".db"] * 4
    service.now = NOON + DAY + 1
    work(service)
    assert streams(service) == []
    assert {backup["BackupStatus"] for backup in backups(service)} == {"AVAILABLE"}
    if is_on_disk:
        assert files(tmp_path) == [".db", ".db"]
    arn = backups(service)[0]["BackupArn"]
    service("RestoreTableFromBackup", BackupArn=arn, TargetTableName="Again")
    service.now = NOON + 35 * DAY + 1
    work(service)
    assert [backup["BackupArn"] for backup in backups(service)] == [arn]  # it is being read
    service.finish_restore("Again")
    assert service("Scan", TableName="Again")["Items"] == [{"pk": {"S": "a"}}]
    service("DeleteTable", TableName="Again")
    work(service)
    assert backups(service) == []
    if is_on_disk:
        assert files(tmp_path) == []


def test_a_backup_that_fails_is_tried_again(
    service: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    service.create()
    recover(service)
    put(service, "a")

    def fail(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    async def fail_in_memory(*_: Any) -> None:
        fail()

    with monkeypatch.context() as patched:
        patched.setattr("alt.storage.sqlite.copies.copying.write_file", fail)
        patched.setattr("alt.storage.sqlite.copies.copying.copy_in_steps", fail_in_memory)
        service("DeleteTable", TableName="Music")
        work(service)
        assert [backup["BackupStatus"] for backup in backups(service)] == ["CREATING"]
    assert "backup Music$DeletedTableBackup of Music failed" in caplog.text
    work(service)
    (backup,) = backups(service)
    assert backup["BackupStatus"] == "AVAILABLE"
    service("RestoreTableFromBackup", BackupArn=backup["BackupArn"], TargetTableName="Again")
    service.finish_restore("Again")
    assert service("Scan", TableName="Again")["Items"] == [{"pk": {"S": "a"}}]


def test_memory_is_not_filled_with_deleted_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deleted_tables, "MAX_IN_MEMORY", 2)
    service = Service()
    for name in ("One", "Two", "Three"):
        service.create(name, StreamSpecification=STREAM)
        service("DeleteTable", TableName=name)
    work(service)
    assert [stream["TableName"] for stream in service("ListStreams")["Streams"]] == ["Three", "Two"]
    assert len(service.store.open_tables) == 2
    asyncio.run(service.store.close())
