"""Reads that may be old are answered by a standby, which is shown to be behind; by the primary where it does not answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from alt.storage.postgres.store import Store
from tests.conftest import Server, prepared_database
from tests.postgres import Cluster, name_of
from tests.storage.postgres.test_faults import SOCKET, Proxy, assert_refused, status, until, until_ready

pytestmark = pytest.mark.xdist_group("replica")

PATIENCE_SECONDS = 60.0
# Nothing is asked of a standby that hangs for longer than its two seconds.
HANGING_SECONDS = 8.0
# And whatever is asked of it takes those two seconds.
ASKED_SECONDS = 1.5
KEY = {"pk": {"S": "a"}, "sk": {"S": "1"}}
OF_A = {"KeyConditionExpression": "pk = :a", "ExpressionAttributeValues": {":a": {"S": "a"}}}
MUSIC = {
    "AttributeDefinitions": [
        {"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk", "owner", "genre")
    ],
    "KeySchema": [
        {"AttributeName": "pk", "KeyType": "HASH"},
        {"AttributeName": "sk", "KeyType": "RANGE"},
    ],
    "GlobalSecondaryIndexes": [
        {
            "IndexName": "by-owner",
            "KeySchema": [{"AttributeName": "owner", "KeyType": "HASH"}],
            "Projection": {"ProjectionType": "ALL"},
        }
    ],
    "LocalSecondaryIndexes": [
        {
            "IndexName": "by-genre",
            "KeySchema": [
                {"AttributeName": "pk", "KeyType": "HASH"},
                {"AttributeName": "genre", "KeyType": "RANGE"},
            ],
            "Projection": {"ProjectionType": "KEYS_ONLY"},
        }
    ],
    "BillingMode": "PAY_PER_REQUEST",
}


class Pair:
    """A primary with a standby, a server on both, and its client."""

    def __init__(self, log: Path) -> None:
        self.cluster = Cluster()
        self.dsn = prepared_database(self.cluster)
        self.name = name_of(self.dsn)
        self.standby = self.cluster.standby()
        self.log = log
        options = ("--engine", self.dsn, "--engine-replica", self.standby.dsn(self.name))
        self.server = Server(*options, log=log)
        self.client = self.server.client()
        self.create("Music")

    def create(self, table: str) -> None:
        self.client.create_table(TableName=table, **MUSIC)

    def put(self, value: str, table: str = "Music") -> None:
        item = {**KEY, "owner": {"S": "x"}, "genre": {"S": "y"}, "value": {"S": value}}
        self.client.put_item(TableName=table, Item=item)

    def pause(self) -> None:
        """Let the standby have all that there is, and nothing more."""
        ((written,),) = self.cluster.execute("SELECT pg_current_wal_lsn()::text")
        eventually(
            lambda: (
                self.standby.execute(f"SELECT pg_last_wal_replay_lsn() >= '{written}'::pg_lsn") == [(True,)]
            )
        )
        self.standby.execute("SELECT pg_wal_replay_pause()")
        eventually(lambda: self.standby.execute("SELECT pg_get_wal_replay_pause_state()") == [("paused",)])

    def resume(self) -> None:
        self.standby.execute("SELECT pg_wal_replay_resume()")

    def is_old(self) -> bool:
        """Whether a read that may be old finds it so."""
        return get(self.client) == "old"

    def fall_behind(self) -> None:
        """The standby has the old value, the primary the new one, and the server knows that the standby is there."""
        self.resume()
        self.put("old")
        self.pause()
        self.put("new")
        eventually(self.is_old)

    def close(self) -> None:
        self.server.kill()
        self.standby.remove()
        self.cluster.remove()


def eventually(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.02)


def comes_to(read: Callable[[], Any], expected: Any) -> None:
    """What was read from the standby once is, unless a busy machine has kept that from answering in time."""
    eventually(lambda: bool(read() == expected))


def quickest(work: Callable[[], None]) -> float:
    """The seconds it takes at best, of a few times within the five seconds for which a standby is left alone."""
    taken = []
    end = time.monotonic() + 3
    while not taken or (len(taken) < 5 and time.monotonic() < end):
        begun = time.monotonic()
        work()
        taken.append(time.monotonic() - begun)
    return min(taken)


def get(client: Any, table: str = "Music", **options: Any) -> str:
    value: str = client.get_item(TableName=table, Key=KEY, **options)["Item"]["value"]["S"]
    return value


@pytest.fixture(scope="module")
def started(has_postgres: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:  # noqa: ARG001
    running = Pair(tmp_path_factory.mktemp("replica") / "log")
    yield running
    running.close()


@pytest.fixture
def pair(started: Pair) -> Iterator[Pair]:
    """The pair, of which the standby is behind until the test's end."""
    started.fall_behind()
    yield started
    started.resume()


def _one(found: Any) -> Any:
    (item,) = found
    return item


def batch_get(client: Any, **options: Any) -> Any:
    found = client.batch_get_item(RequestItems={"Music": {"Keys": [KEY], **options}})
    return _one(found["Responses"]["Music"])


def query(client: Any, **options: Any) -> Any:
    return _one(client.query(TableName="Music", **OF_A, **options)["Items"])


def scan(client: Any, **options: Any) -> Any:
    return _one(client.scan(TableName="Music", **options)["Items"])


def query_local_index(client: Any, **options: Any) -> Any:
    """Its entries have keys alone: the rest is fetched."""
    return query(client, IndexName="by-genre", Select="ALL_ATTRIBUTES", **options)


def select_one(client: Any, **options: Any) -> Any:
    statement = """SELECT * FROM "Music" WHERE pk = 'a' AND sk = '1'"""
    return _one(client.execute_statement(Statement=statement, **options)["Items"])


def select_some(client: Any, **options: Any) -> Any:
    statement = """SELECT * FROM "Music" WHERE pk = 'a'"""
    return _one(client.execute_statement(Statement=statement, **options)["Items"])


def select_in_a_batch(client: Any, **options: Any) -> Any:
    statement = """SELECT * FROM "Music" WHERE pk = 'a' AND sk = '1'"""
    found = client.batch_execute_statement(Statements=[{"Statement": statement, **options}])
    return _one(found["Responses"])["Item"]


@pytest.mark.parametrize(
    "read",
    [batch_get, query, scan, query_local_index, select_one, select_some, select_in_a_batch],
)
def test_only_a_read_that_is_not_consistent_is_the_standbys(read: Any, pair: Pair) -> None:
    client = pair.client
    comes_to(lambda: read(client)["value"], {"S": "old"})
    comes_to(lambda: read(client, ConsistentRead=False)["value"], {"S": "old"})
    assert all(read(client, ConsistentRead=True)["value"] == {"S": "new"} for _ in range(3))


def test_an_item_is_the_standbys_unless_it_is_read_consistently(pair: Pair) -> None:
    comes_to(lambda: get(pair.client), "old")
    assert all(get(pair.client, ConsistentRead=True) == "new" for _ in range(3))
    used = pair.client.get_item(TableName="Music", Key=KEY, ReturnConsumedCapacity="TOTAL")
    assert used["ConsumedCapacity"]["CapacityUnits"] == 0.5


def test_a_global_index_is_read_from_the_standby(pair: Pair) -> None:
    owned = {
        "TableName": "Music",
        "IndexName": "by-owner",
        "KeyConditionExpression": "#o = :x",
        "ExpressionAttributeNames": {"#o": "owner"},
        "ExpressionAttributeValues": {":x": {"S": "x"}},
    }
    comes_to(lambda: _one(pair.client.query(**owned)["Items"])["value"], {"S": "old"})
    comes_to(lambda: scan(pair.client, IndexName="by-owner")["value"], {"S": "old"})


def test_of_one_batch_each_table_is_read_as_it_asks(pair: Pair) -> None:
    pair.resume()
    pair.create("Films")
    pair.put("old", "Films")
    pair.fall_behind()
    pair.put("new", "Films")
    wanted = {"Music": {"Keys": [KEY]}, "Films": {"Keys": [KEY], "ConsistentRead": True}}

    def read() -> list[Any]:
        found = pair.client.batch_get_item(RequestItems=wanted)["Responses"]
        return [_one(found[table])["value"] for table in wanted]

    comes_to(read, [{"S": "old"}, {"S": "new"}])
    pair.client.delete_table(TableName="Films")


def test_transactions_and_writes_are_the_primarys(pair: Pair) -> None:
    client = pair.client
    found = client.transact_get_items(TransactItems=[{"Get": {"TableName": "Music", "Key": KEY}}])
    assert _one(found["Responses"])["Item"]["value"] == {"S": "new"}
    statement = """SELECT * FROM "Music" WHERE pk = 'a' AND sk = '1'"""
    found = client.execute_transaction(TransactStatements=[{"Statement": statement}])
    assert _one(found["Responses"])["Item"]["value"] == {"S": "new"}
    written = client.update_item(
        TableName="Music",
        Key=KEY,
        UpdateExpression="SET newer = :true",
        ConditionExpression="#v = :new",
        ExpressionAttributeNames={"#v": "value"},
        ExpressionAttributeValues={":new": {"S": "new"}, ":true": {"BOOL": True}},
        ReturnValues="ALL_OLD",
    )
    assert written["Attributes"]["value"] == {"S": "new"}


def test_a_table_that_the_standby_has_not_heard_of_is_read_from_the_primary(pair: Pair) -> None:
    pair.create("Films")
    pair.put("new", "Films")
    assert get(pair.client, "Films") == "new"
    pair.client.delete_table(TableName="Films")


def test_an_index_that_the_standby_does_not_have_is_read_from_the_primary(pair: Pair) -> None:
    pair.client.update_table(
        TableName="Music",
        AttributeDefinitions=[
            {"AttributeName": "pk", "AttributeType": "S"},
            {"AttributeName": "value", "AttributeType": "S"},
        ],
        GlobalSecondaryIndexUpdates=[
            {
                "Create": {
                    "IndexName": "by-value",
                    "KeySchema": [{"AttributeName": "value", "KeyType": "HASH"}],
                    "Projection": {"ProjectionType": "ALL"},
                }
            }
        ],
    )

    def has_it() -> bool:
        indexes = pair.client.describe_table(TableName="Music")["Table"]["GlobalSecondaryIndexes"]
        return any((each["IndexName"], each["IndexStatus"]) == ("by-value", "ACTIVE") for each in indexes)

    eventually(has_it)
    found = pair.client.scan(TableName="Music", IndexName="by-value")["Items"]
    assert _one(found)["value"] == {"S": "new"}
    pair.client.update_table(
        TableName="Music", GlobalSecondaryIndexUpdates=[{"Delete": {"IndexName": "by-value"}}]
    )


def test_a_standby_on_which_a_statement_is_given_up_is_left_alone(pair: Pair) -> None:
    """A lock on the items that the primary has given back, and the standby, which is behind, has not."""
    pair.resume()

    async def lock() -> None:
        connection = await asyncpg.connect(pair.dsn)
        await connection.execute("BEGIN; LOCK TABLE alt.item IN ACCESS EXCLUSIVE MODE")
        await asyncio.to_thread(pair.cluster.execute, "SELECT pg_switch_wal()")
        await asyncio.to_thread(pair.pause)
        await connection.execute("ROLLBACK")
        await connection.close()

    asyncio.run(lock())
    begun = time.monotonic()
    assert query(pair.client)["value"] == {"S": "new"}
    assert time.monotonic() - begun < HANGING_SECONDS

    def read() -> None:
        assert (get(pair.client), scan(pair.client)["value"]) == ("new", {"S": "new"})

    assert quickest(read) < ASKED_SECONDS  # nobody asks it meanwhile


def test_what_may_be_old_is_read_while_the_primary_is_away(pair: Pair) -> None:
    pair.cluster.stop("immediate")
    assert get(pair.client) == "old"
    assert query(pair.client)["value"] == {"S": "old"}
    assert_refused(lambda: get(pair.client, ConsistentRead=True))
    pair.cluster.start()
    assert until(lambda: get(pair.client, ConsistentRead=True)) == "new"


def test_reads_go_on_when_the_standby_dies(pair: Pair) -> None:
    pair.standby.stop("immediate")
    reads = (batch_get, query, scan, select_one)
    assert get(pair.client) == "new"
    assert [read(pair.client)["value"]["S"] for read in reads] == ["new"] * len(reads)
    assert status(pair.server, "/") == 200
    until_ready(pair.server)
    assert "the replica is not read from for now; the database" in pair.log.read_text()
    pair.standby.start()


@pytest.mark.nightly
def test_a_standby_that_comes_back_is_read_from_again(pair: Pair) -> None:
    for _ in range(2):
        pair.standby.stop("immediate")
        assert get(pair.client) == "new"
        pair.standby.start()
        pair.fall_behind()


@pytest.mark.nightly
def test_under_load_no_read_fails_when_the_standby_dies(pair: Pair) -> None:
    async def read() -> int:
        done = 0
        own = pair.server.client()
        end = time.monotonic() + 6
        while time.monotonic() < end:
            await asyncio.to_thread(get, own)
            await asyncio.to_thread(query, own)
            done += 1
        return done

    async def load() -> list[int]:
        reading = [asyncio.ensure_future(read()) for _ in range(8)]
        for mode in ("immediate", "fast"):
            await asyncio.sleep(1)
            await asyncio.to_thread(pair.standby.stop, mode)
            await asyncio.to_thread(pair.standby.start)
        return await asyncio.gather(*reading)

    assert all(asyncio.run(load()))


@pytest.mark.nightly
def test_a_standby_that_hangs(pair: Pair, start_server: Any, tmp_path: Path) -> None:
    proxy = Proxy(tmp_path, pair.standby.folder / SOCKET)
    replica = f"postgresql://alt@/{pair.name}?host={tmp_path}"
    client = start_server("--engine", pair.dsn, "--engine-replica", replica).client()
    eventually(lambda: get(client) == "old")
    proxy.is_hanging = True
    begun = time.monotonic()
    assert (get(client), query(client)["value"]) == ("new", {"S": "new"})
    assert time.monotonic() - begun < HANGING_SECONDS

    def read() -> None:
        assert (get(client), query(client)["value"]) == ("new", {"S": "new"})

    assert quickest(read) < ASKED_SECONDS
    proxy.is_hanging = False
    eventually(lambda: get(client) == "old")
    proxy.close()


def test_a_standby_that_is_away_at_the_start(
    postgres: Cluster,  # noqa: ARG001
    new_database: str,
    start_server: Any,
    tmp_path: Path,
) -> None:
    nowhere = f"postgresql://alt:secret@/alt?host={tmp_path}"
    log = tmp_path / "log"
    server = start_server("--engine", new_database, "--engine-replica", nowhere, log=log)
    client = server.client()
    client.create_table(TableName="Music", **MUSIC)
    client.put_item(TableName="Music", Item={**KEY, "value": {"S": "new"}})
    assert [get(client) for _ in range(3)] == ["new"] * 3
    until_ready(server)
    said = log.read_text()
    assert said.count("the replica is not read from for now; the database cannot be reached: ") == 1
    assert "secret" not in said


def test_what_is_no_copy_of_the_database_is_not_read_from(
    postgres: Cluster, new_database: str, start_server: Any, tmp_path: Path
) -> None:
    bare = postgres.create_database(f"bare-{time.time_ns()}")
    another = prepared_database(postgres)
    start_server("--engine", another).client().create_table(TableName="Music", **MUSIC)
    for number, replica in enumerate((bare, another)):
        log = tmp_path / f"log-{number}"
        client = start_server("--engine", new_database, "--engine-replica", replica, log=log).client()
        if number == 0:
            client.create_table(TableName="Music", **MUSIC)
            client.put_item(TableName="Music", Item={**KEY, "value": {"S": "new"}})

        def is_told(log: Path = log) -> bool:
            return 'relation "fence" does not exist' in log.read_text()

        if number == 0:
            eventually(is_told)
        end = time.monotonic() + 0.5
        while time.monotonic() < end:
            assert get(client) == "new"
        assert is_told() is (number == 0)


def test_the_operator_is_told_of_a_replica_that_does_not_catch_up(
    postgres: Cluster, new_database: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("alt.storage.postgres.replica.BEHIND_SECONDS", 0.1)
    another = prepared_database(postgres)
    message = "the replica does not know the tables as they are"

    async def change_nothing(_connection: Any) -> None:
        """But the revision."""

    async def serve() -> None:
        store = Store(new_database, replica=another)
        await store.open()
        await store.catalog.change(change_nothing)
        async with asyncio.timeout(PATIENCE_SECONDS):
            while message not in caplog.text:
                await asyncio.sleep(0.02)
        await asyncio.sleep(0.3)  # some looks more
        await store.close()

    asyncio.run(serve())
    assert caplog.text.count(message) == 1
