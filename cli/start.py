"""`alt start`: serve until told to stop."""

from __future__ import annotations

import logging
from pathlib import Path

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
    Settings,
    Sync,
    default_data_dir,
)

LOG_LEVELS = ["debug", "info", "warning", "error"]


def _origins(_context: click.Context, _option: click.Parameter, origins: tuple[str, ...]) -> tuple[str, ...]:
    from alt.http.access import is_origin

    for origin in origins:
        if not is_origin(origin):
            raise click.BadParameter(f"{origin} is no origin: give https://app.example without a path, or *.")
    return origins


@click.command()
@click.option(
    "--host", envvar="ALT_HOST", default=DEFAULT_HOST, show_default=True, help="Address to listen on."
)
@click.option(
    "--port",
    envvar="ALT_PORT",
    default=DEFAULT_PORT,
    show_default=True,
    type=click.IntRange(0, 65_535),
    help="Port to listen on; 0 picks a free one.",
)
@click.option(
    "--allowed-host",
    "allowed_hosts",
    envvar="ALT_ALLOWED_HOST",
    metavar="NAME",
    multiple=True,
    help="A further name by which clients reach this server, beside addresses and localhost; * for any. Repeatable.",
)
@click.option(
    "--cors-origin",
    "cors_origins",
    envvar="ALT_CORS_ORIGIN",
    metavar="ORIGIN",
    multiple=True,
    callback=_origins,
    help="Whose web pages may use this server, beside those of this machine: https://app.example, or * for all. "
    "Repeatable.",
)
@click.option(
    "--data-dir",
    envvar="ALT_DATA_DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help=f"Where the data is kept. [default: {default_data_dir()}]",
)
@click.option(
    "--memory",
    envvar="ALT_MEMORY",
    is_flag=True,
    help="Keep everything in memory; nothing outlives the server.",
)
@click.option(
    "--sync",
    envvar="ALT_SYNC",
    default="full",
    show_default=True,
    type=click.Choice(["full", "normal", "off"]),
    help="full: an acknowledged write survives a power cut. normal: tables and transactions over several tables do, a "
    "table's last other writes may not. off: a write survives the death of the process.",
)
@click.option(
    "--item-collection-limit",
    envvar="ALT_ITEM_COLLECTION_LIMIT",
    metavar="BYTES",
    default=MAX_ITEM_COLLECTION_BYTES,
    show_default="10 GB",
    type=click.IntRange(min=1),
    help="How much one partition key may hold on tables with local secondary indexes, these included.",
)
@click.option(
    "--enforce-throughput",
    envvar="ALT_ENFORCE_THROUGHPUT",
    is_flag=True,
    help="Hold tables and indexes to their provisioned throughput, or to their on-demand maximum.",
)
@click.option(
    "--stream-shards",
    envvar="ALT_STREAM_SHARDS",
    default=DEFAULT_STREAM_SHARDS,
    show_default=True,
    type=click.IntRange(1, MAX_STREAM_SHARDS),
    help="How many shards a new stream has; a stream keeps those it began with.",
)
@click.option(
    "--ttl-interval",
    envvar="ALT_TTL_INTERVAL",
    metavar="SECONDS",
    default=TTL_INTERVAL_SECONDS,
    show_default=True,
    type=click.FloatRange(min=0, min_open=True),
    help="How often items that have expired are deleted.",
)
@click.option(
    "--ttl-change-interval",
    envvar="ALT_TTL_CHANGE_INTERVAL",
    metavar="SECONDS",
    default=0.0,
    show_default=True,
    type=click.FloatRange(min=0),
    help="How long after a change of a table's TimeToLive the next is refused; DynamoDB documents 3600.",
)
@click.option(
    "--write-isolation",
    envvar="ALT_WRITE_ISOLATION",
    default=DEFAULT_WRITE_ISOLATION,
    show_default=True,
    type=click.Choice(list(WRITE_ISOLATIONS)),
    metavar="POLICY",
    help="always, only_rmw_uses_lwt, unsafe: every write is isolated. forbid: a write that reads its item first is "
    "refused. A table's tag system:write_isolation goes before it.",
)
@click.option(
    "--log-level", envvar="ALT_LOG_LEVEL", default="warning", show_default=True, type=click.Choice(LOG_LEVELS)
)
def start(
    host: str,
    port: int,
    allowed_hosts: tuple[str, ...],
    cors_origins: tuple[str, ...],
    data_dir: Path | None,
    memory: bool,
    sync: Sync,
    item_collection_limit: int,
    enforce_throughput: bool,
    stream_shards: int,
    ttl_interval: float,
    ttl_change_interval: float,
    write_isolation: str,
    log_level: str,
) -> None:
    """Serve the DynamoDB API."""
    from alt.http.access import is_loopback
    from alt.service import run
    from alt.storage.sqlite.data_directory import UnusableDataError

    if memory and data_dir is not None:
        raise click.UsageError("--memory keeps nothing on disk: leave out --data-dir.")
    logging.basicConfig(level=log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    directory = None if memory else (data_dir or default_data_dir()).absolute()

    def ready(address: str) -> None:
        click.echo(f"Alt listens on http://{address}")
        click.echo(f"Data: {directory or 'in memory, gone when the server stops'}")
        click.echo(f"AWS_ENDPOINT_URL_DYNAMODB=http://{address}")
        if not is_loopback(address.rpartition(":")[0]):
            click.echo(
                f"Warning: {address} can be reached from other machines, and there is no authentication: "
                "whoever reaches it reads and changes the data.",
                err=True,
            )

    settings = Settings(
        host=host,
        port=port,
        data_dir=directory,
        sync=sync,
        item_collection_limit=item_collection_limit,
        enforce_throughput=enforce_throughput,
        stream_shards=stream_shards,
        ttl_interval=ttl_interval,
        ttl_change_interval=ttl_change_interval,
        write_isolation=write_isolation,
        allowed_hosts=allowed_hosts,
        cors_origins=cors_origins,
    )
    try:
        run(settings, ready)
    except UnusableDataError as error:
        raise click.ClickException(str(error)) from None
    except OSError as error:
        raise click.ClickException(_explain(error, host, port)) from None


def _explain(error: OSError, host: str, port: int) -> str:
    if error.filename is not None:
        return f"cannot use {error.filename}: {error.strerror}. Choose another directory with --data-dir."
    return f"cannot listen on {host}:{port}: {error.strerror}. Choose another port with --port, or 0 for any free one."
