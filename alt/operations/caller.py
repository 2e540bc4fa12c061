"""Who sent a request, and where to."""

from __future__ import annotations

import re

from alt.config import DEFAULT_REGION

_HOST = re.compile(rb"[A-Za-z0-9.:\[\]_-]{1,255}")
# AWS4-HMAC-SHA256 Credential=AKID/20261124/us-east-1/dynamodb/aws4_request, ...
_CREDENTIAL = re.compile(rb"Credential=([^/,\s]{1,128})/\d{8}/([A-Za-z0-9-]+)/")

# Who sent a request without credentials.
ANONYMOUS = "(none)"


class Caller:
    """What a request's headers Authorization and Host tell, read only when asked."""

    __slots__ = ("_authorization", "_host")

    def __init__(self, authorization: bytes | None, host: bytes | None = None) -> None:
        self._authorization = authorization
        self._host = host

    @property
    def host(self) -> str | None:
        """`host:port` as the client reached this server; None if it did not say, or said nothing usable."""
        host = self._host
        return host.decode() if host is not None and _HOST.fullmatch(host) else None

    @property
    def access_key(self) -> str:
        """The access key id that signed the request."""
        match = _CREDENTIAL.search(self._authorization or b"")
        return ANONYMOUS if match is None else match.group(1).decode("latin-1")

    @property
    def region(self) -> str:
        """The region of the credential scope."""
        match = _CREDENTIAL.search(self._authorization or b"")
        return DEFAULT_REGION if match is None else match.group(2).decode()
