"""What a disk or a user did to files at rest is noticed, and never stored again as what was meant."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path
from random import Random
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


@pytest.mark.parametrize("lose", [remove, cut, pytest.param(overwrite, marks=pytest.mark.nightly)])
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
    left = server.client().scan(TableName="Music")["Count"]
    lost = capfd.readouterr().err
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


def test_one_flipped_bit_of_an_image_in_the_change_log(start_server: Any, alt: Any, tmp_path: Path) -> None:
    """No stream shows it and no restore goes by it; a repair lets the log begin after it."""
    server = prepare(start_server, tmp_path)
    client = server.client()
    client.update_continuous_backups(
        TableName="Music", PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True}
    )
    specification = {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}
    client.update_table(TableName="Music", StreamSpecification=specification)
    client.put_item(TableName="Music", Item={"pk": {"S": "0"}, "text": {"S": "y" * 300}})
    time.sleep(1.1)  # moments of restores are whole seconds
    before = datetime.now(UTC)
    client.delete_item(TableName="Music", Key={"pk": {"S": "0"}})
    server.stop()
    while b"y" * 300 in table_file(tmp_path).read_bytes():  # as what was put, and as what was deleted
        flip(table_file(tmp_path), b"y" * 300)

    log = tmp_path / "log"
    server = start_server("--data-dir", tmp_path, log=log)
    client = server.client()
    streams = server.client("dynamodbstreams")
    arn = client.describe_table(TableName="Music")["Table"]["LatestStreamArn"]
    damaged = 0
    for shard in streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]:
        iterator = streams.get_shard_iterator(
            StreamArn=arn, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
        )["ShardIterator"]
        try:
            streams.get_records(ShardIterator=iterator)
        except streams.exceptions.InternalServerError:
            damaged += 1
    assert damaged == 1
    assert "a change in its log is not what was stored" in log.read_text()
    client.restore_table_to_point_in_time(
        SourceTableName="Music", TargetTableName="Restored", RestoreDateTime=before
    )
    deadline = time.monotonic() + 60
    while "the restore of Restored failed" not in log.read_text() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert client.list_tables()["TableNames"] == ["Music"]
    server.stop()

    checked = alt("tables", "check", "Music", "--data-dir", tmp_path)
    assert checked.status == 1
    assert ["Music", "change log", "wrong", "2 are not what was stored"] in checked.rows
    repaired = alt("tables", "check", "Music", "--repair", "--data-dir", tmp_path)
    assert (repaired.status, alt("tables", "check", "Music", "--data-dir", tmp_path).status) == (0, 0)


@pytest.mark.parametrize("file", ["catalog.db", "tables"])
def test_files_of_before_the_first_release_are_refused(
    start_server: Any, alt: Any, tmp_path: Path, file: str
) -> None:
    server = prepare(start_server, tmp_path)
    put(server.client(), 3)
    server.stop()
    path = table_file(tmp_path) if file == "tables" else tmp_path / file
    with closing(apsw.Connection(str(path))) as connection:
        connection.execute("PRAGMA user_version = 2")
    message = f"{path} has format 2, of Alt before its first release, and this version reads format 3: use the version "
    if file == "catalog.db":
        started = alt("start", "--port", "0", "--data-dir", tmp_path)
        assert started.status == 1
        assert message in started.err
    else:
        client = start_server("--data-dir", tmp_path, log=tmp_path / "log").client()
        with pytest.raises(ClientError, match="InternalServerError"):
            client.scan(TableName="Music")
        assert message in (tmp_path / "log").read_text()


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


@pytest.mark.parametrize(
    ("row", "damage"),
    [
        ("statistics", "DELETE FROM statistics"),
        ("statistics", "UPDATE statistics SET groups = 'Music'"),
        ("transaction_mark", "DELETE FROM transaction_mark"),
        ("transaction_mark", "UPDATE transaction_mark SET number = 'Music'"),
        ("peculiarity", "DELETE FROM peculiarity"),
        ("peculiarity", "UPDATE peculiarity SET nul = 'Music'"),
    ],
)
def test_a_file_without_a_row_that_every_table_has_is_damaged(
    row: str, damage: str, start_server: Any, alt: Any, tmp_path: Path
) -> None:
    server = prepare(start_server, tmp_path)
    put(server.client(), 1)
    server.stop()
    with closing(apsw.Connection(str(table_file(tmp_path)))) as file:
        file.execute(damage)
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
    if row == "statistics":
        assert alt("tables", "check", "--repair", "--data-dir", tmp_path).status == 0
        assert client.scan(TableName="Music")["Count"] == 1
    client.delete_table(TableName="Music")


def prepare_all(start_server: Any, directory: Path) -> None:
    """A table that has one of everything that a table's file may hold."""
    server = start_server("--data-dir", directory)
    client = server.client()
    letters = [{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk", "letter")]
    index = {"Projection": {"ProjectionType": "ALL"}}
    client.create_table(
        TableName="Music",
        AttributeDefinitions=letters,
        KeySchema=key_schema("pk", "sk"),
        LocalSecondaryIndexes=[{"IndexName": "local", "KeySchema": key_schema("pk", "letter"), **index}],
        GlobalSecondaryIndexes=[{"IndexName": "global", "KeySchema": key_schema("letter", "pk"), **index}],
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
        BillingMode="PAY_PER_REQUEST",
    )
    client.update_time_to_live(
        TableName="Music", TimeToLiveSpecification={"Enabled": True, "AttributeName": "until"}
    )
    client.update_continuous_backups(
        TableName="Music", PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True}
    )
    for number in range(40):
        item = {**item_key(number), "letter": {"S": "ab"[number % 2]}, "until": {"N": "9999999999"}}
        client.put_item(TableName="Music", Item={**item, "text": {"S": TEXT}})
    client.transact_write_items(TransactItems=[{"Delete": {"TableName": "Music", "Key": item_key(0)}}])
    server.stop()


def key_schema(hash_key: str, range_key: str) -> list[dict[str, str]]:
    return [
        {"AttributeName": hash_key, "KeyType": "HASH"},
        {"AttributeName": range_key, "KeyType": "RANGE"},
    ]


def item_key(number: int) -> dict[str, Any]:
    return {"pk": {"S": str(number % 4)}, "sk": {"S": str(number)}}


def use_all(server: Any) -> None:
    """Do everything that reads or writes the table's file, whatever comes of it."""
    client, streams = server.client(), server.client("dynamodbstreams")
    put = {"TableName": "Music", "Item": {**item_key(1), "letter": {"S": "c"}}}
    requests: list[Callable[[], Any]] = [
        lambda: client.get_item(TableName="Music", Key=item_key(1)),
        lambda: client.batch_get_item(RequestItems={"Music": {"Keys": [item_key(n) for n in range(20)]}}),
        lambda: client.scan(TableName="Music"),
        lambda: client.scan(TableName="Music", IndexName="global", Limit=7),
        lambda: client.scan(
            TableName="Music",
            FilterExpression="contains(letter, :a)",
            ExpressionAttributeValues={":a": {"S": "a"}},
        ),
        lambda: client.query(
            TableName="Music",
            IndexName="local",
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues={":pk": {"S": "1"}},
        ),
        lambda: client.describe_table(TableName="Music"),
        lambda: client.put_item(**put),
        lambda: client.update_item(
            TableName="Music",
            Key=item_key(2),
            UpdateExpression="SET letter = :c",
            ExpressionAttributeValues={":c": {"S": "c"}},
            ReturnValues="ALL_OLD",
        ),
        lambda: client.delete_item(TableName="Music", Key=item_key(3), ReturnValues="ALL_OLD"),
        lambda: client.transact_write_items(TransactItems=[{"Put": put}]),
        lambda: client.batch_write_item(
            RequestItems={"Music": [{"DeleteRequest": {"Key": item_key(n)}} for n in range(20)]}
        ),
        lambda: client.create_backup(TableName="Music", BackupName="saved"),
    ]
    for request in requests:
        with suppress(
            Exception
        ):  # a Scan passes on what it does not decode, and boto3 fails at that in any way
            request()
    with suppress(ClientError):
        arn = client.describe_table(TableName="Music")["Table"]["LatestStreamArn"]
        for shard in streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]:
            with suppress(ClientError):
                iterator = streams.get_shard_iterator(
                    StreamArn=arn, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
                )["ShardIterator"]
                streams.get_records(ShardIterator=iterator)


@pytest.mark.nightly
def test_pages_that_stand_in_others_places_are_told_as_damage(
    start_server: Any, alt: Any, tmp_path: Path
) -> None:
    """Rows of one SQL table read as another's have values of any type: as a power cut leaves them under `--sync off`."""
    prepare_all(start_server, tmp_path / "sound")
    sound = table_file(tmp_path / "sound").read_bytes()
    size = int.from_bytes(sound[16:18], "big")
    pages = [sound[start : start + size] for start in range(0, len(sound), size)]
    random = Random(0)
    for number in range(60):
        directory, log = tmp_path / str(number), tmp_path / f"{number}.log"
        shutil.copytree(tmp_path / "sound", directory)
        mixed = list(pages)
        for _ in range(random.choice((1, 1, 3))):
            mixed[random.randrange(1, len(pages))] = random.choice(pages[1:])
        table_file(directory).write_bytes(b"".join(mixed))
        server = start_server("--data-dir", directory, log=log)
        use_all(server)
        server.stop()
        assert "Traceback" not in log.read_text(), log.read_text()
        assert alt("tables", "check", "--data-dir", directory).status in (0, 1)
