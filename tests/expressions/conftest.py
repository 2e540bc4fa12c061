"""Expressions of one request at a time, with a stock of placeholders to write them with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from alt.errors import ApiError
from alt.expressions import KeyRange, Placeholders

CONDITION = "ConditionExpression"
UPDATE = "UpdateExpression"
PROJECTION = "ProjectionExpression"
KEY_CONDITION = "KeyConditionExpression"


def bind(kind: str, text: str, names: Any = None, values: Any = None, older: bool = False) -> Any:
    """The bound expression; without `finish`, so placeholders may be left over."""
    placeholders = Placeholders(names, values, older)
    if kind == UPDATE:
        return placeholders.update(text)
    if kind == PROJECTION:
        return placeholders.projection(text)
    if kind == KEY_CONDITION:
        return placeholders.key_condition(text)
    return placeholders.condition(kind, text)


def problem_of(kind: str, text: str, names: Any = None, values: Any = None) -> str | None:
    """What is wrong with an expression, without the opening that names the parameter; None if nothing is."""
    try:
        bind(kind, text, names, values)
    except ApiError as error:
        refused = error
    else:
        return None
    opening = f"Invalid {kind}: "
    assert refused.type == "ValidationException"
    assert refused.message is not None
    assert refused.message.startswith(opening), refused.message
    return refused.message.removeprefix(opening)


@pytest.fixture(scope="session")
def problem() -> Callable[..., str | None]:
    return problem_of


@pytest.fixture(scope="session")
def bound() -> Callable[..., Any]:
    return bind


def with_attributes(found: KeyRange) -> tuple[Any, ...]:
    """A key range with attribute values in the places of nodes."""
    hash_values, range_values, operands = (
        tuple([value.attribute for value in values])
        for values in (found.hash_values, found.range_values, found.operands)
    )
    return hash_values, range_values, found.operator, operands
