"""`alt usage`: who consumed what, and how much each may."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..asking.data_directory import data_dir_option, opened
from ..terminal import output
from ..terminal.output import Cell

if TYPE_CHECKING:
    from alt.storage.model.usage import KeyLimit
    from alt.storage.sqlite.usage import Used

_HEADINGS = ("Access key", "Table", "Index", "Read units", "Write units", "Requests", "Throttled")
_LIMIT_HEADINGS = ("Access key", "Read units/s", "Write units/s")

json_option = output.json_option()


@click.group(invoke_without_command=True)
@click.option("--table", "table_name", help="Only this table's.")
@click.option("--key", "access_key", help="Only this access key's.")
@click.option("--reset", is_flag=True, help="Begin all sums anew, after printing them.")
@data_dir_option
@json_option
@click.pass_context
def usage(
    context: click.Context,
    table_name: str | None,
    access_key: str | None,
    reset: bool,
    data_dir: Path | None,
    as_json: bool,
) -> None:
    """Show the capacity units consumed by each access key, of each table and index.

    A running server adds to the sums every second. In a pipe one line a sum,
    tab-separated: access key, table, index, read units, write units, requests, throttled.

    \b
    Example: alt usage --table Music
    """
    context.obj = data_dir
    if context.invoked_subcommand is not None:
        return
    with opened(data_dir) as data:
        stored = data.store.usage.rows()
        if reset:
            data.store.usage.reset()
    found = [
        used
        for used in stored
        if table_name in (None, used.account.table_name) and access_key in (None, used.account.access_key)
    ]
    if as_json:
        output.json([_json(used) for used in found])
    else:
        output.table(_HEADINGS, map(_row, found))


@usage.command()
@click.argument("access_key", required=False)
@click.option("--read", type=click.FloatRange(min=0), help="Read units a second.")
@click.option("--write", type=click.FloatRange(min=0), help="Write units a second.")
@click.option("--off", is_flag=True, help="Take the limit off.")
@data_dir_option
@json_option
@click.pass_context
def limit(
    context: click.Context,
    access_key: str | None,
    read: float | None,
    write: float | None,
    off: bool,
    data_dir: Path | None,
    as_json: bool,
) -> None:
    """Limit what an access key may consume a second, over all tables; without a key, list the limits.

    A running server notices within a second. What is over the limit is answered with
    RequestLimitExceeded, which SDKs try again.

    \b
    Example: alt usage limit AKIAIOSFODNN7EXAMPLE --read 100 --write 50
    """
    from alt.storage.model.usage import KeyLimit
    from alt.values.json import is_encodable

    is_change = read is not None or write is not None or off
    if (access_key is None) == is_change or (off and (read is not None or write is not None)):
        raise click.UsageError(
            "Give an access key with --read, --write or both, or with --off; or nothing to list."
        )
    if access_key is not None and not is_encodable(access_key):
        raise click.UsageError("The access key is no UTF-8 text.")
    with opened(data_dir or context.obj) as data:
        if access_key is not None:
            data.store.usage.set_limit(access_key, None if off else KeyLimit(read, write))
        limits = dict(data.store.usage.limits())
    if access_key is not None:
        limits = {key: limit for key, limit in limits.items() if key == access_key}
    if as_json:
        output.json([{"AccessKey": key, **_limit_json(each)} for key, each in sorted(limits.items())])
    elif off:
        click.echo(f"{access_key} is not limited.")
    else:
        output.table(_LIMIT_HEADINGS, _limit_rows(sorted(limits.items())))


def _json(used: Used) -> dict[str, Any]:
    return {
        "AccessKey": used.account.access_key,
        "TableName": used.account.table_name,
        "IndexName": used.account.index_name or None,
        "ReadCapacityUnits": used.read_units,
        "WriteCapacityUnits": used.write_units,
        "Requests": used.requests,
        "ThrottledRequests": used.throttled,
    }


def _row(used: Used) -> list[Cell]:
    account = used.account
    units = [Cell(f"{units:.1f}", f"{units:,.1f}") for units in (used.read_units, used.write_units)]
    counts = [Cell(str(count), f"{count:,}") for count in (used.requests, used.throttled)]
    return [Cell(account.access_key), Cell(account.table_name), Cell(account.index_name), *units, *counts]


def _limit_json(limit: KeyLimit) -> dict[str, float | None]:
    return {"ReadUnitsPerSecond": limit.read_units, "WriteUnitsPerSecond": limit.write_units}


def _limit_rows(limits: Iterable[tuple[str, KeyLimit]]) -> list[list[Cell]]:
    return [
        [
            Cell(key),
            *(Cell("" if units is None else f"{units:g}", "-" if units is None else None) for units in limit),
        ]
        for key, limit in limits
    ]
