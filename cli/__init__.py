"""The `alt` command."""

from __future__ import annotations

import os
from importlib import import_module

import click

from alt import __version__

# Where each command is, by whose name it is there.
MODULES = {
    "backup": "backup",
    "completion": "completion",
    "config": "config",
    "copy": "copy",
    "doctor": "doctor",
    "dump": "dump",
    "engine": "engine",
    "env": "env",
    "faults": "faults",
    "items": "items",
    "keys": "keys",
    "load": "load",
    "rekey": "rekey",
    "restore": "restore",
    "snapshot": "snapshot",
    "sql": "sql",
    "start": "start",
    "status": "running",
    "stop": "running",
    "streams": "streams",
    "tables": "tables",
    "tls": "tls",
    "usage": "usage",
    "wait": "running",
}


class Commands(click.Group):
    """A group whose commands are imported as they are called: each needs a part of Alt, and none all of it."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's
        return sorted(MODULES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's
        module = MODULES.get(cmd_name)
        if module is None:
            return None
        command: click.Command = getattr(import_module(f"{__name__}.commands.{module}"), cmd_name)
        return command


@click.group(
    cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "auto_envvar_prefix": "ALT"}
)
@click.version_option(__version__, prog_name="alt")
def main() -> None:
    """Alt: the DynamoDB API on SQLite files."""
    # What Alt writes is for its user alone.
    os.umask(os.umask(0o077) | 0o077)
