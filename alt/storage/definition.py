"""What the catalog keeps of a table: its key schema, its indexes and its settings."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import ujson


@dataclass(frozen=True, slots=True)
class KeyAttribute:
    """A key attribute: its name and its scalar type (`S`, `N` or `B`)."""

    name: str
    type: str


@dataclass(frozen=True, slots=True)
class IndexDefinition:
    """A secondary index. A local one, and the base table, have one hash key and at most one range key.

    `id` tells it from an earlier index of the same name.
    `projection` is `ALL`, `KEYS_ONLY` or `INCLUDE`; `status` is `ACTIVE`, `CREATING`,
    `UPDATING` or `DELETING`. `settings` is as in TableDefinition.
    """

    name: str
    id: str
    is_global: bool
    hash_keys: tuple[KeyAttribute, ...]
    range_keys: tuple[KeyAttribute, ...]
    projection: str
    non_key_attributes: tuple[str, ...] = ()
    status: str = "ACTIVE"
    backfilling: bool = False
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def key_attributes(self) -> tuple[KeyAttribute, ...]:
        return self.hash_keys + self.range_keys


@dataclass(frozen=True, slots=True)
class TableDefinition:
    """One table as it was last defined.

    `settings` holds, under DescribeTable's own names, what DescribeTable gives
    back as it is (`BillingModeSummary`, `DeletionProtectionEnabled`, ...).
    `created` is in epoch seconds.
    """

    name: str
    id: str
    created: float
    hash_key: KeyAttribute
    range_key: KeyAttribute | None
    indexes: tuple[IndexDefinition, ...] = ()
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def key_attributes(self) -> tuple[KeyAttribute, ...]:
        return (self.hash_key,) if self.range_key is None else (self.hash_key, self.range_key)

    def to_json(self) -> str:
        return ujson.dumps(asdict(self), ensure_ascii=False)

    @staticmethod
    def from_json(text: str) -> TableDefinition:
        members = ujson.loads(text)
        hash_key, range_key = members.pop("hash_key"), members.pop("range_key")
        indexes = tuple(_index(index) for index in members.pop("indexes"))
        return TableDefinition(
            hash_key=KeyAttribute(**hash_key),
            range_key=None if range_key is None else KeyAttribute(**range_key),
            indexes=indexes,
            **members,
        )


def _index(members: dict[str, Any]) -> IndexDefinition:
    hash_keys = tuple(KeyAttribute(**key) for key in members.pop("hash_keys"))
    range_keys = tuple(KeyAttribute(**key) for key in members.pop("range_keys"))
    non_key = tuple(members.pop("non_key_attributes"))
    return IndexDefinition(hash_keys=hash_keys, range_keys=range_keys, non_key_attributes=non_key, **members)
