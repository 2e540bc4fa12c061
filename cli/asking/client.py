"""Requests of the API over HTTP, on connections that are kept: one for each thread that asks."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import click
import ujson

from alt.config import MAX_REQUEST_BYTES
from alt.errors import ApiError, validation
from alt.values.json import dumps

from .signing import signed

if TYPE_CHECKING:
    import ssl

# Longer than the longest page or batch takes.
TIMEOUT_SECONDS = 60.0
# What SDKs try again, as it comes of load and not of the request.
PASSING = frozenset(
    (
        "InternalServerError",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "ServiceUnavailable",
        "ThrottlingException",
        "TransactionInProgressException",
    )
)
ATTEMPTS = 10
FIRST_PAUSE_SECONDS = 0.05
LONGEST_PAUSE_SECONDS = 5.0


def reachable(url: str) -> str:
    """The address by which this machine reaches a server that listens on all of its addresses."""
    for any_address, own in (("//0.0.0.0:", "//127.0.0.1:"), ("//[::]:", "//[::1]:")):
        url = url.replace(any_address, own, 1)
    return url


def pause(attempt: int) -> None:
    """Wait before attempt `attempt` + 1: twice as long each time, and not all clients at once."""
    longest = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2**attempt)
    time.sleep(longest * random.uniform(0.5, 1.0))


class UnreachableError(click.ClickException):
    """Nobody answers there, or nobody who speaks the API."""


class Client:
    """A server at `url`. The `environment` has the access key and the region; several threads may ask.

    `authority`: a file of certificates (PEM) that vouch for the server, beside those the system knows. `timeout`: seconds
    to wait for the next byte.
    """

    def __init__(
        self,
        url: str,
        environment: Mapping[str, str],
        authority: Path | None = None,
        timeout: float = TIMEOUT_SECONDS,
    ) -> None:
        try:
            parts = urlsplit(reachable(url))
            host, port = parts.hostname, parts.port
        except ValueError:
            host = port = None
        if not host or parts.scheme not in ("http", "https"):
            raise UnreachableError(f"{url} is no address of a server: give http://HOST:PORT")
        self.url = url
        self._environment = environment
        self._timeout = timeout
        self._host = parts.netloc.rpartition("@")[2]
        self._path = parts.path or "/"
        self._address = host, port
        self._tls = _tls(environment, authority) if parts.scheme == "https" else None
        self._own = threading.local()
        self._connections: list[HTTPConnection] = []

    def ask(self, operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """The answer; what load refuses is asked again. Raises ApiError and UnreachableError."""
        try:
            body = dumps(request).encode()
        except UnicodeEncodeError:  # as of an argument that is no UTF-8
            raise validation("the request has text in it that is no UTF-8") from None
        if len(body) > MAX_REQUEST_BYTES:
            # A server that is sent more hangs up in the midst of it, and says no more why.
            raise validation(
                f"the request is larger than the {MAX_REQUEST_BYTES:,} bytes that DynamoDB takes"
            )
        for attempt in range(ATTEMPTS - 1):
            try:
                return self._ask(operation, body)
            except ApiError as error:
                if error.type not in PASSING:
                    raise
            pause(attempt)
        return self._ask(operation, body)

    def health(self) -> str | None:
        """What the server calls itself to those who look after it; None where it is not Alt, or not well."""
        status, body = self._exchange("GET", "/", b"", {"host": self._host})
        text = body.decode(errors="replace").strip()
        return text if status == 200 and text.startswith("healthy") else None

    def page(self, method: str, path: str, body: bytes = b"") -> tuple[int, bytes]:
        """Status and body of what a server has beside the API, asked for as who has the key."""
        headers = {"host": self._host, "content-type": "application/json"}
        signature = signed(headers, body, path, datetime.now(UTC), self._environment, method)
        return self._exchange(method, path, body, signature)

    def close(self) -> None:
        for connection in self._connections:
            connection.close()

    def _ask(self, operation: str, body: bytes) -> dict[str, Any]:
        headers = {
            "host": self._host,
            "content-type": "application/x-amz-json-1.0",
            "x-amz-target": f"DynamoDB_20120810.{operation}",
        }
        signature = signed(headers, body, self._path, datetime.now(UTC), self._environment)
        status, answer = self._exchange("POST", self._path, body, signature)
        try:
            read = ujson.loads(answer)
        except ValueError:
            read = None
        if not isinstance(read, dict) or (status != 200 and "__type" not in read):
            raise UnreachableError(f"{self.url} answers as no DynamoDB does (status {status})")
        if status != 200:
            raise ApiError(str(read["__type"]).rpartition("#")[2], read.get("message") or read.get("Message"))
        return read

    def _exchange(self, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, bytes]:
        """Status and body. A kept connection that the server has closed meanwhile is made anew, once."""
        try:
            try:
                return self._on(self._connection(), method, path, body, headers)
            except ConnectionError:
                if not self._own.is_used:
                    raise
                self._forget()
                return self._on(self._connection(), method, path, body, headers)
        except (OSError, HTTPException) as fault:
            self._forget()
            raise UnreachableError(
                f"cannot reach {self.url}: {fault or type(fault).__name__}; does a server run there?"
            ) from None

    def _on(
        self, connection: HTTPConnection, method: str, path: str, body: bytes, headers: Mapping[str, str]
    ) -> tuple[int, bytes]:
        connection.request(method, path, body or None, dict(headers))
        response: HTTPResponse = connection.getresponse()
        answer = response.read()
        self._own.is_used = True
        return response.status, answer

    def _connection(self) -> HTTPConnection:
        """This thread's."""
        found: HTTPConnection | None = getattr(self._own, "connection", None)
        if found is None:
            host, port = self._address
            if self._tls is None:
                found = HTTPConnection(host, port, timeout=self._timeout)
            else:
                found = HTTPSConnection(host, port, timeout=self._timeout, context=self._tls)
            self._own.connection = found
            self._own.is_used = False
            self._connections.append(found)
        return found

    def _forget(self) -> None:
        connection = self._own.connection
        connection.close()
        self._connections.remove(connection)
        self._own.connection = None


def _tls(environment: Mapping[str, str], authority: Path | None) -> ssl.SSLContext:
    import ssl

    bundle = environment.get("AWS_CA_BUNDLE") or None
    try:
        context = ssl.create_default_context(cafile=bundle)
        if authority is not None:
            context.load_verify_locations(authority)
    except OSError as fault:
        name = bundle or authority
        raise UnreachableError(f"cannot use the certificates in {name}: {fault.strerror or fault}") from None
    return context
