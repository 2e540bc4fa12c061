"""docs/commands.md and docs/settings.md name every command, argument and option that `--help` does; no page any other."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import click
import pytest
from alt.cli import main
from alt.cli.settings import SETTINGS, settings_table

from alt.config import Settings

DOCS = Path(__file__).parent.parent / "docs"
COMMANDS_PAGE = (DOCS / "commands.md").read_text(encoding="utf-8")
SETTINGS_PAGE = (DOCS / "settings.md").read_text(encoding="utf-8")
# Said once, above the commands, with those that have neither.
COMMON = {"--data-dir", "--encryption-key-file", "--json"}
# Whose options are the settings.
SETTLED = {"alt start", "alt config show"}
WITHOUT_COMMON = {"alt completion SHELL"}
PLACE = {"--endpoint-url", "--endpoint"}


def _contexts(
    command: click.Command, parent: click.Context | None = None, name: str = "alt"
) -> Iterator[click.Context]:
    """A context for the command and each one below it."""
    context = click.Context(command, parent, info_name=name)
    yield context
    if isinstance(command, click.Group):
        for inner in command.list_commands(context):
            each = command.get_command(context, inner)
            assert each is not None
            yield from _contexts(each, context, inner)


CONTEXTS = list(_contexts(main))


def _options(context: click.Context) -> list[click.Option]:
    return [each for each in context.command.params if isinstance(each, click.Option)]


def _names(context: click.Context) -> set[str]:
    """The long names; a short one stands before its long one."""
    return {name for option in _options(context) for name in option.opts if name.startswith("--")}


def _usage(context: click.Context) -> str:
    """The command with its arguments, as `--help` shows them."""
    pieces = context.command.collect_usage_pieces(context)
    is_group = isinstance(context.command, click.Group)
    return " ".join([context.command_path, *([] if is_group else pieces[1:])])


def _rows(page: str) -> list[list[str]]:
    """The cells of a page's table, its two lines of headings left out."""
    lines = [line for line in page.splitlines() if line.startswith("|")][2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def _code(cell: str) -> list[str]:
    return re.findall(r"`([^`]*)`", cell)


# A group does nothing by itself, unless it has options.
DOING = {
    _usage(context): context
    for context in CONTEXTS[1:]
    if _options(context) or not isinstance(context.command, click.Group)
}
COMMANDS = {_code(name)[0]: options for name, options, _ in _rows(COMMANDS_PAGE)}
(START,) = (context for context in CONTEXTS if context.command_path == "alt start")


def test_every_command_has_its_row() -> None:
    assert set(COMMANDS) == set(DOING)


@pytest.mark.parametrize("usage", sorted(set(DOING) - SETTLED))
def test_a_row_names_the_options_of_its_command(usage: str) -> None:
    # A database is named where others name a directory.
    common = {"--json"} if usage.startswith("alt engine") else COMMON
    assert usage in WITHOUT_COMMON or _names(DOING[usage]) >= common
    assert set(_code(COMMANDS[usage])) == _names(DOING[usage]) - common - PLACE


def test_the_settings_are_told_as_the_code_has_them() -> None:
    assert settings_table() in SETTINGS_PAGE, "python packaging/generate_settings.py writes them anew"


def test_the_settings_are_the_options_of_start_and_fields_of_the_server() -> None:
    assert {setting.flag for setting in SETTINGS} | {"--config"} == _names(START)
    # What does not concern the server but who starts it.
    own = {"memory", "log_level", "log_format", "encryption_key_file"}
    told = {field.name for field in fields(Settings)} - {"encryption_key"}  # which the file holds
    assert {setting.parameter for setting in SETTINGS} - own == told
    defaults = Settings()
    for setting in SETTINGS:
        if setting.parameter not in own and not setting.multiple:
            assert setting.default == getattr(defaults, setting.parameter), setting.name


def test_every_option_has_a_help_text_or_choices() -> None:
    for context in CONTEXTS:
        for option in _options(context):
            assert option.help or isinstance(option.type, click.Choice), (context.command_path, option.name)


# As the expression below finds them: --createTableMs begins as --create.
OF_DYNALITE = {"--path", "--ssl", "--create", "--update", "--delete"}
KNOWN = {"--help"}.union(*map(_names, CONTEXTS))


def _named_options(page: str) -> set[str]:
    """Those in a page's prose and tables; its blocks of code have options of other programs, too."""
    prose = re.sub(r"^```.*?^```$", "", page, flags=re.MULTILINE | re.DOTALL)
    return set(re.findall(r"--[a-z][a-z-]*", prose))


def test_the_pages_of_commands_and_settings_name_every_option() -> None:
    assert _named_options(COMMANDS_PAGE + SETTINGS_PAGE) == KNOWN


@pytest.mark.parametrize(
    "page", [DOCS.parent / "README.md", *sorted(DOCS.glob("*.md"))], ids=lambda page: page.name
)
def test_a_page_names_no_option_that_is_not_there(page: Path) -> None:
    others = OF_DYNALITE if page.name == "migrating.md" else set()
    assert _named_options(page.read_text(encoding="utf-8")) <= KNOWN | others


def test_help_names_the_options_that_were_looked_at() -> None:
    """What `--help` prints is what the tests above compare."""
    for context in CONTEXTS:
        printed = context.command.get_help(context)
        lines = re.findall(r"^  (?:-[a-z], )?(--[a-z-]+(?:, --[a-z-]+)*)", printed, re.MULTILINE)
        shown = {name for line in lines for name in line.split(", ")}
        assert shown == _names(context) | {"--help"}


@pytest.mark.parametrize("usage", sorted(DOING))
def test_help_has_an_example_that_the_command_understands(
    usage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "alt.toml").touch()  # which some name
    context = DOING[usage]
    examples = re.findall(r"^  (?:For e|E)xample: (.*)$", context.command.get_help(context), re.MULTILINE)
    understood = [_words_after(context.command_path, shlex.split(example)) for example in examples]
    assert understood
    assert any(words is not None for words in understood)
    for words in understood:
        if words is not None:
            context.command.make_context(context.info_name, words, context.parent)


def _words_after(path: str, words: list[str]) -> list[str] | None:
    """What an example gives the command, up to a pipe; None where it calls it in another way, as `$(alt env)`."""
    command = path.split()
    for start in range(len(words)):
        if words[start : start + len(command)] == command:
            rest = words[start + len(command) :]
            ends = [place for place, word in enumerate(rest) if word in ("|", ">", "&")]
            return rest[: min(ends, default=len(rest))]
    return None
