"""The thirteen comparison operators of the legacy parameters.

One table says of each how many values it takes, of which types, and what condition
it stands for. Two take more types than DynamoDB's documentation says: EQ and NE all of
them (recorded from the service), CONTAINS also BOOL and NULL (as Amazon's DAX client).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeAlias

from alt.errors import invalid_parameters, validation
from alt.expressions.nodes import And, Between, Comparison, Condition, Function, In, Not, Path, Value
from alt.values.attribute import normalize
from alt.values.comparison import order
from alt.values.types import AttributeValue

Operands: TypeAlias = tuple[Value, ...]

_TEXT_TYPES = frozenset({"S", "B"})
_ORDERED_TYPES = _TEXT_TYPES | {"N"}
_SCALAR_TYPES = _ORDERED_TYPES | {"BOOL", "NULL"}
_ALL_TYPES = _SCALAR_TYPES | {"SS", "NS", "BS", "L", "M"}

_NONE = range(1)
_ONE = range(1, 2)
_TWO = range(2, 3)
_ANY = range(1, sys.maxsize)


class _Operator(NamedTuple):
    """`key_operator` is the operator's name in a `KeyClause`, None for one that no index can answer."""

    counts: range
    types: frozenset[str]
    condition: Callable[[Path, Operands], Condition]
    key_operator: str | None = None


def read_operands(operator: str, given: Sequence[AttributeValue], older: bool = False) -> Operands:
    """The values of an AttributeValueList, made canonical in place and checked against their operator.

    Raises what `normalize` does for the first value that is none, then
    ValidationExceptions, bare, for the number, the types and the order of the values.
    """
    for value in given:
        normalize(value, older)
    operands = tuple(map(Value, given))
    known = _OPERATORS[operator]
    if len(operands) not in known.counts:
        raise invalid_parameters(f"Invalid number of argument(s) for the {operator} ComparisonOperator")
    for operand in operands:
        if operand.type not in known.types:
            raise invalid_parameters(
                f"ComparisonOperator {operator} is not valid for {operand.type} AttributeValue type"
            )
        if operand.type != operands[0].type:
            raise invalid_parameters("AttributeValues inside AttributeValueList must be of same type")
    if operator == "BETWEEN" and order(operands[0].attribute, operands[1].attribute) == 1:
        raise validation(
            "The BETWEEN condition was provided a range where the lower bound is greater than the upper bound"
        )
    return operands


def condition(operator: str, path: Path, operands: Operands) -> Condition:
    """What an operator asks of the attribute at `path`; `operands` are as `read_operands` leaves them."""
    return _OPERATORS[operator].condition(path, operands)


def key_operator(operator: str) -> str:
    """An operator's name in a `KeyClause`: its own where no index can answer it."""
    return _OPERATORS[operator].key_operator or operator


def _compared(sign: str) -> Callable[[Path, Operands], Condition]:
    return lambda path, operands: Comparison(sign, path, operands[0])


def _called(function: str) -> Callable[[Path, Operands], Condition]:
    return lambda path, operands: Function(function, (path, *operands))


def _not_contains(path: Path, operands: Operands) -> Condition:
    """Not the complement of CONTAINS: of an absent attribute both are false (recorded from the service)."""
    return And((Function("attribute_exists", (path,)), Not(Function("contains", (path, *operands)))))


def _in(path: Path, operands: Operands) -> Condition:
    return In(path, operands)


def _between(path: Path, operands: Operands) -> Condition:
    return Between(path, *operands)


_OPERATORS = {
    "EQ": _Operator(_ONE, _ALL_TYPES, _compared("="), "="),
    "NE": _Operator(_ONE, _ALL_TYPES, _compared("<>")),
    "LE": _Operator(_ONE, _ORDERED_TYPES, _compared("<="), "<="),
    "LT": _Operator(_ONE, _ORDERED_TYPES, _compared("<"), "<"),
    "GE": _Operator(_ONE, _ORDERED_TYPES, _compared(">="), ">="),
    "GT": _Operator(_ONE, _ORDERED_TYPES, _compared(">"), ">"),
    "NOT_NULL": _Operator(_NONE, _ALL_TYPES, _called("attribute_exists")),
    "NULL": _Operator(_NONE, _ALL_TYPES, _called("attribute_not_exists")),
    "CONTAINS": _Operator(_ONE, _SCALAR_TYPES, _called("contains")),
    "NOT_CONTAINS": _Operator(_ONE, _SCALAR_TYPES, _not_contains),
    "BEGINS_WITH": _Operator(_ONE, _TEXT_TYPES, _called("begins_with"), "begins_with"),
    "IN": _Operator(_ANY, _ORDERED_TYPES, _in),
    "BETWEEN": _Operator(_TWO, _ORDERED_TYPES, _between, "BETWEEN"),
}
