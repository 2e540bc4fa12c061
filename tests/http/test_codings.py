"""Compressed bodies: how requests may come, and how answers go."""

from __future__ import annotations

import gzip
import json
import random
import string
import zlib
from collections.abc import Iterator
from typing import Any

import pytest

from tests.http.test_protocol import LIST, Wire, request

MEGABYTE = 1024 * 1024
KEY = {"pk": {"S": "a"}}
TABLE = "coded"
BODIES = {"gzip": gzip.decompress, "deflate": zlib.decompress}


@pytest.fixture
def wire(server: Any) -> Iterator[Wire]:
    connection = Wire(server.port)
    yield connection
    connection.socket.close()


@pytest.fixture(scope="module")
def table(dynamodb: Any) -> str:
    dynamodb.create_table(
        TableName=TABLE,
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    return TABLE


def stored(dynamodb: Any, table: str, text: str, pk: str = "a") -> bytes:
    """Store an item with this text; the request that gets it."""
    dynamodb.put_item(TableName=table, Item={"pk": {"S": pk}, "x": {"S": text}})
    return json.dumps({"TableName": table, "Key": {"pk": {"S": pk}}, "ProjectionExpression": "x"}).encode()


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        ("gzip", gzip.compress(LIST)),
        ("GZIP ", gzip.compress(LIST)),
        ("gzip", gzip.compress(LIST[:4]) + gzip.compress(b"") + gzip.compress(LIST[4:])),
        ("gzip", b"".join(gzip.compress(LIST[at : at + 1]) for at in range(len(LIST)))),
        ("deflate", zlib.compress(LIST)),
        ("deflate", raw_deflate(LIST)),
        ("identity", LIST),
        ("", LIST),
    ],
    ids=["gzip", "capitals", "members", "many-members", "deflate", "raw-deflate", "identity", "none"],
)
def test_bodies_are_read_as_their_content_encoding_says(wire: Wire, coding: str, body: bytes) -> None:
    wire.send(request("ListTables", body, f"Content-Encoding: {coding}"))
    status, _, answered = wire.answer()
    assert status == 200
    assert len(json.loads(answered)["TableNames"]) <= 1


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        ("gzip", gzip.compress(LIST)[:-1]),
        ("gzip", gzip.compress(LIST[:4]) + gzip.compress(LIST[4:])[:-9]),
        ("gzip", gzip.compress(LIST) + b"something that is no member"),
        ("gzip", gzip.compress(LIST)[:-8] + b"\x00" * 8),
        ("gzip", LIST),
        ("gzip", zlib.compress(LIST)),
        ("gzip", b""),
        ("deflate", zlib.compress(LIST)[:-1]),
        ("deflate", zlib.compress(LIST) + b"more"),
        ("deflate", raw_deflate(LIST)[:-1]),
        ("deflate", LIST),
        ("deflate", b""),
        ("garbage", LIST),
        ("br", LIST),
        ("gzip, gzip", gzip.compress(gzip.compress(LIST))),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_body_that_cannot_be_read_is_an_internal_error(wire: Wire, coding: str, body: bytes) -> None:
    """As on the service. The connection goes on."""
    wire.send(request("ListTables", body, f"Content-Encoding: {coding}") + request("ListTables", LIST))
    status, _, answered = wire.answer()
    assert status == 500
    error = json.loads(answered)
    assert error["__type"].endswith("#InternalServerError")
    assert "Content-Encoding" in error["message"]
    assert wire.answer()[0] == 200


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        ("gzip", gzip.compress(b" " * 17 * MEGABYTE)),
        ("gzip", gzip.compress(b" " * 6 * MEGABYTE) * 3),
        ("deflate", zlib.compress(b" " * 17 * MEGABYTE)),
        ("deflate", raw_deflate(b" " * 17 * MEGABYTE)),
    ],
    ids=["gzip", "members", "deflate", "raw-deflate"],
)
def test_a_body_that_grows_beyond_what_a_request_may_have_is_refused(
    wire: Wire, coding: str, body: bytes
) -> None:
    wire.send(request("ListTables", body, f"Content-Encoding: {coding}") + request("ListTables", LIST))
    assert wire.answer()[0] == 413
    assert wire.answer()[0] == 200


# Recorded from the service, but that several headers count as one.
@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        ([], None),
        (["gzip"], "gzip"),
        (["deflate"], "deflate"),
        (["identity"], None),
        ([""], None),
        (["br"], None),
        (["x-gzip"], None),
        (["gzip, deflate"], "gzip"),
        (["br, identity, deflate, gzip"], "deflate"),
        (["GZIP, identity"], "gzip"),
        (["dog, gzip ,, cat"], "gzip"),
        (["gzip;q=0.8, deflate;q=0.5"], "gzip"),
        (["deflate;q=0.5, gzip;q=0.2"], "deflate"),
        (["br, gzip;q=0, deflate; q = 0.5 , identity;q=0"], "deflate"),
        (["*"], "gzip"),
        (["*, deflate;q=0.5"], "gzip"),
        (["*, deflate"], "deflate"),
        (["*, identity"], "gzip"),
        (["*, gzip;q=0.5"], "deflate"),
        (["gzip ;q=0"], None),
        (["identity;q=0"], None),
        (["*;q=0"], None),
        (["*;q=0.5,identity"], "gzip"),
        (["gzip;q=0.5,identity;q=0.8"], "gzip"),
        (["br;q=0.8,identity;q=0.5,*;q=0"], None),
        (['"gzip"'], None),
        (["gzip br"], None),
        (["gzip:q=1"], None),
        (["deflate;q=0.5, gzip;q=31"], "gzip"),
        (["gzip;q=31,deflate;q=51"], "gzip"),
        (["deflate;q=0.5, gzip;q=1;q=0.2"], "gzip"),
        (["deflate;q=0.5,gzip;q=0."], "deflate"),
        (["deflate;q=0.5,gzip;q=0.x"], "gzip"),
        (["deflate;q=-0.5,gzip;q=0.2"], "gzip"),
        (["gzip;nq=1;q=0 "], None),
        (["gzip;q=0, gzip;q=1, gzip;q=0"], "gzip"),
        (["br,identity;q=0.5,gzip;q=0.0001"], "gzip"),
        (["deflate;q=nan, gzip"], "deflate"),
        (["gzip" + ",br" * 2_000], None),
        (["identity", "gzip"], "gzip"),
        (["gzip", "identity"], "gzip"),
        (["gzip;q=0", "deflate"], "deflate"),
        (["gzip;q=0.2", "br", "deflate;q=0.5"], "deflate"),
    ],
)
def test_answers_are_compressed_as_is_asked(
    wire: Wire, dynamodb: Any, table: str, accepted: list[str], coding: str | None
) -> None:
    get = stored(dynamodb, table, "x" * 5_000)
    wire.send(request("GetItem", get, *(f"Accept-Encoding: {value}" for value in accepted)))
    status, headers, body = wire.answer()
    assert status == 200
    assert headers.get("content-encoding") == coding
    assert int(headers["x-amz-crc32"]) == zlib.crc32(body)
    plain = body if coding is None else BODIES[coding](body)
    assert json.loads(plain) == {"Item": {"x": {"S": "x" * 5_000}}}
    assert (len(body) < 500) == (coding is not None)


@pytest.mark.parametrize("coding", BODIES)
@pytest.mark.parametrize(("length", "is_compressed"), [(4_095, False), (4_096, True)])
def test_small_answers_are_sent_as_they_are(
    wire: Wire, dynamodb: Any, table: str, coding: str, length: int, is_compressed: bool
) -> None:
    text = "x" * (length - len('{"Item":{"x":{"S":""}}}'))
    wire.send(request("GetItem", stored(dynamodb, table, text), f"Accept-Encoding: {coding}"))
    _, headers, body = wire.answer()
    assert ("content-encoding" in headers) == is_compressed
    assert (len(body) == length) != is_compressed


@pytest.mark.parametrize("coding", BODIES)
@pytest.mark.parametrize(
    ("kinds", "most"),
    [
        # Of 62 kinds of letters each has 5.95 bits, of 36 kinds 5.17: nobody can leave less than 0.744 and 0.646.
        (string.ascii_letters + string.digits, 0.755),
        (string.ascii_uppercase + string.digits, 2 / 3),
        (string.digits, 0.49),
    ],
)
def test_compressed_answers_are_smaller_even_where_nothing_repeats(
    wire: Wire, dynamodb: Any, table: str, coding: str, kinds: str, most: float
) -> None:
    text = "".join(random.Random(1).choices(kinds, k=200_000))
    get = stored(dynamodb, table, text)
    wire.send(request("GetItem", get, f"Accept-Encoding: {coding}") + request("ListTables", LIST))
    _, headers, body = wire.answer()
    assert headers["content-encoding"] == coding
    assert json.loads(BODIES[coding](body))["Item"]["x"]["S"] == text
    assert len(body) < most * len(text)
    assert "content-encoding" not in wire.answer()[1]


def test_errors_and_answers_that_are_awaited_are_compressed_as_well(wire: Wire, table: str) -> None:
    asking = "Accept-Encoding: gzip"
    wire.send(request("DescribeTable", json.dumps({"TableName": "y" * 5_000}).encode(), asking))
    status, headers, body = wire.answer()
    assert (status, headers["content-encoding"]) == (400, "gzip")
    assert b"yyyy" in gzip.decompress(body)
    for length in (10_000, 300_000):
        put = {
            "TableName": table,
            "Item": KEY | {"x": {"S": "z" * length}},
            "ReturnValues": "ALL_OLD",
        }
        wire.send(request("PutItem", json.dumps(put).encode(), asking) * 2)
        wire.answer()
        _, headers, body = wire.answer()
        assert headers["content-encoding"] == "gzip"
        assert json.loads(gzip.decompress(body))["Attributes"]["x"]["S"] == "z" * length


def test_headers_may_not_repeat_without_end(wire: Wire) -> None:
    wire.send(request("ListTables", LIST, *["Accept-Encoding: br"] * 100))
    assert wire.answer()[0] == 200
    wire.send(request("ListTables", LIST, *["A: b"] * 200))
    assert wire.answer()[0] == 431
    assert wire.is_closed()
