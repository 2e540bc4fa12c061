"""Conditions decided on an item: the reference for what a condition means.

An operand that is not there equals nothing and stands in no order; `<>` is the
exact complement of `=`. Values of different types differ and have no order.
"""

from __future__ import annotations

from binascii import a2b_base64
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from alt.expressions import nodes
from alt.expressions.nodes import And, Between, Comparison, Elements, Function, In, Not, Or, Path, Value
from alt.expressions.paths import lookup
from alt.expressions.rebinding import Values, rebinder
from alt.values.comparison import equal, order
from alt.values.sizes import binary_size
from alt.values.types import AttributeValue, Item

_SIGNS = {"<": (-1,), "<=": (-1, 0), ">": (1,), ">=": (1, 0)}


class Condition:
    """A bound condition.

    `node` is its tree, whose operands are `Path`, `Value` and the function `size`.
    `paths` are those in it, where they are known, still with the placeholders that
    `names` resolves: what it reads is then told without a walk of the tree.
    """

    __slots__ = ("_names", "_paths", "node")

    def __init__(
        self,
        node: nodes.Condition,
        paths: Sequence[Elements] | None = None,
        names: Mapping[str, str] | None = None,
    ) -> None:
        self.node = node
        self._paths = paths
        self._names = names or {}

    def matches(self, item: Item) -> bool:
        """Whether the condition is true of an item; an absent item is `{}`."""
        return _HOLDS[self.node.__class__](self.node, item)

    def rebound(self) -> Callable[[Values], Condition] | None:
        """What makes this condition of other values of the same types; None where these have to be checked."""
        rebind = rebinder(self.node)
        if rebind is None:
            return None
        paths, names = self._paths, self._names
        return lambda values: Condition(rebind(values), paths, names)

    @property
    def size(self) -> int:
        """How many paths it names, as a measure of the time it takes."""
        if self._paths is None:
            return sum(isinstance(node, Path) for node in nodes.walk(self.node))
        return len(self._paths)

    @property
    def attribute_names(self) -> frozenset[str]:
        """The top-level attributes that the condition looks at."""
        return self._read_names(nested=False)

    @property
    def nested_names(self) -> frozenset[str]:
        """Those it looks into, with `.` or `[]`; an index key may not be among them."""
        return self._read_names(nested=True)

    def _read_names(self, *, nested: bool) -> frozenset[str]:
        if self._paths is None:
            return read_names(self.node, nested=nested)
        tops = [str(path[0]) for path in self._paths if not (nested and len(path) == 1)]
        return frozenset([self._names.get(top, top) for top in tops])


def read_names(*roots: nodes.Node, nested: bool = False) -> frozenset[str]:
    """The top-level names of all paths of bound trees; with `nested`, only of paths that go further."""
    return frozenset(
        str(node.elements[0])
        for root in roots
        for node in nodes.walk(root)
        if isinstance(node, Path) and not (nested and len(node.elements) == 1)
    )


def _and(node: And, item: Item) -> bool:
    for term in node.terms:  # noqa: SIM110  # a generator would cost two frames of stack for every level
        if not _HOLDS[term.__class__](term, item):
            return False
    return True


def _or(node: Or, item: Item) -> bool:
    for term in node.terms:  # noqa: SIM110
        if _HOLDS[term.__class__](term, item):
            return True
    return False


def _not(node: Not, item: Item) -> bool:
    return not _HOLDS[node.term.__class__](node.term, item)


def _value(operand: Any, item: Item) -> AttributeValue | None:
    kind = operand.__class__
    if kind is Path:
        elements = operand.elements
        return item.get(elements[0]) if len(elements) == 1 else lookup(item, elements)
    if kind is Value:
        attribute: AttributeValue = operand.attribute
        return attribute
    size = _size(_value(operand.operands[0], item))
    return None if size is None else {"N": str(size)}


def _comparison(node: Comparison, item: Item) -> bool:
    left = _value(node.left, item)
    right = _value(node.right, item)
    operator = node.operator
    if left is None or right is None:
        return operator == "<>"
    if operator == "=":
        return equal(left, right)
    if operator == "<>":
        return not equal(left, right)
    return order(left, right) in _SIGNS[operator]


def _between(node: Between, item: Item) -> bool:
    value = _value(node.operand, item)
    low = _value(node.low, item)
    high = _value(node.high, item)
    if value is None or low is None or high is None:
        return False
    return order(low, value) in (-1, 0) and order(value, high) in (-1, 0)


def _in(node: In, item: Item) -> bool:
    value = _value(node.operand, item)
    if value is None:
        return False
    for candidate in node.candidates:
        other = _value(candidate, item)
        if other is not None and equal(value, other):
            return True
    return False


def _function(node: Function, item: Item) -> bool:
    return _FUNCTIONS[node.name](node.operands, item)


def _exists(operands: tuple[Any, ...], item: Item) -> bool:
    return _value(operands[0], item) is not None


def _not_exists(operands: tuple[Any, ...], item: Item) -> bool:
    return _value(operands[0], item) is None


def _has_type(operands: tuple[Any, ...], item: Item) -> bool:
    value = _value(operands[0], item)
    return value is not None and operands[1].attribute["S"] in value


def _begins_with(operands: tuple[Any, ...], item: Item) -> bool:
    value = _value(operands[0], item)
    prefix = _value(operands[1], item)
    if value is None or prefix is None:
        return False
    if "S" in prefix:
        return "S" in value and value["S"].startswith(prefix["S"])
    if "B" in prefix and "B" in value:
        return a2b_base64(value["B"]).startswith(a2b_base64(prefix["B"]))
    return False


def _contains(operands: tuple[Any, ...], item: Item) -> bool:
    """A text or binary within another, a member of a set, an element of a list."""
    whole = _value(operands[0], item)
    sought = _value(operands[1], item)
    if whole is None or sought is None:
        return False
    ((kind, content),) = whole.items()
    if kind == "L":
        return sought in content  # equality as `equal` has it, in one call however long the list is
    if kind == "B":
        return "B" in sought and a2b_base64(sought["B"]) in a2b_base64(content)
    part = sought.get(kind[0])
    return kind in ("S", "SS", "NS", "BS") and part is not None and part in content


_HOLDS: dict[type, Callable[[Any, Item], bool]] = {
    And: _and,
    Or: _or,
    Not: _not,
    Comparison: _comparison,
    Between: _between,
    In: _in,
    Function: _function,
}

_FUNCTIONS: dict[str, Callable[[tuple[Any, ...], Item], bool]] = {
    "attribute_exists": _exists,
    "attribute_not_exists": _not_exists,
    "attribute_type": _has_type,
    "begins_with": _begins_with,
    "contains": _contains,
}


def _size(value: AttributeValue | None) -> int | None:
    """As `size()` counts: UTF-16 units, bytes, members, elements, entries; numbers and flags have no size.

    That strings count in UTF-16 units, not characters or bytes, is recorded from the service.
    """
    if value is None:
        return None
    ((kind, content),) = value.items()
    if kind == "S":
        return len(content) if content.isascii() else len(content.encode("utf-16-le")) // 2
    if kind == "B":
        return binary_size(content)
    return len(content) if kind in ("SS", "NS", "BS", "L", "M") else None
