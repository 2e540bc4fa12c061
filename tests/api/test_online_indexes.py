"""Indexes added to and taken from a table in use, as clients see it: status, reads, writes, refusals."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from alt.storage.sqlite.maintenance.check import check
from alt.storage.sqlite.store import Store

ITEMS = 2_000
WRONG_EVERY = 10  # an item whose attribute has another type than the index's key
DEADLINE_SECONDS = 60.0


@pytest.fixture
def table(dynamodb: Any, name: str) -> Iterator[str]:
    """A table of 2,000 items, every tenth of which no index can hold."""
    fill(dynamodb, name)
    yield name
    dynamodb.delete_table(TableName=name)


def fill(client: Any, name: str) -> None:
    client.create_table(
        TableName=name,
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )
    for first in range(0, ITEMS, 25):
        puts = [{"PutRequest": {"Item": item(number)}} for number in range(first, first + 25)]
        client.batch_write_item(RequestItems={name: puts})


def item(number: int, group: int | None = None) -> dict[str, Any]:
    text = str(number % 7 if group is None else group)
    return {"pk": {"S": str(number)}, "g": {"S": text} if number % WRONG_EVERY else {"N": text}}


def add_index(client: Any, table: str, name: str) -> Any:
    return client.update_table(
        TableName=table,
        AttributeDefinitions=[{"AttributeName": "g", "AttributeType": "S"}],
        GlobalSecondaryIndexUpdates=[
            {
                "Create": {
                    "IndexName": name,
                    "KeySchema": [{"AttributeName": "g", "KeyType": "HASH"}],
                    "Projection": {"ProjectionType": "ALL"},
                }
            }
        ],
    )["TableDescription"]


def drop_index(client: Any, table: str, name: str) -> Any:
    updates = [{"Delete": {"IndexName": name}}]
    return client.update_table(TableName=table, GlobalSecondaryIndexUpdates=updates)["TableDescription"]


def indexes(client: Any, table: str) -> dict[str, Any]:
    described = client.describe_table(TableName=table)["Table"]
    return {index["IndexName"]: index for index in described.get("GlobalSecondaryIndexes", ())}


def wait(client: Any, table: str, expected: dict[str, str]) -> set[str]:
    """Until the table's indexes have these statuses; the statuses that were seen."""
    seen: set[str] = set()
    deadline = time.monotonic() + DEADLINE_SECONDS
    while True:
        statuses = {name: index["IndexStatus"] for name, index in indexes(client, table).items()}
        seen.update(statuses.values())
        if statuses == expected:
            return seen
        assert time.monotonic() < deadline, statuses


def scanned(client: Any, table: str, **parameters: Any) -> dict[str, dict[str, Any]]:
    pages = client.get_paginator("scan").paginate(TableName=table, **parameters)
    return {item["pk"]["S"]: item for page in pages for item in page["Items"]}


def expected(client: Any, table: str) -> dict[str, dict[str, Any]]:
    """What the index should hold, from the items themselves."""
    return {pk: item for pk, item in scanned(client, table).items() if "S" in item.get("g", {})}


def test_an_index_is_built_and_dropped(dynamodb: Any, table: str, refusal: Any) -> None:
    described = add_index(dynamodb, table, "late")
    assert described["TableStatus"] == "UPDATING"
    (index,) = described["GlobalSecondaryIndexes"]
    assert (index["IndexStatus"], index["Backfilling"]) == ("CREATING", False)
    assert {"AttributeName": "g", "AttributeType": "S"} in described["AttributeDefinitions"]
    wait(dynamodb, table, {"late": "ACTIVE"})
    found = scanned(dynamodb, table, IndexName="late")
    assert found == expected(dynamodb, table)
    assert len(found) == ITEMS - ITEMS // WRONG_EVERY
    built = indexes(dynamodb, table)["late"]
    assert "Backfilling" not in built
    assert built["ItemCount"] == len(found)
    described = drop_index(dynamodb, table, "late")
    assert described["GlobalSecondaryIndexes"][0]["IndexStatus"] == "DELETING"
    wait(dynamodb, table, {})
    assert refusal(dynamodb.scan, TableName=table, IndexName="late") == (
        "ValidationException",
        "The table does not have the specified index: late",
    )


def test_one_change_at_a_time(dynamodb: Any, table: str, refusal: Any) -> None:
    add_index(dynamodb, table, "first")
    code, message = refusal(add_index, client=dynamodb, table=table, name="second")
    assert (code, message) in (
        (
            "LimitExceededException",
            "Subscriber limit exceeded: Only 1 online index can be created or deleted simultaneously per table",
        ),
        (
            "ResourceInUseException",
            f"Attempt to change a resource which is still in use: Table is being updated: {table}",
        ),
    )
    wait(dynamodb, table, {"first": "ACTIVE"})
    assert refusal(add_index, client=dynamodb, table=table, name="first")[0] == "ValidationException"
    assert refusal(drop_index, client=dynamodb, table=table, name="absent")[0] == "ResourceNotFoundException"


def test_writes_and_reads_go_on_while_an_index_is_built(dynamodb: Any, server: Any, table: str) -> None:
    stop = threading.Event()
    written: list[int] = []

    def write(first: int) -> None:
        client = server.client()
        for number in range(first, 10**9, 3):
            if stop.is_set():
                return
            changed = number % (ITEMS + 500)
            key = {"pk": {"S": str(changed)}}
            if number % 5 == 4:
                client.delete_item(TableName=table, Key=key)
            elif changed % WRONG_EVERY:
                client.put_item(TableName=table, Item=item(changed, number % 11))
            client.get_item(TableName=table, Key=key)
            written.append(number)

    writers = [threading.Thread(target=write, args=(first,)) for first in (0, 601, 1202)]
    for writer in writers:
        writer.start()
    while not written:
        time.sleep(0.01)
    add_index(dynamodb, table, "late")
    wait(dynamodb, table, {"late": "ACTIVE"})
    stop.set()
    for writer in writers:
        writer.join()
    assert scanned(dynamodb, table, IndexName="late") == expected(dynamodb, table)


@pytest.mark.parametrize("dropped", [False, True])
@pytest.mark.parametrize(
    "delay_seconds",
    [pytest.param(0.0, marks=pytest.mark.nightly), 0.02, pytest.param(0.05, marks=pytest.mark.nightly)],
)
def test_kill_9_while_an_index_is_changed(
    start_server: Any, tmp_path: Path, dropped: bool, delay_seconds: float
) -> None:
    """The next start takes the work up where it was."""
    server = start_server("--data-dir", tmp_path)
    client = server.client()
    fill(client, "work")
    add_index(client, "work", "late")
    if dropped:
        wait(client, "work", {"late": "ACTIVE"})
        drop_index(client, "work", "late")
    time.sleep(delay_seconds)
    server.kill()
    server = start_server("--data-dir", tmp_path)
    client = server.client()
    client.put_item(TableName="work", Item=item(1, 99))
    client.delete_item(TableName="work", Key={"pk": {"S": "2"}})
    wait(client, "work", {} if dropped else {"late": "ACTIVE"})
    if not dropped:
        assert scanned(client, "work", IndexName="late") == expected(client, "work")
    assert server.stop() == 0
    store = Store(tmp_path)
    found = check(store, "work", lambda *_: None)
    assert found is not None
    assert found.is_sound
