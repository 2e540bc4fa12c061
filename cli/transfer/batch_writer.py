"""Items to a table by BatchWriteItem, on several connections at once.

Of items of one key the last wins: no two batches with one key are under way at once.
"""

from __future__ import annotations

import sys
import threading
from base64 import b64decode
from collections.abc import Callable, Mapping
from contextlib import suppress
from queue import Queue
from typing import TYPE_CHECKING, Any

from alt.errors import ApiError
from alt.values import numbers

from .batches import MAX_BATCH_ITEMS, Change, write_batch

if TYPE_CHECKING:
    from alt.values.types import Item

    from ..asking.answering import Ask
    from .records import Record
    from .rejects import Rejects

Key = tuple[Any, ...]
# Of one key, the last on top: should that be refused, the one before counts.
Stack = list["Record"]

# So many that, while a server makes one group of batches durable, it has the next ones to look at.
CONNECTIONS = 32
# As text, which a request of 16 MB holds whatever becomes of it as DynamoDB JSON.
MAX_BATCH_BYTES = 512 * 1024
WAITING_BATCHES = 2 * CONNECTIONS
# Between two threads that both have work. With Python's 5 ms the one that reads the file is stopped for each answer.
SWITCH_SECONDS = 0.02
# What is wrong with an item, and not with the table, its server or the credentials.
_OF_ITEMS = frozenset(
    ("ValidationException", "SerializationException", "ItemCollectionSizeLimitExceededException")
)


class BatchWriter:
    """Puts records into a table. `types` are its key attributes'; what is refused goes to `rejects`."""

    def __init__(self, ask: Ask, table: str, types: Mapping[str, str], rejects: Rejects) -> None:
        self._ask = ask
        self._table = table
        self._types = types
        self._columns = [(name, kind, _COLUMNS[kind]) for name, kind in types.items()]
        self._rejects = rejects
        self._fault: BaseException | None = None
        self._switch_seconds = SWITCH_SECONDS
        self._batch: dict[Key, Stack] = {}
        self._batch_bytes = 0
        self._waiting: Queue[dict[Key, Stack] | None] = Queue(WAITING_BATCHES)
        self._threads: list[threading.Thread] = []
        # Keys whose batches wait or are being written: no other batch with one of them comes beside these.
        self._under_way: set[Key] = set()
        self._lock = threading.Condition()

    def __enter__(self) -> BatchWriter:
        self._switch_seconds = sys.getswitchinterval()
        sys.setswitchinterval(SWITCH_SECONDS)
        return self

    def __exit__(self, *_fault: object) -> None:
        """Wait until everything is written that was put."""
        try:
            self._close()
        finally:
            sys.setswitchinterval(self._switch_seconds)

    def put(self, record: Record) -> None:
        """Raises what has ended the writing: ApiError, ClickException."""
        if record.item is None:
            self._rejects.add(record, record.problem)
            return
        try:
            key = self._key(record.item)
        except KeyError:
            name, kind = self._missing(record.item)
            self._rejects.add(record, f"the key attribute {name}, of type {kind}, is missing")
            return
        self._batch.setdefault(key, []).append(record)
        self._batch_bytes += len(record.raw)
        if len(self._batch) == MAX_BATCH_ITEMS or self._batch_bytes >= MAX_BATCH_BYTES:
            self._send()

    def _close(self) -> None:
        try:
            if self._batch:
                self._send()
        finally:
            for _ in self._threads:
                self._waiting.put(None)
            for thread in self._threads:
                thread.join()
        if self._fault is not None:
            raise self._fault

    def _send(self) -> None:
        batch, self._batch, self._batch_bytes = self._batch, {}, 0
        with self._lock:
            self._lock.wait_for(lambda: self._fault is not None or self._under_way.isdisjoint(batch))
            if self._fault is not None:
                raise self._fault
            self._under_way |= batch.keys()
        # A connection more while all there are have something to do.
        if len(self._threads) < CONNECTIONS and (not self._threads or not self._waiting.empty()):
            thread = threading.Thread(target=self._work, daemon=True)
            self._threads.append(thread)
            thread.start()
        self._waiting.put(batch)

    def _key(self, item: Item) -> Key:
        """Equal for equal keys. Raises KeyError where an attribute is missing or of another type."""
        return tuple([column(item[name][kind]) for name, kind, column in self._columns])

    def _missing(self, item: Item) -> tuple[str, str]:
        """The first key attribute that an item lacks, and its type."""
        return next(pair for pair in self._types.items() if pair[1] not in item.get(pair[0], {}))

    def _work(self) -> None:
        """After a fault, take what comes, so that nobody waits for it."""
        while (batch := self._waiting.get()) is not None:
            if self._fault is None:
                try:
                    self._write(batch)
                except BaseException as fault:
                    self._fault = fault
            with self._lock:
                self._under_way -= batch.keys()
                self._lock.notify()

    def _write(self, stacks: dict[Key, Stack]) -> None:
        puts: list[Change] = [{"PutRequest": {"Item": stack[-1].item}} for stack in stacks.values()]
        try:
            write_batch(self._ask, self._table, puts)
        except ApiError as error:
            if error.type not in _OF_ITEMS:
                raise
            for stack in stacks.values():
                self._write_alone(stack)

    def _write_alone(self, stack: Stack) -> None:
        """The last record that is not refused."""
        while stack:
            try:
                self._ask("PutItem", {"TableName": self._table, "Item": stack[-1].item})
                return
            except ApiError as error:
                if error.type not in _OF_ITEMS:
                    raise
                self._rejects.add(stack.pop(), error.message or error.type)


def _number(content: Any) -> object:
    # What is no number the server refuses; until then it is itself. So it is with what is no base64.
    with suppress(ApiError, ValueError, TypeError):
        return numbers.canonical(content)
    return str(content)


def _binary(content: Any) -> object:
    with suppress(ValueError, TypeError):
        return b64decode(content)
    return str(content)


# What tells keys apart, by their type.
_COLUMNS: Mapping[str, Callable[[Any], object]] = {"S": str, "N": _number, "B": _binary}
