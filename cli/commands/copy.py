"""`alt copy`: tables from any DynamoDB endpoint to any other."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..asking.answering import answering
from ..asking.client import Client
from ..asking.finding import authority_of, place_option
from ..terminal import output
from ..terminal.progress import progress_bar
from ..transfer.tables import State, Transfer

if TYPE_CHECKING:
    from ..asking.answering import Ask
    from ..asking.finding import Place

DEFAULT_STATE = Path("alt-copy.json")
_CREDENTIALS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
_OF_REGION = re.compile(r"dynamodb(?:-fips)?\.([a-z0-9-]+)\.(?:amazonaws|api\.aws)\b")


@click.command()
@click.argument("tables", metavar="TABLE...", nargs=-1, required=True)
@click.option(
    "--from", "source", metavar="URL", help="Where the tables are. [default: the server that is found]"
)
@click.option("--to", "target", metavar="URL", help="Where they go. [default: the server that is found]")
@click.option(
    "--state",
    "state_file",
    default=DEFAULT_STATE,
    show_default=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where it is kept how far the copy has come; the same command goes on from there. Removed at the end.",
)
@click.option(
    "--no-verify",
    is_flag=True,
    help="Do not read both sides once more, which finds out that they are the same.",
)
@place_option
@output.json_option()
def copy(
    tables: Sequence[str],
    source: str | None,
    target: str | None,
    state_file: Path,
    no_verify: bool,
    place: Place,
    as_json: bool,
) -> None:
    """Copy tables with their definitions, indexes, tags, TimeToLive and items to another endpoint.

    Either side may be DynamoDB, Alt, ScyllaDB or any other. Credentials and region are those of the environment, or of
    AWS_ACCESS_KEY_ID_FROM, AWS_SECRET_ACCESS_KEY_FROM, AWS_REGION_FROM and the like, and with _TO.

    \b
    Example: alt copy --from https://dynamodb.eu-west-1.amazonaws.com --to http://127.0.0.1:8000 Music
    """
    from alt.errors import ApiError

    own = place.url or str(place.directory)
    if (source or own) == (target or own):
        raise click.UsageError(
            "--from and --to are the same: `alt tables copy` copies a table beside itself."
        )
    done = []
    try:
        with (
            _side(source, "FROM", place) as read,
            _side(target, "TO", place) as write,
            progress_bar() as report,
        ):
            state = State(state_file, source or own, target or own)
            transfer = Transfer(read, write, state, report)
            for table in tables:
                content = transfer.copy(table, table, verify=not no_verify)
                done.append({"table": table, "items": content.items, "verified": not no_verify})
                if not as_json:
                    click.echo(
                        f"Copied {table}: {output.counted(content.items)}{'' if no_verify else ', the same on both sides'}."
                    )
            state.remove()
    except ApiError as error:
        raise click.ClickException(
            f"{error.message or error.type}: the same command goes on from here"
        ) from None
    if as_json:
        output.json(done)


@contextmanager
def _side(url: str | None, suffix: str, place: Place) -> Iterator[Ask]:
    if url is None:
        with answering(place) as ask:
            yield ask
        return
    client = Client(url, environment_of(url, suffix, os.environ), authority_of(place))
    try:
        yield client.ask
    finally:
        client.close()


def environment_of(url: str, suffix: str, environment: Mapping[str, str]) -> dict[str, str]:
    """The variables of one side: those with the suffix, none of the other's credentials among them."""
    own: dict[str, Any] = {name: environment.get(f"{name}_{suffix}") for name in _CREDENTIALS}
    if not any(own.values()):
        own = {name: environment.get(name) for name in _CREDENTIALS}
    named = _OF_REGION.search(url)
    own["AWS_REGION"] = (
        environment.get(f"AWS_REGION_{suffix}")
        or (named[1] if named else None)
        or environment.get("AWS_REGION")
        or environment.get("AWS_DEFAULT_REGION")
    )
    own["AWS_CA_BUNDLE"] = environment.get("AWS_CA_BUNDLE")
    return {name: value for name, value in own.items() if value}
