"""Items to be put are left to `normalize_item`, which accepts none that the whole check would not."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from alt import validation
from alt.errors import ApiError
from alt.operations import OPERATIONS, TwoSteps
from alt.values.attribute import normalize_item

KINDS = ["S", "N", "B", "BOOL", "NULL", "SS", "NS", "BS", "M", "L", "X"]

atoms = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 2),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(["", "a", "S", "12", "-1.50", "YQ==", "YR==", "YWI=", "true", "false", "ß"]),
)
anything = st.recursive(
    atoms,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(KINDS), inner, min_size=1, max_size=1),
        st.dictionaries(st.sampled_from([*KINDS, "", "name"]), inner, max_size=3),
    ),
    max_leaves=12,
)
items = st.dictionaries(st.sampled_from(["", "pk", "a"]), anything, max_size=2)


def outcome(item: Any, *, is_checked: bool) -> Any:
    """The item as it is to be stored and its size; None where it is refused, or left to the whole check."""
    request = {"TableName": "table", "Item": item}
    check = validation.checker("dynamodb", "PutItem")
    assert check is not None
    try:
        if is_checked:
            check(request)
        return normalize_item(item), item
    except ApiError:
        return None
    except Exception:
        assert not is_checked, "what is checked is refused in DynamoDB's words"
        return None


@given(items)
@example({"a": {"L": "ab"}})
@example({"a": {"L": {}}})
@example({"a": {"SS": {"a": 1}}})
@example({"a": {"SS": "ab"}})
@example({"a": {"BOOL": "true"}})
@example({"a": {"L": [{"BOOL": 1}]}})
@example({"a": {"B": "YR=="}})
@example({"a": {"M": []}})
def test_what_it_accepts_unchecked_it_accepts_alike_when_checked(item: Any) -> None:
    found = outcome(copy.deepcopy(item), is_checked=False)
    if found is not None:
        assert found == outcome(copy.deepcopy(item), is_checked=True)


def test_the_operations_that_leave_items_are_those_that_normalize_them_first() -> None:
    left = {
        operation
        for service in ("dynamodb", "dynamodbstreams")
        for operation in validation.operations(service)
        if (check := validation.checker(service, operation)) is not None and check.has_items
    }
    assert left == {"PutItem", "BatchWriteItem", "TransactWriteItems"}
    # The others parse statements beside the event loop, and their requests are checked whole.
    statements = {"ExecuteStatement", "BatchExecuteStatement", "ExecuteTransaction"}
    in_two_steps = {name for (_, name), operation in OPERATIONS.items() if type(operation) is TwoSteps}
    assert in_two_steps == left | statements
