"""The rules on keys and indexes of a CreateTable, in the order the service applies them.

First every key schema (the table's, the global indexes', the local ones'), then whether
every definition is used, then each index's projection, throughput and name, then how
many there are. Global indexes come before local ones at each step. As recorded from
the service: an attribute that is defined but not used hides every later problem.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from alt.config import MAX_LOCAL_INDEXES
from alt.errors import invalid_parameters, validation
from alt.operations.tables.throughput_rules import PROVISIONED, check_index_throughput

if TYPE_CHECKING:
    from typing import TypeAlias

    from alt.validation.requests import (
        BillingMode,
        CreateTableInput,
        GlobalSecondaryIndex,
        KeySchemaElement,
        LocalSecondaryIndex,
        Projection,
    )

    Index: TypeAlias = GlobalSecondaryIndex | LocalSecondaryIndex
    KeySchema: TypeAlias = list[KeySchemaElement]

# The attributes in AttributeDefinitions: a set that keeps their order.
Defined = dict[str, None]

MAX_GLOBAL_INDEXES = 20
MAX_HASH_ATTRIBUTES = 4
MAX_RANGE_ATTRIBUTES = 4
# Named by the user in INCLUDE projections; one attribute in two indexes counts twice.
MAX_PROJECTED_ATTRIBUTES = 100


def check_keys_and_indexes(request: CreateTableInput) -> None:
    """Refuse a CreateTable whose keys, definitions or indexes break a rule."""
    attributes = [definition["AttributeName"] for definition in request["AttributeDefinitions"]]
    if (repeated := first_repeated(attributes)) is not None:
        raise validation(f"Attribute Name is duplicated: {repeated}")
    defined = dict.fromkeys(attributes)
    schema = request["KeySchema"]
    _check_table_key(schema, defined)
    global_indexes = request.get("GlobalSecondaryIndexes")
    local_indexes = request.get("LocalSecondaryIndexes")
    if global_indexes is None and local_indexes is None:
        if len(schema) != len(defined):
            raise invalid_parameters(
                "Number of attributes in KeySchema does not exactly match "
                "number of attributes defined in AttributeDefinitions"
            )
        return
    if global_indexes is not None:
        _check_global_keys(global_indexes, defined)
    if local_indexes is not None:
        _check_local_keys(local_indexes, schema, defined)
    indexes: list[Index] = [*(global_indexes or ()), *(local_indexes or ())]
    _check_all_used(defined, [schema, *(index["KeySchema"] for index in indexes)])
    _check_each(global_indexes or (), local_indexes or (), request.get("BillingMode") or PROVISIONED)
    _check_counts(len(global_indexes or ()), len(local_indexes or ()), indexes)


def names(schema: KeySchema) -> list[str]:
    return [element["AttributeName"] for element in schema]


def _check_table_key(schema: KeySchema, defined: Defined) -> None:
    if len(schema) > len(defined):
        raise validation("Invalid KeySchema: Some index key attribute have no definition")
    check_defined(schema, defined)
    _check_simple_key(schema)


def _check_global_keys(indexes: list[GlobalSecondaryIndex], defined: Defined) -> None:
    if not indexes:
        raise invalid_parameters("List of GlobalSecondaryIndexes is empty")
    for index in indexes:
        check_defined(index["KeySchema"], defined)
        check_global_key(index["KeySchema"])


def _check_local_keys(indexes: list[LocalSecondaryIndex], table: KeySchema, defined: Defined) -> None:
    if not indexes:
        raise invalid_parameters("List of LocalSecondaryIndexes is empty")
    if len(table) != 2:
        raise invalid_parameters(
            "Table KeySchema does not have a range key, "
            "which is required when specifying a LocalSecondaryIndex"
        )
    table_hash = table[0]["AttributeName"]
    for index in indexes:
        schema, name = index["KeySchema"], index["IndexName"]
        check_defined(schema, defined)
        _check_simple_key(schema)
        if len(schema) != 2:
            raise invalid_parameters(f"Index KeySchema does not have a range key for index: {name}")
        index_hash = schema[0]["AttributeName"]
        if index_hash != table_hash:
            raise invalid_parameters(
                "Index KeySchema does not have the same leading hash key as table KeySchema "
                f"for index: {name}. index hash key: {index_hash}, table hash key: {table_hash}"
            )


def check_defined(schema: KeySchema, defined: Defined) -> None:
    """Every key attribute of a schema has a definition."""
    keys = names(schema)
    if not all(key in defined for key in keys):
        raise invalid_parameters(
            "Some index key attributes are not defined in AttributeDefinitions. "
            f"Keys: [{', '.join(keys)}], AttributeDefinitions: [{', '.join(defined)}]"
        )


def _check_simple_key(schema: KeySchema) -> None:
    """A table's or a local index's key: HASH, and perhaps RANGE."""
    if len(schema) == 2 and schema[0]["AttributeName"] == schema[1]["AttributeName"]:
        raise _same_hash_and_range()
    _check_begins_with_hash(schema)
    if len(schema) == 2 and schema[1]["KeyType"] != "RANGE":
        raise validation("Invalid KeySchema: The second KeySchemaElement is not a RANGE key type")


def check_global_key(schema: KeySchema) -> None:
    """A global index's key: up to four HASH attributes, then up to four RANGE attributes."""
    types: list[str] = [element["KeyType"] for element in schema]
    if first_repeated(names(schema)) is not None:
        if types == ["HASH", "RANGE"]:
            raise _same_hash_and_range()
        raise validation("The KeySchema contains multiple key attributes with the same name")
    _check_begins_with_hash(schema)
    if types != sorted(types):
        raise invalid_parameters("All HASH key attributes must precede RANGE key attributes in the KeySchema")
    for key_type, maximum in (("HASH", MAX_HASH_ATTRIBUTES), ("RANGE", MAX_RANGE_ATTRIBUTES)):
        if types.count(key_type) > maximum:
            raise invalid_parameters(
                f"The KeySchema exceeds the maximum allowed number of {key_type} key attributes"
            )


def _same_hash_and_range() -> Exception:
    return validation("Both the Hash Key and the Range Key element in the KeySchema have the same name")


def _check_begins_with_hash(schema: KeySchema) -> None:
    if schema[0]["KeyType"] != "HASH":
        raise validation("Invalid KeySchema: The first KeySchemaElement is not a HASH key type")


def _check_all_used(defined: Defined, schemas: list[KeySchema]) -> None:
    used = list(dict.fromkeys(name for schema in schemas for name in names(schema)))
    if len(used) != len(defined):
        raise invalid_parameters(
            f"Some AttributeDefinitions are not used. AttributeDefinitions: [{', '.join(defined)}], "
            f"keys used: [{', '.join(used)}]"
        )


def _check_each(
    globals_: Sequence[GlobalSecondaryIndex], locals_: Sequence[LocalSecondaryIndex], mode: BillingMode
) -> None:
    """Projections, throughput and names."""
    seen: set[str] = set()
    for index in globals_:
        check_projection(index["Projection"])
        check_index_throughput(index, mode)
        _check_name(index["IndexName"], seen)
    for local_index in locals_:
        check_projection(local_index["Projection"])
        _check_name(local_index["IndexName"], seen)


def _check_name(name: str, seen: set[str]) -> None:
    """Refuse a name that is among those `seen`, and remember it."""
    if name in seen:
        raise invalid_parameters(f"Duplicate index name: {name}")
    seen.add(name)


def check_projection(projection: Projection) -> None:
    kind, attributes = projection.get("ProjectionType"), projection.get("NonKeyAttributes")
    if kind is None:
        raise invalid_parameters("Unknown ProjectionType: null")
    if kind != "INCLUDE" and attributes is not None:
        raise invalid_parameters(f"ProjectionType is {kind}, but NonKeyAttributes is specified")
    if kind == "INCLUDE" and attributes is None:
        raise invalid_parameters("ProjectionType is INCLUDE, but NonKeyAttributes is not specified")
    if (repeated := first_repeated(attributes or ())) is not None:
        raise invalid_parameters(f"Duplicate element in NonKeyAttributes: {repeated}")


def _check_counts(globals_: int, locals_: int, indexes: list[Index]) -> None:
    if globals_ > MAX_GLOBAL_INDEXES:
        raise invalid_parameters(
            f"GlobalSecondaryIndex count exceeds the per-table limit of {MAX_GLOBAL_INDEXES}"
        )
    if locals_ > MAX_LOCAL_INDEXES:
        raise invalid_parameters(
            f"Number of LocalSecondaryIndexes exceeds per-table limit of {MAX_LOCAL_INDEXES}"
        )
    if (
        sum(len(index["Projection"].get("NonKeyAttributes") or ()) for index in indexes)
        > MAX_PROJECTED_ATTRIBUTES
    ):
        raise invalid_parameters(
            "Number of NonKeyAttributes of all indexes exceeds "
            f"the per-table limit of {MAX_PROJECTED_ATTRIBUTES}"
        )


def first_repeated(values: Iterable[str]) -> str | None:
    """The first value that comes a second time."""
    seen: set[str] = set()
    for value in values:
        if value in seen:
            return value
        seen.add(value)
    return None
