"""The README names every command, argument and option that `--help` does, and none that is not there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from alt.cli import main

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
# Said once, above the commands.
COMMON = {"--data-dir", "--json"}


def _contexts(
    command: click.Command, parent: click.Context | None = None, name: str = "alt"
) -> Iterator[click.Context]:
    """A context for the command and each one below it."""
    context = click.Context(command, parent, info_name=name)
    yield context
    if isinstance(command, click.Group):
        for inner, each in command.commands.items():
            yield from _contexts(each, context, inner)


CONTEXTS = list(_contexts(main))


def _options(context: click.Context) -> list[click.Option]:
    return [each for each in context.command.params if isinstance(each, click.Option)]


def _names(context: click.Context) -> set[str]:
    return {name for option in _options(context) for name in option.opts}


def _usage(context: click.Context) -> str:
    """The command with its arguments, as `--help` shows them."""
    pieces = context.command.collect_usage_pieces(context)
    is_group = isinstance(context.command, click.Group)
    return " ".join([context.command_path, *([] if is_group else pieces[1:])])


def _rows(section: str) -> list[list[str]]:
    """The cells of the table in a section of the README, its two lines of headings left out."""
    text = README.partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    lines = [line for line in text.splitlines() if line.startswith("|")][2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def _code(cell: str) -> list[str]:
    return re.findall(r"`([^`]*)`", cell)


# A group does nothing by itself, unless it has options.
DOING = {
    _usage(context): context
    for context in CONTEXTS[1:]
    if _options(context) or not isinstance(context.command, click.Group)
}
COMMANDS = {_code(name)[0]: options for name, options, _ in _rows("Commands")}
(START,) = (context for context in CONTEXTS if context.command_path == "alt start")


def test_every_command_has_its_row() -> None:
    assert set(COMMANDS) == set(DOING)


@pytest.mark.parametrize("usage", sorted(set(DOING) - {"alt start"}))
def test_a_row_names_the_options_of_its_command(usage: str) -> None:
    assert _names(DOING[usage]) >= COMMON
    assert set(_code(COMMANDS[usage])) == _names(DOING[usage]) - COMMON


def test_the_settings_are_the_options_of_start_with_their_variables_and_defaults() -> None:
    told = {_code(row[0])[0]: (_code(row[1])[0], row[2].strip("`")) for row in _rows("Settings")}
    settings = {option.opts[0]: option for option in _options(START)}
    assert {name: variable for name, (variable, _) in told.items()} == {
        name: option.envvar for name, option in settings.items()
    }
    for name, (_, default) in told.items():
        shown, value = settings[name].show_default, settings[name].default
        if isinstance(shown, str):
            assert default == shown, name
        elif shown:
            assert default == (f"{value:g}" if isinstance(value, float) else str(value)), name


def test_every_option_has_a_help_text_or_choices() -> None:
    for context in CONTEXTS:
        for option in _options(context):
            assert option.help or isinstance(option.type, click.Choice), (context.command_path, option.name)


def test_the_readme_names_no_other_option() -> None:
    known = {"--help"}.union(*map(_names, CONTEXTS))
    assert set(re.findall(r"--[a-z][a-z-]*", README)) == known


def test_help_names_the_options_that_were_looked_at() -> None:
    """What `--help` prints is what the tests above compare."""
    for context in CONTEXTS:
        printed = context.command.get_help(context)
        assert set(re.findall(r"^  (?:-h, )?(--[a-z-]+)", printed, re.MULTILINE)) == _names(context) | {
            "--help"
        }
