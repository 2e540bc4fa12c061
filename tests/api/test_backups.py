"""Backups and restores through boto3, on disk and in memory: whole, consistent, and independent of their source."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from alt.storage.sqlite.maintenance.check import check
from alt.storage.sqlite.store import Store

TABLE = {
    "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
    "AttributeDefinitions": [
        {"AttributeName": "pk", "AttributeType": "S"},
        {"AttributeName": "sk", "AttributeType": "N"},
        {"AttributeName": "group", "AttributeType": "S"},
    ],
    "BillingMode": "PAY_PER_REQUEST",
    "GlobalSecondaryIndexes": [
        {
            "IndexName": "by-group",
            "KeySchema": [{"AttributeName": "group", "KeyType": "HASH"}],
            "Projection": {"ProjectionType": "ALL"},
        }
    ],
}


@pytest.fixture(params=["disk", "memory"])
def client(request: pytest.FixtureRequest, start_server: Any, tmp_path: Path) -> Any:
    options = ("--data-dir", tmp_path) if request.param == "disk" else ("--memory",)
    return start_server(*options).client()


def _restored(client: Any, arn: str, name: str, **overrides: Any) -> Any:
    client.restore_table_from_backup(BackupArn=arn, TargetTableName=name, **overrides)
    client.get_waiter("table_exists").wait(TableName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    return client.describe_table(TableName=name)["Table"]


def _backup(client: Any, table: str = "source") -> str:
    details = client.create_backup(TableName=table, BackupName="backup")["BackupDetails"]
    assert details["BackupStatus"] == "CREATING"
    arn: str = details["BackupArn"]
    while client.describe_backup(BackupArn=arn)["BackupDescription"]["BackupDetails"]["BackupStatus"] != (
        "AVAILABLE"
    ):
        time.sleep(0.01)
    return arn


def _items(client: Any, table: str, **scan: Any) -> dict[str, Any]:
    pages = client.get_paginator("scan").paginate(TableName=table, **scan)
    return {f"{item['pk']['S']} {item['sk']['N']}": item for page in pages for item in page["Items"]}


def _fill(client: Any, count: int) -> None:
    for number in range(count):
        item = {"pk": {"S": f"p{number % 7}"}, "sk": {"N": str(number)}, "group": {"S": f"g{number % 3}"}}
        client.put_item(TableName="source", Item=item)


def test_a_restored_table_is_the_table_of_then(client: Any) -> None:
    client.create_table(TableName="source", **TABLE)
    _fill(client, 50)
    then = _items(client, "source")
    arn = _backup(client)
    client.delete_item(TableName="source", Key={"pk": {"S": "p0"}, "sk": {"N": "0"}})
    client.delete_table(TableName="source")
    table = _restored(client, arn, "copy")
    assert table["ItemCount"] == table["GlobalSecondaryIndexes"][0]["ItemCount"] == 50
    assert _items(client, "copy") == _items(client, "copy", IndexName="by-group") == then
    # It takes writes, and a second table from the same backup knows nothing of them.
    client.delete_item(TableName="copy", Key={"pk": {"S": "p1"}, "sk": {"N": "1"}})
    assert _restored(client, arn, "again", GlobalSecondaryIndexOverride=[])["ItemCount"] == 50
    assert _items(client, "again") == then


def test_a_restore_with_a_vector_index_is_refused_and_makes_nothing(dynamodb: Any) -> None:
    dynamodb.create_table(TableName="without-vectors", **TABLE)
    arn = _backup(dynamodb, "without-vectors")
    index = {
        "IndexName": "near",
        "VectorAttribute": {"AttributeName": "place"},
        "Projection": {"ProjectionType": "ALL"},
        "Dimensions": 2,
        "DistanceFunction": "COSINE",
    }
    with pytest.raises(ClientError, match="UnknownOperationException"):
        dynamodb.restore_table_from_backup(
            BackupArn=arn, TargetTableName="with-vectors", VectorIndexOverride=[index]
        )
    assert "with-vectors" not in dynamodb.list_tables()["TableNames"]


def test_backups_and_restored_tables_outlive_the_server(start_server: Any, tmp_path: Path) -> None:
    server = start_server("--data-dir", tmp_path)
    client = server.client()
    client.create_table(TableName="source", **TABLE)
    _fill(client, 10)
    arn = _backup(client)
    _restored(client, arn, "copy", GlobalSecondaryIndexOverride=[])
    client.put_item(TableName="copy", Item={"pk": {"S": "new"}, "sk": {"N": "1"}})
    server.stop()
    client = start_server("--data-dir", tmp_path).client()
    assert len(_items(client, "copy")) == 11
    summary = client.describe_table(TableName="copy")["Table"]["RestoreSummary"]
    assert summary.pop("RestoreDateTime").timestamp() > 0
    assert summary == {
        "SourceBackupArn": arn,
        "SourceTableArn": arn.partition("/backup/")[0],
        "RestoreInProgress": False,
    }
    assert [backup["BackupArn"] for backup in client.list_backups()["BackupSummaries"]] == [arn]
    assert _restored(client, arn, "again")["ItemCount"] == 10
    client.delete_backup(BackupArn=arn)
    assert list((tmp_path / "backups").iterdir()) == []


class _PairWriter(threading.Thread):
    """Writes the same number into both items of each pair, in one transaction, until told to stop."""

    def __init__(self, client: Any, pair: int) -> None:
        super().__init__()
        self.client, self.pair, self.last = client, pair, 0
        self.stopping = threading.Event()

    def run(self) -> None:
        while not self.stopping.is_set():
            value = {"N": str(self.last + 1)}
            puts = [
                {
                    "Put": {
                        "TableName": "source",
                        "Item": {"pk": {"S": side}, "sk": {"N": str(self.pair)}, "v": value},
                    }
                }
                for side in ("left", "right")
            ]
            self.client.transact_write_items(TransactItems=puts)
            self.last += 1


@pytest.fixture
def writers(start_server: Any, tmp_path: Path) -> Iterator[list[_PairWriter]]:
    server = start_server("--data-dir", tmp_path)
    server.client().create_table(TableName="source", **TABLE)
    threads = [_PairWriter(server.client(), pair) for pair in range(4)]
    for thread in threads:
        thread.start()
    yield threads
    for thread in threads:
        thread.stopping.set()
        thread.join()


@pytest.mark.nightly
def test_a_backup_under_writes_is_of_one_moment(writers: list[_PairWriter]) -> None:
    client = writers[0].client
    while any(writer.last < 5 for writer in writers):
        time.sleep(0.01)
    for round_ in range(5):
        before = {writer.pair: writer.last for writer in writers}
        arn = _backup(client)
        after = {writer.pair: writer.last for writer in writers}
        _restored(client, arn, f"copy-{round_}")
        items = _items(client, f"copy-{round_}")
        for pair in before:
            left, right = (int(items[f"{side} {pair}"]["v"]["N"]) for side in ("left", "right"))
            assert left == right
            # What was answered before the backup is in it; at most the write under way comes on top.
            assert before[pair] <= left <= after[pair] + 1


def test_errors_reach_the_sdk_with_their_own_types(dynamodb: Any, name: str) -> None:
    with pytest.raises(dynamodb.exceptions.TableNotFoundException):
        dynamodb.create_backup(TableName=name, BackupName="backup")
    dynamodb.create_table(TableName=name, **TABLE)
    arn = dynamodb.create_backup(TableName=name, BackupName="backup")["BackupDetails"]["BackupArn"]
    with pytest.raises(dynamodb.exceptions.TableAlreadyExistsException):
        dynamodb.restore_table_from_backup(BackupArn=arn, TargetTableName=name)
    with pytest.raises(dynamodb.exceptions.BackupNotFoundException):
        dynamodb.describe_backup(BackupArn=arn[:-8] + "00000000")
    with pytest.raises(ClientError, match="Member must have length greater than or equal to 3"):
        dynamodb.create_backup(TableName=name, BackupName="b")


def _local(name: str, attribute: str) -> dict[str, Any]:
    return {
        "IndexName": name,
        "KeySchema": [
            {"AttributeName": "pk", "KeyType": "HASH"},
            {"AttributeName": attribute, "KeyType": "RANGE"},
        ],
        "Projection": {"ProjectionType": "ALL"},
    }


@pytest.mark.parametrize(
    "overrides",
    [
        pytest.param({}, id="as it was"),
        pytest.param({"LocalSecondaryIndexOverride": []}, id="no local index", marks=pytest.mark.nightly),
        pytest.param(
            {"LocalSecondaryIndexOverride": [_local("two", "b")]},
            id="one local index",
            marks=pytest.mark.nightly,
        ),
        pytest.param(
            {"LocalSecondaryIndexOverride": [_local("two", "a"), _local("one", "b")]}, id="names exchanged"
        ),
        pytest.param(
            {"GlobalSecondaryIndexOverride": [], "LocalSecondaryIndexOverride": [_local("one", "a")]},
            id="no global index",
            marks=pytest.mark.nightly,
        ),
    ],
)
def test_everything_in_a_restored_file_follows_from_its_items(
    overrides: dict[str, Any], start_server: Any, tmp_path: Path
) -> None:
    """Indexes, counts and the sizes of item collections, also after further writes."""
    client = start_server("--data-dir", tmp_path).client()
    client.create_table(
        TableName="source",
        KeySchema=TABLE["KeySchema"],
        AttributeDefinitions=[
            *TABLE["AttributeDefinitions"],
            *({"AttributeName": name, "AttributeType": "S"} for name in "ab"),
        ],
        GlobalSecondaryIndexes=TABLE["GlobalSecondaryIndexes"],
        LocalSecondaryIndexes=[_local("one", "a"), _local("two", "b")],
        BillingMode="PAY_PER_REQUEST",
    )

    def put(table: str, number: int) -> None:
        item = {"pk": {"S": f"p{number % 3}"}, "sk": {"N": str(number)}, "group": {"S": "g"}}
        indexed = (
            {"a": {"S": "x" * number}} if number % 2 else {"a": {"S": "x"}, "b": {"S": "y" * (number + 1)}}
        )
        client.put_item(TableName=table, Item=item | indexed)

    for number in range(20):
        put("source", number)
    _restored(client, _backup(client), "copy", **overrides)
    for number in range(15, 30):
        put("copy", number)
    store = Store(tmp_path)
    found = check(store, "copy", lambda *_: None)
    asyncio.run(store.close())
    assert found is not None
    assert found.is_sound
