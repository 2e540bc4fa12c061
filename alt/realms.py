"""Realms: who has tables of their own. There is one for everybody, or one for each tenant, region or account.

A realm is an engine of its own and what operations are given with it, so that nothing of one realm can be seen, named or
counted in another. Its engine is on a directory, or on a schema of a database. The directory of a tenant, an account or a
region is a whole data directory, to which every command can be pointed.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
import time
import uuid
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from alt import __version__
from alt.auth.keys import TENANT, account_of
from alt.config import ACCOUNT_ID, WRITE_ISOLATIONS, Settings
from alt.descriptors import Budget
from alt.errors import ApiError
from alt.operations.caller import Caller
from alt.operations.capacity.metering import STORE_SECONDS
from alt.operations.context import Context
from alt.storage.engine import UnusableEngineError
from alt.storage.sqlite.background import Repeated
from alt.storage.sqlite.data_directory import (
    ACCOUNTS_FOLDER,
    REGIONS_FOLDER,
    TENANTS_FOLDER,
    Published,
    ServerLock,
    make_private,
    using,
)
from alt.storage.sqlite.store import Store

if TYPE_CHECKING:
    from alt.storage.postgres.store import Store as RemoteStore

    AnyStore = Store | RemoteStore

# Beside the one for everybody. Each takes some 2 MB and ten descriptors, and its tables.
MAX_REALMS = 64
MIN_TABLES = 8  # that a realm may have open
LOG_SECONDS = 60.0  # between two lines about the same table
MAX_NOTED = 1_024
# Between two looks whether a database has the schemas now that tenants lack.
RETRY_SECONDS = 5.0

_REGION = re.compile(r"[a-z0-9-]{1,64}")
_ACCOUNT = re.compile(r"\d{12}")

_log = logging.getLogger(__name__)


class Home(NamedTuple):
    """Whose tables: of an account, and in a region; empty where all accounts, or regions, have the same."""

    account: str
    region: str


EVERYBODY = Home("", "")


class Realm:
    """One of them, whose engine is open."""

    def __init__(self, settings: Settings, store: AnyStore, clock: Callable[[], float], address: str) -> None:
        self._store = store
        self.context = Context(
            store,
            clock,
            lambda: str(uuid.uuid4()),
            address,
            enforce_throughput=settings.enforce_throughput,
            stream_shards=settings.stream_shards,
            ttl_change_interval=settings.ttl_change_interval,
            write_isolation=WRITE_ISOLATIONS[settings.write_isolation],
        )
        self._metering = Repeated("storing what requests consumed", self.context.meter.store, STORE_SECONDS)
        self._metering.start()

    async def close(self) -> None:
        await self._metering.stop()
        await self._store.close()


class Realms:
    """Opens them as they are wanted. `address` is `host:port` as listened on.

    Everybody's is on a database, if there is a `remote` engine for it, and so are tenants' then.
    """

    def __init__(
        self,
        settings: Settings,
        clock: Callable[[], float],
        address: str,
        budget: Budget,
        url: str,
        remote: RemoteStore | None = None,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._address = address
        self._url = url
        self._budget = budget
        self._remote = remote
        self._wanted: set[str] = set()  # tenants of a database
        self._opening = asyncio.Lock()
        self._closing: set[asyncio.Task[None]] = set()
        self._retrying = Repeated("opening tenants' tables", self._open_wanted, RETRY_SECONDS)
        self._tenants: dict[str, str] = {}  # names by accounts
        self._locks: list[ServerLock] = []
        self._noted: dict[tuple[Home, str], float] = {}
        store = remote or self._store(settings.data_dir, budget.tables)
        self._open = {EVERYBODY: self._realm(store)}
        self._say = store.say
        if remote is not None:
            self._retrying.start()
        for home in self._kept():
            self._begin(home)

    @property
    def everybodys(self) -> Context:
        return self._open[EVERYBODY].context

    async def know(self, tenants: Collection[str]) -> None:
        """Have the realms of these tenants ready, so that no request waits for one to be opened.

        Those that a tenant of a database has no key for any more give their connections back.
        """
        self._tenants |= {account_of(name): name for name in tenants}
        if self._remote is not None:
            self._wanted = set(tenants)
            await self._open_wanted()
            return
        for name in tenants:
            home = Home(account_of(name), "")
            if not self._settings.isolate and home not in self._open:
                self._begin(home)

    async def _open_wanted(self) -> None:
        """Open the realms that tenants of a database lack. A schema that cannot be used is looked at again later."""
        async with self._opening:
            homes = {Home(account_of(name), ""): name for name in self._wanted}
            for home in self._open.keys() - homes.keys() - {EVERYBODY}:
                self._close_beside(self._open.pop(home))
            lacked = sorted(name for home, name in homes.items() if home not in self._open)
            room = MAX_REALMS + 1 - len(self._open)
            if len(lacked) > room:
                self._say(
                    UnusableEngineError(f"there are tables for {MAX_REALMS} tenants, and no more are opened")
                )
            await asyncio.gather(*map(self._open_remote, lacked[:room]))

    async def _open_remote(self, tenant: str) -> None:
        assert self._remote is not None
        try:
            store = self._remote.of_tenant(tenant)
            await store.open()
        except Exception as fault:
            fault.add_note(f"tenant {tenant} is not served")
            if not self._say(fault):
                raise
        else:
            self._open[Home(account_of(tenant), "")] = self._realm(store)

    def _close_beside(self, realm: Realm) -> None:
        """Close it while keys are followed on: a backup that is under way may take long to end."""
        closing = asyncio.get_running_loop().create_task(realm.close())
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)

    def context(self, caller: Caller) -> Context:
        """The caller's. Raises ApiError where there cannot be one."""
        if self._settings.isolate == "account" and caller.account == ACCOUNT_ID:
            caller.account = _account_named(caller.access_key)
        home = self._home(caller)
        return (self._open.get(home) or self._begin(home)).context

    def note_missing(self, caller: Caller, table: str) -> None:
        """Tell the operator where a table is that was not found: a wrong region, or account, looks like lost data."""
        now = time.monotonic()
        home = self._home(caller)
        if now < self._noted.get((home, table), 0.0):
            return
        others = [
            each
            for each, realm in self._open.items()
            if each != home and realm.context.engine.is_ready and table in realm.context.engine.names()
        ]
        if others:
            if len(self._noted) >= MAX_NOTED:
                self._noted.clear()
            self._noted[home, table] = now + LOG_SECONDS
            _log.warning(
                "table %s was asked for %s and is not there; it is there %s",
                table,
                self._named(home),
                ", ".join(map(self._named, others)),
            )

    async def begin_anew(self, serve: Callable[[Context], None]) -> None:
        """Forget everything that is in memory; `serve` is given everybody's new context."""
        assert self._settings.data_dir is None, "what is on disk is not forgotten"
        assert self._settings.engine is None, "a database is not this server's alone"
        old = list(self._open.values())
        self._open = {EVERYBODY: self._realm(self._store(None, self._budget.tables))}
        serve(self.everybodys)
        for realm in old:
            await realm.close()

    async def close(self) -> None:
        await self._retrying.stop()
        await asyncio.gather(*self._closing, return_exceptions=True)
        for realm in self._open.values():
            await realm.close()
        for lock in self._locks:
            lock.release()

    def _home(self, caller: Caller) -> Home:
        account = "" if caller.account == ACCOUNT_ID else caller.account
        return Home(account, caller.region.lower() if self._settings.isolate else "")

    def _begin(self, home: Home) -> Realm:
        if not _REGION.fullmatch(home.region or "-"):
            raise ApiError(
                "UnrecognizedClientException", "The region of the request's signature is no region"
            )
        if self._remote is not None:  # it is opened as the key becomes known, if it can be used
            raise ApiError("ServiceUnavailable", "The tables of this account cannot be used now")
        if len(self._open) > MAX_REALMS:
            _log.error("there are tables for %d accounts or regions, and no more can be opened", MAX_REALMS)
            raise ApiError("ServiceUnavailable", "The service cannot serve another account or region")
        directory = self._directory(home)
        if directory is not None:
            make_private(directory)
            lock = ServerLock(directory)
            self._locks.append(lock)
            publish(lock, self._url)
        tables = max(MIN_TABLES, self._budget.tables // MAX_REALMS)
        realm = self._open[home] = self._realm(self._store(directory, tables))
        return realm

    def _realm(self, store: AnyStore) -> Realm:
        return Realm(self._settings, store, self._clock, self._address)

    def _store(self, directory: Path | None, max_open_tables: int) -> Store:
        """An engine on a directory; None keeps it in memory."""
        settings = self._settings
        with using(directory or "memory"):
            store = Store(
                directory,
                settings.sync,
                item_collection_limit=settings.item_collection_limit,
                clock=self._clock,
                ttl_interval=settings.ttl_interval,
                max_open_tables=max_open_tables,
            )
            store.recover()
        return store

    def _directory(self, home: Home) -> Path | None:
        directory = self._settings.data_dir
        if directory is None:
            return None
        if home.account:
            tenant = self._tenants.get(home.account)
            directory /= (
                f"{ACCOUNTS_FOLDER}/{home.account}" if tenant is None else f"{TENANTS_FOLDER}/{tenant}"
            )
        return directory / REGIONS_FOLDER / home.region if home.region else directory

    def _kept(self) -> Iterator[Home]:
        """The realms whose data is in the directory, and that requests can reach as the server was started."""
        root, isolate = self._settings.data_dir, self._settings.isolate
        if root is None:
            return
        accounts = {"": root} if isolate != "account" else {}
        if self._settings.auth == "enforce":
            for folder in _folders(root / TENANTS_FOLDER):
                if TENANT.fullmatch(folder.name):
                    self._tenants[account_of(folder.name)] = folder.name
                    accounts[account_of(folder.name)] = folder
        if isolate == "account":
            accounts |= {folder.name: folder for folder in _folders(root / ACCOUNTS_FOLDER)}
        for account, folder in accounts.items():
            if isolate:
                yield from (Home(account, each.name) for each in _folders(folder / REGIONS_FOLDER))
            elif account:
                yield Home(account, "")

    def _named(self, home: Home) -> str:
        """As the log names it."""
        if home == EVERYBODY:
            return "for everybody, as without --isolate and --tenant"
        tenant = self._tenants.get(home.account)
        whose = f"account {home.account}" if tenant is None else f"tenant {tenant}"
        return " in ".join(filter(None, ["for " + whose if home.account else "", home.region]))


def publish(lock: ServerLock, address: str) -> None:
    """Nobody needs it but who finds the directory taken: it keeps no server from its work."""
    try:
        lock.publish(Published(address, os.getpid(), __version__, time.time()))
    except OSError as fault:
        _log.warning("cannot write %s: %s", fault.filename or "the server's address", fault.strerror or fault)


def _account_named(access_key: str) -> str:
    """An access key id is an account; one that looks like an account's is that."""
    return access_key if _ACCOUNT.fullmatch(access_key) else account_of(access_key)


def _folders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
