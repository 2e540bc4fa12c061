"""The settings of a server, in one table: it makes options of `alt start`, variables, the file, and docs/settings.md.

A new setting is a line in SETTINGS, and a field of alt.config.Settings with the name of its parameter;
`python packaging/generate_settings.py` then writes the table of that page.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import click

from alt.config import (
    DEFAULT_HOST,
    DEFAULT_PORT,
    DEFAULT_STREAM_SHARDS,
    DEFAULT_WRITE_ISOLATION,
    MAX_ITEM_COLLECTION_BYTES,
    MAX_STREAM_SHARDS,
    TTL_INTERVAL_SECONDS,
    WRITE_ISOLATIONS,
    without_password,
)

Command = TypeVar("Command", bound=Callable[..., Any])

LOG_LEVELS = ["debug", "info", "warning", "error"]
CONFIG_VARIABLE = "ALT_CONFIG"
_CONFIG_HELP = "Settings in TOML, under the names that they have here: port = 8000. Options and variables go before them."

SCHEMES = ("postgresql://", "postgres://")

_PORT = click.IntRange(0, 65_535)
_FILE = click.Path(dir_okay=False, path_type=Path)


class _Origin(click.ParamType):  # type: ignore[type-arg]
    """An origin as browsers send it, or * for all."""

    name = "origin"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        from alt.http.access import is_origin

        if not isinstance(value, str) or not is_origin(value):
            self.fail(f"{value} is no origin: give https://app.example without a path, or *.", param, ctx)
        return value


class Address(click.ParamType):  # type: ignore[type-arg]
    """A database's address, for which there is a driver."""

    name = "address"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if not isinstance(value, str) or not value.startswith(SCHEMES):
            self.fail("an engine's address begins with postgresql://", param, ctx)
        if find_spec("asyncpg") is None:
            raise click.ClickException(
                "this needs the driver for PostgreSQL: pip install 'alt-dynamodb[postgres]'"
            )
        return value


def _shown_address(dsn: str | None) -> str | None:
    return None if dsn is None else without_password(dsn)


class Setting(NamedTuple):
    """One setting. `name` is the option's, and the file's; `default` is told as `default_text` where that is said."""

    name: str
    help: str
    kind: click.ParamType[Any] = click.STRING
    default: Any = None
    default_text: str = ""
    metavar: str | None = None
    is_flag: bool = False
    multiple: bool = False
    parameter_name: str = ""
    shown: Callable[[Any], Any] = lambda value: value  # without what nobody should see

    @property
    def parameter(self) -> str:
        """The name of the option's value, and of the field of alt.config.Settings."""
        return self.parameter_name or self.name.replace("-", "_")

    @property
    def flag(self) -> str:
        return f"--{self.name}"

    @property
    def variable(self) -> str:
        return "ALT_" + self.name.replace("-", "_").upper()

    @property
    def told_default(self) -> str:
        """The default as a person reads it."""
        if self.default_text or self.default is None or self.multiple:
            return self.default_text or "none"
        if self.is_flag:
            return "on" if self.default else "off"
        return f"{self.default:g}" if isinstance(self.default, float) else str(self.default)

    def option(self) -> Callable[[Command], Command]:
        if self.is_flag:
            return click.option(self.flag, self.parameter, envvar=self.variable, is_flag=True, help=self.help)
        is_told = self.default is not None and not self.multiple
        return click.option(
            self.flag,
            self.parameter,
            envvar=self.variable,
            type=self.kind,
            default=self.default,
            show_default=(self.default_text or True) if is_told or self.default_text else None,
            metavar=self.metavar,
            multiple=self.multiple,
            help=self.help,
        )

    def read(self, value: Any, folder: Path) -> Any:
        """What a file in `folder` says, as the option takes it. Raises ValueError."""
        if self.is_flag:
            if not isinstance(value, bool):
                raise ValueError("give true or false")
            return value
        if self.multiple:
            if not isinstance(value, list):
                raise ValueError("give an array")
            return [self._converted(each, folder) for each in value]
        return self._converted(value, folder)

    def _converted(self, value: Any, folder: Path) -> Any:
        if isinstance(value, bool | list | dict):
            raise ValueError("give one value")
        try:
            converted = self.kind.convert(value, None, None)
        except click.BadParameter as fault:
            raise ValueError(fault.message) from None
        # A path in a file is of the file's folder, wherever a command is called.
        return folder / Path(converted) if isinstance(self.kind, click.Path) else converted


SETTINGS = (
    Setting("host", "Address to listen on.", default=DEFAULT_HOST),
    Setting("port", "Port to listen on; 0 picks a free one and prints it.", _PORT, DEFAULT_PORT),
    Setting(
        "allowed-host",
        "A further name by which clients reach this server, beside addresses and localhost; * for any. Repeatable; in "
        "the variable several with spaces.",
        metavar="NAME",
        multiple=True,
        parameter_name="allowed_hosts",
    ),
    Setting(
        "cors-origin",
        "Whose web pages may use this server, beside those of this machine: https://app.example, or * for all. "
        "Repeatable.",
        _Origin(),
        metavar="ORIGIN",
        multiple=True,
        parameter_name="cors_origins",
    ),
    Setting(
        "auth",
        "enforce: requests must be signed with a key of `alt keys`, and are refused what its role or policy does not allow. "
        "warn: they are answered, and what would be refused is logged. off: signatures are not looked at.",
        click.Choice(["enforce", "warn", "off"]),
        "off",
    ),
    Setting(
        "isolate",
        "region: each region has tables of its own, as on DynamoDB. account: each access key id has, too; twelve digits are "
        "an account by themselves. Without it all see the same tables.",
        click.Choice(["region", "account"]),
    ),
    Setting(
        "tls-port",
        "Port to listen on for HTTPS, beside the other; with the certificate that `alt tls init` made, unless another is "
        "named.",
        _PORT,
    ),
    Setting(
        "tls-cert",
        "Certificate (PEM, with those between it and its authority). Without --tls-port the one port speaks HTTPS. A "
        "changed file is taken up within a second.",
        _FILE,
    ),
    Setting("tls-key", "The certificate's key (PEM, not encrypted).", _FILE),
    Setting(
        "tls-client-ca",
        "Authorities (PEM) whose certificates clients show. With --auth one whose common name is an access key's name or "
        "id stands for its signature.",
        _FILE,
    ),
    Setting(
        "tls-client-auth",
        "required: who shows no certificate of --tls-client-ca is not let in. optional: who shows another is not.",
        click.Choice(["required", "optional"]),
        "required",
    ),
    Setting(
        "proxy-protocol",
        "Connections begin with a header of the PROXY protocol, version 2, before TLS where that is spoken, and the address "
        "in it is the client's; others are closed. Whoever reaches the port can name any address, so let the load "
        "balancer alone reach it.",
        is_flag=True,
        default=False,
    ),
    Setting(
        "audit",
        "A file that gets a line of JSON for each request: who did what to which table, from where, and what came of it. - "
        "is the standard output. SIGHUP has the file opened anew.",
        metavar="FILE",
    ),
    Setting(
        "audit-values",
        "With --audit: the parameters of requests, too, with the keys and values in them.",
        is_flag=True,
        default=False,
    ),
    Setting(
        "audit-max-bytes",
        "The size at which the file of --audit is rotated: FILE.1 is then the newest of nine old ones.",
        click.IntRange(min=1),
        default_text="never",
        metavar="BYTES",
    ),
    Setting(
        "data-dir",
        "Where the data is kept; one server at a time serves a directory.",
        click.Path(file_okay=False, path_type=Path),
        default_text="the platform's place for application data",
    ),
    Setting(
        "encryption-key-file",
        "File with the key that the data directory is encrypted with, or is to be, if it is new.",
        _FILE,
        default_text="the key in ALT_ENCRYPTION_KEY, else the keyring's",
    ),
    Setting("memory", "Keep everything in memory; nothing outlives the server.", is_flag=True, default=False),
    Setting(
        "engine",
        "Keep the data in a database that speaks PostgreSQL's protocol, which any number of servers share: "
        "postgresql://USER@HOST1,HOST2/DATABASE. A password is better off in the variable or in a passfile, where `ps` does "
        "not show it.",
        Address(),
        metavar="DSN",
        shown=_shown_address,
    ),
    Setting(
        "engine-replica",
        "A standby of the database of --engine, or several hosts of which one is, for reads that are not strongly "
        "consistent: they may be as old as it is behind. Without one that answers they go to --engine.",
        Address(),
        metavar="DSN",
        shown=_shown_address,
    ),
    Setting(
        "keys-secret-file",
        "With --engine and --auth: file with what the secrets of access keys are made with, the same for every server. "
        "`alt keys create --engine` makes it with the first key.",
        _FILE,
        default_text="keys.secret in the data directory of this user",
    ),
    Setting(
        "sync",
        "full: an acknowledged write survives a power cut. normal: tables and transactions over several tables do, a "
        "table's last other writes may not. off: a write survives the death of the process.",
        click.Choice(["full", "normal", "off"]),
        "full",
    ),
    Setting(
        "item-collection-limit",
        "How many bytes one partition key may hold on tables with local secondary indexes, these included.",
        click.IntRange(min=1),
        MAX_ITEM_COLLECTION_BYTES,
        "10 GB",
        metavar="BYTES",
    ),
    Setting(
        "enforce-throughput",
        "Hold tables and indexes to their provisioned throughput (with DynamoDB's 300-second burst), or to their "
        "on-demand maximum.",
        is_flag=True,
        default=False,
    ),
    Setting(
        "stream-shards",
        "How many shards a new stream has, on a provisioned table at most; a stream keeps those it began with.",
        click.IntRange(1, MAX_STREAM_SHARDS),
        DEFAULT_STREAM_SHARDS,
    ),
    Setting(
        "ttl-interval",
        "How often items that have expired are deleted, in seconds.",
        click.FloatRange(min=0, min_open=True),
        TTL_INTERVAL_SECONDS,
        metavar="SECONDS",
    ),
    Setting(
        "ttl-change-interval",
        "How many seconds after a change of a table's TimeToLive the next is refused; DynamoDB documents 3600.",
        click.FloatRange(min=0),
        0.0,
        metavar="SECONDS",
    ),
    Setting(
        "write-isolation",
        "always, only_rmw_uses_lwt, unsafe: every write is isolated. forbid: a write that reads its item first is "
        "refused. A table's tag system:write_isolation goes before it.",
        click.Choice(list(WRITE_ISOLATIONS)),
        DEFAULT_WRITE_ISOLATION,
        metavar="POLICY",
    ),
    Setting(
        "metrics-port",
        "Port for /metrics alone, without credentials, beside /metrics on the other port.",
        _PORT,
    ),
    Setting(
        "faults",
        "Let `alt faults` set faults, as it may with --memory; only from this machine, and with --auth enforce only with an "
        "admin key.",
        is_flag=True,
        default=False,
    ),
    Setting(
        "log-level", "How much is logged: debug, info, warning or error.", click.Choice(LOG_LEVELS), "warning"
    ),
    Setting(
        "log-format",
        "text: lines for people. json: an object a line.",
        click.Choice(["text", "json"]),
        "text",
    ),
    Setting(
        "log-requests",
        "Log each request. The signal SIGUSR1 turns this on and off while the server runs.",
        is_flag=True,
        default=False,
    ),
    Setting(
        "slow-ms",
        "Log requests that take so many milliseconds and more, with their tables and how they found their items.",
        click.FloatRange(min=0),
        metavar="MILLISECONDS",
    ),
)
BY_NAME = {setting.name: setting for setting in SETTINGS}


def setting_options(command: Command) -> Command:
    """All settings, and `--config` with a file that has some."""
    for setting in reversed(SETTINGS):
        command = setting.option()(command)
    return click.option(
        "--config",
        envvar=CONFIG_VARIABLE,
        type=click.Path(dir_okay=False, path_type=Path),
        is_eager=True,
        expose_value=False,
        callback=_take,
        help=_CONFIG_HELP,
    )(command)


def _take(context: click.Context, _option: click.Parameter, path: Path | None) -> None:
    """Let what the file says be the defaults of the options that follow."""
    if path is not None:
        context.default_map = {BY_NAME[name].parameter: value for name, value in read_file(path).items()}
        context.meta[CONFIG_VARIABLE] = path


def read_file(path: Path) -> dict[str, Any]:
    """The settings in a file of TOML, as their options take them. Raises ClickException."""
    import tomllib

    try:
        said = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as fault:
        raise click.ClickException(f"cannot read {path}: {fault.strerror}") from None
    except ValueError as fault:
        raise click.ClickException(f"{path} is no TOML: {fault}") from None
    return dict(_settings(path, said))


def _settings(path: Path, said: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in said.items():
        setting = BY_NAME.get(name)
        if setting is None:
            like = difflib.get_close_matches(name, BY_NAME, 1)
            advice = f"did you mean {like[0]}?" if like else "`alt config show` lists those there are"
            raise click.ClickException(f"{path}: {name} is no setting: {advice}")
        try:
            yield name, setting.read(value, path.absolute().parent)
        except ValueError as fault:
            raise click.ClickException(f"{path}: {name}: {fault}") from None


def configured(name: str) -> Any:
    """What the file that ALT_CONFIG names says of a setting, for commands that look for a server; None if nothing."""
    path = os.environ.get(CONFIG_VARIABLE)
    return read_file(Path(path)).get(name) if path else None


def settings_table() -> str:
    """The table of all settings as docs/settings.md has it."""
    rows = ["| option of `alt start` | environment | default | |", "|---|---|---|---|"]
    for setting in SETTINGS:
        is_said_in_words = setting.default_text or setting.default is None or setting.is_flag
        told = setting.told_default if is_said_in_words else f"`{setting.told_default}`"
        rows.append(f"| `{setting.flag}` | `{setting.variable}` | {told} | {_with_code(setting.help)} |")
    rows.append(f"| `--config` | `{CONFIG_VARIABLE}` | none | {_with_code(_CONFIG_HELP)} |")
    return "\n".join(rows) + "\n"


def _with_code(text: str) -> str:
    """With options as code."""
    return re.sub(r"--[a-z][a-z-]+", lambda found: f"`{found[0]}`", text)
