"""Other requests are answered while a long one is worked on."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Server

ITEMS = 10_000
LARGE_ITEMS = 40
BATCH = 25
# A server that answers nothing else meanwhile lets one read through, or two. A machine that does other things may
# take as long for a few reads as for the long request, which is therefore tried again.
READS = 5
TRIES = 10

# Each term takes some microseconds an item: seconds for all.
FILTER = " OR ".join(f"contains(mark, :v{number})" for number in range(140))
VALUES = {f":v{number}": {"S": f"x{number}"} for number in range(140)}
PARTITION = {
    "KeyConditionExpression": "pk = :p",
    "ExpressionAttributeValues": {":p": {"S": "p"}},
    "IndexName": "local",
}
KEY = {"pk": {"S": "p"}, "sk": {"S": "00001"}}
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


@pytest.fixture(scope="module", params=["on disk", pytest.param("in memory", marks=pytest.mark.nightly)])
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


def reads_meanwhile(client: Any, other: Any, kind: str) -> int:
    """How many reads `other` is answered while `client` waits for a long request."""
    answered = threading.Event()
    client.meta.events.register("before-parse.dynamodb", lambda **_: answered.set(), unique_id="answered")
    found: list[Any] = []

    def ask() -> None:
        try:
            found.append(LONG[kind](client))
        finally:
            answered.set()

    asking = threading.Thread(target=ask)
    asking.start()
    reads = 0
    while not answered.is_set():
        assert other.get_item(TableName="Tiny", Key=KEY)["Item"]["mark"] == {"S": "o"}
        reads += 1
    asking.join()
    client.meta.events.unregister("before-parse.dynamodb", unique_id="answered")
    assert found[0]["ScannedCount"] == ITEMS
    return reads


@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=pytest.mark.nightly if kind == "filter" else ()) for kind in LONG]
)
def test_others_are_answered_meanwhile(tiny: Server, kind: str) -> None:
    client, other = tiny.client(read_timeout=300), tiny.client()
    other.get_item(TableName="Tiny", Key=KEY)  # which connects
    counts: list[int] = []
    while not counts or max(counts) < READS:
        assert len(counts) < TRIES, counts
        counts.append(reads_meanwhile(client, other, kind))


@pytest.mark.nightly
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
