"""`alt engine`: the database behind `alt start --engine`."""

from __future__ import annotations

import click

from alt.config import without_password

from ..asking.database import database_option, run_on_database
from ..terminal import output


@click.group()
def engine() -> None:
    """The database behind `alt start --engine`."""


@engine.command()
@database_option(required=True)
@output.json_option()
def init(engine: str, as_json: bool) -> None:
    """Make Alt's tables in a database, unless they are there.

    Example: alt engine init --engine postgresql://alt@db.example/alt
    """
    from alt.storage.postgres import schema

    is_made = run_on_database(engine, schema.init)
    if as_json:
        output.json({"Made": is_made, "Format": schema.FORMAT})
    else:
        said = "has Alt's tables now" if is_made else "has Alt's tables already"
        click.echo(f"{without_password(engine)} {said}, of format {schema.FORMAT}")


@engine.command()
@database_option(required=True)
@output.json_option()
def check(engine: str, as_json: bool) -> None:
    """Tell whether this version of Alt can serve a database; the exit status is 1 where it cannot.

    Example: alt engine check --engine postgresql://alt@db.example/alt
    """
    from alt.storage.postgres import schema

    run_on_database(engine, schema.check)
    if as_json:
        output.json({"Usable": True, "Format": schema.FORMAT})
    else:
        click.echo(f"{without_password(engine)} can be served")


@engine.command()
@database_option(required=True)
@output.json_option()
def status(engine: str, as_json: bool) -> None:
    """Show what there is in a database.

    Example: alt engine status --engine postgresql://alt@db.example/alt
    """
    from alt.storage.postgres import schema

    found = run_on_database(engine, schema.status)
    rows = {
        "Engine": without_password(engine),
        "Server": found.server,
        "Format": found.format,
        "Tables": found.tables,
        "Items": found.items,
        "Size": found.bytes,
        "Waiting to be deleted": found.removed,
    }
    if as_json:
        output.json(rows)
        return
    for name, value in rows.items():
        click.echo(f"{name}\t{'none: `alt engine init` makes the tables' if value is None else value}")


@engine.command()
@database_option(required=True)
@output.json_option()
def migrate(engine: str, as_json: bool) -> None:
    """Bring Alt's tables in a database to the format of this version. No Alt may serve it meanwhile.

    Example: alt engine migrate --engine postgresql://alt@db.example/alt
    """
    from alt.storage.postgres import schema

    before, after = run_on_database(engine, schema.migrate)
    if as_json:
        output.json({"Before": before, "After": after})
    elif before == after:
        click.echo(f"{without_password(engine)} is of format {after} already")
    else:
        click.echo(f"{without_password(engine)} is of format {after} now; it was {before}")
