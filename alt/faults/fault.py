"""What a fault is, how long it lasts, and which requests it concerns."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from alt.operations import OPERATIONS
from alt.operations.arns import table_name

Kind = Literal["throttle", "conflict", "internal_error", "slow", "unprocessed", "stale_reads"]
KINDS: tuple[Kind, ...] = get_args(Kind)
# Clients give up after a minute, most of them; a server that stops waits for ten seconds.
MAX_DELAY_SECONDS = 300.0

Asked = list[tuple[str, str]]  # see alt/operations/authorization.py

_NUMBER = (int, float)
# Of the members that are numbers: what they may be, from and up to, and in words.
_RANGES: Mapping[str, tuple[Any, float, float, str]] = {
    "next": (int, 1, 1e9, "1 or more requests"),
    "share": (_NUMBER, sys.float_info.min, 1, "over 0 and up to 1"),
    "seconds": (_NUMBER, sys.float_info.min, 1e9, "more than 0"),
    "delay": (_NUMBER, 0, MAX_DELAY_SECONDS, f"up to {MAX_DELAY_SECONDS:g} seconds"),
    "seed": (int, -1e18, 1e18, "a whole number of up to 18 digits"),
}

_TABLE = re.compile(r"[a-zA-Z0-9_.-]{3,255}")
_TABLE_IN_ARN = re.compile(r":table/([^/]+)")

TRANSACTIONS = frozenset(("ExecuteTransaction", "TransactGetItems", "TransactWriteItems"))
_ITEM_WRITES = frozenset(("DeleteItem", "PutItem", "UpdateItem"))
_STATEMENTS = frozenset(("BatchExecuteStatement", "ExecuteStatement"))
_BATCHES = frozenset(("BatchGetItem", "BatchWriteItem"))
_PAGES = frozenset(("Query", "Scan"))
# IAM's names of what writes an item: what a statement does is not told by its operation.
_WRITE_ACTIONS = _ITEM_WRITES | {"PartiQLDelete", "PartiQLInsert", "PartiQLUpdate"}
_DATA = TRANSACTIONS | _ITEM_WRITES | _STATEMENTS | _BATCHES | _PAGES | {"GetItem"}
_ALL = frozenset(name for _, name in OPERATIONS)

# The operations that a fault of a kind can do something to.
OPERATIONS_OF: Mapping[Kind, frozenset[str]] = {
    "throttle": _DATA,
    "conflict": TRANSACTIONS | _ITEM_WRITES | _STATEMENTS,
    "internal_error": _ALL,
    "slow": _ALL,
    "unprocessed": _BATCHES,
    "stale_reads": _STATEMENTS | _PAGES | {"BatchGetItem", "GetItem"},
}


@dataclass(frozen=True, slots=True)
class Fault:
    """What is done to requests that concern a table: to the `next` so many, to a `share` of them, for so many `seconds`.

    Where several are given, all of them limit it; where none is, it lasts until it is taken back. A share is over 0 and
    up to 1, and which requests it is made of hangs on the `seed` alone. `delay`, in seconds, is that of a `slow` one.
    `operations`, if any, are the only ones that it is done to.

    Raises ValueError, for a person to read, for what is no fault.
    """

    kind: Kind
    table: str
    next: int | None = None
    share: float | None = None
    seconds: float | None = None
    delay: float = 0.0
    operations: tuple[str, ...] = ()
    seed: int = 0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"there is no fault {self.kind!r}: they are {', '.join(KINDS)}")
        if not isinstance(self.table, str) or not _TABLE.fullmatch(self.table):
            raise ValueError(f"{self.table!r} is no table's name")
        for name, (types, least, most, words) in _RANGES.items():
            value = getattr(self, name)
            is_number = isinstance(value, types) and not isinstance(value, bool)
            if value is not None and not (is_number and least <= value <= most):
                raise ValueError(f"{name} is {words}, not {value!r}")
        if (self.delay > 0) != (self.kind == "slow"):
            raise ValueError("a delay is what slow has, and no other fault")
        for name in self.operations:
            if name not in OPERATIONS_OF[self.kind]:
                known = ", ".join(sorted(OPERATIONS_OF[self.kind]))
                raise ValueError(f"{self.kind} does nothing to {name!r}, but to {known}")

    @staticmethod
    def read(members: Mapping[str, Any]) -> Fault:
        """A fault of what came from outside; a member that is None is none. Raises ValueError."""
        members = {name: value for name, value in members.items() if value is not None}
        unknown = members.keys() - Fault.__dataclass_fields__.keys()
        missing = {"kind", "table"} - members.keys()
        if unknown or missing:
            what = f"has no {min(unknown)!r}" if unknown else f"needs a {min(missing)!r}"
            raise ValueError(f"a fault {what}: it has {', '.join(Fault.__dataclass_fields__)}")
        given = dict(members)
        operations = given.pop("operations", ())
        if not isinstance(operations, list | tuple) or not all(isinstance(each, str) for each in operations):
            raise ValueError("operations is a list of names")
        return Fault(**given, operations=tuple(operations))

    def to_dict(self) -> dict[str, Any]:
        """Its members but those that say nothing."""
        return {name: value for name, value in asdict(self).items() if value not in (None, (), 0)}

    def concerns(self, operation: str, request: Mapping[str, Any], asked: Asked) -> bool:
        """Whether it can do something to a request, which asks for the actions `asked`."""
        if operation not in (self.operations or OPERATIONS_OF[self.kind]):
            return False
        actions = {action for action, resource in asked if _table(resource) == self.table}
        if self.kind == "conflict" and operation not in TRANSACTIONS:
            return not actions.isdisjoint(_WRITE_ACTIONS)
        if self.kind == "stale_reads":
            return actions.isdisjoint(_WRITE_ACTIONS) and bool(actions) and not self._is_consistent(request)
        return bool(actions)

    def _is_consistent(self, request: Mapping[str, Any]) -> bool:
        """Whether what a request reads of the table, or of its batch anything, has to be the latest."""
        parts = [request, *request.get("Statements", ())]
        wanted = request.get("RequestItems", {})
        parts += [reads for name, reads in wanted.items() if table_name(name) == self.table]
        return any(part.get("ConsistentRead") is True for part in parts)


def _table(resource: str) -> str | None:
    found = _TABLE_IN_ARN.search(resource)
    return None if found is None else found[1]
