"""Mixed load: what takes longer than a request, so that kill -9 comes in its midst.

Tables that come and go, an index that is built and dropped, backups and restores, and
snapshots, which the CLI saves and loads in a process of its own.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

from tests.crash.client import Client, Refused, scan
from tests.crash.load import KEYS_AND_GK, Backup, Ledger, Session, create_table, index_on_gk, registers_of
from tests.crash.worlds import Register, becomes, either

WAIT_SECONDS = 120.0  # for work in the background, on a busy machine
POLL_SECONDS = 0.02
OWN_TABLES = 3
BACKUPS = 3
SNAPSHOTS = 2
BACKED_UP = ("plain", "streamed", "indexed", "one")

INDEX = Register("index", "built")


def waited(what: str, ready: Callable[[], bool]) -> None:
    """Poll until `ready`."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not ready():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not in {WAIT_SECONDS} s")
        time.sleep(POLL_SECONDS)


def described(client: Client, table: str) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = client.call("DescribeTable", TableName=table)["Table"]
    except Refused as refused:
        if refused.code != "ResourceNotFoundException":
            raise
        return None
    return found


def index_statuses(client: Client) -> list[str]:
    """Of the indexes of the table on which one comes and goes."""
    table = described(client, "indexed")
    assert table is not None
    return [index["IndexStatus"] for index in table.get("GlobalSecondaryIndexes", [])]


# Tables and an index


def make_table(session: Session) -> None:
    """Create a table, write its one item, or delete it. Its register is that item's value, 0 while there is none."""
    name = f"made-{session.number}-{session.random.randrange(OWN_TABLES)}"
    table = Register("table", name)
    if described(session.client, name) is None:
        with session.worlds.writing({table: becomes(0)}):
            create_table(session.client, name)
    elif session.random.random() < 0.6:
        value = session.value()
        item = {"pk": {"S": "only"}, "value": {"N": str(value)}}
        with session.worlds.writing({table: becomes(value)}):
            session.client.call("PutItem", TableName=name, Item=item)
    else:
        with session.worlds.writing({table: becomes(None)}):
            session.client.call("DeleteTable", TableName=name)


def change_index(session: Session) -> None:
    """Create the index, or delete it once it is built."""
    statuses = index_statuses(session.client)
    if not statuses:
        create = {"Create": index_on_gk("built")}
        with session.worlds.writing({INDEX: becomes("there")}):
            session.client.call(
                "UpdateTable",
                TableName="indexed",
                AttributeDefinitions=KEYS_AND_GK,
                GlobalSecondaryIndexUpdates=[create],
            )
    elif statuses == ["ACTIVE"]:
        with session.worlds.writing({INDEX: becomes(None)}):
            delete = {"Delete": {"IndexName": "built"}}
            session.client.call("UpdateTable", TableName="indexed", GlobalSecondaryIndexUpdates=[delete])
    else:
        time.sleep(POLL_SECONDS)


# Backups and restores


def back_up(session: Session) -> None:
    """Back a table up; then restore that backup, or delete an older one."""
    table, backups = session.random.choice(BACKED_UP), session.ledger.backups
    with session.worlds.recording() as contents:
        created = session.client.call("CreateBackup", TableName=table, BackupName="backup")
    arn = created["BackupDetails"]["BackupArn"]

    def is_available() -> bool:
        answer = session.client.call("DescribeBackup", BackupArn=arn)
        return bool(answer["BackupDescription"]["BackupDetails"]["BackupStatus"] == "AVAILABLE")

    waited(f"backup {arn} AVAILABLE", is_available)
    backups[arn] = Backup(table, dict(contents))
    if session.random.random() < 0.6:
        restore(session, arn)
    if len(backups) > BACKUPS:
        arn = next(iter(backups))
        del backups[arn]
        session.client.call("DeleteBackup", BackupArn=arn)


def restore(session: Session, arn: str) -> None:
    """Restore a backup to a table of its own, compare what it holds, and delete the table."""
    name = f"restored-{session.value()}"
    register = Register("table", name)
    backup = session.ledger.restored[name] = session.ledger.backups[arn]
    session.worlds.unsaved.add(register)
    with session.worlds.writing({register: becomes("there")}):
        session.client.call("RestoreTableFromBackup", BackupArn=arn, TargetTableName=name)
    waited(f"{name} ACTIVE", lambda: is_active(session.client, name))
    session.worlds.unsaved.discard(register)
    wrong = contradictions(backup, name, scan(session.client, name))
    if wrong:
        raise AssertionError(wrong)
    with session.worlds.writing({register: becomes(None)}):
        session.client.call("DeleteTable", TableName=name)


def is_active(client: Client, table: str) -> bool:
    """Raises Refused if it is not there at all."""
    found: dict[str, Any] = client.call("DescribeTable", TableName=table)["Table"]
    return bool(found["TableStatus"] == "ACTIVE")


def contradictions(backup: Backup, name: str, items: list[dict[str, Any]]) -> list[str]:
    """What a restored table holds that its backup cannot have held."""
    seen = registers_of(backup.table, items)
    expected = {each: values for each, values in backup.contents.items() if each.place == backup.table}
    return [
        f"restored from {backup.table}, {name}/{register.name} is {seen.get(register)!r}, not one of {expected.get(register)}"
        for register in seen.keys() | expected.keys()
        if seen.get(register) not in expected.get(register, {None})
    ]


# Snapshots


class SnapshotCommand:
    """One `alt snapshot save` or `load`; kill -9 may hit it, too."""

    def __init__(self, ledger: Ledger, directory: Path, random: Random, number: int) -> None:
        self._ledger = ledger
        self._directory = directory
        known = list(ledger.snapshots)
        self._loads = bool(known) and random.random() < 0.4
        self._replaces = not self._loads and bool(known) and random.random() < 0.3
        self._name = random.choice(known) if self._loads or self._replaces else f"snapshot-{number}"
        self._process: subprocess.Popen[str] | None = None

    def run(self) -> None:
        """Until the command has ended, by itself or not."""
        if self._loads:
            self._load()
        else:
            self._save()

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()

    def _save(self) -> None:
        snapshots = self._ledger.snapshots
        with self._ledger.worlds.recording() as contents:
            status = self._command("save", self._name, *(["--replace"] if self._replaces else []))
        is_there = (self._directory / "snapshots" / self._name / "snapshot.json").exists()
        if status == 0:
            assert is_there, f"snapshot {self._name} was saved and is not there"
            snapshots[self._name] = dict(contents)
        elif self._replaces:  # it is there as it was or as it was to be
            snapshots[self._name] = either(snapshots[self._name], contents)
        elif is_there:
            snapshots[self._name] = dict(contents)
        if len(self._ledger.snapshots) > SNAPSHOTS:
            oldest = next(iter(self._ledger.snapshots))
            del self._ledger.snapshots[oldest]
            self._command("rm", "--yes", oldest)

    def _load(self) -> None:
        self._ledger.worlds.begin_load(self._ledger.snapshots[self._name])
        is_known = False
        try:
            is_known = self._command("load", self._name) == 0
        finally:
            self._ledger.worlds.end_load(is_known=is_known)

    def _command(self, *arguments: str) -> int:
        """The exit status: 0, or -9 if it was killed."""
        command = [
            sys.executable,
            "-m",
            "alt.cli",
            "snapshot",
            *arguments,
            "--data-dir",
            str(self._directory),
        ]
        self._process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        _, said = self._process.communicate(timeout=WAIT_SECONDS)
        status = self._process.returncode
        if status not in (0, -9):
            raise AssertionError(f"alt snapshot {' '.join(arguments)} failed with {status}: {said}")
        self._ledger.requests[f"snapshot {arguments[0]} {'killed' if status else 'done'}"] += 1
        return status


# How many clients do what.
STEPS: list[tuple[Callable[[Session], None], int]] = [(make_table, 2), (change_index, 1), (back_up, 1)]
