"""What a disk or a user did to files at rest is noticed, and never stored again as what was meant."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import apsw
import pytest
from botocore.exceptions import ClientError

TEXT = "x" * 300


def prepare(start_server: Any, directory: Path, *options: str) -> Any:
    server = start_server("--data-dir", directory, *options)
    server.client().create_table(
        TableName="Music",
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )
    return server


def put(client: Any, count: int, first: int = 0) -> None:
    for number in range(first, first + count):
        client.put_item(TableName="Music", Item={"pk": {"S": str(number)}, "text": {"S": TEXT}})


def flip(path: Path, sought: bytes) -> None:
    """Flip one bit of the last place where the file has these bytes."""
    contents = bytearray(path.read_bytes())
    position = contents.rindex(sought)
    contents[position + len(sought) // 2] ^= 1
    path.write_bytes(contents)


def table_file(directory: Path) -> Path:
    (path,) = (directory / "tables").glob("Music-*.db")
    return path


def test_one_flipped_bit_of_an_item(start_server: Any, alt: Any, tmp_path: Path) -> None:
    server = prepare(start_server, tmp_path)
    put(server.client(), 1)
    server.stop()
    flip(table_file(tmp_path), TEXT.encode())
    checked = alt("tables", "check", "--data-dir", tmp_path)
    assert checked.status == 1
    assert ["Music", "items", "wrong", "1 is not what was stored"] in checked.rows
    client = start_server("--data-dir", tmp_path).client()
    key = {"pk": {"S": "0"}}
    refused: list[Callable[[], Any]] = [
        lambda: client.get_item(TableName="Music", Key=key),
        lambda: client.update_item(TableName="Music", Key=key, UpdateExpression="SET a = pk"),
        lambda: client.delete_item(TableName="Music", Key=key, ReturnValues="ALL_OLD"),
    ]
    for request in refused:
        with pytest.raises(ClientError, match="InternalServerError"):
            request()
    put(client, 1)  # what does not read it may replace it
    assert alt("tables", "check", "--data-dir", tmp_path).status == 0
    assert client.get_item(TableName="Music", Key=key)["Item"]["text"]["S"] == TEXT


def test_a_repair_takes_a_damaged_item_as_it_reads(start_server: Any, alt: Any, tmp_path: Path) -> None:
    server = prepare(start_server, tmp_path)
    put(server.client(), 1)
    server.stop()
    flip(table_file(tmp_path), TEXT.encode())
    repaired = alt("tables", "check", "--repair", "--data-dir", tmp_path)
    assert repaired.status == 0
    assert ["Music", "items", "repaired", "1 is not what was stored"] in repaired.rows
    client = start_server("--data-dir", tmp_path).client()
    item = client.get_item(TableName="Music", Key={"pk": {"S": "0"}})["Item"]
    assert sum(a != b for a, b in zip(item["text"]["S"], TEXT, strict=True)) == 1
    client.delete_item(TableName="Music", Key={"pk": {"S": "0"}}, ReturnValues="ALL_OLD")


def test_a_backup_of_a_damaged_item_is_none(
    start_server: Any, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    server = prepare(start_server, tmp_path)
    put(server.client(), 1)
    server.stop()
    flip(table_file(tmp_path), TEXT.encode())
    client = start_server("--data-dir", tmp_path).client()
    client.create_backup(TableName="Music", BackupName="saved")
    while client.list_backups()["BackupSummaries"]:
        pass
    assert "backup saved of Music failed" in capfd.readouterr().err


def test_a_damaged_backup_is_not_restored(
    start_server: Any, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    server = prepare(start_server, tmp_path)
    client = server.client()
    put(client, 1)
    arn = client.create_backup(TableName="Music", BackupName="saved")["BackupDetails"]["BackupArn"]
    server.stop()
    (path,) = (tmp_path / "backups").iterdir()
    flip(path, b"statistics")  # anywhere at all
    client = start_server("--data-dir", tmp_path).client()
    client.restore_table_from_backup(BackupArn=arn, TargetTableName="Copy")
    while "Copy" in client.list_tables()["TableNames"]:
        pass
    assert f"backup saved is damaged: {path} is not what was written" in capfd.readouterr().err


def test_a_damaged_snapshot_is_not_loaded(start_server: Any, alt: Any, tmp_path: Path) -> None:
    server = prepare(start_server, tmp_path)
    put(server.client(), 1)
    assert alt("snapshot", "save", "seed", "--data-dir", tmp_path).status == 0
    (path,) = (tmp_path / "snapshots" / "seed").glob("Music-*.db")
    flip(path, TEXT.encode())
    before = {path.name for path in (tmp_path / "tables").iterdir()}
    loaded = alt("snapshot", "load", "seed", "--data-dir", tmp_path)
    assert loaded.err == f"Error: snapshot seed is damaged: {path} is not what was saved\n"
    assert {path.name for path in (tmp_path / "tables").iterdir()} == before
    assert server.client().get_item(TableName="Music", Key={"pk": {"S": "0"}})["Item"]["text"]["S"] == TEXT


def remove(wal: Path) -> None:
    wal.unlink()


def cut(wal: Path) -> None:
    with wal.open("r+b") as file:
        file.truncate(wal.stat().st_size // 2)


def overwrite(wal: Path) -> None:
    with wal.open("r+b") as file:
        file.seek(wal.stat().st_size // 2)
        file.write(b"\xa5" * 50_000)


@pytest.mark.parametrize("lose", [remove, cut, overwrite])
def test_a_write_ahead_log_that_was_lost_is_noticed(
    lose: Callable[[Path], None], start_server: Any, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    server = prepare(start_server, tmp_path)
    put(server.client(), 50)
    server.kill()
    path = table_file(tmp_path)
    lose(Path(f"{path}-wal"))
    capfd.readouterr()
    server = start_server("--data-dir", tmp_path)
    lost = capfd.readouterr().err
    left = server.client().scan(TableName="Music")["Count"]
    assert f"table Music has lost its last {50 - left} groups of writes" in lost
    assert f"{path}-wal was removed, cut or overwritten" in lost
    put(server.client(), 1)
    server.kill()
    start_server("--data-dir", tmp_path).client().scan(TableName="Music")
    assert capfd.readouterr().err == ""  # it is said once


def test_a_server_that_was_killed_has_lost_nothing(
    start_server: Any, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    server = prepare(start_server, tmp_path)
    put(server.client(), 20)
    server.kill()
    # Whoever closes the file last empties its write-ahead log.
    with closing(apsw.Connection(str(table_file(tmp_path)))) as connection:
        assert connection.execute("SELECT count(*) FROM item").get == 20
    server = start_server("--data-dir", tmp_path)
    assert server.client().scan(TableName="Music")["Count"] == 20
    server.stop()
    assert capfd.readouterr().err == ""
    assert not list((tmp_path / "tables").glob("*-mark"))


def test_a_file_of_format_1_is_brought_up_to_date(start_server: Any, alt: Any, tmp_path: Path) -> None:
    """Its items have no checksums, until they are written again."""
    server = prepare(start_server, tmp_path)
    put(server.client(), 3)
    server.stop()
    older = {
        table_file(tmp_path): [
            "ALTER TABLE item DROP COLUMN checksum",
            "ALTER TABLE statistics DROP COLUMN groups",
            "DROP TABLE self",
        ],
        tmp_path / "catalog.db": ["DROP TABLE doomed_file", "ALTER TABLE backup DROP COLUMN checksum"],
    }
    for path, statements in older.items():
        with closing(apsw.Connection(str(path))) as connection:
            for statement in [*statements, "PRAGMA user_version = 1"]:
                connection.execute(statement)
    client = start_server("--data-dir", tmp_path).client()
    assert client.scan(TableName="Music")["Count"] == 3
    put(client, 2, first=2)
    assert client.get_item(TableName="Music", Key={"pk": {"S": "0"}})["Item"]["text"]["S"] == TEXT
    assert alt("tables", "check", "--data-dir", tmp_path).status == 0


def test_a_file_that_is_cut_takes_no_other_table_down(start_server: Any, tmp_path: Path) -> None:
    """Nor the server: a mapped file would end it by a signal."""
    server = prepare(start_server, tmp_path)
    client = server.client()
    put(client, 200)
    client.create_table(
        TableName="Other",
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )
    server.stop()
    server = start_server("--data-dir", tmp_path)
    client = server.client()
    client.get_item(TableName="Music", Key={"pk": {"S": "0"}})
    with table_file(tmp_path).open("r+b") as file:
        file.truncate(8_192)
    for number in range(200):
        with suppress(ClientError):
            client.get_item(TableName="Music", Key={"pk": {"S": str(number)}})
    client.put_item(TableName="Other", Item={"pk": {"S": "a"}})
    assert client.scan(TableName="Other")["Count"] == 1


@pytest.mark.parametrize("row", ["statistics", "transaction_mark", "peculiarity"])
def test_a_file_without_a_row_that_every_table_has_is_damaged(
    row: str, start_server: Any, alt: Any, tmp_path: Path
) -> None:
    server = prepare(start_server, tmp_path)
    put(server.client(), 1)
    server.stop()
    with closing(apsw.Connection(str(table_file(tmp_path)))) as file:
        file.execute(f"DELETE FROM {row}")
    log = tmp_path / "log"
    client = start_server("--data-dir", tmp_path, log=log).client()
    with pytest.raises(ClientError, match="InternalServerError"):
        client.scan(TableName="Music")
    assert f"{row} lost the row that every table has" in log.read_text()
    assert "Traceback" not in log.read_text()
    checked = alt("tables", "check", "--data-dir", tmp_path)
    assert checked.status == 1
    told = "counts" if row == "statistics" else row  # which are computed again from the items
    assert any(told in text for cells in checked.rows for text in cells)
    client.delete_table(TableName="Music")
