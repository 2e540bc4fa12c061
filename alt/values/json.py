"""JSON as Alt stores and sends it."""

from __future__ import annotations

from typing import Any

import ujson


def dumps(value: Any) -> str:
    """UTF-8, nothing escaped that need not be."""
    text: str = ujson.dumps(value, ensure_ascii=False, escape_forward_slashes=False)
    return text


def is_encodable(text: str) -> bool:
    """Whether UTF-8 has it: it has no half of a surrogate pair."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def has_lone_surrogate(parsed: object) -> bool:
    r"""Whether a string or a name anywhere in parsed JSON has half a surrogate pair.

    JSON can write one as an escape, and ujson reads its bytes: so only a text with `\u` in it, or with more than ASCII,
    needs the question.
    """
    pending = [parsed]
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
