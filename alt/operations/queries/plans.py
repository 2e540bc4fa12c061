"""Query plans: what the texts of a Query came to, kept for requests that differ from it in values only.

Programs send the same Query over and over. What its texts, names and settings come to is
the same each time, as long as the table's definition is; only the values are looked at anew.
A plan never refuses anything: where values are unusual it has no answer, and the request is
read as if it were the first.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING

from alt.expressions import KeyRange, Projection
from alt.expressions.nodes import Value
from alt.operations.queries.source import Source
from alt.storage.model.ranges import PartitionRange
from alt.values.attribute import normalize_item
from alt.values.types import AttributeValue

if TYPE_CHECKING:
    from alt.validation.requests import QueryInput

MAX_PLANS = 1_024
# Far below the limit on all names and values together, which a plan does not look at.
MAX_VALUES_BYTES = 8_192

# What plans know of; a request with any other member has none.
_IN_SHAPE = (
    "TableName",
    "IndexName",
    "KeyConditionExpression",
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


def shape_of(request: QueryInput) -> Hashable | None:
    """All of a Query but its values and what only its page needs; None for one that no plan is made of."""
    values = request.get("ExpressionAttributeValues")
    if values is None or not _MEMBERS.issuperset(request):
        return None
    names = request.get("ExpressionAttributeNames")
    return (
        *map(request.get, _IN_SHAPE),
        None if names is None else tuple(names.items()),
        tuple(values),
    )


class Plan:
    """A Query that nothing was wrong with.

    `is_short`: whether its last page had few and small rows.
    """

    __slots__ = (
        "_descending",
        "_hash_values",
        "_operands",
        "_operator",
        "_range_values",
        "_types",
        "definition",
        "fetch",
        "is_short",
        "projection",
        "source",
    )

    def __init__(
        self,
        source: Source,
        key_range: KeyRange,
        projection: Projection | None,
        *,
        descending: bool,
        fetch: bool,
    ) -> None:
        self.definition = source.definition
        self.source = source
        self.projection = projection
        self.fetch = fetch
        self.is_short = True
        self._descending = descending
        self._operator = key_range.operator
        # Those of KeyConditions have no slots, but such a request has no shape either.
        self._hash_values, self._range_values, self._operands = (
            [value.slot or "" for value in found]
            for found in (key_range.hash_values, key_range.range_values, key_range.operands)
        )
        bounded = [source.range_keys[len(self._range_values)]] * len(self._operands) if self._operands else []
        self._types = [
            (name, key.type)
            for names, keys in (
                (self._hash_values, source.hash_keys),
                (self._range_values, source.range_keys),
                (self._operands, bounded),
            )
            for name, key in zip(names, keys, strict=False)
        ]

    def rows(self, values: dict[str, AttributeValue]) -> PartitionRange | None:
        """The rows that other values ask for. None, or an ApiError, if these have to be looked at closely."""
        if normalize_item(values) > MAX_VALUES_BYTES:
            return None
        for name, kind in self._types:
            if kind not in values[name]:
                return None

        def find(slot: str) -> Value:
            return Value(values[slot], slot)

        key_range = KeyRange(
            tuple(map(find, self._hash_values)),
            tuple(map(find, self._range_values)),
            self._operator,
            tuple(map(find, self._operands)),
        )
        rows = self.source.partition(key_range, descending=self._descending)
        return None if rows.is_reversed else rows


class Plans:
    """Plans by the shape of their requests; all are forgotten when there are too many."""

    def __init__(self) -> None:
        self._plans: dict[Hashable, Plan] = {}

    def get(self, shape: Hashable) -> Plan | None:
        return self._plans.get(shape)

    def __len__(self) -> int:
        return len(self._plans)

    def put(self, shape: Hashable, plan: Plan) -> None:
        if len(self._plans) >= MAX_PLANS:
            self._plans.clear()
        self._plans[shape] = plan
