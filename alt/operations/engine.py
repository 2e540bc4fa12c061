"""What every operation is given: the tables, the clock, the source of ids, and who asks."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from alt.config import ACCOUNT_ID, DEFAULT_HOST, DEFAULT_PORT, DEFAULT_REGION
from alt.errors import resource_not_found, validation
from alt.storage.store import Store
from alt.storage.table import Table

# arn:aws:dynamodb:us-east-1:123456789012:table/Name
_TABLE_ARN = re.compile(r"arn:aws[a-z-]*:dynamodb:[a-z0-9-]*:[0-9]*:table/([a-zA-Z0-9_.-]{3,255})")
_HOST = re.compile(rb"[A-Za-z0-9.:\[\]_-]{1,255}")
# AWS4-HMAC-SHA256 Credential=AKID/20261124/us-east-1/dynamodb/aws4_request, ...
_CREDENTIAL = re.compile(rb"Credential=([^/,\s]+)/\d{8}/([A-Za-z0-9-]+)/")


class Caller:
    """Who sent a request, and where to, read from its headers Authorization and Host only when asked."""

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
    def region(self) -> str:
        """The region of the credential scope."""
        match = _CREDENTIAL.search(self._authorization or b"")
        return DEFAULT_REGION if match is None else match.group(2).decode()


@dataclass(frozen=True, slots=True)
class Engine:
    """`clock` gives epoch seconds, `new_id` a fresh UUID's text; `address` is `host:port` as listened on."""

    store: Store
    clock: Callable[[], float]
    new_id: Callable[[], str]
    address: str = f"{DEFAULT_HOST}:{DEFAULT_PORT}"

    def table(self, name: str) -> Table:
        """The open table that `name`, a table's name or ARN, stands for."""
        table = self.store.table(name)
        if table is None:
            table = self.store.table(table_name(name))
            if table is None:
                raise resource_not_found()
        return table


def table_name(name_or_arn: str) -> str:
    """The name that a TableName member means, which may be an ARN."""
    if not name_or_arn.startswith("arn:"):
        return name_or_arn
    match = _TABLE_ARN.fullmatch(name_or_arn)
    if match is None:
        raise validation(f"Invalid TableArn: Invalid ResourceArn provided as input {name_or_arn}")
    return match.group(1)


def table_arn(region: str, name: str) -> str:
    return f"arn:aws:dynamodb:{region}:{ACCOUNT_ID}:table/{name}"
