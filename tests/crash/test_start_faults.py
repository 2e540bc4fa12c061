"""A start on a disk that refuses to open, read or write one file.

A table whose file cannot be used does not keep the others from being served, and is
served itself once the disk is well again. For any other file the server starts, or says in
a line which file it is; then the next start has everything.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.conftest import Server
from tests.crash import disk_load, disk_log
from tests.crash.faulty_disk import FaultyDisk

KEY = {"pk": {"S": "a"}}
FILES = [
    "catalog.db",
    "catalog.db-wal",
    "journal.db",
    "journal.db-wal",
    "usage.db",
    "usage.db-wal",
    "server.lock",
    "server.url",
]


@pytest.fixture
def data(start_server: Any, tmp_path: Path) -> Path:
    """A directory of two tables with an item each, as kill -9 left it."""
    server = start_server("--data-dir", tmp_path / "data")
    client = server.client()
    for name in (disk_load.ONE, disk_load.TWO):
        disk_load.create_table(client, name)
    puts = [{"Put": {"TableName": name, "Item": KEY}} for name in (disk_load.ONE, disk_load.TWO)]
    client.transact_write_items(TransactItems=puts)
    server.kill()
    return tmp_path / "data"


def check_all(server: Server) -> None:
    """What was written is there, and all goes on."""
    client = server.client()
    for name in (disk_load.ONE, disk_load.TWO):
        assert client.get_item(TableName=name, Key=KEY)["Item"] == KEY
        client.put_item(TableName=name, Item=KEY)
    disk_load.create_table(client, "New")


def is_served(client: Any, table: str) -> bool:
    try:
        client.get_item(TableName=table, Key=KEY)
    except client.exceptions.InternalServerError:
        return False
    return True


@pytest.mark.parametrize(
    "file",
    [
        "tables/Two-*.db",
        pytest.param("tables/Two-*.db-wal", marks=pytest.mark.nightly),
        pytest.param("tables/Two-*.db-shm", marks=pytest.mark.nightly),
    ],
)
def test_a_table_that_cannot_be_opened(file: str, data: Path, start_server: Any, shim: Path) -> None:
    disk = FaultyDisk(data.with_name("fault"))
    disk.fail(file, "open", delay=0)
    server = start_server("--data-dir", data, environment=disk_log.preloaded(shim, data, fault=disk.path))
    client = server.client()
    assert client.get_item(TableName=disk_load.ONE, Key=KEY)["Item"] == KEY
    client.put_item(TableName=disk_load.ONE, Item=KEY)
    with pytest.raises(ClientError, match="InternalServerError"):
        client.get_item(TableName=disk_load.TWO, Key=KEY)
    disk.lift()
    disk_load.wait_until(lambda: is_served(client, disk_load.TWO), lambda: "the table is not served again")
    check_all(server)


@pytest.mark.nightly
@pytest.mark.parametrize("call", ["open", "write"])
@pytest.mark.parametrize("file", FILES)
def test_another_file_that_cannot_be_used(
    file: str, call: str, data: Path, start_server: Any, shim: Path
) -> None:
    disk, said = FaultyDisk(data.with_name("fault")), data.with_name("stderr")
    disk.fail(file, call, delay=0)
    environment = disk_log.preloaded(shim, data, fault=disk.path)
    try:
        server = start_server("--data-dir", data, environment=environment, log=said)
    except AssertionError:
        server = None
    disk.lift()
    lines = said.read_text().splitlines()
    if server is None:
        assert len(lines) == 1
        assert Path(file).name.removesuffix("-wal") in lines[0]
        server = start_server("--data-dir", data)
    assert "Traceback (most recent call last):" not in lines
    check_all(server)
