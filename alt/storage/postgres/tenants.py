"""The tenants of a database: each has a schema of its own, with the relations that everybody's has, but those for all."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

import asyncpg

from alt.auth.keys import TENANT
from alt.storage.engine import UnusableEngineError
from alt.storage.postgres import schema
from alt.storage.postgres import statements as sql
from alt.storage.postgres.database import EVERYBODYS, Database

T = TypeVar("T")

_PREFIX = f"{EVERYBODYS}_"
# PostgreSQL cuts off what a longer identifier has.
_MAX_NAME = 63 - len(_PREFIX)


def schema_of(name: str) -> str:
    """A tenant's schema: `alt_acme_eu` for acme-eu. No name has a _, so no two have one schema; and none needs quotes.

    Raises UnusableEngineError for a name that cannot have one.
    """
    if not TENANT.fullmatch(name) or len(name) > _MAX_NAME:
        raise UnusableEngineError(
            f"on a database a tenant's name has up to {_MAX_NAME} lower-case letters, digits and dashes"
        )
    return _PREFIX + name.replace("-", "_")


async def names(database: Database) -> list[str]:
    """All tenants, those that have no key any more, too."""
    try:
        return [row["name"] for row in await database.fetch(sql.TENANTS)]
    except asyncpg.UndefinedTableError:  # of a format before there were tenants
        return []


async def add(database: Database, name: str) -> None:
    """Make a tenant's relations, unless they are there.

    The name is stored first: by it `alt engine` knows of a schema that was not made to its end.
    """
    async with database.beside(schema_of(name)) as own:
        async with database.transaction() as connection:
            await connection.execute(sql.ADD_TENANT, name)
        await schema.init(own)
        await schema.check(own)


async def on_each(database: Database, work: Callable[[Database], Awaitable[T]]) -> dict[str, T]:
    """What `work` comes to on each tenant's schema, by the tenants' names.

    One that cannot be used keeps it from no other: UnusableEngineError comes after the last, and tells of all.
    """
    done: dict[str, T] = {}
    refused = []
    for name in await names(database):
        try:
            async with database.beside(schema_of(name)) as own:
                done[name] = await work(own)
        except UnusableEngineError as fault:
            refused.append(f"tenant {name}: {fault}")
    if refused:
        raise UnusableEngineError("; ".join(refused))
    return done
