"""`alt items`: get, put, remove, query and scan items of a table."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ..asking.answering import asked_plainly
from ..asking.finding import place_option
from ..asking.listing import describe_table
from ..terminal import output
from ..transfer.item_json import read_item, write_item
from ..transfer.item_keys import key_types, read_key, read_pairs

if TYPE_CHECKING:
    from alt.values.types import Item

    from ..asking.answering import Ask
    from ..asking.finding import Place

Command = TypeVar("Command", bound=Callable[..., Any])
Request = dict[str, Any]

plain_option = click.option(
    "--plain",
    is_flag=True,
    help='Plain JSON instead of DynamoDB JSON: {"Year": 1999}. Sets and binaries are {"$SS": [...]}, {"$NS": [...]}, '
    '{"$BS": [...]}, {"$B": "base64"}; a map that looks like one is {"$M": {...}}.',
)
_names_option = click.option(
    "--names", metavar="JSON", help='What #names in expressions stand for: {"#y": "Year"}.'
)
_values_option = click.option(
    "--values", metavar="JSON", help='What :values in expressions stand for: {":y": {"N": "1999"}}.'
)
_lines_option = click.option(
    "--json", "as_json", is_flag=True, help="Print a line of JSON an item on a terminal, too."
)
_before_option = click.option(
    "--json", "as_json", is_flag=True, help="Print the item that was there before, or null."
)
_limit_option = click.option(
    "--limit", metavar="N", type=click.IntRange(min=1), help="No more than N items, after any filter."
)
_index_option = click.option("--index", metavar="NAME", help="Read this index of the table.")
_filter_option = click.option(
    "--filter", "filter_", metavar="EXPRESSION", help="Only items for which this is true."
)
_condition_option = click.option(
    "--condition", metavar="EXPRESSION", help="Only if this is true of the item that is there."
)


@click.group()
def items() -> None:
    """Read and write items, in DynamoDB JSON or plain JSON."""


@items.command()
@click.argument("table")
@click.argument("key", nargs=-1, required=True)
@plain_option
@place_option
@_lines_option
def get(table: str, key: Sequence[str], plain: bool, place: Place, as_json: bool) -> None:
    """Print the item with a key, which is JSON or NAME=VALUE for each key attribute.

    The exit status is 1 if there is none.

    \b
    Example: alt items get Music Artist=Acme Song="Happy Day"
    """
    with asked_plainly(place) as ask:
        answer = ask("GetItem", {"TableName": table, "Key": _key(ask, table, key, plain=plain)})
    if not answer.get("Item"):
        raise click.ClickException(f"{table} has no item with this key")
    _print([answer["Item"]], list(answer["Item"]), plain=plain, as_json=as_json)


@items.command()
@click.argument("table")
@click.argument("item")
@_condition_option
@_names_option
@_values_option
@plain_option
@place_option
@_before_option
def put(table: str, item: str, plain: bool, place: Place, as_json: bool, **expressions: str | None) -> None:
    """Put an item, given as JSON, or as - on standard input, in place of one with its key.

    \b
    Example: alt items put Music '{"Artist": "Acme", "Song": "Happy Day", "Year": 1999}' --plain
    """
    read = _read("item", sys.stdin.read() if item == "-" else item, plain=plain)
    request = {"TableName": table, "Item": read, **_written(expressions, plain=plain)}
    with asked_plainly(place) as ask:
        _change(ask, "PutItem", request, plain=plain, as_json=as_json)


@items.command()
@click.argument("table")
@click.argument("key", nargs=-1, required=True)
@_condition_option
@_names_option
@_values_option
@plain_option
@place_option
@_before_option
def rm(
    table: str, key: Sequence[str], plain: bool, place: Place, as_json: bool, **expressions: str | None
) -> None:
    """Remove the item with a key, if there is one.

    \b
    Example: alt items rm Music Artist=Acme Song="Happy Day"
    """
    written = _written(expressions, plain=plain)
    with asked_plainly(place) as ask:
        request = {"TableName": table, "Key": _key(ask, table, key, plain=plain), **written}
        _change(ask, "DeleteItem", request, plain=plain, as_json=as_json)


@items.command()
@click.argument("table")
@click.argument("condition", nargs=-1, required=True)
@_index_option
@_filter_option
@_names_option
@_values_option
@click.option("--reverse", is_flag=True, help="In descending order of the sort key.")
@_limit_option
@plain_option
@place_option
@_lines_option
def query(
    table: str,
    condition: Sequence[str],
    index: str | None,
    reverse: bool,
    limit: int | None,
    plain: bool,
    place: Place,
    as_json: bool,
    **expressions: str | None,
) -> None:
    """Print the items that a key condition picks: an expression, or NAME=VALUE for key attributes.

    In a pipe a line of JSON an item.

    \b
    Example: alt items query Music 'Artist = :a' --values '{":a": {"S": "Acme"}}'

    \b
    Example: alt items query Music Artist=Acme --limit 10
    """
    request = {"TableName": table, "ScanIndexForward": not reverse, **_written(expressions, plain=plain)}
    with asked_plainly(place) as ask:
        types = key_types(describe_table(ask, table), index)
        _add_condition(request, condition, types)
        found = _pages(ask, "Query", request, index, limit)
        _print(found, list(types), plain=plain, as_json=as_json)


@items.command()
@click.argument("table")
@_index_option
@_filter_option
@_names_option
@_values_option
@_limit_option
@plain_option
@place_option
@_lines_option
def scan(
    table: str,
    index: str | None,
    limit: int | None,
    plain: bool,
    place: Place,
    as_json: bool,
    **expressions: str | None,
) -> None:
    """Print all items of a table or an index.

    In a pipe a line of JSON an item.

    \b
    Example: alt items scan Music --filter 'Price > :p' --values '{":p": 5}' --plain
    """
    request = {"TableName": table, **_written(expressions, plain=plain)}
    with asked_plainly(place) as ask:
        types = key_types(describe_table(ask, table), index)
        found = _pages(ask, "Scan", request, index, limit)
        _print(found, list(types), plain=plain, as_json=as_json)


def _key(ask: Ask, table: str, texts: Sequence[str], *, plain: bool) -> Item:
    return read_key(texts, key_types(describe_table(ask, table)), plain=plain)


def _read(what: str, text: str, *, plain: bool) -> Item:
    try:
        return read_item(text, plain=plain)
    except ValueError as fault:
        raise click.UsageError(f"the {what}: {fault}.") from None


def _written(expressions: dict[str, str | None], *, plain: bool) -> Request:
    """The parameters of the API that options for expressions are."""
    request: Request = {}
    if text := expressions.get("condition"):
        request["ConditionExpression"] = text
    if text := expressions.get("filter_"):
        request["FilterExpression"] = text
    if text := expressions.get("values"):
        request["ExpressionAttributeValues"] = _read("values", text, plain=plain)
    if text := expressions.get("names"):
        names = _read("names", text, plain=True)
        request["ExpressionAttributeNames"] = {name: value.get("S") for name, value in names.items()}
    return request


def _add_condition(request: Request, texts: Sequence[str], types: dict[str, str]) -> None:
    """In an expression a = is followed by a :value, in a pair by the value itself."""
    if not all("=" in text and not text.partition("=")[2].lstrip().startswith(":") for text in texts):
        request["KeyConditionExpression"] = " ".join(texts)
        return
    names = request.setdefault("ExpressionAttributeNames", {})
    values = request.setdefault("ExpressionAttributeValues", {})
    terms = []
    for number, (name, value) in enumerate(read_pairs(texts, types).items()):
        names[f"#alt{number}"], values[f":alt{number}"] = name, value
        terms.append(f"#alt{number} = :alt{number}")
    request["KeyConditionExpression"] = " AND ".join(terms)


def _pages(
    ask: Ask, operation: str, request: Request, index: str | None, limit: int | None
) -> Iterator[Item]:
    """The items of all pages, each asked for when it is wanted."""
    if index is not None:
        request["IndexName"] = index

    def read() -> Iterator[Item]:
        while True:
            if limit is not None and "FilterExpression" not in request:
                request["Limit"] = limit
            answer = ask(operation, request)
            yield from answer["Items"]
            if "LastEvaluatedKey" not in answer:
                return
            request["ExclusiveStartKey"] = answer["LastEvaluatedKey"]

    return itertools.islice(read(), limit)


def _change(ask: Ask, operation: str, request: Request, *, plain: bool, as_json: bool) -> None:
    if not as_json:
        ask(operation, request)
        return
    before = ask(operation, {**request, "ReturnValues": "ALL_OLD"}).get("Attributes")
    output.json_text("null" if before is None else write_item(before, plain=plain))


def _print(found: Iterable[Item], keys: Sequence[str], *, plain: bool, as_json: bool) -> None:
    """A table for a person who asks for no JSON; `keys` are its first columns."""
    if output.is_terminal() and not as_json and not plain:
        from ..sql.output import Form
        from ..sql.output import items as show

        show(found, Form.TABLE, keys, is_paged=False)
        return
    for item in found:
        output.json_text(write_item(item, plain=plain))
