"""TLS on a listener: its certificate, taken up anew when the files change, and who else must show one."""

from __future__ import annotations

import logging
import ssl
from pathlib import Path
from typing import NamedTuple

from alt.config import ClientAuth

# Whoever connects and does not finish the handshake in this time is let go of. It holds up nobody meanwhile.
HANDSHAKE_SECONDS = 10.0

_VERIFY = {"required": ssl.CERT_REQUIRED, "optional": ssl.CERT_OPTIONAL}

_log = logging.getLogger(__name__)


class UnusableCertificateError(Exception):
    """A certificate, its key, or the clients' authority cannot be used; the message says which and why in one line."""


class Files(NamedTuple):
    """PEM files. `client_ca`: clients show a certificate that this authority has signed, as `client_auth` says."""

    certificate: Path
    key: Path
    client_ca: Path | None = None
    client_auth: ClientAuth = "required"


class Certificate:
    """What a server shows. `context` is for the listener, and stays the same: new handshakes see what is new.

    Raises UnusableCertificateError.
    """

    def __init__(self, files: Files) -> None:
        self._files = files
        self._state = _state(files)
        self.context = _context(files)

    async def refresh(self) -> None:
        """Take up what has changed; what cannot be used is told, once, and the old one stays."""
        state = _state(self._files)
        if state == self._state:
            return
        self._state = state
        try:
            _context(self._files)  # what is half written must not take the place of what is whole
            self.context.load_cert_chain(self._files.certificate, self._files.key)
        except (UnusableCertificateError, ssl.SSLError, OSError) as error:
            _log.error("the certificate was changed and cannot be used, so the old one stays: %s", error)
        else:
            _log.info("the certificate was changed")


def _context(files: Files) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(files.certificate, files.key, password=_refuse_password)
    except (ssl.SSLError, OSError, ValueError) as error:
        raise UnusableCertificateError(
            f"cannot use certificate {files.certificate} with key {files.key}: {_reason(error)}"
        ) from None
    if files.client_ca is not None:
        context.verify_mode = _VERIFY[files.client_auth]
        try:
            context.load_verify_locations(files.client_ca)
        except (ssl.SSLError, OSError) as error:
            raise UnusableCertificateError(f"cannot use {files.client_ca}: {_reason(error)}") from None
    return context


def _refuse_password() -> str:
    """A server has nobody to ask."""
    raise ValueError("the key is encrypted")


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return "they do not belong together" if error.reason == "KEY_VALUES_MISMATCH" else "it is no PEM file"
    return error.strerror or str(error) if isinstance(error, OSError) else str(error)


def _state(files: Files) -> list[tuple[int, int, int] | None]:
    """What tells that a file is another one."""
    found: list[tuple[int, int, int] | None] = []
    for path in (files.certificate, files.key):
        try:
            stat = path.stat()
            found.append((stat.st_ino, stat.st_size, stat.st_mtime_ns))
        except OSError:
            found.append(None)
    return found
