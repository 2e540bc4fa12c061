"""From a change in the log to a stream's record, its images spliced in as they are stored."""

from __future__ import annotations

import hashlib

from alt.operations.streams.positions import sequence_number
from alt.storage.model.changes import Change
from alt.storage.model.definition import StreamDefinition, TableDefinition
from alt.values.json import dumps
from alt.values.keys import decode
from alt.values.sizes import item_size
from alt.values.types import Item

_TTL_IDENTITY = '{"PrincipalId":"dynamodb.amazonaws.com","Type":"Service"}'


class RecordWriter:
    """Writes one stream's records for readers in one region."""

    def __init__(self, table: TableDefinition, stream: StreamDefinition, region: str) -> None:
        self._keys = table.key_attributes
        # An event's id is 32 hexadecimal digits: 16 of these, and the change's number.
        self._id = hashlib.sha256(f"{table.id} {stream.label}".encode()).hexdigest()[:16]
        self._view_type = stream.view_type
        self._region = dumps(region)
        self.shows_old = stream.view_type in ("OLD_IMAGE", "NEW_AND_OLD_IMAGES")
        self.shows_new = stream.view_type in ("NEW_IMAGE", "NEW_AND_OLD_IMAGES")

    def record(self, change: Change) -> tuple[str, int]:
        """The record's JSON and its bytes as DynamoDB counts them: its keys and the images shown."""
        keys = self._key(change)
        size = item_size(keys)
        images = ""
        for is_shown, name, image, image_size in (
            (self.shows_new, "NewImage", change.new, change.new_size),
            (self.shows_old, "OldImage", change.old, change.old_size),
        ):
            if is_shown and image is not None and image_size is not None:
                images += f'"{name}":{image},'
                size += image_size
        identity = f',"userIdentity":{_TTL_IDENTITY}' if change.by_ttl else ""
        text = (
            f'{{"eventID":"{self._id}{change.seq:016x}","eventName":"{_event(change)}",'
            f'"eventVersion":"1.1","eventSource":"aws:dynamodb","awsRegion":{self._region},'
            f'"dynamodb":{{"ApproximateCreationDateTime":{int(change.at)},"Keys":{dumps(keys)},{images}'
            f'"SequenceNumber":"{sequence_number(change.seq)}","SizeBytes":{size},'
            f'"StreamViewType":"{self._view_type}"}}{identity}}}'
        )
        return text, size

    def _key(self, change: Change) -> Item:
        columns = (change.key.pk, change.key.sk)
        return {key.name: decode(column, key.type) for key, column in zip(self._keys, columns, strict=False)}


def _event(change: Change) -> str:
    if change.old_size is None:
        return "INSERT"
    return "REMOVE" if change.new_size is None else "MODIFY"
