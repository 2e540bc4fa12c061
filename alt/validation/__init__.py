"""Whether a request is one of the API's: the JSON type and the constraints of every member.

The shapes come from the API's model (`shapes.json`, generated), the departures of the service from it
from recordings (`policy.py`). What goes beyond a single member is the operations' to check: parameter
rules, expressions, and the value rules of attribute values.

`checker` compiles a quick test for an operation; only a request that fails it is walked again, first
by `serialization`, then by `constraints`, to say what is wrong. `requests` (generated) has the types of
what passed.
"""

from __future__ import annotations

from alt import errors
from alt.validation import conform, constraints, serialization, shapes, strict
from alt.validation.constraints import is_deep
from alt.validation.shapes import operations

__all__ = ["Checker", "check", "checker", "is_deep", "operations"]


class Checker:
    """What the requests of one operation must be."""

    def __init__(self, operation: str, shape: shapes.Shape) -> None:
        self._operation = operation
        self._shape = shape
        self.conforms = conform.test_of(shape, but_items=False)
        # The same but for items to be put, which their operations read before all else.
        self.has_items = conform.has_items(shape)
        self.conforms_but_items = conform.test_of(shape, but_items=True) if self.has_items else self.conforms

    def __call__(self, request: object) -> None:
        """Takes a parsed request. Raises ApiError, or leaves the request as the operations want it:
        no null members, whole numbers for integers, booleans for booleans.
        """
        if self.conforms(request):
            return
        if self._operation == "SearchVectors":
            strict.check(self._shape, request)
        constraints.check(self._operation, self._shape, serialization.read(self._shape, request))


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
        found = _checkers[service, operation] = Checker(operation, shape)
    return found


def check(service: str, operation: str, request: object) -> None:
    """Checks one request. Raises ApiError: UnknownOperation-, Serialization- or ValidationException."""
    found = checker(service, operation)
    if found is None:
        raise errors.unknown_operation()
    found(request)
