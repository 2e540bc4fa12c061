"""What operations tell of their answers, for whoever watches the server."""

from __future__ import annotations


class Observed:
    """`returned_items`: how many items pages had, by operation.

    `stream_lags`: of a table, by its name and its id, and a shard, how many seconds the last GetRecords was behind.
    """

    __slots__ = ("returned_items", "stream_lags")

    def __init__(self) -> None:
        self.returned_items = {"ExecuteStatement": 0, "Query": 0, "Scan": 0}
        self.stream_lags: dict[tuple[str, str, int], float] = {}
