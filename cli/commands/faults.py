"""`alt faults`: have a running server do to its clients what DynamoDB does to them once in a while."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click
import ujson

from alt.config import DEFAULT_HOST, DEFAULT_PORT

from ..asking.finding import Place, client_of, find, place_option
from ..terminal import output
from ..terminal.output import Cell

Command = TypeVar("Command", bound=Callable[..., Any])

_PATH = "/_alt/faults"
_HEADINGS = ("Fault", "Table", "For", "Operations", "Left", "Done")
_TIMEOUT_SECONDS = 60.0  # a table is copied for stale reads


class _ByEitherName(click.Group):
    """The faults by their names in Python, too."""

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        return super().get_command(context, name.replace("_", "-"))


@click.group(cls=_ByEitherName)
def faults() -> None:
    """Faults on demand, on a running server.

    It takes them where it was started with --faults or --memory, and from its own machine alone.

    Example: alt faults throttle Music --next 2
    """


def _server_options(command: Command) -> Command:
    """`--endpoint-url`, `--data-dir` and `--json`."""
    return place_option(output.json_option()(command))


def _limit_options(command: Command) -> Command:
    """Which requests a fault is for."""
    for option in (
        click.option(
            "--seed", type=int, help="Which requests a share is made of hangs on this number alone."
        ),
        click.option(
            "--operation",
            "operations",
            metavar="NAME",
            multiple=True,
            help="Requests of this operation alone, as PutItem. Repeatable.",
        ),
        click.option(
            "--for",
            "seconds",
            metavar="SECONDS",
            type=click.FloatRange(min=0, min_open=True),
            help="Requests of so many seconds.",
        ),
        click.option(
            "--share",
            metavar="PART",
            type=click.FloatRange(min=0, max=1, min_open=True),
            help="This part of the requests: 0.5 is half of them.",
        ),
        click.option("--next", metavar="N", type=click.IntRange(min=1), help="The next so many requests."),
    ):
        command = option(command)
    return command


_KINDS = {
    "throttle": "Answer ProvisionedThroughputExceededException; what a batch asks of the table is left unprocessed.",
    "conflict": "Answer writes with TransactionConflictException, and cancel transactions with TransactionConflict.",
    "internal_error": "Answer InternalServerError, with status 500.",
    "slow": "Do what is asked at once, and answer later.",
    "unprocessed": "Leave the later half of the table's requests in a batch unprocessed, and one alone, too.",
    "stale_reads": "Let reads that are not consistent find the table as it is now, whatever is written from now on.",
}


def _command(kind: str, text: str) -> click.Command:
    name = kind.replace("_", "-")

    def command(table: str, place: Place, as_json: bool, **members: Any) -> None:
        given = {member: value for member, value in members.items() if value not in (None, ())}
        _show(_ask("PUT", place, {"kind": kind, "table": table, **given}), as_json)

    command = _limit_options(_server_options(command))
    example = f"Example: alt faults {name} Music --next 2"
    if kind == "slow":
        example += " --delay 1.5"
        command = click.option(
            "--delay",
            metavar="SECONDS",
            required=True,
            type=click.FloatRange(min=0, min_open=True),
            help="How much later.",
        )(command)
    text += "\n\nTo all requests that concern the table, or to those that the options say, until `alt faults clear`."
    return click.command(name, help=f"{text}\n\n{example}")(click.argument("table")(command))


for _name, _text in _KINDS.items():
    faults.add_command(_command(_name, _text))


@faults.command()
@_server_options
def ls(place: Place, as_json: bool) -> None:
    """List the faults that are set, how many requests are left to each, and to how many it was done.

    Example: alt faults ls
    """
    _show(_ask("GET", place), as_json)


@faults.command()
@_server_options
def clear(place: Place, as_json: bool) -> None:
    """Take all faults back.

    Example: alt faults clear
    """
    _show(_ask("DELETE", place), as_json)


def _show(found: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        output.json(found)
    else:
        output.table(_HEADINGS, map(_row, found))


def _row(fault: dict[str, Any]) -> list[Cell]:
    limits = [
        f"next {fault['next']}" if "next" in fault else "",
        f"share {fault['share']:g}" if "share" in fault else "",
        f"{fault['seconds']:g} s" if "seconds" in fault else "",
    ]
    kind = fault["kind"].replace("_", "-") + (f" by {fault['delay']:g} s" if "delay" in fault else "")
    return [
        Cell(kind),
        Cell(fault["table"]),
        Cell(", ".join(filter(None, limits)) or "all"),
        Cell(", ".join(fault.get("operations", ())) or "all"),
        Cell(str(fault.get("left", ""))),
        Cell(str(fault["done"])),
    ]


def _ask(method: str, place: Place, fault: dict[str, Any] | None = None) -> list[dict[str, Any]]:
    """The faults that are set on the server once it has done that."""
    found = find(place)
    if found is None and place.data_dir is not None:
        raise click.ClickException(
            f"no server runs on {place.directory}: start it with --faults, or name one with --endpoint-url"
        )
    # One in memory has no directory that tells of it.
    url = f"http://{DEFAULT_HOST}:{DEFAULT_PORT}" if found is None else found.url
    client = client_of(place, url, _TIMEOUT_SECONDS)
    try:
        status, answer = client.page(method, _PATH, b"" if fault is None else ujson.dumps(fault).encode())
    finally:
        client.close()
    if status != 200:
        raise click.ClickException(_refusal(url, answer))
    try:
        listed: list[dict[str, Any]] = ujson.loads(answer)["faults"]
    except (ValueError, KeyError, TypeError):
        raise click.ClickException(f"cannot reach an Alt at {url}: it answers as none does") from None
    return listed


def _refusal(url: str, answer: bytes) -> str:
    try:
        body = ujson.loads(answer)
        return str(body.get("message") or body["Message"])
    except (ValueError, KeyError, AttributeError):
        return f"{url} takes no faults: start the server with `alt start --faults`, or with --memory"
