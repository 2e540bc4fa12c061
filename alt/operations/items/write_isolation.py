"""Write isolation, as ScyllaDB's Alternator has it: by a table's tag, or else by the server's setting.

Of the four policies only `forbid_rmw` makes a difference to a request: a write that
depends on the item it finds is refused. What the others mean here is in
alt/storage/sqlite/DESIGN.md.
"""

from __future__ import annotations

from alt.config import FORBID_RMW, WRITE_ISOLATION_TAG
from alt.errors import validation
from alt.expressions import Condition, Update
from alt.operations.context import Context
from alt.storage.engine import Table

# Of the ReturnValues: what a write without a read knows.
_KNOWN = (None, "NONE", "UPDATED_NEW")


def refuse_reads(
    context: Context,
    table: Table,
    condition: Condition | None,
    update: Update | None,
    return_values: str | None = None,
) -> None:
    """Refuse a write that reads its item, on a table where that is forbidden."""
    if (table.write_isolation or context.write_isolation) != FORBID_RMW:
        return
    if condition is not None:
        reader = "a condition"
    elif return_values not in _KNOWN:
        reader = f"ReturnValues {return_values}"
    elif update is not None and update.reads_item:
        reader = "an update that does more than set whole attributes to given values and remove them"
    else:
        return
    raise validation(
        f"Read-modify-write operations are disabled by '{FORBID_RMW}' write isolation policy, "
        f"and {reader} needs the item as it is. Write without it, or allow it on this table with TagResource: "
        f"tag {WRITE_ISOLATION_TAG}, value always."
    )
