"""From a request to its answer: target, body, validation, operation, reply."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from time import perf_counter
from typing import Protocol

import ujson

from alt import errors, validation
from alt.errors import ApiError
from alt.http import bodies, codings, response
from alt.http.access import Access
from alt.http.authentication import Authentication
from alt.http.codings import TooLargeBodyError
from alt.http.request import LARGE_BODY_BYTES, Answer, Request
from alt.http.request_log import RequestLog
from alt.metrics.requests import OperationMetrics, RequestMetrics
from alt.operations import OPERATIONS, Operation, Reply, TwoSteps
from alt.operations.caller import Caller
from alt.operations.context import Context
from alt.storage.engine import NotReadyError
from alt.validation import Checker

SERVICES = {b"DynamoDB_20120810": "dynamodb", b"DynamoDBStreams_20120810": "dynamodbstreams"}
_CONTENT_TYPES = (b"application/x-amz-json-1.0", b"application/json")
# Threads that read large bodies: one that takes seconds leaves others to those that take less.
LARGE_BODY_READERS = 4
_UNKNOWN_OPERATION_XML = b"<UnknownOperationException/>\n"

# What is served beside the API: a request to the type and body of its answer. Raises ApiError.
Page = Callable[[Request], tuple[bytes, Reply]]
# Makes of an operation, given its service and name, one that does something more.
Wrap = Callable[[tuple[str, str], Operation], Operation]

_log = logging.getLogger(__name__)


class Realms(Protocol):
    """Contexts of callers who have tables of their own."""

    def context(self, caller: Caller) -> Context: ...

    def note_missing(self, caller: Caller, table: str) -> None:
        """A table was not found for a caller; another may have it."""
        ...


class Dispatcher:
    """Answers requests for one context, or for the caller's of `realms`. `address` is `host:port` as listened on.

    Without an `authentication` everybody may do everything. `pages` are served by their paths to any method but POST, which
    is the API's: they ask for themselves who may see them.
    """

    def __init__(
        self,
        context: Context,
        address: str,
        access: Access,
        authentication: Authentication | None = None,
        realms: Realms | None = None,
        pages: Mapping[bytes, Page] | None = None,
        metrics: RequestMetrics | None = None,
    ) -> None:
        self._realms = realms
        self._context = context
        self._address = address
        self._access = access
        self._authentication = authentication
        self._pages = pages or {}
        self._readers = ThreadPoolExecutor(LARGE_BODY_READERS, "alt-bodies")
        # Raw X-Amz-Target values, filled as they are first used.
        self._targets: dict[bytes, tuple[Checker, Operation, OperationMetrics]] = {}
        self._metrics = metrics or RequestMetrics()
        self._request_log: RequestLog | None = None
        self._wrap: Wrap | None = None

    def answer(self, request: Request) -> Answer:
        headers = request.headers
        if headers.get(b"host") not in self._access.known_hosts or b"origin" in headers:
            refusal = self._refuse_stranger(request)
            if refusal is not None:
                return refusal
        if request.method != b"POST":
            return self._answer_plain(request)
        content_type = headers.get(b"content-type", b"")
        if (
            content_type not in _CONTENT_TYPES
            and content_type.split(b";", 1)[0].strip() not in _CONTENT_TYPES
        ):
            return self._render(
                request, _UNKNOWN_OPERATION_XML, status=404, content_type=b"application/xml; charset=utf-8"
            )
        request.begun = perf_counter()
        try:
            reply = self._begin(request)
        except NotReadyError as wait:
            return asyncio.ensure_future(self._begin_later(request, wait))
        except ApiError as error:
            return self._render_error(request, error)
        except Exception as error:
            return self._render_fault(request, error)
        if type(reply) is not bytes:
            return reply
        self._note_success(request, reply)
        return self._reply(request, reply)

    def finish(self, request: Request, reply: asyncio.Future[bytes]) -> Answer:
        # To raise the error would tie it to this frame, and thereby to the future that holds it: a cycle with
        # the request in it, which is the garbage collector's alone to free.
        error = reply.exception()
        if error is None:
            if request.coding is None:  # else it has been compressed meanwhile
                self._note_success(request, reply.result())
            return self._reply(request, reply.result())
        request.coding = None
        if isinstance(error, ApiError):
            answer = self._render_error(request, error)
        elif isinstance(error, TooLargeBodyError):
            answer = self._render(
                request, b"Request Entity Too Large\n", status=413, content_type=response.TEXT
            )
        else:
            answer = self._render_fault(request, error)
        # Frames that it came through may hold the future, too.
        error.__traceback__ = error.__context__ = error.__cause__ = None
        return answer

    def refuse(self, status: int, reason: str) -> bytes:
        """The answer to what is not a readable request; the connection closes after it."""
        return response.render(reason.encode() + b"\n", status=status, content_type=response.TEXT, close=True)

    def serve(self, context: Context) -> None:
        """Answer what comes from now on for another context."""
        self._context = context

    def log_requests(self, log: RequestLog | None) -> None:
        """Have requests noted in a log from now on; None for no more."""
        self._request_log = log

    def wrap(self, wrap: Wrap | None) -> None:
        """Have operations wrapped from now on, for callers who may; None for no more. Unwrapped they cost nothing."""
        self._wrap = wrap
        self._targets = {}

    def close(self) -> None:
        self._readers.shutdown(wait=False, cancel_futures=True)

    def _refuse_stranger(self, request: Request) -> bytes | None:
        """The answer to a request from a web page that may not be let in; None to any other."""
        headers = request.headers
        host = headers.get(b"host")
        try:
            if host is not None and host not in self._access.known_hosts and not _is_health_check(request):
                self._access.check_host(host)
            if b"origin" in headers:
                request.allowed_origin = self._access.allowed_origin(headers[b"origin"])
        except ApiError as error:
            return self._render_error(request, error, status=403, content_type=response.JSON)
        return None

    def _begin(self, request: Request) -> bytes | asyncio.Future[bytes]:
        headers = request.headers
        target = headers.get(b"x-amz-target", b"")
        check, operation, request.metrics = self._targets.get(target) or self._find(target)
        if type(operation) is TwoSteps and len(request.body) > operation.large_bytes:
            request.is_large = True
        if request.is_large:
            return asyncio.ensure_future(self._run_large(request, check, operation))
        caller = self._caller(request)
        context = self._context if self._realms is None else self._realms.context(caller)
        parameters = bodies.read(request.body)
        if type(operation) is TwoSteps and check.conforms_but_items(parameters):
            try:
                read = operation.read(parameters)
            except Exception:
                # An ill-formed item comes before whatever else was found.
                parameters = bodies.read(request.body)
                if check.conforms(parameters):
                    raise
            else:
                return operation.run(context, parameters, caller, read)
        check(parameters)
        return operation(context, parameters, caller)

    def _context_of(self, caller: Caller) -> Context:
        return self._context if self._realms is None else self._realms.context(caller)

    async def _begin_later(self, request: Request, wait: NotReadyError) -> bytes:
        """Begin anew once tables can be opened that the request needs; until then nothing was done."""
        engine = self._context_of(self._caller(request)).engine
        begun = await engine.when_ready(wait, lambda: self._begin(request))
        return begun if isinstance(begun, bytes) else await begun

    async def _run_large(self, request: Request, check: Checker, operation: Operation) -> bytes:
        loop = asyncio.get_running_loop()
        caller, (parameters, read) = await loop.run_in_executor(
            self._readers,
            lambda: (self._caller(request), bodies.read_large(request, check, operation)),
        )

        context = self._context_of(caller)

        def run() -> Reply:
            if isinstance(operation, TwoSteps):
                return operation.run(context, parameters, caller, read)
            return operation(context, parameters, caller)

        try:
            reply = run()
        except NotReadyError as wait:
            reply = await context.engine.when_ready(wait, run)
        return reply if isinstance(reply, bytes) else await reply

    def _caller(self, request: Request) -> Caller:
        """Who sent it. Raises ApiError where that has to be proven and is not."""
        if self._authentication is not None:
            return self._authentication.caller(request)
        headers = request.headers
        return Caller(headers.get(b"authorization"), headers.get(b"host"), request.peer.ip)

    def _find(self, target: bytes) -> tuple[Checker, Operation, OperationMetrics]:
        """The operation of a target that comes for the first time."""
        name = _name(target)
        if name is None:
            raise errors.unknown_operation()
        operation = OPERATIONS[name]
        check = validation.checker(*name)
        assert check is not None, "an operation is in the API's model"
        if self._wrap is not None:
            operation = self._wrap(name, operation)
        found = self._targets[target] = check, self._guarded(name, operation), self._metrics.of(name[1])
        return found

    def _guarded(self, name: tuple[str, str], operation: Operation) -> Operation:
        """An operation that asks first whether its caller may, where that is to be known."""
        return operation if self._authentication is None else self._authentication.guarded(name, operation)

    def _answer_plain(self, request: Request) -> Answer:
        """GET, HEAD and OPTIONS, which need no credentials, and the pages; any other method is unknown."""
        method = request.method
        path = request.url.split(b"?", 1)[0]
        if method == b"OPTIONS":
            requested = request.headers
            extra = response.preflight_headers(
                request.allowed_origin,
                requested.get(b"access-control-request-headers"),
                requested.get(b"access-control-request-method"),
            )
            return self._render(request, b"", content_type=response.TEXT, extra=extra)
        if method in (b"GET", b"HEAD") and path == b"/":
            name = Caller(None, request.headers.get(b"host")).host or self._address
            return self._render(request, f"healthy: {name}\n".encode(), content_type=response.TEXT)
        if method in (b"GET", b"HEAD") and path == b"/ready":
            is_ready = self._context.engine.is_ready
            return self._render(
                request,
                b"ready\n" if is_ready else b"the data is out of reach\n",
                status=200 if is_ready else 503,
                content_type=response.TEXT,
            )
        if method in (b"GET", b"HEAD") and path == b"/localnodes":
            nodes = ujson.dumps([self._address.rpartition(":")[0].strip("[]")])
            return self._render(request, nodes.encode(), content_type=b"application/json")
        if path in self._pages:
            return self._answer_page(request, self._pages[path])
        return self._render(
            request, _UNKNOWN_OPERATION_XML, status=404, content_type=b"application/xml; charset=utf-8"
        )

    def _answer_page(self, request: Request, page: Page) -> Answer:
        try:
            content_type, reply = page(request)
        except ApiError as error:
            request.headers[b"content-type"] = response.JSON
            return self._render_error(request, error)
        except Exception as error:
            request.headers[b"content-type"] = response.JSON
            return self._render_fault(request, error)
        request.headers[b"content-type"] = content_type  # an answer has the type of its request
        return self._reply(request, reply) if isinstance(reply, bytes) else reply

    def _reply(self, request: Request, body: bytes) -> Answer:
        """The answer at once, or the future of a large body's compressed form."""
        headers = request.headers
        coding = _coding(request, body)
        if coding is not None and len(body) > LARGE_BODY_BYTES:
            request.coding = coding
            return asyncio.get_running_loop().run_in_executor(self._readers, codings.compress, body, coding)
        if (
            request.keep_alive
            and headers[b"content-type"] == response.JSON
            and not request.allowed_origin
            and coding is None
            and request.coding is None
        ):
            return response.ok(body)
        return self._render(request, body)

    def _render(
        self,
        request: Request,
        body: bytes,
        *,
        status: int = 200,
        content_type: bytes | None = None,
        extra: bytes = b"",
    ) -> bytes:
        headers = request.headers
        if content_type is None:
            content_type = headers[b"content-type"]
        if request.allowed_origin and not extra:
            extra = response.cors_headers(request.allowed_origin)
        if (coding := _coding(request, body)) is not None:
            body = codings.compress(body, coding)
            request.coding = coding
        return response.render(
            body,
            status=status,
            content_type=content_type,
            extra=extra,
            coding=request.coding,
            close=not request.keep_alive,
            head=request.method == b"HEAD",
        )

    def _render_error(
        self, request: Request, error: ApiError, status: int | None = None, content_type: bytes | None = None
    ) -> bytes:
        self._note_failure(request, error)
        if self._realms is not None and error.type == "ResourceNotFoundException":
            self._note_missing(self._realms, request)
        body = response.error_body(error)
        return self._render(request, body, status=status or error.status, content_type=content_type)

    def _note_success(self, request: Request, reply: bytes) -> None:
        if request.metrics is None:  # a page
            return
        seconds = request.metrics.succeeded(request.begun)
        if self._request_log is not None:
            self._request_log.note(request, _name_of(request), seconds, "ok", reply)

    def _note_failure(self, request: Request, error: ApiError) -> None:
        if request.method != b"POST":
            return
        seconds = (request.metrics or self._metrics.unknown).failed(request.begun, error)
        if self._request_log is not None:
            self._request_log.note(request, _name_of(request), seconds, error.type, b"")

    def _note_missing(self, realms: Realms, request: Request) -> None:
        # What is no such request names no table.
        with suppress(ApiError, ValueError, TypeError, AttributeError):
            if not request.is_large:
                realms.note_missing(self._caller(request), ujson.loads(request.body).get("TableName"))

    def _render_fault(self, request: Request, error: BaseException) -> bytes:
        """A fault of the disk, in one line; or a bug of ours, with its traceback. The process goes on."""
        if not self._context.engine.say(error):
            target = request.headers.get(b"x-amz-target", b"").decode("latin-1")
            _log.error("%s failed", target, exc_info=error)
        return self._render_error(request, errors.internal_server_error())


def _name(target: bytes) -> tuple[str, str] | None:
    """The service and the name of the operation that an X-Amz-Target means, if it is one of ours."""
    prefix, _, text = target.partition(b".")
    name = SERVICES.get(prefix, ""), text.decode("latin-1")
    return name if name in OPERATIONS else None


def _name_of(request: Request) -> tuple[str, str] | None:
    return _name(request.headers.get(b"x-amz-target", b""))


def _coding(request: Request, body: bytes) -> bytes | None:
    """What an answer's body is to be compressed with, if that is worth it and the client asks for it."""
    if len(body) < codings.MIN_COMPRESSED_BYTES or b"accept-encoding" not in request.headers:
        return None
    if request.coding is not None:  # that is done
        return None
    return codings.accepted(request.headers[b"accept-encoding"])


def _is_health_check(request: Request) -> bool:
    """`GET /` and `GET /ready` say nothing but how the server is, and who checks that reaches it by any name."""
    return request.method in (b"GET", b"HEAD") and request.url.split(b"?", 1)[0] in (b"/", b"/ready")
