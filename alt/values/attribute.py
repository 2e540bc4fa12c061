"""The rules a value from a request must keep, and its canonical form.

`normalize` and `normalize_item` check a value, rewrite it in place and answer its
size. Canonical means that equal values have equal JSON text: numbers are
expanded, sets are sorted (strings by UTF-8 bytes, numbers by value, binaries by
bytes), base64 has no stray bits, and there is exactly one member.

Problems are ValidationExceptions worded bare; an operation that envelopes them
or names the placeholder does so itself. `older` picks the wording of the layer
that BatchWriteItem, Scan and the transactions use. The order of checks is
recorded: an empty attribute name of the item first, then values in document
order (too deep, not a number, ...), then what is wrong with keys of nested maps.

A value that is ill-formed (S and N hold strings, L a list, and so on) is refused,
too, with an error of whatever kind: to word it is the request walker's business.
"""

from __future__ import annotations

import json
from binascii import a2b_base64, b2a_base64
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, NoReturn

from alt.errors import invalid_parameters, serialization, validation
from alt.values import numbers
from alt.values.sizes import DOCUMENT_BYTES, ELEMENT_BYTES, FLAG_BYTES, text_size
from alt.values.types import AttributeValue, Item

MAX_LEVELS = 32  # an attribute's own value is level 1, a list's elements are one level below it
MAX_NAME_BYTES = 65535

NESTED_TOO_DEEP = (
    "Nesting Levels have exceeded supported limits: "
    "Attributes in the item have nested levels beyond supported limit"
)
_NO_TYPE = "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes"
_MANY_TYPES = (
    "Supplied AttributeValue has more than one datatypes set, "
    "must contain exactly one of the supported datatypes"
)
_EMPTY_NAME = "Empty attribute name"
_LONG_NAME = f"Attribute name is too large, must be less than {MAX_NAME_BYTES + 1} bytes"
_NOT_UNICODE = "Text holds an unpaired surrogate and has no UTF-8 form"


def normalize_item(item: Item, older: bool = False) -> int:
    """Checks and canonicalises every attribute in place; answers the item's bytes, names included."""
    if "" in item:
        raise validation(_EMPTY_NAME)
    wrong_names: list[str] = []
    try:
        size = _entries(item, 1, older, wrong_names)
    except UnicodeEncodeError:
        raise invalid_parameters(_NOT_UNICODE) from None
    if wrong_names:
        raise validation(wrong_names[0])
    return size


def normalize(value: AttributeValue, older: bool = False, level: int = 1) -> int:
    """Checks and canonicalises one value in place; answers its bytes.

    `level` is where the value stands: 1 for an attribute, 1 more for each list or
    map around it. From level 1 a leaf inside 31 wrappers is accepted.
    """
    wrong_names: list[str] = []
    try:
        size = _value(value, level, older, wrong_names)
    except UnicodeEncodeError:
        raise invalid_parameters(_NOT_UNICODE) from None
    if wrong_names:
        raise validation(wrong_names[0])
    return size


def check_nesting(value: AttributeValue, level: int = 1) -> int:
    """How many values a canonical one at `level` has in it; raises if they reach deeper than an item may."""
    count = 0
    layer = [value]
    while layer:
        if level > MAX_LEVELS:
            raise validation(NESTED_TOO_DEEP)
        inner: list[AttributeValue] = []
        for each in layer:
            for kind, content in each.items():
                if kind == "L":
                    inner += content
                elif kind == "M":
                    inner += content.values()
        count += len(inner)
        layer = inner
        level += 1
    return count


def _entries(entries: Item, level: int, older: bool, wrong_names: list[str]) -> int:
    """The names and values of an item or map, whose values stand at `level`."""
    size = 0
    for name, value in entries.items():
        length = len(name) if name.isascii() else len(name.encode())
        if not 0 < length <= MAX_NAME_BYTES:
            wrong_names.append(_LONG_NAME if length else _EMPTY_NAME)
        size += length
        # The commonest values, without a call.
        if value and len(value) == 1 and level <= MAX_LEVELS:
            if (content := value.get("S")) is not None:
                if content.isascii():
                    size += len(content)
                    continue
            elif (content := value.get("N")) is not None:
                if (
                    content.isdigit()
                    and content.isascii()
                    and (content[0] != "0" or content == "0")
                    and len(content) <= numbers.MAX_DIGITS
                ):
                    size += 1 + (len(content.rstrip("0")) + 1) // 2
                    continue
            elif (content := value.get("M")) is not None:
                size += DOCUMENT_BYTES + ELEMENT_BYTES * len(content)
                size += _entries(content, level + 1, older, wrong_names)
                continue
            elif (content := value.get("BOOL")) is True or content is False:
                size += FLAG_BYTES
                continue
        size += _value(value, level, older, wrong_names)
    return size


def _value(value: AttributeValue, level: int, older: bool, wrong_names: list[str]) -> int:
    if level > MAX_LEVELS:
        raise validation(NESTED_TOO_DEEP)
    try:
        (kind,) = value
    except (ValueError, TypeError):
        kind = _only_type(value, level, older, wrong_names)
    content = value[kind]
    if content is None:
        raise validation(_NO_TYPE)
    if kind == "S":
        return len(content) if content.isascii() else len(content.encode())
    if kind == "N":
        number = numbers.canonical(content, older)
        if number is not content:
            value["N"] = number
        return numbers.size(number)
    if kind == "M":
        size = _entries(content, level + 1, older, wrong_names)
        return DOCUMENT_BYTES + ELEMENT_BYTES * len(content) + size
    if kind == "L":
        _check_list(content)
        size = DOCUMENT_BYTES + ELEMENT_BYTES * len(content)
        for element in content:
            size += _value(element, level + 1, older, wrong_names)
        return size
    leaf = _LEAVES.get(kind)
    if leaf is None:
        raise validation(_NO_TYPE)
    return leaf(value, content, older)


def _only_type(value: AttributeValue | None, level: int, older: bool, wrong_names: list[str]) -> str:
    """The one type of a value that has no or several members; drops the rest.

    Members that are null or unknown do not count, as DynamoDB's deserializer has
    it. Numbers and sets are read before several types are refused.
    """
    kinds = [kind for kind, content in (value or {}).items() if kind in _TYPES and content is not None]
    if value is None or not kinds:
        raise validation(_NO_TYPE)
    if len(kinds) > 1:
        for kind in kinds:
            _value({kind: value[kind]}, level, older, wrong_names)
        raise validation(_MANY_TYPES)
    for other in [kind for kind in value if kind != kinds[0]]:
        del value[other]
    return kinds[0]


def _check_list(content: object) -> None:
    """Texts and objects can be iterated over, too."""
    if type(content) is not list:
        raise TypeError("not a list")


def _flag(_value: AttributeValue, content: bool, _older: bool) -> int:
    if content is not True and content is not False:
        raise TypeError("not a boolean")
    return FLAG_BYTES


def _null(_value: AttributeValue, content: bool, _older: bool) -> int:
    if content is not True:
        raise invalid_parameters("Null attribute value types must have the value of true")
    return FLAG_BYTES


def _binary(_value: AttributeValue, text: str, _older: bool) -> int:
    return len(_bytes(text))


def _string_set(_value: AttributeValue, members: list[str], older: bool) -> int:
    _check_list(members)
    if not members:
        raise invalid_parameters("An string set  may not be empty")
    if None in members:
        raise invalid_parameters("An string set may not have a null string as a member")
    size = text_size("".join(members))
    if len(set(members)) != len(members):
        _refuse_repeated_strings(members, older)
    members.sort()  # code points sort as UTF-8 does
    return size


def _number_set(value: AttributeValue, members: list[str], older: bool) -> int:
    _check_list(members)
    if not members:
        raise invalid_parameters("An number set  may not be empty")
    read = [numbers.canonical(member or "", older) for member in members]
    if len(set(read)) != len(read):
        if older:
            raise validation("Input collection contains duplicates")
        raise invalid_parameters("Input collection contains duplicates.")
    read.sort(key=Decimal)
    value["NS"] = read
    return sum(map(numbers.size, read))


def _binary_set(value: AttributeValue, members: list[str], older: bool) -> int:
    _check_list(members)
    if not members:
        raise invalid_parameters("Binary sets should not be empty")
    if None in members:
        raise invalid_parameters("Binary sets may not contain null or empty values")
    read = [_bytes(member) for member in members]
    if len(set(read)) != len(read):
        _refuse_repeated_binaries(read, older)
    read.sort()
    value["BS"] = [_base64(raw) for raw in read]
    return sum(map(len, read))


def _refuse_repeated_strings(members: list[str], older: bool) -> NoReturn:
    if older:
        shown = ", ".join(members)
    else:
        shown = ", ".join(json.dumps(member, ensure_ascii=False) for member in _until_repeat_sorted(members))
    raise invalid_parameters(f"Input collection [{shown}] contains duplicates.")


def _refuse_repeated_binaries(members: list[bytes], older: bool) -> NoReturn:
    if older:
        shown = ", ".join(map(_base64, members))
    else:
        shown = ",".join(f'"{_base64(member)}"' for member in _until_repeat_sorted(members))
    raise invalid_parameters(f"Input collection [{shown}]of type BS contains duplicates.")


def _until_repeat_sorted(members: Sequence[Any]) -> list[Any]:
    """The members as the current layer prints them: sorted up to the first repeat, the rest as sent."""
    seen: set[Any] = set()
    for count, member in enumerate(members):
        if member in seen:
            return [*sorted(seen), *members[count:]]
        seen.add(member)
    return sorted(seen)


def _bytes(text: str) -> bytes:
    try:
        if len(text) % 4 == 0 and not text.endswith("==="):
            raw = a2b_base64(text, strict_mode=True)
            # Unless unused bits are set, the bytes beyond the last whole group of three are written like this.
            if text.endswith(_base64(raw[len(raw) // 3 * 3 :])):
                return raw
    except ValueError:
        pass
    raise serialization("The value can not be converted to a Blob: Invalid Base64")


def _base64(raw: bytes) -> str:
    return b2a_base64(raw, newline=False).decode()


_LEAVES: dict[str, Callable[[AttributeValue, Any, bool], int]] = {
    "BOOL": _flag,
    "NULL": _null,
    "B": _binary,
    "SS": _string_set,
    "NS": _number_set,
    "BS": _binary_set,
}
_TYPES = frozenset(_LEAVES) | {"S", "N", "M", "L"}
