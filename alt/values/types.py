"""Attribute values and items as they stand on the wire."""

from __future__ import annotations

from typing import Any, TypeAlias

# Exactly one member, named by its type: S, N, B, BOOL, NULL, SS, NS, BS, L or M.
# Numbers are decimal text, B and BS hold base64 text.
AttributeValue: TypeAlias = dict[str, Any]

# Attribute name to value.
Item: TypeAlias = dict[str, AttributeValue]
