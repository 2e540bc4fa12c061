"""Whether a history of concurrent requests can have come from items that change one request at a time.

The model. An item is a register: a number, or None where there is no item. A request
begins, ends, and accesses one item or, in a transaction, several. It takes effect on
all of them at once, at one moment between its begin and its end; each answer must be
what that moment allows. One without an answer (its connection was lost, or a 5xx) took
effect at one moment after its begin and before its end, or never; its end is when the
server that had it was known to be dead, else infinity.

This is linearizability for each item, and strict serializability for transactions and
writes. Between a transaction and reads of single items DynamoDB promises a serial order
but not that of time: while a transaction is under way, a read of one item may see it and
a later one of another item may not. So in the order over several items, and only there,
such a read may come as early as the transaction began.

The search is Wing and Gong's with Lowe's memo: take a request that may come next, since no
other one had ended before it began, apply it, go on, and come back where that leads
nowhere. What was tried is known by which requests have come and how the items stand
then. Items that no transaction joins are searched one by one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf
from typing import Any, Literal, NamedTuple

Value = int | None

# No condition, or an answer that does not tell the value. None says that there is no item.
ANY: Any = object()


class Access(NamedTuple):
    """What a request does with one item.

    `condition` is what the item has to be before. `answer` is what the client was told: of an
    `add` the value after it, of everything else the one before it.
    """

    key: str
    kind: Literal["get", "put", "delete", "add", "check"]
    value: int = 0
    condition: Any = ANY
    answer: Any = ANY

    def after(self, before: Value) -> Value:
        """The item once this is done."""
        if self.kind == "put":
            return self.value
        if self.kind == "delete":
            return None
        return (before or 0) + self.value if self.kind == "add" else before

    def is_met(self, before: Value) -> bool:
        return self.condition is ANY or self.condition == before

    def agrees(self, value: Value) -> bool:
        return self.answer is ANY or self.answer == value


@dataclass(frozen=True, slots=True)
class Request:
    """A request and how it ended. Times are of one monotonic clock, in seconds.

    A `refused` one was refused for the conditions of all its accesses, and answered with what the items were.
    """

    begin: float
    end: float
    accesses: tuple[Access, ...]
    outcome: Literal["done", "refused", "unknown"] = "done"

    @property
    def is_answered(self) -> bool:
        return self.outcome != "unknown"

    @property
    def is_plain_read(self) -> bool:
        return self.outcome == "done" and len(self.accesses) == 1 and self.accesses[0].kind == "get"

    @property
    def changes_nothing(self) -> bool:
        return self.outcome == "refused" or all(access.kind in ("get", "check") for access in self.accesses)

    def apply(self, state: Mapping[str, Value]) -> dict[str, Value] | None:
        """The accessed items afterwards; None where the request cannot have ended so."""
        after = {}
        for access in self.accesses:
            before = state[access.key]
            if access.is_met(before) is (self.outcome == "refused"):
                return None
            after[access.key] = before if self.outcome == "refused" else access.after(before)
            told = after[access.key] if access.kind == "add" and self.outcome == "done" else before
            if not access.agrees(told):
                return None
        return after


class Violation(NamedTuple):
    """How far a search came: the items then, and the requests of which none can have come next."""

    state: dict[str, Value]
    stuck: list[Request]


def find_violation(
    history: Iterable[Request], initial: Mapping[str, Value] | None = None
) -> Violation | None:
    """None if the history is possible. Items are absent at first, but for those in `initial`."""
    # What had no answer and changes nothing says nothing.
    told = [each for each in history if each.is_answered or not each.changes_nothing]
    for requests in [*_by_item(told), *_by_joined_items(told)]:
        keys = sorted({access.key for request in requests for access in request.accesses})
        found = _Search(requests, keys, initial or {}).run()
        if found is not None:
            return found
    return None


def _by_item(history: Iterable[Request]) -> list[list[Request]]:
    """For each item what was done with it, in the order in which it began."""
    parts: dict[str, list[Request]] = {}
    for request in sorted(history, key=lambda request: request.begin):
        for access in request.accesses:
            parts.setdefault(access.key, []).append(replace(request, accesses=(access,)))
    return list(parts.values())


def _by_joined_items(history: Sequence[Request]) -> list[list[Request]]:
    """The history in parts that share no item, of those in which transactions join several, each ordered likewise."""
    leaders: dict[str, str] = {}

    def leader(key: str) -> str:
        while (above := leaders.setdefault(key, key)) != key:
            key = above
        return key

    transactions = [request for request in history if len(request.accesses) > 1]
    for request in transactions:
        for access in request.accesses[1:]:
            leaders[leader(access.key)] = leader(request.accesses[0].key)
    joined = set(leaders)
    parts: dict[str, list[Request]] = {}
    for request in history:
        if request.accesses[0].key in joined:
            parts.setdefault(leader(request.accesses[0].key), []).append(_loosened(request, transactions))
    return [sorted(part, key=lambda request: request.begin) for part in parts.values()]


def _loosened(request: Request, transactions: Iterable[Request]) -> Request:
    """A read of one item may come before the transactions on it that were under way."""
    if not request.is_plain_read:
        return request
    key = request.accesses[0].key
    under_way = [
        each.begin
        for each in transactions
        if each.begin < request.begin <= each.end and any(access.key == key for access in each.accesses)
    ]
    return replace(request, begin=min(under_way, default=request.begin))


class _Point(NamedTuple):
    """A point of the search: the requests before `first` are settled, and those whose bit in `mask` is set.

    The lowest bit of `mask` stands for the request `first`.
    """

    first: int
    mask: int
    values: tuple[Value, ...]


class _Search:
    """The search over requests that are ordered by their begin."""

    def __init__(
        self, requests: Sequence[Request], keys: Sequence[str], initial: Mapping[str, Value]
    ) -> None:
        self._requests = requests
        self._keys = keys
        self._begin = _Point(0, 0, tuple(initial.get(key) for key in keys))

    def run(self) -> Violation | None:
        seen = {self._begin}
        pending = [self._begin]
        furthest = self._begin
        while pending:
            point = pending.pop()
            if self._is_end(point):
                return None
            furthest = max(furthest, point, key=lambda each: each.first + each.mask.bit_count())
            for following in self._following(point):
                if following not in seen:
                    seen.add(following)
                    pending.append(following)
        return Violation(
            dict(zip(self._keys, furthest.values, strict=True)),
            [self._requests[index] for index in self._candidates(furthest)],
        )

    def _is_end(self, point: _Point) -> bool:
        return not any(self._requests[index].is_answered for index in self._candidates(point))

    def _candidates(self, point: _Point) -> list[int]:
        """The requests that may come next, those that ended last before the others."""
        requests = self._requests
        latest = self._latest_begin(point)
        deadline = inf
        found = []
        for index in range(point.first, len(requests)):
            request = requests[index]
            if request.begin > deadline:
                break
            if point.mask >> (index - point.first) & 1 or request.end < latest:
                continue  # settled, or what had no answer and never took effect
            found.append(index)
            if request.is_answered:
                deadline = min(deadline, request.end)
        return sorted(found, key=lambda index: (requests[index].is_answered, -requests[index].end))

    def _latest_begin(self, point: _Point) -> float:
        """Time has come so far: the begin of the last settled request."""
        index = point.first + point.mask.bit_length() - 1
        return self._requests[index].begin if index >= 0 else -inf

    def _following(self, point: _Point) -> list[_Point]:
        """The points after each of the candidates that can come next; the last one is to be tried first."""
        state = dict(zip(self._keys, point.values, strict=True))
        candidates = self._candidates(point)
        earliest_end = min(self._requests[index].end for index in candidates)
        found = []
        for index in candidates:
            request = self._requests[index]
            after = request.apply(state)
            if after is None:
                continue
            changed = {**state, **after}
            settled = self._settle(point, index, tuple(changed[key] for key in self._keys))
            if request.changes_nothing and request.begin <= earliest_end:
                return [settled]  # it can as well come now as later, and shuts nothing out
            found.append(settled)
        return found

    def _settle(self, point: _Point, index: int, values: tuple[Value, ...]) -> _Point:
        first, mask = point.first, point.mask | 1 << (index - point.first)
        latest = self._latest_begin(_Point(first, mask, values))
        while mask & 1 or (mask and self._requests[first].end < latest):
            first += 1
            mask >>= 1
        return _Point(first, mask, values)
