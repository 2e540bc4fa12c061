"""`alt backup`: take, list, restore and remove backups of tables."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..asking.data_directory import confirm, data_dir_option, opened, opened_whole
from ..terminal import output
from ..terminal.progress import Report, progress_bar
from .restore import make

if TYPE_CHECKING:
    from alt.storage.model.definition import Backup
    from alt.validation.requests import RestoreTableFromBackupInput

    from ..asking.data_directory import Opened

json_option = output.json_option("ListBackups")

_NAME = re.compile(r"[a-zA-Z0-9_.-]{3,255}")


@click.group()
def backup() -> None:
    """Take, list, restore and remove backups of tables, whether a server runs or not."""


@backup.command()
@click.argument("table")
@click.option("--name", help="What to call the backup. [default: the table's name and the time]")
@data_dir_option
@json_option
def create(table: str, name: str | None, data_dir: Path | None, as_json: bool) -> None:
    """Take a backup of a table as it is now.

    Writes go on meanwhile. The backup is kept under backups/ in the data directory and
    outlives its table.

    \b
    Example: alt backup create Music --name before-migration
    """
    name = _checked(name or f"{table}-{datetime.now(UTC):%Y-%m-%dT%H.%M.%S}"[-255:], "backup")
    with opened_whole(data_dir) as data, progress_bar() as report:
        taken = asyncio.run(_take(data, table, name, report))
    if as_json:
        output.json(_summary(taken))
    else:
        click.echo(f"Backup {taken.id} of {table}, called {taken.name}.")


@backup.command()
@click.argument("table", required=False)
@data_dir_option
@json_option
def ls(table: str | None, data_dir: Path | None, as_json: bool) -> None:
    """List the backups, of one table or of all.

    In a pipe one line a backup, tab-separated: id, name, table, bytes, time, status.

    \b
    Example: alt backup ls Music
    """
    with opened(data_dir) as data:
        found = [_summary(each) for each in data.store.backups.all() if table in (None, each.table.name)]
    if as_json:
        output.json(found)
    else:
        output.table(output.BACKUP_HEADINGS, map(output.backup_row, found))


@backup.command()
@click.argument("backup")
@click.option("--as", "name", required=True, metavar="TABLE", help="The new table's name.")
@data_dir_option
@output.json_option("DescribeTable")
def restore(backup: str, name: str, data_dir: Path | None, as_json: bool) -> None:
    """Make a new table from a backup: its id, its ARN, or its name if no other has that.

    \b
    Example: alt backup restore before-migration --as Music-before
    """
    _checked(name, "table")
    with opened_whole(data_dir) as data:
        with progress_bar() as report:
            asyncio.run(_restore(data, _existing(data, backup), name, report))
        description = _describe(data, name)
    if as_json:
        output.json(description)
    else:
        click.echo(f"Restored {name}: {output.items_of(description)}.")


@backup.command()
@click.argument("backup")
@click.option("--yes", is_flag=True, help="Remove without asking.")
@data_dir_option
@json_option
def rm(backup: str, yes: bool, data_dir: Path | None, as_json: bool) -> None:
    """Remove a backup: its id, its ARN, or its name if no other has that.

    \b
    Example: alt backup rm before-migration --yes
    """
    with opened_whole(data_dir) as data:
        from alt.operations.backups.backups import check_unused

        found = _existing(data, backup)
        check_unused(data.context, found, found.id)
        if not yes:
            confirm(f"Remove backup {found.name} of {found.table.name}?")
        data.store.backups.remove(found)
    if as_json:
        output.json(_summary(found))
    else:
        click.echo(f"Removed backup {found.id}.")


async def _take(data: Opened, table: str, name: str, report: Report) -> Backup:
    from alt.operations.backups.backups import begin_backup
    from alt.storage.engine import settled

    taken, copying = await settled(
        begin_backup(
            data.context, table, name, lambda done, total: report(f"Backing up {table}", done, total)
        )
    )
    await copying
    found = data.store.backups.get(taken.id)
    if found is None:
        raise click.ClickException("the backup was given up: a server started meanwhile. Try again")
    return found


async def _restore(data: Opened, backup: Backup, name: str, report: Report) -> None:
    from alt.operations.arns import DEFAULT_PLACE
    from alt.operations.backups.backups import backup_arn
    from alt.operations.backups.restore_table import definition_from_backup
    from alt.operations.caller import Caller
    from alt.storage.engine import settled

    request: RestoreTableFromBackupInput = {
        "BackupArn": backup_arn(backup, DEFAULT_PLACE),
        "TargetTableName": name,
    }
    await make(data, await settled(definition_from_backup(data.context, request, Caller(None))), report)


def _existing(data: Opened, backup: str) -> Backup:
    found = [
        each
        for each in data.store.backups.all()
        if backup.rpartition("/")[2] == each.id or backup == each.name
    ]
    if not found:
        raise click.ClickException(f"no backup {backup}: `alt backup ls` lists those there are")
    if len(found) > 1:
        raise click.ClickException(
            f"{len(found)} backups are called {backup}: `alt backup ls` shows their ids"
        )
    return found[0]


def _summary(backup: Backup) -> dict[str, Any]:
    from alt.operations.arns import DEFAULT_PLACE
    from alt.operations.backups.backups import summary

    return summary(backup, DEFAULT_PLACE)


def _describe(data: Opened, name: str) -> output.Description:
    from alt.operations.arns import DEFAULT_PLACE
    from alt.operations.tables.description import describe

    table = data.table(name)
    return describe(
        table.definition,
        DEFAULT_PLACE,
        data.context.clock(),
        table.counts(),
        is_encrypted=data.store.is_encrypted,
    )


def _checked(name: str, kind: str) -> str:
    if _NAME.fullmatch(name) is None:
        raise click.UsageError(
            f"{name!r} is no name for a {kind}: 3 to 255 letters, digits, dots, dashes, underscores"
        )
    return name
