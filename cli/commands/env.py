"""`alt env`: the variables by which SDKs find a server, for the shell that is to have them."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable, Mapping
from pathlib import PurePath
from typing import TYPE_CHECKING

import click

from alt.config import DEFAULT_HOST, DEFAULT_PORT, DEFAULT_REGION

from ..asking.client import reachable
from ..asking.finding import ENDPOINT_VARIABLE, authority_of, find, place_option
from ..terminal import output

if TYPE_CHECKING:
    from ..asking.finding import Place

# SDKs have a client of its own for DynamoDB Streams, and the address of that one is asked for under another name.
STREAMS_ENDPOINT_VARIABLE = "AWS_ENDPOINT_URL_DYNAMODB_STREAMS"
# What a server takes that asks nobody who they are; SDKs want something.
ANY = "any"


def _fish(name: str, value: str) -> str:
    quoted = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"set -gx {name} '{quoted}'"


def _powershell(name: str, value: str) -> str:
    quoted = value.replace("'", "''")
    return f"$Env:{name} = '{quoted}'"


def _posix(name: str, value: str) -> str:
    return f"export {name}={shlex.quote(value)}"


SHELLS: dict[str, Callable[[str, str], str]] = {
    "bash": _posix,
    "zsh": _posix,
    "fish": _fish,
    "powershell": _powershell,
}


def own_shell(environment: Mapping[str, str]) -> str:
    """The user's shell, as the system tells it; one that reads as bash does if it is none of those known."""
    if sys.platform == "win32":
        return "powershell"
    name = PurePath(environment.get("SHELL", "")).name
    return {"pwsh": "powershell"}.get(name, name if name in SHELLS else "bash")


@click.command()
@click.option(
    "--shell",
    type=click.Choice(list(SHELLS)),
    help="Whose words to use. [default: the shell that SHELL names]",
)
@place_option
@output.json_option()
def env(shell: str | None, place: Place, as_json: bool) -> None:
    """Print the variables by which SDKs and the AWS CLI find the server, or the one that `alt start` would start.

    Credentials and a region that the environment has already are left as they are.

    \b
    Example: eval "$(alt env)"

    \b
    Example: alt env --shell fish | source

    \b
    Example: alt env --shell powershell | Invoke-Expression
    """
    variables = _variables(place, os.environ)
    if as_json:
        output.json(variables)
        return
    said = SHELLS[shell or own_shell(os.environ)]
    for name, value in variables.items():
        click.echo(said(name, value))


def _variables(place: Place, environment: Mapping[str, str]) -> dict[str, str]:
    found = find(place)
    url = reachable(found.url) if found is not None else f"http://{DEFAULT_HOST}:{DEFAULT_PORT}"
    variables = {ENDPOINT_VARIABLE: url, STREAMS_ENDPOINT_VARIABLE: url}
    if not environment.get("AWS_PROFILE") and not environment.get("AWS_ACCESS_KEY_ID"):
        variables |= {"AWS_ACCESS_KEY_ID": ANY, "AWS_SECRET_ACCESS_KEY": ANY}
    region = environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION") or DEFAULT_REGION
    # Some read the one, some the other.
    variables |= {name: region for name in ("AWS_REGION", "AWS_DEFAULT_REGION") if not environment.get(name)}
    authority = authority_of(place)
    if url.startswith("https:") and authority is not None and not environment.get("AWS_CA_BUNDLE"):
        variables["AWS_CA_BUNDLE"] = str(authority)
    if place.data_dir is not None:
        variables["ALT_DATA_DIR"] = str(place.directory)
    return variables
