"""Access keys: their ids, their names, and the secrets that sign with them.

A secret is not stored: it is made of the data directory's master key, the key's id and its salt, by HMAC-SHA256 as
its key derivation. Who signs has to know the secret itself, so a hash of it would not do; and what is not stored
needs no cipher, which Python's library does not have.
"""

from __future__ import annotations

import hmac
import re
import secrets
from base64 import b64encode
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha256
from typing import NamedTuple

from alt.auth.policies import MalformedPolicyError, Policy, read_policy
from alt.config import ACCOUNT_ID, Role

MASTER_BYTES = 32
SALT_BYTES = 16
SECRET_CHARACTERS = 40  # of base64, as AWS's are
NAME = re.compile(r"[A-Za-z0-9+=,.@_-]{1,64}")  # IAM's rule for users
TENANT = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")  # which names a folder, whatever the file system

_ID_PREFIX = "AKIA"
_ID_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_ID_CHARACTERS = 16
_ACCOUNT_DIGITS = 12
_REMEMBERED_TENANTS = 1_024


@dataclass(frozen=True, slots=True)
class AccessKey:
    """A key that may sign. `name` is the user's in error messages; several keys may have one.

    It has a role or a policy.
    """

    id: str
    name: str
    role: Role | None
    secret: str = field(repr=False)
    policy: Policy | None = field(default=None, repr=False)
    tenant: str | None = None

    @property
    def account(self) -> str:
        return ACCOUNT_ID if self.tenant is None else account_of(self.tenant)

    @property
    def arn(self) -> str:
        return f"arn:aws:iam::{self.account}:user/{self.name}"


class ListedKey(NamedTuple):
    """A key as it is shown, which is without its secret. It has a role or a policy. `created` in epoch seconds."""

    id: str
    name: str
    role: Role | None
    policy: str | None
    tenant: str | None
    created: float


class Scope(NamedTuple):
    """Whose a signature is, and for which region."""

    access_key: str
    region: str


@lru_cache(_REMEMBERED_TENANTS)
def account_of(name: str) -> str:
    """The account id of a tenant: always the same, and another one for each name, but for one chance in 10^12."""
    return f"{int.from_bytes(sha256(name.encode()).digest()) % 10**_ACCOUNT_DIGITS:0{_ACCOUNT_DIGITS}}"


def new_id() -> str:
    return _ID_PREFIX + "".join(secrets.choice(_ID_ALPHABET) for _ in range(_ID_CHARACTERS))


def secret_of(master: bytes, key_id: str, salt: bytes) -> str:
    """The secret of a key: another one for each master key, id and salt."""
    made = hmac.digest(master, b"alt secret 1\0" + key_id.encode() + b"\0" + salt, "sha256")
    return b64encode(made)[:SECRET_CHARACTERS].decode()


def stored_key(
    master: bytes,
    key_id: str,
    name: str,
    role: Role | None,
    policy: str | None,
    tenant: str | None,
    salt: bytes,
) -> AccessKey:
    """A key of what is stored of it. Raises MalformedPolicyError, which names it."""
    try:
        rights = None if policy is None else read_policy(policy)
    except MalformedPolicyError as error:
        raise MalformedPolicyError(f"the policy of access key {key_id} cannot be read: {error}") from None
    return AccessKey(key_id, name, role, secret_of(master, key_id, salt), rights, tenant)


def fingerprint(master: bytes) -> bytes:
    """What tells one master key from another, and nothing about any."""
    return hmac.digest(master, b"alt fingerprint 1", "sha256")[:16]
