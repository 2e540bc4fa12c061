"""`alt usage`: what clients consumed, with the server running or not, and limits on access keys."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

SECONDS = 20  # within which a running server stores what was consumed and notices limits


def alt(data_dir: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "alt.cli", *arguments, "--data-dir", str(data_dir)],
        capture_output=True,
        text=True,
    )


def usage(data_dir: Path, *arguments: str) -> Any:
    return json.loads(alt(data_dir, "usage", "--json", *arguments).stdout)


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


def test_consumption_is_shown_and_outlives_the_server(start_server: Any, tmp_path: Path) -> None:
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
    until(lambda: usage(tmp_path) == expected)
    client.put_item(TableName="Music", Item={"pk": {"S": "x"}})
    server.stop()
    assert alt(tmp_path, "usage").stdout == "test\tMusic\t\t0.5\t4.0\t5\t0\n"
    assert usage(tmp_path, "--table", "Other") == usage(tmp_path, "--key", "other") == []
    assert len(usage(tmp_path, "--reset")) == 1
    assert usage(tmp_path) == []


def test_a_running_server_holds_a_key_to_its_limit_and_sdks_try_again(
    start_server: Any, tmp_path: Path
) -> None:
    server = start_server("--data-dir", tmp_path)
    client = server.client()
    create(client, "Music")
    assert alt(tmp_path, "usage", "limit", "test", "--write", "20").stdout == "test\t\t20\n"

    def is_refused() -> bool:
        try:
            client.put_item(TableName="Music", Item={"pk": {"S": "x"}})
        except client.exceptions.RequestLimitExceeded:
            return True
        return False

    until(is_refused)
    patient = server.client(retries={"max_attempts": 10, "mode": "standard"})
    for number in range(30):
        patient.put_item(TableName="Music", Item={"pk": {"S": str(number)}})
    assert alt(tmp_path, "usage", "limit", "test", "--off").stdout == "test is not limited.\n"
    assert alt(tmp_path, "usage", "limit", "--json").stdout.strip() == "[]"
    server.stop()
    assert usage(tmp_path)[0]["ThrottledRequests"] > 0


def test_sdks_get_through_throttling(start_server: Any) -> None:
    server = start_server("--memory", "--enforce-throughput")
    client = server.client(retries={"max_attempts": 10, "mode": "standard"})
    create(client, "Music", ProvisionedThroughput={"ReadCapacityUnits": 5, "WriteCapacityUnits": 5})
    client.put_item(TableName="Music", Item={"pk": {"S": "x"}, "a": {"S": "x" * 390_000}})
    for _ in range(4):
        client.put_item(TableName="Music", Item={"pk": {"S": "x"}, "a": {"S": "x" * 390_000}})
    with pytest.raises(client.exceptions.ProvisionedThroughputExceededException):
        server.client().put_item(TableName="Music", Item={"pk": {"S": "y"}})
    client.update_table(
        TableName="Music", ProvisionedThroughput={"ReadCapacityUnits": 5, "WriteCapacityUnits": 1_000}
    )
    client.put_item(TableName="Music", Item={"pk": {"S": "y"}})


@pytest.mark.parametrize(
    "arguments", [("limit", "key"), ("limit", "--read", "1"), ("limit", "key", "--off", "--read", "1")]
)
def test_a_limit_that_says_too_little_or_too_much(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    result = alt(tmp_path, "usage", *arguments)
    assert result.returncode == 2
    assert "Give an access key with --read, --write or both" in result.stderr
