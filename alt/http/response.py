"""Answers as bytes: status lines, DynamoDB's headers, CRC32, JSON and error bodies."""

from __future__ import annotations

import os
import time
from email.utils import formatdate
from itertools import count

import ujson
from zlib_ng import zlib_ng

from alt.errors import ApiError

JSON = b"application/x-amz-json-1.0"
TEXT = b"text/plain; charset=utf-8"

_REASONS = {
    200: b"OK",
    400: b"Bad Request",
    403: b"Forbidden",
    404: b"Not Found",
    408: b"Request Timeout",
    413: b"Payload Too Large",
    414: b"URI Too Long",
    431: b"Request Header Fields Too Large",
    500: b"Internal Server Error",
    503: b"Service Unavailable",
    505: b"HTTP Version Not Supported",
}
_STATUS_LINES = {status: b"HTTP/1.1 %d %s\r\n" % (status, reason) for status, reason in _REASONS.items()}

_STATUS_BEGIN = len(b"HTTP/1.1 ")
_ID_HEADER = b"x-amzn-RequestId: "

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"

# What Amazon's local server answers to a browser's script and to its preflight request.
_CORS_EXPOSED = (
    b"x-amzn-RequestId,x-amzn-ErrorType,x-amz-request-id,x-amz-id-2,x-amzn-ErrorMessage,x-amz-crc32,Date"
)
_CORS_MAX_AGE_SECONDS = 172_800

# A request id is 52 characters of DynamoDB's alphabet: a random part and a counter.
_ID_RANDOM = os.urandom(20).hex().upper().encode()
_ID_COUNTER = count(1)

_ALLOWED_HEADER_CHARS = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_, *")


class _Moment:
    """What answers have in common, made anew once a second."""

    second = -1
    lines = b""  # Server and Date
    head = b""  # of an answer of JSON, up to its request id


def _renew() -> None:
    now = int(time.time())
    if now != _Moment.second:
        _Moment.second = now
        _Moment.lines = b"Server: Alt\r\nDate: %b\r\n" % formatdate(now, usegmt=True).encode()
        _Moment.head = b"%b%bContent-Type: %b\r\nx-amzn-RequestId: %b" % (
            _STATUS_LINES[200],
            _Moment.lines,
            JSON,
            _ID_RANDOM,
        )


def ok(body: bytes) -> bytes:
    """The answer nearly every request gets: 200, JSON as DynamoDB's own clients ask for it, not compressed."""
    _renew()
    return b"%b%012X\r\nContent-Length: %d\r\nx-amz-crc32: %d\r\n\r\n%b" % (
        _Moment.head,
        next(_ID_COUNTER),
        len(body),
        zlib_ng.crc32(body),
        body,
    )


def render(
    body: bytes,
    *,
    status: int = 200,
    content_type: bytes = JSON,
    extra: bytes = b"",
    coding: bytes | None = None,
    close: bool = False,
    head: bool = False,
) -> bytes:
    """A whole answer. `extra` is ready header lines; the CRC32 is of the body as sent, in its content coding."""
    if coding is not None:
        extra += b"Content-Encoding: %b\r\n" % coding
    if close:
        extra += b"Connection: close\r\n"
    _renew()
    return (
        b"%b%bContent-Type: %b\r\nContent-Length: %d\r\n"
        b"x-amzn-RequestId: %b%012X\r\nx-amz-crc32: %d\r\n%b\r\n%b"
        % (
            _STATUS_LINES[status],
            _Moment.lines,
            content_type,
            len(body),
            _ID_RANDOM,
            next(_ID_COUNTER),
            zlib_ng.crc32(body),
            extra,
            b"" if head else body,
        )
    )


def closing(answer: bytes) -> bytes:
    """A rendered answer with the word that the connection closes after it."""
    return answer.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1)


def status_of(answer: bytes) -> int:
    """The status of a rendered answer."""
    return int(answer[_STATUS_BEGIN : _STATUS_BEGIN + 3])


def request_id_of(answer: bytes) -> str:
    """The request id of a rendered answer."""
    begin = answer.index(_ID_HEADER) + len(_ID_HEADER)
    return answer[begin : answer.index(b"\r", begin)].decode()


def error_body(error: ApiError) -> bytes:
    """`{"__type": ..., "message": ...}` with the error's further members."""
    members = [f'"__type":"{error.qualified_type}"']
    if error.message is not None:
        text = ujson.dumps(error.message, ensure_ascii=False, escape_forward_slashes=False)
        members.append(f'"{error.message_key}":{text}')
    members += [f'"{name}":{text}' for name, text in (error.members or {}).items()]
    return ("{" + ",".join(members) + "}").encode("utf-8", "replace")


def cors_headers(allowed_origin: bytes) -> bytes:
    """For an answer to a request whose Origin is allowed: `allowed_origin` is that, or `*`."""
    return b"Access-Control-Allow-Origin: %b\r\nAccess-Control-Expose-Headers: %b\r\nVary: Origin\r\n" % (
        allowed_origin,
        _CORS_EXPOSED,
    )


def preflight_headers(
    allowed_origin: bytes, requested_headers: bytes | None, requested_method: bytes | None
) -> bytes:
    """For the answer to OPTIONS: what the browser asked for is what it may do; nothing without an Origin."""
    if not allowed_origin:
        return b""
    lines = cors_headers(allowed_origin) + b"Access-Control-Max-Age: %d\r\n" % _CORS_MAX_AGE_SECONDS
    for name, value in ((b"Headers", requested_headers), (b"Methods", requested_method)):
        # Echoed into a header of ours, so only characters that cannot break it.
        if value and _ALLOWED_HEADER_CHARS.issuperset(value):
            lines += b"Access-Control-Allow-%b: %b\r\n" % (name, value)
    return lines
