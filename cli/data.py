"""The data directory a command works on, whether a server runs on it or not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from alt.config import default_data_dir

if TYPE_CHECKING:
    from alt.operations.engine import Engine

Command = TypeVar("Command", bound=Callable[..., Any])


def data_dir_option(command: Command) -> Command:
    """`--data-dir`: a Path, or None for the platform's own place."""
    return click.option(
        "--data-dir",
        envvar="ALT_DATA_DIR",
        type=click.Path(file_okay=False, path_type=Path),
        help=f"Where the data is kept. [default: {default_data_dir()}]",
    )(command)


@contextmanager
def opened(data_dir: Path | None) -> Iterator[Engine]:
    """The engine over a data directory that is there already."""
    import time
    import uuid

    from alt.operations.engine import Engine
    from alt.storage.data_directory import UnusableDataError, using
    from alt.storage.store import CATALOG_FILE, Store

    directory = (data_dir or default_data_dir()).absolute()
    if not (directory / CATALOG_FILE).exists():
        raise click.ClickException(
            f"no data in {directory}: `alt start` makes it, and --data-dir names another directory"
        )
    try:
        with using(directory):
            store = Store(directory)
    except (UnusableDataError, OSError) as error:
        raise click.ClickException(str(error)) from None
    try:
        yield Engine(store, time.time, lambda: str(uuid.uuid4()))
    finally:
        asyncio.run(store.close())
