"""The API's request shapes: the generated table read into one tree of shapes an operation."""

from __future__ import annotations

import functools
import importlib.resources
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import ujson

from alt.validation import policy
from alt.validation.limits import NO_LIMITS, Limits

Service = Literal["dynamodb", "dynamodbstreams"]
Kind = Literal[
    "structure",
    "list",
    "map",
    "attribute",
    "string",
    "integer",
    "long",
    "double",
    "timestamp",
    "boolean",
    "blob",
]

_NUMBERS = frozenset({"integer", "long", "double", "timestamp"})


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """What a place in a request may hold.

    `name` is the model's, and the service's Java class. `order` is the order in which the members'
    breaches are reported; `element` is what a list holds, and a map under its keys.
    Attribute values are leaves, of the kind "attribute".
    """

    name: str
    kind: Kind
    limits: Limits = NO_LIMITS
    members: Mapping[str, Shape] = field(default_factory=dict)
    required: tuple[str, ...] = ()
    order: tuple[str, ...] = ()
    element: Shape | None = None
    key_limits: Limits = NO_LIMITS


def operations(service: str) -> frozenset[str]:
    """The names of a service's operations: none when there is no such service."""
    return frozenset(_table()["operations"].get(service, ()))


def request_shape(service: str, operation: str) -> Shape | None:
    """The shape of an operation's request; None when the operation is unknown. Built anew each time."""
    name = _table()["operations"].get(service, {}).get(operation)
    return None if name is None else _Builder(operation).build(name, ())


@functools.cache
def _table() -> Any:
    packed = importlib.resources.files("alt.validation") / "shapes.json"
    return ujson.loads(packed.read_bytes())


class _Builder:
    """Builds the shapes of one operation: the model's, corrected by the policy."""

    def __init__(self, operation: str) -> None:
        self._operation = operation
        self._shapes = _table()["shapes"]

    def build(self, name: str, path: tuple[str, ...]) -> Shape:
        """`path`: the members that lead from the request to the place."""
        model = self._shapes[name]
        kind: Kind = model["type"]
        if name == "AttributeValue":
            return Shape(name, "attribute")
        limits = policy.limits_of(self._operation, path, name)
        if limits is None:
            limits = _limits(model)
        if kind == "structure":
            return self._structure(name, model, path)
        if kind == "list":
            return Shape(name, kind, limits, element=self.build(model["element"], path))
        if kind == "map":
            keys = policy.key_limits_of(name)
            if keys is None:
                keys = self.build(model["key"], path).limits
            return Shape(name, kind, limits, element=self.build(model["element"], path), key_limits=keys)
        return Shape(name, kind, limits)

    def _structure(self, name: str, model: Any, path: tuple[str, ...]) -> Shape:
        members = {member: self.build(shape, (*path, member)) for member, shape in model["members"].items()}
        order = policy.order_of(self._operation, path, tuple(model.get("order", members)))
        required = policy.required_of(name, tuple(model.get("required", ())))
        return Shape(name, "structure", members=members, required=required, order=order)


def _limits(model: Any) -> Limits:
    enum = model.get("enum")
    limits = Limits(
        model.get("min"),
        model.get("max"),
        model.get("pattern"),
        None if enum is None else tuple(enum),
        is_number=model["type"] in _NUMBERS,
    )
    return limits or NO_LIMITS
