"""Binding once for many requests: programs send the same expressions and names, and only other values.

Values of the same types pass the same checks, but for those that look at the values
themselves, of BETWEEN and attribute_type; these expressions are bound each time.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import cache, partial
from operator import itemgetter
from typing import Any

from alt.expressions.nodes import Between, Function, Node, Value, walk

# A bound tree, or a tuple of them, of the values of a request by their placeholders.
Rebind = Callable[[Mapping[str, Value]], Any]

# Larger trees are rare, and would take deep stacks.
MAX_NODES = 64


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
