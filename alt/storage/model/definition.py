"""What the catalog keeps of a table, its key schema, its indexes and its settings, and of a backup."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import Any

import ujson

from alt.config import WRITE_ISOLATION_TAG, WRITE_ISOLATIONS

# Kinds of backups: one that somebody took, and one that the deletion of a table leaves.
USER = "USER"
SYSTEM = "SYSTEM"
_BACKUP_ID_DIGITS = 14  # of the milliseconds since 1970


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
class StreamDefinition:
    """A stream of a table: the part of its change log after `first` and, once it is disabled, up to `last`.

    These are numbers of changes; times are in epoch seconds. `label` is unique within the table.
    """

    label: str
    view_type: str
    shards: int
    created: float
    first: int
    last: int | None = None
    disabled: float | None = None


@dataclass(frozen=True, slots=True)
class RecoveryDefinition:
    """Point-in-time recovery: on since `enabled` (epoch seconds), for the last so many days.

    `enabled` None: it is off, and the log it left has yet to be trimmed.
    """

    enabled: float | None
    days: int


@dataclass(frozen=True, slots=True)
class TimeToLive:
    """Items expire at the time, in epoch seconds, that they have in `attribute`.

    `status` is `ENABLING`, `ENABLED`, `DISABLING` or `DISABLED`; `changed` (epoch seconds) is
    when that was last asked for.
    """

    status: str
    attribute: str
    changed: float

    @property
    def is_changing(self) -> bool:
        return self.status in ("ENABLING", "DISABLING")


@dataclass(frozen=True, slots=True)
class Restore:
    """Where a table that is being restored gets its items from.

    `origin` is `{"backup": id}`, or a table's past as alt/storage/sqlite/copies/recovery.py has it;
    `summary` is the RestoreSummary that DescribeTable gives, but for RestoreInProgress.
    """

    origin: dict[str, Any]
    summary: dict[str, Any]


@dataclass(frozen=True, slots=True)
class TableDefinition:
    """One table as it was last defined.

    `settings` holds, under DescribeTable's own names, what DescribeTable gives
    back as it is (`BillingModeSummary`, `DeletionProtectionEnabled`, ...).
    `created` is in epoch seconds. `streams` are in their order, the disabled ones for as
    long as they may be read. A table with a `restore` is CREATING and has no file yet.
    `deleted` (epoch seconds) is when a table was deleted of which something is kept.
    `revision` grows with each change: of the catalog's definition and the one in the table's file the
    one with the higher is the newer.
    """

    name: str
    id: str
    created: float
    hash_key: KeyAttribute
    range_key: KeyAttribute | None
    indexes: tuple[IndexDefinition, ...] = ()
    settings: dict[str, Any] = field(default_factory=dict)
    streams: tuple[StreamDefinition, ...] = ()
    recovery: RecoveryDefinition | None = None
    time_to_live: TimeToLive | None = None
    restore: Restore | None = None
    deleted: float | None = None
    revision: int = field(default=0, compare=False)

    @property
    def key_attributes(self) -> tuple[KeyAttribute, ...]:
        return (self.hash_key,) if self.range_key is None else (self.hash_key, self.range_key)

    def projected_names(self, index: IndexDefinition) -> frozenset[str] | None:
        """The attributes that an index's entries hold, its keys and the table's among them; None for all."""
        if index.projection == "ALL":
            return None
        keys = (*index.key_attributes, *self.key_attributes)
        return frozenset([*(key.name for key in keys), *index.non_key_attributes])

    @property
    def stream(self) -> StreamDefinition | None:
        """The stream that is on."""
        return self.streams[-1] if self.streams and self.streams[-1].disabled is None else None

    @property
    def is_logged(self) -> bool:
        """Whether the table's changes are kept in its log."""
        return self.stream is not None or (self.recovery is not None and self.recovery.enabled is not None)

    @property
    def write_isolation(self) -> str | None:
        """The policy that the table's tag names; None where it has no such tag."""
        tags = self.settings.get("Tags", ())
        values = (tag["Value"] for tag in tags if tag["Key"] == WRITE_ISOLATION_TAG)
        return WRITE_ISOLATIONS.get(next(values, ""))

    def without_stream(self, now: float, last_change: int) -> TableDefinition:
        """The same with the stream that is on closed after this change."""
        if self.stream is None:
            return self
        closed = replace(self.stream, last=last_change, disabled=now)
        return replace(self, streams=(*self.streams[:-1], closed))

    def restored(self) -> TableDefinition:
        """What becomes of it once its restore is complete; where the table comes from it tells for good."""
        assert self.restore is not None
        summary = self.restore.summary | {"RestoreInProgress": False}
        return replace(self, restore=None, settings=self.settings | {"RestoreSummary": summary})

    def to_json(self) -> str:
        return ujson.dumps(asdict(self), ensure_ascii=False)

    @staticmethod
    def from_json(text: str) -> TableDefinition:
        members = ujson.loads(text)
        hash_key, range_key = members.pop("hash_key"), members.pop("range_key")
        indexes = tuple(_index(index) for index in members.pop("indexes"))
        streams = tuple(StreamDefinition(**stream) for stream in members.pop("streams", ()))
        recovery = members.pop("recovery", None)
        time_to_live = members.pop("time_to_live", None)
        restore = members.pop("restore", None)
        return TableDefinition(
            hash_key=KeyAttribute(**hash_key),
            range_key=None if range_key is None else KeyAttribute(**range_key),
            indexes=indexes,
            streams=streams,
            recovery=None if recovery is None else RecoveryDefinition(**recovery),
            time_to_live=None if time_to_live is None else TimeToLive(**time_to_live),
            restore=None if restore is None else Restore(**restore),
            **members,
        )


@dataclass(frozen=True, slots=True)
class Backup:
    """A backup of a table. `table` is its definition as it was then, `items` and `size` (bytes) what it held.

    `created` and `expires` are in epoch seconds; `kind` is `USER` or `SYSTEM`. Until it is
    `available` its file is being written; then `checksum` is that of the file, None if it is not known.
    """

    id: str
    name: str
    created: float
    table: TableDefinition
    items: int
    size: int
    kind: str = USER
    expires: float | None = None
    available: bool = False
    checksum: int | None = None


def backup_id(created: float, unique: str) -> str:
    """The id of a backup taken at that moment (epoch seconds): the last part of its ARN. `unique`: 8 hexadecimal digits."""
    return f"{round(created * 1000):0{_BACKUP_ID_DIGITS}}-{unique}"


def _index(members: dict[str, Any]) -> IndexDefinition:
    hash_keys = tuple(KeyAttribute(**key) for key in members.pop("hash_keys"))
    range_keys = tuple(KeyAttribute(**key) for key in members.pop("range_keys"))
    non_key = tuple(members.pop("non_key_attributes"))
    return IndexDefinition(hash_keys=hash_keys, range_keys=range_keys, non_key_attributes=non_key, **members)
