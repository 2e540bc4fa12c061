"""`alt engine`: the database behind `alt start --engine`."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

import click

from alt.config import without_password

from ..asking.database import database_option, run_on_database
from ..terminal import output

if TYPE_CHECKING:
    from alt.storage.postgres.database import Database
    from alt.storage.postgres.schema import Status

T = TypeVar("T")

_NONE = "none: `alt engine init` makes the tables"


@click.group()
def engine() -> None:
    """The database behind `alt start --engine`, with the tables of its tenants."""


@engine.command()
@database_option(required=True)
@output.json_option()
def init(engine: str, as_json: bool) -> None:
    """Make Alt's tables in a database, and those of its tenants, unless they are there.

    Example: alt engine init --engine postgresql://alt@db.example/alt
    """
    from alt.storage.postgres import schema

    is_made, of_tenants = _on_all(engine, schema.init)
    made = [name for name, is_made in of_tenants.items() if is_made]
    if as_json:
        output.json({"Made": is_made, "Format": schema.FORMAT, "Tenants": made})
        return
    said = "has Alt's tables now" if is_made else "has Alt's tables already"
    click.echo(f"{without_password(engine)} {said}, of format {schema.FORMAT}")
    for name in made:
        click.echo(f"tenant {name} has tables now")


@engine.command()
@database_option(required=True)
@output.json_option()
def check(engine: str, as_json: bool) -> None:
    """Tell whether this version of Alt can serve a database and its tenants; the exit status is 1 where it cannot.

    Example: alt engine check --engine postgresql://alt@db.example/alt
    """
    from alt.storage.postgres import schema

    _, of_tenants = _on_all(engine, schema.check)
    if as_json:
        output.json({"Usable": True, "Format": schema.FORMAT, "Tenants": list(of_tenants)})
    else:
        click.echo(f"{without_password(engine)} can be served")


@engine.command()
@database_option(required=True)
@output.json_option()
def status(engine: str, as_json: bool) -> None:
    """Show what there is in a database, for everybody and for each tenant.

    Example: alt engine status --engine postgresql://alt@db.example/alt
    """
    from alt.storage.postgres import schema
    from alt.storage.postgres.tenants import schema_of

    found, of_tenants = _on_all(engine, schema.status)
    rows = {"Engine": without_password(engine), "Server": found.server, **_counts(found)}
    if as_json:
        tenants = [
            {"Name": name, "Schema": schema_of(name), **_counts(own)} for name, own in of_tenants.items()
        ]
        output.json({**rows, "Tenants": tenants})
        return
    for name, value in rows.items():
        click.echo(f"{name}\t{_NONE if value is None else value}")
    for name, own in of_tenants.items():
        said = f"format {own.format}, tables: {own.tables}, items: {own.items}, size: {own.bytes}"
        click.echo(f"Tenant {name}\t{_NONE if own.format is None else said}")


def _counts(status: Status) -> dict[str, int | None]:
    return {
        "Format": status.format,
        "Tables": status.tables,
        "Items": status.items,
        "Size": status.bytes,
        "Waiting to be deleted": status.removed,
    }


@engine.command()
@database_option(required=True)
@output.json_option()
def migrate(engine: str, as_json: bool) -> None:
    """Bring all of Alt's tables in a database to the format of this version. No Alt may serve it meanwhile.

    Example: alt engine migrate --engine postgresql://alt@db.example/alt
    """
    from alt.storage.postgres import schema

    (before, after), of_tenants = _on_all(engine, schema.migrate)
    changed = {name: formats for name, formats in of_tenants.items() if formats[0] != formats[1]}
    if as_json:
        tenants = [{"Name": name, "Before": old, "After": new} for name, (old, new) in changed.items()]
        output.json({"Before": before, "After": after, "Tenants": tenants})
        return
    if before == after:
        click.echo(f"{without_password(engine)} is of format {after} already")
    else:
        click.echo(f"{without_password(engine)} is of format {after} now; it was {before}")
    for name, (old, new) in changed.items():
        click.echo(f"tenant {name} is of format {new} now; it was {old}")


def _on_all(dsn: str, work: Callable[[Database], Coroutine[Any, Any, T]]) -> tuple[T, dict[str, T]]:
    """What `work` comes to on everybody's tables, and then on each tenant's, by the tenants' names."""
    from alt.storage.postgres import tenants

    async def run(database: Database) -> tuple[T, dict[str, T]]:
        return await work(database), await tenants.on_each(database, work)

    return run_on_database(dsn, run)
