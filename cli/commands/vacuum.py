"""`alt tables vacuum`: make tables' files as small as what they hold."""

from __future__ import annotations

from pathlib import Path

import click

from ..asking.data_directory import data_dir_option, directory_of, opened
from ..terminal import output
from ..terminal.progress import progress_bar

HEADINGS = ("Table", "Before", "After")


@click.command()
@click.argument("name", required=False)
@data_dir_option
@output.json_option()
def vacuum(name: str | None, data_dir: Path | None, as_json: bool) -> None:
    """Give the space that deleted items left in a table's file, or in all, back to the system.

    With the server stopped. A file needs its own size again while that lasts. In a pipe one line a table,
    tab-separated: name, bytes before, bytes after.

    \b
    Example: alt tables vacuum Music
    """
    from alt.storage.sqlite.data_directory import AlreadyServedError, ServerLock, UnusableDataError
    from alt.storage.sqlite.maintenance.vacuum import vacuum as shrink

    sizes: dict[str, tuple[int, int]] = {}
    try:
        lock = ServerLock(directory_of(data_dir))
    except AlreadyServedError as served:
        raise click.ClickException(f"{served}: `alt stop` stops it") from None
    try:
        with opened(data_dir) as data, progress_bar() as report:
            listed = [each for each in data.store.definitions() if name in (None, each.name)]
            definitions = [each for each in listed if each.restore is None]  # others have no file yet
            if name is not None and not listed:
                raise click.ClickException(f"no table {name}: `alt tables ls` lists those there are")
            for done, definition in enumerate(definitions):
                report(f"Vacuuming {definition.name}", done, len(definitions))
                sizes[definition.name] = shrink(data.store, definition)
    except UnusableDataError as error:
        raise click.ClickException(str(error)) from None
    finally:
        lock.release()
    if as_json:
        said = [
            {"table": table, "before": before, "after": after} for table, (before, after) in sizes.items()
        ]
        output.json(said)
    else:
        rows = ([output.Cell(table), *map(output.size_cell, both)] for table, both in sizes.items())
        output.table(HEADINGS, rows)
