"""The parameters that expressions replaced, turned into the same conditions, updates and projections.

They name top-level attributes just as they are: `a.b` is one attribute. What
members a request's parts have is checked already (see `alt.validation`); here are the
rules between the members, and those of their values, which are made canonical in
place. All problems are ValidationExceptions, bare, in words recorded from the service.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from alt.errors import invalid_parameters, validation
from alt.expressions import nodes
from alt.expressions.conditions import Condition
from alt.expressions.key_conditions import KeyClause, KeyCondition
from alt.expressions.legacy_operators import condition, key_operator, read_operands
from alt.expressions.nodes import Action, Add, And, Delete, Function, Or, Path, Remove, Set, Value
from alt.expressions.projection import Projection
from alt.expressions.update import Update
from alt.values.attribute import MAX_NAME_BYTES, normalize, normalize_item
from alt.values.types import Item

_SETS = frozenset({"SS", "NS", "BS"})
_ADDABLE = _SETS | {"N", "L"}

_EMPTY_LIST = Value({"L": []})


def expected(conditions: dict[str, Any] | None, operator: str | None) -> Condition | None:
    """The condition of Expected and ConditionalOperator, None for none."""
    if conditions is None:
        conditions = {}
    _check_conditional_operator(operator, len(conditions))
    return _combined([_expected(name, given) for name, given in conditions.items()], operator)


def filter_conditions(
    conditions: dict[str, Any] | None, operator: str | None, older: bool = False
) -> Condition | None:
    """The condition of QueryFilter or ScanFilter and ConditionalOperator, None for none.

    `older` is for the layer that Scan uses: it reads numbers and words their problems
    in its own way, and looks at ConditionalOperator after the conditions, not before.
    """
    if conditions is None:
        conditions = {}
    if not older:
        _check_conditional_operator(operator, len(conditions))
    terms = [
        condition(given["ComparisonOperator"], _path(name), _operands(given, older))
        for name, given in conditions.items()
    ]
    if older:
        _check_conditional_operator(operator, len(conditions))
    return _combined(terms, operator)


def key_conditions(conditions: dict[str, Any]) -> KeyCondition:
    """The key condition of KeyConditions. That an index can answer it is checked when it is resolved."""
    clauses = []
    for name, given in conditions.items():
        operands = _operands(given, older=False)
        operator = key_operator(given["ComparisonOperator"])
        clauses.append(KeyClause(name, operator, tuple(operands)))
    return KeyCondition.of(clauses)


def attribute_updates(updates: dict[str, Any]) -> Update:
    """The update of AttributeUpdates."""
    actions: list[Action] = []
    types = {}
    for name, given in updates.items():
        action, kind = _action(_path(name), given)
        actions.append(action)
        if kind is not None:
            types[name] = kind
    return _AttributeUpdates(actions, types)


def projection(names: list[str]) -> Projection:
    """The projection of AttributesToGet."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise invalid_parameters(f"Duplicate value in attribute name: {name}")
        seen.add(name)
    return Projection([_path(name).elements for name in names])


def _path(name: str) -> Path:
    if not (name.isascii() and 0 < len(name) <= MAX_NAME_BYTES):
        normalize_item({name: {"NULL": True}})  # an item's rules for names
    return Path((name,))


# Conditions


def _check_conditional_operator(operator: str | None, conditions: int) -> None:
    if operator is None or conditions > 1:
        return
    if conditions == 0:
        raise validation("ConditionalOperator cannot be used without Filter or Expected")
    raise validation("ConditionalOperator can only be used when Filter or Expected has two or more elements")


def _combined(terms: Sequence[nodes.Condition], operator: str | None) -> Condition | None:
    if len(terms) > 1:
        return Condition(Or(tuple(terms)) if operator == "OR" else And(tuple(terms)))
    return Condition(terms[0]) if terms else None


def _operands(given: Mapping[str, Any], older: bool) -> tuple[Value, ...]:
    return read_operands(given["ComparisonOperator"], given.get("AttributeValueList") or (), older)


def _expected(name: str, given: Mapping[str, Any]) -> nodes.Condition:
    operator, exists = given.get("ComparisonOperator"), given.get("Exists")
    value, values = given.get("Value"), given.get("AttributeValueList")
    problem = _misuse(operator, exists, value, values)
    if problem is not None:
        raise invalid_parameters(f"{problem} for Attribute: {name}")
    path = _path(name)
    if operator is None:
        operator = "NULL" if exists is False else "EQ"
    if values is None:
        values = [] if value is None else [value]
    return condition(operator, path, read_operands(operator, values))


def _misuse(operator: str | None, exists: bool | None, value: object, values: object) -> str | None:
    """What is wrong with the members of one of Expected, given all at once; None if nothing is."""
    if exists is not None and operator is not None:
        return "Exists and ComparisonOperator cannot be used together"
    if value is not None and values is not None:
        return "Value and AttributeValueList cannot be used together"
    if values is not None and operator is None:
        return "AttributeValueList can only be used with a ComparisonOperator"
    if value is not None and exists is False:
        return "Value cannot be used when Exists is false"
    if value is not None or values is not None or exists is False or operator in ("NULL", "NOT_NULL"):
        return None
    if operator is not None:
        return f"Value or AttributeValueList must be used with ComparisonOperator: {operator}"
    return f"Value must be provided when Exists is {'null' if exists is None else 'true'}"


# Updates


class _AttributeUpdates(Update):
    """Differs from an update expression in what it says of a stored attribute of another type,
    in its charge, and in that, without any action, it makes an item of the key alone.
    """

    __slots__ = ("_types",)

    def __init__(self, actions: Sequence[Action], types: Mapping[str, str]) -> None:
        """`types`: what some attributes must be, if they are there."""
        super().__init__(actions)
        self._types = types

    def apply(self, item: Item) -> Item:
        for name, kind in self._types.items():
            if name in item and kind not in item[name]:
                raise validation("Type mismatch for attribute to update")
        return super().apply(item)

    @property
    def creates(self) -> bool:
        return not self.actions or super().creates

    @property
    def charge(self) -> int:
        return 0  # only the finished item counts


def _action(path: Path, given: Mapping[str, Any]) -> tuple[Action, str | None]:
    """One action, and the type that it needs the attribute to have."""
    action, attribute = given.get("Action", "PUT"), given.get("Value")
    if attribute is None:
        if action != "DELETE":
            raise invalid_parameters("Only DELETE action is allowed when no attribute value is specified")
        return Remove(path), None
    normalize(attribute)
    value = Value(attribute)
    if action == "PUT":
        return Set(path, value), None
    if action == "DELETE":
        if value.type not in _SETS:
            raise invalid_parameters(f"DELETE action with value is not supported for the type {value.type}")
        return Delete(path, value), value.type
    if value.type not in _ADDABLE:
        raise invalid_parameters(f"ADD action is not supported for the type {value.type}")
    if value.type == "L":  # appended; not documented, but recorded from the service
        stored = Function("if_not_exists", (path, _EMPTY_LIST))
        return Set(path, Function("list_append", (stored, value))), "L"
    return Add(path, value), value.type
