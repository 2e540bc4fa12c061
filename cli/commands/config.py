"""`alt config`: which settings a server would have, and who says so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from ..settings import CONFIG_VARIABLE, SETTINGS, Setting, setting_options
from ..terminal import output

HEADINGS = ("Setting", "Value", "From", "Default")


@click.group()
def config() -> None:
    """Settings, whether from options, variables or a file."""


@config.command()
@setting_options
@output.json_option()
@click.pass_context
def show(context: click.Context, /, as_json: bool, **values: Any) -> None:
    """Show each setting that `alt start` would have, where it comes from, and its default.

    It takes the options of `alt start`. In a pipe one line a setting, tab-separated: name, value, source, default.

    \b
    Example: alt config show --config alt.toml
    """
    rows = [
        (setting, setting.shown(values[setting.parameter]), _source(context, setting)) for setting in SETTINGS
    ]
    if as_json:
        output.json([_as_json(*row) for row in rows])
    else:
        output.table(HEADINGS, [_row(*row) for row in rows])


def _source(context: click.Context, setting: Setting) -> str:
    source = context.get_parameter_source(setting.parameter)
    if source is ParameterSource.COMMANDLINE:
        return setting.flag
    if source is ParameterSource.ENVIRONMENT:
        return setting.variable
    return str(context.meta[CONFIG_VARIABLE]) if source is ParameterSource.DEFAULT_MAP else "default"


def _told(value: Any) -> str:
    if value is None or value == ():
        return "none"
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, tuple):
        return " ".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def _row(setting: Setting, value: Any, source: str) -> list[output.Cell]:
    told = setting.told_default if source == "default" and setting.default_text else _told(value)
    return [output.Cell(text) for text in (setting.name, told, source, setting.told_default)]


def _as_json(setting: Setting, value: Any, source: str) -> dict[str, Any]:
    said = str(value) if isinstance(value, Path) else value
    return {"name": setting.name, "value": said, "from": source, "default": setting.default}
