"""Keys: their schema as it is shown, and from those of requests and items to rows, with DynamoDB's refusals.

Values are normalised already.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from alt.config import MAX_HASH_KEY_BYTES, MAX_RANGE_KEY_BYTES
from alt.errors import ApiError, invalid_parameters, validation
from alt.expressions import Condition, Projection, Update
from alt.storage.model.definition import KeyAttribute, TableDefinition
from alt.storage.model.keys import EncodedKey, RowKey, row_key
from alt.values.keys import encode, key_size
from alt.values.types import AttributeValue, Item

_EXPRESSIONS = ("ConditionExpression", "FilterExpression", "ProjectionExpression", "UpdateExpression")


def key_schema(hash_keys: Iterable[KeyAttribute], range_keys: Iterable[KeyAttribute]) -> list[dict[str, str]]:
    """A KeySchema member."""
    return [
        {"AttributeName": attribute.name, "KeyType": key_type}
        for key_type, attributes in (("HASH", hash_keys), ("RANGE", range_keys))
        for attribute in attributes
    ]


def schema_mismatch() -> ApiError:
    return validation("The provided key element does not match the schema")


def key_row(definition: TableDefinition, key: Item) -> RowKey:
    """The row that a `Key` parameter names: exactly the key attributes, each of its type."""
    hash_key, range_key = definition.hash_key, definition.range_key
    if len(key) != (1 if range_key is None else 2):
        raise schema_mismatch()
    pk = key.get(hash_key.name)
    if pk is None or hash_key.type not in pk:
        raise schema_mismatch()
    if range_key is None:
        return row_key(hash_value(hash_key, pk))
    sk = key.get(range_key.name)
    if sk is None or range_key.type not in sk:
        raise schema_mismatch()
    return row_key(hash_value(hash_key, pk), range_value(range_key, sk))


def item_row(definition: TableDefinition, item: Item) -> RowKey:
    """The row that an item to be put belongs in."""
    hash_key, range_key = definition.hash_key, definition.range_key
    pk = item.get(hash_key.name)
    if pk is None or hash_key.type not in pk:
        raise _no_key(hash_key, pk)
    hash_column = hash_value(hash_key, pk)
    if range_key is None:
        return row_key(hash_column)
    sk = item.get(range_key.name)
    if sk is None or range_key.type not in sk:
        raise _no_key(range_key, sk)
    return row_key(hash_column, range_value(range_key, sk))


def check_paths(
    definition: TableDefinition, request: Mapping[str, Any], *bound: Condition | Projection | Update | None
) -> None:
    """No expression of a request, `bound`, looks into a key attribute of the table or of an index.

    Nearly all texts tell by themselves that their paths are plain names.
    """
    texts = [request[name] for name in _EXPRESSIONS if name in request]
    if not any("." in text or "[" in text for text in texts):
        return
    names = {name for each in bound if each is not None for name in each.nested_names}
    index_keys = [key for index in definition.indexes for key in index.key_attributes]
    for label, keys in (("Key", definition.key_attributes), ("IndexKey", index_keys)):
        for key in keys:
            if key.name in names:
                raise validation(
                    "Key attributes must be scalars; list random access '[]' and map lookup '.' "
                    f"are not allowed: {label}: {key.name}"
                )


def _no_key(attribute: KeyAttribute, value: AttributeValue | None) -> ApiError:
    if value is None:
        return invalid_parameters(f"Missing the key {attribute.name} in the item")
    return invalid_parameters(
        f"Type mismatch for key {attribute.name} expected: {attribute.type} actual: {next(iter(value))}"
    )


def hash_value(attribute: KeyAttribute, value: AttributeValue) -> EncodedKey:
    """The column value of a hash attribute, which is of its type. Refuses an empty or too long one."""
    encoded: EncodedKey = value["S"] if attribute.type == "S" else encode(value)
    if not encoded:
        raise _empty_key(attribute)
    if len(encoded) > MAX_HASH_KEY_BYTES // 4 and key_size(value) > MAX_HASH_KEY_BYTES:
        raise key_too_long(is_hash=True)
    return encoded


def range_value(attribute: KeyAttribute, value: AttributeValue) -> EncodedKey:
    """The same of a range attribute."""
    encoded: EncodedKey = value["S"] if attribute.type == "S" else encode(value)
    if not encoded:
        raise _empty_key(attribute)
    if len(encoded) > MAX_RANGE_KEY_BYTES // 4 and key_size(value) > MAX_RANGE_KEY_BYTES:
        raise key_too_long(is_hash=False)
    return encoded


def key_too_long(*, is_hash: bool) -> ApiError:
    if is_hash:
        return invalid_parameters("Size of hashkey has exceeded the maximum size limit of2048 bytes")
    return invalid_parameters("Aggregated size of all range keys has exceeded the size limit of 1024 bytes")


class EmptyKeyError(ApiError):
    """A key value, of the table or of an index, is empty: it fails a transaction as a whole, where others cancel it."""

    def __init__(self, problem: str) -> None:
        super().__init__("ValidationException", f"One or more parameter values are not valid. {problem}")


def cannot_be_empty(attribute: KeyAttribute) -> str:
    kind = "string" if attribute.type == "S" else "binary"
    return f"The AttributeValue for a key attribute cannot contain an empty {kind} value."


def _empty_key(attribute: KeyAttribute) -> ApiError:
    return EmptyKeyError(f"{cannot_be_empty(attribute)} Key: {attribute.name}")


def check_key_not_empty(definition: TableDefinition, item: Item) -> None:
    """Refuse an empty key value, whatever else is wrong with the key."""
    for attribute in definition.key_attributes:
        if item.get(attribute.name, {}).get(attribute.type) == "":
            raise _empty_key(attribute)
