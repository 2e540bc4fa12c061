"""`alt sql`: PartiQL at a prompt, from the command line, a file or a pipe."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..asking.answering import answering
from ..asking.finding import place_option

if TYPE_CHECKING:
    from alt.values.types import AttributeValue

    from ..asking.answering import Answering
    from ..asking.finding import Place
    from ..sql.output import Form
    from ..sql.script import Piece

INSTALL = "the prompt needs prompt_toolkit: pip install 'alt-dynamodb[sql]'"


@click.command()
@click.argument("file", required=False, type=click.Path(exists=True, dir_okay=False, allow_dash=True))
@click.option("-c", "--command", "commands", metavar="STATEMENT", multiple=True, help="Do this. Repeatable.")
@click.option(
    "-p",
    "--parameter",
    "parameters",
    metavar="VALUE",
    multiple=True,
    help="What a ? in the one statement of --command stands for, as PartiQL writes it: 'text', 5, [1, 2]. Repeatable.",
)
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print each item as a line of JSON in JSON's own types: numbers keep their digits, sets are arrays, binaries "
    "base64.",
)
@click.option(
    "--dynamodb-json", "as_wire", is_flag=True, help="Print each item as a line of JSON as the API has it."
)
@click.option("--csv", "as_csv", is_flag=True, help="Print comma-separated values under a line of names.")
@click.option(
    "--limit", metavar="N", type=click.IntRange(min=1), help="No more than N items of each statement."
)
@click.option(
    "--keep-going",
    is_flag=True,
    help="Go on after a statement that fails; the exit status is 1 all the same.",
)
@place_option
def sql(
    file: str | None,
    commands: tuple[str, ...],
    parameters: tuple[str, ...],
    as_json: bool,
    as_wire: bool,
    as_csv: bool,
    limit: int | None,
    keep_going: bool,
    place: Place,
) -> None:
    """Read and write with PartiQL, whether a server runs or not.

    Statements come from --command, FILE or standard input, with ; between them; on a terminal
    from a prompt, whose \\? says more. Answers are a table on a terminal; in a pipe lines with
    tabs, the first of them the names.

    \b
    Example: alt sql -c "SELECT * FROM Music WHERE Artist = 'Acme'" --json
    """
    form = _form(as_json=as_json, as_wire=as_wire, as_csv=as_csv)
    if commands and file is not None:
        raise click.UsageError("--command or FILE, not both.")
    asked = partial(answering, place)
    if not commands and file is None and sys.stdin.isatty() and sys.stdout.isatty():
        if parameters:
            raise click.UsageError("--parameter is for the statement of --command.")
        _prompt(asked, form, limit)
        return
    pieces = _pieces(commands, file)
    values = _values(parameters, commands, pieces)
    if not _run(pieces, values, asked, form, limit, shows_lines=not commands, keep_going=keep_going):
        raise click.exceptions.Exit(1)


def _form(*, as_json: bool, as_wire: bool, as_csv: bool) -> Form:
    from ..sql.output import Form

    wanted = [
        form
        for form, is_wanted in ((Form.JSON, as_json), (Form.WIRE, as_wire), (Form.CSV, as_csv))
        if is_wanted
    ]
    if len(wanted) > 1:
        raise click.UsageError("one of --json, --dynamodb-json and --csv.")
    return wanted[0] if wanted else Form.TABLE


def _prompt(asked: Answering, form: Form, limit: int | None) -> None:
    try:
        from ..sql.prompt import prompt
    except ModuleNotFoundError as missing:
        if (missing.name or "").partition(".")[0] != "prompt_toolkit":
            raise
        raise click.ClickException(INSTALL) from None
    prompt(asked, form, limit)


def _pieces(commands: Sequence[str], file: str | None) -> list[Piece]:
    from ..sql.script import split

    try:
        if commands:
            for command in commands:
                command.encode()
            return [piece for command in commands for piece in split(command).all]
        raw = sys.stdin.buffer.read() if file in (None, "-") else Path(str(file)).read_bytes()
        return split(raw.decode("utf-8-sig")).all
    except UnicodeError:
        raise click.ClickException("the statements are no UTF-8 text") from None
    except OSError as fault:
        raise click.ClickException(f"cannot read {file}: {fault.strerror}") from None


def _values(
    parameters: Sequence[str], commands: Sequence[str], pieces: Sequence[Piece]
) -> list[AttributeValue]:
    from alt.errors import ApiError
    from alt.expressions.partiql import read_literal

    if parameters and (not commands or len(pieces) != 1):
        raise click.UsageError("--parameter is for the one statement of --command.")
    values = []
    for parameter in parameters:
        try:
            values.append(read_literal(parameter))
        except ApiError:
            raise click.UsageError(
                f"{parameter} is no value in PartiQL: write 'text' in quotes, 5, [1, 2], {{'a': 1}}."
            ) from None
    return values


def _run(
    pieces: Sequence[Piece],
    values: Sequence[AttributeValue],
    asked: Answering,
    form: Form,
    limit: int | None,
    *,
    shows_lines: bool,
    keep_going: bool,
) -> bool:
    """Whether all went well."""
    from alt.errors import ApiError

    from ..sql.output import problem
    from ..sql.session import Leave, Session

    is_well = True
    with asked() as ask:
        session = Session(ask, form, limit)
        for piece in pieces:
            try:
                session.run(piece, values)
            except ApiError as error:
                problem(error.message or error.type, piece.text, piece.line if shows_lines else None)
                is_well = False
                if not keep_going:
                    break
            except Leave:
                break
    return is_well
