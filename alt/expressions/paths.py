"""Document paths: reading a value through one, and which ones may not stand together."""

from __future__ import annotations

from collections.abc import Sequence

from alt.expressions import problems
from alt.expressions.nodes import Elements
from alt.expressions.problems import Problem
from alt.values.types import AttributeValue, Item


def lookup(item: Item, elements: Elements) -> AttributeValue | None:
    """The value at a path, None where the item has nothing or a step meets another type."""
    value = item.get(elements[0])  # type: ignore[arg-type]  # a path begins with a name
    for element in elements[1:]:
        if value is None:
            return None
        if isinstance(element, str):
            entries = value.get("M")
            value = None if entries is None else entries.get(element)
        else:
            members = value.get("L")
            value = None if members is None or element >= len(members) else members[element]
    return value


class _Step:
    """A node of the tree of all paths: where paths go on from here, and the path that ends here."""

    __slots__ = ("end", "first", "steps")

    def __init__(self, first: int) -> None:
        self.first = first  # the first path that came through
        self.end: int | None = None
        self.steps: dict[str | int, _Step] = {}


def check_distinct(paths: Sequence[Elements]) -> None:
    """Refuses paths of which one lies within another, or of which two read one value as map and as list.

    Raises Problem naming the first such pair in the order given. An overlap is
    reported ahead of a conflict, wherever it stands (recorded from the service).
    """
    if all(len(path) == 1 for path in paths) and len(set(paths)) == len(paths):
        return
    root = _Step(0)
    conflict: str | None = None
    for number, path in enumerate(paths):
        step = root
        for element in path:
            if step.steps and conflict is None:
                known, other = next(iter(step.steps.items()))
                if isinstance(known, str) != isinstance(element, str):
                    conflict = problems.paths_conflict(paths[other.first], path)
            step = step.steps.setdefault(element, _Step(number))
            if step.end is not None:
                raise Problem(problems.paths_overlap(paths[step.end], path))
        if step.steps:
            raise Problem(problems.paths_overlap(paths[step.first], path))
        step.end = number
    if conflict is not None:
        raise Problem(conflict)
