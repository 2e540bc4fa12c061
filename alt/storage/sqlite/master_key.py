"""The file of the master key, which the secrets of access keys are made with (alt/auth/keys.py).

It is kept out of every database: a copy of those alone gives no secret.
"""

from __future__ import annotations

import logging
import secrets
import sys
from pathlib import Path

from alt.auth.keys import MASTER_BYTES
from alt.storage.sqlite.copies.copying import place, write_private
from alt.storage.sqlite.data_directory import UnusableDataError

_log = logging.getLogger(__name__)


def read(path: Path) -> bytes | None:
    """The master key; None if there is no file. Raises UnusableDataError where it holds something else."""
    try:
        text = path.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as fault:
        raise UnusableDataError(f"cannot read {path}: {fault}") from None
    if sys.platform != "win32" and path.stat().st_mode & 0o077:
        _log.warning(
            "other users of this machine can read %s, and with it every secret: `chmod 600` keeps them out",
            path,
        )
    try:
        master = bytes.fromhex(text)
    except ValueError:
        master = b""
    if len(master) != MASTER_BYTES:
        raise UnusableDataError(f"{path} is damaged: put back the copy that was kept of it")
    return master


def make(path: Path) -> bytes:
    """A new master key, on the disk before anything depends on it. Raises OSError."""
    master = secrets.token_bytes(MASTER_BYTES)
    part = path.with_name(path.name + ".part")
    write_private(part, master.hex() + "\n")
    place(part, path)
    return master
