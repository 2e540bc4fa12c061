"""What one member's value may be: its length, range, pattern and enum, and how a breach is said."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple

_ARN = "arn:"
_LONGEST_ARN = 1024

_MAX_KNOWN = 256  # texts that a test remembers

# Java's classes that Python's expressions lack.
_JAVA_CLASSES = {
    r"\p{Print}": r"[\x20-\x7e]",
    r"\uD800\uDC00-\uDBFF\uDFFF": "\U00010000-\U0010ffff",
}


class Breach(NamedTuple):
    """A constraint that does not hold.

    `echoed`: the newer layer, too, words it by the value and the lowerCamelCase member.
    `of_map`: it is about a map's keys or size, not about what the map holds.
    """

    text: str
    echoed: bool = False
    of_map: bool = False


class Limits:
    """The constraints on a scalar, or on a collection's size. Falsy when there are none.

    `minimum` and `maximum` bound a number's value and anything else's length. `pattern` is printed
    as it stands; `matches` is what is matched, where the two differ. `arn`: the name may be an ARN.
    """

    __slots__ = ("_is_number", "_matcher", "_pattern_first", "arn", "enum", "maximum", "minimum", "pattern")

    def __init__(
        self,
        minimum: int | None = None,
        maximum: int | None = None,
        pattern: str | None = None,
        enum: tuple[str, ...] | None = None,
        *,
        matches: str | None = None,
        arn: bool = False,
        is_number: bool = False,
        pattern_first: bool = False,
    ) -> None:
        self.minimum = minimum
        self.maximum = maximum
        self.pattern = pattern
        self.enum = enum
        self.arn = arn
        self._is_number = is_number
        self._pattern_first = pattern_first
        self._matcher = None if pattern is None else re.compile(_python_pattern(matches or pattern), re.ASCII)

    def __bool__(self) -> bool:
        return any(limit is not None for limit in (self.minimum, self.maximum, self.pattern, self.enum))

    def hold(self, value: Any) -> bool:
        """Whether a value of the right JSON type keeps every limit."""
        return not self.breaches(value)

    def breaches(self, value: Any) -> list[Breach]:
        """The limits that `value` breaks, in the order the service reports them.

        The pattern of a value that is too long is not looked at: some of the model's
        patterns take a time that grows with the square of the length.
        """
        if self.arn and value.startswith(_ARN):
            return [] if len(value) <= _LONGEST_ARN else [_longest(_LONGEST_ARN, True)]
        if self.enum is not None:
            return [] if value in self.enum else [Breach(enum_set(self.enum), echoed=True)]
        size = value if self._is_number else len(value)
        found = []
        if self.maximum is not None and size > self.maximum:
            found.append(self._too_much(value))
        elif self._matcher is not None and self._matcher.fullmatch(value) is None:
            found.append(Breach(_pattern_phrase(self.pattern), echoed=True))
        if self.minimum is not None and size < self.minimum:
            found.append(Breach(self._lower_phrase(self.minimum), of_map=type(value) is dict))
        return found if self._pattern_first else found[::-1]

    def phrases(self) -> list[str]:
        """Every limit, as a map lists those of its keys and values."""
        said = []
        if self.maximum is not None:
            said.append(self._upper_phrase(self.maximum))
        if self.minimum is not None:
            said.append(self._lower_phrase(self.minimum))
        if self.pattern is not None:
            said.append(_pattern_phrase(self.pattern))
        if self.enum is not None:
            said.append(enum_set(self.enum))
        return said

    def text_test(self) -> Callable[[Any], bool]:
        """A quick test that `value` is a text within the limits. May refuse, never accepts, in doubt."""
        if self.enum is not None:
            values = frozenset(self.enum)
            return lambda value: type(value) is str and value in values
        least, most = self.minimum or 0, _LONGEST_ARN if self.maximum is None else self.maximum
        unbounded = self.maximum is None
        match = None if self._matcher is None else self._matcher.fullmatch
        arn = self.arn

        def holds(value: Any) -> bool:
            if type(value) is not str or len(value) < least:
                return False
            if arn and value.startswith(_ARN):
                return len(value) <= _LONGEST_ARN
            return (unbounded or len(value) <= most) and (match is None or match(value) is not None)

        return holds if match is None else _remembering(holds)

    def size_test(self) -> Callable[[Any], bool]:
        """A quick test of a collection's size."""
        least, most = self.minimum or 0, self.maximum
        if most is None:
            return lambda value: len(value) >= least
        return lambda value: least <= len(value) <= most

    def _too_much(self, value: Any) -> Breach:
        assert self.maximum is not None
        return Breach(self._upper_phrase(self.maximum), echoed=type(value) is str, of_map=type(value) is dict)

    def _upper_phrase(self, maximum: int) -> str:
        return f"Member must have {self._measure()} less than or equal to {maximum}"

    def _lower_phrase(self, minimum: int) -> str:
        return f"Member must have {self._measure()} greater than or equal to {minimum}"

    def _measure(self) -> str:
        return "value" if self._is_number else "length"


NO_LIMITS = Limits()


def _remembering(holds: Callable[[Any], bool]) -> Callable[[Any], bool]:
    """The same test for texts that come again and again, as names do."""
    known: set[str] = set()

    def holds_again(value: Any) -> bool:
        if type(value) is str and value in known:
            return True
        if not holds(value):
            return False
        if len(known) >= _MAX_KNOWN:
            known.clear()
        known.add(value)
        return True

    return holds_again


def enum_set(values: tuple[str, ...]) -> str:
    return f"Member must satisfy enum value set: [{', '.join(values)}]"


def _pattern_phrase(pattern: str | None) -> str:
    return f"Member must satisfy regular expression pattern: {pattern}"


def _longest(maximum: int, echoed: bool) -> Breach:
    return Breach(f"Member must have length less than or equal to {maximum}", echoed)


def _python_pattern(pattern: str) -> str:
    for java, python in _JAVA_CLASSES.items():
        pattern = pattern.replace(java, python)
    return pattern
