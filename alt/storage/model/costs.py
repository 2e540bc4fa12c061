"""What Python takes at most to look at items, as measured: what is long leaves the event loop."""

from __future__ import annotations

from alt.expressions import Condition
from alt.expressions.nodes import walk
from alt.storage.model.items import Stored

# What it takes to decide on an item, in nanoseconds.
VALUE_COST = 600  # of each value in it, to decode it, to measure it and to write it again
BYTE_COST = 3
MEMBER_COST = 2_000  # of each member of its sets: one that is changed is put in order, by number or text
VALUE_LOOK_COST = 35  # of each, in each way it is looked at
BYTE_LOOK_COST = 2

# What it takes to test items or to cut them, in microseconds.
DECODE_COST = 20.0  # to read one, and to write it again
DECODE_BYTE_COST = 0.05
NODE_COST = 0.5  # of a test, for each node of its tree
NODE_BYTE_COST = 0.01


def decision_cost(stored: Stored, looks: int) -> int:
    """Nanoseconds that it may take to decide on a large item that is looked at in so many ways."""
    values = stored.text.count("{")
    members = stored.text.count('","')  # nowhere else do two texts stand side by side
    return (
        values * (VALUE_COST + VALUE_LOOK_COST * looks)
        + members * MEMBER_COST
        + stored.size * (BYTE_COST + BYTE_LOOK_COST * looks)
    )


def evaluation_cost(rows: int, size: int, condition: Condition | None) -> float:
    """Microseconds that it may take to read rows of so many bytes, and to test them if there is a condition."""
    cost = DECODE_COST * rows + DECODE_BYTE_COST * size
    if condition is not None:
        nodes = sum(1 for _ in walk(condition.node))
        cost += nodes * (NODE_COST * rows + NODE_BYTE_COST * size)
    return cost
