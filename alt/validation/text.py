"""Text that no UTF-8 can carry."""

from __future__ import annotations

from alt.values.json import is_encodable


def has_lone_surrogate(request: object) -> bool:
    r"""Whether a string or a name anywhere in a parsed request has half a surrogate pair.

    JSON can write one as an escape, so only a body with `\ud` or `\uD` in it needs the question.
    """
    pending = [request]
    while pending:
        value = pending.pop()
        if type(value) is str:
            if not value.isascii() and not is_encodable(value):
                return True
        elif type(value) is dict:
            pending.extend(value)
            pending.extend(value.values())
        elif type(value) is list:
            pending.extend(value)
    return False
