"""What a WHERE says of the keys, and what is left of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from alt.errors import ApiError, validation
from alt.expressions import Condition, nodes
from alt.expressions.conditions import read_names
from alt.expressions.nodes import And, Between, Comparison, Function, Path, Value, conjuncts
from alt.storage.model.definition import KeyAttribute, TableDefinition
from alt.values.types import Item

_REVERSED = {"=": "=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}


class KeyTerm(NamedTuple):
    """What a term of a WHERE says of one key attribute, as if its name were written first."""

    name: str
    operator: str  # as KeyRange has it
    operands: tuple[Value, ...]


class TwoValuesError(ApiError):
    """A key attribute is given two values."""


class WholeKey(NamedTuple):
    """What a WHERE says of the key of one item, which may be too little, and the condition that remains."""

    key: Item
    condition: Condition | None


def terms(where: nodes.Condition | None) -> list[nodes.Condition]:
    """What all has to be true."""
    return [] if where is None else list(conjuncts(where))


def condition_of(remaining: Sequence[nodes.Condition]) -> Condition | None:
    if not remaining:
        return None
    return Condition(remaining[0] if len(remaining) == 1 else And(tuple(remaining)))


def key_term(node: nodes.Condition, names: Iterable[str]) -> KeyTerm | None:
    """What a term says of one of these attributes, where it compares it with values alone."""
    operands: tuple[nodes.Operand, ...]
    if isinstance(node, Comparison) and node.operator in _REVERSED:
        operator = node.operator
        operands = (node.left, node.right)
        if isinstance(node.right, Path):
            operator, operands = _REVERSED[operator], (node.right, node.left)
    elif isinstance(node, Between):
        operator, operands = "BETWEEN", (node.operand, node.low, node.high)
    elif isinstance(node, Function) and node.name == "begins_with":
        operator, operands = node.name, node.operands
    else:
        return None
    path, *rest = operands
    values = tuple([operand for operand in rest if isinstance(operand, Value)])
    if not isinstance(path, Path) or len(path.elements) > 1 or len(values) < len(rest):
        return None
    name = str(path.elements[0])
    return KeyTerm(name, operator, values) if name in names else None


def whole_key(
    definition: TableDefinition, where: nodes.Condition | None, *, is_read: bool = False
) -> WholeKey:
    """What the terms of a WHERE say of the key. A second value of an attribute is refused.

    Of what is read, it is a condition: the first value tells the item (recorded).
    """
    keys = {key.name: key for key in definition.key_attributes}
    key: Item = {}
    remaining = []
    for node in terms(where):
        term = key_term(node, keys)
        value = None if term is None or term.operator != "=" else term.operands[0].attribute
        if term is None or value is None:
            remaining.append(node)
        elif key.setdefault(term.name, value) != value:
            if not is_read:
                raise TwoValuesError(
                    "ValidationException",
                    f"Multiple conditions on same key {term.name}. "
                    "Only single item Update/Insert/Delete are supported",
                )
            remaining.append(node)
    return WholeKey(key, condition_of(remaining))


def check_whole(definition: TableDefinition, key: Item) -> None:
    """A statement names all of a key, each value of its attribute's type."""
    if len(key) < len(definition.key_attributes):
        raise validation("Where clause does not contain a mandatory equality on all key attributes")
    for attribute in definition.key_attributes:
        check_type(attribute, key[attribute.name])


class WrongKeyTypeError(ApiError):
    """A key attribute is given a value of another type."""


def check_type(attribute: KeyAttribute, value: Item) -> None:
    if attribute.type not in value:
        raise WrongKeyTypeError(
            "ValidationException",
            f"Key attribute's data type should match its data type in table's schema: Key {attribute.name}",
        )


def refuse_nested_keys(keys: Iterable[KeyAttribute], nested: Iterable[str]) -> None:
    """Key attributes have nothing in them."""
    names = set(nested)
    for key in keys:
        if key.name in names:
            raise validation(
                "Key attributes must be scalars; list random access '[]' and map lookup '.' "
                f"are not allowed: Key {key.name}"
            )


def nested_names(where: nodes.Condition | None) -> frozenset[str]:
    return frozenset() if where is None else read_names(where, nested=True)
