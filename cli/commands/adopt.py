"""`alt tables adopt`: take in files of tables and backups that the catalog does not list."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from alt.config import default_data_dir

from ..asking.data_directory import data_dir_option
from ..asking.encryption_key import unlock
from ..terminal import output
from ..terminal.progress import progress_bar

if TYPE_CHECKING:
    from alt.storage.sqlite.copies.adoption import Adopted

HEADINGS = ("File", "Kind", "Name", "State")


@click.command()
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@click.option("--as", "name", help="What the table is called from now on; with one FILE.")
@data_dir_option
@output.json_option()
def adopt(files: tuple[Path, ...], name: str | None, data_dir: Path | None, as_json: bool) -> None:
    """Take in files of tables and backups that the catalog does not list: all there are, or FILES.

    For when catalog.db was lost, damaged, or put back from an older copy: each file carries
    the definition of its table. No server may run meanwhile. Exit status 1 if any file stays out.

    \b
    Example: alt tables adopt --data-dir /srv/alt
    """
    import uuid

    import apsw

    from alt.storage.sqlite.copies import adoption
    from alt.storage.sqlite.data_directory import (
        AlreadyServedError,
        ServerLock,
        UnusableDataError,
        is_encrypted,
        refuse_links,
        refuse_lost_key,
    )

    directory = (data_dir or default_data_dir()).absolute()
    if name is not None and len(files) != 1:
        raise click.UsageError("--as names one table: give its FILE.")
    if not directory.is_dir():
        raise click.ClickException(f"no data in {directory}: --data-dir names another directory")
    unlock(directory)
    try:
        refuse_links(directory)
        if not is_encrypted(directory):
            refuse_lost_key(directory)
        lock = ServerLock(directory)
    except AlreadyServedError as error:
        raise click.ClickException(f"{error}: stop that server first") from None
    except UnusableDataError as error:
        raise click.ClickException(str(error)) from None
    try:
        catalog, aside = adoption.open_catalog(directory)
        wanted = adoption.unlisted(directory, catalog)
        if files:
            wanted = _chosen(directory, files, wanted)
        with progress_bar() as report:
            taken = []
            for done, adopted in enumerate(
                adoption.adopt(catalog, wanted, name, lambda: str(uuid.uuid4())), 1
            ):
                report("Taking files in", done, len(wanted))
                taken.append(adopted)
        catalog.close()
    except (apsw.Error, UnusableDataError, OSError) as error:
        raise click.ClickException(str(error)) from None
    finally:
        lock.release()
    if aside is not None:
        click.echo(f"The damaged catalog is kept as {aside}.", err=True)
    if as_json:
        output.json(
            [
                {"file": str(each.path), "kind": each.kind, "name": each.name, "problem": each.problem}
                for each in taken
            ]
        )
    else:
        output.table(HEADINGS, [_row(directory, each) for each in taken])
    left = [each for each in taken if each.problem is not None]
    if left:
        raise click.ClickException(f"{len(left)} of {len(taken)} files were not taken in")
    if not taken and not as_json:
        click.echo("Every table's and backup's file is in the catalog.", err=True)


def _chosen(directory: Path, files: tuple[Path, ...], unlisted: list[Path]) -> list[Path]:
    """The unlisted files that were named: by their paths, or as a warning of `alt start` names them."""
    chosen = []
    for file in files:
        found = [path for path in unlisted if path in (file.absolute(), directory / file)]
        if not found:
            raise click.ClickException(f"{file} is no file of a table or a backup that the catalog lacks")
        chosen += found
    return chosen


def _row(directory: Path, adopted: Adopted) -> list[output.Cell]:
    return [
        output.Cell(adopted.path.relative_to(directory).as_posix()),
        output.Cell(adopted.kind),
        output.Cell(adopted.name or ""),
        output.Cell(adopted.problem or "taken in"),
    ]
