"""`alt status`, `alt stop`, `alt wait`: about a server that runs, is to end, or is to come."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from alt.config import default_data_dir

from ..asking.client import UnreachableError
from ..asking.data_directory import data_dir_option
from ..asking.finding import Found, client_of, find, place_option
from ..asking.listing import table_names
from ..terminal import output

if TYPE_CHECKING:
    from ..asking.client import Client
    from ..asking.finding import Place

POLL_SECONDS = 0.05
# A server answers what it was asked, and closes its files.
STOP_SECONDS = 20.0
WAIT_SECONDS = 30.0
# A server that is well says so at once.
ANSWER_SECONDS = 2.0

Seconds = click.FloatRange(min=0)


@click.command()
@place_option
@output.json_option()
def status(place: Place, as_json: bool) -> None:
    """Say which server runs: its address, process, version, tables and time since its start.

    The exit status is 1 where none runs. In a pipe one line a value, tab-separated; what a server on another
    directory or machine does not tell is left out, and null in JSON.

    \b
    Example: alt status --json
    """
    found = _found(place)
    client = client_of(place, found.url, ANSWER_SECONDS)
    try:
        described = _described(client, found)
    finally:
        client.close()
    if as_json:
        output.json(described)
    else:
        output.table((), _rows(described))


@click.command()
@click.option(
    "--timeout",
    metavar="SECONDS",
    default=STOP_SECONDS,
    show_default=True,
    type=Seconds,
    help="How long to wait for its end; 0 does not.",
)
@data_dir_option
@output.json_option()
def stop(timeout: float, data_dir: Path | None, as_json: bool) -> None:
    """Ask the server of the data directory to end, and wait until it has.

    What it was asked before is answered. The exit status is 1 where no server runs, or it has not ended in time.

    \b
    Example: alt stop --timeout 5
    """
    from alt.storage.sqlite.data_directory import is_held, published

    directory = (data_dir or default_data_dir()).absolute()
    said = published(directory) if is_held(directory) else None
    if said is None:
        raise click.ClickException(
            f"no server runs on {directory}: --data-dir names another directory, and one in memory ends by Ctrl-C"
        )
    try:
        os.kill(said.pid, signal.SIGTERM)
    except PermissionError:
        raise click.ClickException(
            f"process {said.pid} is another user's: ask that user to stop it"
        ) from None
    except ProcessLookupError:
        pass
    end = time.monotonic() + timeout
    while timeout and is_held(directory):
        if time.monotonic() > end:
            raise click.ClickException(
                f"the server (process {said.pid}) has not ended in {timeout:g} s: wait longer with --timeout"
            )
        time.sleep(POLL_SECONDS)
    if as_json:
        output.json({"address": said.address, "pid": said.pid})
    else:
        click.echo(f"Stopped {said.address}." if timeout else f"Told {said.address} to stop.")


@click.command()
@click.option(
    "--timeout",
    metavar="SECONDS",
    default=WAIT_SECONDS,
    show_default=True,
    type=Seconds,
    help="How long to wait.",
)
@place_option
@output.json_option()
def wait(timeout: float, place: Place, as_json: bool) -> None:
    """Wait until a server answers, and say where.

    The exit status is 1 if none has by then.

    \b
    Example: alt start & alt wait --timeout 10
    """
    end = time.monotonic() + timeout
    while (url := _answering(place)) is None:
        if time.monotonic() >= end:
            raise click.ClickException(f"no server answers {_where(place)} after {timeout:g} s")
        time.sleep(POLL_SECONDS)
    if as_json:
        output.json({"address": url})
    else:
        click.echo(url)


def _found(place: Place) -> Found:
    found = find(place)
    if found is None:
        raise click.ClickException(f"no server runs {_where(place)}: `alt start` starts one")
    return found


def _where(place: Place) -> str:
    return f"at {place.url}" if place.url is not None else f"on {place.directory}"


def _answering(place: Place) -> str | None:
    """The address of a server that answers now."""
    found = find(place)
    if found is None:
        return None
    client = client_of(place, found.url, ANSWER_SECONDS)
    try:
        return None if client.health() is None else found.url
    except UnreachableError:
        return None
    finally:
        client.close()


def _described(client: Client, found: Found) -> dict[str, Any]:
    from alt.errors import ApiError

    if client.health() is None:
        raise click.ClickException(f"{found.url} answers, but is no server of Alt's that is well")
    try:
        tables = sum(1 for _ in table_names(client.ask))
    except ApiError:
        tables = None  # nobody says so to whom the server does not know
    said = found.published
    return {
        "address": found.url,
        "pid": said and said.pid,
        "version": said and said.version,
        "tables": tables,
        "uptimeSeconds": said and round(max(0.0, time.time() - said.begun), 3),
    }


def _rows(described: dict[str, Any]) -> list[list[output.Cell]]:
    named = {
        "address": "Address",
        "pid": "Process",
        "version": "Version",
        "tables": "Tables",
        "uptimeSeconds": "Uptime in seconds",
    }
    return [
        [output.Cell(heading), output.Cell(str(described[name]))]
        for name, heading in named.items()
        if described[name] is not None
    ]
