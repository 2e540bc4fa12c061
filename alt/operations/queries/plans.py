"""Query plans: what the texts of a Query came to, kept for requests of its shape (alt/expressions/rebinding.py).

What its texts, names and settings come to is the same each time, as long as the table's
definition is; only the values are looked at anew. A plan never refuses anything: where
values are unusual it has no answer, and the request is read as if it were the first.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING

from alt.expressions import Condition, KeyRange, Projection
from alt.expressions.rebinding import Rebind, Values, names_and_types, read_values, rebinder
from alt.operations.queries.source import Source
from alt.storage.model.ranges import PartitionRange

if TYPE_CHECKING:
    from alt.validation.requests import QueryInput

# What plans know of; a request with any other member has none.
_IN_SHAPE = (
    "TableName",
    "IndexName",
    "KeyConditionExpression",
    "FilterExpression",
    "ProjectionExpression",
    "Select",
    "ScanIndexForward",
    "ConsistentRead",
)
_MEMBERS = frozenset(_IN_SHAPE) | {
    "ExpressionAttributeNames",
    "ExpressionAttributeValues",
    "Limit",
    "ExclusiveStartKey",
    "ReturnConsumedCapacity",
}


def shape_of(request: QueryInput) -> tuple[Hashable, Values]:
    """All of a Query but its values and what only its page needs, None for one that no plan is made of.

    With the values, which become canonical in place.
    """
    given = request.get("ExpressionAttributeValues")
    if given is None or not _MEMBERS.issuperset(request):
        return None, {}
    values, _ = read_values(given)
    if values is None:
        return None, {}
    texts = tuple(map(request.get, _IN_SHAPE))
    return (texts, names_and_types(request.get("ExpressionAttributeNames"), values)), values


class Plan:
    """A Query that nothing was wrong with.

    `is_short`: whether its last page had few and small rows.
    """

    __slots__ = (
        "_condition",
        "_descending",
        "_hash_keys",
        "_operator",
        "_range_keys",
        "_values",
        "definition",
        "fetch",
        "is_short",
        "projection",
        "source",
    )

    def __init__(
        self,
        key_range: KeyRange,
        source: Source,
        values: Rebind,
        condition: Callable[[Values], Condition] | None,
        projection: Projection | None,
        *,
        descending: bool,
        fetch: bool,
    ) -> None:
        """`values` makes those of the key range, one after the other, and `condition` the filter."""
        self.definition = source.definition
        self.source = source
        self.projection = projection
        self.fetch = fetch
        self.is_short = True
        self._values = values
        self._condition = condition
        self._descending = descending
        self._operator = key_range.operator
        self._hash_keys = len(key_range.hash_values)
        self._range_keys = self._hash_keys + len(key_range.range_values)

    def rows(self, values: Values) -> PartitionRange | None:
        """The rows that other values ask for. None, or an ApiError, if these have to be looked at closely."""
        found = self._values(values)
        hash_keys, range_keys = self._hash_keys, self._range_keys
        key_range = KeyRange(
            found[:hash_keys], found[hash_keys:range_keys], self._operator, found[range_keys:]
        )
        rows = self.source.partition(key_range, descending=self._descending)
        return None if rows.is_reversed else rows

    def condition(self, values: Values) -> Condition | None:
        """The filter, of other values."""
        return None if self._condition is None else self._condition(values)


def plan_of(
    key_range: KeyRange,
    source: Source,
    rows: PartitionRange,
    condition: Condition | None,
    projection: Projection | None,
    fetch: bool,
) -> Plan | None:
    """The plan of a Query that nothing is wrong with; None where other values of its filter would have to be checked."""
    again = None if condition is None else condition.rebound()
    values = rebinder((*key_range.hash_values, *key_range.range_values, *key_range.operands))
    if values is None or (again is None and condition is not None):
        return None
    return Plan(key_range, source, values, again, projection, descending=rows.descending, fetch=fetch)
