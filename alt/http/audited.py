"""A dispatcher that has a line written of each request: who asked for what, from where, and what came of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import ujson

from alt.audit import AuditLog
from alt.errors import ApiError
from alt.http import codings, response
from alt.http.access import Access
from alt.http.authentication import Authentication
from alt.http.codings import TooLargeBodyError
from alt.http.dispatch import SERVICES, Dispatcher, Page, Realms
from alt.http.request import Answer, Request
from alt.metrics.requests import RequestMetrics
from alt.operations import Operation, begun_with
from alt.operations.authorization.actions import asked
from alt.operations.caller import ANONYMOUS, Caller, KnownCaller
from alt.operations.context import Context

# Of a request's parameters, where they are written at all.
MAX_PARAMETERS_BYTES = 16 * 1024
# Of what is not checked when it is written: a name of an operation or a table, an ARN.
MAX_NAME_CHARACTERS = 2_048
# What a request without its body holds until its line is written, about.
REQUEST_BYTES = 2_048


class AuditedDispatcher(Dispatcher):
    """As Dispatcher; `log` gets a line of every request, with its parameters if `with_values`."""

    def __init__(
        self,
        context: Context,
        address: str,
        access: Access,
        authentication: Authentication | None,
        realms: Realms | None,
        pages: Mapping[bytes, Page],
        metrics: RequestMetrics,
        *,
        log: AuditLog,
        with_values: bool,
    ) -> None:
        super().__init__(context, address, access, authentication, realms, pages, metrics)
        self._log = log
        self._with_values = with_values
        self._in_work: dict[Request, _Line] = {}

    def answer(self, request: Request) -> Answer:
        self._in_work[request] = _Line(request)
        return self._told(request, super().answer(request))

    def finish(self, request: Request, reply: asyncio.Future[bytes]) -> Answer:
        return self._told(request, super().finish(request, reply))

    def _told(self, request: Request, answer: Answer) -> Answer:
        """The same answer; if it is a whole one, its line is written."""
        if isinstance(answer, bytes):
            line = self._in_work.pop(request)
            line.end(request, answer, self._with_values)
            self._log.put(line)
        return answer

    def _caller(self, request: Request) -> Caller:
        caller, line = super()._caller(request), self._in_work[request]
        caller.resources = line.caller.resources  # it may be asked for once more
        line.caller = caller
        return caller

    def _guarded(self, name: tuple[str, str], operation: Operation) -> Operation:
        """The operation that notes what is asked for, and then asks whether it may."""
        ask = asked(name)

        def note(_context: Context, request: Any, caller: Caller, read: Any) -> None:
            caller.resources = [resource for _, resource, _ in ask(request, caller.place, read)]

        return begun_with(note, super()._guarded(name, operation))

    def _render_error(
        self, request: Request, error: ApiError, status: int | None = None, content_type: bytes | None = None
    ) -> bytes:
        self._in_work[request].error = error.type
        return super()._render_error(request, error, status, content_type)


def lost_line(number: int) -> bytes:
    """The line that stands where others are missing."""
    return _json({"time": _moment(time.time()), "lostLines": number})


class _Line:
    """What is known of a request. It is written down beside the event loop."""

    __slots__ = (
        "_answered",
        "_began",
        "_body",
        "_head",
        "_is_whole",
        "_ms",
        "_peer",
        "_time",
        "caller",
        "error",
        "held_bytes",
    )

    def __init__(self, request: Request) -> None:
        self._time = time.time()
        self._began = time.perf_counter()
        self._peer = request.peer
        # Who it says it is from, until that is known.
        self.caller = Caller(request.headers.get(b"authorization"))
        self.caller.resources = ()
        self.error: str | None = None
        self.held_bytes = REQUEST_BYTES

    def end(self, request: Request, answer: bytes, with_values: bool) -> None:
        """Keep what the line needs of a request and its answer, and no more of them."""
        self._ms = (time.perf_counter() - self._began) * 1_000
        self._answered = response.status_of(answer), response.request_id_of(answer)
        headers = request.headers
        self._head = (
            request.method,
            request.url,
            headers.get(b"x-amz-target"),
            headers.get(b"content-encoding"),
        )
        self._is_whole = len(request.body) <= MAX_PARAMETERS_BYTES
        self._body = request.body[:MAX_PARAMETERS_BYTES] if with_values else None
        self.held_bytes += len(self._body or b"")

    def text(self) -> bytes:
        method, url, target, coding = self._head
        caller, (status, request_id) = self.caller, self._answered
        key = caller.key if isinstance(caller, KnownCaller) else None
        claimed = None if caller.access_key == ANONYMOUS else caller.access_key
        tables, resources = _names(caller.resources)
        line: dict[str, Any] = {
            "time": _moment(self._time),
            "requestId": request_id,
            "accessKeyId": claimed if key is None else key.id,
            "user": None if key is None else key.name,
            "tenant": None if key is None else key.tenant,
            "certificate": self._peer.common_name,
            "sourceIp": self._peer.ip,
            "operation": _operation(method, url, target),
            "tables": tables,
            "resources": resources,
            "status": status,
            "error": self.error,
            "durationMs": round(self._ms, 3),
        }
        if self._body is not None:
            line["parameters"] = _parameters(self._body, coding, self._is_whole)
        return _json(line)


def _operation(method: bytes, url: bytes, target: bytes | None) -> str:
    """The operation's name; what else was asked for as its target or its line of HTTP says."""
    if method == b"POST" and target is not None:
        prefix, _, known = target.partition(b".")
        name = known if prefix in SERVICES else target
    else:
        name = b"%b %b" % (method, url.partition(b"?")[0])
    return name[:MAX_NAME_CHARACTERS].decode("latin-1")


def _names(wanted: Sequence[str]) -> tuple[list[str], list[str]]:
    """The tables of what a request asks for, and the ARNs of what is not a table itself: indexes, backups, streams."""
    tables: dict[str, None] = {}
    resources: dict[str, None] = {}
    for arn in wanted:
        table, _, within = arn.partition(":table/")[2].partition("/")
        if table and table != "*":
            tables[table[:MAX_NAME_CHARACTERS]] = None
        if (within or not table) and not arn.endswith("*"):
            resources[arn[:MAX_NAME_CHARACTERS]] = None
    return list(tables), list(resources)


def _parameters(body: bytes, coding: bytes | None, is_whole: bool) -> Any:
    """A request's parameters as they were sent; the beginning of its body, as text, where it is long or no JSON."""
    if is_whole:
        with suppress(ApiError, TooLargeBodyError, ValueError, OverflowError):
            if coding is not None:
                body = codings.decompress(body, coding)
            if len(body) <= MAX_PARAMETERS_BYTES:
                return ujson.loads(body)
    return body[:MAX_PARAMETERS_BYTES].decode("utf-8", "replace")


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")[:-6] + "Z"


def _json(line: dict[str, Any]) -> bytes:
    """One line, whatever stands in it: JSON's escapes leave no control character, and nothing beyond ASCII."""
    text: str = ujson.dumps(line, escape_forward_slashes=False)
    return text.encode()
