"""Values as statements write them."""

from __future__ import annotations

import re

from alt.errors import ApiError, invalid_parameters, validation
from alt.expressions.nodes import Value
from alt.expressions.partiql.malformed import malformed
from alt.values import numbers
from alt.values.attribute import normalize
from alt.values.types import AttributeValue, Item

MAX_LEVELS = 31  # of lists and maps around a value

_INT32 = range(-(2**31), 2**31)
_WORDS = {True: "true", False: "false"}
_number = re.compile(r"-?([0-9]*)\.?([0-9]*)(?:[eE]([+-]?[0-9]+))?")


def number_value(text: str, at: str) -> Value:
    """A number, canonical. Raises ValidationException, which says where it stands."""
    match = _number.fullmatch(text)
    assert match is not None
    exponent = match[3] or "0"
    # Where these do not fit, the service's own numbers cannot hold it (recorded).
    if len(exponent) > 12 or int(exponent) not in _INT32 or len(match[2]) - int(exponent) not in _INT32:
        raise malformed("")
    try:
        return Value({"N": numbers.canonical(text, older=True)})
    except ApiError as error:
        raise ApiError(error.type, f"{error.message} under {at}") from None


def too_deep(at: str) -> ApiError:
    return validation(f"Nesting Levels have exceeded supported limits under {at}")


def bag_value(members: list[AttributeValue], written: list[str], at: str) -> AttributeValue:
    """The set of a bag's members, canonical. `written` are they as the statement has them.

    Raises ValidationException. What it says of repeated numbers ends otherwise than of texts (recorded).
    """
    if not members:
        raise validation("Empty bags are not supported")
    kinds = {kind for member in members for kind in member}
    if len(kinds) > 1 or not kinds <= {"S", "N"}:
        raise validation(
            "Unsupported data type in Bag. DynamoDB only supports either numbers or strings in bags"
        )
    (kind,) = kinds
    contents = [member[kind] for member in members]
    if len(set(contents)) < len(contents):
        end = "." if kind == "S" else f"! under {at}"
        raise invalid_parameters(f"Input collection [{', '.join(written)}] contains duplicates{end}")
    value: AttributeValue = {f"{kind}S": contents}
    normalize(value, older=True)
    return value


def literal_of(value: AttributeValue) -> str:
    """The literal that a statement writes for a value.

    Statements have none for binaries: these stand as their base64.
    """
    ((kind, content),) = value.items()
    if kind == "S":
        return _text(content)
    if kind == "NULL":
        return "NULL"
    if kind == "BOOL":
        return _WORDS[content]
    if kind == "L":
        return f"[{', '.join(map(literal_of, content))}]"
    if kind == "M":
        return _struct(content)
    if kind in ("SS", "NS", "BS"):
        return f"<<{', '.join(literal_of({kind[0]: member}) for member in content)}>>"
    text: str = content
    return text


def _struct(entries: Item) -> str:
    return "{" + ", ".join(f"{_text(name)}: {literal_of(each)}" for name, each in entries.items()) + "}"


def _text(content: str) -> str:
    return "'" + content.replace("'", "''") + "'"
