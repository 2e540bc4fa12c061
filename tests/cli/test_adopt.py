"""A data directory whose catalog was lost, damaged or is older than its tables: nothing is deleted, and all is found again."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import Any

import pytest

STRING = {"AttributeName": "pk", "AttributeType": "S"}


def create(client: Any, name: str, items: int = 3) -> None:
    client.create_table(
        TableName=name,
        AttributeDefinitions=[STRING],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )
    for number in range(items):
        client.put_item(TableName=name, Item={"pk": {"S": str(number)}})


def keys(client: Any, name: str) -> set[str]:
    return {item["pk"]["S"] for item in client.scan(TableName=name)["Items"]}


def files(directory: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for path in directory.rglob("*")
        if path.is_file() and not path.name.endswith("-shm")
    }


@pytest.fixture
def data(start_server: Any, tmp_path: Path) -> Path:
    """Tables One and Two with three items each, and a backup of One, nobody serving them."""
    server = start_server("--data-dir", tmp_path / "data")
    client = server.client()
    create(client, "One")
    create(client, "Two")
    client.create_backup(TableName="One", BackupName="saved")
    assert server.stop() == 0
    return tmp_path / "data"


def lose(data: Path) -> None:
    for path in data.glob("catalog.db*"):
        path.unlink()


def empty(data: Path) -> None:
    lose(data)
    (data / "catalog.db").touch()


@pytest.mark.parametrize("damage", [lose, pytest.param(empty, marks=pytest.mark.nightly)])
def test_tables_without_a_catalog_are_no_new_directory(
    damage: Any, alt: Any, start_server: Any, data: Path
) -> None:
    damage(data)
    before = files(data)
    refused = alt("start", "--port", "0", "--data-dir", data)
    assert refused.status == 1
    assert refused.err == (
        f"Error: {data} holds tables, but no catalog.db that lists them: `alt tables adopt` makes it anew from the "
        "tables' files\n"
    )
    assert alt("tables", "ls", "--data-dir", data).err == refused.err
    assert files(data) == before
    adopted = alt("tables", "adopt", "--data-dir", data)
    assert (adopted.status, adopted.err) == (0, "")
    assert sorted(row[1:] for row in adopted.rows) == [
        ["backup", "saved", "taken in"],
        ["table", "One", "taken in"],
        ["table", "Two", "taken in"],
    ]
    client = start_server("--data-dir", data).client()
    assert keys(client, "One") == keys(client, "Two") == {"0", "1", "2"}
    (backup,) = client.list_backups()["BackupSummaries"]
    client.restore_table_from_backup(BackupArn=backup["BackupArn"], TargetTableName="Three")
    client.get_waiter("table_exists").wait(TableName="Three", WaiterConfig={"Delay": 1})
    assert keys(client, "Three") == {"0", "1", "2"}


def test_a_damaged_catalog_is_set_aside(alt: Any, start_server: Any, data: Path) -> None:
    catalog = data / "catalog.db"
    catalog.write_bytes(b"\xa5" * 8_192)
    refused = alt("start", "--port", "0", "--data-dir", data)
    assert refused.err == (
        f"Error: cannot use {catalog}: file is not a database. `alt tables adopt` makes it anew from the tables' files\n"
    )
    adopted = alt("tables", "adopt", "--data-dir", data)
    assert adopted.status == 0
    (aside,) = data.glob("catalog.db.damaged-*")
    assert adopted.err == f"The damaged catalog is kept as {aside}.\n"
    assert keys(start_server("--data-dir", data).client(), "Two") == {"0", "1", "2"}


def test_what_an_older_catalog_does_not_list_is_left_alone_and_named(
    alt: Any, start_server: Any, data: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(data / "catalog.db", data.parent / "older.db")
    server = start_server("--data-dir", data)
    create(server.client(), "Late")
    assert server.stop() == 0
    shutil.copy(data.parent / "older.db", data / "catalog.db")
    (data / "tables" / "orders.csv").write_text("mine")
    capfd.readouterr()
    server = start_server("--data-dir", data)
    assert server.client().list_tables()["TableNames"] == ["One", "Two"]
    assert server.stop() == 0
    (late,) = (data / "tables").glob("Late-*.db")
    warned = capfd.readouterr().err
    assert warned.count("\n") == 1
    assert f"they are left alone: tables/{late.name}, tables/orders.csv." in warned
    assert (data / "tables" / "orders.csv").read_text() == "mine"
    adopted = alt("tables", "adopt", "--data-dir", data, f"tables/{late.name}")
    assert adopted.rows == [[f"tables/{late.name}", "table", "Late", "taken in"]]
    assert keys(start_server("--data-dir", data).client(), "Late") == {"0", "1", "2"}


def test_a_definition_newer_than_the_catalogs_is_taken_from_the_file(start_server: Any, data: Path) -> None:
    shutil.copy(data / "catalog.db", data.parent / "older.db")
    server = start_server("--data-dir", data)
    client = server.client()
    client.update_table(
        TableName="One",
        AttributeDefinitions=[STRING, {"AttributeName": "gk", "AttributeType": "S"}],
        GlobalSecondaryIndexUpdates=[
            {
                "Create": {
                    "IndexName": "by-gk",
                    "KeySchema": [{"AttributeName": "gk", "KeyType": "HASH"}],
                    "Projection": {"ProjectionType": "ALL"},
                }
            }
        ],
    )
    while (
        client.describe_table(TableName="One")["Table"]["GlobalSecondaryIndexes"][0]["IndexStatus"]
        != "ACTIVE"
    ):
        time.sleep(0.05)
    client.put_item(TableName="One", Item={"pk": {"S": "3"}, "gk": {"S": "g"}})
    assert server.stop() == 0
    shutil.copy(data.parent / "older.db", data / "catalog.db")
    client = start_server("--data-dir", data).client()
    client.put_item(TableName="One", Item={"pk": {"S": "4"}, "gk": {"S": "g"}})
    assert client.scan(TableName="One", IndexName="by-gk")["Count"] == 2


def test_a_file_whose_tables_name_is_taken_gets_another(alt: Any, start_server: Any, data: Path) -> None:
    (one,) = (data / "tables").glob("One-*.db")
    copy = data / "tables" / f"{one.stem}-copy.db"
    shutil.copy(one, copy)
    refused = alt("tables", "adopt", "--data-dir", data)
    assert refused.rows == [
        [
            f"tables/{copy.name}",
            "table",
            "One",
            "there is a table of that name: --as gives this one another",
        ]
    ]
    assert (refused.status, refused.err) == (1, "Error: 1 of 1 files were not taken in\n")
    assert alt("tables", "adopt", "--data-dir", data, copy, "--as", "Again").status == 0
    client = start_server("--data-dir", data).client()
    client.delete_item(TableName="Again", Key={"pk": {"S": "0"}})
    assert (keys(client, "Again"), keys(client, "One")) == ({"1", "2"}, {"0", "1", "2"})


def test_nothing_to_take_in(alt: Any, data: Path) -> None:
    done = alt("tables", "adopt", "--data-dir", data)
    assert (done.status, done.out, done.err) == (
        0,
        "",
        "Every table's and backup's file is in the catalog.\n",
    )
    assert alt("tables", "adopt", "--data-dir", data, "--json").out == "[]\n"


def test_no_server_may_run_meanwhile(alt: Any, start_server: Any, data: Path) -> None:
    server = start_server("--data-dir", data)
    refused = alt("tables", "adopt", "--data-dir", data)
    assert refused.err == f"Error: {data} is already being served by {server.url}: stop that server first\n"


@pytest.mark.parametrize("name", ["letters.txt", "tables/orders.csv"])
def test_a_folder_that_is_not_alts_is_refused_before_anything_is_written(
    name: str, alt: Any, tmp_path: Path
) -> None:
    mine = tmp_path / name
    mine.parent.mkdir(exist_ok=True)
    mine.write_text("mine")
    refused = alt("start", "--port", "0", "--data-dir", tmp_path)
    assert refused.err == (
        f"Error: {tmp_path} holds {name if '/' not in name else 'tables/orders.csv'} and no data of Alt's: choose an empty or a new directory "
        "with --data-dir\n"
    )
    assert files(tmp_path) == {name: b"mine"}


def test_accounting_that_is_damaged_is_begun_anew(
    start_server: Any, data: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (data / "usage.db").write_bytes(b"\xa5" * 8_192)
    client = start_server("--data-dir", data).client()
    assert keys(client, "One") == {"0", "1", "2"}
    (aside,) = data.glob("usage.db.damaged-*")
    assert aside.read_bytes() == b"\xa5" * 8_192
    assert f"it is set aside as {aside.name}" in capfd.readouterr().err
