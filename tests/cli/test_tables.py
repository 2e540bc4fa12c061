"""`alt tables`: on a terminal, in a pipe and as JSON, with a server running and without."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from alt.cli.terminal import output


@pytest.fixture(params=["running", "stopped"])
def directory(with_tables: Any, tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    if request.param == "stopped":
        with_tables.stop()
    return tmp_path


def test_a_list_in_a_pipe(alt: Any, directory: Path) -> None:
    listed = alt("tables", "ls", "--data-dir", directory)
    assert (listed.status, listed.err) == (0, "")
    assert [row[:3] + row[4:] for row in listed.rows] == [
        ["Empty", "0", "0", "PROVISIONED", "ACTIVE"],
        ["Music", "2", "42", "PAY_PER_REQUEST", "ACTIVE"],
    ]
    assert all(row[3].endswith("Z") for row in listed.rows)


def test_a_list_on_a_terminal(on_terminal: Any, directory: Path) -> None:
    listed = on_terminal("tables", "ls", "--data-dir", directory)
    heading, _, *rows = [line.split() for line in listed.out.splitlines() if line.strip()]
    assert heading == ["Table", "Items", "Size", "Created", "Billing", "Status"]
    assert rows[1][:4] == ["Music", "2", "42", "bytes"]


def test_a_list_as_json_is_what_describe_table_answers(alt: Any, directory: Path) -> None:
    listed = json.loads(alt("tables", "ls", "--json", "--data-dir", directory).out)
    assert [table["TableName"] for table in listed] == ["Empty", "Music"]
    assert listed[1]["GlobalSecondaryIndexes"][0]["ItemCount"] == 2
    shown = json.loads(alt("tables", "show", "Music", "--json", "--data-dir", directory).out)
    assert shown == shown | listed[1]


def test_a_table_is_shown(alt: Any, on_terminal: Any, directory: Path) -> None:
    shown = dict(alt("tables", "show", "Music", "--data-dir", directory).rows)
    assert shown["Items"] == "2"
    assert shown["Partition key"] == "Artist (S)"
    assert shown["Sort key"] == "Song (S)"
    assert shown["Global index"] == "by-year: Year (N); ALL; 2 items"
    assert "Partition key" in on_terminal("tables", "show", "Music", "--data-dir", directory).out


@pytest.mark.parametrize("command", [("show", "Absent"), ("rm", "Absent", "--yes")])
def test_a_table_that_is_not_there(alt: Any, with_tables: Any, tmp_path: Path, command: Any) -> None:
    with_tables.stop()
    done = alt("tables", *command, "--data-dir", tmp_path)
    assert (done.status, done.out) == (1, "")
    assert done.err == "Error: no table Absent: `alt tables ls` lists those there are\n"


def test_no_data(alt: Any, tmp_path: Path) -> None:
    done = alt("tables", "ls", "--data-dir", tmp_path)
    assert done.status == 1
    assert done.err == (
        f"Error: no data in {tmp_path}: `alt start` makes it, and --data-dir names another directory\n"
    )
    assert not list(tmp_path.iterdir())


def test_a_table_is_removed(alt: Any, directory: Path) -> None:
    removed = alt("tables", "rm", "Music", "--yes", "--data-dir", directory)
    assert (removed.status, removed.out) == (0, "Removed Music.\n")
    assert [row[0] for row in alt("tables", "ls", "--data-dir", directory).rows] == ["Empty"]
    assert not list((directory / "tables").glob("Music-*"))


def test_a_running_server_notices(alt: Any, with_tables: Any, tmp_path: Path) -> None:
    client = with_tables.client()
    assert alt("tables", "rm", "Music", "--yes", "--data-dir", tmp_path).status == 0
    assert client.list_tables()["TableNames"] == ["Empty"]
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        client.describe_table(TableName="Music")


def test_removing_asks_on_a_terminal_and_not_in_a_pipe(
    alt: Any, on_terminal: Any, with_tables: Any, tmp_path: Path
) -> None:
    with_tables.stop()
    refused = alt("tables", "rm", "Music", "--data-dir", tmp_path)
    assert refused.status == 2
    assert refused.err.endswith("Error: nobody to ask: --yes removes without asking.\n")
    asked = on_terminal("tables", "rm", "Music", "--data-dir", tmp_path, typed="n\n")
    assert asked.status == 1
    assert "Remove Music with 2 items? [y/N]" in asked.out
    assert on_terminal("tables", "rm", "Music", "--data-dir", tmp_path, typed="y\n").status == 0
    assert [row[0] for row in alt("tables", "ls", "--data-dir", tmp_path).rows] == ["Empty"]


def test_a_protected_table_stays(alt: Any, with_tables: Any, tmp_path: Path) -> None:
    with_tables.client().update_table(TableName="Music", DeletionProtectionEnabled=True)
    refused = alt("tables", "rm", "Music", "--yes", "--data-dir", tmp_path)
    assert refused.status == 1
    assert refused.err == "Error: Music is protected against deletion; UpdateTable turns that off\n"


def test_a_damaged_table_is_listed_without_counts(alt: Any, with_tables: Any, tmp_path: Path) -> None:
    with_tables.stop()
    (path,) = (tmp_path / "tables").glob("Music-*.db")
    path.write_bytes(b"\xa5" * path.stat().st_size)
    listed = alt("tables", "ls", "--data-dir", tmp_path)
    assert listed.status == 1
    assert listed.err == f"Error: cannot use table Music ({path}): file is not a database\n"
    assert [row[:3] + row[5:] for row in listed.rows] == [
        ["Empty", "0", "0", "ACTIVE"],
        ["Music", "", "", "UNREADABLE"],
    ]
    assert alt("tables", "rm", "Music", "--yes", "--data-dir", tmp_path).status == 0


def test_names_are_not_markup_and_bear_no_control_codes(
    alt: Any, on_terminal: Any, start_server: Any, tmp_path: Path
) -> None:
    server = start_server("--data-dir", tmp_path)
    server.client().create_table(
        TableName="odd",
        AttributeDefinitions=[{"AttributeName": "[red]\x1b[31m\t", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "[red]\x1b[31m\t", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )
    server.stop()
    shown = dict(alt("tables", "show", "odd", "--data-dir", tmp_path).rows)
    assert shown["Partition key"] == r'"[red]\u001b[31m\t (S)"'
    assert r"[red]\u001b[31m\t (S)" in on_terminal("tables", "show", "odd", "--data-dir", tmp_path).out


def test_json_bears_no_control_codes_of_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    output.json({"key": "\x1b[31m\x9b31m\u202e"})
    printed = capsys.readouterr().out
    assert json.loads(printed) == {"key": "\x1b[31m\x9b31m\u202e"}
    assert printed.replace("\n", "").isascii()
