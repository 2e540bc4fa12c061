"""Other requests are answered while a long one is worked on."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Server

ITEMS = 10_000
LARGE_ITEMS = 40
BATCH = 25
# Generous, for a busy machine: each of the long requests takes far more on the event loop.
PATIENCE_SECONDS = 0.5

# Each term takes some microseconds an item: seconds for all.
FILTER = " OR ".join(f"contains(mark, :v{number})" for number in range(140))
VALUES = {f":v{number}": {"S": f"x{number}"} for number in range(140)}
PARTITION = {
    "KeyConditionExpression": "pk = :p",
    "ExpressionAttributeValues": {":p": {"S": "p"}},
    "IndexName": "local",
}
LARGE = [{"pk": {"S": "large"}, "sk": {"S": str(number)}} for number in range(LARGE_ITEMS)]


def create(client: Any) -> None:
    client.create_table(
        TableName="Tiny",
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk", "mark")],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        LocalSecondaryIndexes=[
            {
                "IndexName": "local",
                "KeySchema": [
                    {"AttributeName": "pk", "KeyType": "HASH"},
                    {"AttributeName": "mark", "KeyType": "RANGE"},
                ],
                "Projection": {"ProjectionType": "KEYS_ONLY"},
            }
        ],
        BillingMode="PAY_PER_REQUEST",
    )
    for at in range(0, ITEMS, BATCH):
        keys = [{"pk": {"S": "p"}, "sk": {"S": f"{number:05}"}} for number in range(at, at + BATCH)]
        puts = [{"PutRequest": {"Item": key | {"mark": {"S": "o"}}}} for key in keys]
        client.batch_write_item(RequestItems={"Tiny": puts})


@pytest.fixture(scope="module", params=["on disk", "in memory"])
def tiny(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    directory = tmp_path_factory.mktemp("data")
    where = ["--memory"] if request.param == "in memory" else ["--data-dir", str(directory), "--sync", "off"]
    server = Server(*where)
    create(server.client())
    yield server
    server.kill()


LONG: dict[str, Callable[[Any], Any]] = {
    "filter": lambda client: client.scan(
        TableName="Tiny", FilterExpression=FILTER, ExpressionAttributeValues=VALUES
    ),
    "projection": lambda client: client.scan(TableName="Tiny", ProjectionExpression="mark"),
    "local index": lambda client: client.query(TableName="Tiny", **PARTITION, ProjectionExpression="sk, n"),
}


@pytest.mark.parametrize("kind", LONG)
def test_others_are_answered_meanwhile(tiny: Server, kind: str) -> None:
    client = tiny.client(read_timeout=300)
    done = threading.Event()
    found: list[Any] = []

    def ask() -> None:
        try:
            found.append(LONG[kind](client))
        finally:
            done.set()

    asking = threading.Thread(target=ask)
    asking.start()
    other = tiny.client()
    times = []
    key = {"pk": {"S": "p"}, "sk": {"S": "00001"}}
    while not done.is_set() or len(times) < 20:
        begun = time.perf_counter()
        assert other.get_item(TableName="Tiny", Key=key)["Item"]["mark"] == {"S": "o"}
        times.append(time.perf_counter() - begun)
    asking.join()
    assert found[0]["ScannedCount"] == ITEMS
    times.sort()
    assert times[len(times) * 99 // 100] < PATIENCE_SECONDS, times[-5:]


def test_a_batch_of_large_items_is_whole(start_server: Any, tmp_path: Path) -> None:
    """More than 16 MB: as many items as fit, the other keys unprocessed, which then give the rest."""
    client = start_server("--data-dir", tmp_path, "--sync", "off").client()
    client.create_table(
        TableName="Tiny",
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        BillingMode="PAY_PER_REQUEST",
    )
    for number, key in enumerate(LARGE):
        client.put_item(TableName="Tiny", Item=key | {"n": {"N": str(number)}, "x": {"S": "x" * 409_000}})
    for more in ({}, {"ProjectionExpression": "sk, n"}):
        wanted: Any = {"Tiny": {"Keys": LARGE, **more}}
        found: list[Any] = []
        while wanted:
            answer = client.batch_get_item(RequestItems=wanted)
            found += answer["Responses"]["Tiny"]
            wanted = answer["UnprocessedKeys"]
        assert sorted(int(item["n"]["N"]) for item in found) == list(range(LARGE_ITEMS))
    with pytest.raises(client.exceptions.ClientError, match="exceeds the limit of 4 MB"):
        client.transact_get_items(
            TransactItems=[{"Get": {"TableName": "Tiny", "Key": key}} for key in LARGE[:11]]
        )
    gets = [{"Get": {"TableName": "Tiny", "Key": key, "ProjectionExpression": "n"}} for key in LARGE[:10]]
    read = client.transact_get_items(TransactItems=gets)["Responses"]
    assert [item["Item"]["n"]["N"] for item in read] == list(map(str, range(10)))
