"""`write_expressions` answers alike for a first request and for further ones of other values."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from alt.config import MAX_ITEM_BYTES
from alt.errors import ApiError
from alt.expressions import Placeholders, write_expressions
from alt.expressions.rebinding import MAX_SHAPE_BYTES, MAX_VALUES_BYTES

# The texts and names that requests choose from; each uses :v, some also :w.
EXPRESSIONS: list[tuple[str | None, str | None, dict[str, str] | None]] = [
    ("SET a = :v", None, None),
    ("SET #n = #n + :v REMOVE b.c[1] ADD d :w", "#n >= :v", {"#n": "size"}),
    ("SET a = if_not_exists(a, :v), b = list_append(:w, b)", "attribute_exists(a)", None),
    ("DELETE a :v", "contains(b, :v) AND NOT (c IN (:v, :w))", None),
    (None, "a BETWEEN :v AND :w", None),
    (None, "attribute_type(a, :v)", None),
    (None, "begins_with(#n.#m, :v) OR size(a) < :w", {"#n": "x", "#m": "y.z"}),
    (None, " AND ".join(["a <> :v"] * 40), None),
    ("SET a = :v, a.b = :v", None, None),
    ("SET a = :v", "a = :unknown", None),
]
numbers = st.integers(-1000, 1000).map(lambda number: {"N": f"{number}.0"})
texts = st.one_of(st.sampled_from(["S", "N", "NULL", "L"]), st.text(max_size=4)).map(lambda text: {"S": text})
values = st.one_of(
    numbers,
    texts,
    st.sampled_from([MAX_SHAPE_BYTES, MAX_ITEM_BYTES // 2, MAX_ITEM_BYTES, MAX_VALUES_BYTES]).map(
        lambda length: {"S": "x" * (length + 1)}
    ),
    st.just({"BOOL": True}),
    st.lists(st.sampled_from("abc"), max_size=3).map(lambda members: {"SS": members}),
    st.lists(numbers, max_size=2).map(lambda elements: {"L": elements}),
    st.dictionaries(st.sampled_from(["", "a"]), texts, max_size=2).map(lambda entries: {"M": entries}),
    st.just({"N": "one"}),
    st.just({}),
    st.just({"S": "a", "N": "1"}),
)


@st.composite
def requests(draw: Any) -> dict[str, Any]:
    update, condition, names = draw(st.sampled_from(EXPRESSIONS))
    request: dict[str, Any] = {}
    if update is not None:
        request["UpdateExpression"] = update
    if condition is not None:
        request["ConditionExpression"] = condition
    if names is not None:
        request["ExpressionAttributeNames"] = names | draw(st.sampled_from([{}, {"#unused": "u"}]))
    given_values = {":v": draw(values)}
    if ":w" in f"{update}{condition}" or draw(st.integers(0, 9)) == 0:
        given_values[":w"] = draw(values)
    request["ExpressionAttributeValues"] = given_values
    return request


def by_placeholders(request: dict[str, Any], older: bool) -> tuple[Any, Any]:
    placeholders = Placeholders(
        request.get("ExpressionAttributeNames"), request.get("ExpressionAttributeValues"), older
    )
    update = condition = None
    if "UpdateExpression" in request:
        update = placeholders.update(request["UpdateExpression"])
    if "ConditionExpression" in request:
        condition = placeholders.condition("ConditionExpression", request["ConditionExpression"])
    placeholders.finish()
    return update, condition


def outcome(read: Any, request: dict[str, Any], older: bool) -> Any:
    """All that can be told of the expressions, or the error."""
    try:
        update, condition = read(request, older)
    except ApiError as error:
        return error.type, error.message
    seen = [request]  # its values are canonical now
    if update is not None:
        seen.append(
            (update.actions, update.attribute_names, update.nested_names, update.charge, update.is_too_large)
        )
    if condition is not None:
        seen.append((condition.node, condition.attribute_names, condition.nested_names))
    return seen


@given(st.lists(st.tuples(requests(), st.booleans()), min_size=1, max_size=6))
def test_it_answers_what_placeholders_does(sent: list[tuple[dict[str, Any], bool]]) -> None:
    for request, older in sent:
        expected = outcome(by_placeholders, copy.deepcopy(request), older)
        found = outcome(
            lambda request, older: write_expressions(request, updates=True, older=older), request, older
        )
        assert found == expected


def test_another_writes_values_are_not_mixed_up() -> None:
    def request(first: str, second: str) -> dict[str, Any]:
        return {
            "UpdateExpression": "SET a = :a, b = :b",
            "ConditionExpression": "b <> :a",
            "ExpressionAttributeValues": {":a": {"S": first}, ":b": {"S": second}},
        }

    one = write_expressions(request("1", "2"), updates=True)
    other = write_expressions(request("3", "4"), updates=True)
    assert one.update is not None
    assert other.update is not None
    assert one.update.apply({}) == {"a": {"S": "1"}, "b": {"S": "2"}}
    assert other.update.apply({}) == {"a": {"S": "3"}, "b": {"S": "4"}}


def test_what_is_no_parameter_of_a_put_is_not_read() -> None:
    assert write_expressions({"UpdateExpression": "not an expression"}) == (None, None)
