"""A request's body to its parameters: decompressed, read as JSON, free of broken text."""

from __future__ import annotations

from typing import Any

import ujson

from alt import errors
from alt.errors import ApiError
from alt.http import codings, long_json
from alt.http.request import Request
from alt.operations import Operation, TwoSteps
from alt.validation import Checker
from alt.values.json import has_broken_text


def read(body: bytes) -> Any:
    """The parameters in a small body. Raises ApiError."""
    try:
        parameters = ujson.loads(body)
    except ValueError:
        raise ApiError("SerializationException") from None
    if b"\\" in body or not body.isascii():
        _refuse_broken_text(body, parameters)
    return parameters


def read_large(request: Request, check: Checker, operation: Operation) -> tuple[Any, Any]:
    """The checked parameters in a body of any length, compressed or not, and what the operation reads in them.

    Raises ApiError, TooLargeBodyError. It runs beside the event loop, and no step of it holds the interpreter for long.
    """
    body = request.body
    if b"content-encoding" in request.headers:
        body = codings.decompress(body, request.headers[b"content-encoding"])
    parameters = None
    try:
        parameters = long_json.loads(body)
        _refuse_broken_text(body, parameters)
        check(parameters)
        return parameters, operation.read(parameters) if isinstance(operation, TwoSteps) else None
    except ValueError:
        raise ApiError("SerializationException") from None
    except ApiError:
        long_json.take_apart(parameters)
        raise


def _refuse_broken_text(body: bytes, parameters: Any) -> None:
    if has_broken_text(body, parameters):
        raise errors.serialization("Invalid UTF-8 in a string")
