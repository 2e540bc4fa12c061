"""The parameters that many operations share: expressions, and the older ones they exclude."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from alt.errors import validation

_PLACEHOLDERS = ("ExpressionAttributeNames", "ExpressionAttributeValues")


def check_expressions(request: Mapping[str, Any], expressions: Sequence[str], legacy: Sequence[str]) -> None:
    """Expressions do not go with the parameters they replaced, nor placeholders without any expression."""
    new = [name for name in expressions if request.get(name) is not None]
    if not new:
        for name in _PLACEHOLDERS:
            if name in request:
                raise validation(f"{name} can only be specified when using expressions")
        return
    old = [name for name in legacy if request.get(name) is not None]
    if old:
        raise validation(
            "Can not use both expression and non-expression parameters in the same request: "
            f"Non-expression parameters: {{{', '.join(old)}}} Expression parameters: {{{', '.join(new)}}}"
        )
