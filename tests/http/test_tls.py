"""HTTPS: beside HTTP and instead of it, for whom, and with which certificate."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest

from alt.certificates import Signed, make_authority, make_certificate
from alt.service import SHUTDOWN_GRACE_SECONDS

Start = Callable[..., Any]


def write(folder: Path, name: str, made: Signed) -> tuple[Path, Path]:
    certificate, key = folder / f"{name}.pem", folder / f"{name}-key.pem"
    certificate.write_bytes(made.certificate)
    key.write_bytes(made.key)
    return certificate, key


@pytest.fixture(scope="module")
def authority() -> Signed:
    return make_authority("tests")


@pytest.fixture
def files(tmp_path: Path, authority: Signed) -> tuple[Path, Path]:
    """A certificate for this machine, and its key."""
    return write(tmp_path, "server", make_certificate(authority, ["localhost", "127.0.0.1"]))


@pytest.fixture
def ca(tmp_path: Path, authority: Signed) -> Path:
    return write(tmp_path, "ca", authority)[0]


def client_of(url: str, ca: Path, **config: Any) -> Any:
    return boto3.client(
        "dynamodb",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        verify=str(ca),
        **config,
    )


def shown(url: str, ca: Path, **more: Any) -> ssl.SSLSocket:
    """A connection whose handshake is done."""
    context = ssl.create_default_context(cafile=str(ca))
    if "certificate" in more:
        context.load_cert_chain(*more["certificate"])
    if "maximum" in more:
        context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
        context.maximum_version = more["maximum"]
    port = int(url.rpartition(":")[2])
    return context.wrap_socket(
        socket.create_connection(("127.0.0.1", port), timeout=60), server_hostname="localhost"
    )


def health(connection: ssl.SSLSocket) -> bytes:
    """The status line of a health check; empty where the server lets nobody in."""
    try:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        return connection.recv(1024).split(b"\r\n", 1)[0]
    except (ssl.SSLError, ConnectionError):
        return b""


def test_https_beside_http(start_server: Start, files: tuple[Path, Path], ca: Path) -> None:
    server = start_server("--memory", "--tls-port", "0", "--tls-cert", files[0], "--tls-key", files[1])
    plain, secure = server.urls
    assert (plain.partition(":")[0], secure.partition(":")[0]) == ("http", "https")
    client = client_of(secure, ca)
    client.create_table(
        TableName="Music",
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )
    large = {"pk": {"S": "a"}, "text": {"S": "x" * 300_000}}
    client.put_item(TableName="Music", Item=large)
    assert server.client().get_item(TableName="Music", Key={"pk": {"S": "a"}})["Item"] == large
    assert client.get_item(TableName="Music", Key={"pk": {"S": "a"}})["Item"] == large
    assert server.stop() == 0


def test_a_client_that_keeps_its_connection_and_does_not_look_at_it_does_not_hold_up_the_end(
    start_server: Start, files: tuple[Path, Path], ca: Path
) -> None:
    server = start_server("--memory", "--tls-cert", files[0], "--tls-key", files[1])
    kept = shown(server.url, ca)
    server.process.terminate()
    assert server.process.wait(SHUTDOWN_GRACE_SECONDS - 2) == 0
    kept.close()


def test_https_instead_of_http(start_server: Start, files: tuple[Path, Path], ca: Path) -> None:
    server = start_server("--memory", "--tls-cert", files[0], "--tls-key", files[1])
    assert server.urls == [server.url]
    assert server.url.startswith("https://")
    assert client_of(server.url, ca).list_tables()["TableNames"] == []
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert not connection.recv(1024).startswith(b"HTTP/1.1 200")


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
def test_old_versions_are_refused(start_server: Start, files: tuple[Path, Path], ca: Path) -> None:
    server = start_server("--memory", "--tls-cert", files[0], "--tls-key", files[1])
    assert shown(server.url, ca).version() == "TLSv1.3"
    assert shown(server.url, ca, maximum=ssl.TLSVersion.TLSv1_2).version() == "TLSv1.2"
    with pytest.raises((ssl.SSLError, ConnectionError)):
        shown(server.url, ca, maximum=ssl.TLSVersion.TLSv1_1)


def test_handshakes_that_never_end_hold_up_nobody(
    start_server: Start, files: tuple[Path, Path], ca: Path
) -> None:
    server = start_server("--memory", "--tls-cert", files[0], "--tls-key", files[1])
    silent = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(50)]
    for connection in silent[25:]:
        connection.sendall(b"\x16\x03\x01\x02\x00\x01")  # the beginning of one
    assert client_of(server.url, ca).list_tables()["TableNames"] == []
    for connection in silent:
        connection.close()


def test_a_changed_certificate_is_taken_up_and_a_broken_one_is_not(
    start_server: Start, files: tuple[Path, Path], ca: Path, authority: Signed, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    server = start_server("--memory", "--tls-cert", files[0], "--tls-key", files[1], log=log)

    def serial() -> Any:
        found = shown(server.url, ca).getpeercert()
        assert found is not None
        return found["serialNumber"]

    first = serial()
    made = make_certificate(authority, ["localhost"])
    files[1].write_bytes(made.key)
    files[0].write_bytes(made.certificate)
    deadline = time.monotonic() + 60
    while serial() == first and time.monotonic() < deadline:
        time.sleep(0.05)
    second = serial()
    assert second != first
    files[0].write_bytes(b"nothing")
    while "cannot be used" not in log.read_text() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert serial() == second


def test_clients_show_a_certificate_of_the_authority(
    start_server: Start, files: tuple[Path, Path], ca: Path, authority: Signed, tmp_path: Path
) -> None:
    known = write(tmp_path, "client", make_certificate(authority, ["somebody"]))
    stranger = write(tmp_path, "stranger", make_certificate(make_authority("others"), ["somebody"]))
    options = ("--memory", "--tls-cert", files[0], "--tls-key", files[1], "--tls-client-ca", ca)
    required = start_server(*options)
    assert health(shown(required.url, ca, certificate=known)) == b"HTTP/1.1 200 OK"
    assert health(shown(required.url, ca)) == b""
    assert health(shown(required.url, ca, certificate=stranger)) == b""
    optional = start_server(*options, "--tls-client-auth", "optional")
    assert health(shown(optional.url, ca)) == b"HTTP/1.1 200 OK"
    assert health(shown(optional.url, ca, certificate=stranger)) == b""
