"""Conditions as SQL over an item's JSON, so that a filter runs inside SQLite.

The evaluator (`conditions`) is the reference: SQL must say what it says, of every
item. Every piece of SQL here is therefore 0 or 1, never NULL, which NOT would turn
into a match. Where SQL alone cannot tell (binary order, a map's entries in another
order), it asks the evaluator about that one item through the function
`holds(test, item)`, which `alt.storage.sqlite.connections` registers on its connections. A
condition beyond what is written here is not compiled at all.

The SQL of a condition depends on its shape only: names and values are bound, so
that SQLite's prepared statements are found again (a path bound is looked up as
fast as one written out).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import apsw

from alt.expressions import nodes
from alt.expressions.conditions import Condition
from alt.expressions.nodes import And, Between, Comparison, Function, In, Not, Or, Path, Value
from alt.storage.sqlite import filter_values
from alt.storage.sqlite.filter_values import (
    ITEM_MAY_MISLEAD,
    MAX_PARTS,
    NEVER,
    SEARCH,
    Clause,
    Inexpressible,
    join,
    json_path,
)
from alt.values.types import AttributeValue

# SQLite refuses expressions nested deeper than 1,000; a chain of n terms counts as n
# levels. A level of the tree costs more than one here because Python nests too: this
# admits 300 terms (DynamoDB's limit) side by side, or 50 levels of two.
_MAX_DEPTH = 500
_LEVEL_DEPTH = 8
_MAX_VALUES = 30_000  # SQLite binds 32,766 to a statement; the rest is the caller's

# SQLite searches a text naively: the product of both lengths must stay small.
_MAX_SOUGHT = 1_000  # characters

_REVERSED = {"=": "=", "<>": "<>", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
_SCALARS = frozenset({"S", "N", "B"})
_TYPES = _SCALARS | {"BOOL", "NULL", "SS", "NS", "BS", "L", "M"}


def compile_condition(condition: Condition, nul_free: bool = False) -> tuple[str, list[Any]] | None:
    """An SQL expression over the TEXT column `item`, 1 where the condition is true and else 0.

    With it, the values for its `?` in their order. None if the condition is not
    compiled. The column must hold items as `alt.operations` writes them: canonical
    values in ujson's text without spaces. The connection must know `holds`.
    `nul_free`: no item holds a NUL, which spares a look at the whole of each.
    """
    try:
        clause, values = _clause(condition.node, _MAX_DEPTH)
    except Inexpressible:
        return None
    if len(values) > _MAX_VALUES:
        return None
    if nul_free:
        return clause, list(values)
    test = apsw.pyobject(condition.matches)
    return f"CASE WHEN {ITEM_MAY_MISLEAD} THEN holds(?, item) ELSE {clause} END", [test, *values]


def _clause(node: nodes.Condition, depth: int) -> Clause:
    """`depth`: how deep the SQL may still nest."""
    kind = node.__class__
    if kind is And:
        return _joined(" AND ", node.terms, depth)  # type: ignore[union-attr]
    if kind is Or:
        return _joined(" OR ", node.terms, depth)  # type: ignore[union-attr]
    if kind is Not:
        if depth < _LEVEL_DEPTH:
            raise Inexpressible
        return _negated(_clause(node.term, depth - _LEVEL_DEPTH))  # type: ignore[union-attr]
    try:
        predicate = _PREDICATES[kind]
    except KeyError:
        raise Inexpressible from None
    return predicate(node)


def _joined(operator: str, terms: tuple[nodes.Condition, ...], depth: int) -> Clause:
    depth -= len(terms) + _LEVEL_DEPTH
    if depth < 0:
        raise Inexpressible
    return join(operator, sorted([_clause(term, depth) for term in terms], key=_cost))


def _cost(clause: Clause) -> int:
    """What is cheap is asked first, however it was written: a text is searched, then read, then given to Python."""
    sql = clause[0]
    return 2 if "holds(" in sql else not sql.startswith(SEARCH)


def _any(clauses: list[Clause]) -> Clause:
    if len(clauses) > MAX_PARTS:
        raise Inexpressible
    return join(" OR ", clauses) if clauses else NEVER


def _negated(clause: Clause) -> Clause:
    return f"(NOT {clause[0]})", clause[1]


def _evaluated_if(doubt: Clause, node: nodes.Condition) -> Clause:
    """What the evaluator says of the items of which `doubt` is true, and 0 for all others."""
    return f"({doubt[0]} AND holds(?, item))", (*doubt[1], apsw.pyobject(Condition(node).matches))


# Comparisons


def _comparison(node: Comparison) -> Clause:
    left, operator, right = node.left, node.operator, node.right
    try:
        if _RANKS[left.__class__] > _RANKS[right.__class__]:
            left, operator, right = right, _REVERSED[operator], left
    except KeyError:
        raise Inexpressible from None
    compare = _COMPARISONS[left.__class__, right.__class__]
    return _negated(compare(left, "=", right)) if operator == "<>" else compare(left, operator, right)


def _path_to_value(left: Path, operator: str, right: Value) -> Clause:
    path, kind = json_path(left.elements), right.type
    if operator == "=":
        return filter_values.equals(path, right.attribute)
    if kind == "N":
        return filter_values.number_order(path, operator, right.attribute["N"])
    if kind == "S":
        return filter_values.text_order(path, operator, right.attribute["S"])
    if kind == "B":
        return _evaluated_if(filter_values.exists(path + ".B"), Comparison(operator, left, right))
    return NEVER


def _path_to_path(left: Path, operator: str, right: Path) -> Clause:
    a, b = json_path(left.elements), json_path(right.elements)
    cases, values = (
        filter_values.equality_cases(a, b) if operator == "=" else filter_values.order_cases(a, operator, b)
    )
    test = apsw.pyobject(Condition(Comparison(operator, left, right)).matches)
    return f"CASE {cases} THEN holds(?, item) ELSE 0 END", (*values, test)


def _path_to_size(left: Path, operator: str, right: Function) -> Clause:
    _sized(right)
    number = filter_values.exists(json_path(left.elements) + ".N")
    return _evaluated_if(number, Comparison(operator, left, right))


def _size_to_value(left: Function, operator: str, right: Value) -> Clause:
    """A size is an integer, so any other number gives way to the next one that decides alike."""
    if right.type != "N":
        return NEVER
    size, values = filter_values.size(_sized(left))
    whole, exact = filter_values.floor(right.attribute["N"])
    if not exact and operator != "<=" and operator != ">":
        whole = -1 if operator == "=" else whole + 1
    clause = f"ifnull({size} {operator} ?, 0)", (*values, whole)
    return _unless_two_units((left,), Comparison(operator, left, right), clause)


def _size_to_size(left: Function, operator: str, right: Function) -> Clause:
    a, a_values = filter_values.size(_sized(left))
    b, b_values = filter_values.size(_sized(right))
    clause = f"ifnull({a} {operator} {b}, 0)", (*a_values, *b_values)
    return _unless_two_units((left, right), Comparison(operator, left, right), clause)


def _value_to_value(left: Value, operator: str, right: Value) -> Clause:
    return "?", (int(Condition(Comparison(operator, left, right)).matches({})),)


def _sized(function: Function) -> str:
    """The JSON path of the operand of `size`."""
    if function.name != "size":
        raise Inexpressible
    return _path(function.operands[0])


def _unless_two_units(sizes: tuple[Function, ...], node: Comparison, clause: Clause) -> Clause:
    doubt, values = join(" OR ", [filter_values.has_two_unit_characters(_sized(size)) for size in sizes])
    test = apsw.pyobject(Condition(node).matches)
    return f"CASE WHEN {doubt} THEN holds(?, item) ELSE {clause[0]} END", (*values, test, *clause[1])


# A comparison is turned so that its operands stand in this order.
_RANKS: dict[type, int] = {Path: 0, Function: 1, Value: 2}

_COMPARISONS: dict[tuple[type, type], Callable[[Any, str, Any], Clause]] = {
    (Path, Path): _path_to_path,
    (Path, Function): _path_to_size,
    (Path, Value): _path_to_value,
    (Function, Function): _size_to_size,
    (Function, Value): _size_to_value,
    (Value, Value): _value_to_value,
}


def _between(node: Between) -> Clause:
    return join(
        " AND ",
        [
            _comparison(Comparison(">=", node.operand, node.low)),
            _comparison(Comparison("<=", node.operand, node.high)),
        ],
    )


def _in(node: In) -> Clause:
    operand = node.operand
    if not isinstance(operand, Path):
        return _any([_comparison(Comparison("=", operand, candidate)) for candidate in node.candidates])
    values = [candidate.attribute for candidate in node.candidates if isinstance(candidate, Value)]
    others = [candidate for candidate in node.candidates if not isinstance(candidate, Value)]
    return _any(
        [
            *_among(operand, values),
            *[_comparison(Comparison("=", operand, candidate)) for candidate in others],
        ]
    )


def _among(operand: Path, values: list[AttributeValue]) -> list[Clause]:
    """Clauses of which one is true when the path leads to one of the values: one for each scalar type."""
    path = json_path(operand.elements)
    scalars: dict[str, list[str]] = {}
    clauses = []
    for value in values:
        ((kind, content),) = value.items()
        if kind in _SCALARS:
            scalars.setdefault(kind, []).append(content)
        else:
            clauses.append(_path_to_value(operand, "=", Value(value)))
    return [*(filter_values.is_among(path, kind, contents) for kind, contents in scalars.items()), *clauses]


# Functions


def _path(operand: nodes.Operand) -> str:
    if not isinstance(operand, Path):
        raise Inexpressible
    return json_path(operand.elements)


def _function(node: Function) -> Clause:
    function = _FUNCTIONS.get(node.name)
    if function is None:
        raise Inexpressible
    return function(node)


def _exists(node: Function) -> Clause:
    return filter_values.exists(_path(node.operands[0]))


def _not_exists(node: Function) -> Clause:
    return _negated(filter_values.exists(_path(node.operands[0])))


def _has_type(node: Function) -> Clause:
    operand, wanted = node.operands
    if not isinstance(wanted, Value) or wanted.attribute.get("S") not in _TYPES:
        raise Inexpressible
    return filter_values.exists(f"{_path(operand)}.{wanted.attribute['S']}")


def _begins_with(node: Function) -> Clause:
    whole, prefix = node.operands
    path = _path(whole)
    if isinstance(prefix, Path):
        return _evaluated_if(_both_exist(path, json_path(prefix.elements)), node)
    if not isinstance(prefix, Value):
        raise Inexpressible
    if prefix.type == "S":
        return filter_values.begins_with_text(path, prefix.attribute["S"])
    if prefix.type == "B":
        return filter_values.begins_with_bytes(path, prefix.attribute["B"])
    return NEVER


def _contains(node: Function) -> Clause:
    whole, sought = node.operands
    if isinstance(whole, Value):
        return _is_part_of(whole, sought, node)
    path = _path(whole)
    if isinstance(sought, Path):
        return _evaluated_if(_both_exist(path, json_path(sought.elements)), node)
    if not isinstance(sought, Value):
        raise Inexpressible
    return _contains_value(path, sought, node)


def _contains_value(path: str, sought: Value, node: Function) -> Clause:
    element = filter_values.only_text(sought.attribute)
    if element is None or len(element) > _MAX_SOUGHT:
        return _evaluated_if(filter_values.exists(path), node)
    in_list = filter_values.has_member(path + ".L", element, element)
    kind, content = sought.type, sought.attribute[sought.type]
    if kind == "S":
        clauses = [
            filter_values.holds_text(path, content),
            filter_values.has_member(path + ".SS", filter_values.stored_text(content), content),
            in_list,
        ]
    elif kind == "N":
        clauses = [filter_values.has_plain_member(path + ".NS", content), in_list]
    elif kind == "B":
        clauses = [
            _evaluated_if(filter_values.exists(path + ".B"), node),
            filter_values.has_plain_member(path + ".BS", content),
            in_list,
        ]
    else:
        return in_list
    return _any(clauses)


def _is_part_of(whole: Value, sought: nodes.Operand, node: Function) -> Clause:
    """`contains(:whole, path)`: the path leads to an element, a member or a part of the value."""
    path, kind = _path(sought), whole.type
    content = whole.attribute[kind]
    if kind == "L":
        return _any(_among(sought, content))  # type: ignore[arg-type]
    if kind in ("SS", "NS", "BS"):
        return _any(_among(sought, [{kind[0]: member} for member in content]))  # type: ignore[arg-type]
    if kind in ("S", "B"):
        return _evaluated_if(filter_values.exists(f"{path}.{kind}"), node)
    return NEVER


def _both_exist(a: str, b: str) -> Clause:
    return join(" AND ", [filter_values.exists(a), filter_values.exists(b)])


_PREDICATES: dict[type, Callable[[Any], Clause]] = {
    Comparison: _comparison,
    Between: _between,
    In: _in,
    Function: _function,
}

_FUNCTIONS: dict[str, Callable[[Function], Clause]] = {
    "attribute_exists": _exists,
    "attribute_not_exists": _not_exists,
    "attribute_type": _has_type,
    "begins_with": _begins_with,
    "contains": _contains,
}
