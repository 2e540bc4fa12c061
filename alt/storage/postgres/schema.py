"""Alt's tables in a schema of a database: made, looked at, and brought to the format that this version of Alt reads.

The schema is the one that the database is asked for by: everybody's, or a tenant's (tenants.py).
"""

from __future__ import annotations

from importlib.resources import files
from typing import NamedTuple

import asyncpg

from alt.storage.engine import UnusableEngineError
from alt.storage.postgres import dialect
from alt.storage.postgres import statements as sql
from alt.storage.postgres.database import EVERYBODYS, Connection, Database

FORMAT = 3
# What these formats brought is for all, and in everybody's schema alone. A tenant's has their numbers.
_FOR_ALL = (2, 3)
# Two may make the tables at once: who comes second looks again.
_ATTEMPTS = 3


class Status(NamedTuple):
    """What there is in a schema: the format, None where nothing was made, and what the server says it is."""

    format: int | None
    server: str
    tables: int
    items: int
    bytes: int
    removed: int


async def check(database: Database) -> None:
    """Raises UnusableEngineError if Alt's tables are missing or of another format, or the database is not in UTF-8."""
    found, named = await _format(database), _named(database)
    if found is None:
        raise _missing(database)
    if found > FORMAT:
        raise UnusableEngineError(
            f"{named} is of format {found}, and this version of Alt knows {FORMAT}: use a newer one"
        )
    if found < FORMAT:
        raise UnusableEngineError(
            f"{named} is of format {found}: with every Alt stopped, `alt engine migrate` makes it {FORMAT}"
        )
    await _check_encoding(database)


async def init(database: Database) -> bool:
    """Make the schema and Alt's tables in it; False if they are there, whoever has made them.

    It is one transaction, where the engine has that for what it makes. Raises UnusableEngineError.
    """
    await _check_encoding(database)
    for attempt in range(1, _ATTEMPTS + 1):
        if await _format(database) is not None:
            return False
        try:
            async with database.transaction() as connection:
                await connection.execute(f"{sql.CREATE_SCHEMA} {database.schema}")
                for version in range(1, FORMAT + 1):
                    await _step(database, connection, version)
        except asyncpg.PostgresError as fault:
            is_raced = isinstance(fault, asyncpg.DuplicateSchemaError) or dialect.is_lost_race(fault)
            if not is_raced or attempt == _ATTEMPTS:
                raise
        else:
            return True
    raise AssertionError("the last attempt returns or raises")


async def migrate(database: Database) -> tuple[int, int]:
    """Bring the tables to FORMAT; the formats before and after. Raises UnusableEngineError where there are none."""
    found = await _format(database)
    if found is None:
        raise _missing(database)
    for version in range(found + 1, FORMAT + 1):
        async with database.transaction() as connection:
            await _step(database, connection, version)
    return found, max(found, FORMAT)


async def status(database: Database) -> Status:
    found = await _format(database)
    async with database.connection() as connection:
        server = str(await connection.fetchval(sql.SERVER))
        if found is None:
            return Status(None, server, 0, 0, 0, 0)
        tables = await connection.fetchval(sql.COUNT_TABLES)
        items, size = await connection.fetchrow(sql.COUNT_ITEMS)
        removed = await connection.fetchval(sql.COUNT_REMOVED)
        return Status(found, server, tables, items, size, removed)


async def _format(database: Database) -> int | None:
    async with database.connection() as connection:
        try:
            version: int | None = await connection.fetchval(sql.FORMAT)
        except (asyncpg.UndefinedTableError, asyncpg.InvalidSchemaNameError):
            return None
        return version


async def _check_encoding(database: Database) -> None:
    """Raises UnusableEngineError where the database cannot have every text that an item can."""
    async with database.connection() as connection:
        encoding = await connection.fetchval(sql.ENCODING)
    if encoding != "UTF8":
        raise UnusableEngineError(
            f"the database's encoding is {encoding}, which has not every character: make one with ENCODING 'UTF8'"
        )


async def _step(database: Database, connection: Connection, version: int) -> None:
    """From the format before to this one."""
    if database.schema == EVERYBODYS or version not in _FOR_ALL:
        text = files("alt.sql").joinpath("postgres", f"schema_{version}.sql").read_text(encoding="utf-8")
        await connection.execute(dialect.SPLIT_BY_RANGES)
        await connection.execute(text)
    await connection.execute(sql.REPLACE_FORMAT, version)


def _missing(database: Database) -> UnusableEngineError:
    return UnusableEngineError(f"{_named(database)} has no tables of Alt: `alt engine init` makes them")


def _named(database: Database) -> str:
    return "the database" if database.schema == EVERYBODYS else f"the database's schema {database.schema}"
