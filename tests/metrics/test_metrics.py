"""What `/metrics` says of what was done, in Prometheus' format and with bounded labels."""

from __future__ import annotations

import contextlib
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from alt.http import metrics_page
from alt.metrics.catalogue import CATALOGUE
from alt.testing import Server, serve
from tests.metrics.conftest import Scraped, scraped

MUSIC = {"TableName": "Music"}
A = {"pk": {"S": "a"}}


def put(server: Server, **request: Any) -> Any:
    return server.client().put_item(**MUSIC, Item=A, **request)


def fail(server: Server, operation: str, **request: Any) -> None:
    with pytest.raises(ClientError):
        getattr(server.client(), operation)(**request)


def refuse_by_condition(server: Server) -> None:
    fail(server, "put_item", **MUSIC, Item=A, ConditionExpression="attribute_not_exists(pk)")


def cancel(server: Server) -> None:
    check = {**MUSIC, "Key": A, "ConditionExpression": "attribute_not_exists(pk)"}
    other = {**MUSIC, "Item": {"pk": {"S": "new"}}}
    fail(server, "transact_write_items", TransactItems=[{"ConditionCheck": check}, {"Put": other}])


def throttle(server: Server) -> None:
    server.faults.throttle("Music", next=1)
    server.client().get_item(**MUSIC, Key=A)  # boto3 tries again


def select(server: Server) -> None:
    server.client().execute_statement(Statement="SELECT * FROM Music")
    server.client().execute_statement(Statement="SELECT * FROM Music WHERE pk = 'a'")


def read_part_of_a_stream(server: Server) -> None:
    view = {"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"}
    server.client().update_table(**MUSIC, StreamSpecification=view)
    for _ in range(2):
        server.client().put_item(**MUSIC, Item={**A, "at": {"N": str(time.time())}})
    server.clock.advance(60)
    streams = server.client("dynamodbstreams")
    arn = server.client().describe_table(**MUSIC)["Table"]["LatestStreamArn"]
    for shard in streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]:
        iterator = streams.get_shard_iterator(
            StreamArn=arn, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
        )
        streams.get_records(ShardIterator=iterator["ShardIterator"], Limit=1)


def expire(server: Server) -> None:
    specification = {"Enabled": True, "AttributeName": "until"}
    server.client().update_time_to_live(**MUSIC, TimeToLiveSpecification=specification)
    server.client().put_item(**MUSIC, Item={"pk": {"S": "e"}, "until": {"N": str(int(time.time()))}})
    server.clock.advance(60)
    while server.client().scan(**MUSIC)["Count"] > 4:
        time.sleep(0.01)


def unknown(server: Server) -> None:
    headers = {"X-Amz-Target": "DynamoDB_20120810.Invented", "Content-Type": "application/x-amz-json-1.0"}
    with pytest.raises(urllib.error.HTTPError):
        urllib.request.urlopen(urllib.request.Request(server.url, b"{}", headers))


COUNTED: dict[str, tuple[Callable[[Server], Any], str, dict[str, str], float]] = {
    "a request": (put, "alt_requests_total", {"operation": "PutItem", "outcome": "ok"}, 1),
    "how long it took": (put, "alt_request_duration_seconds_count", {"operation": "PutItem"}, 1),
    "all requests of a kind": (
        lambda server: [server.client().get_item(**MUSIC, Key=A) for _ in range(3)],
        "alt_requests_total",
        {"operation": "GetItem", "outcome": "ok"},
        3,
    ),
    "a condition that was false": (
        refuse_by_condition,
        "alt_requests_total",
        {"operation": "PutItem", "outcome": "ConditionalCheckFailedException"},
        1,
    ),
    "an error": (
        lambda server: fail(server, "get_item", TableName="Absent", Key=A),
        "alt_requests_total",
        {"operation": "GetItem", "outcome": "ResourceNotFoundException"},
        1,
    ),
    "an operation that is none": (
        unknown,
        "alt_requests_total",
        {"operation": "unknown", "outcome": "UnknownOperationException"},
        1,
    ),
    "why a transaction was cancelled": (
        cancel,
        "alt_transaction_cancellation_reasons_total",
        {"operation": "TransactWriteItems", "reason": "ConditionalCheckFailed"},
        1,
    ),
    "items of a Scan": (
        lambda server: server.client().scan(**MUSIC),
        "alt_returned_items_total",
        {"operation": "Scan"},
        4,
    ),
    "items of a SELECT": (select, "alt_returned_items_total", {"operation": "ExecuteStatement"}, 5),
    "read units": (
        lambda server: server.client().get_item(**MUSIC, Key=A, ConsistentRead=True),
        "alt_consumed_read_capacity_units_total",
        {"table": "Music"},
        1,
    ),
    "write units": (put, "alt_consumed_write_capacity_units_total", {"table": "Music"}, 1),
    "what was throttled": (throttle, "alt_throttled_requests_total", {"table": "Music"}, 1),
    "what expired": (expire, "alt_ttl_deleted_items_total", {}, 1),
    "groups of writes": (put, "alt_commit_group_writes_count", {}, 1),
    "commits": (put, "alt_commit_duration_seconds_count", {}, 1),
    "tables": (lambda server: server.seed({"Other": {}}), "alt_tables", {}, 1),
    "open tables": (lambda server: server.seed({"Other": {"Items": [A]}}), "alt_open_tables", {}, 1),
}


@pytest.mark.parametrize("case", COUNTED)
def test_it_is_counted(server: Server, case: str) -> None:
    do, name, labels, expected = COUNTED[case]
    before = scraped(server.url).get(name, **labels) or 0
    do(server)
    # What is done may be seen a moment before it is counted.
    end = time.monotonic() + 60
    while (counted := (scraped(server.url).get(name, **labels) or 0) - before) < expected:
        assert time.monotonic() < end, counted
        time.sleep(0.01)
    assert counted == expected


def test_a_stream_that_is_not_read_to_its_end_lags(server: Server) -> None:
    read_part_of_a_stream(server)
    lag = scraped(server.url).get("alt_stream_lag_seconds", table="Music")
    assert lag is not None
    assert 59 < lag < 120


@pytest.mark.parametrize(
    "name",
    [
        "alt_table_file_bytes",
        "alt_table_wal_bytes",
        "alt_sqlite_memory_bytes",
        "process_resident_memory_bytes",
        "process_open_fds",
        "process_cpu_seconds_total",
        "process_start_time_seconds",
    ],
)
def test_it_has_a_size(server: Server, name: str) -> None:
    labels = {"table": "Music"} if name.startswith("alt_table_") else {}
    value = scraped(server.url).get(name, **labels)
    assert value is not None
    assert value > 0


def test_every_metric_is_as_the_catalogue_has_it(server: Server) -> None:
    for case in (cancel, read_part_of_a_stream):
        case(server)
    families = scraped(server.url).families
    of_files = [metric for metric in CATALOGUE if not metric.name.startswith("alt_database_")]
    assert set(families) == {metric.name.removesuffix("_total") for metric in of_files}
    for metric in of_files:
        family = families[metric.name.removesuffix("_total")]
        assert (family.type, family.documentation) == (metric.kind, metric.help)
        labels = {name for sample in family.samples for name in sample.labels} - {"le"}
        assert labels == set(metric.labels)


def test_names_that_clients_invent_become_no_labels(server: Server) -> None:
    unknown(server)
    fail(server, "get_item", TableName="Invented", Key=A)
    fail(
        server,
        "query",
        **MUSIC,
        IndexName="Invented",
        KeyConditionExpression="pk = :a",
        ExpressionAttributeValues={":a": A["pk"]},
    )
    found = scraped(server.url)
    for label in ("operation", "table", "outcome"):
        assert "Invented" not in found.values(label)


def test_a_removed_table_leaves_none(server: Server) -> None:
    read_part_of_a_stream(server)
    assert scraped(server.url).values("table") == {"Music"}
    server.client().delete_table(**MUSIC)
    server.client().get_waiter("table_not_exists").wait(**MUSIC, WaiterConfig={"Delay": 0.05})
    assert scraped(server.url).values("table") == set()


def test_a_table_made_anew_has_nothing_of_the_one_before(server: Server) -> None:
    read_part_of_a_stream(server)
    assert scraped(server.url).get("alt_stream_lag_seconds", table="Music") is not None
    server.client().delete_table(**MUSIC)
    server.seed({"Music": {"Items": [A]}})
    assert scraped(server.url).get("alt_stream_lag_seconds", table="Music") is None


def test_only_so_many_tables_are_listed(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    server.seed({name: {"Items": [A]} for name in ("Alpha", "Beta")})
    monkeypatch.setattr(metrics_page, "MAX_TABLES", 2)
    found = scraped(server.url)
    assert found.values("table") == {"Alpha", "Beta"}
    assert found.get("alt_tables") == 3


def test_a_server_in_memory_has_no_files() -> None:
    with serve() as server:
        server.seed({"Music": {"Items": [A]}})
        found = scraped(server.url)
    assert found.get("alt_table_file_bytes", table="Music") is None
    assert found.get("alt_consumed_write_capacity_units_total", table="Music") == 1


# Who may


def status(url: str, **headers: str) -> int:
    with (
        contextlib.suppress(urllib.error.HTTPError),
        urllib.request.urlopen(urllib.request.Request(url, headers=headers)) as answer,
    ):
        return int(answer.status)
    return 0


def test_where_signatures_are_asked_for_web_pages_and_other_machines_may_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serve(data_dir=tmp_path / "data", auth="enforce") as server:
        assert status(f"{server.url}/metrics") == 200
        assert status(f"{server.url}/metrics", Origin="http://localhost:3000") == 0
        monkeypatch.setattr("alt.http.local.is_loopback", lambda _peer: False)
        assert status(f"{server.url}/metrics") == 0


def test_a_port_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serve(data_dir=tmp_path / "data", auth="enforce", metrics_port=0) as server:
        url = server._service.metrics_url
        monkeypatch.setattr("alt.http.local.is_loopback", lambda _peer: False)
        assert scraped(url.removesuffix("/metrics")).get("alt_tables") == 0
        assert [
            status(url, Origin="http://localhost"),
            status(url, Host="evil.example"),
            status(url + "x"),
        ] == [0, 0, 0]


def test_scrapes_go_on_while_requests_are_answered(server: Server) -> None:
    before = scraped(server.url)
    for _ in range(20):
        put(server)
        found: Scraped = scraped(server.url)
    labels = {"operation": "PutItem", "outcome": "ok"}
    counts = [each.get("alt_requests_total", **labels) or 0 for each in (before, found)]
    assert counts[1] - counts[0] == 20
    assert found.get("alt_connections") == 1
