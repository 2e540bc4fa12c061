"""Updates carried out on an item.

All operands read the item as it was, whatever the update itself writes, and all
indexes mean the list as it was: a write beyond its end is appended, in the order of
the indexes, and elements are removed last. Items share structure and are never
changed, so the containers on the way to a nested write are copied.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from alt.config import MAX_ITEM_BYTES
from alt.errors import ApiError, validation
from alt.expressions.charge import statement_charge
from alt.expressions.conditions import read_names
from alt.expressions.nodes import (
    Action,
    Add,
    Arithmetic,
    Delete,
    Elements,
    Function,
    Operand,
    Path,
    Remove,
    Set,
    Value,
    walk,
)
from alt.expressions.paths import lookup
from alt.expressions.projection import Projection
from alt.values import numbers
from alt.values.attribute import check_nesting, normalize
from alt.values.types import AttributeValue, Item


class Given(NamedTuple):
    """What an update gives a whole attribute, as far as the request alone tells: the type, and mostly the value."""

    name: str
    type: str
    value: AttributeValue | None


class Update:
    """Bound `actions` in the order written; their paths are distinct (see `paths.check_distinct`).

    `attribute_names`: the top-level attributes written or removed, whole or in part; known, or
    told by the actions. `is_small`: the charge is known not to be too much.
    """

    __slots__ = ("_is_small", "actions", "attribute_names")

    def __init__(
        self,
        actions: Sequence[Action],
        attribute_names: frozenset[str] | None = None,
        *,
        is_small: bool = False,
    ) -> None:
        self.actions = tuple(actions)
        if attribute_names is None:
            attribute_names = frozenset([str(action.path.elements[0]) for action in actions])
        self.attribute_names = attribute_names
        self._is_small = is_small

    def apply(self, item: Item) -> Item:
        """The item as the update leaves it; an absent item is `{}`.

        Raises ValidationExceptions, bare, for what does not fit this item: an operand
        that is absent or of another type, a path that leads nowhere, a number out of
        range, a value nested too deep.
        """
        changes = _Changes(item)
        for action in self.actions:
            _PERFORM[action.__class__](action, item, changes)
        return changes.finished()

    def updated(self, item: Item) -> Item:
        """What UPDATED_OLD answers of the item before the update, and UPDATED_NEW of the one after it.

        That is a projection of the paths written, as recorded: an element set beyond
        the end of its list is not found at its index and not answered.
        """
        return Projection(self.paths).apply(item)

    @property
    def paths(self) -> tuple[Elements, ...]:
        """The paths written or removed."""
        return tuple([action.path.elements for action in self.actions])

    @property
    def size(self) -> int:
        """How many actions it has, as a measure of the time it takes."""
        return len(self.actions)

    @property
    def nested_names(self) -> frozenset[str]:
        """Those written, removed or read with `.` or `[]`; an index key may not be among them."""
        return read_names(*self.actions, nested=True)

    @property
    def given(self) -> Iterator[Given]:
        """What it gives whole attributes, be it to set, to add or to delete, where the item has no say in the type."""
        for action in self.actions:
            if isinstance(action, Remove) or len(action.path.elements) > 1:
                continue
            kind = _known_type(action.value)
            if kind is not None:
                value = action.value.attribute if isinstance(action.value, Value) else None
                yield Given(str(action.path.elements[0]), kind, value)

    @property
    def creates(self) -> bool:
        """Whether an item comes to be where there is none: REMOVE and DELETE alone leave nothing."""
        return any(isinstance(action, Set | Add) for action in self.actions)

    @property
    def reads_item(self) -> bool:
        """Whether it depends on the item: it does more than set whole attributes to given values and remove them."""
        return any(
            len(action.path.elements) > 1
            or isinstance(action, Add | Delete)
            or (isinstance(action, Set) and any(isinstance(part, Path) for part in walk(action.value)))
            for action in self.actions
        )

    @property
    def charge(self) -> int:
        """The bytes that UpdateItem holds against the item size limit, whatever the item."""
        return statement_charge(self.actions)

    @property
    def is_too_large(self) -> bool:
        return not self._is_small and self.charge > MAX_ITEM_BYTES


_NOTHING: AttributeValue = {"NULL": True}


class _Changes:
    """A copy of an item in the making."""

    __slots__ = ("_appended", "_item", "_opened", "_removed", "_unchecked")

    def __init__(self, item: Item) -> None:
        # Of how many more values the nesting is looked at. An item with more of them is too large, whatever
        # they are, and a short update can copy a large list many times.
        self._unchecked = MAX_ITEM_BYTES
        self._item = item.copy()
        self._opened: dict[Elements, Any] = {}  # the containers copied so far, by path
        self._appended: dict[Elements, dict[int, AttributeValue]] = {}
        self._removed: dict[Elements, list[int]] = {}

    def write(self, path: Elements, value: AttributeValue) -> None:
        if "M" in value or "L" in value:
            if self._unchecked > 0:
                self._unchecked -= check_nesting(value, len(path))
            else:
                value = _NOTHING  # a hundred long lists would take long to free, all at once
        if len(path) == 1:
            self._item[path[0]] = value  # type: ignore[index]
            return
        container = self._open(path)
        element: Any = path[-1]
        if isinstance(container, list) and element >= len(container):
            self._appended.setdefault(path[:-1], {})[element] = value
        else:
            container[element] = value

    def remove(self, path: Elements) -> None:
        if len(path) == 1:
            self._item.pop(path[0], None)  # type: ignore[arg-type]
            return
        container = self._open(path)
        element: Any = path[-1]
        if isinstance(container, dict):
            container.pop(element, None)
        elif element < len(container):
            self._removed.setdefault(path[:-1], []).append(element)

    def _open(self, path: Elements) -> Any:
        """The container that the last step of a path goes into, and all around it, copied."""
        container: Any = self._item
        for length in range(1, len(path)):
            prefix = path[:length]
            inner = self._opened.get(prefix)
            if inner is None:
                inner = self._opened[prefix] = _copy_inner(container, path[length - 1], path[length])
            container = inner
        return container

    def finished(self) -> Item:
        for path, values in self._appended.items():
            self._opened[path].extend([values[index] for index in sorted(values)])
        for path, indexes in self._removed.items():
            elements = self._opened[path]
            for index in sorted(indexes, reverse=True):
                del elements[index]
        return self._item


def _copy_inner(container: Any, element: Any, step: str | int) -> Any:
    """Puts a copy of the map or list at `element` in its place, ready for `step` into it."""
    kind = "M" if isinstance(step, str) else "L"
    if isinstance(container, dict):
        value = container.get(element)
    else:
        value = container[element] if element < len(container) else None
    if value is None or kind not in value:
        raise validation("The document path provided in the update expression is invalid for update")
    inner = value[kind].copy()
    container[element] = {kind: inner}
    return inner


# Actions


def _set(action: Set, item: Item, changes: _Changes) -> None:
    changes.write(action.path.elements, _value(action.value, item))


def _remove(action: Remove, _item: Item, changes: _Changes) -> None:
    changes.remove(action.path.elements)


def _add(action: Any, item: Item, changes: _Changes) -> None:
    path = action.path.elements
    given = action.value
    stored = lookup(item, path)
    if stored is None:
        changes.write(path, given.attribute)
    elif given.type not in stored:
        raise _incorrect_type()
    elif given.type == "N":
        changes.write(path, {"N": numbers.add(stored["N"], given.attribute["N"])})
    else:
        members = {*stored[given.type], *given.attribute[given.type]}
        union: AttributeValue = {given.type: list(members)}
        normalize(union)  # for the canonical order
        changes.write(path, union)


def _delete(action: Any, item: Item, changes: _Changes) -> None:
    path = action.path.elements
    given = action.value
    stored = lookup(item, path)
    if stored is not None and given.type not in stored:
        raise _incorrect_type()
    members = () if stored is None else stored[given.type]
    unwanted = set(given.attribute[given.type])
    left = [member for member in members if member not in unwanted]
    if left:
        changes.write(path, {given.type: left})
    else:
        changes.remove(path)  # a set is never empty


_PERFORM: dict[type, Callable[[Any, Item, _Changes], None]] = {
    Set: _set,
    Remove: _remove,
    Add: _add,
    Delete: _delete,
}


# Operands


def _value(operand: Any, item: Item) -> AttributeValue:
    kind = operand.__class__
    if kind is Value:
        attribute: AttributeValue = operand.attribute
        return attribute
    if kind is Path:
        value = lookup(item, operand.elements)
        if value is None:
            raise validation("The provided expression refers to an attribute that does not exist in the item")
        return value
    if kind is Arithmetic:
        left, right = _content("N", operand.left, item), _content("N", operand.right, item)
        return {"N": _ARITHMETIC[operand.operator](left, right)}
    first, second = operand.operands
    if operand.name == "list_append":
        return {"L": _content("L", first, item) + _content("L", second, item)}
    value = lookup(item, first.elements)  # if_not_exists
    return _value(second, item) if value is None else value


def _known_type(operand: Operand) -> str | None:
    """The type of what an operand comes to, whatever the item. That of if_not_exists is what its second operand has."""
    if isinstance(operand, Value):
        return operand.type
    if isinstance(operand, Arithmetic):
        return "N"
    if isinstance(operand, Function):
        return "L" if operand.name == "list_append" else _known_type(operand.operands[1])
    return None


_ARITHMETIC = {"+": numbers.add, "-": numbers.subtract}


def _content(kind: str, operand: Operand, item: Item) -> Any:
    """What an operand's value holds, which must be of one type."""
    value = _value(operand, item)
    if kind not in value:
        raise _incorrect_type()
    return value[kind]


def _incorrect_type() -> ApiError:
    return validation("An operand in the update expression has an incorrect data type")
