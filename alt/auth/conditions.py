"""The Condition of a policy's statement: IAM's operators, on what a request has for their keys.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
"""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from ipaddress import ip_address, ip_network
from operator import eq, ge, gt, le, lt
from typing import Any, NamedTuple

from alt.auth.patterns import Pattern, Values, matches

# What a value of the request is compared with; it may have to be filled in first. False where one cannot be read.
Compare = Callable[[str, Any, Values], bool]

_QUALIFIER = re.compile(r"(?:(ForAllValues|ForAnyValue):)?([A-Za-z]+?)(IfExists)?")
_ARN_PARTS = 6


class MalformedConditionError(ValueError):
    """The message says in one line what is wrong."""


class _Operator(NamedTuple):
    """`read` makes of a policy's text what `compare` wants."""

    read: Callable[[str, bool], Any]
    compare: Compare
    is_negated: bool = False


class Test:
    """One operator on one key. `holds` is given the request's values and whether the statement denies.

    Of several values without ForAllValues or ForAnyValue IAM does not say which count: here all must pass for an Allow,
    and one is enough for a Deny, so that it is never the one that grants more.
    """

    __slots__ = ("_if_exists", "_key", "_operator", "_qualifier", "_wanted")

    def __init__(
        self, operator: _Operator, qualifier: str | None, if_exists: bool, key: str, wanted: Sequence[Any]
    ) -> None:
        self._operator = operator
        self._qualifier = qualifier
        self._if_exists = if_exists
        self._key = key
        self._wanted = wanted

    def holds(self, values: Values, *, denies: bool) -> bool:
        found = values(self._key)
        if self._operator is _NULL:
            return any(wanted is (found is None) for wanted in self._wanted)
        if not found:
            if self._qualifier is not None:
                return self._qualifier == "ForAllValues" or self._if_exists
            return self._if_exists or self._operator.is_negated
        passing = (self._passes(value, values) for value in found)
        needs_one = self._qualifier == "ForAnyValue" or (self._qualifier is None and denies)
        return any(passing) if needs_one else all(passing)

    def _passes(self, value: str, values: Values) -> bool:
        compare = self._operator.compare
        return any(compare(value, wanted, values) for wanted in self._wanted) != self._operator.is_negated


def read_condition(block: Any, *, has_variables: bool) -> tuple[Test, ...]:
    """The tests that all must hold. Raises MalformedConditionError."""
    if not isinstance(block, dict):
        raise MalformedConditionError("Condition is not an object")
    return tuple(
        _test(operator, key, given, has_variables)
        for operator, keys in block.items()
        for key, given in _members(operator, keys)
    )


def texts(given: Any) -> list[str] | None:
    """A text or several as a policy may write them; None for anything else. Numbers and truth values count as texts."""
    found = []
    for each in given if isinstance(given, list) else [given]:
        if isinstance(each, bool):
            found.append(str(each).lower())
        elif isinstance(each, (str, int, float)):
            found.append(str(each))
        else:
            return None
    return found


def _members(operator: str, keys: Any) -> Any:
    if not isinstance(keys, dict):
        raise MalformedConditionError(f"Condition {operator} is not an object")
    return keys.items()


def _test(name: str, key: str, given: Any, has_variables: bool) -> Test:
    found = _QUALIFIER.fullmatch(name)
    operator = None if found is None else _OPERATORS.get(found[2].lower())
    if found is None or operator is None or (operator is _NULL and found[3]):
        raise MalformedConditionError(f"there is no condition operator {name}")
    wanted = texts(given)
    if wanted is None:
        raise MalformedConditionError(f"the values of {name} {key} are no texts")
    try:
        read = [operator.read(each, has_variables) for each in wanted]
    except (ValueError, InvalidOperation):
        raise MalformedConditionError(f"{name} {key} cannot have the value {given!r}") from None
    return Test(operator, found[1], bool(found[3]), key.lower(), read)


# Reading


def _plain(text: str, has_variables: bool) -> Pattern:
    return Pattern(text, has_wildcards=False, has_variables=has_variables)


def _wild(text: str, has_variables: bool) -> Pattern:
    return Pattern(text, has_variables=has_variables)


def _arn(text: str, has_variables: bool) -> list[Pattern]:
    """Each part alone: a star does not reach over a colon."""
    parts = text.split(":", _ARN_PARTS - 1)
    if len(parts) < _ARN_PARTS and text != "*":
        raise ValueError
    return [Pattern(part, has_variables=has_variables) for part in parts]


def _number(text: str, _has_variables: bool) -> Decimal:
    return Decimal(text)


def _moment(text: str, _has_variables: bool) -> datetime:
    """ISO 8601, or seconds of the epoch."""
    if re.fullmatch(r"\d{1,11}(\.\d+)?", text) and len(text) != len("2026"):
        return datetime.fromtimestamp(float(text), UTC)
    if re.fullmatch(r"\d{4}", text):
        return datetime(int(text), 1, 1, tzinfo=UTC)
    found = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def _truth(text: str, _has_variables: bool) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueError
    return text.lower() == "true"


def _network(text: str, _has_variables: bool) -> Any:
    return ip_network(text, strict=False)


def _bytes(text: str, _has_variables: bool) -> bytes:
    return b64decode(text, validate=True)


# Comparing


def _like(value: str, wanted: Pattern, values: Values) -> bool:
    filled = wanted.filled(values)
    return filled is not None and matches(filled, value)


def _like_in_any_case(value: str, wanted: Pattern, values: Values) -> bool:
    filled = wanted.filled(values)
    return filled is not None and matches(filled.casefold(), value.casefold())


def _arn_like(value: str, wanted: Sequence[Pattern], values: Values) -> bool:
    parts = value.split(":", _ARN_PARTS - 1)
    if len(wanted) == 1:  # a star alone
        return True
    return len(parts) == _ARN_PARTS and all(
        _like(part, pattern, values) for part, pattern in zip(parts, wanted, strict=True)
    )


def _by(read: Callable[[str, bool], Any], compare: Callable[[Any, Any], bool]) -> Compare:
    def compared(value: str, wanted: Any, _values: Values) -> bool:
        try:
            return compare(read(value, False), wanted)
        except (ValueError, InvalidOperation):
            return False

    return compared


def _in_network(value: str, wanted: Any, _values: Values) -> bool:
    try:
        return ip_address(value) in wanted
    except ValueError:
        return False


_NULL = _Operator(_truth, _by(_truth, eq))
_ORDERS: Mapping[str, Callable[[Any, Any], bool]] = {
    "equals": eq,
    "lessthan": lt,
    "lessthanequals": le,
    "greaterthan": gt,
    "greaterthanequals": ge,
}
_OPERATORS: dict[str, _Operator] = {
    "null": _NULL,
    "stringequals": _Operator(_plain, _like),
    "stringnotequals": _Operator(_plain, _like, is_negated=True),
    "stringequalsignorecase": _Operator(_plain, _like_in_any_case),
    "stringnotequalsignorecase": _Operator(_plain, _like_in_any_case, is_negated=True),
    "stringlike": _Operator(_wild, _like),
    "stringnotlike": _Operator(_wild, _like, is_negated=True),
    "bool": _Operator(_truth, _by(_truth, eq)),
    "binaryequals": _Operator(_bytes, _by(_bytes, eq)),
    "ipaddress": _Operator(_network, _in_network),
    "notipaddress": _Operator(_network, _in_network, is_negated=True),
    # ArnEquals and ArnLike are one (documented).
    **{f"arn{name}": _Operator(_arn, _arn_like) for name in ("equals", "like")},
    **{f"arnnot{name}": _Operator(_arn, _arn_like, is_negated=True) for name in ("equals", "like")},
    **{
        f"{kind}{name}": _Operator(read, _by(read, compare))
        for kind, read in (("numeric", _number), ("date", _moment))
        for name, compare in _ORDERS.items()
    },
    **{
        f"{kind}notequals": _Operator(read, _by(read, eq), is_negated=True)
        for kind, read in (("numeric", _number), ("date", _moment))
    },
}
