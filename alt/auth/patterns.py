"""Texts of a policy that others are compared with: wildcards `*` and `?`, and variables such as `${aws:username}`.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache

# What a request has for a condition key, whose name is in lower case; None where it has nothing.
Values = Callable[[str], Sequence[str] | None]

_VARIABLE = re.compile(r"\$\{([^}]*)\}")
_DEFAULT = re.compile(r"(.*?),\s*'([^']*)'\s*")
# How a wildcard is written that is none.
_ESCAPED = {"*": "*", "?": "?", "$": "$"}
_REMEMBERED = 1_024
# In the place of a wildcard while variables are put in, whose values may have stars in them.
_ANY, _ONE = "\ue000", "\ue001"


class Pattern:
    """`has_variables` is of the policy's version, `has_wildcards` of the place where the text stands."""

    __slots__ = ("_fixed", "_parts", "_text")

    def __init__(self, text: str, *, has_wildcards: bool = True, has_variables: bool = True) -> None:
        self._text = text
        parts = _VARIABLE.split(text) if has_variables else [text]
        if has_wildcards:
            parts[::2] = [part.replace("*", _ANY).replace("?", _ONE) for part in parts[::2]]
        self._parts = parts  # text and variables in turn
        self._fixed = self._filled(lambda _: None) if self._is_fixed() else None

    def __repr__(self) -> str:
        return self._text

    def _is_fixed(self) -> bool:
        return all(name in _ESCAPED for name in self._parts[1::2])

    def filled(self, values: Values) -> str | None:
        """The text for this request, for `matches`; None where a variable has no one value."""
        return self._fixed if self._fixed is not None else self._filled(values)

    def _filled(self, values: Values) -> str | None:
        made = []
        for place, part in enumerate(self._parts):
            filled = _variable(part, values) if place % 2 else part
            if filled is None:
                return None
            made.append(filled)
        return "".join(made)


def matches(filled: str, value: str) -> bool:
    """Whether the whole of a value is what a filled pattern says."""
    first, *others = _segments(filled)
    if not others:
        return first.fullmatch(value) is not None
    *middle, last = others
    found = first.match(value)
    # Each piece where it comes first: what is between two stars never has to be looked for again.
    for segment in middle:
        if found is None:
            return False
        found = segment.search(value, found.end())
    begin = len(value) - _length(last)
    return found is not None and found.end() <= begin and last.fullmatch(value, begin) is not None


@lru_cache(_REMEMBERED)
def _segments(filled: str) -> tuple[re.Pattern[str], ...]:
    """What stands between the stars: each of a length that is known."""
    return tuple(
        re.compile(".".join(map(re.escape, segment.split(_ONE))), re.DOTALL) for segment in filled.split(_ANY)
    )


@lru_cache(_REMEMBERED)
def _length(segment: re.Pattern[str]) -> int:
    return len(re.sub(r"\\(.)", r"\1", segment.pattern, flags=re.DOTALL))


def _variable(name: str, values: Values) -> str | None:
    """What stands for `${name}` or `${name, 'default'}`."""
    if name in _ESCAPED:
        return _ESCAPED[name]
    default = None
    if (found := _DEFAULT.fullmatch(name)) is not None:
        name, default = found.groups()
    known = values(name.strip().lower())
    if known is None or len(known) != 1:
        return default
    return None if _ANY in known[0] or _ONE in known[0] else known[0]
