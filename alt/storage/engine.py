"""The face of storage: what an engine and a table are to everything above.

An operation prepares, makes one call of the engine, and finishes purely. What a call answers is there
at once (SQLite reads where it is called) or is a future; `then` attaches the finishing step to both.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol, TypeAlias, TypeVar, Union, overload

from alt.errors import ApiError, ForeseenError, without_trace
from alt.storage.model.activity import Activity, FileSize
from alt.storage.model.changes import ChangesFound, ChangesRead, Positions
from alt.storage.model.definition import Backup, TableDefinition
from alt.storage.model.items import Token, Write, Written
from alt.storage.model.keys import RowKey
from alt.storage.model.pages import PageFound, PageRead
from alt.storage.model.reads import Counts, KeysFound, KeysRead, Sized
from alt.storage.model.usage import KeyLimit, Others

T = TypeVar("T")
U = TypeVar("U")

Answer: TypeAlias = Union[T, "asyncio.Future[T]"]
# Called with what is done so far and how much there is.
Progress = Callable[[int, int], None]


def no_progress(_done: int, _total: int) -> None:
    """For who does not watch."""


class NotReadyError(ForeseenError):
    """The tables of a request cannot be used just now. It has done nothing, and begins anew `when_ready`."""


class UnusableEngineError(ForeseenError):
    """What keeps the data cannot be used as it is; the text says what to do."""


class ConflictError(ForeseenError):
    """Items meet a transaction that is under way; `errors` has one for each key, None where it meets none."""

    def __init__(self, errors: Sequence[ApiError | None]) -> None:
        super().__init__("items meet a transaction that is under way")
        self.errors = errors


class Table(Protocol):
    """A table of an engine, for the turn of the event loop in which it was found."""

    @property
    def definition(self) -> TableDefinition: ...

    @property
    def write_isolation(
        self,
    ) -> str | None: ...  # the definition's, which is looked up too often to be looked for

    def get(self, key: RowKey, *, is_consistent: bool) -> Answer[Sized | None]:
        """One item. A read that is not consistent may find it as it was; so may those of `page` and `get_all`."""
        ...

    def page(self, read: PageRead) -> Answer[PageFound]: ...

    def write(self, write: Write, finish: Callable[[Written], U]) -> asyncio.Future[U]:
        """One write; the future has what `finish` makes of it, once it is durable."""
        ...

    def write_all(
        self, writes: Sequence[Write], finish: Callable[[Sequence[Written]], U]
    ) -> asyncio.Future[U]:
        """Writes of different items of which no effect has to be decided."""
        ...

    def counts(self) -> Answer[Counts]: ...

    def changes(self, read: ChangesRead) -> Answer[ChangesFound]: ...

    def positions(self, *moments: float) -> Answer[Positions]:
        """Where the change log stands, and the last changes up to these moments (epoch seconds)."""
        ...

    def written(self) -> asyncio.Future[None]:
        """Resolves once every write that has been begun is durable."""
        ...


class Engine(Protocol):
    """All tables. What it is given as a table is one of its own."""

    @property
    def backups(self) -> Backups: ...
    @property
    def usage(self) -> Usage: ...
    @property
    def is_encrypted(self) -> bool: ...

    # Any of these may raise NotReadyError.
    def table(self, name: str) -> Table | None: ...
    def tables(self, names: Iterable[str]) -> Mapping[str, Table | None]: ...
    def when_ready(self, wait: NotReadyError, begin: Callable[[], T]) -> asyncio.Future[T]: ...

    def names(self) -> Sequence[str]: ...
    def definition(self, name: str) -> TableDefinition | None: ...
    def definitions(self) -> Iterable[TableDefinition]: ...

    def create(self, definition: TableDefinition) -> Answer[bool]:
        """False if the name is taken. A definition with a `restore` is filled in the background."""
        ...

    def redefine(self, definition: TableDefinition) -> Answer[None]:
        """Store a changed definition, and begin in the background what it asks for."""
        ...

    def remove(self, definition: TableDefinition) -> asyncio.Future[None]: ...

    def remove_keeping(self, definition: TableDefinition, backup: Backup | None) -> asyncio.Future[None]:
        """Remove a table, for its definition says that it is `deleted`, which leaves something.

        Its streams can be read as long as they are readable, and `backup` is made of it in the background.
        """
        ...

    def deleted(self) -> Iterable[TableDefinition]:
        """The tables that were removed so, while there is something of them."""
        ...

    def deleted_table(self, definition: TableDefinition) -> Table | None:
        """One of them, to read its changes."""
        ...

    def settled(self, definition: TableDefinition) -> asyncio.Future[Any]:
        """Resolves once the TimeToLive that the definition asks for is in effect."""
        ...

    def get_all(self, reads: Sequence[KeysRead], limit: int) -> Answer[Sequence[KeysFound]]:
        """Items by their keys, each of its own state, until they have `limit` bytes."""
        ...

    def get_together(self, keys: Sequence[tuple[Any, RowKey]]) -> Answer[Sequence[Sized | None]]:
        """Items of any tables, all of one state. Raises ConflictError."""
        ...

    def transact(
        self,
        writes: Sequence[tuple[Any, Write]],
        token: Token | None,
        finish: Callable[[Sequence[Written]], U],
        replayed: Callable[[Sequence[int]], U],
    ) -> Answer[U]:
        """All the writes or none. Where one is refused, or meets another transaction, none is done.

        `replayed` finishes what a transaction of this token has done already, given of each item the bytes that it
        had then, before or after, whichever are more. An engine that was started anew since may give those of now.
        """
        ...

    def activity(self, limit: int) -> Activity:
        """What was consumed is of so many tables, the first by name."""
        ...

    def file_sizes(self, limit: int) -> Answer[Sequence[FileSize]]:
        """Of so many tables that have files, the first by name."""
        ...

    def say(self, error: BaseException) -> bool:
        """Tell the operator of a fault of the disk or the like; False if the error is none."""
        ...

    def is_fault(self, error: BaseException) -> bool: ...

    @property
    def is_ready(self) -> bool:
        """Whether requests are likely to be answered: what keeps the data was there just now."""
        ...


class Backups(Protocol):
    """The backups of an engine."""

    def create(
        self, table: Any, backup: Backup, progress: Progress = no_progress
    ) -> asyncio.Future[None]: ...
    def get(self, backup_id: str) -> Answer[Backup | None]: ...
    def all(self) -> Answer[Sequence[Backup]]: ...
    def remove(self, backup: Backup) -> Answer[None]: ...


class Usage(Protocol):
    """What access keys have consumed, and what they may."""

    def add(self, access_key: str, table: str, index: str, kind: int, units: float) -> None: ...
    def add_throttled(self, access_key: str, table: str) -> None: ...
    def store(self) -> Answer[None]: ...
    def limits(self) -> Mapping[str, KeyLimit]: ...
    def others(self) -> Answer[Others]:
        """What others have consumed since this was asked last, of access keys only the limited ones."""
        ...


async def settled(answer: Answer[T]) -> T:
    """The answer, in a coroutine."""
    return (await answer) if isinstance(answer, asyncio.Future) else answer


@overload
def then(answer: asyncio.Future[T], finish: Callable[[T], Answer[U]]) -> asyncio.Future[U]: ...
@overload
def then(answer: Answer[T], finish: Callable[[T], Answer[U]]) -> Answer[U]: ...
def then(answer: Answer[T], finish: Callable[[T], Answer[U]]) -> Answer[U]:
    """What `finish` makes of an answer: at once where that is there, else as a future."""
    if not isinstance(answer, asyncio.Future):
        return finish(answer)
    future: asyncio.Future[U] = answer.get_loop().create_future()

    def go_on(done: asyncio.Future[T]) -> None:
        try:
            finished = finish(done.result())
        except asyncio.CancelledError:
            future.cancel()
        except Exception as error:
            if not future.done():
                future.set_exception(without_trace(error))
        else:
            if isinstance(finished, asyncio.Future):
                finished.add_done_callback(pass_on)
            elif not future.done():  # else whoever waited has gone
                future.set_result(finished)

    def pass_on(done: asyncio.Future[U]) -> None:
        if future.done():
            return
        if done.cancelled():
            future.cancel()
        elif (error := done.exception()) is not None:
            future.set_exception(error)
        else:
            future.set_result(done.result())

    answer.add_done_callback(go_on)
    return future
