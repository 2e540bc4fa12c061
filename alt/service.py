"""The composition root: settings in, a running server out."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import socket
import sys
import uuid
from collections.abc import Callable

from alt import descriptors
from alt.clock import SteadyClock
from alt.config import WRITE_ISOLATIONS, Settings
from alt.http.access import Access
from alt.http.connections import Connections
from alt.http.dispatch import Dispatcher
from alt.http.protocol import Connection
from alt.operations.context import Context
from alt.storage.sqlite.data_directory import (
    ServerLock,
    is_open_to_others,
    make_private,
    refuse_foreign,
    using,
)
from alt.storage.sqlite.store import Store

BACKLOG = 1_024
SEND_BUFFER_BYTES = 256 * 1024
# Objects made between two runs of the garbage collector. Python's 700 means one in the midst of every larger
# request; nearly all that requests leave behind goes by reference counts.
GARBAGE_THRESHOLD = 50_000
# How long a thread that is to commit may wait for the interpreter, which it needs for microseconds.
SWITCH_SECONDS = 0.0001
SHUTDOWN_GRACE_SECONDS = 10.0

_log = logging.getLogger(__name__)


def run(settings: Settings, ready: Callable[[str], None]) -> None:
    """Serve until SIGINT or SIGTERM. `ready` is called with `host:port` once requests are answered.

    Raises OSError (port, directory) and UnusableDataError before that.
    """
    if sys.platform == "win32":
        asyncio.run(_serve(settings, ready))
        return
    import uvloop

    descriptors.raise_limit()
    uvloop.run(_serve(settings, ready))


async def _serve(settings: Settings, ready: Callable[[str], None]) -> None:
    lock = None
    if settings.data_dir is not None:
        refuse_foreign(settings.data_dir)
        make_private(settings.data_dir)
        if is_open_to_others(settings.data_dir):
            _log.warning(
                "other users of this machine can read %s: `chmod 700` keeps them out", settings.data_dir
            )
        lock = ServerLock(settings.data_dir)
    try:
        await _serve_locked(settings, lock, ready)
    finally:
        if lock is not None:
            lock.release()


async def _serve_locked(settings: Settings, lock: ServerLock | None, ready: Callable[[str], None]) -> None:
    loop = asyncio.get_running_loop()
    listener = _listen(settings.host, settings.port)
    clock = SteadyClock()
    budget = descriptors.budget()
    with using(settings.data_dir or "memory"):
        store = Store(
            settings.data_dir,
            settings.sync,
            item_collection_limit=settings.item_collection_limit,
            clock=clock,
            ttl_interval=settings.ttl_interval,
            max_open_tables=budget.tables,
        )
        store.recover()
    address = _address(listener)
    context = Context(
        store,
        clock,
        lambda: str(uuid.uuid4()),
        address,
        enforce_throughput=settings.enforce_throughput,
        stream_shards=settings.stream_shards,
        ttl_change_interval=settings.ttl_change_interval,
        write_isolation=WRITE_ISOLATIONS[settings.write_isolation],
    )
    metering = loop.create_task(context.meter.keep_storing())
    dispatcher = Dispatcher(
        context, address, Access(settings.host, settings.allowed_hosts, settings.cors_origins)
    )
    connections = Connections(dispatcher, loop, budget.connections)
    server = await loop.create_server(lambda: Connection(connections), sock=listener, backlog=BACKLOG)
    stopped = asyncio.Event()
    _on_signals(loop, stopped)
    if lock is not None:
        _publish(lock, f"http://{address}")
    gc.freeze()  # what is there now stays
    gc.set_threshold(GARBAGE_THRESHOLD)
    sys.setswitchinterval(SWITCH_SECONDS)
    ready(address)
    await stopped.wait()
    _log.info("stopping")
    server.close()
    await connections.close(SHUTDOWN_GRACE_SECONDS)
    dispatcher.close()
    metering.cancel()
    await store.close()


def _publish(lock: ServerLock, address: str) -> None:
    """Nobody needs it but who finds the directory taken: it keeps no server from its work."""
    try:
        lock.publish(address)
    except OSError as fault:
        _log.warning("cannot write %s: %s", fault.filename or "the server's address", fault.strerror or fault)


def _listen(host: str, port: int) -> socket.socket:
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    listener = socket.socket(family, kind, protocol)
    try:
        if sys.platform != "win32":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Connections inherit it: a page of a Query leaves in one piece.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        listener.bind(address)
    except OSError:
        listener.close()
        raise
    listener.setblocking(False)
    return listener


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _on_signals(loop: asyncio.AbstractEventLoop, stopped: asyncio.Event) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        if sys.platform == "win32":
            signal.signal(number, lambda *_: loop.call_soon_threadsafe(stopped.set))
        else:
            loop.add_signal_handler(number, stopped.set)
