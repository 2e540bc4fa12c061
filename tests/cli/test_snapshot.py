"""`alt snapshot`: back to what was saved, with a server running and without."""

from __future__ import annotations

import json
import threading
import time
import uuid
from contextlib import closing
from pathlib import Path
from typing import Any

import apsw
import pytest
from botocore.exceptions import ClientError

from alt.storage.engine import no_progress
from alt.storage.sqlite.catalog import Catalog
from alt.storage.sqlite.copies.snapshots import LEFT, Snapshots
from alt.storage.sqlite.store import Store

SEED = [{"Artist": {"S": "A"}, "Song": {"S": song}, "Year": {"N": "1999"}} for song in ("one", "two")]
NEW = {"Artist": {"S": "A"}, "Song": {"S": "three"}, "Year": {"N": "2000"}}


def _music(client: Any, **scan: Any) -> list[Any]:
    items: list[Any] = client.scan(TableName="Music", **scan)["Items"]
    return items


def _put_pairs(client: Any, token: str, number: int) -> None:
    """One transaction over both tables."""
    client.transact_write_items(
        ClientRequestToken=token,
        TransactItems=[
            {"Put": {"TableName": "Music", "Item": {**NEW, "Song": {"S": f"t{number}"}}}},
            {"Put": {"TableName": "Empty", "Item": {"pk": {"B": f"t{number}".encode()}}}},
        ],
    )


def _saved(alt: Any, directory: Path, name: str = "seed", *options: str) -> None:
    saved = alt("snapshot", "save", name, *options, "--data-dir", directory)
    assert (saved.status, saved.err) == (0, "")


def _loaded(alt: Any, directory: Path, name: str = "seed") -> None:
    loaded = alt("snapshot", "load", name, "--data-dir", directory)
    assert (loaded.status, loaded.err) == (0, "")


def test_a_running_server_goes_back_again_and_again(alt: Any, with_tables: Any, tmp_path: Path) -> None:
    client = with_tables.client()
    before = client.describe_table(TableName="Music")["Table"]
    _saved(alt, tmp_path)
    for _ in range(3):
        client.put_item(TableName="Music", Item=NEW)
        client.delete_item(TableName="Music", Key={"Artist": {"S": "A"}, "Song": {"S": "one"}})
        client.delete_table(TableName="Empty")
        client.create_table(
            TableName="Later",
            AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
            BillingMode="PAY_PER_REQUEST",
        )
        client.update_table(TableName="Music", DeletionProtectionEnabled=True)
        _loaded(alt, tmp_path)
        assert client.list_tables()["TableNames"] == ["Empty", "Music"]
        assert _music(client) == _music(client, IndexName="by-year") == SEED
        assert client.describe_table(TableName="Music")["Table"] == before
        assert client.scan(TableName="Empty")["Items"] == []
    # Another server finds the same, and no file is left over.
    with_tables.stop()
    assert len(list((tmp_path / "tables").glob("*.db"))) == 2


@pytest.mark.parametrize("operation", ["list_backups", "list_tables", "describe_limits"])
def test_whatever_a_server_is_asked_first_after_a_load(
    operation: str, alt: Any, with_tables: Any, tmp_path: Path
) -> None:
    client = with_tables.client()
    _saved(alt, tmp_path)
    client.put_item(TableName="Music", Item=NEW)
    before = Catalog.load

    def load_and_ask(*arguments: Any) -> Any:
        loaded = before(*arguments)
        getattr(client, operation)()  # the first to see it, before the command ends
        return loaded

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Catalog, "load", load_and_ask)
        Snapshots(tmp_path).load("seed", time.time(), lambda: str(uuid.uuid4()), no_progress)
    assert _music(client) == SEED


def test_without_a_server(alt: Any, with_tables: Any, start_server: Any, tmp_path: Path) -> None:
    with_tables.stop()
    _saved(alt, tmp_path)
    server = start_server("--data-dir", tmp_path)
    server.client().put_item(TableName="Music", Item=NEW)
    server.stop()
    _loaded(alt, tmp_path)
    assert len(list((tmp_path / "tables").iterdir())) == 2
    assert _music(start_server("--data-dir", tmp_path).client()) == SEED


def test_the_journal_does_not_redo_what_a_load_undid(
    alt: Any, with_tables: Any, start_server: Any, tmp_path: Path
) -> None:
    """The last transaction's entry is in the journal until the next one comes, and kill -9 leaves it there."""
    client = with_tables.client()
    _saved(alt, tmp_path)
    for number in range(3):
        _put_pairs(client, f"token-{number}", number)
    _loaded(alt, tmp_path)
    assert _music(client) == SEED
    with_tables.kill()
    client = start_server("--data-dir", tmp_path).client()
    assert _music(client) == SEED
    assert client.scan(TableName="Empty")["Items"] == []
    # Transactions that come after the load are journaled and finished as ever.
    _put_pairs(client, "token-2", 2)
    assert len(_music(client)) == 3


def test_a_token_counts_no_more_once_its_transaction_is_undone(
    alt: Any, with_tables: Any, tmp_path: Path
) -> None:
    client = with_tables.client()
    _put_pairs(client, "in-the-seed", 0)
    _saved(alt, tmp_path)
    _put_pairs(client, "undone", 1)
    _loaded(alt, tmp_path)
    client.put_item(TableName="Music", Item={**NEW, "Song": {"S": "t0"}, "Year": {"N": "2020"}})
    _put_pairs(client, "undone", 1)
    _put_pairs(client, "in-the-seed", 0)  # done once, and in the snapshot
    years = {item["Song"]["S"]: item["Year"]["N"] for item in _music(client)}
    assert years == {"one": "1999", "two": "1999", "t0": "2020", "t1": "2000"}


def test_a_transaction_that_a_crash_left_half_written_is_saved_whole(
    alt: Any, with_tables: Any, start_server: Any, tmp_path: Path
) -> None:
    client = with_tables.client()
    _put_pairs(client, "whole", 0)
    with_tables.kill()
    # As after a crash between the two files' commits: the entry is there, Music has not got it.
    (music,) = (tmp_path / "tables").glob("Music-*.db")
    with closing(apsw.Connection(str(music))) as file:
        file.execute("UPDATE transaction_mark SET number = 0")
        file.execute("DELETE FROM item WHERE sk = 't0'")
        file.execute("UPDATE statistics SET items = 2, bytes = 42 WHERE source = 'item'")
        index = file.execute("SELECT source FROM statistics WHERE source <> 'item'").get
        file.execute(f"DELETE FROM {index} WHERE sk = 't0'")
        file.execute(f"UPDATE statistics SET items = 2, bytes = 42 WHERE source = '{index}'")
    _saved(alt, tmp_path)
    _loaded(alt, tmp_path)
    client = start_server("--data-dir", tmp_path).client()
    assert [item["Song"]["S"] for item in _music(client)] == ["one", "t0", "two"]
    assert len(client.scan(TableName="Empty")["Items"]) == 1


class _Writer(threading.Thread):
    """Transactions over both tables until told to stop; every one is whole, whatever is loaded meanwhile."""

    def __init__(self, client: Any) -> None:
        super().__init__()
        self.client, self.done = client, 0
        self.refusals: list[str] = []
        self.stopping = threading.Event()

    def run(self) -> None:
        while not self.stopping.is_set():
            self.done += 1
            try:
                _put_pairs(self.client, f"token-{id(self)}-{self.done}", self.done)
            except ClientError as error:
                self.refusals.append(str(error))


def test_saving_and_loading_under_writes(
    alt: Any, with_tables: Any, start_server: Any, tmp_path: Path
) -> None:
    client = with_tables.client()

    def check(client: Any, least: int) -> int:
        songs = {item["Song"]["S"] for item in _music(client)} - {"one", "two"}
        empty = {bytes(item["pk"]["B"]).decode() for item in client.scan(TableName="Empty")["Items"]}
        assert songs == empty
        assert len(songs) >= least
        return len(songs)

    writer = _Writer(with_tables.client())
    writer.start()
    while writer.done < 2:  # one is answered, and so is in the first snapshot
        time.sleep(0.01)
    for round_ in range(3):
        before = writer.done
        _saved(alt, tmp_path, f"s{round_}")
        _loaded(alt, tmp_path, f"s{round_}")
        while writer.done == before:
            time.sleep(0.01)
    writer.stopping.set()
    writer.join()
    assert writer.refusals == []
    for round_ in range(3):
        _loaded(alt, tmp_path, f"s{round_}")
        check(client, 1)
    with_tables.stop()
    check(start_server("--data-dir", tmp_path).client(), 1)


def test_list_replace_remove(alt: Any, with_tables: Any, tmp_path: Path) -> None:
    _saved(alt, tmp_path)
    again = alt("snapshot", "save", "seed", "--data-dir", tmp_path)
    assert again.err == "Error: snapshot seed exists: --replace replaces it, or choose another name\n"
    with_tables.client().put_item(TableName="Music", Item=NEW)
    _saved(alt, tmp_path, "seed", "--replace")
    ((name, tables, items, _bytes, _time),) = alt("snapshot", "ls", "--data-dir", tmp_path).rows
    assert (name, tables, items) == ("seed", "2", "3")
    (listed,) = json.loads(alt("snapshot", "ls", "--json", "--data-dir", tmp_path).out)
    assert listed.keys() == {"name", "created", "tables", "items", "bytes"}
    assert "nobody to ask" in alt("snapshot", "rm", "seed", "--data-dir", tmp_path).err
    assert alt("snapshot", "rm", "seed", "--yes", "--data-dir", tmp_path).out == "Removed snapshot seed.\n"
    assert list((tmp_path / "snapshots").iterdir()) == []
    assert alt("snapshot", "load", "seed", "--data-dir", tmp_path).err == (
        "Error: no snapshot seed: `alt snapshot ls` lists those there are\n"
    )


@pytest.mark.parametrize("placed", [False, True])
def test_a_replacement_cut_off_leaves_one_of_the_two(
    alt: Any,
    with_tables: Any,  # noqa: ARG001
    tmp_path: Path,
    placed: bool,
) -> None:
    """`placed`: whether the end of the process came after the new snapshot had its name."""
    folder = tmp_path / "snapshots"
    for saved in ("seed", "new"):
        _saved(alt, tmp_path, saved)
    (folder / "seed").rename(folder / ".seed.replaced")
    (folder / "new").rename(folder / ("seed" if placed else ".seed.part"))
    ((name, *_),) = alt("snapshot", "ls", "--data-dir", tmp_path).rows
    assert name == "seed"
    _loaded(alt, tmp_path, "seed")
    _saved(alt, tmp_path, "seed", "--replace")
    assert [path.name for path in folder.iterdir()] == ["seed"]


def test_what_a_killed_command_left_goes(alt: Any, with_tables: Any, tmp_path: Path) -> None:  # noqa: ARG001
    """But not what another process is saving just now."""
    _saved(alt, tmp_path, "seed")
    folder = tmp_path / "snapshots"
    for left in (".old.part", ".older.gone", ".now.part"):
        (folder / left).mkdir()
        (folder / left / "Music.db").touch()
    (folder / ".old.part.lock").touch()
    with closing(apsw.Connection(str(folder / ".now.part.lock"))) as saving:
        saving.execute("BEGIN EXCLUSIVE")
        assert len(alt("snapshot", "ls", "--data-dir", tmp_path).rows) == 1
        left = {path.name for path in folder.iterdir() if not path.name.endswith("-journal")}
        assert left == {"seed", ".now.part", ".now.part.lock"}
        refused = alt("snapshot", "save", "now", "--data-dir", tmp_path)
        assert refused.err == "Error: now is being saved by another process\n"
    _saved(alt, tmp_path, "now")
    assert {path.name for path in folder.iterdir()} == {"seed", "now"}


@pytest.mark.usefixtures("with_tables")
def test_names_that_are_none(alt: Any, tmp_path: Path) -> None:
    for name in ("..", "a/b", ".hidden", "", "x" * 101):
        for command in ("save", "load", "rm"):
            assert alt("snapshot", command, "--data-dir", tmp_path, "--", name).status == 1, name
    assert not (tmp_path / "snapshots").exists()


def test_streams_and_recovery_begin_anew(alt: Any, with_tables: Any, tmp_path: Path) -> None:
    """Who reads a stream is not given other changes under numbers it has seen, nor misses any unawares."""
    client, streams = with_tables.client(), with_tables.client("dynamodbstreams")
    stream = {"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"}
    client.update_table(TableName="Music", StreamSpecification=stream)
    client.update_continuous_backups(
        TableName="Music", PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True}
    )
    arn = client.describe_table(TableName="Music")["Table"]["LatestStreamArn"]
    shards = streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]

    def read(kind: str) -> dict[str, str]:
        """From the start or on from now: each shard's iterator."""
        return {
            shard["ShardId"]: streams.get_shard_iterator(
                StreamArn=arn, ShardId=shard["ShardId"], ShardIteratorType=kind
            )["ShardIterator"]
            for shard in shards
        }

    def records(iterators: dict[str, str]) -> list[str]:
        return [
            record["dynamodb"]["SequenceNumber"]
            for iterator in iterators.values()
            for record in streams.get_records(ShardIterator=iterator)["Records"]
        ]

    client.put_item(TableName="Music", Item=NEW)
    _saved(alt, tmp_path)
    between = time.time()
    for number in range(5):
        client.put_item(TableName="Music", Item={**NEW, "Song": {"S": f"undone-{number}"}})
    seen, on_from_here = records(read("TRIM_HORIZON")), read("LATEST")
    assert len(seen) == 6
    _loaded(alt, tmp_path)
    assert client.describe_table(TableName="Music")["Table"]["LatestStreamArn"] == arn
    client.put_item(TableName="Music", Item={**NEW, "Year": {"N": "2001"}})
    (number,) = records(read("TRIM_HORIZON"))
    assert int(number) > max(map(int, seen))
    with pytest.raises(streams.exceptions.TrimmedDataAccessException):
        records(on_from_here)
    with pytest.raises(client.exceptions.InvalidRestoreTimeException):
        client.restore_table_to_point_in_time(
            SourceTableName="Music", TargetTableName="Copy", RestoreDateTime=between
        )


def test_backups_are_left_alone(alt: Any, with_tables: Any, tmp_path: Path) -> None:
    client = with_tables.client()
    client.create_backup(TableName="Music", BackupName="in-the-seed")
    _saved(alt, tmp_path)
    client.create_backup(TableName="Music", BackupName="later")
    _loaded(alt, tmp_path)
    assert [each["BackupName"] for each in client.list_backups()["BackupSummaries"]] == [
        "in-the-seed",
        "later",
    ]


def test_every_table_of_the_catalog_is_thought_of(tmp_path: Path) -> None:
    import asyncio

    asyncio.run(Store(tmp_path).close())
    with closing(apsw.Connection(str(tmp_path / "catalog.db"))) as catalog:
        tables = {name for (name,) in catalog.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    assert tables == {"dynamo_table", *LEFT}
