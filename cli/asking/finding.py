"""Which server a command means: one at an address, or that of a data directory."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import click
from click.core import ParameterSource

from alt.config import DEFAULT_HOST, TLS_AUTHORITY, TLS_FOLDER, default_data_dir

from ..settings import BY_NAME, configured
from .data_directory import data_dir_option

if TYPE_CHECKING:
    from alt.storage.sqlite.data_directory import Published

    from .client import Client

Command = TypeVar("Command", bound=Callable[..., Any])

ENDPOINT_VARIABLE = "AWS_ENDPOINT_URL_DYNAMODB"


class Place(NamedTuple):
    """Where to look for a server: at `url`, or else on `data_dir`, which None leaves to the platform."""

    url: str | None
    data_dir: Path | None

    @property
    def directory(self) -> Path:
        return (self.data_dir or default_data_dir()).absolute()


def place_option(command: Command) -> Command:
    """`--endpoint-url` and `--data-dir`, which the command is given as a `place`.

    What the command line says goes before what the environment does: there an address goes before a port, and a
    port before a directory.
    """

    @functools.wraps(command)
    def placed(*arguments: Any, endpoint_url: str | None, data_dir: Path | None, **others: Any) -> Any:
        return command(*arguments, place=_place(endpoint_url, data_dir), **others)

    option = click.option(
        "--endpoint-url",
        "--endpoint",
        envvar=ENDPOINT_VARIABLE,
        metavar="URL",
        help="Ask the server at this address. Else the one at ALT_PORT of this machine, or that of the data directory.",
    )
    return option(data_dir_option(placed))  # type: ignore[return-value]


def _place(url: str | None, data_dir: Path | None) -> Place:
    source = click.get_current_context().get_parameter_source
    is_directory_said = source("data_dir") is ParameterSource.COMMANDLINE
    if source("endpoint_url") is ParameterSource.COMMANDLINE:
        if is_directory_said:
            raise click.UsageError("--endpoint-url or --data-dir, not both.")
        return Place(url, data_dir)
    if is_directory_said:
        return Place(None, data_dir)
    if url is None and (port := _port_of_this_machine(data_dir)):
        # As `alt start` reads them: without a port of its own, a certificate is the one port's.
        is_https = bool(_said("tls-cert")) and not _said("tls-port")
        url = f"{'https' if is_https else 'http'}://{DEFAULT_HOST}:{port}"
    return Place(url, data_dir)


def _said(name: str) -> Any:
    """What the environment, or the file that it names, says of a setting."""
    return os.environ.get(BY_NAME[name].variable) or configured(name)


def _port_of_this_machine(data_dir: Path | None) -> int:
    """The port that a server was told; 0 where nobody said one, or where its directory tells it."""
    said = os.environ.get(BY_NAME["port"].variable)
    if said:
        return int(said) if said.isdecimal() else 0
    port: int | None = configured("port") if data_dir is None else None
    return port or 0


class Found(NamedTuple):
    """A server, or where one is to be. `published` is what it said of itself, where its data directory tells."""

    url: str
    published: Published | None = None


def find(place: Place) -> Found | None:
    """The server that is meant, which need not answer; None where nobody serves the directory."""
    from alt.storage.sqlite.data_directory import UnusableDataError, is_held, published

    try:
        said = published(place.directory) if is_held(place.directory) else None
    except UnusableDataError as error:
        if place.url is None:
            raise click.ClickException(str(error)) from None
        said = None
    if place.url is None:
        return None if said is None else Found(said.address, said)
    is_same = said is not None and _own_address(said.address) == _own_address(place.url)
    return Found(place.url, said if is_same else None)


def client_of(place: Place, url: str, timeout: float | None = None) -> Client:
    """A client of a server at `url`, who is believed to be itself if the directory's own authority says so."""
    from .client import TIMEOUT_SECONDS, Client

    return Client(url, os.environ, authority_of(place), timeout or TIMEOUT_SECONDS)


def authority_of(place: Place) -> Path | None:
    """The certificate of the authority that `alt tls init` made, if it did."""
    authority = place.directory / TLS_FOLDER / TLS_AUTHORITY
    return authority if authority.is_file() else None


def _own_address(url: str) -> str:
    """An address in one of the ways in which this machine's are written."""
    from .client import reachable

    return reachable(url).rstrip("/").replace("//localhost:", f"//{DEFAULT_HOST}:")
