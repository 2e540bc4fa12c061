"""The database of `alt start --engine`, for commands that look into it themselves."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ..settings import BY_NAME, Address

if TYPE_CHECKING:
    from alt.storage.postgres.database import Database

T = TypeVar("T")
Command = TypeVar("Command", bound=Callable[..., Any])


def database_option(*, required: bool) -> Callable[[Command], Command]:
    return click.option(
        BY_NAME["engine"].flag,
        envvar=BY_NAME["engine"].variable,
        metavar="DSN",
        type=Address(),
        required=required,
        help="The database: postgresql://USER@HOST/DATABASE.",
    )


def run_on_database(dsn: str, work: Callable[[Database], Coroutine[Any, Any, T]]) -> T:
    """Raises ClickException where the database cannot be used."""
    import asyncpg

    from alt.storage.engine import UnusableEngineError
    from alt.storage.postgres.database import Database, DatabaseAwayError

    async def run() -> T:
        database = Database(dsn, 1)
        try:
            return await work(database)
        finally:
            await database.close()

    try:
        return asyncio.run(run())
    except (UnusableEngineError, DatabaseAwayError, asyncpg.PostgresError) as fault:
        raise click.ClickException(str(fault)) from None
