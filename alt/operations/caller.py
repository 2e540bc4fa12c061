"""Who sent a request, and where to."""

from __future__ import annotations

import re
from collections.abc import Sequence

from alt.auth.keys import AccessKey, Scope
from alt.config import ACCOUNT_ID, DEFAULT_REGION
from alt.operations.arns import Place

_HOST = re.compile(rb"[A-Za-z0-9.:\[\]_-]{1,255}")
# AWS4-HMAC-SHA256 Credential=AKID/20261124/us-east-1/dynamodb/aws4_request, ...
_CREDENTIAL = re.compile(rb"Credential=([^/,\s]{1,128})/\d{8}/([A-Za-z0-9-]+)/")

# Who sent a request without credentials.
ANONYMOUS = "(none)"


# Clients sign with the same key all day: scopes as read before, by the header up to its first comma.
MAX_SCOPES = 1_024


NO_SCOPE = Scope(ANONYMOUS, DEFAULT_REGION)
_scopes: dict[bytes, Scope] = {}


class Caller:
    """What a request's headers Authorization and Host tell, read only when asked.

    `source_ip` is the client's address; None where there is no network between. `account` is whose resources it means.
    `resources` are the ARNs of what the request asks for (authorization/), where somebody notes that
    (alt/http/audited.py).
    """

    __slots__ = ("_authorization", "_host", "account", "resources", "source_ip")

    resources: Sequence[str]

    def __init__(
        self, authorization: bytes | None, host: bytes | None = None, source_ip: str | None = None
    ) -> None:
        self._authorization = authorization
        self._host = host
        self.source_ip = source_ip
        self.account = ACCOUNT_ID

    @property
    def host(self) -> str | None:
        """`host:port` as the client reached this server; None if it did not say, or said nothing usable."""
        host = self._host
        return host.decode() if host is not None and _HOST.fullmatch(host) else None

    @property
    def access_key(self) -> str:
        """The access key id that signed the request."""
        return self.scope().access_key

    @property
    def region(self) -> str:
        """The region of the credential scope."""
        return self.scope().region

    @property
    def place(self) -> Place:
        """Whose resources are meant, and where, as their ARNs say."""
        return Place(self.region, self.account)

    def scope(self) -> Scope:
        """Access key and region, as the header Authorization says."""
        authorization = self._authorization
        if authorization is None:
            return NO_SCOPE
        begin = authorization[: authorization.find(b",")]
        return _scopes.get(begin) or _read_scope(authorization, begin)


class KnownCaller(Caller):
    """A caller whose signature was verified: `key` signed the request, and what it is answered by is `scope`."""

    __slots__ = ("_known_scope", "key")

    def __init__(
        self,
        key: AccessKey,
        scope: Scope,
        host: bytes | None,
        source_ip: str | None = None,
        account: str = ACCOUNT_ID,
    ) -> None:
        self._host = host
        self.source_ip = source_ip
        self.account = account
        self.key = key
        self._known_scope = scope

    def scope(self) -> Scope:
        """As it was verified."""
        return self._known_scope


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
