"""`alt start`: what it prints, what it refuses in one line, and how it stops."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import apsw
import pytest


@contextmanager
def started(*arguments: str, **environment: str) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    """A server, and the three lines that it prints."""
    process = subprocess.Popen(
        [sys.executable, "-m", "alt.cli", "start", *arguments],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        yield process, [process.stdout.readline().strip() for _ in range(3)]
    finally:
        process.kill()
        process.communicate()


def test_it_says_where_it_listens_where_its_data_is_and_what_an_application_needs(tmp_path: Path) -> None:
    with started("--port", "0", "--data-dir", str(tmp_path / "new" / "data")) as (_, lines):
        address = lines[0].removeprefix("Alt listens on ")
        assert lines[1:] == [f"Data: {tmp_path}/new/data", f"AWS_ENDPOINT_URL_DYNAMODB={address}"]
        with urllib.request.urlopen(address) as answer:
            assert answer.read().decode() == f"healthy: {address.removeprefix('http://')}\n"


def test_the_metrics_can_have_a_port_of_their_own() -> None:
    with (
        started("--memory", "--port", "0", "--metrics-port", "0") as (_, lines),
        urllib.request.urlopen(lines[1].removeprefix("Metrics: ")) as answer,
    ):
        assert b"\nalt_tables 0\n" in answer.read()


def test_every_option_is_a_variable_of_the_environment_too(tmp_path: Path) -> None:
    variables = {
        "ALT_HOST": "127.0.0.2",
        "ALT_PORT": "0",
        "ALT_DATA_DIR": str(tmp_path),
        "ALT_SYNC": "normal",
        "ALT_LOG_LEVEL": "info",
    }
    with started(**variables) as (process, lines):
        assert lines[0].startswith("Alt listens on http://127.0.0.2:")
        assert lines[1] == f"Data: {tmp_path}"
        process.terminate()
        _, logged = process.communicate(timeout=60)
        assert "INFO alt.service: stopping" in logged
    with started(ALT_PORT="0", ALT_MEMORY="1") as (_, lines):
        assert lines[1] == "Data: in memory, gone when the server stops"


NOWHERE = "postgresql://alt@127.0.0.1:1/alt"


@pytest.mark.parametrize(
    ("arguments", "environment", "place"),
    [
        (["--memory"], {"ALT_DATA_DIR": "elsewhere"}, "in memory, gone when the server stops"),
        (
            ["--memory"],
            {"ALT_ENGINE": NOWHERE, "ALT_ENGINE_REPLICA": NOWHERE},
            "in memory, gone when the server stops",
        ),
        (["--memory"], {"ALT_ENCRYPTION_KEY_FILE": "a.key"}, "in memory, gone when the server stops"),
        (["--data-dir", "here"], {"ALT_MEMORY": "1"}, "here"),
        (["--data-dir", "here"], {"ALT_ENGINE": NOWHERE, "ALT_ENGINE_REPLICA": NOWHERE}, "here"),
        (["--engine", NOWHERE], {"ALT_DATA_DIR": "elsewhere", "ALT_MEMORY": "1"}, NOWHERE),
        (["--engine", NOWHERE], {"ALT_ENGINE_REPLICA": NOWHERE}, f"{NOWHERE}, with a replica at {NOWHERE}"),
    ],
)
def test_the_place_on_the_command_line_goes_before_others_in_the_environment(
    arguments: list[str],
    environment: dict[str, str],
    place: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    with started("--port", "0", *arguments, **environment) as (_, lines):
        assert lines[1] in (f"Data: {place}", f"Data: {tmp_path / place}")
    assert not (tmp_path / "elsewhere").exists()


def test_who_listens_to_other_machines_is_warned() -> None:
    with started("--port", "0", "--memory", "--host", "0.0.0.0") as (process, lines):
        assert process.stderr is not None
        address = lines[0].removeprefix("Alt listens on http://")
        assert process.stderr.readline() == (
            f"Warning: {address} can be reached from other machines, and whoever reaches it reads and changes the "
            "data: make keys with `alt keys create` and start with --auth enforce.\n"
        )
    with started("--port", "0", "--memory") as (process, _):
        process.terminate()
        assert process.communicate(timeout=60)[1] == ""


def test_names_and_origins_may_be_given_in_the_environment() -> None:
    variables = {"ALT_ALLOWED_HOST": "alt db.example", "ALT_CORS_ORIGIN": "https://app.example null"}
    with started("--port", "0", "--memory", **variables) as (_, lines):
        address = lines[0].removeprefix("Alt listens on ")
        for host, origin in (("alt", "https://app.example"), ("db.example", "null")):
            asked = urllib.request.Request(f"{address}/localnodes", headers={"Host": host, "Origin": origin})
            with urllib.request.urlopen(asked) as answer:
                assert answer.headers["Access-Control-Allow-Origin"] == origin


def test_the_default_directory_is_the_platforms_own(tmp_path: Path) -> None:
    if sys.platform in ("win32", "darwin"):
        pytest.skip("set by a variable of the environment on Linux")
    with started("--port", "0", XDG_DATA_HOME=str(tmp_path)) as (_, lines):
        assert lines[1] == f"Data: {tmp_path}/alt"


def refused(alt: Any, message: str, *arguments: str | Path) -> None:
    done = alt("start", *arguments)
    assert (done.status, done.out) == (1, "")
    assert done.err == f"Error: {message}\n"


@pytest.mark.parametrize("option", ["--port", "--metrics-port"])
def test_a_port_that_is_taken(alt: Any, tmp_path: Path, option: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        message = (
            f"cannot listen on 127.0.0.1:{port}: Address already in use. "
            f"Choose another port with {option}, or 0 for any free one."
        )
        refused(alt, message, "--port", "0", option, str(port), "--data-dir", tmp_path)


def test_a_directory_that_cannot_be_made(alt: Any, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    directory = tmp_path / "file" / "data"
    message = f"cannot use {directory}: Not a directory. Choose another directory with --data-dir."
    refused(alt, message, "--port", "0", "--data-dir", directory)


@pytest.mark.parametrize(
    "name",
    [
        "server.lock",
        "catalog.db",
        *(pytest.param(each, marks=pytest.mark.nightly) for each in ("journal.db", "usage.db")),
    ],
)
def test_a_directory_that_cannot_be_written(alt: Any, tmp_path: Path, name: str) -> None:
    """Root may write anywhere; what nobody can open as a file stands for what others cannot write."""
    (tmp_path / name).mkdir()
    message = f"cannot use {tmp_path / name}: unable to open database file"
    refused(alt, message, "--port", "0", "--data-dir", tmp_path)


def test_a_directory_being_served(alt: Any, start_server: Any, tmp_path: Path) -> None:
    server = start_server("--data-dir", tmp_path)
    message = f"{tmp_path} is already being served by {server.url}"
    refused(alt, message, "--port", "0", "--data-dir", tmp_path)
    server.kill()
    assert start_server("--data-dir", tmp_path).stop() == 0


def test_data_of_a_newer_version(alt: Any, start_server: Any, tmp_path: Path) -> None:
    start_server("--data-dir", tmp_path).stop()
    catalog = tmp_path / "catalog.db"
    with closing(apsw.Connection(str(catalog))) as connection:
        connection.execute("PRAGMA user_version = 99")
    message = (
        f"{catalog} has format 99, and this version of Alt reads format 3: use the version that wrote it"
    )
    refused(alt, message, "--port", "0", "--data-dir", tmp_path)
    listed = alt("tables", "ls", "--data-dir", tmp_path)
    assert (listed.status, listed.err) == (1, f"Error: {message}\n")


@pytest.mark.parametrize("name", ["catalog.db", "journal.db"])
def test_data_that_is_not_alts(alt: Any, tmp_path: Path, name: str) -> None:
    with closing(apsw.Connection(str(tmp_path / name))) as connection:
        connection.execute("CREATE TABLE other (x)")
    refused(alt, f"{tmp_path / name} is no file of Alt's", "--port", "0", "--data-dir", tmp_path)
    if name == "catalog.db":
        assert [path.name for path in tmp_path.iterdir()] == [name]  # nothing was written


def test_memory_and_a_directory_exclude_each_other(alt: Any, tmp_path: Path) -> None:
    done = alt("start", "--memory", "--data-dir", tmp_path)
    assert done.status == 2
    assert done.err.endswith("Error: --memory keeps nothing on disk: leave out --data-dir.\n")


def test_an_audit_that_cannot_be_written_is_refused_before_anything_is_served(
    alt: Any, tmp_path: Path
) -> None:
    done = alt("start", "--port", "0", "--memory", "--audit", tmp_path)
    assert (done.status, done.out) == (1, "")
    assert done.err == f"Error: cannot write the audit to {tmp_path}: Is a directory\n"


@pytest.mark.parametrize("option", [["--audit-values"], ["--audit-max-bytes", "1000"]])
def test_what_an_audit_says_and_how_long_it_is_needs_an_audit(alt: Any, option: list[str]) -> None:
    done = alt("start", "--memory", *option)
    assert done.status == 2
    assert done.err.endswith("Error: --audit-values and --audit-max-bytes are about --audit FILE.\n")


def test_one_damaged_table_takes_no_other_down(
    with_tables: Any, start_server: Any, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with_tables.stop()
    (path,) = (tmp_path / "tables").glob("Empty-*.db")
    path.write_bytes(b"\xa5" * path.stat().st_size)
    client = start_server("--data-dir", tmp_path).client()
    assert client.scan(TableName="Music")["Count"] == 2
    assert client.list_tables()["TableNames"] == ["Empty", "Music"]
    for _ in range(3):
        with pytest.raises(client.exceptions.InternalServerError):
            client.scan(TableName="Empty")
    problem = f"cannot use table Empty ({path}): file is not a database"
    at_start, once = capfd.readouterr().err.splitlines()
    assert at_start.endswith(f"ERROR alt.storage.sqlite.tables: {problem}. `alt tables check` says more")
    assert once.endswith(f"ERROR alt.storage.fault_log: {problem}")
    assert client.delete_table(TableName="Empty")["TableDescription"]["TableStatus"] == "DELETING"
    assert client.list_tables()["TableNames"] == ["Music"]
    assert not path.exists()


@pytest.mark.skipif(sys.platform == "win32", reason="permissions")
def test_what_is_stored_is_for_its_user_alone(
    start_server: Any, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "data"
    client = start_server("--data-dir", data).client()
    client.create_table(
        TableName="private",
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )
    client.put_item(TableName="private", Item={"pk": {"S": "a"}})
    modes = {path.stat().st_mode & 0o777 for path in [data, *data.rglob("*")] if path.is_dir()}
    assert modes == {0o700}
    assert {path.stat().st_mode & 0o777 for path in data.rglob("*") if path.is_file()} == {0o600}
    assert capfd.readouterr().err == ""


@pytest.mark.skipif(sys.platform == "win32", reason="permissions")
def test_a_directory_that_others_can_read_is_named(
    start_server: Any, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    tmp_path.chmod(0o755)
    start_server("--data-dir", tmp_path)
    assert f"other users of this machine can read {tmp_path}: `chmod 700`" in capfd.readouterr().err


@pytest.mark.skipif(sys.platform == "win32", reason="links")
def test_a_link_leads_no_writing_elsewhere(start_server: Any, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.write_text("mine")
    data = tmp_path / "data"
    data.mkdir()
    (data / "server.url").symlink_to(mine)
    server = start_server("--data-dir", data)
    assert (data / "server.url").read_text().splitlines()[0] == server.url
    assert mine.read_text() == "mine"


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_what_is_in_flight_is_finished(start_server: Any, tmp_path: Path, number: int) -> None:
    """Each write has its answer or was never begun, and no write-ahead log is left to recover from."""
    server = start_server("--data-dir", tmp_path)
    server.client().create_table(
        TableName="flight",
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )
    acknowledged: list[str] = []
    begun: list[str] = []

    def write(writer: int) -> None:
        client = server.client()
        try:
            for count in range(1_000_000):
                key = f"{writer}-{count}"
                begun.append(key)
                client.put_item(TableName="flight", Item={"pk": {"S": key}})
                acknowledged.append(key)
        except Exception:
            return

    threads = [threading.Thread(target=write, args=(writer,)) for writer in range(4)]
    for thread in threads:
        thread.start()
    while len(acknowledged) < 50:
        time.sleep(0.01)
    server.process.send_signal(number)
    assert server.process.wait(timeout=60) == 0
    for thread in threads:
        thread.join()
    assert not list((tmp_path / "tables").glob("*-wal"))
    assert not (tmp_path / "server.url").exists()
    client = start_server("--data-dir", tmp_path).client()
    pages = client.get_paginator("scan").paginate(TableName="flight")
    stored = {item["pk"]["S"] for page in pages for item in page["Items"]}
    assert set(acknowledged) <= stored <= set(begun)
