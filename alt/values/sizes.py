"""Bytes of canonical values and items, by DynamoDB's published rules (its number sizes as measured).

An item costs its attributes' names and values. A list or map costs 3 bytes and 1
for each element; a set costs nothing over its members. `attribute.normalize`
computes the same figures while it checks a value from a request.
"""

from __future__ import annotations

from collections.abc import Iterable

from alt.values import numbers
from alt.values.types import AttributeValue, Item

DOCUMENT_BYTES = 3  # of a list or map
ELEMENT_BYTES = 1  # of each element or entry, beside its value and key
FLAG_BYTES = 1  # of a BOOL or NULL


def item_size(item: Item) -> int:
    """Bytes of a canonical item: names and values."""
    size = 0
    for name, value in item.items():
        size += len(name) if name.isascii() else len(name.encode())
        size += value_size(value)
    return size


def resized(size: int, before: Item, after: Item, changed: Iterable[str], limit: int) -> int:
    """Bytes of a canonical item that had `size` before attributes of these names were changed.

    Values that both items share are not looked at. Nor is all that comes, once the item is over
    `limit`: a short update can copy a large list many times.
    """
    come: list[AttributeValue] = []
    for name in changed:
        old, new = before.get(name), after.get(name)
        if old is not None and new is not None:
            size += _replaced(old, new, come)
        elif old is not None:
            size -= text_size(name) + value_size(old)
        elif new is not None:
            size += text_size(name)
            come.append(new)
    for value in come:
        if size > limit:
            break
        size += value_size(value)
    return size


def _replaced(old: AttributeValue, new: AttributeValue, come: list[AttributeValue]) -> int:
    """The bytes by which a value grows that gives way to another, but for those of the values that `come` is given."""
    if old is new:
        return 0
    if "L" in old and "L" in new:
        return _replaced_elements(old["L"], new["L"], come)
    if "M" in old and "M" in new:
        return _replaced_entries(old["M"], new["M"], come)
    come.append(new)
    return -value_size(old)


def _replaced_elements(
    old: list[AttributeValue], new: list[AttributeValue], come: list[AttributeValue]
) -> int:
    shorter = min(len(old), len(new))
    first = next((index for index in range(shorter) if old[index] is not new[index]), shorter)
    last = next(
        (index for index in range(shorter - first) if old[-1 - index] is not new[-1 - index]), shorter - first
    )
    olds, news = old[first : len(old) - last], new[first : len(new) - last]
    shorter = min(len(olds), len(news))
    grown = ELEMENT_BYTES * (len(news) - len(olds))
    for one, other in zip(olds, news, strict=False):
        grown += _replaced(one, other, come)
    come += news[shorter:]
    return grown - sum(map(value_size, olds[shorter:]))


def _replaced_entries(old: Item, new: Item, come: list[AttributeValue]) -> int:
    grown = 0
    for name, value in old.items():
        other = new.get(name)
        if other is None:
            grown -= ELEMENT_BYTES + text_size(name) + value_size(value)
        elif other is not value:
            grown += _replaced(value, other, come)
    for name in new.keys() - old.keys():
        grown += ELEMENT_BYTES + text_size(name)
        come.append(new[name])
    return grown


def value_size(value: AttributeValue) -> int:
    """Bytes of a canonical value, without the name it goes by."""
    ((kind, content),) = value.items()
    if kind == "S":
        return len(content) if content.isascii() else len(content.encode())
    if kind == "N":
        return numbers.size(content)
    if kind == "B":
        return binary_size(content)
    if kind == "M":
        return DOCUMENT_BYTES + ELEMENT_BYTES * len(content) + item_size(content)
    if kind == "L":
        return DOCUMENT_BYTES + ELEMENT_BYTES * len(content) + sum(map(value_size, content))
    if kind == "SS":
        return sum(map(text_size, content))
    if kind == "NS":
        return sum(map(numbers.size, content))
    if kind == "BS":
        return sum(map(binary_size, content))
    return FLAG_BYTES


def text_size(text: str) -> int:
    """Bytes of the text in UTF-8."""
    return len(text) if text.isascii() else len(text.encode())


def binary_size(text: str) -> int:
    """Bytes that a base64 text stands for."""
    return len(text) // 4 * 3 - text.count("=", -2)
