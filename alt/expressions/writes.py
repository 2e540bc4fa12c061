"""The UpdateExpression and ConditionExpression of a write, with all that their placeholders stand for.

Programs send the same expressions and names over and over, with other values of the same types. What
these come to is kept but for the values, which are looked at anew. Nothing is refused here: where a
request is unusual it is read by `Placeholders`, as a first one is.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from typing import Any, NamedTuple

from alt.config import MAX_ITEM_BYTES
from alt.errors import ApiError
from alt.expressions.conditions import Condition
from alt.expressions.nodes import Value, walk
from alt.expressions.placeholders import Placeholders
from alt.expressions.rebinding import rebinder
from alt.expressions.update import Update
from alt.values.attribute import normalize_item
from alt.values.types import AttributeValue

MAX_KEPT = 1_024
MAX_KEPT_BYTES = 8_192  # of one shape
# With the names of a shape far below what a request may have of both.
MAX_VALUES_BYTES = 1_048_576

Values = Mapping[str, Value]


class WriteExpressions(NamedTuple):
    update: Update | None
    condition: Condition | None


class _Kept(NamedTuple):
    """What makes the expressions of one shape, for given values of its types and their bytes."""

    update: Callable[[Values, int], Update | None]
    condition: Callable[[Values], Condition | None]


_kept: dict[Hashable, _Kept] = {}


def write_expressions(
    request: Mapping[str, Any], *, updates: bool = False, older: bool = False
) -> WriteExpressions:
    """The bound expressions of a request or of one action; `updates`: it may have an UpdateExpression.

    The values become canonical in place. Raises what `Placeholders` does, whose `older` see.
    """
    names = request.get("ExpressionAttributeNames")
    given = request.get("ExpressionAttributeValues")
    update_text = request.get("UpdateExpression") if updates else None
    condition_text = request.get("ConditionExpression")
    values, size = _read(given)
    shape: Hashable = None
    if values is not None:
        shape = (
            update_text,
            condition_text,
            None if names is None else tuple(names.items()),
            None if given is None else tuple([(name, value.type) for name, value in values.items()]),
        )
        kept = _kept.get(shape)
        if kept is not None:
            return WriteExpressions(kept.update(values, size), kept.condition(values))
    placeholders = Placeholders(names, given, older)
    update = None if update_text is None else placeholders.update(update_text)
    condition = None
    if condition_text is not None:
        condition = placeholders.condition("ConditionExpression", condition_text)
    placeholders.finish()
    if values is not None:
        _keep(shape, update, condition)
    return WriteExpressions(update, condition)


def _read(given: dict[str, AttributeValue] | None) -> tuple[Values | None, int]:
    """The values, canonical, and their bytes with their placeholders; None where they are to be looked at closely."""
    if given is None:
        return {}, 0
    try:
        size = normalize_item(given)
    except ApiError:
        return None, 0
    if size > MAX_VALUES_BYTES:
        return None, size
    return {name: Value(value, name) for name, value in given.items()}, size


def _keep(shape: Hashable, update: Update | None, condition: Condition | None) -> None:
    update_again = _update_rebinder(update)
    condition_again = _condition_rebinder(condition)
    if update_again is None or condition_again is None or len(repr(shape)) > MAX_KEPT_BYTES:
        return
    if len(_kept) >= MAX_KEPT:
        _kept.clear()
    _kept[shape] = _Kept(update_again, condition_again)


def _update_rebinder(update: Update | None) -> Callable[[Values, int], Update | None] | None:
    if update is None:
        return lambda _values, _size: None
    rebind = rebinder(update.actions)
    if rebind is None:
        return None
    names = update.attribute_names
    values_in_it = sum([isinstance(node, Value) for action in update.actions for node in walk(action)])
    charge = update.charge  # with other values at most as much more as these are, each time they are there

    def again(others: Values, size: int) -> Update:
        return Update(rebind(others), names, is_small=charge + size * values_in_it <= MAX_ITEM_BYTES)

    return again


def _condition_rebinder(condition: Condition | None) -> Callable[[Values], Condition | None] | None:
    if condition is None:
        return lambda _values: None
    rebind = rebinder(condition.node)
    if rebind is None:
        return None
    return condition.rebound(rebind)
