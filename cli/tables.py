"""`alt tables`: look at the tables of a data directory, and remove them."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import click

from . import output
from .adopt import adopt
from .check import check
from .data import confirm, data_dir_option, opened

if TYPE_CHECKING:
    from alt.storage.model.definition import TableDefinition

    from .data import Opened

json_option = output.json_option("DescribeTable")


@click.group()
def tables() -> None:
    """Look at, check and remove tables, whether a server runs or not."""


@tables.command()
@data_dir_option
@json_option
def ls(data_dir: Path | None, as_json: bool) -> None:
    """List the tables with their items, sizes and status.

    On a terminal as a table; in a pipe one line a table, tab-separated: name, items,
    bytes, time of creation, billing mode, status.
    """
    with opened(data_dir) as data:
        problems: list[str] = []
        descriptions = [_describe(data, definition, problems) for definition in data.store.definitions()]
    if as_json:
        output.json(descriptions)
    else:
        output.table(output.LIST_HEADINGS, [output.list_row(description) for description in descriptions])
    if problems:
        raise click.ClickException("; ".join(problems))


@tables.command()
@click.argument("name")
@data_dir_option
@json_option
def show(name: str, data_dir: Path | None, as_json: bool) -> None:
    """Show one table: its keys, indexes, settings and tags."""
    with opened(data_dir) as data:
        from alt.operations.tables import tags, time_to_live

        problems: list[str] = []
        definition = _definition(data, name)
        description = _describe(data, definition, problems) | {
            "Tags": tags.tags_of(definition),
            "TimeToLiveDescription": time_to_live.description(definition),
        }
    if problems:
        raise click.ClickException("; ".join(problems))
    if as_json:
        output.json(description)
    else:
        output.table((), output.show_rows(description))


@tables.command()
@click.argument("name")
@click.option("--yes", is_flag=True, help="Remove without asking.")
@data_dir_option
@json_option
def rm(name: str, yes: bool, data_dir: Path | None, as_json: bool) -> None:
    """Remove a table and all its items."""
    with opened(data_dir) as data:
        definition = _definition(data, name)
        description = _describe(data, definition, [])
        if definition.restore is not None:
            raise click.ClickException(f"{name} is being restored; a server that starts finishes it")
        if description["DeletionProtectionEnabled"]:
            raise click.ClickException(f"{name} is protected against deletion; UpdateTable turns that off")
        if not yes:
            confirm(f"Remove {name} and its {output.count(description)} items?")
        asyncio.run(_remove(data, definition))
    if as_json:
        output.json(description)
    else:
        click.echo(f"Removed {name}.")


tables.add_command(adopt)
tables.add_command(check)


def _definition(data: Opened, name: str) -> TableDefinition:
    definition = data.store.definition(name)
    if definition is None:
        raise click.ClickException(f"no table {name}: `alt tables ls` lists those there are")
    return definition


def _describe(data: Opened, definition: TableDefinition, problems: list[str]) -> output.Description:
    """The table's description. Where its file cannot be read, without counts, and `problems` says why."""
    from alt.config import DEFAULT_REGION
    from alt.operations.tables.description import as_restoring, describe
    from alt.storage.sqlite.data_directory import UnusableDataError, using

    now = data.context.clock()
    if definition.restore is not None:
        return as_restoring(definition, DEFAULT_REGION, now)
    try:
        with using(f"table {definition.name}"):
            counts = data.table(definition.name).counts()
    except UnusableDataError as error:
        problems.append(str(error))
        description = describe(definition, DEFAULT_REGION, now, status="UNREADABLE")
        del description["ItemCount"], description["TableSizeBytes"]
        return description
    return describe(definition, DEFAULT_REGION, now, counts)


async def _remove(data: Opened, definition: TableDefinition) -> None:
    await data.store.remove(definition)
