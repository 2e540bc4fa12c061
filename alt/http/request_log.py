"""Lines about requests: each one while that is wanted, and those that took long.

No line has a value of an item or a key: of expressions it has the text, where values are placeholders, and none of a
statement of PartiQL, which may hold them.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Collection, Mapping
from contextlib import suppress
from typing import Any

import ujson

from alt.config import ACCOUNT_ID
from alt.http.request import LARGE_BODY_BYTES, Request
from alt.operations import OPERATIONS, TwoSteps
from alt.operations.arns import Place
from alt.operations.authorization.actions import asked
from alt.operations.caller import Caller

# Of its own level, so that the lines come whatever the log's is.
_log = logging.getLogger("alt.requests")

_MAX_NAME, _MAX_SHOWN = 255, 500  # characters of a name, and of an expression
_RESOURCE = re.compile(r":table/([^/]+)(?:/index/([^/]+))?")
_COUNTS = re.compile(rb'"Count":(\d+),"ScannedCount":(\d+)')
_COUNTS_BYTES = 64  # at the end of a page, where no capacity and no key follows
# What says how items are found, in the order shown.
_PLAN = ("KeyConditionExpression", "FilterExpression", "ScanIndexForward", "Limit", "Segment", "Select")
_NAMES = ("KeyConditions", "QueryFilter", "ScanFilter")  # the older parameters, by their attributes alone


class RequestLog:
    """`is_on`: every request has a line. `slow_seconds`: what takes longer has one in any case; None for none."""

    def __init__(self, is_on: bool, slow_seconds: float | None) -> None:
        self.is_on = is_on
        self._slow_seconds = slow_seconds
        _log.setLevel(logging.INFO)

    @property
    def is_idle(self) -> bool:
        return not self.is_on and self._slow_seconds is None

    def note(
        self, request: Request, name: tuple[str, str] | None, seconds: float, outcome: str, reply: bytes
    ) -> None:
        """`name` is the operation's, with its service, None where the target was none."""
        is_slow = self._slow_seconds is not None and seconds >= self._slow_seconds
        if not is_slow and not self.is_on:
            return
        caller = Caller(request.headers.get(b"authorization"))
        fields = {
            "operation": "unknown" if name is None else name[1],
            "outcome": outcome,
            "milliseconds": round(seconds * 1000, 3),
            "access_key": ascii(caller.access_key)[1:-1],
            "request_bytes": len(request.body),
            "response_bytes": len(reply),
        } | _about(request, name, caller.region, reply)
        shown = " ".join(f"{member}={value}" for member, value in fields.items())
        level, what = (logging.WARNING, "slow request") if is_slow else (logging.INFO, "request")
        _log.log(level, "%s: %s", what, shown, extra={"fields": {"event": what, **fields}})


def _about(request: Request, name: tuple[str, str] | None, region: str, reply: bytes) -> dict[str, Any]:
    """The tables that a request is about, and how it finds items in them."""
    if name is None or len(request.body) > _limit(name):
        return {}
    about: dict[str, Any] = {}
    with suppress(Exception):  # whatever is wrong with it was answered
        parameters = ujson.loads(request.body)
        operation = OPERATIONS[name]
        read = operation.read(parameters) if isinstance(operation, TwoSteps) else None
        asks = asked(name)(parameters, Place(region, ACCOUNT_ID), read)
        found = [_RESOURCE.search(resource) for _, resource, _ in asks]
        about["tables"] = _listed({each[1] for each in found if each is not None})
        if indexes := {each[2] for each in found if each is not None and each[2]}:
            about["indexes"] = _listed(indexes)
        if name[1] in ("Query", "Scan"):
            about["plan"] = _plan(name[1], parameters, reply)
    return about


def _limit(name: tuple[str, str]) -> int:
    """The bytes of bodies that are read again on the event loop: statements take longer."""
    return min(LARGE_BODY_BYTES, getattr(OPERATIONS[name], "large_bytes", LARGE_BODY_BYTES))


def _listed(names: Collection[str]) -> str:
    """A request that was refused may have named anything."""
    return ",".join(ascii(name[:_MAX_NAME])[1:-1] for name in sorted(names))


def _plan(operation: str, parameters: Mapping[str, Any], reply: bytes) -> str:
    parts = ["search" if operation == "Query" else "scan"]
    parts += [f"{name}={str(parameters[name])[:_MAX_SHOWN]!a}" for name in _PLAN if name in parameters]
    parts += [
        f"{name}={','.join(sorted(parameters[name]))[:_MAX_SHOWN]!a}" for name in _NAMES if name in parameters
    ]
    if (counts := _COUNTS.search(reply, max(0, len(reply) - _COUNTS_BYTES))) is not None:
        parts.append(f"returned {int(counts[1])} of {int(counts[2])} read")
    return "; ".join(parts)
