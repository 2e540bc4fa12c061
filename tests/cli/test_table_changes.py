"""`alt tables create`, `truncate`, `copy` and `vacuum`, and `ls`, `show` and `rm` of a server that is named."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]

CREATION = {
    "TableName": "Music",
    "AttributeDefinitions": [
        {"AttributeName": "Artist", "AttributeType": "S"},
        {"AttributeName": "Song", "AttributeType": "S"},
        {"AttributeName": "Year", "AttributeType": "N"},
    ],
    "KeySchema": [
        {"AttributeName": "Artist", "KeyType": "HASH"},
        {"AttributeName": "Song", "KeyType": "RANGE"},
    ],
    "LocalSecondaryIndexes": [
        {
            "IndexName": "local",
            "KeySchema": [
                {"AttributeName": "Artist", "KeyType": "HASH"},
                {"AttributeName": "Year", "KeyType": "RANGE"},
            ],
            "Projection": {"ProjectionType": "KEYS_ONLY"},
        }
    ],
    "GlobalSecondaryIndexes": [
        {
            "IndexName": "global",
            "KeySchema": [{"AttributeName": "Year", "KeyType": "HASH"}],
            "Projection": {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["x"]},
            "ProvisionedThroughput": {"ReadCapacityUnits": 3, "WriteCapacityUnits": 4},
        }
    ],
    "BillingMode": "PROVISIONED",
    "ProvisionedThroughput": {"ReadCapacityUnits": 5, "WriteCapacityUnits": 6},
    "StreamSpecification": {"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"},
    "TableClass": "STANDARD_INFREQUENT_ACCESS",
    "Tags": [{"Key": "team", "Value": "a"}],
}
# What differs between a table and one that is made like it.
OWN = (
    "TableName",
    "TableArn",
    "TableId",
    "CreationDateTime",
    "LatestStreamArn",
    "LatestStreamLabel",
    "IndexArn",
)


def alike(description: Any) -> Any:
    """A description without what is a table's own."""
    if isinstance(description, dict):
        return {name: alike(value) for name, value in description.items() if name not in OWN}
    return [alike(each) for each in description] if isinstance(description, list) else description


@pytest.fixture
def music(ask: Any) -> Any:
    """Ask a server with the table Music, of 100 items that expire."""
    ask("CreateTable", **CREATION)
    ask(
        "UpdateTimeToLive",
        TableName="Music",
        TimeToLiveSpecification={"Enabled": True, "AttributeName": "expires"},
    )
    for number in range(100):
        item = {
            "Artist": {"S": "A"},
            "Song": {"S": f"{number:03d}"},
            "Year": {"N": str(number)},
            "b": {"B": "AAE="},
        }
        ask("PutItem", TableName="Music", Item=item)
    return ask


def test_a_table_by_its_keys(alt_here: Run, ask: Any) -> None:
    created = alt_here("tables", "create", "Music", "--hash", "Artist:S", "--range", "a:b:N")
    assert (created.status, created.out, created.err) == (0, "Created Music.\n", "")
    table = ask("DescribeTable", TableName="Music")["Table"]
    assert [key["AttributeName"] for key in table["KeySchema"]] == ["Artist", "a:b"]
    assert table["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
    again = alt_here("tables", "create", "Music", "--hash", "pk:S")
    assert (again.status, again.err) == (1, "Error: Table already exists: Music\n")


def test_a_table_by_what_create_table_takes(alt_here: Run, tmp_path: Path) -> None:
    (tmp_path / "music.json").write_text(json.dumps(CREATION))
    created = json.loads(alt_here("tables", "create", tmp_path / "music.json", "--json").out)
    assert created["TableStatus"] == "ACTIVE"
    shown = json.loads(alt_here("tables", "show", "Music", "--json").out)
    assert shown["Tags"] == CREATION["Tags"]


@pytest.mark.usefixtures("music")
def test_a_table_by_what_describes_another(alt_here: Run) -> None:
    shown = alt_here("tables", "show", "Music", "--json").out
    assert alt_here("tables", "rm", "Music", "--yes").status == 0
    assert alt_here("tables", "create", "-", stdin=shown).status == 0
    again = json.loads(alt_here("tables", "show", "Music", "--json").out)
    for each in ("AttributeDefinitions", "KeySchema", "ProvisionedThroughput", "StreamSpecification", "Tags"):
        assert alike(again[each]) == alike(json.loads(shown)[each])


@pytest.mark.parametrize(
    ("arguments", "text", "message"),
    [
        (
            ["Music"],
            "",
            "cannot read Music: No such file or directory; a table's name goes with --hash NAME:TYPE",
        ),
        (
            ["Music", "--hash", "pk"],
            "",
            "Invalid value for '--hash': pk is no NAME:TYPE with a type of S, N, B",
        ),
        (["Music", "--range", "sk:S"], "", "--range goes with --hash."),
        (["-"], "[]", "- has no object with a TableName, as CreateTable takes it"),
        (["-"], "{", "- is no JSON: "),
    ],
)
def test_what_is_no_table(alt_here: Run, arguments: list[str], text: str, message: str) -> None:
    refused = alt_here("tables", "create", *arguments, stdin=text)
    assert (refused.status != 0, refused.out) == (True, "")
    assert refused.err.splitlines()[-1].startswith(f"Error: {message}")


def test_a_server_that_is_named_is_asked(alt_here: Run, music: Any) -> None:
    assert [row[:2] for row in alt_here("tables", "ls").rows] == [["Music", "100"]]
    assert dict(alt_here("tables", "show", "Music").rows)["Tag"] == "team = a"
    assert alt_here("tables", "rm", "Music").status == 2  # nobody to ask
    music("UpdateTable", TableName="Music", DeletionProtectionEnabled=True)
    protected = alt_here("tables", "rm", "Music", "--yes")
    assert protected.err == "Error: Music is protected against deletion; UpdateTable turns that off\n"
    music("UpdateTable", TableName="Music", DeletionProtectionEnabled=False)
    assert alt_here("tables", "rm", "Music", "--yes").out == "Removed Music.\n"
    assert alt_here("tables", "show", "Music").status == 1


def test_truncate_keeps_all_but_the_items(alt_here: Run, music: Any) -> None:
    asked = alt_here("tables", "truncate", "Music")
    assert (asked.status, asked.err.splitlines()[-1]) == (
        2,
        "Error: nobody to ask: --yes removes without asking.",
    )
    before = json.loads(alt_here("tables", "show", "Music", "--json").out)
    assert alt_here("tables", "truncate", "Music", "--yes").out == "Removed 100 items of Music.\n"
    after = json.loads(alt_here("tables", "show", "Music", "--json").out)
    assert after["TableId"] == before["TableId"]
    assert after["Tags"] == before["Tags"]
    assert after["TimeToLiveDescription"] == before["TimeToLiveDescription"]
    assert (after["ItemCount"], after["GlobalSecondaryIndexes"][0]["ItemCount"]) == (0, 0)
    assert music("Scan", TableName="Music")["Count"] == 0
    assert json.loads(alt_here("tables", "truncate", "Music", "--yes", "--json").out) == {"removed": 0}


def test_copy_makes_a_table_alike(alt_here: Run, music: Any) -> None:
    copied = alt_here("tables", "copy", "Music", "Copy")
    assert (copied.out, copied.err) == ("Copied Music to Copy: 100 items.\n", "")
    tables = [json.loads(alt_here("tables", "show", name, "--json").out) for name in ("Music", "Copy")]
    assert alike(tables[0]) == alike(tables[1])
    items = [music("Scan", TableName=name)["Items"] for name in ("Music", "Copy")]
    assert items[0] == items[1]
    again = alt_here("tables", "copy", "Music", "Copy")
    assert again.err.startswith("Error: there is a table Copy already: remove it")


def test_vacuum(alt: Run, with_tables: Any, tmp_path: Path) -> None:
    client = with_tables.client()
    for number in range(50):
        item = {"Artist": {"S": "B"}, "Song": {"S": str(number)}, "text": {"S": "x" * 50_000}}
        client.put_item(TableName="Music", Item=item)
    for number in range(50):
        client.delete_item(TableName="Music", Key={"Artist": {"S": "B"}, "Song": {"S": str(number)}})
    served = alt("tables", "vacuum", "--data-dir", tmp_path)
    assert served.status == 1
    assert served.err == (
        f"Error: {tmp_path} is already being served by {with_tables.url}: `alt stop` stops it\n"
    )
    with_tables.stop()
    sizes = json.loads(alt("tables", "vacuum", "--data-dir", tmp_path, "--json").out)
    (music,) = (each for each in sizes if each["table"] == "Music")
    assert music["before"] > 2_000_000 > 10 * music["after"]
    (file,) = (tmp_path / "tables").glob("Music-*.db")
    assert file.stat().st_size == music["after"]
    assert alt("tables", "check", "--data-dir", tmp_path).status == 0
    ((name, before, after),) = alt("tables", "vacuum", "Music", "--data-dir", tmp_path).rows
    assert (name, before) == ("Music", after)
    absent = alt("tables", "vacuum", "Absent", "--data-dir", tmp_path)
    assert absent.err == "Error: no table Absent: `alt tables ls` lists those there are\n"
