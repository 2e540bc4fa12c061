"""Load balancers that tell whose connection they pass on, and what claims to be one."""

from __future__ import annotations

import json
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from alt.certificates import make_authority, make_certificate
from alt.http import proxied
from alt.http.proxy_header import HEAD_BYTES, MAX_REST_BYTES, NotAHeaderError, rest_bytes, source_ip
from alt.operations import OPERATIONS
from alt.operations.caller import Caller
from alt.operations.context import Context
from alt.testing import serve

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
LOCAL, PROXY = 0x20, 0x21
TCP4, TCP6, UDP4, UNIX = 0x11, 0x21, 0x12, 0x31
V4 = bytes([192, 0, 2, 1, 10, 0, 0, 1]) + struct.pack("!HH", 50_000, 8_000)
V6 = socket.inet_pton(socket.AF_INET6, "2001:db8::1") * 2 + struct.pack("!HH", 50_000, 8_000)
MAPPED = socket.inet_pton(socket.AF_INET6, "::ffff:192.0.2.1") * 2 + struct.pack("!HH", 50_000, 8_000)
TLV = b"\x03\0\x04abcd"
LIST_TABLES = (
    b"POST / HTTP/1.1\r\nHost: localhost\r\nX-Amz-Target: DynamoDB_20120810.ListTables\r\n"
    b"Content-Type: application/x-amz-json-1.0\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"
)


def header(command: int = PROXY, family: int = TCP4, rest: bytes = V4) -> bytes:
    return SIGNATURE + struct.pack("!BBH", command, family, len(rest)) + rest


def read(text: bytes) -> str | None:
    head, rest = text[:HEAD_BYTES], text[HEAD_BYTES:]
    assert rest_bytes(head) == len(rest)
    return source_ip(head, rest)


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        (header(), "192.0.2.1"),
        (header(rest=V4 + TLV), "192.0.2.1"),
        (header(rest=V4.ljust(MAX_REST_BYTES, b"\0")), "192.0.2.1"),
        (header(family=TCP6, rest=V6), "2001:db8::1"),
        (header(family=TCP6, rest=MAPPED + TLV), "192.0.2.1"),
        (header(LOCAL, 0, b""), None),
        (header(LOCAL, TCP4, V4), None),
        (header(LOCAL, 0xFF, TLV), None),
        (header(PROXY, 0, b""), None),
        (header(PROXY, UDP4, V4), None),
        (header(PROXY, UNIX, b"/" * 216), None),
    ],
)
def test_a_header_tells_the_client_or_that_it_is_who_connects(sent: bytes, told: str | None) -> None:
    assert read(sent) == told


@pytest.mark.parametrize(
    "sent",
    [
        b"PROXY TCP4 192.0.2.1 10.0.0.1 50000 8000\r\n"[:HEAD_BYTES],  # version 1
        LIST_TABLES[:HEAD_BYTES],
        header()[:HEAD_BYTES].replace(b"QUIT", b"quit"),
        header(0x11),  # another version
        header(0x22),  # another command
        header(family=0x13),
        header(family=0x41),
        header(rest=V4[:-1]),
        header(family=TCP6, rest=V4),
        header(rest=V4.ljust(MAX_REST_BYTES + 1, b"\0")),
    ],
)
def test_what_is_no_header_is_not_believed(sent: bytes) -> None:
    with pytest.raises(NotAHeaderError):
        read(sent.ljust(HEAD_BYTES))


class Proxied:
    """A server behind a balancer, which each test is, and the addresses that operations were asked from."""

    def __init__(self, url: str, seen: list[str | None]) -> None:
        self.port = int(url.rpartition(":")[2])
        self.seen = seen

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=60)

    def ask(self, *pieces: bytes) -> bytes:
        with self.connect() as connection:
            for piece in pieces:
                connection.sendall(piece)
                time.sleep(0.01 if len(pieces) > 2 else 0)
            return answer(connection)


def answer(connection: socket.socket) -> bytes:
    """All that comes until the end; nothing where that comes as a reset."""
    read = b""
    try:
        while piece := connection.recv(65_536):
            read += piece
    except ConnectionError:
        pass
    return read


def note_addresses(patch: pytest.MonkeyPatch) -> list[str | None]:
    seen: list[str | None] = []

    def list_tables(_context: Context, _request: Any, caller: Caller) -> bytes:
        seen.append(caller.source_ip)
        return json.dumps({"TableNames": []}).encode()

    patch.setitem(OPERATIONS, ("dynamodb", "ListTables"), list_tables)
    return seen


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxied]:
    seen = note_addresses(monkeypatch)
    with serve(proxy_protocol=True) as running:
        yield Proxied(running.url, seen)


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        (header(), "192.0.2.1"),
        (header(family=TCP6, rest=V6 + TLV), "2001:db8::1"),
        (header(LOCAL, 0, b""), "127.0.0.1"),
    ],
)
def test_the_address_in_the_header_is_the_clients(server: Proxied, sent: bytes, told: str) -> None:
    assert server.ask(sent, LIST_TABLES).startswith(b"HTTP/1.1 200 OK\r\n")
    assert server.ask(sent + LIST_TABLES).startswith(b"HTTP/1.1 200 OK\r\n")
    assert server.seen == [told, told]


def test_a_header_may_come_in_pieces(server: Proxied) -> None:
    sent = header(rest=V4 + TLV)
    pieces = [sent[:1], sent[1:13], sent[13:20], sent[20:] + LIST_TABLES[:10], LIST_TABLES[10:]]
    assert server.ask(*pieces).startswith(b"HTTP/1.1 200 OK\r\n")
    assert server.seen == ["192.0.2.1"]


@pytest.mark.parametrize(
    "sent", [LIST_TABLES, header(0x11) + LIST_TABLES, header(rest=V4[:-1]) + LIST_TABLES]
)
def test_what_begins_otherwise_is_closed_without_an_answer(server: Proxied, sent: bytes) -> None:
    assert server.ask(sent) == b""
    assert server.seen == []
    assert server.ask(header() + LIST_TABLES).startswith(b"HTTP/1.1 200 OK\r\n")


def test_a_header_that_does_not_come_in_time_is_not_waited_for(
    server: Proxied, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proxied, "HEADER_SECONDS", 60.0)
    with server.connect(), server.connect() as half:
        half.sendall(header()[:20])
        assert server.ask(header() + LIST_TABLES).startswith(b"HTTP/1.1 200 OK\r\n")  # meanwhile
    monkeypatch.setattr(proxied, "HEADER_SECONDS", 0.1)
    with server.connect() as silent, server.connect() as half:
        half.sendall(header()[:20])
        assert answer(silent) == answer(half) == b""


def test_connections_of_which_a_header_is_awaited_do_not_hold_up_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = set(threading.enumerate())  # other tests' servers among them
    with serve(proxy_protocol=True) as running:
        silent = Proxied(running.url, note_addresses(monkeypatch)).connect()
    with silent:
        assert answer(silent) == b""
    assert not [thread for thread in set(threading.enumerate()) - before if thread.name == "alt"]


@pytest.fixture
def authority(tmp_path: Path) -> Path:
    """An authority's certificate; `server` and `key` beside it are what it has signed for this machine."""
    made_authority = make_authority("tests")
    made = make_certificate(made_authority, ["localhost"])
    for name, text in (("ca", made_authority.certificate), ("server", made.certificate), ("key", made.key)):
        (tmp_path / name).write_bytes(text)
    return tmp_path / "ca"


def ask_over_tls(server: Proxied, authority: Path) -> bytes:
    context = ssl.create_default_context(cafile=str(authority))
    with server.connect() as connection:
        connection.sendall(header())
        with context.wrap_socket(connection, server_hostname="localhost") as secure:
            secure.sendall(LIST_TABLES)
            return answer(secure)


def test_the_header_comes_before_tls(authority: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {"tls_cert": authority.with_name("server"), "tls_key": authority.with_name("key")}
    seen = note_addresses(monkeypatch)
    with serve(proxy_protocol=True, **files) as running:
        server = Proxied(running.url, seen)
        with server.connect() as connection, pytest.raises((ssl.SSLError, ConnectionError)):
            ssl.create_default_context().wrap_socket(connection, server_hostname="localhost")
        server.ask(header() + LIST_TABLES)  # no handshake
        assert seen == []
        assert ask_over_tls(server, authority).startswith(b"HTTP/1.1 200 OK\r\n")
    assert seen == ["192.0.2.1"]


def test_the_option_is_for_both_ports(
    start_server: Callable[..., Any], authority: Path, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    files = ("--tls-cert", authority.with_name("server"), "--tls-key", authority.with_name("key"))
    started = start_server("--memory", "--proxy-protocol", "--tls-port", "0", *files, log=log)
    plain, secure = (Proxied(url, []) for url in started.urls)
    assert plain.ask(header() + LIST_TABLES).startswith(b"HTTP/1.1 200 OK\r\n")
    assert ask_over_tls(secure, authority).startswith(b"HTTP/1.1 200 OK\r\n")
    assert plain.ask(LIST_TABLES) == plain.ask(b"GET / HTTP/1.1\r\n\r\n") == b""
    assert started.stop() == 0
    (line,) = log.read_text().splitlines()
    assert line.endswith("connections closed that did not begin with a header of the PROXY protocol: 1")
