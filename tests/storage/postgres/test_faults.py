"""The database is away, or goes away: requests are refused with the service's retryable error, and all goes on after that."""

from __future__ import annotations

import contextlib
import http.client
import secrets
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.conftest import Server
from tests.postgres import Cluster, name_of

SOCKET = ".s.PGSQL.5432"
COMMIT = b"COMMIT\0"
# A refusal comes within this.
REFUSAL_SECONDS = 10.0
# What was refused is answered at the latest so long after the database is back.
PATIENCE_SECONDS = 60.0
# Who hangs is given up only after a while.
HANGING_SECONDS = 30.0
# A database with Alt's tables takes a part of it, and items the room that is left.
SMALL_DISK_BYTES = 64 * 1024 * 1024
ROOM_BYTES = 4 * 1024 * 1024


@pytest.fixture
def cluster(has_postgres: None) -> Iterator[Cluster]:  # noqa: ARG001
    """A PostgreSQL of the test's own, to stop and start."""
    running = Cluster()
    yield running
    running.remove()


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A file system with room for little, which is everybody's."""
    folder = Path(tempfile.mkdtemp(prefix="alt-small-disk-"))
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SMALL_DISK_BYTES},mode=0777", "tmpfs", str(folder)]
    if subprocess.run(mount, check=False, capture_output=True).returncode != 0:
        folder.rmdir()
        pytest.skip("a file system can be mounted by root alone")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)
    folder.rmdir()


class Proxy:
    """Between a server and its database: connections pass, until `at_commit` says what becomes of those that commit."""

    def __init__(self, folder: Path, target: Path) -> None:
        self.at_commit = ""  # or "cut before", "cut after": it reaches the database, and no answer comes back
        self.is_hanging = False  # nothing comes through, as from a machine that is cut off
        self._target = target
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(folder / SOCKET))
        self._listener.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                database = socket.socket(socket.AF_UNIX)
                database.connect(str(self._target))
                threading.Thread(target=self._pass_on, args=(client, database), daemon=True).start()
                threading.Thread(target=self._pass_back, args=(client, database), daemon=True).start()

    def _pass_on(self, client: socket.socket, database: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := client.recv(65_536):
                while self.is_hanging:
                    time.sleep(0.05)
                what = self.at_commit if COMMIT in data else ""
                if what == "cut before":
                    break
                database.sendall(data)
        for each in (client, database):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def _pass_back(self, client: socket.socket, database: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := database.recv(65_536):
                if self.at_commit == "cut after" and COMMIT in data:  # it is done, and says so
                    break
                client.sendall(data)
        with contextlib.suppress(OSError):
            client.shutdown(socket.SHUT_RDWR)


def create(client: Any, *names: str) -> None:
    for name in names:
        client.create_table(
            TableName=name,
            AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
            BillingMode="PAY_PER_REQUEST",
        )


def put(client: Any, key: str, table: str = "Music") -> None:
    client.put_item(TableName=table, Item={"pk": {"S": key}})


def is_there(client: Any, key: str, table: str = "Music") -> bool:
    return "Item" in client.get_item(TableName=table, Key={"pk": {"S": key}}, ConsistentRead=True)


def status(server: Any, path: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE_SECONDS)
    connection.request("GET", path)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status


def until_ready(server: Any) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    while status(server, "/ready") != 200:
        assert time.monotonic() < end
        time.sleep(0.05)


def assert_refused(work: Callable[[], Any], within: float = REFUSAL_SECONDS) -> None:
    begun = time.monotonic()
    with pytest.raises(ClientError) as refused:
        work()
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 500
    assert refused.value.response["Error"]["Code"] == "InternalServerError"
    assert time.monotonic() - begun < within


def until(work: Callable[[], Any]) -> Any:
    """Its answer, once it is not refused."""
    end = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return work()
        except ClientError:
            assert time.monotonic() < end
            time.sleep(0.05)


def at_least(writes: int, acknowledged: list[str]) -> None:
    """Return once so many have been acknowledged."""
    end = time.monotonic() + PATIENCE_SECONDS
    while len(acknowledged) < writes:
        assert time.monotonic() < end, f"{len(acknowledged)} writes are acknowledged"
        time.sleep(0.05)


def write_on(server: Server) -> tuple[list[str], threading.Event, list[threading.Thread]]:
    """Four threads that put items until the event: the keys that were acknowledged, the event, and the threads."""
    acknowledged: list[str] = []
    stopped = threading.Event()

    def write() -> None:
        own = server.client()
        number = 0
        while not stopped.is_set():
            key = f"{threading.get_ident()}-{number}"
            with contextlib.suppress(ClientError):
                put(own, key)
                acknowledged.append(key)
            number += 1

    writers = [threading.Thread(target=write) for _ in range(4)]
    for writer in writers:
        writer.start()
    return acknowledged, stopped, writers


@pytest.mark.nightly
def test_a_database_that_is_away_at_the_start_and_under_load(
    cluster: Cluster, prepared: Callable[[Cluster], str], start_server: Any
) -> None:
    dsn = prepared(cluster)
    cluster.stop()
    server = start_server("--engine", dsn)
    client = server.client()
    assert (status(server, "/"), status(server, "/ready")) == (200, 503)
    assert_refused(client.list_tables)
    cluster.start()
    until(client.list_tables)
    create(client, "Music")
    put(client, "before")
    acknowledged, stopped, writers = write_on(server)
    at_least(20, acknowledged)
    cluster.stop("immediate")
    assert_refused(lambda: is_there(client, "before"))
    assert_refused(lambda: put(client, "meanwhile"))
    time.sleep(3)
    assert (status(server, "/"), status(server, "/ready")) == (200, 503)
    was_acknowledged = len(acknowledged)
    cluster.start()
    assert until(lambda: is_there(client, "before"))
    at_least(was_acknowledged + 20, acknowledged)
    stopped.set()
    for writer in writers:
        writer.join()
    until_ready(server)
    assert all(is_there(client, key) for key in acknowledged)


@pytest.mark.parametrize("cut", ["cut before", "cut after"])
def test_a_commit_that_is_cut_is_never_acknowledged_and_never_half(
    cut: str, postgres: Cluster, new_database: str, start_server: Any, tmp_path: Path
) -> None:
    proxy = Proxy(tmp_path, postgres.folder / SOCKET)
    name = name_of(new_database)
    server = start_server("--engine", f"postgresql://alt@/{name}?host={tmp_path}")
    client = server.client()
    create(client, "One", "Two")
    puts = [{"Put": {"TableName": table, "Item": {"pk": {"S": "k"}}}} for table in ("One", "Two")]
    proxy.at_commit = cut
    assert_refused(lambda: client.transact_write_items(TransactItems=puts))
    proxy.at_commit = ""
    found = until(lambda: [is_there(client, "k", table) for table in ("One", "Two")])
    assert found == [cut == "cut after"] * 2
    until(lambda: put(client, "another", "One"))
    proxy.close()


def test_a_database_that_is_not_prepared_is_not_served(postgres: Cluster, run_alt: Any) -> None:
    dsn = postgres.create_database(f"bare-{time.time_ns()}")
    refused = run_alt("start", "--port", "0", "--engine", dsn)
    assert refused.returncode == 1
    assert refused.stderr == "Error: the database has no tables of Alt: `alt engine init` makes them\n"
    absent = run_alt("engine", "check", "--engine", postgres.dsn("absent"))
    assert absent.returncode == 1
    assert absent.stderr == 'Error: the database does not let Alt in: database "absent" does not exist\n'


@pytest.mark.nightly
def test_a_disk_that_is_full(
    small_disk: Path, cluster: Cluster, run_alt: Callable[..., Any], start_server: Any, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    place = small_disk / "tables"
    place.mkdir()
    shutil.chown(place, cluster.folder.owner())
    cluster.execute(f"CREATE TABLESPACE small LOCATION '{place}'")
    cluster.execute("CREATE DATABASE small TABLESPACE small")
    engine = ("--engine", cluster.dsn("small"))
    assert run_alt("engine", "init", *engine).returncode == 0
    server = start_server(*engine, log=log)
    client = server.client()
    create(client, "Music")
    filler = small_disk / "filler"
    filler.write_bytes(b"x" * (shutil.disk_usage(small_disk).free - ROOM_BYTES))
    acknowledged = []

    def put_large(key: str) -> None:
        text = secrets.token_hex(150_000)  # which nobody compresses to nothing
        client.put_item(TableName="Music", Item={"pk": {"S": key}, "text": {"S": text}})
        acknowledged.append(key)

    def fill() -> None:
        for number in range(ROOM_BYTES // 100_000):
            put_large(f"{number}")

    assert_refused(fill, PATIENCE_SECONDS)
    refused = str(len(acknowledged))
    for _ in range(3):
        assert_refused(lambda: put_large(refused))
    assert acknowledged
    assert all(is_there(client, key) for key in acknowledged)
    assert not is_there(client, refused)
    assert (status(server, "/"), status(server, "/ready")) == (200, 200)
    filler.unlink()
    until(lambda: put_large("after"))
    assert all(is_there(client, key) for key in acknowledged)
    pages = client.get_paginator("scan").paginate(TableName="Music", ProjectionExpression="pk")
    assert sorted(item["pk"]["S"] for page in pages for item in page["Items"]) == sorted(acknowledged)
    assert "No space left on device" in log.read_text(encoding="utf-8")


@pytest.mark.nightly
def test_a_statement_that_takes_too_long_is_given_up(
    postgres: Cluster, new_database: str, start_server: Any
) -> None:
    name = name_of(new_database)
    server = start_server("--engine", new_database)
    client = server.client()
    create(client, "Music")
    put(client, "before")
    postgres.execute(
        "CREATE FUNCTION linger() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(100); END'",
        name,
    )
    postgres.execute(
        "CREATE TRIGGER lingers BEFORE INSERT ON alt.item FOR EACH STATEMENT EXECUTE FUNCTION linger()", name
    )
    reads = 0
    with ThreadPoolExecutor() as threads:
        other = server.client(read_timeout=HANGING_SECONDS)
        refused = threads.submit(assert_refused, lambda: put(other, "meanwhile"), HANGING_SECONDS)
        while not refused.done():
            assert is_there(client, "before")
            reads += 1
        refused.result()
    assert reads > 10
    assert not is_there(client, "meanwhile")
    postgres.execute("DROP TRIGGER lingers ON alt.item", name)
    until(lambda: put(client, "after"))


@pytest.mark.nightly
def test_a_database_that_hangs(
    postgres: Cluster, new_database: str, start_server: Any, tmp_path: Path
) -> None:
    proxy = Proxy(tmp_path, postgres.folder / SOCKET)
    name = name_of(new_database)
    client = start_server("--engine", f"postgresql://alt@/{name}?host={tmp_path}").client()
    create(client, "Music")
    put(client, "before")
    proxy.is_hanging = True
    assert_refused(lambda: is_there(client, "before"), HANGING_SECONDS)
    assert_refused(lambda: put(client, "meanwhile"), HANGING_SECONDS)
    proxy.is_hanging = False
    assert until(lambda: is_there(client, "before"))
    until(lambda: put(client, "after"))
    proxy.close()


@pytest.mark.nightly
def test_a_standby_that_is_promoted_has_every_acknowledged_write(
    cluster: Cluster, prepared: Callable[[Cluster], str], start_server: Any
) -> None:
    name = name_of(prepared(cluster))
    standbys = [cluster.standby() for _ in range(2)]
    try:
        # One of the two has to have a write before it is acknowledged: the one that has most is promoted.
        cluster.execute("ALTER SYSTEM SET synchronous_standby_names = 'ANY 1 (*)'")
        cluster.execute("SELECT pg_reload_conf()")
        hosts = ",".join(str(each.folder) for each in (cluster, *standbys))
        server = start_server(
            "--engine", f"postgresql://alt@/{name}?host={hosts}&target_session_attrs=read-write"
        )
        client = server.client()
        create(client, "Music")
        acknowledged, stopped, writers = write_on(server)
        at_least(20, acknowledged)
        cluster.stop("immediate")
        before = len(acknowledged)
        received = "SELECT pg_wal_lsn_diff(pg_last_wal_receive_lsn(), '0/0') AS bytes"
        max(standbys, key=lambda each: each.execute(received)[0]["bytes"]).promote()
        until(lambda: put(client, "after"))
        at_least(before + 20, acknowledged)
        stopped.set()
        for writer in writers:
            writer.join()
        assert all(is_there(client, key) for key in acknowledged)
    finally:
        for each in standbys:
            each.remove()
