"""What may be wrong with an installation and with a data directory, and how to mend it. Nothing is changed."""

from __future__ import annotations

import importlib
import os
import platform
import shutil
import sys
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

if TYPE_CHECKING:
    from .asking.data_directory import Opened


class State(Enum):
    OK = "ok"
    WARNING = "warning"
    WRONG = "wrong"


class Finding(NamedTuple):
    """What was looked at, how it is, and if it is not well what to do."""

    subject: str
    state: State
    what: str
    mend: str = ""


# What Alt cannot be without, by the names they are imported by.
REQUIRED = ("apsw", "click", "httptools", "rich", "ujson", "zlib_ng")
# The extras of pyproject.toml: what each is imported by, and what it is for.
EXTRAS = {
    "tls": ("cryptography", "`alt tls init`"),
    "sql": ("prompt_toolkit", "the prompt of `alt sql`"),
    "ion": ("amazon.ion.simpleion", "exports in Amazon Ion"),
}
# With fewer a server works, and closes tables and turns connections away more often.
FEW_DESCRIPTORS = 1_024
LOW_DISK_BYTES = 1_000_000_000
FULL_DISK_BYTES = 50_000_000
SHOWN_FILES = 5


def of_installation() -> Iterator[Finding]:
    """Python, SQLite, packages, and what the system grants."""
    from alt import __version__

    yield Finding("alt", State.OK, f"{__version__} in {Path(__file__).parent.parent}")
    yield Finding("Python", State.OK, f"{platform.python_version()} on {platform.platform(terse=True)}")
    missing = [name for name in REQUIRED if not _is_there(name)]
    if missing:
        mend = "pip install --force-reinstall alt-dynamodb"
        yield Finding("packages", State.WRONG, f"{', '.join(missing)} cannot be imported", mend)
        return
    import apsw

    yield Finding("SQLite", State.OK, f"{apsw.sqlite_lib_version()}, by apsw {apsw.apsw_version()}")
    for extra, (name, use) in EXTRAS.items():
        what = (
            "installed" if _is_there(name) else f"not installed; {use}: pip install 'alt-dynamodb[{extra}]'"
        )
        yield Finding(f"extra {extra}", State.OK, what)
    if sys.platform != "win32":
        yield _descriptors()


def _is_there(name: str) -> bool:
    try:
        importlib.import_module(name)
    except ImportError:
        return False
    return True


def _descriptors() -> Finding:
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < FEW_DESCRIPTORS:
        mend = "let the system grant more: `ulimit -n`, or LimitNOFILE= of a systemd unit"
        return Finding("file descriptors", State.WARNING, f"no more than {hard:,}", mend)
    said = "any number" if hard == resource.RLIM_INFINITY else f"{hard:,}"
    return Finding("file descriptors", State.OK, said)


def of_directory(directory: Path, data_dir: Path | None) -> Iterator[Finding]:
    """A data directory: who may use it, what holds it, and whether its files are those that the catalog lists."""
    if not directory.exists():
        yield Finding("directory", State.OK, f"{directory} is not there yet: `alt start` makes it")
        return
    if (problem := _inaccessible(directory)) is not None:
        yield problem
        return
    yield _privacy(directory)
    yield _space(directory)
    yield from _lock(directory)
    yield from _contents(directory, data_dir)


def _inaccessible(directory: Path) -> Finding | None:
    if not os.access(directory, os.R_OK | os.W_OK | os.X_OK):
        mend = (
            f"run alt as the user whose it is, or give it to yours: `chown -R` and `chmod u+rwx {directory}`"
        )
        return Finding("directory", State.WRONG, f"{directory} cannot be read and written by this user", mend)
    return None


def _privacy(directory: Path) -> Finding:
    from alt.storage.sqlite.data_directory import is_open_to_others

    if is_open_to_others(directory):
        what = f"other users of this machine can look into {directory}"
        return Finding("directory", State.WARNING, what, f"chmod 700 {directory}")
    return Finding("directory", State.OK, str(directory))


def _space(directory: Path) -> Finding:
    from .terminal.output import figure

    free = shutil.disk_usage(directory).free
    what = f"{figure('bytes', free)} are free"
    mend = "make room, or move the directory to a larger disk"
    if free < FULL_DISK_BYTES:
        return Finding("disk", State.WRONG, what, mend)
    return (
        Finding("disk", State.WARNING, what, mend)
        if free < LOW_DISK_BYTES
        else Finding("disk", State.OK, what)
    )


def _lock(directory: Path) -> Iterator[Finding]:
    from alt.storage.sqlite.data_directory import UnusableDataError, is_held, published

    try:
        held = is_held(directory)
    except UnusableDataError as error:
        yield Finding("lock", State.WRONG, str(error), "with no server running, remove the file")
        return
    said = published(directory)
    if not held:
        yield Finding(
            "server", State.OK, "none runs" if said is None else "none runs; the last one was killed"
        )
    elif said is None:
        yield Finding(
            "server", State.OK, "the directory is held by a command, or by a server that is starting"
        )
    else:
        yield _answer(
            f"{said.address}, process {said.pid}, version {said.version}", said.address, said.pid, directory
        )


def _answer(what: str, address: str, pid: int, directory: Path) -> Finding:
    from .asking.client import UnreachableError
    from .asking.finding import Place, client_of
    from .commands.running import ANSWER_SECONDS

    client = client_of(Place(address, directory), address, ANSWER_SECONDS)
    try:
        if client.health() is not None:
            return Finding("server", State.OK, what)
        problem = "answers as no server of Alt's that is well"
    except UnreachableError as error:
        problem = error.message
    finally:
        client.close()
    return Finding(
        "server",
        State.WRONG,
        f"{what}: {problem}",
        f"stop it with `alt stop`, or `kill -9 {pid}`, which loses nothing",
    )


def _contents(directory: Path, data_dir: Path | None) -> Iterator[Finding]:
    from alt.storage.sqlite.data_directory import (
        CATALOG_FILE,
        LostCatalogError,
        UnusableDataError,
        refuse_foreign,
    )

    from .asking.data_directory import opened

    try:
        refuse_foreign(directory)
    except LostCatalogError as lost:
        yield Finding("catalog", State.WRONG, str(lost), "alt tables adopt")
        return
    except UnusableDataError as error:
        yield Finding("catalog", State.WRONG, str(error))
        return
    if not (directory / CATALOG_FILE).exists():
        yield Finding("catalog", State.OK, "none yet: `alt start` makes it")
        return
    try:
        with opened(data_dir) as data:
            yield from _tables(data, directory)
            yield from _strangers(data, directory)
    except click.ClickException as error:
        yield Finding("catalog", State.WRONG, error.message)
    yield from _secret(directory)


def _tables(data: Opened, directory: Path) -> Iterator[Finding]:
    """Whether each table's file is there and can be opened. What is in it `alt tables check` looks at."""
    from alt.storage.sqlite.data_directory import UnusableDataError, using

    from .terminal.output import counted

    count = 0
    for definition in data.store.definitions():
        count += 1
        subject = f"table {definition.name}"
        if definition.restore is not None:
            continue
        path = data.store.file(definition)
        if not path.exists():
            what = f"{path.relative_to(directory)} is missing"
            mend = f"put it back, restore a backup, or give it up: `alt tables rm {definition.name}`"
            yield Finding(subject, State.WRONG, what, mend)
            continue
        try:
            with using(subject):
                data.table(definition.name).counts()
        except UnusableDataError as error:
            yield Finding(subject, State.WRONG, str(error), f"alt tables check {definition.name}")
    yield Finding("catalog", State.OK, counted(count, "table"))


def _strangers(data: Opened, directory: Path) -> Iterator[Finding]:
    from alt.storage.sqlite.database_files import unknown

    found = [
        path.relative_to(directory).as_posix() for path in unknown(directory, data.store.catalog.paths())
    ]
    if found:
        more = f" and {len(found) - SHOWN_FILES} more" if len(found) > SHOWN_FILES else ""
        what = f"no table and no backup owns {', '.join(found[:SHOWN_FILES])}{more}"
        mend = (
            "with the server stopped, `alt tables adopt` takes in what is a table's; remove what is not yours"
        )
        yield Finding("files", State.WARNING, what, mend)


def _secret(directory: Path) -> Iterator[Finding]:
    """Access keys are worth nothing without the file that their secrets are made with."""
    from alt.storage.sqlite.data_directory import KEYS_FILE, MASTER_KEY_FILE

    if (directory / KEYS_FILE).exists() and not (directory / MASTER_KEY_FILE).exists():
        mend = f"put {MASTER_KEY_FILE} back, or give each key a new secret: `alt keys rotate`"
        yield Finding(
            "access keys", State.WRONG, f"{MASTER_KEY_FILE} is missing, so no secret is known", mend
        )
