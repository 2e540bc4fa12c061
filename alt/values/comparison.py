"""Equality and order of two canonical values.

Values of different types are never equal and have no order. Only S, N and B are
ordered: by UTF-8 bytes, by value, by unsigned bytes.
"""

from __future__ import annotations

from binascii import a2b_base64

from alt.values import numbers
from alt.values.types import AttributeValue


def equal(a: AttributeValue, b: AttributeValue) -> bool:
    """Whether two canonical values are the same: lists in order, maps and sets in any.

    The types are keys of the wire form, so a BOOL meets only a BOOL and Python's
    `True == 1` cannot tell.
    """
    return a == b


def order(a: AttributeValue, b: AttributeValue) -> int | None:
    """-1, 0 or 1 as canonical `a` is below, equal to or above canonical `b`; None if they have no order."""
    ((kind, left),) = a.items()
    right = b.get(kind)
    if right is None:
        return None
    if kind == "N":
        return numbers.compare(left, right)
    if kind == "B":
        left, right = a2b_base64(left), a2b_base64(right)
    elif kind != "S":
        return None
    # Python orders strings by code point, which is the order of their UTF-8 bytes.
    return int(left > right) - int(left < right)
