"""Response bodies, put together from JSON that is mostly there already."""

from __future__ import annotations

from typing import Any

from alt.values.json import dumps

EMPTY = b"{}"


def body(value: Any) -> bytes:
    return dumps(value).encode()


def members(**parts: str | bytes | None) -> bytes:
    """An object of members given as JSON text; those that are None are left out."""
    joined = b",".join(
        b'"%b":%b' % (name.encode(), part if isinstance(part, bytes) else part.encode())
        for name, part in parts.items()
        if part is not None
    )
    return b"{%b}" % joined


def optional(value: Any) -> str | None:
    """JSON text of a member, None for a member to leave out."""
    return None if value is None else dumps(value)
