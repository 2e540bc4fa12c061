"""The access keys of a database, for all Alts that serve it.

Their secrets are made with a master key that is in no database: each Alt has it in a file, so that a copy of the database
alone gives no secret.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from alt.auth.keys import SALT_BYTES, AccessKey, ListedKey, fingerprint, new_id, stored_key
from alt.auth.policies import MalformedPolicyError, Policy
from alt.config import Role
from alt.storage.engine import UnusableEngineError
from alt.storage.postgres import statements as sql
from alt.storage.postgres import tenants
from alt.storage.postgres.database import Database, Row

_ONLY_ONE = 1


class MasterFile(NamedTuple):
    """Where the master key is. `read` gives None where there is no such file; `make` makes a new one in it."""

    path: Path
    read: Callable[[], bytes | None]
    make: Callable[[], bytes]


class AccessKeys:
    """Raises UnusableEngineError where the file has not the master key that the keys were made with."""

    def __init__(self, database: Database, file: MasterFile) -> None:
        self._database = database
        self._file = file
        self._last: list[tuple[Any, ...]] | None = None

    def changed(self) -> asyncio.Future[dict[str, AccessKey] | None]:
        """All keys by their ids, if anybody has changed them since they were last asked for; else None."""
        return asyncio.ensure_future(self._changed())

    async def _changed(self) -> dict[str, AccessKey] | None:
        rows = [tuple(row) for row in await self._database.fetch(sql.KEYS)]
        if rows == self._last:
            return None
        master = await self._master() if rows else b""
        keys = {row[0]: _key(master, row) for row in rows}
        self._last = rows
        return keys

    async def listed(self) -> list[ListedKey]:
        """All keys, the oldest first."""
        found = [
            ListedKey(key_id, name, role, policy, tenant, created)
            for key_id, name, role, policy, tenant, created, _ in await self._database.fetch(sql.KEYS)
        ]
        return sorted(found, key=lambda key: (key.created, key.id))

    async def get(self, key_id: str) -> AccessKey | None:
        row = next((row for row in await self._database.fetch(sql.KEYS) if row[0] == key_id), None)
        return None if row is None else _key(await self._master(), row)

    async def create(
        self, name: str, rights: Role | Policy, now: float, tenant: str | None = None
    ) -> AccessKey:
        """The first key makes the file's master key the one of the database, a tenant's first the tenant's relations."""
        master = await self._master(make=True)
        if tenant is not None:
            await tenants.add(self._database, tenant)
        row = (
            new_id(),
            name,
            *((None, rights.text) if isinstance(rights, Policy) else (rights, None)),
            tenant,
            now,
            secrets.token_bytes(SALT_BYTES),
        )
        async with self._database.transaction() as connection:
            await connection.execute(sql.ADD_MASTER_KEY, _ONLY_ONE, fingerprint(master))
            self._check(master, await connection.fetchval(sql.MASTER_KEY))
            await connection.execute(sql.ADD_KEY, *row)
        return _key(master, row)

    async def rotate(self, key_id: str) -> AccessKey | None:
        """The key with a new secret; None if there is none of this id."""
        if await self.get(key_id) is None:
            return None
        async with self._database.transaction() as connection:
            await connection.execute(sql.ROTATE_KEY, key_id, secrets.token_bytes(SALT_BYTES))
        return await self.get(key_id)

    async def remove(self, key_id: str) -> bool:
        """False if there is none of this id."""
        async with self._database.transaction() as connection:
            done: str = await connection.execute(sql.REMOVE_KEY, key_id)
        return done == "DELETE 1"

    async def _master(self, *, make: bool = False) -> bytes:
        """The master key that the keys were made with, or are to be."""
        found = await self._database.fetch(sql.MASTER_KEY)
        master = await asyncio.to_thread(self._file.read)
        if master is None and make and not found:
            return await asyncio.to_thread(self._file.make)
        if master is None:  # whatever the database says: what is made with no key at all is no secret
            raise self._unusable("is not there")
        if found:
            self._check(master, found[0][0])
        return master

    def _check(self, master: bytes, expected: bytes) -> None:
        if fingerprint(master) != expected:
            raise self._unusable("has another master key")

    def _unusable(self, why: str) -> UnusableEngineError:
        return UnusableEngineError(
            f"{self._file.path} {why}: copy it from where `alt keys create` made it, for without it nobody's secret "
            "is known"
        )


def _key(master: bytes, row: Row) -> AccessKey:
    key_id, name, role, policy, tenant, _, salt = row
    try:
        return stored_key(master, key_id, name, role, policy, tenant, salt)
    except MalformedPolicyError as fault:
        raise UnusableEngineError(str(fault)) from None
