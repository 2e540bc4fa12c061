"""Requests by their operation and what became of them."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from time import perf_counter

from alt.errors import ApiError
from alt.metrics.histogram import Histogram

# Of seconds. A GetItem takes some 50 us, a durable write 0.2 to 10 ms, a page of 1 MB some 10 ms.
LATENCY_BOUNDS = (
    0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0,
)  # fmt: skip
# The operation of requests whose target is none of ours: what a client invents becomes no label.
UNKNOWN = "unknown"


class OperationMetrics:
    """The requests of one operation: how long those took that succeeded, why others failed.

    `reasons` are those for which transactions were cancelled, an action each.
    """

    __slots__ = ("_bounds", "_counts", "failures", "latency", "reasons")

    def __init__(self) -> None:
        self.latency = Histogram(LATENCY_BOUNDS)
        self.failures: Counter[str] = Counter()
        self.reasons: Counter[str] = Counter()
        self._bounds, self._counts = self.latency.bounds, self.latency.counts

    def succeeded(self, begun: float) -> float:
        """Count a request that began then, by `perf_counter`; the seconds that it took. This is the hot path."""
        seconds = perf_counter() - begun
        self._counts[bisect_left(self._bounds, seconds)] += 1
        self.latency.sum += seconds
        return seconds

    def failed(self, begun: float, error: ApiError) -> float:
        """The same for one that is answered with an error."""
        self.failures[error.type] += 1
        self.reasons.update(code for code in error.reasons if code != "None")
        return perf_counter() - begun


class RequestMetrics:
    """Those of all operations. `of` is called with the names of operations that there are."""

    def __init__(self) -> None:
        self.operations: dict[str, OperationMetrics] = {}
        self.unknown = self.of(UNKNOWN)

    def of(self, operation: str) -> OperationMetrics:
        return self.operations.setdefault(operation, OperationMetrics())
