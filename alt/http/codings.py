"""HTTP's content codings: how bodies come compressed, and how answers go."""

from __future__ import annotations

import io
import re
from functools import lru_cache
from typing import Any, cast

from zlib_ng import gzip_ng, zlib_ng

from alt.config import MAX_REQUEST_BYTES
from alt.errors import ApiError

# Of an answer; smaller ones are sent as they are. The service's own.
MIN_COMPRESSED_BYTES = 4_096
LEVEL = 2  # docs/design.md has what each level costs
# Headers of clients, of which there are few kinds; but any client can make one up.
_REMEMBERED_HEADERS = 64
# A longer one is nobody's, and would take long to read.
_MAX_HEADER_BYTES = 1_024
# Decompressed at once. The allocator keeps for each thread what it has ever freed in one piece: twice 16 MB, for a bomb.
_STEP_BYTES = 256 * 1024

# How zlib is told the format. Without a header it is what some clients take for deflate.
_FORMATS = {b"gzip": 16 + zlib_ng.MAX_WBITS, b"deflate": zlib_ng.MAX_WBITS}
_WITHOUT_HEADER = -zlib_ng.MAX_WBITS

_Fault: type[Exception] = cast(Any, zlib_ng.error)  # zlib-ng's types take it for an instance
_open_gzip: Any = gzip_ng.GzipFile

_QUALITY = re.compile(rb";\s*q\s*=([^;]*)")
_MOST_QUALITY = 1.0


class TooLargeBodyError(Exception):
    """A body that is small on the wire and decompresses to more than a request may have."""


@lru_cache(_REMEMBERED_HEADERS)
def accepted(header: bytes) -> bytes | None:
    """The coding for an answer to this Accept-Encoding, None for as it is.

    The best by quality, then by place, as the service chooses: it takes no notice of what is said of `identity`, and
    an unreadable quality for the highest.
    """
    if len(header) > _MAX_HEADER_BYTES:
        return None
    found: dict[bytes, float] = {}
    for entry in header.lower().split(b","):
        coding = entry.partition(b";")[0].strip()
        found[coding] = max(found.get(coding, 0.0), _quality(entry))
    for coding in _FORMATS:
        found.setdefault(coding, found.get(b"*", 0.0))
    best = max((coding for coding in found if coding in _FORMATS), key=found.__getitem__)
    return best if found[best] > 0 else None


def compress(body: bytes, coding: bytes) -> bytes:
    return zlib_ng.compress(body, LEVEL, wbits=_FORMATS[coding])


def decompress(body: bytes, header: bytes) -> bytes:
    """A request's body, as its Content-Encoding says it is to be read. Raises ApiError, TooLargeBodyError.

    The service answers a coding that it does not know, and a body that is not what the header says, as its own fault.
    """
    coding = header.strip().lower()
    if coding in (b"", b"identity"):
        return body
    try:
        if coding == b"gzip":
            decompressed = _read_gzip(body)
        elif coding == b"deflate":
            decompressed = _read_deflate(body)
        else:
            raise _unreadable("The Content-Encoding of the request is not known: only gzip and deflate are")
    except (_Fault, EOFError, OSError):
        raise _unreadable(
            f"The request's body is not what its Content-Encoding says: {coding.decode()}"
        ) from None
    if len(decompressed) > MAX_REQUEST_BYTES:
        raise TooLargeBodyError
    return decompressed


def _quality(entry: bytes) -> float:
    given = _QUALITY.search(entry)
    if given is None:
        return _MOST_QUALITY
    try:
        return min(_MOST_QUALITY, float(given[1]))
    except ValueError:
        return _MOST_QUALITY


def _read_gzip(body: bytes) -> bytes:
    """All members one after another; no body at all is none."""
    if not body:
        raise EOFError
    chunks = []
    left = MAX_REQUEST_BYTES
    with _open_gzip(fileobj=io.BytesIO(body)) as members:
        while chunk := cast(bytes, members.read(_STEP_BYTES)):
            chunks.append(chunk)
            left -= len(chunk)
            if left < 0:
                raise TooLargeBodyError
    return b"".join(chunks)


def _read_deflate(body: bytes) -> bytes:
    try:
        return _inflate(body, _FORMATS[b"deflate"])
    except _Fault:
        return _inflate(body, _WITHOUT_HEADER)


def _inflate(body: bytes, form: int) -> bytes:
    inflater = zlib_ng.decompressobj(wbits=form)
    decompressed = inflater.decompress(body, MAX_REQUEST_BYTES + 1)
    if len(decompressed) <= MAX_REQUEST_BYTES and (not inflater.eof or inflater.unused_data):
        raise EOFError
    return decompressed


def _unreadable(message: str) -> ApiError:
    return ApiError("InternalServerError", message)
