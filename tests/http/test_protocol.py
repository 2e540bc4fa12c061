"""HTTP/1.1 on the wire: raw sockets against a real server."""

from __future__ import annotations

import contextlib
import json
import socket
import zlib
from collections.abc import Iterator
from typing import Any

import pytest

from alt.values.json import STEP_BYTES

LIST = b'{"Limit":1}'


class Wire:
    """A raw connection and the answers on it."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self._received = b""

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def answer(self, *, has_body: bool = True) -> tuple[int, dict[str, str], bytes]:
        """The next answer: status, headers by lower-case name, body."""
        while b"\r\n\r\n" not in self._received:
            self._more()
        head, _, self._received = self._received.partition(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines[1:])}
        length = int(headers.get("content-length", "0")) if has_body else 0
        while len(self._received) < length:
            self._more()
        body, self._received = self._received[:length], self._received[length:]
        return int(lines[0].split(" ")[1]), headers, body

    def is_closed(self) -> bool:
        return self.socket.recv(1) == b""

    def _more(self) -> None:
        data = self.socket.recv(65_536)
        if not data:
            raise ConnectionError(f"closed after {self._received!r}")
        self._received += data


@pytest.fixture
def wire(server: Any) -> Iterator[Wire]:
    connection = Wire(server.port)
    yield connection
    connection.socket.close()


def request(operation: str, body: bytes, *headers: str, length: bool = True) -> bytes:
    lines = [
        "POST / HTTP/1.1",
        "Host: localhost",
        "Content-Type: application/x-amz-json-1.0",
        f"X-Amz-Target: DynamoDB_20120810.{operation}",
        *headers,
    ]
    if length:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def test_every_answer_has_an_id_a_checksum_and_a_content_type(wire: Wire) -> None:
    ids = set()
    for operation, body in (("ListTables", LIST), ("Nonsense", b"{}"), ("ListTables", b"[]")):
        wire.send(request(operation, body))
        _, headers, answered = wire.answer()
        assert headers["content-type"] == "application/x-amz-json-1.0"
        assert int(headers["x-amz-crc32"]) == zlib.crc32(answered)
        ids.add(headers["x-amzn-requestid"])
    assert len(ids) == 3


def test_the_content_type_asked_with_is_answered(wire: Wire) -> None:
    asked = request("ListTables", LIST).replace(b"application/x-amz-json-1.0", b"application/json")
    wire.send(asked)
    assert wire.answer()[1]["content-type"] == "application/json"


def test_a_connection_is_kept_and_closed_when_asked(wire: Wire) -> None:
    for _ in range(3):
        wire.send(request("ListTables", LIST))
        assert wire.answer()[0] == 200
    wire.send(request("ListTables", LIST, "Connection: close"))
    status, headers, _ = wire.answer()
    assert (status, headers["connection"]) == (200, "close")
    assert wire.is_closed()


def test_pipelined_answers_keep_the_order_of_their_requests(wire: Wire, dynamodb: Any) -> None:
    dynamodb.create_table(
        TableName="pipeline",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    sent = b""
    for number in range(150):
        item = {"pk": {"S": "a"}, "n": {"N": str(number)}}
        sent += request("PutItem", json.dumps({"TableName": "pipeline", "Item": item}).encode())
        sent += request(
            "GetItem",
            json.dumps({"TableName": "pipeline", "Key": {"pk": {"S": "b"}}}).encode(),
            "Origin: http://localhost:3000",
        )
    wire.send(sent)
    for _ in range(150):
        # Reads do not wait for writes, but their answers do.
        assert "access-control-allow-origin" not in wire.answer()[1]
        assert wire.answer()[1]["access-control-allow-origin"] == "http://localhost:3000"


def test_chunked_bodies(wire: Wire) -> None:
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (LIST[:4], LIST[4:])) + b"0\r\n\r\n"
    wire.send(request("ListTables", chunks, "Transfer-Encoding: chunked", length=False))
    assert wire.answer()[0] == 200


def test_expect_100_continue(wire: Wire) -> None:
    whole = request("ListTables", LIST, "Expect: 100-continue")
    wire.send(whole[: -len(LIST)])
    assert wire.answer()[0] == 100
    wire.send(LIST)
    assert wire.answer()[0] == 200


def test_an_offer_of_another_protocol_is_ignored(wire: Wire) -> None:
    """The JDK's client offers h2c with every request, whatever the answers say."""
    offer = ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAEAAEAAAAIAAAAB")
    chunked = b"%x\r\n%b\r\n0\r\n\r\n" % (len(LIST), LIST)
    for _ in range(2):
        wire.send(request("ListTables", LIST, *offer))
        status, headers, _ = wire.answer()
        assert status == 200
        assert "connection" not in headers
    wire.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n" + "\r\n".join(offer).encode() + b"\r\n\r\n")
    assert wire.answer()[0] == 200
    wire.send(request("ListTables", chunked, *offer, "Transfer-Encoding: chunked", length=False))
    assert wire.answer()[0] == 200
    whole = request("ListTables", LIST, *offer, "Expect: 100-continue")
    wire.send(whole[: -len(LIST)])
    assert wire.answer()[0] == 100
    wire.send(LIST[:3])
    wire.send(LIST[3:] + request("ListTables", LIST, *offer) + request("ListTables", LIST))
    assert [wire.answer()[0] for _ in range(3)] == [200, 200, 200]


def test_an_offer_with_the_last_request_of_a_connection(wire: Wire) -> None:
    wire.send(request("ListTables", LIST, "Connection: close, Upgrade", "Upgrade: h2c"))
    status, headers, _ = wire.answer()
    assert (status, headers["connection"]) == (200, "close")
    assert wire.is_closed()


def test_no_tunnel_is_opened(wire: Wire) -> None:
    wire.send(b"CONNECT localhost:1 HTTP/1.1\r\nHost: localhost\r\n\r\nxxx")
    assert wire.answer()[0] == 404
    assert wire.is_closed()


def test_many_requests_in_one_read_are_all_answered(wire: Wire) -> None:
    whole = request("ListTables", LIST)
    count = 4 * 65_536 // len(whole)
    wire.send(whole * count + whole[:-1])
    assert {wire.answer()[0] for _ in range(count)} == {200}
    wire.send(whole[-1:])
    assert wire.answer()[0] == 200


@pytest.mark.parametrize("path", ["/", "/ready", "/localnodes"])
def test_get_and_head_need_no_credentials(wire: Wire, path: str) -> None:
    host = "localhost:1234" if path == "/localnodes" else "example:1234"
    wire.send(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    status, headers, body = wire.answer()
    assert status == 200
    assert int(headers["x-amz-crc32"]) == zlib.crc32(body)
    if path == "/":
        assert body.strip() == b"healthy: example:1234"
    elif path == "/ready":
        assert body == b"ready\n"
    else:
        assert json.loads(body) == ["127.0.0.1"]
    wire.send(f"HEAD {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    status, headers, _ = wire.answer(has_body=False)
    assert (status, headers["content-length"]) == (200, str(len(body)))


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nbroken header\r\n\r\n", 400),
        (b"GET /" + b"x" * 10_000 + b" HTTP/1.1\r\n\r\n", 414),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * 70_000 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\n" + b"".join(b"X%d: y\r\n" % n for n in range(200)) + b"\r\n", 431),
        (b"POST / HTTP/1.1\r\nContent-Length: 16777217\r\n\r\n", 413),
        (b"POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
    ],
    ids=["words", "header", "url", "long-header", "many-headers", "long-body", "two-lengths"],
)
def test_what_is_not_a_readable_request_ends_its_connection(
    wire: Wire, server: Any, data: bytes, status: int
) -> None:
    wire.send(data)
    assert wire.answer()[0] == status
    assert wire.is_closed()
    other = Wire(server.port)
    other.send(request("ListTables", LIST))
    assert other.answer()[0] == 200
    other.socket.close()


def test_a_chunked_body_over_16_mb_is_refused(wire: Wire) -> None:
    head = request("PutItem", b"", "Transfer-Encoding: chunked", length=False)
    chunk = b"100000\r\n" + b" " * 0x100000 + b"\r\n"
    wire.send(head + chunk * 17)
    assert wire.answer()[0] == 413


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"POST / HTTP/1.1\r\nContent-Length: 20000000\r\n\r\n", 413),
        (b"GET / HTTP/1.1\r\n" + b"".join(b"X%d: y\r\n" % n for n in range(200)) + b"\r\n", 431),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * 500_000 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\n broken", 400),
    ],
    ids=["long-body", "many-headers", "long-header", "broken"],
)
def test_a_client_that_is_refused_while_it_sends_can_read_why(wire: Wire, head: bytes, status: int) -> None:
    wire.send(head)
    wire.send(b"x" * 20_000_000)
    assert wire.answer()[0] == status
    assert wire.is_closed()


@pytest.mark.parametrize("ending", ["extension", "trailer"])
def test_what_stands_beside_chunks_is_limited(wire: Wire, ending: str) -> None:
    head = request("ListTables", b"", "Transfer-Encoding: chunked", length=False)
    wire.send(head + (b"1;" if ending == "extension" else b"0\r\nX: "))
    with contextlib.suppress(ConnectionError):
        for _ in range(80):
            wire.send(b"x" * 1_000_000)
    assert wire.answer()[0] == 413


def test_a_trailer_is_no_header(wire: Wire) -> None:
    trailer = b"0\r\nX-Amz-Target: DynamoDB_20120810.DeleteTable\r\n\r\n"
    body = b"%x\r\n%b\r\n" % (len(LIST), LIST) + trailer
    wire.send(request("ListTables", body, "Transfer-Encoding: chunked", length=False))
    assert wire.answer()[0] == 200


def test_answers_before_a_broken_request_still_come(wire: Wire) -> None:
    wire.send(request("ListTables", LIST) + b"nonsense\r\n\r\n")
    assert wire.answer()[0] == 200
    assert wire.answer()[0] == 400
    assert wire.is_closed()


def test_a_client_that_has_shut_its_side_down_gets_its_answer(wire: Wire) -> None:
    wire.send(request("ListTables", LIST))
    wire.socket.shutdown(socket.SHUT_WR)
    assert wire.answer()[0] == 200
    assert wire.is_closed()


@pytest.mark.parametrize(
    "target", ["DynamoDB_20120810.Nonsense", "DynamoDBStreams_20120810.ListTables", "x", ""]
)
def test_an_unknown_target_is_an_unknown_operation(wire: Wire, target: str) -> None:
    wire.send(request("X", b"{}").replace(b"DynamoDB_20120810.X", target.encode()))
    status, _, body = wire.answer()
    assert status == 400
    assert json.loads(body)["__type"].endswith("#UnknownOperationException")


# Half a surrogate pair, escaped and as bytes; then a whole pair, each half as three bytes.
BROKEN_TEXTS = [b"\xff", rb"\ud800", b"\xed\xa0\x80", b"\xed\xbf\xbf", b"\xed\xa0\xbd\xed\xb8\x80"]


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[1", b"nonsense", *(b'{"TableName":"%b"}' % text for text in BROKEN_TEXTS)]
)
def test_an_unreadable_body_is_a_serialization_error(wire: Wire, body: bytes) -> None:
    wire.send(request("DescribeTable", body))
    status, _, answered = wire.answer()
    assert status == 400
    assert json.loads(answered)["__type"].endswith("#SerializationException")


@pytest.mark.parametrize("at", [STEP_BYTES - 1, 3 * STEP_BYTES, 3 * STEP_BYTES + 1])
def test_broken_text_is_found_wherever_it_stands_in_a_large_body(wire: Wire, at: int) -> None:
    begin = b'{"TableName":"'
    body = begin + "\ud7ff\ue000".encode() * (4 * STEP_BYTES // 6) + b'"}'
    wire.send(request("DescribeTable", body))
    assert json.loads(wire.answer()[2])["__type"].endswith("#ValidationException")
    padding = b"x" * (at - len(begin))
    wire.send(request("DescribeTable", begin + padding + b"\xed\xa0\x80" + body[len(begin) :]))
    assert json.loads(wire.answer()[2])["__type"].endswith("#SerializationException")
