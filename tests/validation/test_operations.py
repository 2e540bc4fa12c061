"""Which operations there are, and that each can be checked."""

from __future__ import annotations

import pytest

from alt.errors import ApiError
from alt.validation import check, checker, operations

COUNTS = {"dynamodb": 62, "dynamodbstreams": 4}


@pytest.mark.parametrize(("service", "count"), COUNTS.items())
def test_every_operation_of_the_model_is_known(service: str, count: int) -> None:
    names = operations(service)
    assert len(names) == count
    for name in names:
        found = checker(service, name)
        assert found is not None
        with pytest.raises(ApiError, match="payload"):
            found("not an object")


@pytest.mark.parametrize(
    ("service", "operation"),
    [
        ("dynamodb", "getItem"),
        ("dynamodb", "GetRecords"),
        ("dynamodb", ""),
        ("dynamodbstreams", "PutItem"),
        ("dax", "PutItem"),
    ],
)
def test_an_unknown_operation_is_unknown(service: str, operation: str) -> None:
    assert checker(service, operation) is None
    with pytest.raises(ApiError) as raised:
        check(service, operation, {})
    assert raised.value.type == "UnknownOperationException"


def test_an_unknown_service_has_no_operations() -> None:
    assert operations("dax") == frozenset()


def test_a_checker_is_compiled_once() -> None:
    assert checker("dynamodb", "GetItem") is checker("dynamodb", "GetItem")


@pytest.mark.parametrize("operation", ["ListTables", "DescribeLimits", "DescribeEndpoints", "ListBackups"])
def test_an_operation_without_required_members_takes_an_empty_request(operation: str) -> None:
    check("dynamodb", operation, {})
