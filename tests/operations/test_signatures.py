"""Each operation takes its own type of request, and says which call of the API it is.

The table of operations takes any request, so that the type checker cannot tell.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest

from alt.operations import OPERATIONS, TwoSteps
from alt.validation import requests

PAGES = "https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_"


def _steps(service: str, name: str) -> list[Callable[..., Any]]:
    operation = OPERATIONS[service, name]
    return [operation.read, operation.run] if isinstance(operation, TwoSteps) else [operation]


@pytest.mark.parametrize(("service", "name"), OPERATIONS)
def test_it_takes_its_own_type_of_request(service: str, name: str) -> None:
    for step in _steps(service, name):
        taken = inspect.signature(step).parameters["request"].annotation.rpartition(".")[2]
        assert taken in (f"{name}Input", f"{name}Request")
        assert hasattr(requests, taken)


@pytest.mark.parametrize(("service", "name"), OPERATIONS)
def test_it_says_which_call_it_is(service: str, name: str) -> None:
    page = f"{PAGES}{'streams_' if service == 'dynamodbstreams' else ''}{name}.html"
    assert (inspect.getdoc(_steps(service, name)[-1]) or "").startswith(f"{name} ({page}).")
