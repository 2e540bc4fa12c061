"""`alt tables check`: what it says of sound and of damaged tables, and what --repair leaves."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path
from typing import Any

import apsw
import pytest

from alt.storage.sqlite.connections import PAGE_BYTES

SOUND = [
    ["Empty", "file", "ok", ""],
    ["Empty", "items", "ok", "0 items, 0 bytes"],
    ["Empty", "counts", "ok", ""],
    ["Music", "file", "ok", ""],
    ["Music", "items", "ok", "2 items, 42 bytes"],
    ["Music", "index by-year", "ok", "2 entries, 42 bytes"],
    ["Music", "counts", "ok", ""],
]


def file_of(directory: Path, name: str) -> Path:
    (path,) = (directory / "tables").glob(f"{name}-*.db")
    return path


def change(directory: Path, name: str, *statements: str) -> None:
    with closing(apsw.Connection(str(file_of(directory, name)))) as connection:
        connection.set_busy_timeout(5_000)
        for statement in statements:
            index = connection.execute(
                "SELECT name FROM sqlite_schema WHERE type = 'table' AND name LIKE 'index %'"
            ).get
            connection.execute(statement.replace("INDEX", f'"{index}"'))


@pytest.mark.parametrize("running", [True, False])
def test_sound_tables(alt: Any, with_tables: Any, tmp_path: Path, running: bool) -> None:
    if not running:
        with_tables.stop()
    checked = alt("tables", "check", "--data-dir", tmp_path)
    assert (checked.status, checked.err) == (0, "")
    assert checked.rows == SOUND
    assert alt("tables", "check", "Music", "--data-dir", tmp_path).rows == SOUND[3:]


@pytest.mark.parametrize("running", [True, False])
def test_a_damaged_index_and_its_repair(alt: Any, with_tables: Any, tmp_path: Path, running: bool) -> None:
    if not running:
        with_tables.stop()
    change(tmp_path, "Music", "DELETE FROM INDEX WHERE sk = 'one'", "UPDATE statistics SET items = items + 4")
    checked = alt("tables", "check", "--data-dir", tmp_path)
    assert checked.status == 1
    assert checked.err == (
        "Error: Music: `alt tables check --repair` computes anew from the items what can be\n"
    )
    assert checked.rows == [
        *SOUND[:5],
        ["Music", "index by-year", "wrong", "1 item has no entry"],
        [
            "Music",
            "counts",
            "wrong",
            "of the items off by +4 and +0 bytes; of index by-year off by +5 and +21 bytes",
        ],
    ]
    repaired = alt("tables", "check", "Music", "--repair", "--data-dir", tmp_path)
    assert (repaired.status, repaired.err) == (0, "")
    assert [row[2] for row in repaired.rows] == ["ok", "ok", "repaired", "repaired"]
    assert repaired.rows[2][3] == "1 item has no entry"
    assert alt("tables", "check", "--data-dir", tmp_path).rows == SOUND


def test_a_running_server_serves_what_was_repaired(alt: Any, with_tables: Any, tmp_path: Path) -> None:
    client = with_tables.client()
    query = {
        "TableName": "Music",
        "IndexName": "by-year",
        "KeyConditionExpression": "#y = :y",
        "ExpressionAttributeNames": {"#y": "Year"},
        "ExpressionAttributeValues": {":y": {"N": "1999"}},
    }
    change(tmp_path, "Music", "DROP TABLE INDEX")
    assert alt("tables", "check", "Music", "--repair", "--data-dir", tmp_path).status == 0
    assert client.query(**query)["Count"] == 2
    client.put_item(
        TableName="Music", Item={"Artist": {"S": "B"}, "Song": {"S": "three"}, "Year": {"N": "1999"}}
    )
    assert client.query(**query)["Count"] == 3
    assert alt("tables", "check", "--data-dir", tmp_path).status == 0


@pytest.mark.usefixtures("with_tables")
def test_json(alt: Any, tmp_path: Path) -> None:
    listed = json.loads(alt("tables", "check", "--json", "--data-dir", tmp_path).out)
    assert [(table["table"], table["sound"]) for table in listed] == [("Empty", True), ("Music", True)]
    change(tmp_path, "Music", "DELETE FROM INDEX")
    checked = alt("tables", "check", "Music", "--json", "--data-dir", tmp_path)
    assert checked.status == 1
    assert json.loads(checked.out) == {
        "table": "Music",
        "sound": False,
        "parts": [
            {"part": "file", "state": "ok", "problems": []},
            {"part": "items", "state": "ok", "items": 2, "bytes": 42, "problems": []},
            {
                "part": "index by-year",
                "state": "wrong",
                "entries": 0,
                "bytes": 0,
                "problems": ["2 items have no entry"],
            },
            {
                "part": "counts",
                "state": "wrong",
                "problems": ["of index by-year off by +2 and +42 bytes"],
            },
        ],
    }


def overwrite(directory: Path, kind: str) -> None:
    """Overwrite the root page of the table's index, or of its items."""
    change(directory, "Music", "PRAGMA wal_checkpoint(TRUNCATE)")
    path = file_of(directory, "Music")
    with closing(apsw.Connection(str(path))) as connection:
        root = connection.execute(
            "SELECT rootpage FROM sqlite_schema WHERE type = 'table' AND name LIKE ?", (kind,)
        ).get
    with path.open("r+b") as file:
        file.seek((root - 1) * PAGE_BYTES)
        file.write(b"\xa5" * PAGE_BYTES)


def test_damaged_pages_of_an_index(alt: Any, with_tables: Any, start_server: Any, tmp_path: Path) -> None:
    with_tables.stop()
    overwrite(tmp_path, "index %")
    checked = alt("tables", "check", "--data-dir", tmp_path)
    assert checked.status == 1
    assert [row[1:3] for row in checked.rows[3:]] == [
        ["file", "wrong"],
        ["items", "ok"],
        ["index by-year", "wrong"],
        ["counts", "ok"],
    ]
    assert checked.rows[3][3].startswith("pages are damaged: ")
    assert checked.rows[5][3] == "its entries are lost"
    server = start_server("--data-dir", tmp_path)
    refused = alt("tables", "check", "--repair", "--data-dir", tmp_path)
    assert refused.status == 1
    assert refused.err == (
        f"Error: pages of Music are damaged, and {tmp_path} is already being served by {server.url}: "
        "stop that server to repair them\n"
    )
    server.stop()
    assert alt("tables", "check", "--repair", "--data-dir", tmp_path).status == 0
    assert alt("tables", "check", "--data-dir", tmp_path).rows == SOUND


def test_damaged_pages_of_the_items(alt: Any, with_tables: Any, tmp_path: Path) -> None:
    """They cannot be had back, and the other tables are checked all the same."""
    with_tables.stop()
    overwrite(tmp_path, "item")
    checked = alt("tables", "check", "--repair", "--data-dir", tmp_path)
    assert checked.status == 1
    assert checked.rows[:3] == SOUND[:3]
    assert [row[:3] for row in checked.rows[3:]] == [["Music", "file", "wrong"]]
    assert checked.err == (
        "Error: Music: what the items themselves have lost cannot be computed; restore it from a backup, "
        "and `alt tables rm` removes what is left\n"
    )


def test_a_file_that_is_gone(alt: Any, with_tables: Any, tmp_path: Path) -> None:
    with_tables.stop()
    path = file_of(tmp_path, "Music")
    path.unlink()
    checked = alt("tables", "check", "--data-dir", tmp_path)
    assert checked.status == 1
    assert checked.rows == [
        *SOUND[:3],
        ["Music", "file", "wrong", f"cannot use table Music: its file {path} is gone"],
    ]
    assert "--repair" not in checked.err
    assert alt("tables", "rm", "Music", "--yes", "--data-dir", tmp_path).status == 0
    assert alt("tables", "check", "--data-dir", tmp_path).status == 0


def test_on_a_terminal(on_terminal: Any, with_tables: Any, tmp_path: Path) -> None:
    with_tables.stop()
    checked = on_terminal("tables", "check", "--data-dir", tmp_path)
    assert checked.status == 0
    heading, _, *rows = [line.split() for line in checked.out.splitlines() if line.strip()]
    assert heading == ["Table", "Part", "State", "Found"]
    assert rows[5] == ["Music", "index", "by-year", "ok", "2", "entries,", "42", "bytes"]


def test_a_table_that_is_not_there(alt: Any, with_tables: Any, tmp_path: Path) -> None:
    with_tables.stop()
    checked = alt("tables", "check", "Absent", "--data-dir", tmp_path)
    assert (checked.status, checked.out) == (1, "")
    assert checked.err == "Error: no table Absent: `alt tables ls` lists those there are\n"
