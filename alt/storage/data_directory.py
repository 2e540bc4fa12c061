"""A data directory: what keeps it from being used, its one server's lock, and where that server listens."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw

LOCK_FILE = "server.lock"
ADDRESS_FILE = "server.url"


class UnusableDataError(Exception):
    """The data cannot be used; the message says what and why in one line."""


class AlreadyServedError(UnusableDataError):
    """Another server holds the data directory."""


class NewerFormatError(UnusableDataError):
    """The data was written by a newer version of Alt."""


@contextmanager
def using(what: Path | str) -> Iterator[None]:
    """Say it in one line when SQLite cannot open or read `what`."""
    try:
        yield
    except apsw.Error as error:
        raise UnusableDataError(f"cannot use {what}: {error}") from None


class ServerLock:
    """Held while a server runs. SQLite's own file lock: it works on every platform and ends with the process."""

    def __init__(self, directory: Path) -> None:
        self._address = directory / ADDRESS_FILE
        self._connection = apsw.Connection(str(directory / LOCK_FILE))
        try:
            self._connection.execute("BEGIN EXCLUSIVE")
        except apsw.BusyError:
            self._connection.close()
            raise AlreadyServedError(
                f"{directory} is already being served by {self._published() or 'another process'}"
            ) from None

    def publish(self, address: str) -> None:
        """Say where the server listens, for those who find the directory taken."""
        self._address.write_text(address + "\n", encoding="utf-8")

    def release(self) -> None:
        self._address.unlink(missing_ok=True)
        self._connection.close()

    def _published(self) -> str:
        return self._address.read_text(encoding="utf-8").strip() if self._address.exists() else ""
