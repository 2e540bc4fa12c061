"""How a breach of a constraint is said: the sentence forms, and the values they echo.

The older layer echoes the value and names the member in lowerCamelCase; the newer one names the
member as on the wire, or not at all. Collections are echoed as Java prints objects, by BatchGetItem
as JSON.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import ujson

from alt import errors
from alt.errors import ApiError
from alt.validation.limits import Breach
from alt.validation.shapes import Shape

_FAILED = "failed to satisfy constraint:"

# The service prints a request of any size. Past this many characters, Alt prints dots.
_LONGEST_DUMP = 64 * 1024
_DEEPEST_DUMP = 32

# The fields of the service's AttributeValue class, three of them not in the model.
_ATTRIBUTE_FIELDS = (
    *("S", "N", "B", "INT", "DECIMAL", "DOUBLE", "SS", "NS", "BS"),
    *("INTSET", "DECIMALSET", "DOUBLESET", "M", "L", "NULL", "BOOL"),
)

# Fields of the service's classes that are not in the model.
_HIDDEN_FIELDS = {"PutRequest": ("WorkloadProfileName",)}

_UNKNOWN = Shape("Object", "string")
_BLOB = Shape("Blob", "blob")
_ATTRIBUTE = Shape("AttributeValue", "attribute")

# What those fields hold, where it is printed in a way of its own.
_ATTRIBUTE_MEMBERS = {
    "B": _BLOB,
    "BS": Shape("BinarySetAttributeValue", "list", element=_BLOB),
    "L": Shape("ListAttributeValue", "list", element=_ATTRIBUTE),
    "M": Shape("MapAttributeValue", "map", element=_ATTRIBUTE),
}


@dataclass(frozen=True, slots=True)
class Place:
    """Where in a request: the path as either layer writes it."""

    echo: str = ""
    generic: str = ""

    def member(self, name: str) -> Place:
        dot = "." if self.generic else ""
        return Place(f"{self.echo}{dot}{lower_first(name)}", f"{self.generic}{dot}{name}")

    def element(self, key: str | int) -> Place:
        """Of a list, counted from 1, or of a map."""
        return Place(f"{self.echo}.{key}.member", f"{self.generic}.{key}.member")


def echoed(place: Place, breach: Breach, value: Any, shape: Shape, as_json: bool = False) -> str:
    """`value` None: the member is missing."""
    if value is None:
        return f"Value null at '{place.echo}' {_FAILED} {breach.text}"
    if as_json and type(value) is not str:
        text = json_text(value)
        if len(text) > _LONGEST_DUMP:
            text = f"{text[:_LONGEST_DUMP]}..."
    else:
        text = java_text(value, shape)
    return f"Value '{text}' at '{place.echo}' {_FAILED} {breach.text}"


def generic(place: Place, breach: Breach) -> str:
    return f"Value at '{place.generic}' {_FAILED} {breach.text}"


def nameless(breach: Breach) -> str:
    return f"Failed to satisfy constraint: {breach.text}"


def enveloped(sentences: Sequence[str]) -> ApiError:
    """All sentences under one opening that counts them."""
    plural = "" if len(sentences) == 1 else "s"
    return errors.validation(f"{len(sentences)} validation error{plural} detected: {'; '.join(sentences)}")


def lower_first(name: str) -> str:
    return name[:1].lower() + name[1:]


def json_text(value: Any) -> str:
    """Compact JSON; as Java prints it where JSON fails (only text that UTF-8 cannot carry, or depth)."""
    try:
        text: str = ujson.dumps(value, ensure_ascii=False, escape_forward_slashes=False)
    except (ValueError, OverflowError):
        return java_text(value, _UNKNOWN)
    return text


def java_text(value: Any, shape: Shape) -> str:
    """As Java's `toString` prints the request's own objects."""
    if type(value) is str:
        return value
    dump = _Dump()
    dump.write(value, shape, 0)
    return "".join(dump.parts)


class _Dump:
    """Writes a value as Java prints it, with dots for what would be too long or too deep."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self._room = _LONGEST_DUMP

    def write(self, value: Any, shape: Shape, depth: int) -> None:
        if self._room <= 0 or depth > _DEEPEST_DUMP:
            self._text("...")
        elif type(value) is list:
            elements = [("", element, shape.element) for element in value]
            self._sequence("[", elements, "]", depth)
        elif type(value) is not dict:
            self._text(_scalar(value, shape))
        elif shape.kind == "structure":
            self._structure(value, shape, depth)
        elif shape.kind == "attribute":
            self._attribute(value, depth)
        else:
            elements = [(f"{key}=", element, shape.element) for key, element in value.items()]
            self._sequence("{", elements, "}", depth)

    def _structure(self, value: dict[str, Any], shape: Shape, depth: int) -> None:
        names = (*shape.members, *_HIDDEN_FIELDS.get(shape.name, ()))
        fields = [(f"{lower_first(name)}=", value.get(name), shape.members.get(name)) for name in names]
        self._sequence(f"{shape.name}(", fields, ")", depth)

    def _attribute(self, value: dict[str, Any], depth: int) -> None:
        fields = [
            (f"{lower_first(kind)}=", value.get(kind), _ATTRIBUTE_MEMBERS.get(kind))
            for kind in _ATTRIBUTE_FIELDS
        ]
        self._sequence("AttributeValue(", fields, ")", depth)

    def _sequence(
        self, opening: str, elements: list[tuple[str, Any, Shape | None]], closing: str, depth: int
    ) -> None:
        self._text(opening)
        for count, (label, element, shape) in enumerate(elements):
            if self._room <= 0:
                self._text(", ...")
                break
            self._text(f", {label}" if count else label)
            self.write(element, shape or _UNKNOWN, depth + 1)
        self._text(closing)

    def _text(self, text: str) -> None:
        self.parts.append(text)
        self._room -= len(text)


def _scalar(value: Any, shape: Shape) -> str:
    if value is None:
        return "null"
    if type(value) is bool:
        return "true" if value else "false"
    if shape.kind == "blob":
        size = len(value) // 4 * 3 - value[-2:].count("=")
        return f"java.nio.HeapByteBuffer[pos=0 lim={size} cap={size}]"
    return str(value)
