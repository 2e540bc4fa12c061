"""The rules on the values that an item has for the keys of secondary indexes.

An item may lack such an attribute, and is then not in the index; a value that could
never be in it is refused.
"""

from __future__ import annotations

from alt.config import MAX_HASH_KEY_BYTES, MAX_ITEM_BYTES, MAX_LOCAL_INDEXES, MAX_RANGE_KEY_BYTES
from alt.errors import invalid_parameters, validation
from alt.operations.keys import key_too_long
from alt.storage.model.definition import IndexDefinition, KeyAttribute, TableDefinition
from alt.values.keys import key_size
from alt.values.sizes import item_size
from alt.values.types import AttributeValue, Item

_KINDS = {"S": "string", "B": "binary"}


def check_index_keys(definition: TableDefinition, item: Item) -> None:
    """Refuse an item that is put with an index key of the wrong type, empty or too long."""
    for index in definition.indexes:
        for attribute in index.key_attributes:
            value = item.get(attribute.name)
            if value is None:
                continue
            if attribute.type not in value:
                raise invalid_parameters(
                    f"Type mismatch for Index Key {attribute.name} Expected: {attribute.type} "
                    f"Actual: {next(iter(value))} IndexName: {index.name}"
                )
            if not value[attribute.type]:
                raise validation(
                    "One or more parameter values are not valid. "
                    "A value specified for a secondary index key is not supported. "
                    + _cannot_be_empty(index, attribute)
                )
            _check_size(index, attribute, value)


def check_updated_index_keys(definition: TableDefinition, before: Item, after: Item) -> None:
    """Refuse an update that gives an index key such a value; what it leaves alone may be as it is."""
    for index in definition.indexes:
        for attribute in index.key_attributes:
            value = after.get(attribute.name)
            if value is None or value == before.get(attribute.name):
                continue
            if attribute.type not in value:
                raise validation(
                    "The update expression attempted to update the secondary index key to unsupported type"
                )
            if not value[attribute.type]:
                raise validation(
                    "One or more parameter values are not valid. The update expression attempted to update "
                    "a secondary index key to a value that is not supported. "
                    + _cannot_be_empty(index, attribute)
                )
            if key_size(value) > _limit(index, attribute):
                raise validation(
                    "The update expression attempted to update the secondary index key beyond allowed size limits"
                )


def too_large(definition: TableDefinition, item: Item, size: int) -> bool:
    """Whether an item of `size` bytes, and with it its entries in local indexes, is over 400 KB."""
    if size <= MAX_ITEM_BYTES // (1 + MAX_LOCAL_INDEXES):
        return False
    local = [index for index in definition.indexes if not index.is_global]
    if size * (1 + len(local)) <= MAX_ITEM_BYTES:
        return False
    return size + sum(_entry_size(definition, index, item, size) for index in local) > MAX_ITEM_BYTES


def _entry_size(definition: TableDefinition, index: IndexDefinition, item: Item, size: int) -> int:
    if any(key.name not in item for key in index.key_attributes):
        return 0
    names = definition.projected_names(index)
    if names is None:
        return size
    return item_size({name: value for name, value in item.items() if name in names})


def _cannot_be_empty(index: IndexDefinition, attribute: KeyAttribute) -> str:
    return (
        f"The AttributeValue for a key attribute cannot contain an empty {_KINDS[attribute.type]} value. "
        f"IndexName: {index.name}, IndexKey: {attribute.name}"
    )


def _limit(index: IndexDefinition, attribute: KeyAttribute) -> int:
    return MAX_HASH_KEY_BYTES if attribute in index.hash_keys else MAX_RANGE_KEY_BYTES


def _check_size(index: IndexDefinition, attribute: KeyAttribute, value: AttributeValue) -> None:
    if key_size(value) <= _limit(index, attribute):
        return
    raise key_too_long(is_hash=attribute in index.hash_keys)
