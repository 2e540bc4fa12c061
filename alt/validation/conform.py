"""The quick test of a request: closures compiled from its shape that only say yes or no.

Nearly every request passes, so this is all that most requests cost. A no is not yet an error: it also
stands for whatever is merely unusual (a null member, a number with a fraction, a value of several
types, deep nesting). The walks that word errors have the last word.

Items to be put are the largest part of a request, and `normalize_item` reads all of them anyway. Where
that is sure to come next, a test can leave it to find out which are ill-formed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from alt.validation import blobs
from alt.validation.limits import Limits
from alt.validation.serialization import GREATEST_LONG, LEAST_LONG
from alt.validation.shapes import Shape

Test = Callable[[Any], bool]

_TEXT = frozenset((str,))

# The model's name of what PutItem, BatchWriteItem and TransactWriteItems put.
ITEMS = "PutItemInputAttributeMap"

# Attribute values in more lists and maps than this are left to the walk that does not recurse.
_LEVELS = 32


def has_items(shape: Shape) -> bool:
    """Whether there are items to be put anywhere in a shape."""
    inner = [*shape.members.values(), *([] if shape.element is None else [shape.element])]
    return shape.name == ITEMS or any(map(has_items, inner))


def test_of(shape: Shape, *, but_items: bool) -> Test:
    """A test that is true only of values that are well-formed and keep every constraint.

    `but_items`: the items to be put may be any objects.
    """
    if shape.kind == "structure":
        return _structure_test(shape, but_items)
    if shape.kind == "list":
        return _list_test(shape, but_items)
    if shape.kind == "map":
        return _is_object if but_items and shape.name == ITEMS else _map_test(shape, but_items)
    if shape.kind in ("integer", "long"):
        return _number_test(shape.limits)
    if shape.kind in ("double", "timestamp"):
        return _is_number
    if shape.kind == "string":
        return shape.limits.text_test() if shape.limits else _is_text
    return {"boolean": _is_flag, "blob": _is_blob, "attribute": _is_attribute}[shape.kind]


def _structure_test(shape: Shape, but_items: bool) -> Test:
    tests = {name: test_of(member, but_items=but_items) for name, member in shape.members.items()}
    find = tests.get
    required = shape.required

    def conforms(value: Any) -> bool:
        if type(value) is not dict:
            return False
        for name in required:
            if name not in value:
                return False
        for name, content in value.items():
            test = find(name)
            if test is not None and not test(content):
                return False
        return True

    return conforms


def _list_test(shape: Shape, but_items: bool) -> Test:
    assert shape.element is not None
    test = test_of(shape.element, but_items=but_items)
    holds = shape.limits.size_test()

    def conforms(value: Any) -> bool:
        return type(value) is list and holds(value) and all(map(test, value))

    return conforms


def _map_test(shape: Shape, but_items: bool) -> Test:
    assert shape.element is not None
    if shape.element.kind == "attribute" and not shape.limits and not shape.key_limits:
        return _is_attribute_map
    test = test_of(shape.element, but_items=but_items)
    holds = shape.limits.size_test()
    key_test = shape.key_limits.text_test() if shape.key_limits else _is_text

    def conforms(value: Any) -> bool:
        return (
            type(value) is dict
            and holds(value)
            and all(map(key_test, value))
            and all(map(test, value.values()))
        )

    return conforms


def _number_test(limits: Limits) -> Test:
    if not limits:
        return _is_number
    return lambda value: _is_number(value) and not limits.breaches(value)


def _is_object(value: Any) -> bool:
    return type(value) is dict


def _is_text(value: Any) -> bool:
    return type(value) is str


def _is_flag(value: Any) -> bool:
    return value is True or value is False


def _is_number(value: Any) -> bool:
    return type(value) is int and LEAST_LONG <= value <= GREATEST_LONG


def _is_blob(value: Any) -> bool:
    return type(value) is str and blobs.fault(value) is None


def _is_attribute_map(value: Any, levels: int = _LEVELS) -> bool:
    if type(value) is not dict:
        return False
    for attribute in value.values():
        # The commonest types, without a call.
        if type(attribute) is dict and len(attribute) == 1:
            if type(attribute.get("S")) is str or type(attribute.get("N")) is str:
                continue
            content = attribute.get("BOOL")
            if content is True or content is False:
                continue
            content = attribute.get("M")
            if content is not None:
                if levels > 0 and _is_attribute_map(content, levels - 1):
                    continue
                return False
        if not _is_attribute(attribute, levels):
            return False
    return True


def _is_attribute(value: Any, levels: int = _LEVELS) -> bool:
    if type(value) is not dict or len(value) != 1:
        return False
    ((kind, content),) = value.items()
    if kind == "S" or kind == "N":
        return type(content) is str
    if kind == "M":
        return levels > 0 and _is_attribute_map(content, levels - 1)
    if kind == "L":
        return (
            levels > 0
            and type(content) is list
            and all(_is_attribute(element, levels - 1) for element in content)
        )
    if kind in ("SS", "NS", "BS"):
        if type(content) is not list:
            return False
        return all(map(_is_blob, content)) if kind == "BS" else _TEXT.issuperset(map(type, content))
    if kind == "B":
        return _is_blob(content)
    return kind in ("BOOL", "NULL") and _is_flag(content)
