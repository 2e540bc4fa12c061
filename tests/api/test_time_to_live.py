"""Items expire on a running server, and go on doing so after kill -9."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

KEY = {
    "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
    "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
    "BillingMode": "PAY_PER_REQUEST",
}


def enable(client: Any, name: str, enabled: bool = True, attribute: str = "expires") -> Any:
    return client.update_time_to_live(
        TableName=name, TimeToLiveSpecification={"Enabled": enabled, "AttributeName": attribute}
    )["TimeToLiveSpecification"]


def described(client: Any, name: str) -> Any:
    return client.describe_time_to_live(TableName=name)["TimeToLiveDescription"]


def put(client: Any, name: str, pk: str, seconds: float) -> None:
    client.put_item(TableName=name, Item={"pk": {"S": pk}, "expires": {"N": f"{time.time() + seconds:.3f}"}})


def left(client: Any, name: str) -> set[str]:
    return {item["pk"]["S"] for item in client.scan(TableName=name, ConsistentRead=True)["Items"]}


def wait_until_left(client: Any, name: str, expected: set[str]) -> None:
    deadline = time.monotonic() + 60
    while (found := left(client, name)) != expected:
        assert time.monotonic() < deadline, found
        time.sleep(0.02)


def test_a_change_is_there_once_it_is_answered(dynamodb: Any, name: str) -> None:
    dynamodb.create_table(TableName=name, **KEY)
    assert described(dynamodb, name) == {"TimeToLiveStatus": "DISABLED"}
    assert enable(dynamodb, name) == {"Enabled": True, "AttributeName": "expires"}
    assert described(dynamodb, name) == {"TimeToLiveStatus": "ENABLED", "AttributeName": "expires"}
    assert enable(dynamodb, name, enabled=False) == {"Enabled": False, "AttributeName": "expires"}
    assert described(dynamodb, name) == {"TimeToLiveStatus": "DISABLED"}


def test_members(dynamodb: Any, name: str, refusal: Callable[..., tuple[str, str]]) -> None:
    sentence = "1 validation error detected: Value {} at 'timeToLiveSpecification.{}' failed to satisfy constraint: {}"
    cases: list[tuple[dict[str, Any], str]] = [
        ({"Enabled": True}, sentence.format("null", "attributeName", "Member must not be null")),
        ({"AttributeName": "a"}, sentence.format("null", "enabled", "Member must not be null")),
        (
            {"Enabled": True, "AttributeName": ""},
            sentence.format("''", "attributeName", "Member must have length greater than or equal to 1"),
        ),
        (
            {"Enabled": True, "AttributeName": "a" * 256},
            sentence.format(
                f"'{'a' * 256}'", "attributeName", "Member must have length less than or equal to 255"
            ),
        ),
    ]
    for specification, message in cases:
        # Ahead of the table, which is not there.
        refused = refusal(dynamodb.update_time_to_live, TableName=name, TimeToLiveSpecification=specification)
        assert refused == ("ValidationException", message)


def test_items_expire_before_and_after_a_kill(start_server: Any, tmp_path: Path) -> None:
    options = ("--data-dir", tmp_path, "--ttl-interval", "0.05")
    server = start_server(*options)
    client = server.client()
    client.create_table(TableName="Music", **KEY)
    put(client, "Music", "before it was on", -60)
    enable(client, "Music")
    put(client, "Music", "past", -1)
    put(client, "Music", "later", 3_600)
    put(client, "Music", "long ago", -6 * 365 * 86_400)
    wait_until_left(client, "Music", {"later", "long ago"})
    put(client, "Music", "soon", 0.3)
    server.kill()
    server = start_server(*options)
    # The table is opened by the server itself, not by a request.
    time.sleep(0.6)
    wait_until_left(server.client(), "Music", {"later", "long ago"})
    assert described(server.client(), "Music") == {"TimeToLiveStatus": "ENABLED", "AttributeName": "expires"}
    assert server.stop() == 0


def test_many_items_expire_while_others_are_written(start_server: Any) -> None:
    client = start_server("--memory", "--ttl-interval", "0.05").client()
    client.create_table(TableName="Music", **KEY)
    past = {"N": str(int(time.time()) - 60)}
    for batch in range(40):
        puts = [
            {"PutRequest": {"Item": {"pk": {"S": f"{batch} {number}"}, "expires": past}}}
            for number in range(25)
        ]
        client.batch_write_item(RequestItems={"Music": puts})
    enable(client, "Music")
    for number in range(100):
        put(client, "Music", f"kept {number}", 3_600)
    wait_until_left(client, "Music", {f"kept {number}" for number in range(100)})


def test_one_change_in_an_interval(start_server: Any, refusal: Callable[..., tuple[str, str]]) -> None:
    client = start_server("--memory", "--ttl-change-interval", "3600").client()
    client.create_table(TableName="Music", **KEY)
    enable(client, "Music")
    refused = refusal(
        client.update_time_to_live,
        TableName="Music",
        TimeToLiveSpecification={"Enabled": False, "AttributeName": "expires"},
    )
    assert refused == (
        "ValidationException",
        "Time to live has been modified multiple times within a fixed interval",
    )
