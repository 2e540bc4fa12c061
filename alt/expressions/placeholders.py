"""One request's expressions, and the names and values that their placeholders stand for.

The maps are checked when the first expression comes that may use them, since
without one they are refused whatever they hold. All problems are
ValidationExceptions, bare, in the order recorded from the service.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from alt.errors import ApiError, validation
from alt.expressions.binding import Scope, bind_condition, bind_projection, bind_update
from alt.expressions.conditions import Condition
from alt.expressions.key_conditions import KeyCondition
from alt.expressions.nodes import Value
from alt.expressions.parser import Parsed, parse_condition, parse_projection, parse_update
from alt.expressions.problems import Problem
from alt.expressions.projection import Projection
from alt.expressions.update import Update
from alt.values.attribute import MAX_NAME_BYTES, normalize
from alt.values.types import AttributeValue

MAX_PLACEHOLDER_BYTES = 255
MAX_SUBSTITUTION_BYTES = 2 * 1024 * 1024  # names, values and their placeholders together

Bound = TypeVar("Bound")

_NAMES = "ExpressionAttributeNames"
_VALUES = "ExpressionAttributeValues"

_name_placeholder = re.compile("#[A-Za-z0-9_]+").fullmatch
_value_placeholder = re.compile(":[A-Za-z0-9_]+").fullmatch


class Placeholders:
    """Binds a request's expressions, then tells in `finish` which placeholders none of them used.

    The values are checked and made canonical in place; `older` picks the wording of
    the layer that Scan and the transactions use (see `alt.values.attribute`).
    """

    __slots__ = (
        "_key_condition",
        "_names",
        "_older",
        "_parsed",
        "_resolved_names",
        "_scope",
        "_size",
        "_values",
    )

    def __init__(
        self,
        names: dict[str, str] | None,
        values: dict[str, AttributeValue] | None,
        older: bool = False,
    ) -> None:
        self._names = names
        self._values = values
        self._older = older
        self._resolved_names: Mapping[str, str] | None = None  # once checked
        self._size = 0  # of the names
        self._scope: Scope | None = None  # once the values are checked too
        self._parsed: list[Parsed[Any]] = []
        self._key_condition: KeyCondition | None = None

    @property
    def values(self) -> Mapping[str, Value]:
        """The values that bound expressions hold."""
        return {} if self._scope is None else self._scope.values

    def condition(self, kind: str, text: str) -> Condition:
        """`kind`: ConditionExpression or FilterExpression."""
        scope = self._scope or self._prepare()
        try:
            parsed = parse_condition(text)
            self._parsed.append(parsed)
            condition: Condition = parsed.bound or Condition(
                bind_condition(parsed.tree, scope), parsed.paths, scope.names
            )
        except Problem as problem:
            raise _invalid(kind, problem) from None
        return _kept(parsed, condition)

    def key_condition(self, text: str) -> KeyCondition:
        scope = self._scope or self._prepare()
        try:
            parsed = parse_condition(text)
            self._parsed.append(parsed)
            self._key_condition = KeyCondition(bind_condition(parsed.tree, scope))
        except Problem as problem:
            raise _invalid("KeyConditionExpression", problem) from None
        return self._key_condition

    def update(self, text: str) -> Update:
        scope = self._scope or self._prepare()
        try:
            parsed = parse_update(text)
            self._parsed.append(parsed)
            update: Update = parsed.bound or Update(bind_update(parsed, scope))
        except Problem as problem:
            raise _invalid("UpdateExpression", problem) from None
        return _kept(parsed, update)

    def projection(self, text: str) -> Projection:
        names = self._prepare_names()
        try:
            parsed = parse_projection(text)
            self._parsed.append(parsed)
            projection: Projection = parsed.bound or Projection(bind_projection(parsed.tree, names))
        except Problem as problem:
            raise _invalid("ProjectionExpression", problem) from None
        return _kept(parsed, projection)

    def finish(self) -> None:
        """To be called after the last expression: refuses what no expression used.

        A map without an expression that may use it comes first, then unused names,
        unused values, and what is wrong with the key condition beyond its operands.
        """
        if self._names is not None and self._resolved_names is None:
            raise validation(f"{_NAMES} can only be specified when using expressions")
        if self._values is not None and self._scope is None:
            raise validation(f"{_VALUES} can only be specified when using expressions")
        if self._names:
            _check_used(_NAMES, self._names, [parsed.names for parsed in self._parsed])
        if self._values:
            _check_used(_VALUES, self._values, [parsed.values for parsed in self._parsed])
        if self._key_condition is not None:
            _ = self._key_condition.clauses

    def _prepare_names(self) -> Mapping[str, str]:
        if self._resolved_names is None:
            self._resolved_names = {} if self._names is None else self._names
            if self._names is not None:
                self._size = _check_names(self._names)
        return self._resolved_names

    def _prepare(self) -> Scope:
        names = self._prepare_names()
        values: dict[str, Value] = {}
        if self._values is not None:
            size = _check_values(self._values, self._older)
            _check_size(_VALUES, size)
            values = {key: Value(value, key) for key, value in self._values.items()}
            if size + self._size > MAX_SUBSTITUTION_BYTES:
                raise validation(f"Combined size of {_NAMES} and {_VALUES} exceeds max size")
        self._scope = Scope(names, values, self._older)
        return self._scope


def _invalid(kind: str, problem: Problem) -> ApiError:
    return validation(f"Invalid {kind}: {problem}")


def _kept(parsed: Parsed[Any], bound: Bound) -> Bound:
    """Keeps with the cached tree what does not depend on the request."""
    if not parsed.names and not parsed.values:
        parsed.bound = bound
    return bound


def _check_used(source: str, given: Mapping[str, Any], used: Iterable[Iterable[str]]) -> None:
    """Whether what was given was used; everything used was given."""
    names = set().union(*used)
    if len(names) < len(given):
        unused = ", ".join([key for key in given if key not in names])
        raise validation(f"Value provided in {source} unused in expressions: keys: {{{unused}}}")


def _check_names(names: Mapping[str, str]) -> int:
    """Answers the bytes of names and placeholders."""
    _check_keys(_NAMES, names, _name_placeholder)
    size = 0
    for key, name in names.items():
        try:
            length = len(name) if name.isascii() else len(name.encode())
        except UnicodeEncodeError:
            raise _invalid_value(
                _NAMES, "Text holds an unpaired surrogate and has no UTF-8 form", key
            ) from None
        if not length:
            raise _invalid_value(_NAMES, "Empty attribute name", key)
        if length > MAX_NAME_BYTES:
            long = f"Attribute name is too large, must be less than {MAX_NAME_BYTES + 1} bytes"
            raise _invalid_value(_NAMES, long, key)
        size += len(key) + length
    _check_size(_NAMES, size)
    return size


def _check_values(values: Mapping[str, AttributeValue], older: bool) -> int:
    """Makes the values canonical in place; answers the bytes of values and placeholders."""
    _check_keys(_VALUES, values, _value_placeholder)
    size = 0
    for key, value in values.items():
        try:
            # The older layer counts the nesting of a value apart from the item it may come to stand in.
            size += len(key) + normalize(value, older, level=0 if older else 1)
        except ApiError as error:
            if older and error.type == "ValidationException":
                raise _invalid_value(_VALUES, str(error.message), key) from None
            raise
    return size


def _check_keys(source: str, given: Mapping[str, Any], is_placeholder: Callable[[str], object]) -> None:
    if not given:
        raise validation(f"{source} must not be empty")
    for key in given:
        if not is_placeholder(key):
            shown = key.encode(errors="replace").decode()  # the message must have a UTF-8 form
            raise validation(f'{source} contains invalid key: Syntax error; key: "{shown}"')
        if len(key) > MAX_PLACEHOLDER_BYTES:
            raise validation(
                f"{source} contains invalid key: The expression attribute map contains a key "
                f"that is too long; size of key: {len(key)}"
            )


def _check_size(source: str, size: int) -> None:
    if size > MAX_SUBSTITUTION_BYTES:
        raise validation(f"{source} exceeds max size")


def _invalid_value(source: str, problem: str, key: str) -> ApiError:
    return validation(f"{source} contains invalid value: {problem} for key {key}")
