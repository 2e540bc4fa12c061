"""`alt tables`: look at tables, and make, change and remove them.

Those of a data directory are looked at and removed in its files, damaged ones, too; those of a server that is named,
by asking it.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..asking.answering import asked_plainly
from ..asking.data_directory import confirm, opened
from ..asking.finding import place_option
from ..asking.listing import describe_table, full_description, table_names
from ..terminal import output
from ..transfer.definitions import wait_until_gone
from .adopt import adopt
from .check import check
from .table_changes import copy_table, create, truncate
from .vacuum import vacuum

if TYPE_CHECKING:
    from alt.storage.model.definition import TableDefinition

    from ..asking.data_directory import Opened
    from ..asking.finding import Place

json_option = output.json_option("DescribeTable")


@click.group()
def tables() -> None:
    """Make, look at, check and remove tables, whether a server runs or not."""


@tables.command()
@place_option
@json_option
def ls(place: Place, as_json: bool) -> None:
    """List the tables with their items, sizes and status.

    On a terminal as a table; in a pipe one line a table, tab-separated: name, items,
    bytes, time of creation, billing mode, status.

    \b
    Example: alt tables ls --json
    """
    problems: list[str] = []
    if place.url is not None:
        with asked_plainly(place) as ask:
            descriptions = [describe_table(ask, name) for name in table_names(ask)]
    else:
        with opened(place.data_dir) as data:
            descriptions = [_describe(data, definition, problems) for definition in data.store.definitions()]
    if as_json:
        output.json(descriptions)
    else:
        output.table(output.LIST_HEADINGS, [output.list_row(description) for description in descriptions])
    if problems:
        raise click.ClickException("; ".join(problems))


@tables.command()
@click.argument("name")
@place_option
@json_option
def show(name: str, place: Place, as_json: bool) -> None:
    """Show one table: its keys, indexes, settings and tags.

    \b
    Example: alt tables show Music
    """
    if place.url is not None:
        with asked_plainly(place) as ask:
            description = full_description(ask, describe_table(ask, name))
    else:
        description = _stored_description(place.data_dir, name)
    if as_json:
        output.json(description)
    else:
        output.table((), output.show_rows(description))


@tables.command()
@click.argument("name")
@click.option("--yes", is_flag=True, help="Remove without asking.")
@place_option
@json_option
def rm(name: str, yes: bool, place: Place, as_json: bool) -> None:
    """Remove a table and all its items.

    \b
    Example: alt tables rm Music --yes
    """
    description = _remove_asked(place, name, yes) if place.url else _remove_stored(place.data_dir, name, yes)
    if as_json:
        output.json(description)
    else:
        click.echo(f"Removed {name}.")


tables.add_command(adopt)
tables.add_command(check)
tables.add_command(copy_table)
tables.add_command(create)
tables.add_command(truncate)
tables.add_command(vacuum)


def _stored_description(data_dir: Path | None, name: str) -> output.Description:
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
    return description


def _remove_asked(place: Place, name: str, yes: bool) -> output.Description:
    """Answers what was removed, once it is."""
    with asked_plainly(place) as ask:
        description = describe_table(ask, name)
        _ask_first(description, yes)
        ask("DeleteTable", {"TableName": name})
        wait_until_gone(ask, name)
    return description


def _remove_stored(data_dir: Path | None, name: str, yes: bool) -> output.Description:
    with opened(data_dir) as data:
        definition = _definition(data, name)
        problems: list[str] = []
        description = _describe(data, definition, problems)
        if definition.restore is not None:
            raise click.ClickException(f"{name} is being restored; a server that starts finishes it")
        _ask_first(description, yes)
        asyncio.run(_remove(data, definition, problems))
    return description


def _ask_first(description: output.Description, yes: bool) -> None:
    name = description["TableName"]
    if description.get("DeletionProtectionEnabled"):
        raise click.ClickException(f"{name} is protected against deletion; UpdateTable turns that off")
    if not yes:
        confirm(f"Remove {name} with {output.items_of(description)}?")


def _definition(data: Opened, name: str) -> TableDefinition:
    definition = data.store.definition(name)
    if definition is None:
        raise click.ClickException(f"no table {name}: `alt tables ls` lists those there are")
    return definition


def _describe(data: Opened, definition: TableDefinition, problems: list[str]) -> output.Description:
    """The table's description. Where its file cannot be read, without counts, and `problems` says why."""
    from alt.operations.arns import DEFAULT_PLACE
    from alt.operations.tables.description import as_restoring, describe
    from alt.storage.sqlite.data_directory import UnusableDataError, using

    now, encrypted = data.context.clock(), data.store.is_encrypted
    if definition.restore is not None:
        return as_restoring(definition, DEFAULT_PLACE, now, is_encrypted=encrypted)
    try:
        with using(f"table {definition.name}"):
            counts = data.table(definition.name).counts()
    except UnusableDataError as error:
        problems.append(str(error))
        description = describe(definition, DEFAULT_PLACE, now, status="UNREADABLE", is_encrypted=encrypted)
        del description["ItemCount"], description["TableSizeBytes"]
        return description
    return describe(definition, DEFAULT_PLACE, now, counts, is_encrypted=encrypted)


async def _remove(data: Opened, definition: TableDefinition, problems: list[str]) -> None:
    """What cannot be read leaves nothing."""
    from alt.operations.tables.deletion import remove_table
    from alt.storage.engine import settled

    if problems:
        await data.store.remove(definition)
    else:
        counts = data.table(definition.name).counts()
        await settled(remove_table(data.context, definition, counts))
