"""The data directory a command works on, whether a server runs on it or not."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import click

from alt.config import default_data_dir

from ..settings import BY_NAME, configured
from .encryption_key import encryption_key_option, unlock

if TYPE_CHECKING:
    from alt.operations.context import Context
    from alt.storage.sqlite.store import Store
    from alt.storage.sqlite.table import Table

Command = TypeVar("Command", bound=Callable[..., Any])


def data_dir_option(command: Command) -> Command:
    """`--data-dir`: a Path, or None for the platform's own place; and whose key that has, which `secret` gives."""
    setting = BY_NAME["data-dir"]
    return encryption_key_option(
        click.option(
            setting.flag,
            envvar=setting.variable,
            type=setting.kind,
            default=lambda: configured(setting.name),
            show_default=str(default_data_dir()),
            help="Where the data is kept.",
        )(command)
    )


def directory_of(data_dir: Path | None, *, disregard_key_of_plain: bool = False) -> Path:
    """The data directory, which must be there already, with its databases unlocked."""
    from alt.storage.sqlite.data_directory import (
        CATALOG_FILE,
        LostCatalogError,
        UnusableDataError,
        refuse_foreign,
    )

    directory = (data_dir or default_data_dir()).absolute()
    try:
        refuse_foreign(directory)
    except LostCatalogError as lost:
        raise click.ClickException(str(lost)) from None
    except UnusableDataError as error:
        if (directory / CATALOG_FILE).exists():
            raise click.ClickException(str(error)) from None
    if not (directory / CATALOG_FILE).exists():
        raise click.ClickException(
            f"no data in {directory}: `alt start` makes it, and --data-dir names another directory"
        )
    unlock(directory, disregard_of_plain=disregard_key_of_plain)
    return directory


class Opened(NamedTuple):
    """A data directory: its files, and what the operations of the API are given."""

    store: Store
    context: Context

    def table(self, name: str) -> Table:
        """Raises ResourceNotFoundException where there is none of this name."""
        from alt.errors import resource_not_found

        found = self.store.table(name)
        if found is None:
            raise resource_not_found()
        return found


@contextmanager
def opened(data_dir: Path | None) -> Iterator[Opened]:
    """The context over a data directory that is there already."""
    import time
    import uuid

    from alt import descriptors
    from alt.operations.context import Context
    from alt.storage.sqlite.data_directory import UnusableDataError, using
    from alt.storage.sqlite.store import Store

    directory = directory_of(data_dir)
    try:
        with using(directory):
            store = Store(directory, max_open_tables=descriptors.budget().tables)
    except (UnusableDataError, OSError) as error:
        raise click.ClickException(str(error)) from None
    try:
        with using(directory):
            yield Opened(store, Context(store, time.time, lambda: str(uuid.uuid4())))
    except UnusableDataError as error:
        raise click.ClickException(str(error)) from None
    finally:
        asyncio.run(store.close())


@contextmanager
def opened_whole(data_dir: Path | None) -> Iterator[Opened]:
    """The same for commands that copy tables: none of them lacks what a crash left to be finished.

    Where no server runs, none starts meanwhile. Errors are said in one line.
    """
    import logging

    import apsw

    from alt.errors import ApiError
    from alt.storage.sqlite.data_directory import AlreadyServedError, ServerLock

    logging.getLogger("alt").addHandler(logging.NullHandler())  # the command says it itself
    try:
        lock = ServerLock(directory_of(data_dir))
    except AlreadyServedError:
        lock = None
    try:
        with opened(data_dir) as data:
            if lock is not None:
                data.store.finish_transactions()
            yield data
    except ApiError as error:
        raise click.ClickException(error.message or error.type) from None
    except (apsw.Error, OSError) as error:
        raise click.ClickException(str(error)) from None
    finally:
        if lock is not None:
            lock.release()


def confirm(question: str) -> None:
    """Go on only if the user says yes."""
    if not sys.stdin.isatty():
        raise click.UsageError("nobody to ask: --yes removes without asking.")
    click.confirm(question, abort=True, err=True)
