"""From a request to its answer: target, body, validation, operation, reply."""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor

import ujson

from alt import errors, validation
from alt.errors import ApiError
from alt.http import bodies, response
from alt.http.access import Access
from alt.http.bodies import UnreadableBody
from alt.http.request import Answer, Request
from alt.operations import OPERATIONS, Operation, Reply, TwoSteps
from alt.operations.caller import Caller
from alt.operations.context import Context
from alt.storage.engine import NotReadyError
from alt.validation import Checker

_SERVICES = {b"DynamoDB_20120810": "dynamodb", b"DynamoDBStreams_20120810": "dynamodbstreams"}
_CONTENT_TYPES = (b"application/x-amz-json-1.0", b"application/json")
# Threads that read large bodies: one that takes seconds leaves others to those that take less.
LARGE_BODY_READERS = 4
_UNKNOWN_OPERATION_XML = b"<UnknownOperationException/>\n"

_log = logging.getLogger(__name__)


class Dispatcher:
    """Answers requests for one context. `address` is `host:port` as listened on."""

    def __init__(self, context: Context, address: str, access: Access) -> None:
        self._context = context
        self._address = address
        self._access = access
        self._readers = ThreadPoolExecutor(LARGE_BODY_READERS, "alt-bodies")
        # Raw X-Amz-Target values, filled as they are first used.
        self._targets: dict[bytes, tuple[Checker, Operation]] = {}

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
        try:
            reply = self._begin(request)
        except NotReadyError as wait:
            return asyncio.ensure_future(self._begin_later(request, wait))
        except ApiError as error:
            return self._render_error(request, error)
        except Exception as error:
            return self._render_fault(request, error)
        return self._reply(request, reply) if type(reply) is bytes else reply

    def finish(self, request: Request, reply: asyncio.Future[bytes]) -> bytes:
        # To raise the error would tie it to this frame, and thereby to the future that holds it: a cycle with
        # the request in it, which is the garbage collector's alone to free.
        error = reply.exception()
        if error is None:
            return self._reply(request, reply.result())
        if isinstance(error, ApiError):
            answer = self._render_error(request, error)
        elif isinstance(error, UnreadableBody):
            answer = self._render(
                request, error.reason.encode() + b"\n", status=error.status, content_type=response.TEXT
            )
        else:
            answer = self._render_fault(request, error)
        # Frames that it came through may hold the future, too.
        error.__traceback__ = error.__context__ = error.__cause__ = None
        return answer

    def refuse(self, status: int, reason: str) -> bytes:
        """The answer to what is not a readable request; the connection closes after it."""
        return response.render(reason.encode() + b"\n", status=status, content_type=response.TEXT, close=True)

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
            return self._render(request, response.error_body(error), status=403, content_type=response.JSON)
        return None

    def _begin(self, request: Request) -> bytes | asyncio.Future[bytes]:
        headers = request.headers
        target = headers.get(b"x-amz-target", b"")
        check, operation = self._targets.get(target) or self._find(target)
        caller = Caller(headers.get(b"authorization"), headers.get(b"host"))
        if request.is_large:
            return asyncio.ensure_future(self._run_large(request, check, operation, caller))
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
                return operation.run(self._context, parameters, caller, read)
        check(parameters)
        return operation(self._context, parameters, caller)

    async def _begin_later(self, request: Request, wait: NotReadyError) -> bytes:
        """Begin anew once tables can be opened that the request needs; until then nothing was done."""
        begun = await self._context.engine.when_ready(wait, lambda: self._begin(request))
        return begun if isinstance(begun, bytes) else await begun

    async def _run_large(
        self, request: Request, check: Checker, operation: Operation, caller: Caller
    ) -> bytes:
        loop = asyncio.get_running_loop()
        parameters, read = await loop.run_in_executor(
            self._readers, bodies.read_large, request, check, operation
        )

        def run() -> Reply:
            if isinstance(operation, TwoSteps):
                return operation.run(self._context, parameters, caller, read)
            return operation(self._context, parameters, caller)

        try:
            reply = run()
        except NotReadyError as wait:
            reply = await self._context.engine.when_ready(wait, run)
        return reply if isinstance(reply, bytes) else await reply

    def _find(self, target: bytes) -> tuple[Checker, Operation]:
        """The operation of a target that comes for the first time."""
        prefix, _, name = target.partition(b".")
        service = _SERVICES.get(prefix)
        operation = None if service is None else OPERATIONS.get((service, name.decode("latin-1")))
        if service is None or operation is None:
            raise errors.unknown_operation()
        check = validation.checker(service, name.decode("latin-1"))
        assert check is not None, "an operation is in the API's model"
        found = self._targets[target] = check, operation
        return found

    def _answer_plain(self, request: Request) -> bytes:
        """GET, HEAD and OPTIONS, which need no credentials; any other method is unknown."""
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
        if method in (b"GET", b"HEAD") and path == b"/localnodes":
            nodes = ujson.dumps([self._address.rpartition(":")[0].strip("[]")])
            return self._render(request, nodes.encode(), content_type=b"application/json")
        return self._render(
            request, _UNKNOWN_OPERATION_XML, status=404, content_type=b"application/xml; charset=utf-8"
        )

    def _reply(self, request: Request, body: bytes) -> bytes:
        headers = request.headers
        if (
            request.keep_alive
            and headers[b"content-type"] == response.JSON
            and not request.allowed_origin
            and b"gzip" not in headers.get(b"accept-encoding", b"")
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
        return response.render(
            body,
            status=status,
            content_type=content_type,
            extra=extra,
            accept_gzip=b"gzip" in headers.get(b"accept-encoding", b""),
            close=not request.keep_alive,
            head=request.method == b"HEAD",
        )

    def _render_error(self, request: Request, error: ApiError) -> bytes:
        return self._render(request, response.error_body(error), status=error.status)

    def _render_fault(self, request: Request, error: BaseException) -> bytes:
        """A fault of the disk, in one line; or a bug of ours, with its traceback. The process goes on."""
        if not self._context.engine.say(error):
            target = request.headers.get(b"x-amz-target", b"").decode("latin-1")
            _log.error("%s failed", target, exc_info=error)
        return self._render_error(request, errors.internal_server_error())


def _is_health_check(request: Request) -> bool:
    """`GET /` says nothing but that the server is there, and who checks that reaches it by any name."""
    return request.method in (b"GET", b"HEAD") and request.url.split(b"?", 1)[0] == b"/"
