"""The key of an encrypted data directory: where a command takes it from, for all commands alike.

From the file of `--encryption-key-file`, else from ALT_ENCRYPTION_KEY, else, where a directory is encrypted and the
package `keyring` is installed, from the keyring. Never from the command line, which other users can see.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

import click

from ..settings import BY_NAME, configured

Command = TypeVar("Command", bound=Callable[..., Any])

VARIABLE = "ALT_ENCRYPTION_KEY"
KEYRING_SERVICE = "alt"  # of which the directory's path is the user
_MAX_KEY_CHARACTERS = 4_096
_META = "alt.encryption_key_file"


def encryption_key_option(command: Command) -> Command:
    """`--encryption-key-file`: kept with the command's context, for `secret`."""
    setting = BY_NAME["encryption-key-file"]
    return click.option(
        setting.flag,
        envvar=setting.variable,
        type=setting.kind,
        default=lambda: configured(setting.name),
        show_default=setting.default_text,
        expose_value=False,
        callback=_keep,
        help="File with the key that the data is encrypted with.",
    )(command)


def _keep(_context: click.Context, _option: click.Parameter, file: Path | None) -> None:
    take_key_file(file)


def take_key_file(file: Path | None) -> None:
    """Let `secret` find the key there, if there is a file."""
    if file is not None:
        click.get_current_context().meta[_META] = file


def secret(directory: Path) -> str | None:
    """The key as its user gave it; None where none was given. Raises ClickException where it cannot be read."""
    if (file := _key_file()) is not None:
        return read_key(file)
    if VARIABLE in os.environ:
        return _checked(os.environ[VARIABLE], f"the variable {VARIABLE}")
    return _from_keyring(directory)


def _key_file() -> Path | None:
    file: Path | None = click.get_current_context().meta.get(_META)
    return file


def read_key(file: Path) -> str:
    """The key in a file. Raises ClickException where there is none."""
    try:
        with file.open(encoding="utf-8") as opened:
            text = opened.read(_MAX_KEY_CHARACTERS + 1)
    except OSError as fault:
        raise click.ClickException(f"cannot read the key file {file}: {fault.strerror or fault}") from None
    except ValueError:
        raise click.ClickException(
            f"the key file {file} holds no text: `openssl rand -hex 32` makes a key"
        ) from None
    if sys.platform != "win32" and file.stat().st_mode & 0o077:
        click.echo(
            f"Warning: other users of this machine can read the key file {file}: `chmod 600` keeps them out.",
            err=True,
        )
    return _checked(text, f"the key file {file}")


def unlock(directory: Path, *, disregard_of_plain: bool = False) -> None:
    """Let this process open the databases of a data directory, with the key that the command was given.

    `disregard_of_plain`: a key that is given is none for a directory that is not encrypted.
    """
    from alt.storage.sqlite.data_directory import UnusableDataError, is_encrypted
    from alt.storage.sqlite.directory_key import unlock

    try:
        disregarded = disregard_of_plain and not is_encrypted(directory)
        unlock(directory, None if disregarded else secret(directory))
    except UnusableDataError as error:
        raise click.ClickException(str(error)) from None
    except OSError as error:
        raise click.ClickException(f"cannot use {error.filename or directory}: {error.strerror}") from None


def _checked(text: str, where: str) -> str:
    key = text.strip()
    if not key:
        raise click.ClickException(f"{where} is empty: `openssl rand -hex 32` makes a key")
    if len(text) > _MAX_KEY_CHARACTERS:
        raise click.ClickException(f"{where} is too long for a key: `openssl rand -hex 32` makes one")
    return key


def _from_keyring(directory: Path) -> str | None:
    from alt.storage.sqlite.data_directory import is_encrypted

    if not is_encrypted(directory) or find_spec("keyring") is None:
        return None
    import keyring
    from keyring.errors import KeyringError

    try:
        key = keyring.get_password(KEYRING_SERVICE, str(directory))
    except KeyringError as error:
        raise click.ClickException(f"the keyring cannot be asked for the key: {error}") from None
    return None if key is None else _checked(key, "the keyring's key")
