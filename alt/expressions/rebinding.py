"""Binding once for many requests: programs send the same expressions and names, and only other values.

What texts came to is kept by the shape of their request: all of it but the values, of which the types
count. Values of the same types pass the same checks, but for those that look at the values themselves, of
BETWEEN and attribute_type; these expressions are bound each time. Nothing is refused here: where a
request is unusual it has no shape, and is read as a first one is.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Hashable, Mapping
from functools import cache, partial
from operator import itemgetter
from typing import Any, Generic, TypeVar

from alt.errors import ApiError
from alt.expressions.nodes import Between, Function, Node, Value, walk
from alt.values.attribute import normalize_item
from alt.values.types import AttributeValue

T = TypeVar("T")

# The values of a request by their placeholders.
Values = Mapping[str, Value]
# A bound tree, or a tuple of them, of other values.
Rebind = Callable[[Values], Any]

# Larger trees are rare, and would take deep stacks.
MAX_NODES = 64
MAX_KEPT = 1_024
MAX_SHAPE_BYTES = 8_192
# With the names of a shape far below what a request may have of both.
MAX_VALUES_BYTES = 1_048_576


class Kept(Generic[T]):
    """What the texts of requests came to, by the shape of these; all is forgotten when there is too much."""

    def __init__(self) -> None:
        self._kept: dict[Hashable, T] = {}

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, shape: Hashable) -> T | None:
        return self._kept.get(shape)

    def put(self, shape: Hashable, kept: T) -> None:
        if len(repr(shape)) > MAX_SHAPE_BYTES:
            return
        if len(self._kept) >= MAX_KEPT:
            self._kept.clear()
        self._kept[shape] = kept


def read_values(given: dict[str, AttributeValue] | None) -> tuple[Values | None, int]:
    """ExpressionAttributeValues, which become canonical in place, and their bytes with their placeholders.

    None where they are to be looked at closely.
    """
    if given is None:
        return {}, 0
    try:
        size = normalize_item(given)
    except ApiError:
        return None, 0
    if size > MAX_VALUES_BYTES:
        return None, size
    return {name: Value(value, name) for name, value in given.items()}, size


def names_and_types(names: Mapping[str, str] | None, values: Values) -> Hashable:
    """The part of a shape that all requests with placeholders have."""
    return (
        None if names is None else tuple(names.items()),
        tuple([(name, value.type) for name, value in values.items()]),
    )


def rebinder(bound: Any) -> Rebind | None:
    """How to make `bound` of other values of the same types; keeps none of those it holds.

    None where the values themselves were checked, and for large trees.
    """
    trees = bound if isinstance(bound, tuple) else (bound,)
    nodes = [node for tree in trees for node in walk(tree)]
    if len(nodes) > MAX_NODES or any(map(_looks_at_values, nodes)):
        return None
    return _rebinder(bound) or _constant(bound)


def _looks_at_values(node: Node) -> bool:
    return isinstance(node, Between) or (isinstance(node, Function) and node.name == "attribute_type")


def _rebinder(part: Any) -> Rebind | None:
    """None for what holds no value."""
    kind = part.__class__
    if kind is Value:
        return None if part.slot is None else itemgetter(part.slot)
    make: Callable[..., Any]
    if kind is tuple:
        make, inner = _tuple, part
    elif isinstance(part, Node):
        make, inner = kind, [getattr(part, name) for name in _parameters(kind)]
    else:
        return None
    found = [_rebinder(each) for each in inner]
    if not any(found):
        return None
    *first, last = found
    if last is not None and not any(first):  # as where a path stands on the left
        make_of_last = partial(make, *inner[:-1])
        return lambda values: make_of_last(last(values))
    parts = [rebind or _constant(each) for rebind, each in zip(found, inner, strict=True)]
    return lambda values: make(*[rebind(values) for rebind in parts])


def _constant(part: Any) -> Rebind:
    return lambda _values: part


def _tuple(*parts: Any) -> tuple[Any, ...]:
    return parts


@cache
def _parameters(kind: type[Node]) -> tuple[str, ...]:
    """What a class of nodes is made of, in the order its constructor takes it."""
    return tuple(inspect.signature(kind).parameters)
