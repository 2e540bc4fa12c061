"""What a table's file says of itself: its table's definition and, in a backup's file, the backup.

The catalog is what counts while it is there. Should it be lost, it is made again from this
(alt/storage/sqlite/copies/adoption.py); should it be older than the files, this tells.
"""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

import apsw
import ujson

from alt.storage.model.definition import Backup, TableDefinition


def describe_table(connection: apsw.Connection | apsw.Cursor, definition: TableDefinition) -> None:
    """Store the definition, in the transaction that is open."""
    connection.execute("UPDATE self SET definition = ?, backup = NULL", (definition.to_json(),))


def described_table(connection: apsw.Connection | apsw.Cursor) -> TableDefinition | None:
    """None where it is damaged."""
    text: Any = connection.execute("SELECT definition FROM self").get
    try:
        return None if text is None else TableDefinition.from_json(text)
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


def describe_backup(connection: apsw.Connection, backup: Backup) -> None:
    """Store what a complete backup's file is a backup of."""
    members = asdict(replace(backup, checksum=None))
    del members["table"], members["checksum"]
    connection.execute(
        "UPDATE self SET definition = ?, backup = ?",
        (backup.table.to_json(), ujson.dumps(members, ensure_ascii=False)),
    )


def described_backup(connection: apsw.Connection) -> Backup | None:
    """None in the file of a table."""
    definition, text = connection.execute("SELECT definition, backup FROM self").get
    if definition is None or text is None:
        return None
    return Backup(table=TableDefinition.from_json(definition), **ujson.loads(text))
