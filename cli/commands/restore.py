"""`alt restore`: a table as it was at a moment, under a new name."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..asking.data_directory import data_dir_option, opened_whole
from ..terminal import output
from ..terminal.moments import parse_moment, show_moment
from ..terminal.progress import Report, progress_bar

if TYPE_CHECKING:
    from alt.storage.model.definition import TableDefinition
    from alt.validation.requests import RestoreTableToPointInTimeInput

    from ..asking.data_directory import Opened


@click.command()
@click.argument("table")
@click.option(
    "--at", "moment", required=True, help='"10 minutes ago", 2026-11-24T12:00:00Z, or epoch seconds.'
)
@click.option("--as", "name", help="The new table's name. [default: TABLE-restored]")
@output.json_option("DescribeTable")
@data_dir_option
def restore(table: str, moment: str, name: str | None, as_json: bool, data_dir: Path | None) -> None:
    """Restore TABLE as it was at a moment into a new table, whether a server runs or not.

    Its point-in-time recovery must have been on since then (UpdateContinuousBackups).

    \b
    Example: alt restore Music --at "10 minutes ago" --as Music-before
    """
    from alt.operations.arns import DEFAULT_PLACE
    from alt.operations.tables.description import describe

    target = name or f"{table}-restored"
    with opened_whole(data_dir) as data:
        at = parse_moment(moment, data.context.clock())
        definition = _wanted(data, table, target, at)
        with progress_bar() as report:
            asyncio.run(make(data, definition, report))
        restored = data.table(target)
        described = describe(
            restored.definition,
            DEFAULT_PLACE,
            data.context.clock(),
            restored.counts(),
            is_encrypted=data.store.is_encrypted,
        )
    if as_json:
        output.json(described)
    else:
        items = output.items_of(described)
        click.echo(f"Restored {table} as of {show_moment(at)} as {target}: {items}.")


def _wanted(data: Opened, table: str, target: str, at: float) -> TableDefinition:
    """The definition of the table to make, or the reason why not in a line."""
    from alt import validation
    from alt.errors import ApiError
    from alt.operations.backups.recovery import definition_from_past
    from alt.operations.caller import Caller
    from alt.storage.engine import settled
    from alt.storage.model.changes import earliest
    from alt.storage.sqlite.data_directory import using

    request: RestoreTableToPointInTimeInput = {
        "SourceTableName": table,
        "TargetTableName": target,
        "RestoreDateTime": at,
    }
    check = validation.checker("dynamodb", "RestoreTableToPointInTime")
    assert check is not None
    try:
        check(request)
        with using(f"table {table}"):
            return asyncio.run(settled(definition_from_past(data.context, request, Caller(None))))
    except ApiError as error:
        if error.type == "TableNotFoundException":
            raise click.ClickException(f"no table {table}: `alt tables ls` lists those there are") from None
        if error.type == "TableAlreadyExistsException":
            raise click.ClickException(f"there is a table {target}: --as gives another name") from None
        if error.type == "PointInTimeRecoveryUnavailableException":
            raise click.ClickException(
                f"point-in-time recovery of {table} is off: UpdateContinuousBackups turns it on, for what follows"
            ) from None
        if error.type == "InvalidRestoreTimeException":
            definition = data.store.definition(table)
            since = None if definition is None else earliest(definition.recovery, data.context.clock())
            window = "" if since is None else f" from {show_moment(since)} up to now"
            raise click.ClickException(
                f"{table} can be restored to a moment{window}, and not to {show_moment(at)}"
            ) from None
        raise click.ClickException(error.message or error.type) from None


async def make(data: Opened, definition: TableDefinition, report: Report) -> None:
    """Make the table that a restore asks for."""
    from alt.errors import ApiError
    from alt.operations.backups.restore_table import check_quotas

    check_quotas(data.context)
    name = definition.name
    try:
        await data.store.restores.make(
            definition, lambda done, total: report(f"Restoring {name}", done, total)
        )
    except ApiError:
        raise
    except Exception as fault:
        raise click.ClickException(f"{name} was not restored: {fault}") from None
