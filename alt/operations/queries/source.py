"""What a Query or Scan reads: the table itself or one of its indexes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from alt.errors import invalid_parameters, validation
from alt.expressions import KeyRange
from alt.operations.keys import hash_value, key_row, range_value, schema_mismatch
from alt.storage.model.definition import IndexDefinition, KeyAttribute, TableDefinition
from alt.storage.model.keys import EncodedKey, Key, layout_of, slot_of
from alt.storage.model.ranges import Bound, PartitionRange
from alt.values.keys import encode, prefix_upper_bound
from alt.values.types import Item

if TYPE_CHECKING:
    from alt.validation.requests import QueryInput, ScanInput


class Source:
    """What can be read: its key schema and projection.

    `projected` are the names of the attributes that its rows hold, None for all.
    """

    def __init__(self, definition: TableDefinition, index: IndexDefinition | None) -> None:
        self.definition = definition
        self.index = index
        self.layout = layout_of(index)
        self.hash_keys = (definition.hash_key,) if index is None else index.hash_keys
        self.range_keys = definition.key_attributes[1:] if index is None else index.range_keys
        keys = [*self.hash_keys, *self.range_keys, *definition.key_attributes]
        # A LastEvaluatedKey holds the index's key and the table's.
        self.key_names = list(dict.fromkeys(key.name for key in keys))
        self.projected = None if index is None else definition.projected_names(index)
        # Whether a partition has one item at most.
        self.is_one_row = index is None and definition.range_key is None

    @property
    def is_global(self) -> bool:
        return self.index is not None and self.index.is_global

    def last_key(self, item: Item) -> Item:
        return {name: item[name] for name in self.key_names}

    def start_key(self, start: Item) -> Key:
        """The row that an ExclusiveStartKey names. Raises ValidationException for one that fits no row."""
        if self.index is None:
            return key_row(self.definition, start)
        if len(start) != len(self.key_names):
            raise schema_mismatch()
        table_row = key_row(
            self.definition,
            {key.name: start[key.name] for key in self.definition.key_attributes if key.name in start},
        )
        hash_values = tuple([_start_value(start, key) for key in self.hash_keys])
        range_values = [_start_value(start, key) for key in self.range_keys]
        return (slot_of(hash_values), *hash_values, *range_values, table_row.pk, table_row.sk)

    def partition(self, key_range: KeyRange, *, descending: bool) -> PartitionRange:
        """The rows of a resolved key condition. Raises ValidationException for values that no key has."""
        hash_values = tuple(
            [
                hash_value(key, value.attribute)
                for key, value in zip(self.hash_keys, key_range.hash_values, strict=True)
            ]
        )
        prefix: Key = (slot_of(hash_values), *hash_values)
        if key_range.range_values:
            found = zip(self.range_keys, key_range.range_values, strict=False)
            prefix += tuple([range_value(key, value.attribute) for key, value in found])
        if key_range.operator is None:
            return PartitionRange(self.layout, prefix, None, None, descending)
        bounded = self.range_keys[len(key_range.range_values)]
        operands = [range_value(bounded, operand.attribute) for operand in key_range.operands]
        low, high = _bounds(key_range.operator, operands)
        return PartitionRange(self.layout, prefix, low, high, descending)

    def unprojected(self, names: Iterable[str]) -> list[str]:
        """Those attributes that its rows do not hold."""
        projected = self.projected
        return [] if projected is None else [name for name in dict.fromkeys(names) if name not in projected]


def read_source(definition: TableDefinition, request: QueryInput | ScanInput) -> Source:
    """The table, or the index that the request names."""
    name = request.get("IndexName")
    if name is None:
        return Source(definition, None)
    index = next((index for index in definition.indexes if index.name == name), None)
    if index is None or index.status == "DELETING":
        raise validation(f"The table does not have the specified index: {name}")
    if index.status == "CREATING":
        raise validation(f"Cannot read from backfilling global secondary index: {name}")
    if index.is_global and request.get("ConsistentRead") is True:
        raise validation("Consistent reads are not supported on global secondary indexes")
    return Source(definition, index)


def check_filter(source: Source, names: Iterable[str]) -> None:
    """Refuse a Query whose filter is on attributes that its index lacks, `names` being the filter's.

    A Scan just finds none of them.
    """
    missing = sorted(source.unprojected(names))
    if source.index is not None and missing:
        raise invalid_parameters(
            f"Secondary index {source.index.name} does not project one or more filter attributes: "
            f"[{', '.join(missing)}]"
        )


def must_fetch(source: Source, select: str | None, names: Iterable[str]) -> bool:
    """Whether items are to be fetched from the table, for what an index lacks of `names` or of everything.

    A local index fetches; a global one refuses.
    """
    missing = source.unprojected(names)
    everything = select == "ALL_ATTRIBUTES" and source.projected is not None
    if source.index is None or not (missing or everything):
        return False
    if not source.is_global:
        return True
    if everything:
        raise invalid_parameters(
            f"Select type ALL_ATTRIBUTES is not supported for global secondary index {source.index.name} "
            "because its projection type is not ALL"
        )
    raise invalid_parameters(
        f"Global secondary index {source.index.name} does not project [{', '.join(missing)}]"
    )


def _start_value(start: Item, key: KeyAttribute) -> EncodedKey:
    value = start.get(key.name)
    if value is None or not value.get(key.type):
        raise schema_mismatch()
    return encode(value)


def _bounds(operator: str, operands: list[EncodedKey]) -> tuple[Bound | None, Bound | None]:
    first = operands[0]
    if operator == "BETWEEN":
        return (">=", first), ("<=", operands[1])
    if operator == "begins_with":
        end = prefix_upper_bound(first)
        return (">=", first), None if end is None else ("<", end)
    if operator in ("<", "<="):
        return None, (operator, first)
    return (operator, first), None
