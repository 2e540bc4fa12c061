"""What an Alt tells of its database: connections, waiting, what was done again, and outcomes that nobody knows."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, get_args

import asyncpg
import pytest

from alt.errors import ApiError
from alt.metrics.catalogue import CATALOGUE
from alt.storage.model.activity import DatabaseActivity, DatabaseTotals, RetryCause
from alt.storage.postgres import database, dialect, writer
from alt.storage.postgres.database import Database, DatabaseAwayError, UnknownOutcomeError
from alt.storage.postgres.store import CONNECTIONS
from tests.metrics.conftest import Scraped, scraped
from tests.operations.conftest import Service
from tests.postgres import Cluster

OWN_PROCESS = "SELECT pg_backend_pid()"
CUT_ITSELF = "SELECT pg_terminate_backend(pg_backend_pid())"
SOON_SECONDS = 60.0
A = {"pk": {"S": "a"}}
PUT_A = {"TableName": "Music", "Item": A}


def figures(pool: Database) -> tuple[int, int, int]:
    """The connections that are open, that are in use, and that there may be."""
    told = pool.activity()
    return told.open, told.in_use, told.limit


def run(dsn: str, work: Callable[[Database], Any], size: int = 2) -> DatabaseActivity:
    """Work with a database, and what it tells then."""

    async def do() -> DatabaseActivity:
        pool = Database(dsn, size)
        await work(pool)
        told = pool.activity()
        await pool.close()
        return told

    return asyncio.run(do())


def test_a_connection_is_open_after_its_use_and_in_use_meanwhile(postgres: Cluster) -> None:
    async def use(pool: Database) -> None:
        assert figures(pool) == (0, 0, 2)
        async with pool.connection():
            assert figures(pool) == (1, 1, 2)
            async with pool.connection():
                assert figures(pool) == (2, 2, 2)
            assert figures(pool) == (2, 1, 2)

    told = run(postgres.dsn(), use)
    assert (told.open, told.in_use, told.totals.connections_made) == (2, 0, 2)
    assert sum(told.totals.wait_seconds.counts) == told.totals.refused == 0


def test_who_waits_for_a_connection_is_counted_with_how_long(postgres: Cluster) -> None:
    async def use(pool: Database) -> None:
        async with pool.connection():
            waiting = asyncio.create_task(pool.fetch("SELECT 1"))
            await asyncio.sleep(0)  # it waits from now on
            await asyncio.sleep(0.05)
        await waiting

    totals = run(postgres.dsn(), use, 1).totals
    assert sum(totals.wait_seconds.counts) == 1
    assert 0.04 < totals.wait_seconds.sum < SOON_SECONDS
    assert totals.refused == 0


def test_who_waits_in_vain_is_counted_as_refused(postgres: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "PATIENCE_SECONDS", 0.05)

    async def use(pool: Database) -> None:
        async with pool.connection():
            with pytest.raises(DatabaseAwayError):
                await pool.fetch("SELECT 1")

    totals = run(postgres.dsn(), use, 1).totals
    assert (totals.refused, sum(totals.wait_seconds.counts)) == (1, 1)


def test_a_connection_that_cannot_be_made_is_counted(postgres: Cluster) -> None:
    async def use(pool: Database) -> None:
        with pytest.raises(DatabaseAwayError):
            await pool.fetch("SELECT 1")

    told = run(postgres.dsn() + "-absent", use)
    assert (told.open, told.in_use) == (0, 0)
    assert (told.totals.connections_failed, told.totals.connections_made) == (1, 0)


def test_a_read_that_is_cut_is_counted_and_so_is_each_connection(postgres: Cluster) -> None:
    async def use(pool: Database) -> None:
        with pytest.raises(DatabaseAwayError):
            await pool.fetch(CUT_ITSELF)

    told = run(postgres.dsn(), use)
    assert (told.open, told.in_use) == (0, 0)
    assert (told.totals.read_retries, told.totals.connections_made, told.totals.connections_cut) == (1, 2, 2)


def test_a_connection_that_is_cut_while_nobody_uses_it_is_open_no_more(postgres: Cluster) -> None:
    async def use(pool: Database) -> None:
        ((own,),) = await pool.fetch(OWN_PROCESS)
        another = Database(postgres.dsn(), 1)
        await another.fetch("SELECT pg_terminate_backend($1)", own)
        await another.close()
        async with asyncio.timeout(SOON_SECONDS):
            while pool.activity().open:
                await asyncio.sleep(0.01)
        await pool.fetch("SELECT 1")

    told = run(postgres.dsn(), use)
    assert (told.open, told.totals.connections_made, told.totals.connections_cut) == (1, 2, 1)


def test_what_is_refused_or_broken_off_cuts_no_connection(postgres: Cluster) -> None:
    async def use(pool: Database) -> None:
        with pytest.raises(asyncpg.PostgresSyntaxError):
            await pool.fetch("nonsense")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await pool.fetch("SELECT pg_sleep(5)")

    told = run(postgres.dsn(), use)
    assert (told.open, told.in_use, told.totals.connections_cut) == (0, 0, 0)


async def be_cut_before_the_commit(pool: Database) -> None:
    async with pool.transaction() as connection:
        own = await connection.fetchval(OWN_PROCESS)
        await pool.fetch("SELECT pg_terminate_backend($1)", own)


def test_a_commit_that_is_not_answered_is_counted_as_unknown(postgres: Cluster) -> None:
    async def use(pool: Database) -> None:
        with pytest.raises(UnknownOutcomeError):
            await be_cut_before_the_commit(pool)

    told = run(postgres.dsn(), use)
    assert (told.totals.unknown_outcomes, told.totals.connections_cut, told.open) == (1, 1, 1)


@pytest.mark.parametrize(
    ("fault", "cause"),
    [
        (asyncpg.SerializationError(), "serialization_failure"),
        (asyncpg.DeadlockDetectedError(), "deadlock"),
        (asyncpg.LockNotAvailableError(), "lock_timeout"),
        (asyncpg.UniqueViolationError(), "lost_race"),
        (dialect.LostRaceError(), "lost_race"),
        (asyncpg.PostgresSyntaxError(), None),
        (asyncpg.InterfaceError("cut"), None),
    ],
    ids=repr,
)
def test_a_race_has_a_cause(fault: Exception, cause: str | None) -> None:
    assert dialect.lost_race(fault) == cause
    assert dialect.is_lost_race(fault) == (cause is not None)


# Of writes


@pytest.fixture
def service(empty_database: str) -> Iterator[Service]:
    """With an item in the table Music."""
    running = Service(database=empty_database)
    running.create()
    running("PutItem", **PUT_A)
    yield running
    running.close()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Service:
    """The same, which waits for locks only briefly."""
    monkeypatch.setitem(dialect.SESSION, "lock_timeout", "50")
    running: Service = request.getfixturevalue("service")
    return running


def totals_of(service: Service) -> DatabaseTotals:
    found: DatabaseTotals = service.store.activity(1).database.totals
    return found


def retries(service: Service) -> dict[str, int]:
    """How often groups were done again, by the causes that there were."""
    causes = totals_of(service).group_retries
    assert set(causes) == set(get_args(RetryCause))
    return {cause: count for cause, count in causes.items() if count}


@asynccontextmanager
async def another_client(dsn: str) -> AsyncIterator[Any]:
    client = await asyncpg.connect(dsn)
    try:
        yield client
    finally:
        await client.close()


async def until(found: Callable[[], Any]) -> None:
    async with asyncio.timeout(SOON_SECONDS):
        while not await found():
            await asyncio.sleep(0.005)


async def somebody_waits(client: Any) -> bool:
    """Whether anybody waits for a lock."""
    return bool(await client.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"))


def test_a_group_that_waits_too_long_for_a_lock_is_counted(impatient: Service, empty_database: str) -> None:
    async def is_done_again() -> bool:
        return bool(retries(impatient))

    async def write() -> None:
        async with another_client(empty_database) as other:
            async with other.transaction():
                await other.execute("SELECT 1 FROM alt.item FOR UPDATE")
                writing = asyncio.create_task(impatient.begin("PutItem", **PUT_A))
                await until(is_done_again)
            await writing

    impatient.run(write())
    assert list(retries(impatient)) == ["lock_timeout"]
    assert totals_of(impatient).conflicts == 0


def test_a_group_that_lost_a_race_is_counted(service: Service, empty_database: str) -> None:
    async def write() -> None:
        async with another_client(empty_database) as other:
            await other.execute("CREATE TEMPORARY TABLE kept AS SELECT * FROM alt.item")
            await service.begin("DeleteItem", TableName="Music", Key=A)
            async with other.transaction():
                await other.execute("INSERT INTO alt.item SELECT * FROM kept")
                writing = asyncio.create_task(service.begin("PutItem", **PUT_A))
                await until(lambda: somebody_waits(other))
            await writing

    service.run(write())
    assert retries(service) == {"lost_race": 1}


def test_a_group_that_was_in_a_deadlock_is_counted(service: Service, empty_database: str) -> None:
    """Another client takes the same locks in another order. PostgreSQL gives up who has waited for a second first."""
    put_b = {"TableName": "Music", "Item": {"pk": {"S": "b"}}}
    last = "SELECT source, slot, key FROM alt.item ORDER BY source DESC, slot DESC, key DESC LIMIT 1"

    async def write() -> None:
        await service.begin("PutItem", **put_b)
        async with another_client(empty_database) as other:
            async with other.transaction():
                await other.execute(f"SELECT 1 FROM alt.item WHERE (source, slot, key) = ({last}) FOR UPDATE")
                puts = [{"Put": PUT_A}, {"Put": put_b}]
                writing = asyncio.create_task(service.begin("TransactWriteItems", TransactItems=puts))
                await until(lambda: somebody_waits(other))
                await other.execute("SELECT 1 FROM alt.item FOR UPDATE")
            await writing

    service.run(write())
    assert retries(service) == {"deadlock": 1}


def test_a_transaction_that_is_given_up_is_counted(
    impatient: Service, empty_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "RACING_SECONDS", 0.1)

    async def write() -> None:
        async with another_client(empty_database) as other, other.transaction():
            await other.execute("SELECT 1 FROM alt.item FOR UPDATE")
            with pytest.raises(ApiError, match="TransactionConflict"):
                await impatient.begin("TransactWriteItems", TransactItems=[{"Put": PUT_A}])

    impatient.run(write())
    assert totals_of(impatient).conflicts == 1


def test_a_group_whose_connection_is_cut_is_counted(service: Service, empty_database: str) -> None:
    async def write() -> None:
        async with another_client(empty_database) as other:

            async def is_cut() -> bool:
                waiting = "SELECT pid FROM pg_locks WHERE NOT granted LIMIT 1"
                return bool(await other.fetchval(f"SELECT pg_terminate_backend(({waiting}))"))

            async with other.transaction():
                await other.execute("SELECT 1 FROM alt.item FOR UPDATE")
                writing = asyncio.create_task(service.begin("PutItem", **PUT_A))
                await until(is_cut)
            await writing

    service.run(write())
    assert retries(service) == {"connection_cut": 1}


def test_items_that_expire_are_counted(service: Service) -> None:
    enabled = {"Enabled": True, "AttributeName": "until"}
    service("UpdateTimeToLive", TableName="Music", TimeToLiveSpecification=enabled)
    service.run(service.store.work())
    for key, seconds in (("gone", -60), ("gone, too", -60), ("stays", 60)):
        item = {"pk": {"S": key}, "until": {"N": str(int(service.now) + seconds)}}
        service("PutItem", TableName="Music", Item=item)
    service.expire()
    assert service("Scan", TableName="Music")["Count"] == 2
    assert service.store.activity(1).totals.expired_items == 2


# On the page


def test_the_page_of_a_server_on_a_database_has_every_metric(new_database: str, start_server: Any) -> None:
    server = start_server("--engine", new_database)
    server.client().list_tables()
    found = scraped(server.url)
    assert {metric.name.removesuffix("_total") for metric in CATALOGUE} <= set(found.families)
    assert found.values("server") == {"primary"}
    assert found.get("alt_database_max_connections", server="primary") == CONNECTIONS
    assert (found.get("alt_database_connections_made_total", server="primary") or 0) > 0
    assert found.values("cause") == set(get_args(RetryCause))


def test_the_page_is_there_while_the_database_is_not(tmp_path: Path, start_server: Any) -> None:
    found = scraped(start_server("--engine", f"postgresql://alt@/alt?host={tmp_path}").url)
    assert (found.get("alt_database_connections_failed_total", server="primary") or 0) > 0
    assert found.get("alt_database_connections", server="primary") == 0


def test_a_replica_has_connections_of_its_own(new_database: str, start_server: Any) -> None:
    url = start_server("--engine", new_database, "--engine-replica", new_database).url
    found = scraped_once(url, "alt_database_replica_current", 1)
    assert found.values("server") == {"primary", "replica"}
    assert (found.get("alt_database_connections_made_total", server="replica") or 0) > 0


def test_a_replica_that_is_away_is_not_current(new_database: str, tmp_path: Path, start_server: Any) -> None:
    replica = f"postgresql://alt@/alt?host={tmp_path}"
    url = start_server("--engine", new_database, "--engine-replica", replica).url
    found = scraped_once(url, "alt_database_connections_failed_total", 1, server="replica")
    assert found.get("alt_database_replica_current") == 0
    assert found.get("alt_database_connections_failed_total", server="primary") == 0


def scraped_once(url: str, name: str, least: float, **labels: str) -> Scraped:
    """The page, once the metric is at least that."""
    end = time.monotonic() + SOON_SECONDS
    while ((found := scraped(url)).get(name, **labels) or 0) < least:
        assert time.monotonic() < end
        time.sleep(0.05)
    return found
