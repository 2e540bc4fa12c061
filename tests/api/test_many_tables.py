"""More tables in use than can be open at once, with many descriptors and with few: slower, and no error."""

from __future__ import annotations

import http.client
import json
import random
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Server

if sys.platform == "win32":
    pytest.skip("which has no limit of descriptors", allow_module_level=True)

FEW = 256
CLIENTS = 16
# As `alt start`, with no more than FEW descriptors to have.
PROGRAM = f"""
import resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, ({FEW}, {FEW}))
from alt.cli import main
sys.argv[:1] = ["alt", "start"]
main()
"""
SMALL = {"AttributeName": "pk", "AttributeType": "S"}

Call = Callable[[str, dict[str, Any]], dict[str, Any]]


def connected(server: Server) -> Call:
    """A client of one connection; any answer but 200 is an error."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=120)

    def call(operation: str, request: dict[str, Any]) -> dict[str, Any]:
        headers = {
            "Content-Type": "application/x-amz-json-1.0",
            "X-Amz-Target": f"DynamoDB_20120810.{operation}",
        }
        connection.request("POST", "/", json.dumps(request), headers)
        answer = connection.getresponse()
        found = answer.read()
        assert answer.status == 200, (operation, answer.status, found[:300])
        parsed: dict[str, Any] = json.loads(found)
        return parsed

    return call


def create(call: Call, count: int) -> list[str]:
    names = [f"table-{number:04}" for number in range(count)]
    for name in names:
        call(
            "CreateTable",
            {
                "TableName": name,
                "AttributeDefinitions": [SMALL],
                "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
                "BillingMode": "PAY_PER_REQUEST",
            },
        )
    return names


def item(value: int) -> dict[str, Any]:
    return {"pk": {"S": "a"}, "value": {"N": str(value)}}


def use(call: Call, names: list[str], seed: int, rounds: int) -> None:
    """Of each kind of request some, on tables chosen at random; what is read is what was written."""
    chosen = random.Random(seed)
    key = {"pk": {"S": f"{seed}"}}
    for number in range(rounds):
        name, *others = chosen.sample(names, 5)
        call("PutItem", {"TableName": name, "Item": key | {"n": {"N": str(number)}}})
        found = call("GetItem", {"TableName": name, "Key": key})
        assert found["Item"]["n"] == {"N": str(number)}
        call("Scan", {"TableName": others[0]})
        several = [
            {"Update": {"TableName": each, "Key": key, "UpdateExpression": "SET done = pk"}}
            for each in others
        ]
        call("TransactWriteItems", {"TransactItems": several})
        read = call(
            "TransactGetItems",
            {"TransactItems": [{"Get": {"TableName": each, "Key": key}} for each in others]},
        )
        assert all(answer["Item"]["done"] == key["pk"] for answer in read["Responses"])
        call("BatchGetItem", {"RequestItems": {each: {"Keys": [key]} for each in others}})
        put = [{"PutRequest": {"Item": key}}]
        call("BatchWriteItem", {"RequestItems": dict.fromkeys(others, put)})


def use_at_once(server: Server, names: list[str], rounds: int) -> None:
    faults: list[BaseException] = []

    def run(seed: int) -> None:
        try:
            use(connected(server), names, seed, rounds)
        except BaseException as fault:
            faults.append(fault)

    threads = [threading.Thread(target=run, args=(seed,)) for seed in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not faults, faults[:3]


@pytest.mark.nightly
@pytest.mark.parametrize(
    ("program", "tables"),
    [
        (("-c", PROGRAM), 1_000),
        (("-m", "alt.cli", "start"), 1_100),
    ],
    ids=["few descriptors", "1,100 tables"],
)
def test_many_tables_are_used_at_once(
    tmp_path: Path, start_server: Any, program: tuple[str, ...], tables: int
) -> None:
    server = start_server("--data-dir", tmp_path, "--sync", "off", program=program)
    call = connected(server)
    names = create(call, tables)
    use_at_once(server, names, 60)
    # One after another, so that each of them is recent when the server starts again.
    for name in names:
        call("PutItem", {"TableName": name, "Item": item(1)})
    server.kill()
    server = start_server("--data-dir", tmp_path, "--sync", "off", program=program)
    use_at_once(server, names, 1)
    call = connected(server)
    assert all(
        call("GetItem", {"TableName": name, "Key": {"pk": {"S": "a"}}})["Item"] == item(1) for name in names
    )


def test_a_loaded_snapshot_of_many_tables_is_served(tmp_path: Path, start_server: Any) -> None:
    server = start_server("--data-dir", tmp_path, "--sync", "off", program=("-c", PROGRAM))
    call = connected(server)
    names = create(call, 60)
    for value in (1, 2):
        for name in names:
            call("PutItem", {"TableName": name, "Item": item(value)})
        if value == 1:
            snapshot(tmp_path, "save")
    snapshot(tmp_path, "load")
    for name in names:
        assert call("GetItem", {"TableName": name, "Key": {"pk": {"S": "a"}}})["Item"] == item(1)
    use_at_once(server, names, 1)


def snapshot(directory: Path, *command: str) -> None:
    arguments = ["-m", "alt.cli", "snapshot", *command, "many", "--data-dir", str(directory)]
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True, timeout=120)


def test_a_token_of_any_of_many_tables_counts_after_a_restart(tmp_path: Path, start_server: Any) -> None:
    server = start_server("--data-dir", tmp_path, "--sync", "off", program=("-c", PROGRAM))
    call = connected(server)
    names = create(call, 60)
    adds = [
        {
            "Update": {
                "TableName": name,
                "Key": {"pk": {"S": "a"}},
                "UpdateExpression": "ADD done :one",
                "ExpressionAttributeValues": {":one": {"N": "1"}},
            }
        }
        for name in names
    ]
    for number, add in enumerate(adds):
        call("TransactWriteItems", {"TransactItems": [add], "ClientRequestToken": f"token-{number}"})
    server.kill()
    call = connected(start_server("--data-dir", tmp_path, program=("-c", PROGRAM)))
    for number, add in enumerate(adds):
        call("TransactWriteItems", {"TransactItems": [add], "ClientRequestToken": f"token-{number}"})
    found = [
        call("GetItem", {"TableName": name, "Key": {"pk": {"S": "a"}}})["Item"]["done"] for name in names
    ]
    assert found == [{"N": "1"}] * len(names)
