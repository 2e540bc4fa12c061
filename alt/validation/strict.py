"""SearchVectors' own reading of its body, ahead of all validation: strict, and in other words.

An explicit null in place of a required member, or a value of the wrong type, is a
SerializationException; a missing member is a ValidationException. Recorded from the service for null
and for a missing TableName; the wording for other types is that of the same deserializer.

The service says at which column of the body it stopped. The body is not at hand here: the column is
that of the same request written as compact JSON, as most SDKs write it.
"""

from __future__ import annotations

from typing import Any

from alt import errors
from alt.validation.shapes import Kind, Shape
from alt.validation.wording import json_text

_EXPECTED: dict[Kind, tuple[type, str]] = {
    "string": (str, "a string"),
    "integer": (int, "i32"),
    "list": (list, "a sequence"),
    "map": (dict, "a map"),
}


def check(shape: Shape, request: object) -> None:
    """Raises SerializationException or ValidationException; leaves what is within a member to others."""
    if type(request) is not dict:
        return
    for name, value in request.items():
        member = shape.members.get(name)
        if member is None or (value is None and name not in shape.required):
            continue
        expected, words = _EXPECTED[member.kind]
        if type(value) is not expected:
            place = f"at line 1 column {_column(request, name)}"
            raise errors.serialization(f"invalid type: {_described(value)}, expected {words} {place}")
    for name in shape.members:
        if name in shape.required and name not in request:
            column = len(json_text(request).encode(errors="replace"))
            raise errors.validation(f"missing field `{name}` at line 1 column {column}")


def _described(value: Any) -> str:
    if value is None:
        return "null"
    if type(value) is bool:
        return f"boolean `{'true' if value else 'false'}`"
    if type(value) is str:
        return f"string {json_text(value)}"
    if type(value) is list:
        return "sequence"
    if type(value) is dict:
        return "map"
    return f"{'floating point' if type(value) is float else 'integer'} `{value}`"


def _column(request: dict[str, Any], last: str) -> int:
    """Where the value of the member `last` ends; where it begins, if it is a collection."""
    column = 0
    for name, value in request.items():
        column += len(json_text({name: value}).encode(errors="replace")) - 1
        if name == last:
            break
    if type(value) in (list, dict):
        column -= len(json_text(value).encode(errors="replace")) - 1
    return column
