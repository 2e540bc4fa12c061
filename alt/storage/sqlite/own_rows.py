"""The rows that the file of every table has, whatever is in the table.

A power cut under `--sync off` may leave a file that SQLite finds sound and that lacks one of them, or has
another table's page in its place. It is damaged as any other: to go on without them would mean to guess what
they said.
"""

from __future__ import annotations

import apsw

# Whether a row of `statistics` is one.
IS_COUNTS = "typeof(items) = 'integer' AND typeof(bytes) = 'integer' AND typeof(groups) = 'integer'"

_ROWS = {
    "statistics": f"SELECT 1 FROM statistics WHERE source = 'item' AND {IS_COUNTS}",
    "transaction_mark": "SELECT 1 FROM transaction_mark WHERE typeof(number) = 'integer'",
    "peculiarity": "SELECT 1 FROM peculiarity WHERE typeof(nul) = 'integer'",
}
_HAS_ALL = "SELECT " + " AND ".join(f"EXISTS ({row})" for row in _ROWS.values())


def lacking(connection: apsw.Connection) -> list[str]:
    """The SQL tables whose row is gone."""
    return [name for name, row in _ROWS.items() if connection.execute(row).get is None]


def refuse_lacking(connection: apsw.Connection) -> None:
    """Raise apsw.CorruptError where one is gone."""
    if not connection.execute(_HAS_ALL).get:
        raise apsw.CorruptError(f"{' and '.join(lacking(connection))} lost the row that every table has")
