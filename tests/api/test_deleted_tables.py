"""What a deleted table leaves: its streams for a day, and a backup if point-in-time recovery was on."""

from __future__ import annotations

import time
from datetime import UTC
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.api.test_streams import create, key_of, read_shards, replay, scan, write

DAYS_35 = 35 * 86_400


@pytest.fixture(params=["disk", "memory"])
def any_server(request: pytest.FixtureRequest, start_server: Any, tmp_path: Path) -> Any:
    """One without any table."""
    if request.param == "disk":
        return start_server("--data-dir", tmp_path)
    return request.getfixturevalue("alt_server")


def switch(client: Any, name: str, enabled: bool) -> None:
    client.update_continuous_backups(
        TableName=name, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": enabled}
    )


def described(streams: Any, arn: str) -> Any:
    return streams.describe_stream(StreamArn=arn)["StreamDescription"]


def listed(streams: Any, **request: Any) -> list[str]:
    return [stream["StreamArn"] for stream in streams.list_streams(**request)["Streams"]]


def system_backups(client: Any, **request: Any) -> list[Any]:
    found: list[Any] = client.list_backups(BackupType="SYSTEM", **request)["BackupSummaries"]
    return found


def awaited(client: Any, name: str) -> Any:
    """The system backup of a table, once it can be restored."""
    end = time.monotonic() + 60
    while True:
        (backup,) = system_backups(client, TableName=name)
        if backup["BackupStatus"] == "AVAILABLE":
            return backup
        assert time.monotonic() < end
        time.sleep(0.02)


def items(client: Any, arn: str, name: str) -> Any:
    """Those of a table restored from a backup."""
    client.restore_table_from_backup(BackupArn=arn, TargetTableName=name)
    client.get_waiter("table_exists").wait(TableName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    return scan(client, name)


def test_its_stream_can_still_be_read(any_server: Any) -> None:
    client, streams = any_server.client(), any_server.client("dynamodbstreams")
    arn = create(client, "Music")
    for number in range(20):
        write(client, "Music", ("put", (f"p{number}", "1"), {"x": {"N": str(number)}}))
    write(client, "Music", ("delete", ("p0", "1")))
    before = scan(client, "Music")
    latest = {
        shard["ShardId"]: streams.get_shard_iterator(
            StreamArn=arn, ShardId=shard["ShardId"], ShardIteratorType="LATEST"
        )["ShardIterator"]
        for shard in described(streams, arn)["Shards"]
    }
    client.delete_table(TableName="Music")
    assert client.list_tables()["TableNames"] == []
    assert listed(streams) == listed(streams, TableName="Music") == [arn]
    description = described(streams, arn)
    assert (description["StreamStatus"], description["TableName"]) == ("DISABLED", "Music")
    assert all("EndingSequenceNumber" in shard["SequenceNumberRange"] for shard in description["Shards"])
    shards = read_shards(streams, arn)
    assert replay(shards) == before
    assert sum(map(len, shards)) == 21
    for iterator in latest.values():  # from before the deletion
        answer = streams.get_records(ShardIterator=iterator)
        assert answer["Records"] == []
        assert "NextShardIterator" not in answer
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        client.put_item(TableName="Music", Item=key_of(("late", "1")))


def test_a_stream_that_was_off_already(any_server: Any) -> None:
    client, streams = any_server.client(), any_server.client("dynamodbstreams")
    arn = create(client, "Music")
    write(client, "Music", ("put", ("p", "1"), {}))
    client.update_table(TableName="Music", StreamSpecification={"StreamEnabled": False})
    write(client, "Music", ("put", ("p", "2"), {}))
    client.delete_table(TableName="Music")
    assert listed(streams) == [arn]
    assert sum(map(len, read_shards(streams, arn))) == 1


def test_a_new_table_of_the_name_has_a_stream_of_its_own(any_server: Any) -> None:
    client, streams = any_server.client(), any_server.client("dynamodbstreams")
    arns = []
    for number in range(3):
        arns.append(create(client, "Music"))
        for each in range(number + 1):
            write(client, "Music", ("put", ("p", str(each)), {}))
        if number < 2:
            client.delete_table(TableName="Music")
    assert listed(streams) == arns == sorted(set(arns))
    assert [sum(map(len, read_shards(streams, arn))) for arn in arns] == [1, 2, 3]
    assert [described(streams, arn)["StreamStatus"] for arn in arns] == ["DISABLED", "DISABLED", "ENABLED"]
    assert listed(streams, ExclusiveStartStreamArn=arns[0], Limit=1) == [arns[1]]


def test_a_table_without_a_stream_leaves_none(any_server: Any) -> None:
    client, streams = any_server.client(), any_server.client("dynamodbstreams")
    create(client, "Music", StreamSpecification={"StreamEnabled": False})
    client.delete_table(TableName="Music")
    assert listed(streams) == system_backups(client) == []


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_what_is_left_outlives_the_server(start_server: Any, tmp_path: Path, end: str) -> None:
    server = start_server("--data-dir", tmp_path)
    client = server.client()
    arn = create(client, "Music")
    switch(client, "Music", True)
    for number in range(5):
        write(client, "Music", ("put", ("p", str(number)), {}))
    before = scan(client, "Music")
    client.delete_table(TableName="Music")
    getattr(server, end)()
    server = start_server("--data-dir", tmp_path)
    client, streams = server.client(), server.client("dynamodbstreams")
    assert client.list_tables()["TableNames"] == []
    assert described(streams, arn)["StreamStatus"] == "DISABLED"
    assert replay(read_shards(streams, arn)) == before
    assert items(client, awaited(client, "Music")["BackupArn"], "Again") == before


def test_the_backup_of_a_table_with_recovery(any_server: Any) -> None:
    client = any_server.client()
    create(client, "Music", StreamSpecification={"StreamEnabled": False})
    switch(client, "Music", True)
    for number in range(5):
        write(client, "Music", ("put", ("p", str(number)), {"x": {"S": "y"}}))
    before = scan(client, "Music")
    asked = time.time()
    deleted = client.delete_table(TableName="Music")["TableDescription"]
    backup = awaited(client, "Music")
    arn = backup["BackupArn"]
    created, expires = backup["BackupCreationDateTime"], backup["BackupExpiryDateTime"]
    assert created.timestamp() == pytest.approx(asked, abs=60)
    assert (expires - created).total_seconds() == DAYS_35
    assert backup == {
        "TableName": "Music",
        "TableId": deleted["TableId"],
        "TableArn": deleted["TableArn"],
        "BackupArn": f"{deleted['TableArn']}/backup/{round(created.timestamp() * 1000):014d}-00000000",
        "BackupName": "Music$DeletedTableBackup",
        "BackupSizeBytes": deleted["TableSizeBytes"],
        "BackupStatus": "AVAILABLE",
        "BackupType": "SYSTEM",
        "BackupCreationDateTime": created,
        "BackupExpiryDateTime": expires,
    }
    described = client.describe_backup(BackupArn=arn)["BackupDescription"]
    assert described["SourceTableDetails"]["ItemCount"] == 5
    assert described["SourceTableFeatureDetails"] == {}
    assert client.list_backups()["BackupSummaries"] == []
    assert [each["BackupArn"] for each in client.list_backups(BackupType="ALL")["BackupSummaries"]] == [arn]
    with pytest.raises(ClientError) as refused:
        client.delete_backup(BackupArn=arn)
    error = refused.value.response["Error"]
    assert error["Code"] == "ValidationException"
    assert error["Message"] == (
        f"User is not allowed to delete the system backup with arn {arn}. "
        f"It will automatically expire on {expires.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.{expires.microsecond // 1000:03}Z"
    )
    assert items(client, arn, "Again") == before
    assert client.describe_table(TableName="Again")["Table"]["RestoreSummary"]["SourceBackupArn"] == arn


def test_recovery_that_was_switched_off_leaves_no_backup(any_server: Any) -> None:
    client = any_server.client()
    create(client, "Music")
    switch(client, "Music", True)
    switch(client, "Music", False)
    client.delete_table(TableName="Music")
    assert system_backups(client) == []


def test_the_file_goes_once_the_backup_is_made(start_server: Any, tmp_path: Path) -> None:
    client = start_server("--data-dir", tmp_path).client()
    create(client, "Music", StreamSpecification={"StreamEnabled": False})
    switch(client, "Music", True)
    client.delete_table(TableName="Music")
    awaited(client, "Music")
    end = time.monotonic() + 60
    while list((tmp_path / "tables").iterdir()):
        assert time.monotonic() < end
        time.sleep(0.02)
    assert len(list((tmp_path / "backups").iterdir())) == 1
