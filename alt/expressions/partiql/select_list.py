"""What SELECT answers of an item: each path's value, under the path's last part."""

from __future__ import annotations

from collections.abc import Sequence

from alt.errors import validation
from alt.expressions.nodes import Elements
from alt.expressions.paths import lookup
from alt.expressions.projection import Projection
from alt.values.types import Item


class SelectList(Projection):
    """A value is answered under its last name: that of `a.b` is `b`, that of `a.b[1]` is `b[1]`.

    Raises ValidationException where two would have the same.
    """

    __slots__ = ("_named",)

    def __init__(self, paths: Sequence[Elements]) -> None:
        super().__init__(paths)
        self._named: dict[str, Elements] = {}
        for path in paths:
            name = _last_name(path)
            if name in self._named:
                raise validation(f"Duplicate identifiers in select clause: {name}")
            self._named[name] = path

    def apply(self, item: Item) -> Item:
        if self._names is not None:
            return super().apply(item)
        found = {name: lookup(item, path) for name, path in self._named.items()}
        return {name: value for name, value in found.items() if value is not None}


def _last_name(path: Elements) -> str:
    at = max(position for position, element in enumerate(path) if isinstance(element, str))
    return str(path[at]) + "".join([f"[{index}]" for index in path[at + 1 :]])
