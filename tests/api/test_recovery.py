"""Point-in-time recovery on disk: while writes go on, and across kill -9."""

from __future__ import annotations

import json
import threading
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest

PATIENCE_SECONDS = 60


def create(client: Any, name: str) -> None:
    client.create_table(
        TableName=name,
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "N"}],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )
    client.update_continuous_backups(
        TableName=name, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True}
    )


def put(client: Any, table: str, number: int) -> None:
    """Add one item, and say in another how many there are."""
    count = {"pk": {"N": "-1"}, "count": {"N": str(number + 1)}, "filler": {"S": "x" * 500}}
    actions = [{"Put": {"TableName": table, "Item": item}} for item in ({"pk": {"N": str(number)}}, count)]
    client.transact_write_items(TransactItems=actions)


def restore(server: Any, source: str, target: str, moment: float) -> None:
    """As a client whose times have milliseconds; boto3's have seconds only."""
    request = urllib.request.Request(
        server.url,
        json.dumps(
            {"SourceTableName": source, "TargetTableName": target, "RestoreDateTime": moment}
        ).encode(),
        {
            "Content-Type": "application/x-amz-json-1.0",
            "X-Amz-Target": "DynamoDB_20120810.RestoreTableToPointInTime",
        },
    )
    with urllib.request.urlopen(request) as answer:
        assert json.load(answer)["TableDescription"]["TableStatus"] == "CREATING"


def wait(client: Any, table: str) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    while client.describe_table(TableName=table)["Table"]["TableStatus"] != "ACTIVE":
        assert time.monotonic() < end
        time.sleep(0.02)


def numbers(client: Any, table: str) -> list[int]:
    """The items' numbers, once the count agrees with them."""
    items = [
        item for page in client.get_paginator("scan").paginate(TableName=table) for item in page["Items"]
    ]
    found = sorted(int(item["pk"]["N"]) for item in items)
    assert client.describe_table(TableName=table)["Table"]["ItemCount"] == len(items)
    (count,) = [int(item["count"]["N"]) for item in items if "count" in item] or [0]
    assert found == ([-1, *range(count)] if count else [])
    return found[1:]


def test_the_moment_while_writes_go_on(start_server: Any, tmp_path: Path) -> None:
    server = start_server("--data-dir", tmp_path)
    client = server.client()
    create(client, "Music")
    stop = threading.Event()
    acknowledged: list[float] = []

    def write() -> None:
        writer = server.client()
        while not stop.is_set():
            put(writer, "Music", len(acknowledged))
            acknowledged.append(time.time())

    thread = threading.Thread(target=write)
    thread.start()
    try:
        end = time.monotonic() + PATIENCE_SECONDS
        while len(acknowledged) <= 5:
            assert time.monotonic() < end
            time.sleep(0.01)
        time.sleep(0.5)
        moments = []
        for copy in range(3):
            moment = time.time()
            time.sleep(0.1)
            restore(server, "Music", f"Copy-{copy}", moment)
            moments.append(moment)
        for copy in range(3):
            wait(client, f"Copy-{copy}")
    finally:
        stop.set()
        thread.join()
    for copy, moment in enumerate(moments):
        before = sum(at <= moment for at in acknowledged)
        assert before > 5
        # One write may have been under way at the moment.
        assert len(numbers(client, f"Copy-{copy}")) in (before, before + 1)


def test_a_restore_goes_on_after_kill_9(start_server: Any, tmp_path: Path) -> None:
    server = start_server("--data-dir", tmp_path)
    client = server.client()
    create(client, "Music")
    for number in range(50):
        put(client, "Music", number)
    moment = time.time()
    time.sleep(0.01)
    for number in range(50, 400):
        put(client, "Music", number)
    restore(server, "Music", "Copy", moment)
    server.kill()
    server = start_server("--data-dir", tmp_path)
    client = server.client()
    put(client, "Music", 400)
    wait(client, "Copy")
    assert numbers(client, "Copy") == list(range(50))
    assert numbers(client, "Music") == list(range(401))


def test_through_boto3(dynamodb: Any) -> None:
    create(dynamodb, "boto3-source")
    put(dynamodb, "boto3-source", 0)
    described = dynamodb.describe_continuous_backups(TableName="boto3-source")
    recovery = described["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"]
    assert recovery["EarliestRestorableDateTime"] <= recovery["LatestRestorableDateTime"]
    answer = dynamodb.restore_table_to_point_in_time(
        SourceTableName="boto3-source", TargetTableName="boto3-copy", UseLatestRestorableTime=True
    )
    assert answer["TableDescription"]["RestoreSummary"]["RestoreInProgress"] is True
    wait(dynamodb, "boto3-copy")
    assert numbers(dynamodb, "boto3-copy") == [0]
    with pytest.raises(dynamodb.exceptions.InvalidRestoreTimeException):
        dynamodb.restore_table_to_point_in_time(
            SourceTableName="boto3-source", TargetTableName="boto3-other", RestoreDateTime=1_500_000_000
        )
    with pytest.raises(dynamodb.exceptions.TableNotFoundException):
        dynamodb.describe_continuous_backups(TableName="boto3-absent")
    for name in ("boto3-source", "boto3-copy"):
        dynamodb.delete_table(TableName=name)
