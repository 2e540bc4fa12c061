"""Who sent a request, and where to."""

from __future__ import annotations

import re
from typing import NamedTuple

from alt.config import DEFAULT_REGION

_HOST = re.compile(rb"[A-Za-z0-9.:\[\]_-]{1,255}")
# AWS4-HMAC-SHA256 Credential=AKID/20261124/us-east-1/dynamodb/aws4_request, ...
_CREDENTIAL = re.compile(rb"Credential=([^/,\s]{1,128})/\d{8}/([A-Za-z0-9-]+)/")

# Who sent a request without credentials.
ANONYMOUS = "(none)"


# Clients sign with the same key all day: scopes as read before, by the header up to its first comma.
MAX_SCOPES = 1_024


class Scope(NamedTuple):
    """Whose a signature is, and for which region."""

    access_key: str
    region: str


NO_SCOPE = Scope(ANONYMOUS, DEFAULT_REGION)
_scopes: dict[bytes, Scope] = {}


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
        return self._scope().access_key

    @property
    def region(self) -> str:
        """The region of the credential scope."""
        return self._scope().region

    def _scope(self) -> Scope:
        authorization = self._authorization
        if authorization is None:
            return NO_SCOPE
        begin = authorization[: authorization.find(b",")]
        return _scopes.get(begin) or _read_scope(authorization, begin)


def _read_scope(authorization: bytes, begin: bytes) -> Scope:
    match = _CREDENTIAL.search(begin)
    if match is None:  # not where every SDK has it, if anywhere
        match = _CREDENTIAL.search(authorization)
        return NO_SCOPE if match is None else _scope_of(match)
    if len(_scopes) >= MAX_SCOPES:
        _scopes.clear()
    found = _scopes[begin] = _scope_of(match)
    return found


def _scope_of(match: re.Match[bytes]) -> Scope:
    return Scope(match.group(1).decode("latin-1"), match.group(2).decode())
