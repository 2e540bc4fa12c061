"""From a statement's text and its parameters to what is to be done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from alt.errors import validation
from alt.expressions import nodes
from alt.expressions.binding import Scope, bind_actions, bind_condition
from alt.expressions.nodes import Value, ValueRef
from alt.expressions.partiql.parser import Parsed, parse
from alt.expressions.partiql.statements import Exists, Insert, Statement, Update
from alt.expressions.problems import Problem
from alt.expressions.rebinding import Values
from alt.values.attribute import normalize
from alt.values.types import AttributeValue

_SETS = ("SS", "NS", "BS")


class Asked(NamedTuple):
    """A statement as it is asked for: parsed, and its parameters by their names in it."""

    parsed: Parsed
    values: Values


def read(text: str, parameters: Sequence[AttributeValue] | None) -> Asked:
    """A statement and its parameters, which become canonical.

    Raises ValidationException for what is wrong with the syntax or the literals, and then with the parameters.
    """
    parsed = parse(text)
    return Asked(parsed, read_parameters(parameters) if parameters else {})


def bind(asked: Asked) -> Statement:
    """The statement, with its parameters in their places.

    Raises ValidationException for what else is wrong with it whatever the tables are: the number of its parameters, the
    rules that it breaks, its operands.
    """
    parsed, values = asked
    if len(values) != parsed.parameters:
        raise validation("Number of parameters in request and statement don't match.")
    if parsed.broken is not None:
        raise validation(parsed.broken)
    for name, problem in parsed.sets:
        if values[name].type not in _SETS:
            raise validation(problem)
    return _bound(parsed, values)


def read_parameters(given: Sequence[AttributeValue]) -> dict[str, Value]:
    """The parameters by their names in a parsed statement. They become canonical; raises what is wrong with them."""
    values: dict[str, Value] = {}
    for number, parameter in enumerate(given):
        normalize(parameter, older=True)
        name = _names[number] if number < len(_names) else f"?{number}"
        values[name] = Value(parameter, name)
    return values


_names = [f"?{number}" for number in range(64)]


def _bound(parsed: Parsed, values: Mapping[str, Value]) -> Statement:
    scope = Scope({}, values)
    found = parsed.statement
    try:
        if isinstance(found, Exists):
            return Exists(replace(found.select, where=_condition(found.select.where, scope)))
        if isinstance(found, Insert):
            terms = [
                (name, values[term.name] if isinstance(term, ValueRef) else term) for name, term in found.item
            ]
            return replace(found, item=tuple(terms))
        if isinstance(found, Update):
            actions = bind_actions(found.actions, scope)
            return replace(found, actions=actions, where=_condition(found.where, scope))
        return replace(found, where=_condition(found.where, scope))
    except Problem as problem:
        raise validation(str(problem)) from None


def _condition(where: nodes.Condition | None, scope: Scope) -> nodes.Condition | None:
    return None if where is None else bind_condition(where, scope)
