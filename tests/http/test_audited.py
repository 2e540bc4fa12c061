"""What the audit says of requests: of those that are answered, and of those that are refused."""

from __future__ import annotations

import gzip
import json
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from alt.http.audited import MAX_PARAMETERS_BYTES
from alt.storage.sqlite.access_keys import AccessKeys
from alt.storage.sqlite.data_directory import make_private
from alt.testing import serve

SECRET = "blue-monday"  # a value, and a key's
KEY = {"pk": {"S": SECRET}}
ARN = "arn:aws:dynamodb:us-east-1:000000000000:table/Music"
SCHEMA = {
    "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
    "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
    "BillingMode": "PAY_PER_REQUEST",
}
MEMBERS = [
    *(
        "time",
        "requestId",
        "accessKeyId",
        "user",
        "tenant",
        "certificate",
        "sourceIp",
        "operation",
        "tables",
        "resources",
    ),
    *("status", "error", "durationMs"),
]


class Audited:
    """A server in this process, and what it has written of requests."""

    def __init__(self, url: str, file: Path) -> None:
        self.url = url
        self._file = file
        self._seen = 0

    def client(
        self, key: tuple[str, str] = ("test", "test"), service: str = "dynamodb", **config: Any
    ) -> Any:
        options = {"retries": {"max_attempts": 0}, "parameter_validation": False, **config}
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name="us-east-1",
            aws_access_key_id=key[0],
            aws_secret_access_key=key[1],
            config=Config(**options),
        )

    def send(self, body: bytes, target: str = "DynamoDB_20120810.PutItem", **headers: str) -> None:
        lines = {"content-type": "application/x-amz-json-1.0", "x-amz-target": target, **headers}
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        with socket.create_connection(("127.0.0.1", int(self.url.rpartition(":")[2])), 60) as connection:
            connection.sendall(
                f"POST / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: {len(body)}\r\n"
                f"{head}\r\n".encode("latin-1")
                + body
            )
            while connection.recv(65_536):
                pass

    def text(self) -> str:
        return self._file.read_text(encoding="ascii")

    def lines(self, number: int = 1) -> list[Any]:
        """The next lines, once there are so many."""
        deadline = time.monotonic() + 60
        while len(found := self.text().splitlines()[self._seen :]) < number and time.monotonic() < deadline:
            time.sleep(0.005)
        self._seen += len(found)
        assert len(found) == number
        return [json.loads(line) for line in found]


@pytest.fixture
def started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Audited]]:
    monkeypatch.setattr("alt.audit.FLUSH_SECONDS", 0.001)
    running: list[Any] = []

    def start(**settings: Any) -> Audited:
        file = tmp_path / "audit.log"
        running.append(serve(audit=str(file), **settings))
        return Audited(running[-1].__enter__().url, file)

    yield start
    for each in running:
        each.__exit__(None, None, None)


@pytest.fixture
def server(started: Callable[..., Audited]) -> Audited:
    """One with a table."""
    made = started()
    made.client().create_table(
        TableName="Music",
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"},
        **SCHEMA,
    )
    made.lines()
    return made


def test_a_request_is_told_with_who_asked_and_what_came_of_it(server: Audited) -> None:
    answer = server.client(("AKIDEXAMPLE", "x")).get_item(TableName="Music", Key=KEY)
    (line,) = server.lines()
    assert list(line) == MEMBERS
    assert 0 <= line.pop("durationMs") < 60_000
    assert time.strptime(line.pop("time"), "%Y-%m-%dT%H:%M:%S.%fZ")
    assert line == {
        "requestId": answer["ResponseMetadata"]["RequestId"],
        "accessKeyId": "AKIDEXAMPLE",
        "user": None,  # which nobody has proven
        "tenant": None,
        "certificate": None,
        "sourceIp": "127.0.0.1",
        "operation": "GetItem",
        "tables": ["Music"],
        "resources": [],
        "status": 200,
        "error": None,
    }


STATEMENT = {"Statement": f"SELECT * FROM Music WHERE pk = '{SECRET}'"}
DELETION = {"Statement": f"DELETE FROM Music WHERE pk = '{SECRET}'"}
OTHER = {"Statement": f"DELETE FROM \"Other\" WHERE pk = '{SECRET}'"}
REQUESTS: list[tuple[str, dict[str, Any], list[str], list[str], str | None]] = [
    ("put_item", {"TableName": "Music", "Item": KEY}, ["Music"], [], None),
    ("put_item", {"TableName": "Music", "Item": {"pk": {"N": "1"}}}, ["Music"], [], "ValidationException"),
    ("put_item", {"TableName": "Music", "Item": KEY, "ConditionExpression": "attribute_exists(a)"}, ["Music"], [], "ConditionalCheckFailedException"),
    ("put_item", {"TableName": "Music", "Item": {**KEY, "a": {"S": SECRET * 10_000}}}, ["Music"], [], None),
    ("update_item", {"TableName": ARN, "Key": KEY}, ["Music"], [], None),
    ("get_item", {"TableName": "Nothing", "Key": KEY}, ["Nothing"], [], "ResourceNotFoundException"),
    ("query", {"TableName": "Music", "IndexName": "by-year", "KeyConditionExpression": "a = b"}, ["Music"], [f"{ARN}/index/by-year"], "ValidationException"),
    ("batch_get_item", {"RequestItems": {"Music": {"Keys": [KEY]}}}, ["Music"], [], None),
    ("batch_write_item", {"RequestItems": {"Other": [{"DeleteRequest": {"Key": KEY}}], "Music": [{"PutRequest": {"Item": KEY}}]}}, ["Other", "Music"], [], "ResourceNotFoundException"),
    ("transact_write_items", {"TransactItems": [{"Put": {"TableName": "Music", "Item": KEY}}, {"Delete": {"TableName": "Other", "Key": KEY}}]}, ["Music", "Other"], [], "ResourceNotFoundException"),
    ("execute_statement", STATEMENT, ["Music"], [], None),
    ("execute_statement", {"Statement": f"SELECT {SECRET}"}, [], [], "ValidationException"),
    ("batch_execute_statement", {"Statements": [DELETION, OTHER]}, ["Music", "Other"], [], None),
    ("execute_transaction", {"TransactStatements": [STATEMENT, OTHER]}, ["Music", "Other"], [], "ValidationException"),
    ("describe_backup", {"BackupArn": f"{ARN}/backup/01700000000000-0123abcd"}, ["Music"], [f"{ARN}/backup/01700000000000-0123abcd"], "BackupNotFoundException"),
    ("list_tables", {}, [], [], None),
    ("describe_limits", {}, [], [], None),
]  # fmt: skip


@pytest.mark.parametrize(("operation", "request_", "tables", "resources", "error"), REQUESTS)
def test_tables_and_resources_are_named_and_no_value_is(
    server: Audited,
    operation: str,
    request_: dict[str, Any],
    tables: list[str],
    resources: list[str],
    error: str | None,
) -> None:
    client = server.client()
    with suppress(ClientError):
        getattr(client, operation)(**request_)
    (line,) = server.lines()
    assert (line["operation"], line["tables"], line["resources"]) == (
        client.meta.method_to_api_mapping[operation],
        tables,
        resources,
    )
    assert (line["error"], line["status"]) == (error, 200 if error is None else 400)
    assert SECRET not in server.text()


def test_streams_are_named(server: Audited) -> None:
    streams = server.client(service="dynamodbstreams")
    arn = streams.list_streams(TableName="Music")["Streams"][0]["StreamArn"]
    shard = streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"][0]["ShardId"]
    iterator = streams.get_shard_iterator(StreamArn=arn, ShardId=shard, ShardIteratorType="LATEST")
    streams.get_records(ShardIterator=iterator["ShardIterator"])
    lines = server.lines(4)
    assert {tuple(line["tables"]) for line in lines} == {("Music",)}
    assert [line["resources"] for line in lines] == [[], [arn], [arn], [arn]]


def test_what_is_refused_before_it_is_read_is_told_with_what_is_known(server: Audited) -> None:
    body = json.dumps({"TableName": "Music", "Item": KEY}).encode()
    server.send(body[:-1])
    server.send(body, "DynamoDB_20120810.Put\xe9\"Item'}")
    server.send(body, **{"content-type": "text/plain"})
    server.send(body, origin="https://elsewhere.example")
    server.send(body, host="elsewhere.example", authorization="AWS4-HMAC-SHA256 Credential=A\xe9/20261124/x/")
    assert [(line["operation"], line["status"], line["error"]) for line in server.lines(5)] == [
        ("PutItem", 400, "SerializationException"),
        ("Put\xe9\"Item'}", 400, "UnknownOperationException"),
        ("PutItem", 404, None),
        ("PutItem", 403, "AccessDeniedException"),
        ("PutItem", 403, "AccessDeniedException"),
    ]
    assert SECRET not in server.text()


def test_nobody_writes_a_line_of_their_own(server: Audited) -> None:
    name = 'x","status":200}\n{"time":"\u2028\x1b[2J'
    with pytest.raises(ClientError):
        server.client().execute_statement(Statement=f'SELECT * FROM "{name}"')
    with pytest.raises(ClientError):
        server.client().describe_backup(BackupArn=name * 3)
    assert [line["status"] for line in server.lines(2)] == [400, 400]
    assert server.text().isascii()
    assert all(each.isprintable() for each in server.text().splitlines())


def test_values_are_told_where_that_is_asked_for_and_not_beyond_a_bound(
    started: Callable[..., Audited],
) -> None:
    server = started(audit_values=True)
    request = {"TableName": "Music", "Item": KEY}
    body = json.dumps(request, indent=1).encode()
    server.send(body)
    server.send(gzip.compress(body), **{"content-encoding": "gzip"})
    server.send(body[:-1])
    server.send(body.ljust(MAX_PARAMETERS_BYTES + 1))
    server.send(gzip.compress(body.ljust(MAX_PARAMETERS_BYTES + 1)), **{"content-encoding": "gzip"})
    server.send(b"[" * 10_000)
    server.send(b"\xff\xfe\n")
    found = [line["parameters"] for line in server.lines(7)]
    cut = body.ljust(MAX_PARAMETERS_BYTES).decode()
    assert found == [request, request, body[:-1].decode(), cut, cut, "[" * 10_000, "\ufffd\ufffd\n"]


def test_a_user_is_named_whose_signature_was_verified(
    started: Callable[..., Audited], tmp_path: Path
) -> None:
    directory = tmp_path / "data"
    make_private(directory)
    keys = AccessKeys(directory)
    made = keys.create("reports", "readonly", 0.0)
    keys.close()
    server = started(auth="enforce", data_dir=directory)
    server.client((made.id, made.secret)).list_tables()
    with pytest.raises(ClientError):
        server.client((made.id, made.secret)).put_item(TableName="Music", Item=KEY)
    with pytest.raises(ClientError):
        server.client((made.id, "another")).get_item(TableName="Music", Key=KEY)
    server.send(b"{}")
    assert [
        (line["accessKeyId"], line["user"], line["tables"], line["error"]) for line in server.lines(4)
    ] == [
        (made.id, "reports", [], None),
        (made.id, "reports", ["Music"], "AccessDeniedException"),
        (made.id, None, [], "InvalidSignatureException"),
        (None, None, [], "MissingAuthenticationTokenException"),
    ]


def test_the_command_its_signal_and_its_end(start_server: Callable[..., Any], tmp_path: Path) -> None:
    file, header = (
        tmp_path / "audit.log",
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\2\1\x7f\0\0\1\xff\xff\x1f\x40",
    )
    server = start_server("--memory", "--audit", file, "--proxy-protocol")

    def ask() -> None:
        with socket.create_connection(("127.0.0.1", server.port), 60) as connection:
            connection.sendall(header + b"GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
            while connection.recv(1_024):
                pass

    ask()
    audited = Audited(server.url, file)
    (line,) = audited.lines()
    assert (line["operation"], line["sourceIp"]) == ("GET /", "192.0.2.1")
    moved = file.rename(tmp_path / "moved")
    server.process.send_signal(signal.SIGHUP)
    deadline = time.monotonic() + 60
    while not file.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    ask()
    assert server.stop() == 0  # and what waited is written
    assert len(moved.read_text().splitlines()) == len(file.read_text().splitlines()) == 1
