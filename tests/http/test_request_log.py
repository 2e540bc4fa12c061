"""Lines about requests: which have one, what it says, and what it never says."""

from __future__ import annotations

import json
import logging
import signal
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from alt.testing import Server, serve

SECRET = "not-for-the-log"
MUSIC = {"TableName": "Music"}
ITEM = {"pk": {"S": SECRET}, "year": {"N": "1983"}}
INDEX = {
    "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
    "AttributeDefinitions": [
        {"AttributeName": "pk", "AttributeType": "S"},
        {"AttributeName": "year", "AttributeType": "N"},
    ],
    "GlobalSecondaryIndexes": [
        {
            "IndexName": "by-year",
            "KeySchema": [{"AttributeName": "year", "KeyType": "HASH"}],
            "Projection": {"ProjectionType": "ALL"},
        }
    ],
    "Items": [ITEM],
}


@pytest.fixture(scope="module")
def one_server() -> Iterator[Server]:
    with serve(log_requests=True, slow_ms=50) as server:
        server.seed({"Music": INDEX})
        yield server


@pytest.fixture
def server(one_server: Server, caplog: pytest.LogCaptureFixture) -> Server:
    caplog.clear()
    return one_server


def fields(caplog: pytest.LogCaptureFixture) -> dict[str, Any]:
    """Of the one line that there is."""
    (record,) = [each for each in caplog.records if each.name == "alt.requests"]
    found: dict[str, Any] = record.fields  # type: ignore[attr-defined]
    return found


REQUESTS: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "a write": (
        "put_item",
        {**MUSIC, "Item": ITEM},
        {"operation": "PutItem", "outcome": "ok", "tables": "Music"},
    ),
    "a query of an index": (
        "query",
        {
            **MUSIC,
            "IndexName": "by-year",
            "KeyConditionExpression": "#y = :y",
            "FilterExpression": "pk <> :secret",
            "ExpressionAttributeNames": {"#y": "year"},
            "ExpressionAttributeValues": {":y": ITEM["year"], ":secret": ITEM["pk"]},
        },
        {
            "tables": "Music",
            "indexes": "by-year",
            "plan": "search; KeyConditionExpression='#y = :y'; FilterExpression='pk <> :secret'; returned 0 of 1 read",
        },
    ),
    "a scan": ("scan", {**MUSIC, "Limit": 5}, {"plan": "scan; Limit='5'; returned 1 of 1 read"}),
    "an older query": (
        "query",
        {
            **MUSIC,
            "KeyConditions": {"pk": {"ComparisonOperator": "EQ", "AttributeValueList": [ITEM["pk"]]}},
        },
        {"plan": "search; KeyConditions='pk'; returned 1 of 1 read"},
    ),
    "a statement": (
        "execute_statement",
        {"Statement": f"SELECT * FROM Music WHERE pk = '{SECRET}'"},
        {"operation": "ExecuteStatement", "tables": "Music"},
    ),
    "a batch": (
        "batch_get_item",
        {"RequestItems": {"Music": {"Keys": [{"pk": ITEM["pk"]}]}}},
        {"operation": "BatchGetItem", "tables": "Music"},
    ),
    "no table": ("list_tables", {}, {"operation": "ListTables", "tables": "*"}),
}


@pytest.mark.parametrize("case", REQUESTS)
def test_a_request_has_a_line_that_says_what_it_is_about_and_no_value(
    server: Server, caplog: pytest.LogCaptureFixture, case: str
) -> None:
    operation, request, expected = REQUESTS[case]
    getattr(server.client(), operation)(**request)
    found = fields(caplog)
    assert {name: found.get(name) for name in expected} == expected
    assert SECRET not in caplog.text
    assert SECRET not in str(found)


def test_a_refusal_is_told_by_its_type(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(ClientError):
        server.client().get_item(TableName="Absent", Key={"pk": {"S": "a"}})
    assert fields(caplog)["outcome"] == "ResourceNotFoundException"


@pytest.mark.parametrize(
    "body", [b"{", b'"\\u0000"', b'{"TableName": 7}', b'{"TableName": "a\\nfaked line"}', b"[" * 500]
)
def test_no_request_breaks_a_line_or_the_server(
    server: Server, caplog: pytest.LogCaptureFixture, body: bytes
) -> None:
    headers = {"X-Amz-Target": "DynamoDB_20120810.Scan", "Content-Type": "application/x-amz-json-1.0"}
    with pytest.raises(urllib.error.HTTPError):
        urllib.request.urlopen(urllib.request.Request(server.url, body, headers))
    (record,) = [each for each in caplog.records if each.name == "alt.requests"]
    assert "\n" not in record.getMessage()


def test_what_is_no_operation_is_called_unknown(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    headers = {"X-Amz-Target": "DynamoDB_20120810.A\tB", "Content-Type": "application/x-amz-json-1.0"}
    with pytest.raises(urllib.error.HTTPError):
        urllib.request.urlopen(urllib.request.Request(server.url, b"{}", headers))
    assert fields(caplog)["operation"] == "unknown"


def test_a_slow_request_is_a_warning(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    with server.faults.slow("Music", 0.06):
        server.client().get_item(**MUSIC, Key={"pk": {"S": "a"}})
    assert fields(caplog)["event"] == "slow request"
    assert fields(caplog)["milliseconds"] >= 60
    assert caplog.records[-1].levelno == logging.WARNING


def test_only_slow_requests_where_only_these_are_asked_for(caplog: pytest.LogCaptureFixture) -> None:
    with serve(slow_ms=60_000) as server:
        server.seed({"Music": {}})
        caplog.clear()
        server.client().get_item(**MUSIC, Key={"pk": {"S": "a"}})
        assert not [each for each in caplog.records if each.name == "alt.requests"]


def test_the_signal_turns_it_on_and_off_and_lines_can_be_json(start_server: Any, tmp_path: Path) -> None:
    log = tmp_path / "log"
    server = start_server("--memory", "--log-format", "json", log=log)
    client = server.client()

    def events(count: int) -> list[str]:
        """Once there are so many lines."""
        deadline = time.monotonic() + 60
        while len(lines := log.read_text().splitlines()) < count and time.monotonic() < deadline:
            time.sleep(0.01)
        found = [json.loads(line) for line in lines]
        assert all({"time", "level", "logger"} <= each.keys() for each in found)
        return [each.get("operation") or each["message"] for each in found]

    client.list_tables()
    server.process.send_signal(signal.SIGUSR1)
    assert events(1) == ["each request is logged"]
    client.list_tables()
    assert events(2)[1:] == ["ListTables"]
    server.process.send_signal(signal.SIGUSR1)
    assert events(3)[2:] == ["requests are no longer logged"]
    client.list_tables()
    assert len(events(3)) == 3
