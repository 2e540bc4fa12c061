"""JSON as Alt stores and sends it."""

from __future__ import annotations

import re
from typing import Any

import ujson

# A search holds the interpreter, so a long text is searched in steps.
STEP_BYTES = 64 * 1024

# The bytes of half a surrogate pair, which UTF-8 leaves out: no other character begins with them.
_SURROGATE = re.compile(rb"\xed[\xa0-\xbf]")


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


def has_broken_text(text: bytes, parsed: object) -> bool:
    """Whether JSON that was read from a text has half a surrogate pair in it, which no UTF-8 can carry.

    ujson reads its three bytes as well as its escape. What was read is walked through only where there may be an escape.
    """
    if not text.isascii() and _has_surrogate_bytes(text):
        return True
    return (b"\\ud" in text or b"\\uD" in text) and has_lone_surrogate(parsed)


def _has_surrogate_bytes(text: bytes) -> bool:
    # Each step sees a byte of the next.
    steps = range(0, len(text), STEP_BYTES)
    return any(_SURROGATE.search(text, at, at + STEP_BYTES + 1) for at in steps)


def has_lone_surrogate(parsed: object) -> bool:
    """Whether a string or a name anywhere in parsed JSON has half a surrogate pair."""
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
