"""Every operation with each member, nested ones too, left out, null, empty and of another type: no 500.

The members are those of the API's own model. Where no valid request of the corpus has a member, a
least one is made from the model and put into it.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest
from mutation import Path, put, variants
from world import Find, corpus, finds, named

from alt.validation import operations, shapes
from alt.validation.shapes import Shape

OPERATIONS = [
    (service, name) for service in ("dynamodb", "dynamodbstreams") for name in sorted(operations(service))
]
SEEDS = corpus()
# After any of these that was answered with 200 the store is furnished anew.
DESTRUCTIVE = frozenset(("DeleteTable", "DeleteBackup"))
_SCALARS: dict[str, Any] = {"integer": 1, "long": 1, "double": 1.0, "timestamp": 1, "boolean": True}


def least(shape: Shape) -> Any:
    """A small value that keeps the shape's limits but for patterns."""
    if shape.kind == "structure":
        return {name: least(shape.members[name]) for name in shape.required}
    if shape.kind in ("list", "map"):
        assert shape.element is not None
        return [least(shape.element)] if shape.kind == "list" else {"Music": least(shape.element)}
    if shape.kind == "attribute":
        return {"S": "a"}
    if shape.kind == "string":
        return shape.limits.enum[0] if shape.limits.enum else "Music"
    return _SCALARS.get(shape.kind, "YQ==")


def completions(shape: Shape, value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """The model's members that the value lacks, anywhere in it: where each goes, and what could stand there."""
    if shape.kind == "structure" and isinstance(value, dict):
        for name, member in shape.members.items():
            place = (*path, name)
            if name in value:
                yield from completions(member, value[name], place)
            else:
                yield place, least(member)
                yield from (
                    (place, put(least(member), *inner)) for inner in completions(member, least(member))
                )
    elif shape.element is not None and value:
        key = 0 if shape.kind == "list" else next(iter(value))
        yield from completions(shape.element, value[key], (*path, key))


def requests(service: str, operation: str, thorough: bool) -> Iterator[tuple[str, Any]]:
    """Wrong requests of an operation, and what is wrong with each."""
    shape = shapes.request_shape(service, operation)
    assert shape is not None
    for seed in SEEDS.get(operation) or [least(shape)]:
        yield "as it is", seed
        yield from variants(seed, thorough=thorough)
        for path, value in completions(shape, seed):
            yield f"with {path}", (grown := put(seed, path, value))
            yield from variants(grown, path, thorough=thorough)


@pytest.mark.parametrize("thorough", [False, pytest.param(True, marks=pytest.mark.nightly)])
@pytest.mark.parametrize(("service", "operation"), OPERATIONS)
def test_no_member_makes_an_operation_fail(
    service: str, operation: str, thorough: bool, furnished: Any, caplog: pytest.LogCaptureFixture
) -> None:
    front = furnished()
    for how, request in requests(service, operation, thorough):
        status, answer = front(operation, named(copy.deepcopy(request), front.names))
        assert status in (200, 400), f"{how}: {operation} {request} was answered {answer}\n{caplog.text}"
        if status == 200 and operation in DESTRUCTIVE:
            front = furnished()


@pytest.mark.parametrize("find", [pytest.param(find, id=name) for name, find in finds().items()])
def test_what_once_failed_is_answered(find: Find, furnished: Any) -> None:
    front = furnished()
    assert front.send(find.operation, find.body_for(front.names))[0] in (200, 400)


@pytest.mark.parametrize("operation", SEEDS)
def test_the_corpus_is_valid(operation: str, furnished: Any) -> None:
    for request in SEEDS[operation]:
        front = furnished()
        status, answer = front(operation, named(request, front.names))
        if status == 400:
            # Valid all the same: a condition that does not hold, what is there already or is not yet.
            assert answer["__type"].split("#")[1] not in ("SerializationException", "ValidationException"), (
                answer
            )
