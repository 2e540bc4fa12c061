"""The rules on the values that an item has for the keys of secondary indexes.

An item may lack such an attribute, and is then not in the index; a value that could
never be in it is refused.
"""

from __future__ import annotations

from alt.config import MAX_HASH_KEY_BYTES, MAX_ITEM_BYTES, MAX_LOCAL_INDEXES, MAX_RANGE_KEY_BYTES
from alt.errors import ApiError, invalid_parameters, validation
from alt.expressions import Update
from alt.operations.keys import EmptyKeyError, cannot_be_empty, key_too_long
from alt.storage.model.definition import IndexDefinition, KeyAttribute, TableDefinition
from alt.values.keys import key_size
from alt.values.sizes import item_size
from alt.values.types import AttributeValue, Item


def check_index_keys(definition: TableDefinition, item: Item) -> None:
    """Refuse an item that is put with an index key of the wrong type, empty or too long."""
    for index in definition.indexes:
        for attribute in index.key_attributes:
            value = item.get(attribute.name)
            if value is None:
                continue
            if attribute.type not in value:
                raise _mismatch(definition, attribute, next(iter(value)))
            if not value[attribute.type]:
                raise EmptyKeyError(
                    f"A value specified for a secondary index key is not supported. {cannot_be_empty(attribute)} "
                    f"IndexName: {_first_index(definition, attribute)}, IndexKey: {attribute.name}"
                )
            _check_size(index, attribute, value)


def check_given_index_keys(definition: TableDefinition, update: Update) -> None:
    """Refuse an update of which the request alone tells that it gives an index key the wrong type or an empty value."""
    if not definition.indexes:
        return
    given = {each.name: each for each in update.given}
    for index in definition.indexes:
        for attribute in index.key_attributes:
            if (each := given.get(attribute.name)) is None:
                continue
            if each.type != attribute.type:
                raise _mismatch(definition, attribute, each.type)
            if each.value is not None and not each.value[each.type]:
                raise _updated_to_nothing(attribute)


def check_updated_index_keys(definition: TableDefinition, before: Item, after: Item) -> None:
    """Refuse an update that has copied such a value to an index key; what it leaves alone may be as it is."""
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
                raise _updated_to_nothing(attribute)
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


def _mismatch(definition: TableDefinition, attribute: KeyAttribute, actual: str) -> ApiError:
    return invalid_parameters(
        f"Type mismatch for Index Key {attribute.name} Expected: {attribute.type} "
        f"Actual: {actual} IndexName: {_first_index(definition, attribute)}"
    )


def _first_index(definition: TableDefinition, attribute: KeyAttribute) -> str:
    """Of the indexes that an attribute is a key of, the service names the first by name."""
    return min(index.name for index in definition.indexes if attribute in index.key_attributes)


def _updated_to_nothing(attribute: KeyAttribute) -> ApiError:
    """The service says of an update neither which index this is about nor which attribute."""
    return EmptyKeyError(
        "The update expression attempted to update a secondary index key to a value that is not supported. "
        + cannot_be_empty(attribute)
    )


def _limit(index: IndexDefinition, attribute: KeyAttribute) -> int:
    return MAX_HASH_KEY_BYTES if attribute in index.hash_keys else MAX_RANGE_KEY_BYTES


def _check_size(index: IndexDefinition, attribute: KeyAttribute, value: AttributeValue) -> None:
    if key_size(value) <= _limit(index, attribute):
        return
    raise key_too_long(is_hash=attribute in index.hash_keys)
