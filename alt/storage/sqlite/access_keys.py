"""The access keys of a data directory, in `keys.db`, and what makes their secrets, in `keys.secret`.

Another process (the CLI) may change them at any time: a server asks for `changed` ones often. They are no part of a
snapshot or a backup: to go back to old data gives nobody back a key that was taken away.
"""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any

from alt.auth.keys import SALT_BYTES, AccessKey, ListedKey, fingerprint, new_id, stored_key
from alt.auth.policies import MalformedPolicyError, Policy
from alt.config import Role
from alt.storage.sqlite import connections, master_key
from alt.storage.sqlite.data_directory import KEYS_FILE, MASTER_KEY_FILE, UnusableDataError, using

FORMAT = 2
_COLUMNS = "id, name, role, policy, tenant, salt"


class AccessKeys:
    """Raises UnusableDataError where the files are not what they should be."""

    def __init__(self, directory: Path) -> None:
        self._file = directory / KEYS_FILE
        self._master_file = directory / MASTER_KEY_FILE
        with using(self._file):
            self._connection = connections.connect(self._file, "full", create=True)
        try:
            with using(self._file):
                if connections.is_empty(self._connection):
                    connections.create(self._connection, "keys", FORMAT)
                connections.check_format(self._connection, FORMAT)
        except BaseException:
            self._connection.close()
            raise
        self._data_version = -1

    def changed(self) -> dict[str, AccessKey] | None:
        """All keys by their ids, if any process has changed them since they were last asked for; else None."""
        with using(self._file):
            version = self._connection.pragma("data_version")
            if version == self._data_version:
                return None
            rows: Any = self._connection.execute(f"SELECT {_COLUMNS} FROM access_key").fetchall()
            master = self._master() if rows else b""
            keys = {row[0]: _key(master, *row) for row in rows}
        self._data_version = version
        return keys

    def listed(self) -> list[ListedKey]:
        """All keys, the oldest first."""
        rows: Any = self._connection.execute(
            "SELECT id, name, role, policy, tenant, created FROM access_key ORDER BY created, id"
        )
        return [ListedKey(*row) for row in rows]

    def get(self, key_id: str) -> AccessKey | None:
        row: Any = self._connection.execute(
            f"SELECT {_COLUMNS} FROM access_key WHERE id = ?", (key_id,)
        ).fetchone()
        return None if row is None else _key(self._master(), *row)

    def create(self, name: str, rights: Role | Policy, now: float, tenant: str | None = None) -> AccessKey:
        key_id, salt = new_id(), secrets.token_bytes(SALT_BYTES)
        role, policy = (None, rights.text) if isinstance(rights, Policy) else (rights, None)
        with connections.transaction(self._connection):
            master = self._master()
            self._connection.execute(
                "INSERT INTO access_key (id, name, role, policy, tenant, created, salt) VALUES (?, ?, ?, ?, ?, ?, ?)",
                (key_id, name, role, policy, tenant, now, salt),
            )
        return _key(master, key_id, name, role, policy, tenant, salt)

    def rotate(self, key_id: str) -> AccessKey | None:
        """The key with a new secret; None if there is none of this id."""
        salt = secrets.token_bytes(SALT_BYTES)
        with connections.transaction(self._connection):
            master = self._master()
            row: Any = self._connection.execute(
                f"UPDATE access_key SET salt = ? WHERE id = ? RETURNING {_COLUMNS}", (salt, key_id)
            ).fetchone()
        return None if row is None else _key(master, *row)

    def remove(self, key_id: str) -> bool:
        """False if there is none of this id."""
        with connections.transaction(self._connection):
            self._connection.execute("DELETE FROM access_key WHERE id = ?", (key_id,))
            return self._connection.changes() > 0

    def close(self) -> None:
        self._connection.close()

    def _master(self) -> bytes:
        """The master key that the keys' secrets are made with; a new one within the transaction of the first key."""
        expected = self._connection.execute("SELECT fingerprint FROM master_key").get
        master = master_key.read(self._master_file)
        if expected is None:
            if master is None:
                master = master_key.make(self._master_file)
            self._connection.execute("INSERT INTO master_key VALUES (?)", (fingerprint(master),))
        elif master is None or fingerprint(master) != expected:
            raise UnusableDataError(
                f"{self._master_file} is {'gone' if master is None else 'another one'}: without it nobody's secret is "
                "known. Put it back, or remove keys.db and make new keys"
            )
        return master


def _key(master: bytes, *stored: Any) -> AccessKey:
    try:
        return stored_key(master, *stored)
    except MalformedPolicyError as error:
        raise UnusableDataError(str(error)) from None
