"""Connections are few: who finds none waits for a bounded time, and one that breaks is made anew."""

from __future__ import annotations

import asyncio
from typing import Any

import asyncpg
import pytest

from alt.errors import ForeseenError
from alt.storage.postgres import database, dialect
from alt.storage.postgres.database import Database, DatabaseAwayError
from tests.postgres import Cluster


def test_who_finds_all_in_use_is_refused_after_a_while(
    postgres: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "PATIENCE_SECONDS", 0.1)

    async def ask() -> None:
        pool = Database(postgres.dsn(), 1)
        async with pool.connection():
            with pytest.raises(DatabaseAwayError):
                await pool.fetch("SELECT 1")
        assert await pool.fetch("SELECT 1")
        await pool.close()

    asyncio.run(ask())


def test_a_connection_that_was_cut_is_made_anew(postgres: Cluster) -> None:
    async def ask() -> None:
        pool = Database(postgres.dsn(), 2)
        ((own,),) = await pool.fetch("SELECT pg_backend_pid()")
        another = Database(postgres.dsn(), 1)
        await another.fetch("SELECT pg_terminate_backend($1)", own)
        ((other,),) = await pool.fetch("SELECT pg_backend_pid()")
        assert other != own
        await another.close()
        await pool.close()

    asyncio.run(ask())


def test_a_value_that_cannot_be_sent_is_no_sign_of_a_database_that_is_away(postgres: Cluster) -> None:
    async def ask() -> None:
        pool = Database(postgres.dsn(), 1)
        with pytest.raises(asyncpg.DataError):
            await pool.fetch("SELECT $1::bigint", 2**63)
        assert pool.totals.read_retries == 0
        assert await pool.fetch("SELECT $1::bigint", 2**63 - 1)
        await pool.close()

    asyncio.run(ask())


class _Half:
    """A connection on which the database has just said that it cuts it, as asyncpg shows it for a moment."""

    def __init__(self) -> None:
        self.is_over = False

    async def fetch(self, _sql: str) -> list[Any]:
        raise asyncpg.InternalClientError("cannot switch to state 12; another operation (2) is in progress")

    def terminate(self) -> None:
        self.is_over = True

    def is_closed(self) -> bool:
        return self.is_over

    def is_in_transaction(self) -> bool:
        return False


class _Whole(_Half):
    async def fetch(self, _sql: str) -> list[Any]:
        return [(1,)]


def test_a_connection_that_is_about_to_be_cut_is_made_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    half = _Half()
    made = iter([half, _Whole()])

    async def connect(_self: Database) -> _Half:
        return next(made)

    async def ask() -> list[Any]:
        return await Database("", 1).fetch("SELECT 1")

    monkeypatch.setattr(Database, "_connect", connect)
    assert asyncio.run(ask()) == [(1,)]
    assert half.is_over


@pytest.mark.parametrize("fault", [ForeseenError("refused"), ValueError("a bug")])
def test_what_fails_in_a_transaction_undoes_it(new_database: str, fault: Exception) -> None:
    async def fail(pool: Database) -> None:
        async with pool.transaction() as connection:
            await connection.execute("DELETE FROM alt.format")
            raise fault

    async def ask() -> Any:
        pool = Database(new_database, 1)
        with pytest.raises(type(fault)):
            await fail(pool)
        found = await pool.fetch("SELECT version FROM alt.format")
        await pool.close()
        return found

    assert len(asyncio.run(ask())) == 1


def test_a_setting_that_an_engine_has_holds_for_what_one_transaction_makes(postgres: Cluster) -> None:
    """PostgreSQL has none for how relations are split; another one stands in for it."""
    statement = dialect.SPLIT_BY_RANGES.replace("yb_use_hash_splitting_by_default", "enable_sort")

    async def ask() -> None:
        pool = Database(postgres.dsn(), 1)
        async with pool.transaction() as connection:
            await connection.execute(dialect.SPLIT_BY_RANGES)
            await connection.execute(statement)
            assert await connection.fetchval("SHOW enable_sort") == "off"
        assert (await pool.fetch("SHOW enable_sort"))[0][0] == "on"
        await pool.close()

    asyncio.run(ask())
