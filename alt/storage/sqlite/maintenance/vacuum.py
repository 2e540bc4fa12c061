"""Give what deleted items leave free in a table's file back to the file system."""

from __future__ import annotations

from alt.storage.model.definition import TableDefinition
from alt.storage.sqlite import connections
from alt.storage.sqlite.data_directory import using
from alt.storage.sqlite.tables import Tables


def vacuum(store: Tables, definition: TableDefinition) -> tuple[int, int]:
    """Write a table's file anew without free pages; its bytes before and after.

    For one who holds the server's lock: a server would wait for it with every write. SQLite writes the copy beside the
    file first, so a crash leaves the table as it was. Raises UnusableDataError where the file cannot be written.
    """
    path = store.file(definition)
    before = path.stat().st_size
    with using(f"table {definition.name}"):
        connection = connections.connect(path)
        try:
            connection.execute("VACUUM")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        finally:
            connection.close()
    return before, path.stat().st_size
