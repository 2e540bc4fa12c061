"""`alt status`, `alt stop` and `alt wait`, and how a server is found."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from alt import __version__

Run = Callable[..., Any]


@pytest.fixture
def directory(tmp_path: Path) -> dict[str, str]:
    """The environment of whoever works on the directory of `with_tables`, and no other server."""
    return {"ALT_DATA_DIR": str(tmp_path), "AWS_ENDPOINT_URL_DYNAMODB": ""}


@pytest.fixture
def silent_port() -> Iterator[int]:
    """One that nobody listens on, nor can while the test lasts."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


def test_the_server_of_a_directory(alt_here: Run, with_tables: Any, directory: dict[str, str]) -> None:
    status = json.loads(alt_here("status", "--json", **directory).out)
    assert 0 <= status.pop("uptimeSeconds") < 60
    assert status == {
        "address": with_tables.url,
        "pid": with_tables.process.pid,
        "version": __version__,
        "tables": 2,
    }
    by_name = ["--endpoint-url", with_tables.url.replace("127.0.0.1", "localhost")]
    assert json.loads(alt_here("status", "--json", *by_name, ALT_DATA_DIR=directory["ALT_DATA_DIR"]).out)[
        "pid"
    ]
    assert alt_here("status", **directory).rows[:2] == [
        ["Address", with_tables.url],
        ["Process", str(with_tables.process.pid)],
    ]


def test_an_argument_that_is_no_utf8(alt_here: Run, alt_server: Any) -> None:  # noqa: ARG001
    not_utf8 = b"x\xff".decode(errors="surrogateescape")  # as Python has the arguments of a process
    shown = alt_here("tables", "show", not_utf8)
    assert (shown.status, shown.err) == (1, "Error: the request has text in it that is no UTF-8\n")


def test_a_port_of_this_machine(alt_here: Run, alt_server: Any) -> None:
    port = alt_server.url.rpartition(":")[2]
    status = alt_here("status", "--json", AWS_ENDPOINT_URL_DYNAMODB="", ALT_PORT=port)
    assert json.loads(status.out) == {
        "address": alt_server.url,
        "pid": None,
        "version": None,
        "tables": 0,
        "uptimeSeconds": None,
    }


@pytest.mark.parametrize(
    ("settings", "url"),
    [
        ({}, "http://127.0.0.1:8123"),
        ({"ALT_TLS_CERT": "x", "ALT_TLS_PORT": "8443"}, "http://127.0.0.1:8123"),
        ({"ALT_TLS_CERT": "x"}, "https://127.0.0.1:8123"),
    ],
)
def test_a_port_speaks_what_the_settings_say(alt_here: Run, settings: dict[str, str], url: str) -> None:
    place = {"AWS_ENDPOINT_URL_DYNAMODB": "", "ALT_PORT": "8123", **settings}
    assert json.loads(alt_here("env", "--json", **place).out)["AWS_ENDPOINT_URL_DYNAMODB"] == url


@pytest.mark.usefixtures("with_tables")
def test_the_command_line_goes_before_the_environment(
    alt_here: Run, directory: dict[str, str], alt_server: Any, tmp_path: Path, silent_port: int
) -> None:
    other = {**directory, "ALT_PORT": str(silent_port)}
    assert alt_here("status", "--endpoint-url", alt_server.url, **other).status == 0
    assert alt_here("status", "--data-dir", tmp_path, **other).status == 0
    assert alt_here("status", **other).status == 1
    both = alt_here("status", "--data-dir", tmp_path, "--endpoint-url", alt_server.url)
    assert (both.status, both.err.splitlines()[-1]) == (2, "Error: --endpoint-url or --data-dir, not both.")


def test_no_server(alt_here: Run, tmp_path: Path, silent_port: int) -> None:
    nowhere = {"AWS_ENDPOINT_URL_DYNAMODB": ""}
    status = alt_here("status", **nowhere)
    assert (status.status, status.out) == (1, "")
    assert status.err == f"Error: no server runs on {tmp_path / 'nothing'}: `alt start` starts one\n"
    waited = alt_here("wait", "--timeout", "0.1", **nowhere)
    assert waited.status == 1
    assert waited.err == f"Error: no server answers on {tmp_path / 'nothing'} after 0.1 s\n"
    assert alt_here("stop", **nowhere).status == 1
    url = f"http://127.0.0.1:{silent_port}"
    assert alt_here("status", "--endpoint-url", url).err.startswith(f"Error: cannot reach {url}: ")
    assert alt_here("wait", "--timeout", "0.1", "--endpoint-url", url).status == 1


def test_stop_waits_for_the_end(alt_here: Run, with_tables: Any, directory: dict[str, str]) -> None:
    stopped = alt_here("stop", **directory)
    assert (stopped.status, stopped.out) == (0, f"Stopped {with_tables.url}.\n")
    assert with_tables.process.wait(timeout=60) == 0
    assert alt_here("status", **directory).status == 1


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_a_server_that_does_not_end_in_time(
    alt_here: Run, with_tables: Any, directory: dict[str, str]
) -> None:
    with_tables.process.send_signal(signal.SIGSTOP)
    refused = alt_here("stop", "--timeout", "0.1", **directory)
    with_tables.process.send_signal(signal.SIGCONT)
    assert refused.status == 1
    assert refused.err == (
        f"Error: the server (process {with_tables.process.pid}) has not ended in 0.1 s: wait longer with --timeout\n"
    )


def test_wait_for_a_server_that_starts(alt_here: Run, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "alt.cli", "start", "--port", "0", "--data-dir", str(tmp_path / "new")]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        waited = alt_here("wait", "--data-dir", tmp_path / "new")
        assert waited.status == 0
        assert waited.out.startswith("http://127.0.0.1:")
        assert alt_here("wait", "--json", "--endpoint-url", waited.out.strip()).status == 0
    finally:
        process.kill()
        process.wait()
    # What it published stays behind, and is believed no more.
    assert alt_here("status", "--data-dir", tmp_path / "new").status == 1


def test_signed_requests_over_https(alt: Run, alt_here: Run, start_server: Any, tmp_path: Path) -> None:
    assert alt("tls", "init", "--data-dir", tmp_path).status == 0
    made = alt("keys", "create", "--data-dir", tmp_path).out.splitlines()
    key = dict(line.split("=", 1) for line in made if line.startswith("AWS_"))
    server = start_server("--data-dir", tmp_path, "--tls-port", "0", "--auth", "enforce")
    place = {"ALT_DATA_DIR": str(tmp_path), "AWS_ENDPOINT_URL_DYNAMODB": server.urls[1]}
    assert json.loads(alt_here("status", "--json", **place, **key).out)["tables"] == 0
    assert json.loads(alt_here("status", "--json", **place).out)["tables"] is None
    elsewhere = {**place, "ALT_DATA_DIR": str(tmp_path / "other")}
    assert "certificate verify failed" in alt_here("status", **elsewhere).err
    assert alt_here("status", AWS_CA_BUNDLE=str(tmp_path / "tls" / "ca.pem"), **elsewhere).status == 0


def test_a_connection_that_was_closed_meanwhile_is_made_anew() -> None:
    """A server closes connections on which nothing comes."""
    from alt.cli.asking.client import Client

    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = Client(f"http://127.0.0.1:{listener.getsockname()[1]}", os.environ)
        answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"

        def answer_once() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65_536)
                connection.sendall(answer)

        for _ in range(2):
            thread = threading.Thread(target=answer_once)
            thread.start()
            assert client.ask("ListTables", {}) == {}
            thread.join()
            time.sleep(0.01)
        client.close()
