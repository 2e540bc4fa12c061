"""The syntax tree of expressions.

The parser, PartiQL and the legacy parameters make it; the evaluators and the SQL
compiler read it.

One set of classes serves two trees. A *parsed* tree keeps its placeholders: its
operands are `PathRef` and `ValueRef`, and it is cached by its text. A *bound* tree
belongs to one request: `Path` and `Value` stand in their places. The classes in
between are the same. Nodes are never changed after they are made.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, TypeAlias

from alt.values.types import AttributeValue

# Names of attributes and map entries, and indexes into lists: a.b[2] is ("a", "b", 2).
Elements: TypeAlias = tuple[str | int, ...]


class Node:
    """A node of the tree. Two are equal when they are of one class and all their parts are equal."""

    __slots__: tuple[str, ...] = ()

    def __eq__(self, other: object) -> bool:
        return self.__class__ is other.__class__ and all(
            getattr(self, part) == getattr(other, part) for part in self.__slots__
        )

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        parts = ", ".join(repr(getattr(self, part)) for part in self.__slots__)
        return f"{self.__class__.__name__}({parts})"


class Path(Node):
    """A document path whose placeholders have been resolved."""

    __slots__ = ("elements",)

    def __init__(self, elements: Elements) -> None:
        self.elements: Final = elements


class Value(Node):
    """A value from the request, canonical, with its type (`S`).

    `slot` is the placeholder that it was given for: another request may have another value there.
    """

    __slots__ = ("attribute", "slot", "type")

    def __init__(self, attribute: AttributeValue, slot: str | None = None) -> None:
        self.attribute: Final = attribute
        self.slot: Final = slot
        self.type: Final = next(iter(attribute))

    def __eq__(self, other: object) -> bool:
        """By the value alone, whatever placeholder it was given for."""
        return isinstance(other, Value) and self.attribute == other.attribute

    __hash__ = None


class PathRef(Node):
    """A document path as written: an element that opens with `#` is a placeholder.

    `path` is the bound path at once, when there is nothing to resolve.
    """

    __slots__ = ("elements", "path")

    def __init__(self, elements: Elements) -> None:
        self.elements: Final = elements
        plain = all(isinstance(element, int) or element[0] != "#" for element in elements)
        self.path: Final = Path(elements) if plain else None


class ValueRef(Node):
    """A placeholder of a value, with its colon."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name: Final = name


class Function(Node):
    """A call: a condition (`attribute_exists`) or an operand (`size`, `if_not_exists`)."""

    __slots__ = ("name", "operands")

    def __init__(self, name: str, operands: tuple[Operand, ...]) -> None:
        self.name: Final = name
        self.operands: Final = operands


class Arithmetic(Node):
    """`left + right` or `left - right`, in a SET."""

    __slots__ = ("left", "operator", "right")

    def __init__(self, operator: str, left: Operand, right: Operand) -> None:
        self.operator: Final = operator
        self.left: Final = left
        self.right: Final = right


Operand: TypeAlias = Path | Value | PathRef | ValueRef | Function | Arithmetic


class And(Node):
    __slots__ = ("terms",)

    def __init__(self, terms: tuple[Condition, ...]) -> None:
        self.terms: Final = terms


class Or(Node):
    __slots__ = ("terms",)

    def __init__(self, terms: tuple[Condition, ...]) -> None:
        self.terms: Final = terms


class Not(Node):
    __slots__ = ("term",)

    def __init__(self, term: Condition) -> None:
        self.term: Final = term


class Comparison(Node):
    """`operator` is one of `=`, `<>`, `<`, `<=`, `>`, `>=`."""

    __slots__ = ("left", "operator", "right")

    def __init__(self, operator: str, left: Operand, right: Operand) -> None:
        self.operator: Final = operator
        self.left: Final = left
        self.right: Final = right


class Between(Node):
    """`low` and `high` included."""

    __slots__ = ("high", "low", "operand")

    def __init__(self, operand: Operand, low: Operand, high: Operand) -> None:
        self.operand: Final = operand
        self.low: Final = low
        self.high: Final = high


class In(Node):
    __slots__ = ("candidates", "operand")

    def __init__(self, operand: Operand, candidates: tuple[Operand, ...]) -> None:
        self.operand: Final = operand
        self.candidates: Final = candidates


Condition: TypeAlias = And | Or | Not | Comparison | Between | In | Function


class Set(Node):
    __slots__ = ("path", "value")

    def __init__(self, path: Path | PathRef, value: Operand) -> None:
        self.path: Final = path
        self.value: Final = value


class Remove(Node):
    __slots__ = ("path",)

    def __init__(self, path: Path | PathRef) -> None:
        self.path: Final = path


class Add(Node):
    __slots__ = ("path", "value")

    def __init__(self, path: Path | PathRef, value: Value | ValueRef) -> None:
        self.path: Final = path
        self.value: Final = value


class Delete(Node):
    __slots__ = ("path", "value")

    def __init__(self, path: Path | PathRef, value: Value | ValueRef) -> None:
        self.path: Final = path
        self.value: Final = value


Action: TypeAlias = Set | Remove | Add | Delete


def walk(root: Node) -> Iterator[Node]:
    """Every node of a tree, however deep, in no promised order."""
    stack = [root]
    while stack:
        node = stack.pop()
        yield node
        for name in node.__slots__:
            part = getattr(node, name)
            if isinstance(part, Node):
                stack.append(part)
            elif isinstance(part, tuple):
                stack.extend(child for child in part if isinstance(child, Node))


def conjuncts(condition: Condition) -> Iterator[Condition]:
    """The terms that all have to be true for it to be true, in the order written."""
    stack = [condition]
    while stack:
        node = stack.pop()
        if isinstance(node, And):
            stack.extend(reversed(node.terms))
        else:
            yield node
