"""`alt snapshot`: save all tables under a name, and go back to that at any time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..asking.data_directory import confirm, data_dir_option, directory_of
from ..terminal import output
from ..terminal.progress import progress_bar

if TYPE_CHECKING:
    from alt.storage.sqlite.copies.snapshots import Snapshots

json_option = output.json_option()


@click.group()
def snapshot() -> None:
    """Save all tables under a name and go back to that, whether a server runs or not.

    Backups are left alone.
    """


@snapshot.command()
@click.argument("name")
@click.option("--replace", is_flag=True, help="Replace a snapshot of this name.")
@data_dir_option
@json_option
def save(name: str, replace: bool, data_dir: Path | None, as_json: bool) -> None:
    """Save all tables as they are now. Writes go on meanwhile.

    \b
    Example: alt snapshot save seed
    """
    import time

    with _snapshots(data_dir) as snapshots, progress_bar() as report:
        saved = snapshots.save(
            name, time.time(), lambda done, total: report(f"Saving {name}", done, total), replace=replace
        )
    if as_json:
        output.json(asdict(saved))
    else:
        click.echo(
            f"Saved {output.counted(saved.tables, 'table')} with {output.counted(saved.items)} as {name}."
        )


@snapshot.command()
@click.argument("name")
@data_dir_option
@json_option
def load(name: str, data_dir: Path | None, as_json: bool) -> None:
    """Make all tables what they were when NAME was saved; what came later is gone.

    A running server goes on with the loaded tables: whatever it is asked after this
    command has ended it answers from them.

    \b
    Example: alt snapshot load seed
    """
    import time
    import uuid

    with _snapshots(data_dir) as snapshots, progress_bar() as report:
        loaded = snapshots.load(
            name,
            time.time(),
            lambda: str(uuid.uuid4()),
            lambda done, total: report(f"Loading {name}", done, total),
        )
    if as_json:
        output.json(asdict(loaded))
    else:
        click.echo(
            f"Loaded {output.counted(loaded.tables, 'table')} with {output.counted(loaded.items)} from {name}."
        )


@snapshot.command()
@data_dir_option
@json_option
def ls(data_dir: Path | None, as_json: bool) -> None:
    """List the snapshots.

    In a pipe one line a snapshot, tab-separated: name, tables, items, bytes, time.

    \b
    Example: alt snapshot ls --json
    """
    with _snapshots(data_dir) as snapshots:
        found = [asdict(each) for each in snapshots.all()]
    if as_json:
        output.json(found)
    else:
        output.table(output.SNAPSHOT_HEADINGS, map(output.snapshot_row, found))


@snapshot.command()
@click.argument("name")
@click.option("--yes", is_flag=True, help="Remove without asking.")
@data_dir_option
@json_option
def rm(name: str, yes: bool, data_dir: Path | None, as_json: bool) -> None:
    """Remove a snapshot.

    \b
    Example: alt snapshot rm seed --yes
    """
    with _snapshots(data_dir) as snapshots:
        found = snapshots.get(name)
        if not yes:
            confirm(f"Remove snapshot {name}?")
        snapshots.remove(name)
    if as_json:
        output.json(asdict(found))
    else:
        click.echo(f"Removed snapshot {name}.")


@contextmanager
def _snapshots(data_dir: Path | None) -> Iterator[Snapshots]:
    """Those of a data directory; errors are said in one line."""
    import apsw

    from alt import descriptors
    from alt.storage.sqlite.copies.snapshots import SnapshotError, Snapshots
    from alt.storage.sqlite.data_directory import UnusableDataError

    directory = directory_of(data_dir)
    descriptors.raise_limit()  # all tables are read at one moment
    try:
        yield Snapshots(directory)
    except (SnapshotError, UnusableDataError) as error:
        raise click.ClickException(str(error)) from None
    except (apsw.Error, OSError) as error:
        raise click.ClickException(f"cannot use {directory}: {error}") from None
