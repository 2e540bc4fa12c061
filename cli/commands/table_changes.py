"""`alt tables create`, `truncate` and `copy`: by requests of the API, to whoever answers them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..asking.answering import asked_plainly
from ..asking.data_directory import confirm
from ..asking.finding import place_option
from ..asking.listing import describe_table
from ..terminal import output
from ..terminal.progress import progress_bar
from ..transfer.batches import Change, in_batches, write_batch
from ..transfer.definitions import create as make
from ..transfer.definitions import creation_of
from ..transfer.item_json import parsed
from ..transfer.item_keys import key_types
from ..transfer.scanning import pages
from ..transfer.tables import State, Transfer

if TYPE_CHECKING:
    from ..asking.answering import Ask
    from ..asking.finding import Place
    from ..terminal.output import Description
    from ..terminal.progress import Report

KEY_TYPES = ("S", "N", "B")
# Batches under way at once.
CONNECTIONS = 8


def _key(_context: click.Context, _option: click.Parameter, said: str | None) -> tuple[str, str] | None:
    if said is None:
        return None
    name, _, kind = said.rpartition(":")
    if not name or kind not in KEY_TYPES:
        raise click.BadParameter(f"{said} is no NAME:TYPE with a type of {', '.join(KEY_TYPES)}")
    return name, kind


@click.command()
@click.argument("table_or_file")
@click.option(
    "--hash", "hash_key", metavar="NAME:TYPE", callback=_key, help="The partition key: pk:S, pk:N or pk:B."
)
@click.option("--range", "range_key", metavar="NAME:TYPE", callback=_key, help="The sort key.")
@place_option
@output.json_option("DescribeTable")
def create(
    table_or_file: str,
    hash_key: tuple[str, str] | None,
    range_key: tuple[str, str] | None,
    place: Place,
    as_json: bool,
) -> None:
    """Create a table, and wait until it can be used.

    With --hash of this name, with these keys and on demand. Else as a file of JSON says, or - standard input: what
    CreateTable takes, or what DescribeTable answers of a table that is to be made again.

    \b
    Example: alt tables create Music --hash Artist:S --range Song:S

    \b
    Example: alt tables show Music --json | alt tables create - --endpoint-url http://127.0.0.1:8001
    """
    if hash_key is not None:
        creation = _keyed(table_or_file, hash_key, range_key)
    elif range_key is not None:
        raise click.UsageError("--range goes with --hash.")
    else:
        creation = _read(table_or_file)
    with asked_plainly(place) as ask:
        description = make(ask, creation)
    if as_json:
        output.json(description)
    else:
        click.echo(f"Created {creation['TableName']}.")


@click.command()
@click.argument("name")
@click.option("--yes", is_flag=True, help="Remove without asking.")
@place_option
@output.json_option()
def truncate(name: str, yes: bool, place: Place, as_json: bool) -> None:
    """Remove all items of a table, which keeps its definition, indexes, tags and settings.

    They are deleted as by any client: streams tell of each, and point-in-time recovery brings them back. What is
    written meanwhile may stay.

    \b
    Example: alt tables truncate Music --yes
    """
    with asked_plainly(place) as ask:
        description = describe_table(ask, name)
        if not yes:
            confirm(f"Remove {output.items_of(description)} from {name}?")
        with progress_bar() as report:
            count = _truncate(ask, name, description, report)
    if as_json:
        output.json({"removed": count})
    else:
        click.echo(f"Removed {output.counted(count)} of {name}.")


@click.command("copy")
@click.argument("table")
@click.argument("new_table")
@place_option
@output.json_option()
def copy_table(table: str, new_table: str, place: Place, as_json: bool) -> None:
    """Make a new table like another, with its indexes, tags, TimeToLive and items.

    \b
    Example: alt tables copy Music Music-before
    """
    with asked_plainly(place) as ask, progress_bar() as report:
        transfer = Transfer(ask, ask, State(None, "", ""), report)
        content = transfer.copy(table, new_table, verify=True)
    if as_json:
        output.json({"table": new_table, "items": content.items})
    else:
        click.echo(f"Copied {table} to {new_table}: {output.counted(content.items)}.")


def _keyed(name: str, hash_key: tuple[str, str], range_key: tuple[str, str] | None) -> dict[str, Any]:
    keys = [(hash_key, "HASH")] if range_key is None else [(hash_key, "HASH"), (range_key, "RANGE")]
    return {
        "TableName": name,
        "AttributeDefinitions": [
            {"AttributeName": attribute, "AttributeType": kind} for (attribute, kind), _ in keys
        ],
        "KeySchema": [{"AttributeName": attribute, "KeyType": role} for (attribute, _), role in keys],
        "BillingMode": "PAY_PER_REQUEST",
    }


def _read(file: str) -> dict[str, Any]:
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
        read = parsed(text, plain=False)
    except OSError as fault:
        raise click.ClickException(
            f"cannot read {file}: {fault.strerror}; a table's name goes with --hash NAME:TYPE"
        ) from None
    except ValueError as fault:
        raise click.ClickException(f"{file} is {fault}") from None
    if isinstance(read, dict):
        read = read.get("Table", read)
    if not isinstance(read, dict) or "TableName" not in read:
        raise click.ClickException(f"{file} has no object with a TableName, as CreateTable takes it")
    return creation_of(read) if "TableStatus" in read else read


def _truncate(ask: Ask, table: str, description: Description, report: Report) -> int:
    """How many items were deleted."""
    keys = list(key_types(description))
    names = {f"#k{number}": name for number, name in enumerate(keys)}
    request = {
        "TableName": table,
        "ProjectionExpression": ", ".join(names),
        "ExpressionAttributeNames": names,
        "ConsistentRead": True,
    }
    count, total = 0, description.get("ItemCount", 0)
    with ThreadPoolExecutor(CONNECTIONS) as threads:
        for page in pages(ask, request):
            batches = list(in_batches(_deletions(page)))
            for _ in threads.map(lambda batch: write_batch(ask, table, batch), batches):
                pass
            count += len(page["Items"])
            report(f"Truncating {table}", count, max(count, total))
    return count


def _deletions(page: dict[str, Any]) -> Iterator[Change]:
    for key in page["Items"]:
        yield {"DeleteRequest": {"Key": key}}
