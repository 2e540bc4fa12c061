"""Whoever looks at a table's file beside the server leaves the server's write-ahead log where it is.

SQLite deletes the log when it closes the last connection to a file, and takes itself for the last
where it finds no lock of another process. A process drops its locks on a file when it closes
any descriptor of that file, SQLite's own or not.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from alt.storage.sqlite.transactions.decided import SETTLE_SECONDS

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="locks are another matter there")


def put(table: str, key: str) -> dict[str, Any]:
    return {"TableName": table, "Item": {"pk": {"S": key}}}


def create(dynamodb: Any, name: str) -> None:
    dynamodb.create_table(
        TableName=name,
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )


def look_beside(directory: Path) -> None:
    """As Alt's own commands do, and as a user does with SQLite's shell."""
    alt = [sys.executable, "-m", "alt.cli"]
    commands = [
        [*alt, *command, "--data-dir", str(directory)]
        for command in (["tables", "check"], ["snapshot", "save", "s"], ["tables", "ls"])
    ]
    program = "import sys, sqlite3; print(sqlite3.connect(sys.argv[1]).execute('SELECT * FROM sqlite_schema').fetchall())"
    databases = [*directory.glob("*.db"), *directory.glob("tables/*.db")]
    commands += [[sys.executable, "-c", program, str(path)] for path in databases]
    for command in commands:
        subprocess.run(command, check=True, capture_output=True, timeout=60)


@pytest.mark.parametrize("sync", ["full", pytest.param("normal", marks=pytest.mark.nightly)])
def test_looking_at_the_files_beside_the_server_costs_no_write(
    sync: str, start_server: Any, tmp_path: Path
) -> None:
    options = ("--data-dir", tmp_path, "--sync", sync)
    server = start_server(*options)
    dynamodb = server.client()
    for table in ("one", "two"):
        create(dynamodb, table)
    dynamodb.transact_write_items(TransactItems=[{"Put": put(each, "together")} for each in ("one", "two")])
    dynamodb.update_table(TableName="one", DeletionProtectionEnabled=True)
    backup = dynamodb.create_backup(TableName="two", BackupName="backup")["BackupDetails"]["BackupArn"]
    time.sleep(SETTLE_SECONDS + 0.5)  # by then the transaction is in the files durably
    look_beside(tmp_path)
    for table in ("one", "two"):
        dynamodb.put_item(**put(table, "later"))
    create(dynamodb, "three")
    server.kill()

    dynamodb = start_server(*options).client()
    assert dynamodb.list_tables()["TableNames"] == ["one", "three", "two"]
    assert (
        dynamodb.describe_backup(BackupArn=backup)["BackupDescription"]["BackupDetails"]["BackupName"]
        == "backup"
    )
    for table in ("one", "two"):
        found = {item["pk"]["S"] for item in dynamodb.scan(TableName=table)["Items"]}
        assert found == {"together", "later"}, table


@pytest.mark.skipif(sys.platform != "linux", reason="/proc/locks is Linux's")
def test_the_server_keeps_its_locks(start_server: Any, tmp_path: Path) -> None:
    server = start_server("--data-dir", tmp_path)
    dynamodb = server.client()
    for table in ("one", "two"):
        create(dynamodb, table)
    dynamodb.transact_write_items(TransactItems=[{"Put": put(each, "together")} for each in ("one", "two")])
    time.sleep(SETTLE_SECONDS + 0.5)
    locked = {
        int(inode.rpartition(":")[2])
        for _, _, _, _, process, inode, *_ in map(str.split, Path("/proc/locks").read_text().splitlines())
        if process == str(server.process.pid)
    }
    databases = [*tmp_path.glob("*.db"), *tmp_path.glob("tables/*.db"), tmp_path / "server.lock"]
    assert [path for path in databases if path.stat().st_ino not in locked] == []
