"""What a SELECT comes to, and what is kept of one that reads a single item.

As with a Query's plans (alt/operations/queries/plans.py), what is kept refuses nothing: where parameters are unusual the
statement is read as if it were the first.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import NamedTuple

from alt.errors import ApiError
from alt.expressions import Condition, Projection
from alt.expressions.nodes import Value
from alt.expressions.rebinding import Values
from alt.operations.keys import key_row
from alt.operations.queries.source import Source
from alt.storage.engine import Table
from alt.storage.model.keys import RowKey
from alt.storage.model.ranges import PartitionRange, SlotRange


class Reading(NamedTuple):
    """A SELECT that nothing is wrong with.

    `row`: that of the one item whose whole key it names, which is made of the values `key`. `is_plain`: each of them is
    named once, so that another request of the same text may have others.
    """

    table: Table
    source: Source
    ranges: Sequence[PartitionRange | SlotRange]
    condition: Condition | None
    projection: Projection | None
    fetch: bool
    row: RowKey | None
    key: Sequence[Value] = ()
    is_plain: bool = True


def row_of(source: Source, key: Sequence[Value]) -> RowKey:
    """The row of a whole key on the table itself. Raises what is wrong with its values."""
    definition = source.definition
    attributes = zip(definition.key_attributes, key, strict=True)
    return key_row(definition, {attribute.name: value.attribute for attribute, value in attributes})


def shape_of(text: str, parameters: Values, is_consistent: bool) -> Hashable:
    """All of a statement but the values of its parameters."""
    return text, is_consistent, tuple([value.type for value in parameters.values()])


class PointRead:
    """A SELECT of one item by its whole key, of the table that the statement calls `name`."""

    __slots__ = ("_condition", "_key", "_projection", "_source", "definition", "name")

    def __init__(self, name: str, reading: Reading, condition: Callable[[Values], Condition] | None) -> None:
        self.name = name
        self.definition = reading.source.definition
        self._source = reading.source
        self._projection = reading.projection
        self._key = reading.key
        self._condition = condition

    def reading(self, table: Table | None, values: Values) -> Reading | None:
        """The same of other parameters of the same types; None where they, or the table, have to be looked at closely."""
        if table is None or table.definition is not self.definition:
            return None
        try:
            key = [value if value.slot is None else values[value.slot] for value in self._key]
            row = row_of(self._source, key)
        except ApiError:
            return None
        condition = None if self._condition is None else self._condition(values)
        return Reading(table, self._source, (), condition, self._projection, fetch=False, row=row)


def point_read(name: str, reading: Reading) -> PointRead | None:
    """What is kept of a SELECT, None for one of more than an item, and where its parameters are to be checked each time."""
    if reading.row is None or not reading.is_plain:
        return None
    again = None if reading.condition is None else reading.condition.rebound()
    if again is None and reading.condition is not None:
        return None
    return PointRead(name, reading, again)
