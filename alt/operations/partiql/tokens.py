"""NextToken: where a statement goes on, bound to the statement and its parameters."""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any, NamedTuple

import ujson

from alt.errors import validation
from alt.values.attribute import normalize_item
from alt.values.types import Item

_DIGEST_BYTES = 16


class Place(NamedTuple):
    """The number of the range under way, and the key after which it goes on, None at its beginning."""

    number: int
    start: Item | None


BEGINNING = Place(0, None)


def next_token(place: Place, statement: str, parameters: Any) -> str:
    body = ujson.dumps(place, ensure_ascii=False).encode()
    return urlsafe_b64encode(_digest(statement, parameters) + body).decode()


def read_token(token: str, statement: str, parameters: Any) -> Place:
    """Raises ValidationException for what is no token, or another statement's."""
    try:
        raw = urlsafe_b64decode(token.encode("ascii"))
        number, start = ujson.loads(raw[_DIGEST_BYTES:])
    except (ValueError, TypeError):
        raise validation("Invalid NextToken") from None
    if raw[:_DIGEST_BYTES] != _digest(statement, parameters):
        raise validation("NextToken does not match request")
    if type(number) is not int or number < 0 or not (start is None or isinstance(start, dict)):
        raise validation("Invalid NextToken")
    try:
        if start is not None:
            normalize_item(start)
    except Exception:
        raise validation("Invalid NextToken") from None
    return Place(number, start)


def _digest(statement: str, parameters: Any) -> bytes:
    text = ujson.dumps([statement, parameters], sort_keys=True)
    return hashlib.sha256(text.encode("utf-8", "replace")).digest()[:_DIGEST_BYTES]
