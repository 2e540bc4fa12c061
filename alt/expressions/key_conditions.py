"""Key conditions: what a Query asks of the keys of a table or index.

The grammar is that of conditions; here are the rules beyond it. One clause for each
key attribute, joined by AND, each comparing the attribute with values. Hash
attributes need `=`. Range attributes are given from the first on without a gap, and
only the last one given may be asked for anything but equality.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from alt.errors import invalid_parameters, validation
from alt.expressions import nodes
from alt.expressions.nodes import (
    And,
    Between,
    Comparison,
    Function,
    In,
    Not,
    Operand,
    Or,
    Path,
    Value,
    conjuncts,
)
from alt.expressions.problems import Problem

_REVERSED = {"=": "=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
_INDEXABLE = frozenset({*_REVERSED, "BETWEEN", "begins_with"})

KeyAttributes = Sequence[tuple[str, str]]  # names and types (S, N, B), in the key schema's order


class KeyClause(NamedTuple):
    """What is asked of one attribute.

    `operator` (`=`, `<`, `<=`, `>`, `>=`, BETWEEN, begins_with) is as if the name were
    written first. KeyConditions may bring others, which no key schema resolves.
    """

    name: str
    operator: str
    operands: tuple[Value, ...]


class KeyRange(NamedTuple):
    """What to read of an index.

    `hash_values`: one for every hash attribute. `range_values`: those that the first
    range attributes must equal. `operator` (`<`, `<=`, `>`, `>=`, BETWEEN, begins_with
    or None) and its `operands` bound the range attribute after them.
    """

    hash_values: tuple[Value, ...]
    range_values: tuple[Value, ...]
    operator: str | None
    operands: tuple[Value, ...]


class KeyCondition:
    """A bound condition on keys.

    What a condition on keys may not be is found when its `clauses` are first asked
    for: the service looks at that after everything else in a request's expressions.
    """

    __slots__ = ("_clauses", "_node")

    def __init__(self, node: nodes.Condition) -> None:
        self._node = node
        self._clauses: tuple[KeyClause, ...] | None = None

    @classmethod
    def of(cls, clauses: Sequence[KeyClause]) -> KeyCondition:
        """One that was never an expression; each clause is of another attribute."""
        condition = cls(And(()))
        condition._clauses = tuple(clauses)
        return condition

    @property
    def clauses(self) -> tuple[KeyClause, ...]:
        """In the order written, one for each attribute. Raises ValidationExceptions, bare."""
        if self._clauses is None:
            try:
                self._clauses = tuple(_key_clauses(self._node))
            except Problem as problem:
                raise validation(f"Invalid KeyConditionExpression: {problem}") from None
        return self._clauses

    @property
    def attribute_names(self) -> frozenset[str]:
        return frozenset(clause.name for clause in self.clauses)

    def resolve(self, hash_keys: KeyAttributes, range_keys: KeyAttributes) -> KeyRange:
        """The range that the clauses ask for in a key schema. Raises ValidationExceptions, bare."""
        clauses = {clause.name: clause for clause in self.clauses}
        defined = len(hash_keys) + len(range_keys)
        if len(clauses) > defined:
            raise validation(
                f"The number of query conditions ({len(clauses)}) exceeds "
                f"the number of key attributes defined in the schema ({defined})"
            )
        if len(hash_keys) > 1:
            _check_all_equal(clauses, [name for name, _ in hash_keys])
        hash_values = tuple([_hash_value(clauses, name, kind) for name, kind in hash_keys])
        for name, kind in range_keys:
            if name in clauses:
                _check(clauses[name], kind)
        if not clauses.keys() <= {name for name, _ in (*hash_keys, *range_keys)}:
            raise _missed(next(name for name, _ in range_keys if name not in clauses))
        return _range(hash_values, clauses, [name for name, _ in range_keys])


def _check_all_equal(clauses: dict[str, KeyClause], names: list[str]) -> None:
    """The attributes of a hash key of several. The rest of the sentence is as that on RANGE attributes has it."""
    without = [name for name in names if name not in clauses or clauses[name].operator != "="]
    if without:
        raise validation(
            f"HASH key attributes {', '.join(without)} must have equality conditions specified in the query"
        )


def _hash_value(clauses: dict[str, KeyClause], name: str, kind: str) -> Value:
    clause = clauses.get(name)
    if clause is None:
        raise _missed(name)
    _check(clause, kind)
    if clause.operator != "=":
        raise validation("Query key condition not supported")
    return clause.operands[0]


def _missed(name: str) -> Exception:
    return validation(f"Query condition missed key schema element: {name}")


def _check(clause: KeyClause, kind: str) -> None:
    if clause.operator not in _INDEXABLE:
        raise validation("Attempted conditional constraint is not an indexable operation")
    for operand in clause.operands:
        if kind != operand.type:
            raise invalid_parameters("Condition parameter type does not match schema type")


def _range(hash_values: tuple[Value, ...], clauses: dict[str, KeyClause], names: list[str]) -> KeyRange:
    equal: list[Value] = []
    without: list[str] = []  # attributes so far that lack an equality
    last: KeyClause | None = None
    for name in names:
        clause = clauses.get(name)
        if clause is not None and without:
            raise validation(
                f"RANGE key attributes {', '.join(without)} must have equality conditions specified "
                f"in the query because a condition is present on key attribute {name}"
            )
        if clause is None:
            without.append(name)
        elif clause.operator == "=":
            equal.append(clause.operands[0])
        else:
            without.append(name)
            last = clause
    if last is None:
        return KeyRange(hash_values, tuple(equal), None, ())
    return KeyRange(hash_values, tuple(equal), last.operator, last.operands)


def _key_clauses(condition: nodes.Condition) -> list[KeyClause]:
    """Raises Problem, for the first in the order written."""
    clauses: dict[str, KeyClause] = {}
    for term in conjuncts(condition):
        clause = _clause(term)
        if clause.name in clauses:
            raise Problem("KeyConditionExpressions must only contain one condition per key")
        clauses[clause.name] = clause
    return list(clauses.values())


def _clause(term: nodes.Condition) -> KeyClause:
    if isinstance(term, Comparison) and term.operator in _REVERSED:
        name = _key_name((term.left, term.right))
        if isinstance(term.left, Path):
            return KeyClause(name, term.operator, _values(term.right))
        return KeyClause(name, _REVERSED[term.operator], _values(term.left))
    if isinstance(term, Between):
        operator = "BETWEEN"
        operands: tuple[Operand, ...] = (term.operand, term.low, term.high)
    elif isinstance(term, Function) and term.name == "begins_with":
        operator, operands = term.name, term.operands
    else:
        raise Problem(f"Invalid operator used in KeyConditionExpression: {_operator(term)}")
    if not isinstance(operands[0], Path):
        raise _invalid(f"{operator} operator must have the key attribute as its first operand")
    return KeyClause(_key_name(operands), operator, _values(*operands[1:]))


def _operator(term: nodes.Condition) -> str:
    if isinstance(term, Or | Not | In):
        return term.__class__.__name__.upper()
    return term.operator if isinstance(term, Comparison) else term.name  # type: ignore[union-attr]


def _key_name(operands: tuple[Operand, ...]) -> str:
    """The one attribute among the operands of a clause."""
    name: str | None = None
    for operand in operands:
        if isinstance(operand, Path):
            if name is not None:
                raise _invalid("Multiple attribute names used in one condition")
            if len(operand.elements) > 1:
                raise Problem("KeyConditionExpressions cannot have conditions on nested attributes")
            name = str(operand.elements[0])
        elif not isinstance(operand, Value):
            raise Problem("KeyConditionExpressions cannot contain nested operations")
    if name is None:
        raise _invalid("No key attribute specified")
    return name


def _values(*operands: Operand) -> tuple[Value, ...]:
    return tuple([operand for operand in operands if isinstance(operand, Value)])


def _invalid(problem: str) -> Problem:
    return Problem(f"Invalid condition in KeyConditionExpression: {problem}")
