"""Alt's tables in a database: made, looked at, and brought to the format that this version of Alt reads."""

from __future__ import annotations

from importlib.resources import files
from typing import NamedTuple

import asyncpg

from alt.storage.engine import UnusableEngineError
from alt.storage.postgres.database import Connection, Database

FORMAT = 2

_VERSION = "SELECT version FROM alt.format"


class Status(NamedTuple):
    """What there is: the format, None where `alt engine init` was never run, and what the server says it is."""

    format: int | None
    server: str
    tables: int
    items: int
    bytes: int
    removed: int


async def check(database: Database) -> None:
    """Raises UnusableEngineError where the database has no tables of Alt's, or others than this version knows."""
    async with database.connection() as connection:
        found = await _format(connection)
    if found is None:
        raise UnusableEngineError("the database has no tables of Alt: `alt engine init` makes them")
    if found > FORMAT:
        raise UnusableEngineError(
            f"the database is of format {found}, and this version of Alt knows {FORMAT}: use a newer one"
        )
    if found < FORMAT:
        raise UnusableEngineError(
            f"the database is of format {found}: with every Alt stopped, `alt engine migrate` makes it {FORMAT}"
        )


async def init(database: Database) -> bool:
    """Make Alt's tables; False if they are there."""
    async with database.connection() as connection:
        if await _format(connection) is not None:
            return False
        for version in range(1, FORMAT + 1):
            await _step(connection, version)
        return True


async def migrate(database: Database) -> tuple[int, int]:
    """Bring the tables to FORMAT; the formats before and after. Raises UnusableEngineError where there are none."""
    async with database.connection() as connection:
        found = await _format(connection)
        if found is None:
            raise UnusableEngineError("the database has no tables of Alt: `alt engine init` makes them")
        for version in range(found + 1, FORMAT + 1):
            await _step(connection, version)
        return found, max(found, FORMAT)


async def status(database: Database) -> Status:
    async with database.connection() as connection:
        found = await _format(connection)
        server = str(await connection.fetchval("SELECT version()"))
        if found is None:
            return Status(None, server, 0, 0, 0, 0)
        tables = await connection.fetchval("SELECT count(*) FROM alt.definition WHERE name IS NOT NULL")
        items, size = await connection.fetchrow(
            "SELECT coalesce(sum(items), 0)::bigint, coalesce(sum(bytes), 0)::bigint FROM alt.tally"
        )
        removed = await connection.fetchval("SELECT count(*) FROM alt.removed")
        return Status(found, server, tables, items, size, removed)


async def _format(connection: Connection) -> int | None:
    try:
        version: int | None = await connection.fetchval(_VERSION)
    except (asyncpg.UndefinedTableError, asyncpg.InvalidSchemaNameError):
        return None
    return version


async def _step(connection: Connection, version: int) -> None:
    """From the format before to this one, as a whole or not at all."""
    text = files("alt.sql").joinpath("postgres", f"schema_{version}.sql").read_text(encoding="utf-8")
    async with connection.transaction():
        await connection.execute(text)
