"""`alt restore`, and the moments it understands."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import click
import pytest
from alt.cli.terminal.moments import parse_moment

from tests.cli.conftest import ALT

Run = Callable[..., Any]

NOW = 1_795_521_600.0  # 2026-11-24T12:00:00Z
TRIES = 20


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("10 minutes ago", NOW - 600),
        ("1 minute ago", NOW - 60),
        ("  90 Seconds ago ", NOW - 90),
        ("1.5 hours ago", NOW - 5_400),
        ("1h 30m ago", NOW - 5_400),
        ("1h30m5s ago", NOW - 5_405),
        ("2 days 1 hour ago", NOW - 176_400),
        ("1795521000", NOW - 600),
        ("1795521000.25", NOW - 599.75),
        ("2026-11-24T11:50:00Z", NOW - 600),
        ("2026-11-24 11:50:00.5+00:00", NOW - 599.5),
        ("2026-11-24T12:50:00+01:00", NOW - 600),
        ("2026-11-24T11:50:00", datetime(2026, 11, 24, 11, 50).timestamp()),
        ("2026-11-24", datetime(2026, 11, 24).timestamp()),
    ],
)
def test_moments(text: str, moment: float) -> None:
    assert parse_moment(text, NOW) == moment


@pytest.mark.parametrize(
    "text", ["", "ago", "soon", "10 ago", "10 months ago", "in 10 minutes", "-5", "2026-13-01"]
)
def test_what_is_no_moment(text: str) -> None:
    with pytest.raises(click.ClickException, match="is no moment: write"):
        parse_moment(text, NOW)


@pytest.fixture
def recoverable(with_tables: Any) -> float:
    """A moment after which one item of Music was changed and one removed."""
    client = with_tables.client()
    client.update_continuous_backups(
        TableName="Music", PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True}
    )
    time.sleep(0.02)
    moment = time.time()
    time.sleep(0.02)
    client.delete_item(TableName="Music", Key={"Artist": {"S": "A"}, "Song": {"S": "one"}})
    client.put_item(
        TableName="Music", Item={"Artist": {"S": "A"}, "Song": {"S": "two"}, "Year": {"N": "2000"}}
    )
    return moment


def test_while_a_server_runs(alt: Run, with_tables: Any, recoverable: float, tmp_path: Path) -> None:
    restored = alt("restore", "Music", "--at", str(recoverable), "--data-dir", tmp_path)
    assert (restored.status, restored.err) == (0, "")
    assert restored.out.endswith(" as Music-restored: 2 items.\n")
    found = with_tables.client().scan(TableName="Music-restored", IndexName="by-year")["Items"]
    assert sorted((item["Song"]["S"], item["Year"]["N"]) for item in found) == [
        ("one", "1999"),
        ("two", "1999"),
    ]
    assert with_tables.client().scan(TableName="Music")["Count"] == 1


def test_without_a_server(alt: Run, with_tables: Any, recoverable: float, tmp_path: Path) -> None:
    with_tables.stop()
    arguments = (
        "restore",
        "Music",
        "--at",
        str(recoverable),
        "--as",
        "Old",
        "--json",
        "--data-dir",
        tmp_path,
    )
    description = json.loads(alt(*arguments).out)
    assert (description["TableName"], description["ItemCount"]) == ("Old", 2)
    again = alt(*arguments)
    assert (again.status, again.err) == (1, "Error: there is a table Old: --as gives another name\n")


@pytest.mark.usefixtures("recoverable")
def test_what_cannot_be_restored(alt: Run, tmp_path: Path) -> None:
    def refused(table: str, *arguments: str) -> str:
        result = alt("restore", table, *arguments, "--data-dir", tmp_path)
        assert result.status != 0
        assert len(result.err.splitlines()) == 1
        return str(result.err)

    assert refused("Absent", "--at", "1s ago") == (
        "Error: no table Absent: `alt tables ls` lists those there are\n"
    )
    assert refused("Empty", "--at", "1s ago") == (
        "Error: point-in-time recovery of Empty is off: UpdateContinuousBackups turns it on, for what follows\n"
    )
    early = refused("Music", "--at", "1 day ago")
    assert early.startswith("Error: Music can be restored to a moment from 20")
    assert refused("Music", "--at", "0s ago", "--as", "no/name").startswith("Error: 1 validation error")


def killed_while_it_copies(arguments: list[str], tables: Path) -> int:
    """Run a command until it has a part of the table Copy, and kill it: its exit status, 0 if it was faster."""
    command = subprocess.Popen([*ALT, *arguments], stdout=subprocess.DEVNULL)
    while command.poll() is None:
        if list(tables.glob("Copy*.part")):
            command.send_signal(signal.SIGSTOP)
            os.waitpid(command.pid, os.WUNTRACED)
            if list(tables.glob("Copy*.part")):  # and it will be there
                command.kill()
            command.send_signal(signal.SIGCONT)
            break
        time.sleep(0.001)
    return command.wait(timeout=60)


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
@pytest.mark.parametrize(
    "is_served", [True, pytest.param(False, marks=pytest.mark.nightly)], ids=["server", "no-server"]
)
@pytest.mark.parametrize("command", [pytest.param("restore", marks=pytest.mark.nightly), "backup restore"])
def test_one_that_is_killed_leaves_nothing(
    alt: Run, start_server: Any, tmp_path: Path, command: str, is_served: bool
) -> None:
    server = start_server("--data-dir", tmp_path)
    client = server.client()
    client.create_table(
        TableName="Music",
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )
    client.update_continuous_backups(
        TableName="Music", PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True}
    )
    for number in range(60):
        client.put_item(TableName="Music", Item={"pk": {"S": str(number)}, "x": {"S": "y" * 390_000}})
    client.create_backup(TableName="Music", BackupName="before")
    if not is_served:
        server.stop()
    arguments = ["backup", "restore", "before"] if command == "backup restore" else ["restore", "Music"]
    if command == "restore":
        arguments += ["--at", str(time.time())]
    arguments += ["--as", "Copy", "--data-dir", str(tmp_path)]
    for _ in range(TRIES):
        killed = killed_while_it_copies(arguments, tmp_path / "tables")
        if killed != 0:
            break
        # It was done before anybody had looked.
        assert alt("tables", "rm", "Copy", "--yes", "--data-dir", tmp_path).status == 0
    assert killed == -9
    assert [row[0] for row in alt("tables", "ls", "--data-dir", tmp_path).rows] == ["Music"]
    if is_served:
        assert client.list_tables()["TableNames"] == ["Music"]
        server.stop()
    log = tmp_path / "log"
    client = start_server("--data-dir", tmp_path, log=log).client()
    assert client.list_tables()["TableNames"] == ["Music"]
    assert not list((tmp_path / "tables").glob("Copy*"))
    assert log.read_text() == ""
    # The name is free, and the backup as well.
    again = alt(*arguments)
    assert (again.status, again.err) == (0, "")
    assert client.scan(TableName="Copy", Select="COUNT")["Count"] > 0
