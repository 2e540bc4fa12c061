"""The prompt of `alt sql`. Nothing else needs prompt_toolkit, which only the extra `sql` installs."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path

import click
from prompt_toolkit import PromptSession
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent

from alt.errors import ApiError
from alt.values.types import Item

from ..asking.answering import Answering
from ..terminal import output
from .output import Form, problem
from .script import split
from .session import Leave, Session

HISTORY_FILE = ".alt_sql_history"
PROMPT, MORE = "alt> ", "  -> "
# More would be slow to learn, and nobody looks for one among so many.
MAX_DESCRIBED_TABLES = 100
MAX_ATTRIBUTES = 10_000

KEYWORDS = (
    "ALL", "AND", "ASC", "BETWEEN", "BY", "DELETE", "DESC", "EXISTS", "FALSE", "FROM", "IN", "INSERT", "INTO", "IS",
    "MISSING", "MODIFIED", "NEW", "NOT", "NULL", "OLD", "OR", "ORDER", "REMOVE", "RETURNING", "SELECT", "SET", "TRUE",
    "UPDATE", "VALUE", "WHERE", "attribute_type", "begins_with", "contains", "list_append", "set_add", "set_delete",
    "size",
)  # fmt: skip
_COMMANDS = (r"\d", r"\q", r"\?")
_word = re.compile(r'\\?[\w$-]*$|"[^"]*$')
_bare = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*")


class Words(Completer):
    """What there is to complete to."""

    def __init__(self) -> None:
        self._tables: set[str] = set()
        self._indexes: dict[str, set[str]] = {}
        self._attributes: set[str] = set()

    def is_known(self, table: str) -> bool:
        return table in self._indexes

    def know_tables(self, names: set[str]) -> None:
        self._tables = names
        self._indexes = {table: found for table, found in self._indexes.items() if table in names}

    def know(self, description: output.Description) -> None:
        """A table with its indexes and the attributes of their keys."""
        self._tables.add(description["TableName"])
        kinds = ("LocalSecondaryIndexes", "GlobalSecondaryIndexes")
        self._indexes[description["TableName"]] = {
            each["IndexName"] for kind in kinds for each in description.get(kind, ())
        }
        self._attributes.update(each["AttributeName"] for each in description["AttributeDefinitions"])

    def know_attributes(self, item: Item) -> None:
        if len(self._attributes) < MAX_ATTRIBUTES:
            self._attributes.update(item)

    def get_completions(self, document: Document, _event: CompleteEvent) -> Iterator[Completion]:
        before = document.text_before_cursor
        found = _word.search(before)
        if found is None or split(before).opened in ("'", "/*"):
            return
        begun = found[0]
        for word, kind in self._candidates(before[: found.start()], begun):
            if word.casefold().startswith(begun.strip('"').casefold()):
                yield Completion(
                    word if kind in ("", "word") else _written(word, begun),
                    -len(begun),
                    word,
                    display_meta=kind,
                )

    def _candidates(self, before: str, begun: str) -> Iterator[tuple[str, str]]:
        """Words and what they are, with what is likeliest first."""
        if begun.startswith("\\"):
            yield from ((command, "") for command in _COMMANDS if not before.strip())
            return
        yield from ((name, "table") for name in sorted(self._tables))
        if before.lstrip().startswith("\\"):
            return
        indexes = {name for found in self._indexes.values() for name in found}
        yield from ((name, "index") for name in sorted(indexes))
        yield from ((name, "attribute") for name in sorted(self._attributes))
        if not begun.startswith('"'):
            yield from ((word, "word") for word in KEYWORDS)


def _written(name: str, begun: str) -> str:
    """A name as a statement has it: in quotes where it needs them, or has one already."""
    is_bare = _bare.fullmatch(name) is not None and name.upper() not in KEYWORDS
    return name if is_bare and not begun.startswith('"') else '"' + name.replace('"', '""') + '"'


def prompt(asked: Answering, form: Form, limit: int | None) -> None:
    """Ask for statements until whoever types leaves.

    A data directory is taken for as long as its statements last, so that a server can start meanwhile.
    """
    words = Words()
    with asked() as ask:
        _learn(Session(ask, form, limit, on_described=words.know), words)
    typing: PromptSession[str] = PromptSession(
        PROMPT,
        multiline=True,
        prompt_continuation=MORE,
        key_bindings=_keys(),
        completer=words,
        complete_while_typing=False,
        history=_history(),
    )
    click.echo(r"PartiQL, each statement with ; at its end. \? helps, \q leaves.")
    while True:
        try:
            text = typing.prompt()
        except KeyboardInterrupt:
            continue
        except EOFError:
            return
        try:
            with asked() as ask:
                session = Session(
                    ask, form, limit, is_paged=True, on_described=words.know, on_item=words.know_attributes
                )
                _run(session, text)
                _learn(session, words)
        except KeyboardInterrupt:
            click.echo("Stopped.", err=True)
        except click.ClickException as error:
            error.show()
        except Leave:
            return


def _run(session: Session, text: str) -> None:
    """What was typed, up to the first statement that fails."""
    for piece in split(text).all:
        try:
            session.run(piece)
        except ApiError as error:
            problem(error.message or error.type, piece.text)
            return


def _learn(session: Session, words: Words) -> None:
    """Which tables there are now, and the indexes of new ones. Who answers may know neither; then nothing is completed."""
    with contextlib.suppress(ApiError):
        names = set(session.tables())
        words.know_tables(names)
        for name in sorted(names)[:MAX_DESCRIBED_TABLES]:
            if not words.is_known(name):
                session.describe(name)


def _keys() -> KeyBindings:
    keys = KeyBindings()

    @keys.add("enter")
    def enter(event: KeyPressEvent) -> None:
        """Ends a statement that has its semicolon, and any other's line."""
        typed = event.current_buffer
        if split(typed.text).rest is None:
            typed.validate_and_handle()
        else:
            typed.newline(copy_margin=False)

    return keys


def _history() -> History:
    """In a file of the user's own; where none can be written, for this time alone."""
    file = Path.home() / HISTORY_FILE
    try:
        file.open("ab").close()
        file.chmod(0o600)
    except OSError:
        return InMemoryHistory()
    return FileHistory(str(file))
