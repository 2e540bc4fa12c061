"""`alt backup`: on a directory that a server serves, and on one that none does."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path
from typing import Any

import apsw
import pytest


@pytest.fixture(params=["running", "stopped"])
def server(request: pytest.FixtureRequest, with_tables: Any) -> Any:
    if request.param == "stopped":
        with_tables.stop()
    return with_tables


def _items(directory: Path, server: Any, start_server: Any, table: str) -> list[Any]:
    if server.process.poll() is not None:
        server = start_server("--data-dir", directory)
    items: list[Any] = server.client().scan(TableName=table)["Items"]
    return items


def test_take_list_restore_remove(alt: Any, server: Any, start_server: Any, tmp_path: Path) -> None:
    taken = alt("backup", "create", "Music", "--name", "before", "--data-dir", tmp_path)
    assert (taken.status, taken.err) == (0, "")
    assert taken.out.endswith(" of Music, called before.\n")
    ((backup, *row),) = alt("backup", "ls", "--data-dir", tmp_path).rows
    assert [row[0], row[1], row[2], row[4]] == ["before", "Music", "42", "AVAILABLE"]
    assert alt("backup", "ls", "Empty", "--data-dir", tmp_path).out == ""
    for number, name in enumerate((backup, "before")):
        restored = alt("backup", "restore", name, "--as", f"Copy-{number}", "--data-dir", tmp_path)
        assert (restored.status, restored.err) == (0, "")
        assert restored.out == f"Restored Copy-{number}: 2 items.\n"
    assert [item["Song"]["S"] for item in _items(tmp_path, server, start_server, "Copy-0")] == ["one", "two"]
    removed = alt("backup", "rm", backup, "--yes", "--data-dir", tmp_path)
    assert (removed.out, removed.err) == (f"Removed backup {backup}.\n", "")
    assert alt("backup", "ls", "--data-dir", tmp_path).out == ""
    assert list((tmp_path / "backups").iterdir()) == []


def test_a_server_knows_at_once(alt: Any, with_tables: Any, tmp_path: Path) -> None:
    client = with_tables.client()
    assert client.list_backups()["BackupSummaries"] == []
    shown = json.loads(alt("backup", "create", "Music", "--json", "--data-dir", tmp_path).out)
    (summary,) = client.list_backups()["BackupSummaries"]
    assert shown["BackupArn"] == summary["BackupArn"]
    assert shown["BackupName"].startswith("Music-20")
    described = json.loads(
        alt("backup", "restore", shown["BackupArn"], "--as", "Copy", "--json", "--data-dir", tmp_path).out
    )
    table = client.describe_table(TableName="Copy")["Table"]
    assert (table["TableId"], table["ItemCount"]) == (described["TableId"], described["ItemCount"])
    assert (table["TableStatus"], table["ItemCount"]) == ("ACTIVE", 2)
    (listed,) = json.loads(alt("backup", "ls", "--json", "--data-dir", tmp_path).out)
    assert listed == shown


REFUSED = [
    (("create", "Nothing"), "Table not found: Nothing"),
    (("create", "Music", "--name", "a/b"), "'a/b' is no name for a backup"),
    (("restore", "nothing", "--as", "Copy"), "no backup nothing: `alt backup ls` lists those there are"),
    (("restore", "twice", "--as", "Copy"), "2 backups are called twice: `alt backup ls` shows their ids"),
    (("restore", "once", "--as", "Music"), "Table already exists: Music"),
    (("restore", "once", "--as", "a b"), "'a b' is no name for a table"),
    (("rm", "once"), "nobody to ask: --yes removes without asking."),
]


def test_what_is_refused(alt: Any, with_tables: Any, tmp_path: Path) -> None:
    for name in ("once", "twice", "twice"):
        with_tables.client().create_backup(TableName="Music", BackupName=name)
    for arguments, message in REFUSED:
        refused = alt("backup", *arguments, "--data-dir", tmp_path)
        assert refused.status != 0, arguments
        assert message in refused.err
        assert "Traceback" not in refused.err
    assert len(alt("backup", "ls", "--data-dir", tmp_path).rows) == 3


def test_on_a_terminal(on_terminal: Any, with_tables: Any, tmp_path: Path) -> None:
    with_tables.client().create_backup(TableName="Music", BackupName="before")
    shown = on_terminal("backup", "ls", "--data-dir", tmp_path).out
    assert "Backup" in shown
    assert "42 bytes" in shown
    assert (
        "Remove backup before of Music?"
        in on_terminal("backup", "rm", "before", "--data-dir", tmp_path, typed="n\n").out
    )


def test_tables_that_are_still_being_restored(alt: Any, with_tables: Any, tmp_path: Path) -> None:
    """As a crash leaves one, until a server starts again."""
    with_tables.stop()
    with closing(apsw.Connection(str(tmp_path / "catalog.db"))) as catalog:
        catalog.execute(
            "INSERT INTO dynamo_table SELECT 'Copy', 'copy', 'Copy-copy.db', json_set(definition, '$.name', 'Copy', "
            "'$.id', 'copy', '$.restore', json('{\"origin\": {\"backup\": \"gone\"}, \"summary\": {}}')) "
            "FROM dynamo_table WHERE name = 'Music'"
        )
    rows = alt("tables", "ls", "--data-dir", tmp_path).rows
    assert [(row[0], row[-1]) for row in rows] == [
        ("Copy", "CREATING"),
        ("Empty", "ACTIVE"),
        ("Music", "ACTIVE"),
    ]
    checked = alt("tables", "check", "--data-dir", tmp_path)
    assert (checked.status, {row[0] for row in checked.rows}) == (0, {"Empty", "Music"})
    removed = alt("tables", "rm", "Copy", "--yes", "--data-dir", tmp_path)
    assert removed.err == "Error: Copy is being restored; a server that starts finishes it\n"
    saved = alt("snapshot", "save", "seed", "--data-dir", tmp_path)
    assert saved.out == "Saved 2 tables with 2 items as seed.\n"
