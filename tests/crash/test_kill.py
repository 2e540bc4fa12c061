"""kill -9 under concurrent writes: what was acknowledged is there, and nothing is half there."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import botocore.exceptions

WRITERS = 6
ROUNDS = 3
SECONDS = 0.8
PARTS = 20  # attributes of an item, all written with one value


def _item(writer: int, number: int) -> dict[str, Any]:
    parts = {f"part{part}": {"N": str(number)} for part in range(PARTS)}
    return {"pk": {"S": f"writer-{writer}"}, "sk": {"N": str(number)}, **parts}


def _write(client: Any, writer: int, first: int, acknowledged: list[int]) -> None:
    number = first
    while True:
        try:
            client.put_item(TableName="crash", Item=_item(writer, number))
        except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError):
            return
        acknowledged.append(number)
        number += 1


def _all(client: Any) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    parameters: dict[str, Any] = {"TableName": "crash"}
    while True:
        page = client.scan(**parameters)
        items += page["Items"]
        if "LastEvaluatedKey" not in page:
            return items
        parameters["ExclusiveStartKey"] = page["LastEvaluatedKey"]


def test_acknowledged_writes_survive_kill_9(start_server: Any, tmp_path: Path) -> None:
    server = start_server("--data-dir", tmp_path)
    server.client().create_table(
        TableName="crash",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        AttributeDefinitions=[
            {"AttributeName": "pk", "AttributeType": "S"},
            {"AttributeName": "sk", "AttributeType": "N"},
        ],
        BillingMode="PAY_PER_REQUEST",
    )
    acknowledged: list[list[int]] = [[] for _ in range(WRITERS)]
    for round_ in range(ROUNDS):
        first = round_ * 1_000_000
        threads = [
            threading.Thread(target=_write, args=(server.client(), writer, first, acknowledged[writer]))
            for writer in range(WRITERS)
        ]
        for thread in threads:
            thread.start()
        time.sleep(SECONDS)
        server.kill()
        for thread in threads:
            thread.join()
        server = start_server("--data-dir", tmp_path)
        client = server.client()
        items = _all(client)
        stored = {(item["pk"]["S"], int(item["sk"]["N"])) for item in items}
        written = {
            (f"writer-{writer}", number) for writer in range(WRITERS) for number in acknowledged[writer]
        }
        assert written <= stored
        # At most the one write of each writer that had no answer yet.
        assert len(stored - written) <= WRITERS * (round_ + 1)
        for item in items:
            assert item == _item(int(item["pk"]["S"].removeprefix("writer-")), int(item["sk"]["N"]))
        assert client.describe_table(TableName="crash")["Table"]["ItemCount"] == len(items)
    assert sum(map(len, acknowledged)) > 100
