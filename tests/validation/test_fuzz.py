"""Hostile requests: whatever the JSON, it is answered or passes, and the quick test agrees with the walks."""

from __future__ import annotations

import copy
import functools
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alt.errors import ApiError
from alt.validation import check, conform, constraints, operations, serialization, shapes
from alt.validation.shapes import Shape

OPERATIONS = [
    (service, name) for service in ("dynamodb", "dynamodbstreams") for name in sorted(operations(service))
]

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(["\ud800", "true", "YQ==", "arn:x", "a" * 300, "HASH", "\U0001f600"]),
)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def answer(service: str, operation: str, request: Any) -> ApiError | None:
    try:
        check(service, operation, request)
    except ApiError as error:
        return error
    return None


@functools.cache
def shape_of(service: str, operation: str) -> Shape:
    shape = shapes.request_shape(service, operation)
    assert shape is not None
    return shape


@functools.cache
def values_of(shape: Shape) -> st.SearchStrategy[Any]:
    """Values near a shape: usually of its JSON type, now and then anything at all."""
    return st.one_of(well_typed(shape), well_typed(shape), well_typed(shape), JSON)


def well_typed(shape: Shape) -> st.SearchStrategy[Any]:
    if shape.kind == "structure":
        members = {name: values_of(member) for name, member in shape.members.items()}
        required = {name: members.pop(name) for name in shape.required}
        return st.fixed_dictionaries(required, optional=members)
    if shape.kind in ("list", "map"):
        assert shape.element is not None
        elements = values_of(shape.element)
        if shape.kind == "list":
            return st.lists(elements, max_size=2)
        return st.dictionaries(st.sampled_from(["a", "abc", "bad!name", "arn:aws:x"]), elements, max_size=2)
    if shape.kind == "attribute":
        return ATTRIBUTES
    if shape.kind in ("integer", "long", "double", "timestamp"):
        return st.sampled_from([-1, 0, 1, 2, 100, 1.5, float("nan")])
    if shape.kind == "boolean":
        return st.sampled_from([True, False, "true"])
    words = shape.limits.enum or ("abc", "bad!name", "", "YQ==", "x" * 40)
    return st.sampled_from(words)


ATTRIBUTES: st.SearchStrategy[Any] = st.recursive(
    st.sampled_from(
        [
            {"S": "x"},
            {"N": "1"},
            {"B": "YQ=="},
            {"B": "YQ="},
            {"BOOL": True},
            {"NULL": "true"},
            {"SS": ["x"]},
            {"NS": ["1", None]},
            {"BS": ["YQ=="]},
            {"S": "x", "N": None},
            {"N": 1},
            {},
            None,
        ]
    ).map(copy.deepcopy),
    lambda inner: (
        st.lists(inner, max_size=2).map(lambda values: {"L": values})
        | st.dictionaries(st.sampled_from(["", "a"]), inner, max_size=2).map(lambda values: {"M": values})
    ),
    max_leaves=4,
)


@pytest.mark.parametrize(("service", "operation"), OPERATIONS)
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_any_request_is_answered_or_passes(service: str, operation: str, data: st.DataObject) -> None:
    error = answer(service, operation, data.draw(values_of(shape_of(service, operation))))
    if error is not None:
        assert error.type in ("SerializationException", "ValidationException")
        assert error.message


@pytest.mark.parametrize(("service", "operation"), OPERATIONS)
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_what_the_quick_test_accepts_the_walks_leave_as_it_is(
    service: str, operation: str, data: st.DataObject
) -> None:
    shape = shape_of(service, operation)
    request = data.draw(well_typed(shape))
    if not conform.test_of(shape, but_items=False)(request):
        return
    before = copy.deepcopy(request)
    constraints.check(operation, shape, serialization.read(shape, request))
    assert request == before


@pytest.mark.parametrize(("service", "operation"), OPERATIONS)
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_a_request_that_passed_passes_again_unchanged(
    service: str, operation: str, data: st.DataObject
) -> None:
    request = data.draw(well_typed(shape_of(service, operation)))
    if answer(service, operation, request) is not None:
        return
    before = copy.deepcopy(request)
    check(service, operation, request)
    assert request == before


@given(request=JSON)
def test_any_json_is_refused_or_read(request: Any) -> None:
    for operation in ("PutItem", "SearchVectors", "BatchWriteItem"):
        with pytest.raises(ApiError):
            check("dynamodb", operation, copy.deepcopy(request))


def test_what_the_model_does_not_know_is_left_alone() -> None:
    request = {"RequestItems": {"abc": [{"": None}]}, "Other": None}
    shape = shape_of("dynamodb", "BatchWriteItem")
    assert serialization.read(shape, copy.deepcopy(request)) == request
