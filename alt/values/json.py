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
