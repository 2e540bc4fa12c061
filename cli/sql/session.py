"""What `alt sql` does with each piece of a script: asks for what a statement wants, or describes tables."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import click

from alt.errors import ApiError, validation
from alt.expressions.partiql import Exists, Insert, Select, parse, table_of
from alt.values.json import dumps
from alt.values.types import AttributeValue, Item

from ..asking.answering import Ask
from ..asking.listing import describe_table, full_description, table_names
from ..terminal import output
from . import output as sql_output
from .output import Form
from .script import Piece

HELP = r"""
Statements are PartiQL, and end with ;

  SELECT * FROM Music WHERE Artist = 'A'            also FROM "Music"."an-index"
  INSERT INTO Music VALUE {'Artist': 'A', 'Song': 'one'}
  UPDATE Music SET Year = 1999 WHERE Artist = 'A' AND Song = 'one' RETURNING ALL NEW *
  DELETE FROM Music WHERE Artist = 'A' AND Song = 'one'

  \d          lists the tables
  \d TABLE    describes one: its keys, indexes, settings
  \?          shows this
  \q          leaves, as Ctrl-D does; Ctrl-C stops the statement under way
""".strip("\n")


class Leave(Exception):
    """The script asks for no more to be done."""


class Session:
    """Statements and commands for whoever answers, and their answers printed.

    `limit`: no more items of a statement than these. `on_described` and `on_item` hear what comes of tables and items.
    """

    def __init__(
        self,
        ask: Ask,
        form: Form,
        limit: int | None,
        *,
        is_paged: bool = False,
        on_described: Callable[[output.Description], None] = lambda _description: None,
        on_item: Callable[[Item], None] = lambda _item: None,
    ) -> None:
        self._ask = ask
        self._form = form
        self._limit = limit
        self._is_paged = is_paged
        self._on_described = on_described
        self._on_item = on_item
        self._keys: dict[tuple[str, str | None], list[str]] = {}

    def run(self, piece: Piece, parameters: Sequence[AttributeValue] = ()) -> None:
        """Raises ApiError, Leave, and ClickException for what is no statement's fault."""
        if piece.text.startswith("\\"):
            self._command(piece.text)
        else:
            self._statement(piece.text, parameters)

    def tables(self) -> Iterator[str]:
        """The names of all tables."""
        return table_names(self._ask)

    def describe(self, table: str) -> output.Description:
        description = describe_table(self._ask, table)
        self._on_described(description)
        return description

    def _statement(self, text: str, parameters: Sequence[AttributeValue]) -> None:
        try:
            parsed = parse(text).statement
        except ApiError:
            parsed = None  # who answers says what is wrong with it, if anything is
        keys = [] if parsed is None or self._form in (Form.JSON, Form.WIRE) else self._keys_of(parsed)
        found = itertools.islice(self._items(text, parameters), self._limit)
        number = sql_output.items(found, self._form, keys, is_paged=self._is_paged)
        if self._form is Form.TABLE:
            self._conclude(number, is_write=parsed is not None and not isinstance(parsed, Select))

    def _conclude(self, number: int, *, is_write: bool) -> None:
        """For a person how many items came; a pipe has them, but of a write it may have none."""
        if is_write and not number:
            click.echo("OK")
        elif output.is_terminal():
            click.echo(output.counted(number))

    def _items(self, text: str, parameters: Sequence[AttributeValue]) -> Iterator[Item]:
        """All pages, one after the other as they are wanted."""
        request: dict[str, Any] = {"Statement": text}
        if parameters:
            request["Parameters"] = list(parameters)
        while True:
            answer = self._ask("ExecuteStatement", dict(request))
            for item in answer.get("Items", ()):
                self._on_item(item)
                yield item
            if not answer.get("NextToken"):
                return
            request["NextToken"] = answer["NextToken"]

    def _keys_of(self, parsed: Any) -> list[str]:
        """The key attributes of what a statement is about: an index's before its table's."""
        if isinstance(parsed, Insert | Exists):
            return []  # which answer no items
        table, index = table_of(parsed), parsed.index if isinstance(parsed, Select) else None
        if (table, index) not in self._keys:
            try:
                self._keys[table, index] = _key_names(self.describe(table), index)
            except ApiError:
                return []
        return self._keys[table, index]

    def _command(self, text: str) -> None:
        name, _, rest = text.rstrip("; ").partition(" ")
        table = rest.strip().strip('"')
        if name == r"\d":
            self._describe(table) if table else self._list()
        elif name in (r"\?", r"\h"):
            click.echo(HELP)
        elif name == r"\q":
            raise Leave
        else:
            raise validation(rf"{name} is no command: \? shows those there are")

    def _list(self) -> None:
        descriptions = [self.describe(name) for name in self.tables()]
        if self._form in (Form.JSON, Form.WIRE):
            for description in descriptions:
                output.json_text(dumps(description))
        else:
            output.table(output.LIST_HEADINGS, [output.list_row(each) for each in descriptions])

    def _describe(self, table: str) -> None:
        description = full_description(self._ask, self.describe(table))
        if self._form in (Form.JSON, Form.WIRE):
            output.json_text(dumps(description))
        else:
            output.table((), output.show_rows(description))


def _key_names(description: output.Description, index: str | None) -> list[str]:
    indexes = [*description.get("LocalSecondaryIndexes", ()), *description.get("GlobalSecondaryIndexes", ())]
    keyed = [each for each in indexes if each["IndexName"] == index]
    return [key["AttributeName"] for each in (*keyed, description) for key in each["KeySchema"]]
