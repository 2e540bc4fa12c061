"""Whether a data directory is encrypted, and with whose key: `encryption.json`, and what a user gives as the key.

What is given is a text: 32 bytes in hex or base64, which are the key of the files, or else a passphrase, of which
scrypt makes one. `encryption.json` says how, and has a fingerprint of the key, so that a wrong one
is told from a right one before any file is opened. It holds no secret.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import secrets
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

import ujson

from alt.storage.sqlite import encryption
from alt.storage.sqlite.copies.copying import place, sync_directory, write_private
from alt.storage.sqlite.data_directory import (
    CATALOG_FILE,
    ENCRYPTION_FILE,
    JOURNAL_FILE,
    KEYS_FILE,
    REKEY_FOLDER,
    USAGE_FILE,
    AlreadyServedError,
    ServerLock,
    UnusableDataError,
    make_private,
    refuse_lost_key,
    root_of,
)
from alt.storage.sqlite.encryption import KEY_BYTES
from alt.storage.sqlite.key_change import resume_key_change

FORMAT = 1
MIN_PASSPHRASE_CHARACTERS = 12
SALT_BYTES = 16
# OWASP's first choice for scrypt: 128 MB, about 0.4 s. Once for each process.
SCRYPT_N, SCRYPT_R, SCRYPT_P = 2**17, 8, 1
SCRYPT_MEMORY_BYTES = 256 * 1024 * 1024  # the most that a description may ask for

_HEX_CHARACTERS = 2 * KEY_BYTES
_FINGERPRINT_OF = b"alt encryption key"


@dataclass(frozen=True, slots=True)
class Description:
    """What `encryption.json` says. `salt` in hex; empty where the key is given as it is."""

    format: int
    cipher: str
    fingerprint: str
    salt: str = ""
    n: int = 0
    r: int = 0
    p: int = 0

    def to_json(self) -> str:
        return ujson.dumps(asdict(self), indent=2) + "\n"


def unlock(directory: Path, secret: str | None) -> None:
    """Let this process open the databases of a data directory. `secret`: the key as its user has it, or None.

    A directory without data becomes encrypted if there is a key. What a change of its key had decided is done.
    One within another has the other's key. Raises UnusableDataError where the key is missing, wrong, or not wanted.
    """
    directory = root_of(directory)
    if (directory / REKEY_FOLDER).is_dir():
        _finish_key_change(directory)
    described = _read(directory)
    if described is None and secret is not None:
        if _holds_data(directory):
            refuse_lost_key(directory)
            raise UnusableDataError(
                f"{directory} is not encrypted: leave the key out, or encrypt the directory with `alt rekey "
                "--new-encryption-key-file FILE`"
            )
        described = _begin(directory, secret)
    if described is None:
        encryption.forget(directory)
        return
    if secret is None:
        raise UnusableDataError(
            f"{directory} is encrypted: give its key with --encryption-key-file, or in ALT_ENCRYPTION_KEY"
        )
    encryption.check_available()
    key = _key(described, secret)
    if not hmac.compare_digest(_fingerprint(key), described.fingerprint):
        raise UnusableDataError(f"{directory} is encrypted with another key than this one")
    encryption.know(directory, key)


def describe(secret: str) -> tuple[Description, bytes]:
    """The description of a new key, and the key. Raises UnusableDataError where it is too weak."""
    encryption.check_available()
    raw = _raw(secret)
    if raw is not None:
        return Description(FORMAT, encryption.CIPHER, _fingerprint(raw)), raw
    if len(secret) < MIN_PASSPHRASE_CHARACTERS:
        raise UnusableDataError(
            f"the key is neither 32 bytes in hex or base64 nor a passphrase of {MIN_PASSPHRASE_CHARACTERS} characters: "
            "`openssl rand -hex 32` makes one"
        )
    salt = secrets.token_bytes(SALT_BYTES)
    key = _stretched(secret, salt, SCRYPT_N, SCRYPT_R, SCRYPT_P)
    return (
        Description(FORMAT, encryption.CIPHER, _fingerprint(key), salt.hex(), SCRYPT_N, SCRYPT_R, SCRYPT_P),
        key,
    )


def _finish_key_change(directory: Path) -> None:
    """For who does not hold the server's lock, which `alt rekey` does as long as it runs."""
    try:
        lock = ServerLock(directory)
    except AlreadyServedError:
        raise UnusableDataError(
            f"the key of {directory} is being changed: try again when that is done"
        ) from None
    try:
        resume_key_change(directory)
    finally:
        lock.release()


def _begin(directory: Path, secret: str) -> Description:
    """Make a directory an encrypted one. Who is a moment faster decides how: what stands there counts."""
    make_private(directory)
    part = directory / f"{ENCRYPTION_FILE}.{os.getpid()}.part"
    write_private(part, describe(secret)[0].to_json())
    try:
        os.link(part, directory / ENCRYPTION_FILE)
    except FileExistsError:
        pass
    except OSError:  # a file system that has no such links
        place(part, directory / ENCRYPTION_FILE)
    part.unlink(missing_ok=True)
    sync_directory(directory)
    described = _read(directory)
    assert described is not None, "it is there"
    return described


def _read(directory: Path) -> Description | None:
    path = directory / ENCRYPTION_FILE
    try:
        described = Description(**ujson.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except OSError as fault:
        raise UnusableDataError(f"cannot read {path}: {fault.strerror or fault}") from None
    except (ValueError, TypeError):
        raise UnusableDataError(f"{path} is damaged: put back a copy of it") from None
    if described.format != FORMAT or described.cipher != encryption.CIPHER:
        raise UnusableDataError(f"{path} is of another version of Alt: use the version that wrote it")
    return described


def _holds_data(directory: Path) -> bool:
    paths = (directory / name for name in (CATALOG_FILE, JOURNAL_FILE, USAGE_FILE, KEYS_FILE))
    return any(path.exists() and path.stat().st_size for path in paths)


def _key(described: Description, secret: str) -> bytes:
    if not described.salt:
        return _raw(secret) or b""
    return _stretched(secret, bytes.fromhex(described.salt), described.n, described.r, described.p)


def _raw(secret: str) -> bytes | None:
    """The 32 bytes that a text is the hex or base64 of; None where it is neither."""
    with suppress(ValueError):
        if len(secret) == _HEX_CHARACTERS:
            return bytes.fromhex(secret)
    with suppress(binascii.Error, ValueError):
        raw = base64.b64decode(secret, validate=True)
        if len(raw) == KEY_BYTES:
            return raw
    return None


@cache
def _stretched(passphrase: str, salt: bytes, n: int, r: int, p: int) -> bytes:
    return hashlib.scrypt(
        passphrase.encode(), salt=salt, n=n, r=r, p=p, maxmem=SCRYPT_MEMORY_BYTES, dklen=KEY_BYTES
    )


def _fingerprint(key: bytes) -> str:
    return hmac.digest(key, _FINGERPRINT_OF, "sha256").hex()
