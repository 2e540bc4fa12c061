"""kill -9 at every step of a backup, a restore, and a deletion that leaves something: whole after the next start, or
not there at all."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from alt.storage.sqlite.maintenance.check import check
from alt.storage.sqlite.store import Store

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")

DYING = Path(__file__).with_name("dying_server.py")
ITEMS = 60
NAMED = {"Delay": 1, "MaxAttempts": 60}


def prepare(server: Any) -> Any:
    client = server.client()
    client.create_table(
        TableName="source",
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "gk")],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "global",
                "KeySchema": [{"AttributeName": "gk", "KeyType": "HASH"}],
                "Projection": {"ProjectionType": "ALL"},
            }
        ],
        BillingMode="PAY_PER_REQUEST",
    )
    for number in range(ITEMS):
        item = {"pk": {"S": f"p{number}"}, "gk": {"S": f"g{number % 5}"}, "text": {"S": "x" * 1_000}}
        client.put_item(TableName="source", Item=item)
    return client


def die(step: str, directory: Path, start_server: Any, operation: str, **parameters: Any) -> None:
    """Let a server begin the operation and be killed at the step, which may be after its answer."""
    dying = start_server("--data-dir", directory, program=(str(DYING), step))
    with suppress(BotoCoreError, ClientError):
        getattr(dying.client(), operation)(**parameters)
    assert dying.process.wait(timeout=60) == -9


def check_restored(client: Any, directory: Path, name: str) -> None:
    """The table becomes ACTIVE, is what its source was, and its file is sound."""
    client.get_waiter("table_exists").wait(TableName=name, WaiterConfig=NAMED)
    described = client.describe_table(TableName=name)["Table"]
    assert described["ItemCount"] == described["GlobalSecondaryIndexes"][0]["ItemCount"] == ITEMS
    assert len(client.scan(TableName=name)["Items"]) == ITEMS
    store = Store(directory)
    found = check(store, name, lambda *_: None)
    assert found is not None
    assert found.is_sound
    asyncio.run(store.close())


def files(folder: Path) -> set[str]:
    return {path.suffix for path in folder.iterdir()} - {".db-wal", ".db-shm", ".db-mark"}


@pytest.mark.parametrize(
    "step", ["backup copied", "backup placed", pytest.param("backed up", marks=pytest.mark.nightly)]
)
def test_a_backup(step: str, start_server: Any, tmp_path: Path) -> None:
    server = start_server(
        "--data-dir", tmp_path, "--sync", "off"
    )  # until it is the turn of the one that dies
    prepare(server)
    server.stop()
    die(step, tmp_path, start_server, "create_backup", TableName="source", BackupName="backup")
    client = start_server("--data-dir", tmp_path).client()
    backups = client.list_backups()["BackupSummaries"]
    if step != "backed up":
        assert backups == []
        assert files(tmp_path / "backups") == set()
        return
    (backup,) = backups
    assert backup["BackupStatus"] == "AVAILABLE"
    client.restore_table_from_backup(BackupArn=backup["BackupArn"], TargetTableName="copy")
    check_restored(client, tmp_path, "copy")


@pytest.mark.parametrize("again", [False, pytest.param(True, marks=pytest.mark.nightly)])
@pytest.mark.parametrize("step", ["restore copied", "restore placed", "restored"])
def test_a_restore(step: str, again: bool, start_server: Any, tmp_path: Path) -> None:
    server = start_server("--data-dir", tmp_path, "--sync", "off")
    arn = prepare(server).create_backup(TableName="source", BackupName="backup")["BackupDetails"]["BackupArn"]
    server.stop()
    die(step, tmp_path, start_server, "restore_table_from_backup", BackupArn=arn, TargetTableName="copy")
    if again and step != "restored":
        dying = [sys.executable, str(DYING), step, "--port", "0", "--data-dir", str(tmp_path)]
        assert subprocess.run(dying, timeout=60, check=False).returncode == -9
    client = start_server("--data-dir", tmp_path).client()
    check_restored(client, tmp_path, "copy")
    client.put_item(TableName="copy", Item={"pk": {"S": "new"}})
    client.delete_backup(BackupArn=arn)
    assert files(tmp_path / "tables") == {".db"}
    assert files(tmp_path / "backups") == set()


@pytest.mark.parametrize(
    "step",
    [
        "table kept",
        "backup copied",
        *(
            pytest.param(each, marks=pytest.mark.nightly)
            for each in ("table ended", "backup placed", "backed up")
        ),
    ],
)
def test_the_deletion_of_a_table_that_leaves_something(step: str, start_server: Any, tmp_path: Path) -> None:
    """From the first step on it is deleted, its stream can be read to its end, and its backup is made."""
    server = start_server("--data-dir", tmp_path, "--sync", "off")
    client = prepare(server)
    specification = {"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"}
    arn = client.update_table(TableName="source", StreamSpecification=specification)["TableDescription"][
        "LatestStreamArn"
    ]
    client.update_continuous_backups(
        TableName="source", PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True}
    )
    client.put_item(TableName="source", Item={"pk": {"S": "p0"}, "gk": {"S": "g0"}})
    server.stop()
    die(step, tmp_path, start_server, "delete_table", TableName="source")
    server = start_server("--data-dir", tmp_path)
    client, streams = server.client(), server.client("dynamodbstreams")
    assert client.list_tables()["TableNames"] == []
    assert len(changes(streams, arn)) == 1
    end = time.monotonic() + 60
    while True:
        (backup,) = client.list_backups(BackupType="SYSTEM")["BackupSummaries"]
        if backup["BackupStatus"] == "AVAILABLE":
            break
        assert time.monotonic() < end
        time.sleep(0.02)
    client.restore_table_from_backup(BackupArn=backup["BackupArn"], TargetTableName="copy")
    check_restored(client, tmp_path, "copy")


def changes(streams: Any, arn: str) -> list[Any]:
    """All records of a stream that has ended."""
    found: list[Any] = []
    description = streams.describe_stream(StreamArn=arn)["StreamDescription"]
    assert description["StreamStatus"] == "DISABLED"
    for shard in description["Shards"]:
        token = streams.get_shard_iterator(
            StreamArn=arn, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
        )["ShardIterator"]
        answer = streams.get_records(ShardIterator=token)
        found += answer["Records"]
        assert "NextShardIterator" not in answer
    return found
