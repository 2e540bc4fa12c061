"""From a parsed tree to a bound one: placeholders resolved, operands checked.

Nothing here looks at an item. A condition is checked term by term in the order
written: first whether all its placeholders are defined, then numbers of operands,
operands that must differ, and types. An update is checked as a whole, one kind of
problem after the other. (Orders recorded from the service.)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from alt.expressions import problems
from alt.expressions.nodes import (
    Action,
    Add,
    And,
    Arithmetic,
    Between,
    Comparison,
    Condition,
    Delete,
    Elements,
    Function,
    In,
    Not,
    Operand,
    Or,
    Path,
    PathRef,
    Remove,
    Set,
    Value,
    ValueRef,
)
from alt.expressions.parser import Parsed
from alt.expressions.paths import check_distinct
from alt.expressions.problems import Problem
from alt.values.comparison import order

MAX_CANDIDATES = 100  # of IN

_OPERANDS = {
    "attribute_exists": 1,
    "attribute_not_exists": 1,
    "attribute_type": 2,
    "begins_with": 2,
    "contains": 2,
    "size": 1,
    "if_not_exists": 2,
    "list_append": 2,
}

_ORDERED_TYPES = frozenset({"S", "N", "B"})
_PREFIX_TYPES = frozenset({"S", "B"})
_SIZED_TYPES = frozenset({"S", "B", "SS", "NS", "BS", "L", "M"})
_TYPES = _SIZED_TYPES | {"N", "BOOL", "NULL"}
_ADDED_TYPES = frozenset({"N", "SS", "NS", "BS"})
_DELETED_TYPES = frozenset({"SS", "NS", "BS"})

# What the service says of a path where it wants a type's name: all types it knows inside.
_TYPES_OF_PATH = (
    "{S,SS,N,NS,B,BS,BOOL,NULL,L,M,HD,DOUBLE,FLOAT,HDS,FS,DOUBLESET,DICT,DECIMAL,INT,DECIMALSET,INTSET}"
)
_LONG_TYPES = {
    "S": "STRING",
    "N": "NUMBER",
    "B": "BINARY",
    "BOOL": "BOOL",
    "NULL": "NULL",
    "L": "LIST",
    "M": "MAP",
    "SS": "STRING_SET",
    "NS": "NUMBER_SET",
    "BS": "BINARY_SET",
}


class Scope(NamedTuple):
    """What a request's placeholders stand for: `#n` to a name, `:v` to a value. `older` picks the wording of a layer."""

    names: Mapping[str, str]
    values: Mapping[str, Value]
    older: bool = False


def bind_condition(node: Condition, scope: Scope) -> Condition:
    """The bound tree of a condition. Raises Problem."""
    bound: Condition = _BIND[node.__class__](node, scope)
    return bound


def _path(ref: Any, names: Mapping[str, str]) -> Path:
    """The path with its placeholders resolved; one without any is bound already."""
    if ref.__class__ is Path:
        bound: Path = ref
        return bound
    if ref.path is not None:
        path: Path = ref.path
        return path
    elements = ref.elements
    if len(elements) == 1:
        return Path((_name(elements[0], names),))
    return Path(
        tuple(
            [
                _name(element, names) if isinstance(element, str) and element[0] == "#" else element
                for element in elements
            ]
        )
    )


def _name(placeholder: str, names: Mapping[str, str]) -> str:
    try:
        return names[placeholder]
    except KeyError:
        raise Problem(problems.undefined_name(placeholder)) from None


def _value(ref: ValueRef, scope: Scope) -> Value:
    try:
        return scope.values[ref.name]
    except KeyError:
        raise Problem(problems.undefined_value(ref.name)) from None


def _operand(operand: Any, scope: Scope) -> Operand:
    """The operand resolved but not yet checked, since what is undefined is reported first."""
    kind = operand.__class__
    if kind is PathRef:
        return operand.path or _path(operand, scope.names)
    if kind is ValueRef:
        return _value(operand, scope)
    if kind is Path or kind is Value:  # as PartiQL has them
        bound: Operand = operand
        return bound
    if kind is Function:
        return Function(operand.name, tuple([_operand(inner, scope) for inner in operand.operands]))
    return Arithmetic(operand.operator, _operand(operand.left, scope), _operand(operand.right, scope))


def static_type(operand: Operand) -> str | None:
    """The type an operand has whatever the item holds."""
    if isinstance(operand, Value):
        return operand.type
    if isinstance(operand, Function) and operand.name == "size":
        return "N"
    return None


def _check_types(operator: str, operands: tuple[Operand, ...], allowed: frozenset[str]) -> None:
    for operand in operands:
        if operand.__class__ is not Path:
            found = static_type(operand)
            if found is not None and found not in allowed:
                raise Problem(problems.operand_type(operator, found))


def _check_distinct(operator: str, first: Operand, others: tuple[Operand, ...]) -> None:
    if isinstance(first, Path):
        for other in others:
            if isinstance(other, Path) and other.elements == first.elements:
                raise Problem(problems.operand_repeated(operator, first.elements))


# Conditions


def _and(node: And, scope: Scope) -> And:
    return And(tuple([_BIND[term.__class__](term, scope) for term in node.terms]))


def _or(node: Or, scope: Scope) -> Or:
    return Or(tuple([_BIND[term.__class__](term, scope) for term in node.terms]))


def _not(node: Not, scope: Scope) -> Not:
    return Not(_BIND[node.term.__class__](node.term, scope))


def _comparison(node: Comparison, scope: Scope) -> Comparison:
    left = _operand(node.left, scope)
    right = _operand(node.right, scope)
    operator = node.operator
    _check_calls((left, right))
    _check_distinct(operator, left, (right,))
    if operator not in ("=", "<>"):
        _check_types(operator, (left, right), _ORDERED_TYPES)
    return Comparison(operator, left, right)


def _between(node: Between, scope: Scope) -> Between:
    operand = _operand(node.operand, scope)
    low = _operand(node.low, scope)
    high = _operand(node.high, scope)
    _check_calls((operand, low, high))
    _check_distinct("BETWEEN", operand, (low, high))
    _check_types("BETWEEN", (operand, low, high), _ORDERED_TYPES)
    if isinstance(low, Value) and isinstance(high, Value):
        _check_bounds(low, high)
    return Between(operand, low, high)


def _check_bounds(low: Value, high: Value) -> None:
    shown_low = f"{low.type}:{low.attribute[low.type]}"
    shown_high = f"{high.type}:{high.attribute[high.type]}"
    if low.type != high.type:
        raise Problem(problems.bounds_of_two_types(shown_low, shown_high))
    if order(low.attribute, high.attribute) == 1:
        raise Problem(problems.bounds_reversed(shown_low, shown_high))


def _in(node: In, scope: Scope) -> In:
    operand = _operand(node.operand, scope)
    candidates = tuple([_operand(candidate, scope) for candidate in node.candidates])
    if len(candidates) > MAX_CANDIDATES:
        raise Problem(problems.too_many_candidates(len(candidates)))
    _check_calls((operand, *candidates))
    _check_distinct("IN", operand, candidates)
    return In(operand, candidates)


def _function(node: Function, scope: Scope) -> Function:
    function = Function(node.name, tuple([_operand(operand, scope) for operand in node.operands]))
    _check_call(function)
    return function


_BIND: dict[type, Callable[[Any, Scope], Any]] = {
    And: _and,
    Or: _or,
    Not: _not,
    Comparison: _comparison,
    Between: _between,
    In: _in,
    Function: _function,
}


# Calls


def _check_calls(operands: tuple[Operand, ...]) -> None:
    for operand in operands:
        if operand.__class__ is Function:
            _check_call(operand)
        elif operand.__class__ is Arithmetic:
            _check_arithmetic(operand)


def _check_call(function: Function) -> None:
    """Inner calls first, then the number, the difference and the types of the operands."""
    operands = function.operands
    _check_calls(operands)
    if len(operands) != _OPERANDS[function.name]:
        raise Problem(problems.operand_count(function.name, len(operands)))
    _CHECK[function.name](function.name, operands)


def _check_path(name: str, operands: tuple[Operand, ...]) -> None:
    if not isinstance(operands[0], Path):
        raise Problem(problems.path_required(name))


def _check_attribute_type(name: str, operands: tuple[Operand, ...]) -> None:
    _check_distinct(name, operands[0], operands[1:])
    wanted = operands[1]
    if not isinstance(wanted, Value) or wanted.type != "S":
        raise Problem(problems.operand_type(name, static_type(wanted) or _TYPES_OF_PATH))
    if wanted.attribute["S"] not in _TYPES:
        raise Problem(problems.unknown_type_name(wanted.attribute["S"]))


def _check_begins_with(name: str, operands: tuple[Operand, ...]) -> None:
    _check_distinct(name, operands[0], operands[1:])
    _check_types(name, operands, _PREFIX_TYPES)


def _check_contains(name: str, operands: tuple[Operand, ...]) -> None:
    _check_distinct(name, operands[0], operands[1:])


def _check_size(name: str, operands: tuple[Operand, ...]) -> None:
    _check_types(name, operands, _SIZED_TYPES)


def _check_list_append(name: str, operands: tuple[Operand, ...]) -> None:
    _check_types(name, operands, frozenset({"L"}))


_CHECK: dict[str, Callable[[str, tuple[Operand, ...]], None]] = {
    "attribute_exists": _check_path,
    "attribute_not_exists": _check_path,
    "attribute_type": _check_attribute_type,
    "begins_with": _check_begins_with,
    "contains": _check_contains,
    "size": _check_size,
    "if_not_exists": _check_path,
    "list_append": _check_list_append,
}


def _check_arithmetic(node: Arithmetic) -> None:
    operands = (node.left, node.right)
    _check_calls(operands)
    _check_types(node.operator, operands, frozenset({"N"}))


# Updates and projections


def bind_update(parsed: Parsed[tuple[Action, ...]], scope: Scope) -> tuple[Action, ...]:
    """The bound actions.

    Raises Problem: undefined names, undefined values, overlapping paths, operands of
    ADD and DELETE, operands in calls and arithmetic; one kind after the other.
    """
    for name in parsed.names:
        _name(name, scope.names)
    for value in parsed.values:
        if value not in scope.values:
            raise Problem(problems.undefined_value(value))
    return bind_actions(parsed.tree, scope)


def bind_actions(parsed: tuple[Action, ...], scope: Scope) -> tuple[Action, ...]:
    """The same of actions all of whose placeholders are defined."""
    actions = tuple([_bind_action(action, scope) for action in parsed])
    if len(actions) > 1:
        check_distinct([action.path.elements for action in actions])
    for action in actions:
        if isinstance(action, Add):
            _check_action_type("ADD", action, _ADDED_TYPES, scope.older)
        elif isinstance(action, Delete):
            _check_action_type("DELETE", action, _DELETED_TYPES, scope.older)
    for action in actions:
        if isinstance(action, Set):
            _check_calls((action.value,))
    return actions


def _bind_action(action: Action, scope: Scope) -> Action:
    path = _path(action.path, scope.names)
    if isinstance(action, Remove):
        return Remove(path)
    return action.__class__(path, _operand(action.value, scope))  # type: ignore[arg-type]


def _check_action_type(name: str, action: Add | Delete, allowed: frozenset[str], older: bool) -> None:
    found = action.value.type  # type: ignore[union-attr]
    if found not in allowed:
        raise Problem(problems.action_operand_type(name, _LONG_TYPES[found], older))


def bind_projection(paths: tuple[PathRef, ...], names: Mapping[str, str]) -> tuple[Elements, ...]:
    """The paths to read. Raises Problem."""
    bound = tuple([_path(path, names).elements for path in paths])
    check_distinct(bound)
    return bound
