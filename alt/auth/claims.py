"""What a request says of its signature, in the header Authorization or, presigned, in its query."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from alt.auth import refusals
from alt.errors import ApiError

SKEW_SECONDS = 15 * 60
MAX_PRESIGNED_SECONDS = 7 * 24 * 3600  # AWS's for every service

_PREFIX = b"AWS4-"
_SEPARATORS = re.compile(rb"[,\s]+")
_HEADER_PARTS = (b"Credential", b"Signature", b"SignedHeaders")
# In the order in which the service names those that are missing.
_QUERY_PARTS = (
    b"X-Amz-Algorithm",
    b"X-Amz-Credential",
    b"X-Amz-Signature",
    b"X-Amz-SignedHeaders",
    b"X-Amz-Date",
)
ALGORITHM_PARAMETER, SIGNATURE_PARAMETER = b"X-Amz-Algorithm", b"X-Amz-Signature"
TOKEN_PARAMETER = b"X-Amz-Security-Token"
_EXPIRES = b"X-Amz-Expires"

Parameters = Sequence[tuple[bytes, bytes]]  # of a query, decoded


class Claim(NamedTuple):
    """As sent; nothing of it has been checked but that it is there."""

    algorithm: bytes
    credential: bytes
    signed_headers: bytes
    signature: bytes
    date: bytes
    seconds: int  # that the signature is good for, from that date on


def is_presigned(parameters: Parameters) -> bool:
    return any(name == ALGORITHM_PARAMETER for name, _ in parameters)


def in_header(headers: Mapping[bytes, bytes]) -> Claim:
    """What the header says. Raises ApiError unless each part is there, once."""
    authorization = headers.get(b"authorization", b"").strip()
    if not authorization.startswith(_PREFIX):
        raise refusals.missing()
    algorithm, *pieces = [piece for piece in _SEPARATORS.split(authorization) if piece]
    parts: dict[bytes, bytes] = {}
    shown = authorization.decode("latin-1")
    for piece in pieces:
        name, equals, value = piece.partition(b"=")
        if not equals:
            raise refusals.incomplete(
                f"'{name.decode('latin-1')}' not a valid key=value pair (missing equal-sign) in Authorization header: "
                f"'{shown}'."
            )
        # What is there twice could be read in two ways: as if it were not there.
        parts[name] = b"" if name in parts else value
    lacks = [
        f"Authorization header requires '{name.decode()}' parameter. "
        for name in _HEADER_PARTS
        if not parts.get(name)
    ]
    date = (headers.get(b"x-amz-date") or headers.get(b"date", b"")).strip()
    if not date:
        lacks.append("Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. ")
    if lacks:
        raise refusals.incomplete("".join(lacks) + f"Authorization={shown}")
    return Claim(
        algorithm, parts[b"Credential"], parts[b"SignedHeaders"], parts[b"Signature"], date, SKEW_SECONDS
    )


def in_query(parameters: Parameters) -> Claim:
    """What the query says. Raises ApiError unless each part is there, once."""
    names = [name for name, _ in parameters]
    parts = {name: value for name, value in parameters if names.count(name) == 1}
    lacks = [
        f"AWS query-string parameters must include '{name.decode()}'. "
        for name in _QUERY_PARTS
        if not parts.get(name)
    ]
    if lacks:
        raise _reexamine("".join(lacks))
    algorithm, credential, signature, signed_headers, date = (parts[name] for name in _QUERY_PARTS)
    seconds = SKEW_SECONDS
    if _EXPIRES in names:
        text = parts.get(_EXPIRES, b"")
        seconds = int(text) if text.isdigit() and len(text) <= len(str(MAX_PRESIGNED_SECONDS)) else 0
        if not 0 < seconds <= MAX_PRESIGNED_SECONDS:
            raise _reexamine(f"X-Amz-Expires must be a number of seconds up to {MAX_PRESIGNED_SECONDS}. ")
    return Claim(algorithm, credential, signed_headers, signature, date, seconds)


def _reexamine(problems: str) -> ApiError:
    return refusals.incomplete(problems + "Re-examine the query-string parameters.")
