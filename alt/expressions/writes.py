"""The UpdateExpression and ConditionExpression of a write, with all that their placeholders stand for.

What the texts come to is kept for writes of the same shape (rebinding.py).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from typing import Any, NamedTuple

from alt.config import MAX_ITEM_BYTES
from alt.expressions.conditions import Condition
from alt.expressions.nodes import Value, walk
from alt.expressions.placeholders import Placeholders
from alt.expressions.rebinding import Kept, Values, names_and_types, read_values, rebinder
from alt.expressions.update import Update


class WriteExpressions(NamedTuple):
    update: Update | None
    condition: Condition | None


class _Expressions(NamedTuple):
    """What makes the expressions of one shape, for given values of its types and their bytes."""

    update: Callable[[Values, int], Update | None]
    condition: Callable[[Values], Condition | None]


_kept: Kept[_Expressions] = Kept()


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
    values, size = read_values(given)
    shape: Hashable = None
    if values is not None:
        shape = (update_text, condition_text, given is None, names_and_types(names, values))
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


def _keep(shape: Hashable, update: Update | None, condition: Condition | None) -> None:
    update_again = _update_rebinder(update)
    condition_again = _no_condition if condition is None else condition.rebound()
    if update_again is not None and condition_again is not None:
        _kept.put(shape, _Expressions(update_again, condition_again))


def _no_condition(_values: Values) -> None:
    return None


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
