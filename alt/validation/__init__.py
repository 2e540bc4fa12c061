"""Whether a request is one of the API's: the JSON type and the constraints of every member.

The shapes come from the API's model (`shapes.json`, generated), the departures of the service from it
from recordings (`policy.py`). What goes beyond a single member is the operations' to check: parameter
rules, expressions, and the value rules of attribute values.

`checker` compiles a quick test for an operation; only a request that fails it is walked again, first
by `serialization`, then by `constraints`, to say what is wrong.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from alt import errors
from alt.validation import conform, constraints, serialization, shapes, strict
from alt.validation.constraints import is_deep
from alt.validation.shapes import operations
from alt.validation.text import has_lone_surrogate

__all__ = ["Checker", "check", "checker", "has_lone_surrogate", "is_deep", "operations"]

# Takes a parsed request. Raises ApiError, or leaves the request as the operations want it:
# no null members, whole numbers for integers, booleans for booleans.
Checker: TypeAlias = Callable[[object], None]

_checkers: dict[tuple[str, str], Checker] = {}


def checker(service: str, operation: str) -> Checker | None:
    """The check of an operation's requests, compiled on first use; None for an unknown operation.

    `service`: "dynamodb" or "dynamodbstreams".
    """
    found = _checkers.get((service, operation))
    if found is None:
        shape = shapes.request_shape(service, operation)
        if shape is None:
            return None
        found = _checkers[service, operation] = _compile(operation, shape)
    return found


def check(service: str, operation: str, request: object) -> None:
    """Checks one request. Raises ApiError: UnknownOperation-, Serialization- or ValidationException."""
    found = checker(service, operation)
    if found is None:
        raise errors.unknown_operation()
    found(request)


def _compile(operation: str, shape: shapes.Shape) -> Checker:
    conforms = conform.test_of(shape)

    def check_request(request: object) -> None:
        if conforms(request):
            return
        if operation == "SearchVectors":
            strict.check(shape, request)
        constraints.check(operation, shape, serialization.read(shape, request))

    return check_request
