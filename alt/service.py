"""The composition root: settings in, a running server out."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import socket
import ssl
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from alt import descriptors
from alt.audit import AuditLog
from alt.auth.keys import AccessKey
from alt.auth.signature import Verifier
from alt.clock import SteadyClock
from alt.config import TLS_CERTIFICATE, TLS_FOLDER, TLS_KEY, Settings, default_data_dir
from alt.errors import ForeseenError
from alt.faults.faults import Faults
from alt.faults.injecting import injected
from alt.http.access import Access
from alt.http.audited import AuditedDispatcher, lost_line
from alt.http.authentication import Authentication
from alt.http.connections import Connections
from alt.http.dispatch import Dispatcher, Page
from alt.http.faults_page import FAULTS_PATH, FaultsPage
from alt.http.metrics_listener import MetricsHandler
from alt.http.metrics_page import METRICS_PATH, MetricsPage
from alt.http.protocol import Connection
from alt.http.proxied import ProxiedListener
from alt.http.request import Handler
from alt.http.request_log import RequestLog
from alt.http.strict import StrictConnection
from alt.http.tls import HANDSHAKE_SECONDS, Certificate, Files, UnusableCertificateError
from alt.metrics.requests import RequestMetrics
from alt.realms import Realms, publish
from alt.storage.engine import UnusableEngineError, settled
from alt.storage.sqlite import master_key
from alt.storage.sqlite.access_keys import AccessKeys
from alt.storage.sqlite.background import Repeated
from alt.storage.sqlite.data_directory import (
    MASTER_KEY_FILE,
    ServerLock,
    is_open_to_others,
    make_private,
    refuse_foreign,
)
from alt.storage.sqlite.directory_key import unlock
from alt.storage.sqlite.key_change import resume_key_change
from alt.storage.sqlite.store import Store

if TYPE_CHECKING:
    from alt.storage.postgres.access_keys import AccessKeys as RemoteKeys
    from alt.storage.postgres.store import Store as RemoteStore

BACKLOG = 1_024
SEND_BUFFER_BYTES = 256 * 1024
# Objects made between two runs of the garbage collector. Python's 700 means one in the midst of every larger
# request; nearly all that requests leave behind goes by reference counts.
GARBAGE_THRESHOLD = 50_000
# How long a thread that is to commit may wait for the interpreter, which it needs for microseconds.
SWITCH_SECONDS = 0.0001
SHUTDOWN_GRACE_SECONDS = 10.0
CERTIFICATE_SECONDS = 1.0  # how soon a changed certificate is shown
METRICS_CONNECTIONS = 64  # at a time, on a port of their own
KEYS_SECONDS = 0.2  # between two looks for changed access keys

_log = logging.getLogger(__name__)

Ready = Callable[[Sequence[str], str | None], None]


def run(settings: Settings, ready: Ready) -> None:
    """Serve until SIGINT or SIGTERM. `ready` is called with the server's URLs once requests are answered.

    The second argument is where the metrics are, if they have a port of their own.

    Raises OSError (port, directory), UnusableDataError, UnusableCertificateError and UnusableAuditError before that.
    """
    if sys.platform == "win32":
        asyncio.run(_serve(settings, ready))
        return
    import uvloop

    descriptors.raise_limit()
    uvloop.run(_serve(settings, ready))


async def _serve(settings: Settings, ready: Ready) -> None:
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
        if settings.data_dir is not None:
            resume_key_change(settings.data_dir)
        await _serve_locked(settings, lock, ready)
    finally:
        if lock is not None:
            lock.release()


async def _serve_locked(settings: Settings, lock: ServerLock | None, ready: Ready) -> None:
    service = Service(settings)
    urls = await service.begin()
    stopped = asyncio.Event()
    _on_signals(asyncio.get_running_loop(), stopped)
    if sys.platform != "win32":
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, service.toggle_request_log)
        if settings.audit is not None:
            asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, service.reopen_audit)
    if lock is not None:
        publish(lock, urls[0])
    gc.freeze()  # what is there now stays
    gc.set_threshold(GARBAGE_THRESHOLD)
    sys.setswitchinterval(SWITCH_SECONDS)
    ready(urls, service.metrics_url)
    await stopped.wait()
    _log.info("stopping")
    await service.end()


class Service:
    """The parts of one server, on the event loop that it is begun on. `clock` gives epoch seconds."""

    def __init__(self, settings: Settings, clock: Callable[[], float] | None = None) -> None:
        self._settings = settings
        self._clock = clock or SteadyClock()
        self._budget = descriptors.budget()
        self._certificate = _certificate(settings)
        self._keys: _Keys | None = None
        self._audit: AuditLog | None = None
        self._servers: list[asyncio.Server | ProxiedListener] = []
        self._renewing: Repeated | None = None
        self._metrics_connections: Connections | None = None
        self.metrics_url: str | None = None  # where the metrics are on a port of their own

    async def begin(self) -> list[str]:
        """Answer requests from now on, at these URLs.

        Raises OSError, UnusableDataError and UnusableAuditError where the ports, the data or the audit cannot be used.
        """
        settings, loop = self._settings, asyncio.get_running_loop()
        listeners = [_listen(settings.host, settings.port)]
        if settings.tls_port is not None:
            listeners.append(_listen(settings.host, settings.tls_port))
        metrics_listener = None
        if settings.metrics_port is not None:
            metrics_listener = _listen(settings.host, settings.metrics_port)
        self._address = _address(listeners[0])
        if settings.data_dir is not None:
            unlock(settings.data_dir, settings.encryption_key)
        if settings.audit is not None:
            self._audit = AuditLog(settings.audit, settings.audit_max_bytes, lost_line)
        scheme = "http" if self._certificate is None or settings.tls_port is not None else "https"
        url = f"{scheme}://{self._address}"
        remote = None if settings.engine is None else await self._remote_store(settings.engine)
        self._realms = Realms(settings, self._clock, self._address, self._budget, url, remote)
        if settings.auth != "off":
            self._keys = _Keys(settings, self._realms, _stored_keys(settings, remote))
            await self._keys.open()
        self._dispatcher = self._make_dispatcher()
        self._connections = Connections(self._dispatcher, loop, self._budget.connections)
        connection = Connection if settings.auth == "off" else StrictConnection
        urls = []
        for listener in listeners:
            # The last speaks HTTPS, if there is a certificate: beside HTTP, or instead of it.
            certificate = self._certificate if listener is listeners[-1] else None
            context = None if certificate is None else certificate.context
            self._servers.append(await self._accept(listener, connection, context))
            urls.append(f"{'http' if certificate is None else 'https'}://{_address(listener)}")
        if metrics_listener is not None:
            await self._serve_metrics_on(metrics_listener)
        if self._certificate is not None:
            self._renewing = Repeated(
                "looking at the certificate", self._certificate.refresh, CERTIFICATE_SECONDS
            )
            self._renewing.start()
        return urls

    def _make_dispatcher(self) -> Dispatcher:
        """With what is served beside the API, and what watches it."""
        settings = self._settings
        authentication = None
        if self._keys is not None:
            authentication = Authentication(self._keys.verifier, enforced=settings.auth == "enforce")
        self.faults = Faults(self._clock, lambda: self._realms.everybodys.engine, self._copies, self._inject)
        metrics = RequestMetrics()
        self._metrics_page = MetricsPage(
            metrics,
            lambda: self._realms.everybodys,
            lambda: self._connections,
            is_private=settings.auth == "enforce",
        )
        pages: dict[bytes, Page] = {METRICS_PATH: self._metrics_page}
        if settings.faults or settings.data_dir is None:
            pages[FAULTS_PATH] = FaultsPage(self.faults, authentication)
        self._access = Access(settings.host, settings.allowed_hosts, settings.cors_origins)
        realms = self._realms if settings.isolate or settings.auth == "enforce" else None
        parts = (self._realms.everybodys, self._address, self._access, authentication, realms, pages, metrics)
        if self._audit is None:
            dispatcher = Dispatcher(*parts)
        else:
            dispatcher = AuditedDispatcher(*parts, log=self._audit, with_values=settings.audit_values)
        slow_seconds = None if settings.slow_ms is None else settings.slow_ms / 1_000
        self._request_log = RequestLog(settings.log_requests, slow_seconds)
        dispatcher.log_requests(None if self._request_log.is_idle else self._request_log)
        return dispatcher

    async def _accept(
        self, listener: socket.socket, connection: type[Connection], context: ssl.SSLContext | None
    ) -> asyncio.Server | ProxiedListener:
        """Take connections of a listener, which speak TLS if there is a context for it."""
        connections = self._connections
        if self._settings.proxy_protocol:
            return ProxiedListener(listener, connections, partial(connection, connections), context, BACKLOG)
        return await connections.loop.create_server(
            lambda: connection(connections),
            sock=listener,
            backlog=BACKLOG,
            ssl=context,
            ssl_handshake_timeout=None if context is None else HANDSHAKE_SECONDS,
        )

    async def _serve_metrics_on(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        handler = MetricsHandler(self._metrics_page, self._access)
        connections = self._metrics_connections = Connections(handler, loop, METRICS_CONNECTIONS)
        self._servers.append(
            await loop.create_server(lambda: Connection(connections), sock=listener, backlog=BACKLOG)
        )
        self.metrics_url = f"http://{_address(listener)}{METRICS_PATH.decode()}"

    @property
    def handler(self) -> Handler:
        """What answers requests, whoever brings them, on the event loop."""
        return self._dispatcher

    def toggle_request_log(self) -> None:
        """Begin to log each request, or no longer do so."""
        log = self._request_log
        log.is_on = not log.is_on
        self._dispatcher.log_requests(None if log.is_idle else log)
        _log.warning("each request is logged" if log.is_on else "requests are no longer logged")

    def _copies(self) -> Store:
        return Store(None, "off", clock=self._clock)

    def _inject(self, faults: Faults | None) -> None:
        self._dispatcher.wrap(None if faults is None else partial(injected, faults))

    async def _remote_store(self, dsn: str) -> RemoteStore:
        """Its driver is an extra: without --engine nothing of this is imported."""
        from alt.storage.postgres.store import Store as RemoteStore

        settings = self._settings
        store = RemoteStore(
            dsn,
            item_collection_limit=settings.item_collection_limit,
            clock=self._clock,
            ttl_interval=settings.ttl_interval,
            replica=settings.engine_replica,
        )
        await store.open()
        return store

    async def begin_anew(self) -> None:
        """Forget everything that is in memory: requests that come now find what a new server has."""
        await self.faults.clear()
        await self._realms.begin_anew(self._dispatcher.serve)

    async def end(self) -> None:
        """Answer what has been asked, and close everything."""
        for server in self._servers:
            server.close()
        if self._renewing is not None:
            await self._renewing.stop()
        if self._metrics_connections is not None:
            await self._metrics_connections.close(0)
        await self._connections.close(SHUTDOWN_GRACE_SECONDS)
        await self.faults.clear()
        self._dispatcher.close()
        if self._keys is not None:
            await self._keys.close()
        if self._audit is not None:
            await asyncio.to_thread(self._audit.close)
        await self._realms.close()

    def reopen_audit(self) -> None:
        """Go on in a new file, where the audit's was moved away."""
        if self._audit is not None:
            self._audit.reopen()


def _certificate(settings: Settings) -> Certificate | None:
    """The certificate that the settings name, or that of the data directory; None where there is to be no TLS."""
    certificate, key = settings.tls_cert, settings.tls_key
    if certificate is None and settings.tls_port is not None and settings.data_dir is not None:
        certificate = settings.data_dir / TLS_FOLDER / TLS_CERTIFICATE
        key = settings.data_dir / TLS_FOLDER / TLS_KEY
        if not certificate.exists():
            raise UnusableCertificateError(
                f"there is no {certificate}: `alt tls init` makes it, or name another with --tls-cert and --tls-key"
            )
    if certificate is None or key is None:
        return None
    return Certificate(Files(certificate, key, settings.tls_client_ca, settings.tls_client_auth))


def _stored_keys(settings: Settings, remote: RemoteStore | None) -> AccessKeys | RemoteKeys:
    """Where the access keys are kept: with the data."""
    if remote is None:
        assert settings.data_dir is not None, "access keys are kept in a data directory"
        return AccessKeys(settings.data_dir)
    from alt.storage.postgres.access_keys import MasterFile

    file = settings.keys_secret_file or default_data_dir() / MASTER_KEY_FILE
    return remote.access_keys(
        MasterFile(file, partial(master_key.read, file), partial(master_key.make, file))
    )


class _Keys:
    """The access keys that requests are verified by, followed as other processes change them."""

    def __init__(self, settings: Settings, realms: Realms, stored: AccessKeys | RemoteKeys) -> None:
        self.verifier = Verifier()
        self._stored = stored
        self._realms = realms
        self._say = realms.everybodys.engine.say
        self._is_enforced = settings.auth == "enforce"
        self._following = Repeated("reading the access keys", self._follow, KEYS_SECONDS)

    async def open(self) -> None:
        """Know them, and follow them from now on. Raises what keeps them from being read."""
        try:
            keys = await settled(self._stored.changed()) or {}
        except ForeseenError as away:
            if isinstance(away, UnusableEngineError):
                raise
            self._say(away)  # requests are refused until the database is there
        else:
            await self._know(keys)
            if not keys and self._is_enforced:
                _log.warning(
                    "there are no access keys, so every request is refused: `alt keys create` makes one"
                )
        self._following.start()

    async def _follow(self) -> None:
        try:
            keys = await settled(self._stored.changed())
        except Exception as fault:
            fault.add_note("access keys cannot be read, and those read before still count")
            if not self._say(fault):
                raise
        else:
            if keys is not None:
                await self._know(keys)

    async def _know(self, keys: Mapping[str, AccessKey]) -> None:
        self.verifier.know(keys)
        if self._is_enforced:  # else a request is answered as where nobody asks who calls
            await self._realms.know({key.tenant for key in keys.values() if key.tenant is not None})

    async def close(self) -> None:
        await self._following.stop()
        if isinstance(self._stored, AccessKeys):
            self._stored.close()


class UnusablePortError(OSError):
    """A `port` that cannot be listened on: somebody else has it, or it is not for everybody."""

    def __init__(self, port: int, cause: OSError) -> None:
        super().__init__(cause.errno, cause.strerror)
        self.port = port


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
    except OSError as error:
        listener.close()
        raise UnusablePortError(port, error) from None
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
