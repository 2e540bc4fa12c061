"""Which web pages may use a server, and by which names it is reached."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
from typing import Any

import pytest

from alt.errors import ApiError
from alt.http.access import MAX_REMEMBERED_HOSTS, Access

ANSWER = tuple[int, dict[str, str], bytes]


def ask(port: int, method: str = "POST", path: str = "/", **headers: str) -> ANSWER:
    """ListTables with these headers, `_` for `-`: status, headers by lower-case name, body."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    common = {"X-Amz-Target": "DynamoDB_20120810.ListTables", "Content-Type": "application/x-amz-json-1.0"}
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, path, b"{}" if method == "POST" else None, {**common, **given})
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, {name.lower(): value for name, value in answer.getheaders()}, body


def granted(headers: dict[str, str]) -> list[str]:
    return [name for name in headers if name.startswith("access-control")]


@pytest.mark.parametrize(
    "origin",
    [
        "http://localhost",
        "http://localhost:3000",
        "https://LOCALHOST:3000",
        "http://app.localhost:8080",
        "http://127.0.0.1:5173",
        "http://127.1.2.3",
        "http://[::1]:3000",
    ],
)
def test_pages_of_this_machine_may_ask(server: Any, origin: str) -> None:
    asked = {"Access_Control_Request_Method": "POST", "Access_Control_Request_Headers": "x-amz-target,x-y"}
    status, headers, _ = ask(server.port, "OPTIONS", Origin=origin, **asked)
    assert status == 200
    assert headers["access-control-allow-origin"] == origin
    assert headers["access-control-allow-methods"] == "POST"
    assert headers["access-control-allow-headers"] == "x-amz-target,x-y"
    assert headers["access-control-max-age"] == "172800"
    status, headers, _ = ask(server.port, Origin=origin)
    assert (status, headers["access-control-allow-origin"], headers["vary"]) == (200, origin, "Origin")
    exposed = headers["access-control-expose-headers"].lower().split(",")
    assert {"x-amzn-requestid", "x-amzn-errortype", "x-amzn-errormessage", "x-amz-crc32", "date"} <= {
        *exposed
    }


@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.example",
        "https://localhost.evil.example",
        "http://127.0.0.1.evil.example",
        "http://evil.example#localhost",
        "http://localhost@evil.example",
        "http://192.168.1.5:8000",
        "file://",
        "null",
        "",
        "http://[::1",
        "http://localhost:3000, http://evil.example",
        "http://localhost:evil",
        "localhost",
    ],
)
@pytest.mark.parametrize(
    ("method", "content_type"),
    [("OPTIONS", ""), ("POST", "application/x-amz-json-1.0"), ("POST", "text/plain"), ("GET", "")],
)
def test_other_pages_are_refused(server: Any, origin: str, method: str, content_type: str) -> None:
    status, headers, body = ask(server.port, method, Origin=origin, Content_Type=content_type)
    assert status == 403
    assert not granted(headers)
    assert json.loads(body)["__type"].endswith("#AccessDeniedException")
    assert f"--cors-origin {origin.lower()}" in json.loads(body)["Message"]


def test_without_an_origin_there_is_nothing_of_cors(server: Any) -> None:
    for method in ("POST", "OPTIONS", "GET"):
        status, headers, _ = ask(server.port, method)
        assert (status, granted(headers)) == (200, [])
        assert "vary" not in headers


def test_pages_of_an_allowed_origin_may_ask(start_server: Any) -> None:
    options = ("--cors-origin", "https://App.example", "--cors-origin", "null")
    server = start_server("--memory", *options)
    for origin in ("https://app.example", "null", "http://localhost:1"):
        status, headers, _ = ask(server.port, Origin=origin)
        assert (status, headers["access-control-allow-origin"]) == (200, origin)
    assert ask(server.port, Origin="http://app.example")[0] == 403
    # An error is for the page to read, too.
    assert granted(ask(server.port, Origin="null", X_Amz_Target="Nonsense")[1])


def test_all_origins_can_be_allowed(start_server: Any) -> None:
    server = start_server("--memory", "--cors-origin", "*")
    status, headers, _ = ask(server.port, Origin="http://any.example")
    assert (status, headers["access-control-allow-origin"]) == (200, "*")


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LocalHost:8000",
        "localhost.:8000",
        "alt.localhost:8000",
        "127.0.0.1",
        "192.168.1.5:8000",
        "[::1]:8000",
        "[fe80::1%25eth0]:8000",
        "::1",
    ],
)
def test_addresses_and_localhost_are_this_servers_names(server: Any, host: str) -> None:
    assert ask(server.port, Host=host)[0] == 200


@pytest.mark.parametrize("host", ["evil.example", "alt:8000", "127.0.0.1.evil.example", "localhost.evil", ""])
@pytest.mark.parametrize(("method", "path"), [("POST", "/"), ("GET", "/localnodes"), ("OPTIONS", "/")])
def test_other_names_are_refused(server: Any, host: str, method: str, path: str) -> None:
    status, _, body = ask(server.port, method, path, Host=host)
    assert status == 403
    name = host.removesuffix(":8000")
    assert f"--allowed-host {name}" in json.loads(body)["Message"]
    # Whether it is there may be asked by any name.
    assert ask(server.port, "GET", "/", Host=host)[0] == 200
    assert ask(server.port, method, path, Host=host)[0] == 403


def test_a_request_without_host_is_no_browsers(server: Any) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    connection.putrequest("POST", "/", skip_host=True)
    for header in (
        ("X-Amz-Target", "DynamoDB_20120810.ListTables"),
        ("Content-Type", "application/json"),
        ("Content-Length", "2"),
    ):
        connection.putheader(*header)
    connection.endheaders(b"{}")
    assert connection.getresponse().status == 200
    connection.close()


def test_further_names_can_be_allowed(start_server: Any) -> None:
    server = start_server("--memory", "--allowed-host", "alt", "--allowed-host", "db.example")
    for host in ("alt:8000", "ALT", "db.example"):
        assert ask(server.port, Host=host)[0] == 200
    assert ask(server.port, Host="other")[0] == 403


def test_names_may_come_without_end() -> None:
    access = Access("127.0.0.1")
    for port in range(2 * MAX_REMEMBERED_HOSTS):
        access.check_host(b"localhost:%d" % port)
    assert len(access.known_hosts) <= MAX_REMEMBERED_HOSTS + 1
    with pytest.raises(ApiError):
        access.check_host(b"evil.example")


@pytest.mark.parametrize("origin", ["app.example", "https://app.example/", "https://", "http://a b"])
def test_an_origin_that_cannot_be_one_is_a_usage_error(origin: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "alt.cli", "start", "--memory", "--cors-origin", origin],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert f"{origin} is no origin" in done.stderr
