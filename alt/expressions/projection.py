"""Projections: the parts of an item that some paths lead to, in the item's own structure.

Paths that share a beginning are merged. Of a list come only the elements asked
for, close together, in the order of their indexes. What is not there is left out,
and so is a map or list none of whose wanted parts is there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

from alt.expressions.nodes import Elements
from alt.values.types import AttributeValue, Item

# What is wanted below a step; nothing further means all of it.
_Wanted: TypeAlias = dict[str | int, Any]


class Projection:
    """`paths` must be distinct: none within another, none using a map as a list."""

    __slots__ = ("_names", "_wanted", "paths")

    def __init__(self, paths: Sequence[Elements]) -> None:
        self.paths = tuple(paths)
        self._wanted = _merge(self.paths)
        # Where all paths are plain names, the names are all there is to know.
        self._names = list(self._wanted) if all(len(path) == 1 for path in self.paths) else None

    @property
    def attribute_names(self) -> frozenset[str]:
        """The top-level attributes that the projection reads."""
        return frozenset(str(path[0]) for path in self.paths)

    @property
    def nested_names(self) -> frozenset[str]:
        """Those it reads only parts of."""
        return frozenset(str(path[0]) for path in self.paths if len(path) > 1)

    def apply(self, item: Item) -> Item:
        """The wanted parts of an item; shares what it does not cut."""
        if self._names is not None:
            return {name: item[name] for name in self._names if name in item}
        return _entries(self._wanted, item)


def _merge(paths: Sequence[Elements]) -> _Wanted:
    root: _Wanted = {}
    for path in paths:
        wanted = root
        for element in path:
            wanted = wanted.setdefault(element, {})
    return _sorted(root)


def _sorted(wanted: _Wanted) -> _Wanted:
    """With the indexes of every list in order. Paths are no deeper than 32 steps, so neither is this."""
    keys: Any = sorted(wanted) if wanted and isinstance(next(iter(wanted)), int) else wanted
    return {key: _sorted(wanted[key]) for key in keys}


def _entries(wanted: _Wanted, entries: dict[Any, AttributeValue]) -> Item:
    found = {}
    for name, below in wanted.items():
        value = entries.get(name)
        if value is not None:
            part = _part(below, value) if below else value
            if part is not None:
                found[name] = part
    return found  # type: ignore[return-value]


def _part(wanted: _Wanted, value: AttributeValue) -> AttributeValue | None:
    if isinstance(next(iter(wanted)), str):
        entries = _entries(wanted, value["M"]) if "M" in value else None
        return {"M": entries} if entries else None
    elements = _elements(wanted, value["L"]) if "L" in value else None
    return {"L": elements} if elements else None


def _elements(wanted: _Wanted, elements: list[AttributeValue]) -> list[AttributeValue]:
    found = []
    for index, below in wanted.items():
        if isinstance(index, int) and index < len(elements):
            part = _part(below, elements[index]) if below else elements[index]
            if part is not None:
                found.append(part)
    return found
