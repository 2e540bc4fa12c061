"""`alt start`: serve until told to stop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from alt.config import Settings, default_data_dir, without_password

from ..asking.encryption_key import secret, take_key_file
from ..logs import LogFormat, log_to_stderr
from ..settings import setting_options

# Where the data may be kept, with the settings that are about that place alone.
PLACES: Mapping[str, tuple[str, ...]] = {
    "memory": (),
    "data_dir": ("encryption_key_file",),
    "engine": ("engine_replica", "keys_secret_file"),
}


@click.command()
@setting_options
def start(log_level: str, log_format: LogFormat, **given: Any) -> None:
    """Serve the DynamoDB API.

    \b
    Example: alt start --data-dir ./data --port 8000
    """
    from alt.audit import UnusableAuditError
    from alt.http.tls import UnusableCertificateError
    from alt.service import UnusablePortError, run
    from alt.storage.engine import UnusableEngineError
    from alt.storage.sqlite.data_directory import UnusableDataError

    given = _without_other_places(given)
    memory, data_dir, key_file = (given.pop(name) for name in ("memory", "data_dir", "encryption_key_file"))
    _check_place(memory, data_dir, key_file, given["engine"], given["engine_replica"])
    take_key_file(key_file)
    is_elsewhere = memory or given["engine"] is not None
    directory = None if is_elsewhere else (data_dir or default_data_dir()).absolute()
    key = None if directory is None else secret(directory)
    settings = Settings(data_dir=directory, encryption_key=key, **given)
    _check_tls(settings)
    _check_auth(settings)
    if settings.audit is None and (settings.audit_values or settings.audit_max_bytes is not None):
        raise click.UsageError("--audit-values and --audit-max-bytes are about --audit FILE.")
    log_to_stderr(log_level, log_format)

    try:
        run(settings, partial(_tell, settings))
    except (UnusableEngineError, UnusableDataError, UnusableCertificateError, UnusableAuditError) as error:
        raise click.ClickException(str(error)) from None
    except UnusablePortError as error:
        options = {settings.tls_port: "--tls-port", settings.metrics_port: "--metrics-port"}
        raise click.ClickException(
            f"cannot listen on {settings.host}:{error.port}: {error.strerror}. Choose another port with "
            f"{options.get(error.port, '--port')}, or 0 for any free one."
        ) from None
    except OSError as error:
        raise click.ClickException(
            f"cannot use {error.filename or directory}: {error.strerror or error}. Choose another directory with "
            "--data-dir."
        ) from None


def _tell(settings: Settings, urls: Sequence[str], metrics_url: str | None) -> None:
    """Print where the server is, and what it serves."""
    from alt.http.access import is_loopback

    for url in urls:
        click.echo(f"Alt listens on {url}")
    if metrics_url is not None:
        click.echo(f"Metrics: {metrics_url}")
    encrypted = "" if settings.encryption_key is None else " (encrypted)"
    click.echo(f"Data: {_place(settings)}{encrypted}")
    click.echo(f"AWS_ENDPOINT_URL_DYNAMODB={urls[0]}")
    address = urls[0].partition("://")[2]
    if settings.auth != "enforce" and not is_loopback(address.rpartition(":")[0]):
        click.echo(
            f"Warning: {address} can be reached from other machines, and whoever reaches it reads and changes the "
            "data: make keys with `alt keys create` and start with --auth enforce.",
            err=True,
        )


def _place(settings: Settings) -> str:
    """Where the data is kept, as it is told."""
    if settings.data_dir is not None:
        return str(settings.data_dir)
    if settings.engine is None:
        return "in memory, gone when the server stops"
    place = without_password(settings.engine)
    if settings.engine_replica is None:
        return place
    return f"{place}, with a replica at {without_password(settings.engine_replica)}"


def _without_other_places(given: Mapping[str, Any]) -> dict[str, Any]:
    """Where the command line says a place, what the environment or a file say of others does not count."""
    source = click.get_current_context().get_parameter_source
    said = {name for name in given if source(name) is ParameterSource.COMMANDLINE}
    if said.isdisjoint(PLACES):
        return dict(given)
    others = {name for place, about in PLACES.items() if place not in said for name in (place, *about)} - said
    return {name: None if name in others else value for name, value in given.items()}


def _check_place(
    memory: bool, data_dir: Path | None, key_file: Path | None, engine: str | None, replica: str | None
) -> None:
    """The data is kept in one place: in memory, in a directory, or in a database."""
    if memory:
        for option, given in (("--data-dir", data_dir), ("--encryption-key-file", key_file)):
            if given is not None:
                raise click.UsageError(f"--memory keeps nothing on disk: leave out {option}.")
    if engine is None:
        if replica is not None:
            raise click.UsageError(
                "--engine-replica is a standby of the database of --engine: name that, too."
            )
        return
    for option, is_given in (("--memory", memory), ("--data-dir", data_dir is not None)):
        if is_given:
            raise click.UsageError(f"{option} and --engine are two places for the data: leave one out.")


def _check_auth(settings: Settings) -> None:
    """Keys are kept with the data, and tables apart from each other in a data directory."""
    is_in_memory = settings.data_dir is None and settings.engine is None
    if settings.auth != "off" and is_in_memory:
        raise click.UsageError(
            f"--auth {settings.auth} needs keys, which are kept on disk: leave out --memory."
        )
    if settings.isolate is not None and settings.engine is not None:
        raise click.UsageError(
            f"--isolate {settings.isolate} keeps tables apart in a data directory: leave out --engine."
        )
    if settings.keys_secret_file is not None and settings.engine is None:
        raise click.UsageError(
            "--keys-secret-file is about the keys in the database of --engine: name that, too."
        )


def _check_tls(settings: Settings) -> None:
    cert = settings.tls_cert
    if (cert is None) != (settings.tls_key is None):
        raise click.UsageError("--tls-cert and --tls-key go together.")
    if settings.data_dir is None and settings.tls_port is not None and cert is None:
        raise click.UsageError(
            "--memory has no directory with a certificate: name one with --tls-cert and --tls-key."
        )
    if settings.tls_client_ca is not None and settings.tls_port is None and cert is None:
        raise click.UsageError(
            "--tls-client-ca is about HTTPS: give --tls-port, or --tls-cert and --tls-key."
        )
