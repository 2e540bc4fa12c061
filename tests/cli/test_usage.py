"""`alt usage`: what clients consumed, with the server running or not, and limits on access keys."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

SECONDS = 60  # within which a running server stores what was consumed and notices limits


@pytest.fixture
def usage(alt: Any, tmp_path: Path) -> Callable[..., str]:
    """What `alt usage` prints of the test's data directory."""

    def run(*arguments: str) -> str:
        result = alt("usage", *arguments, "--data-dir", tmp_path)
        assert (result.status, result.err) == (0, "")
        return str(result.out)

    return run


def until(condition: Any) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def create(client: Any, name: str, **more: Any) -> None:
    client.create_table(
        TableName=name,
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        **(more or {"BillingMode": "PAY_PER_REQUEST"}),
    )


def test_consumption_is_shown_and_outlives_the_server(
    start_server: Any, usage: Callable[..., str], tmp_path: Path
) -> None:
    server = start_server("--data-dir", tmp_path)
    client = server.client()
    create(client, "Music")
    for _ in range(3):
        client.put_item(TableName="Music", Item={"pk": {"S": "x"}})
    client.get_item(TableName="Music", Key={"pk": {"S": "x"}})
    expected = [
        {
            "AccessKey": "test",
            "TableName": "Music",
            "IndexName": None,
            "ReadCapacityUnits": 0.5,
            "WriteCapacityUnits": 3.0,
            "Requests": 4,
            "ThrottledRequests": 0,
        }
    ]
    until(lambda: json.loads(usage("--json")) == expected)
    client.put_item(TableName="Music", Item={"pk": {"S": "x"}})
    server.stop()
    assert usage() == "test\tMusic\t\t0.5\t4.0\t5\t0\n"
    assert usage("--table", "Other") == usage("--key", "other") == ""
    assert usage("--reset").count("\n") == 1
    assert usage() == ""


@pytest.mark.nightly
def test_a_running_server_holds_a_key_to_its_limit_and_sdks_try_again(
    start_server: Any, usage: Callable[..., str], tmp_path: Path
) -> None:
    server = start_server("--data-dir", tmp_path)
    client = server.client()
    create(client, "Music")
    assert usage("limit", "test", "--write", "5") == "test\t\t5\n"

    def is_refused() -> bool:
        try:
            for _ in range(2):  # the second before the first is paid, which takes four seconds
                client.put_item(TableName="Music", Item={"pk": {"S": "x"}, "a": {"S": "x" * 25_000}})
        except client.exceptions.RequestLimitExceeded:
            return True
        return False

    until(is_refused)
    patient = server.client(retries={"max_attempts": 10, "mode": "standard"})
    for number in range(12):
        patient.put_item(TableName="Music", Item={"pk": {"S": str(number)}})
    assert usage("limit", "test", "--off") == "test is not limited.\n"
    assert usage("limit", "--json").strip() == "[]"
    server.stop()
    assert json.loads(usage("--json"))[0]["ThrottledRequests"] > 0


@pytest.mark.nightly
def test_sdks_get_through_throttling(start_server: Any) -> None:
    server = start_server("--memory", "--enforce-throughput")
    client, impatient = server.client(retries={"max_attempts": 10, "mode": "standard"}), server.client()
    create(client, "Music", ProvisionedThroughput={"ReadCapacityUnits": 5, "WriteCapacityUnits": 5})

    def put(client: Any, pk: str, units: int) -> None:
        text = "x" * (units * 1024 - 10)
        client.put_item(TableName="Music", Item={"pk": {"S": pk}, "a": {"S": text}})

    def spend() -> None:
        """Spends faster than a bucket fills, and so leaves none, however long an SDK has waited before."""
        while True:
            put(impatient, "x", 30)

    for units in (1, 30):
        with pytest.raises(client.exceptions.ProvisionedThroughputExceededException):
            spend()
        put(client, "y", units)
    with pytest.raises(client.exceptions.ProvisionedThroughputExceededException):
        spend()
    client.update_table(
        TableName="Music", ProvisionedThroughput={"ReadCapacityUnits": 5, "WriteCapacityUnits": 1_000}
    )
    put(client, "z", 1)


@pytest.mark.parametrize(
    "arguments", [("limit", "key"), ("limit", "--read", "1"), ("limit", "key", "--off", "--read", "1")]
)
def test_a_limit_that_says_too_little_or_too_much(alt: Any, arguments: tuple[str, ...]) -> None:
    result = alt("usage", *arguments)
    assert result.status == 2
    assert "Give an access key with --read, --write or both" in result.err


def test_a_limit_of_what_can_be_no_access_key(alt: Any, tmp_path: Path) -> None:
    not_utf8 = b"x\xff".decode(errors="surrogateescape")  # as Python has the arguments of a process
    result = alt("usage", "limit", not_utf8, "--read", "1", "--data-dir", tmp_path)
    assert result.status == 2
    assert result.err.endswith("Error: The access key is no UTF-8 text.\n")
