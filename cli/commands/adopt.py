"""`alt tables adopt`: take in files of tables and backups that the catalog does not list."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
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
    directory = (data_dir or default_data_dir()).absolute()
    if name is not None and len(files) != 1:
        raise click.UsageError("--as names one table: give its FILE.")
    if not directory.is_dir():
        raise click.ClickException(f"no data in {directory}: --data-dir names another directory")
    unlock(directory)
    with _held(directory):
        taken, aside = _take_in(directory, files, name)
    if aside is not None:
        click.echo(f"The damaged catalog is kept as {aside}.", err=True)
    _show(directory, taken, as_json=as_json)
    left = [each for each in taken if each.problem is not None]
    if left:
        raise click.ClickException(f"{len(left)} of {len(taken)} files were not taken in")
    if not taken and not as_json:
        click.echo("Every table's and backup's file is in the catalog.", err=True)


@contextmanager
def _held(directory: Path) -> Iterator[None]:
    """No server begins on the directory meanwhile."""
    from alt.storage.sqlite.data_directory import (
        AlreadyServedError,
        ServerLock,
        UnusableDataError,
        is_encrypted,
        refuse_links,
        refuse_lost_key,
    )

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
        yield
    finally:
        lock.release()


def _take_in(directory: Path, files: tuple[Path, ...], name: str | None) -> tuple[list[Adopted], Path | None]:
    """What became of each file, and where a damaged catalog is kept."""
    import uuid

    import apsw

    from alt.storage.sqlite.copies import adoption
    from alt.storage.sqlite.data_directory import UnusableDataError

    try:
        catalog, aside = adoption.open_catalog(directory)
        wanted = adoption.unlisted(directory, catalog)
        if files:
            wanted = _chosen(directory, files, wanted)
        taken = []
        with progress_bar() as report:
            for adopted in adoption.adopt(catalog, wanted, name, lambda: str(uuid.uuid4())):
                taken.append(adopted)
                report("Taking files in", len(taken), len(wanted))
        catalog.close()
    except (apsw.Error, UnusableDataError, OSError) as error:
        raise click.ClickException(str(error)) from None
    return taken, aside


def _show(directory: Path, taken: list[Adopted], *, as_json: bool) -> None:
    if not as_json:
        output.table(HEADINGS, [_row(directory, each) for each in taken])
        return
    output.json(
        [
            {"file": str(each.path), "kind": each.kind, "name": each.name, "problem": each.problem}
            for each in taken
        ]
    )


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
