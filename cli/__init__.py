"""The `alt` command."""

from __future__ import annotations

import os

import click

from alt import __version__

from .backup import backup
from .restore import restore
from .snapshot import snapshot
from .start import start
from .streams import streams
from .tables import tables
from .usage import usage


@click.group(context_settings={"help_option_names": ["-h", "--help"], "auto_envvar_prefix": "ALT"})
@click.version_option(__version__, prog_name="alt")
def main() -> None:
    """Alt: the DynamoDB API on SQLite files."""
    # What Alt writes is for its user alone.
    os.umask(os.umask(0o077) | 0o077)


main.add_command(backup)
main.add_command(restore)
main.add_command(snapshot)
main.add_command(start)
main.add_command(streams)
main.add_command(tables)
main.add_command(usage)
