"""The connections to a database: few, shared, and made anew where they break.

Whatever happens, a caller gets a connection or an error within a bound.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from time import perf_counter
from typing import Any, TypeAlias, TypeVar

import asyncpg

from alt.errors import ForeseenError
from alt.storage.engine import UnusableEngineError
from alt.storage.model.activity import DatabaseActivity, DatabaseTotals
from alt.storage.postgres import dialect
from alt.storage.postgres import statements as sql

T = TypeVar("T")
Connection: TypeAlias = Any  # asyncpg has no types to speak of
Row: TypeAlias = Any

# The schema of everybody's relations.
EVERYBODYS = "alt"
CONNECT_SECONDS = 2.0
# The database gives a statement up before (dialect.py): what is not answered by then has no database behind it.
ANSWER_SECONDS = 10.0
# How long a request waits for a connection while all are in use.
PATIENCE_SECONDS = 3.0
# What was cut is asked once more, over a new connection.
ATTEMPTS = 2


class DatabaseAwayError(ForeseenError):
    """The database cannot be reached, or is too busy: nothing was done."""


class UnknownOutcomeError(ForeseenError):
    """The connection was cut in the midst of a COMMIT: nobody knows whether it was done."""


# What may come of asking a database, and is no bug of ours.
FAULTS = (
    UnusableEngineError,
    DatabaseAwayError,
    UnknownOutcomeError,
    asyncpg.PostgresError,
    *dialect.CUT,
    OSError,
)


class Database:
    """`dsn` as libpq has them: several hosts, `sslmode`, `target_session_attrs`. At most `size` connections.

    Their statements are about the relations of `schema`, which is a plain identifier.
    """

    def __init__(
        self,
        dsn: str,
        size: int,
        schema: str = EVERYBODYS,
        *,
        attempts: int = ATTEMPTS,
        answer_seconds: float = ANSWER_SECONDS,
    ) -> None:
        self.schema = schema
        self._dsn = dsn
        self._attempts = attempts
        self._answer_seconds = answer_seconds
        self._idle: list[Connection] = []
        self._size = size
        self._free = asyncio.Semaphore(size)
        self._in_use = self._connecting = 0
        self._closed = False
        self.totals = DatabaseTotals()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """A connection that nobody else uses meanwhile. Raises DatabaseAwayError."""
        if self._free.locked():
            await self._wait()
        else:
            await self._free.acquire()
        self._in_use += 1
        try:
            connection = self._pop() or await self._make()
            try:
                yield connection
            except BaseException as fault:
                self._let_go(connection, fault)
                raise
            finally:
                self._put_back(connection)
        finally:
            self._in_use -= 1
            self._free.release()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """A transaction that is committed at the end, if nothing was raised. Raises UnknownOutcomeError."""
        async with self.connection() as connection:
            await connection.execute(sql.BEGIN)
            try:
                yield connection
            except (asyncpg.PostgresError, ForeseenError):
                await roll_back(connection)
                raise
            await commit(connection)

    async def run(self, work: Callable[[Connection], Coroutine[Any, Any, T]]) -> T:
        """Do what may be done twice: what a cut connection did not answer is asked again."""
        for attempt in range(1, self._attempts + 1):
            try:
                async with self.connection() as connection:
                    return await work(connection)
            except Exception as fault:
                if not dialect.is_away(fault):
                    raise
                if attempt == self._attempts:
                    raise DatabaseAwayError(f"the database does not answer: {_text(fault)}") from fault
                self.totals.read_retries += 1
        raise AssertionError("one attempt returns or raises")

    async def fetch(self, sql: str, *values: Any) -> list[Row]:
        async def work(connection: Connection) -> list[Row]:
            return list(await connection.fetch(sql, *values))

        return await self.run(work)

    @asynccontextmanager
    async def beside(self, schema: str) -> AsyncIterator[Database]:
        """One connection to another schema of the same database."""
        other = Database(self._dsn, 1, schema)
        try:
            yield other
        finally:
            await other.close()

    def activity(self) -> DatabaseActivity:
        idle = sum(not each.is_closed() for each in self._idle)
        return DatabaseActivity(self.totals, idle + self._in_use - self._connecting, self._in_use, self._size)

    async def close(self) -> None:
        """Once nobody uses it."""
        self._closed = True
        idle, self._idle = self._idle, []
        await asyncio.gather(*(each.close(timeout=CONNECT_SECONDS) for each in idle), return_exceptions=True)

    async def _wait(self) -> None:
        """Return once one of them is this caller's. Raises DatabaseAwayError."""
        begun = perf_counter()
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await self._free.acquire()
        except TimeoutError:
            self.totals.refused += 1
            raise DatabaseAwayError("all connections to the database are in use") from None
        finally:
            self.totals.wait_seconds.observe(perf_counter() - begun)

    async def _make(self) -> Connection:
        self._connecting += 1
        try:
            made = await self._connect()
        except ForeseenError:
            self.totals.connections_failed += 1
            raise
        finally:
            self._connecting -= 1
        self.totals.connections_made += 1
        return made

    async def _connect(self) -> Connection:
        try:
            connection = await asyncpg.connect(
                self._dsn,
                timeout=CONNECT_SECONDS,
                command_timeout=self._answer_seconds,
                server_settings=dialect.session(self.schema),
            )
            await self._prepare(connection)
            return connection
        except (asyncpg.PostgresError, ValueError) as fault:
            if isinstance(fault, asyncpg.PostgresError) and dialect.is_away(fault):
                raise DatabaseAwayError(f"the database cannot be reached: {_text(fault)}") from None
            raise UnusableEngineError(f"the database does not let Alt in: {_text(fault)}") from None
        except (
            OSError,
            TimeoutError,
            *dialect.CUT,
            asyncpg.TargetServerAttributeNotMatched,
        ) as fault:
            raise DatabaseAwayError(f"the database cannot be reached: {_text(fault)}") from None

    async def _prepare(self, connection: Connection) -> None:
        """Have its plans made as Alt wants them, and let go of one that cannot be used."""
        try:
            await self._check_schema(connection)
            await connection.execute(dialect.KEEPING_MEMORY, timeout=CONNECT_SECONDS)
            with suppress(*dialect.UNKNOWN_SETTING):
                await connection.execute(dialect.PLANNING, timeout=CONNECT_SECONDS)
        except BaseException:
            connection.terminate()
            raise

    async def _check_schema(self, connection: Connection) -> None:
        """Raises where it has another schema, as where a pooler drops what was asked for.

        Names would then mean whichever relations the role finds first, and those may be somebody else's.
        """
        found = await connection.fetchval(sql.SEARCH_PATH, timeout=CONNECT_SECONDS)
        if found != self.schema:
            raise UnusableEngineError(
                f"a connection for the schema {self.schema} has {found}: what stands before the database must pass "
                "search_path on"
            )

    def _pop(self) -> Connection | None:
        """One that waits; those that were cut meanwhile are forgotten."""
        while self._idle:
            connection = self._idle.pop()
            if not connection.is_closed():
                return connection
            self.totals.connections_cut += 1
        return None

    def _let_go(self, connection: Connection, fault: BaseException) -> None:
        """Let go of a connection with whose use something went wrong, unless it can be used again."""
        is_unknown = isinstance(fault, UnknownOutcomeError)
        self.totals.unknown_outcomes += is_unknown
        if is_unknown or dialect.is_away(fault) or connection.is_closed():
            # The server goes, or has become a standby, or there is no answer: another connection finds another.
            self.totals.connections_cut += 1
            connection.terminate()
        elif not isinstance(fault, (asyncpg.PostgresError, ForeseenError)):
            connection.terminate()  # it may be waiting for an answer that nobody wants any more

    def _put_back(self, connection: Connection) -> None:
        """A connection in the midst of something is let go of: the database undoes what it had begun."""
        if self._closed or connection.is_closed() or connection.is_in_transaction():
            connection.terminate()
        else:
            self._idle.append(connection)


async def roll_back(connection: Connection) -> None:
    """Keep the connection for others; one that cannot be told is let go of when it is put back."""
    with suppress(asyncpg.PostgresError, *dialect.CUT, OSError):
        await connection.execute(sql.ROLLBACK)


async def commit(connection: Connection) -> None:
    """Raises UnknownOutcomeError where nobody says whether it was done."""
    try:
        await connection.execute(sql.COMMIT)
    except Exception as fault:
        if isinstance(fault, asyncpg.PostgresError) and not dialect.is_away(fault):
            raise  # the database says that it was not
        raise UnknownOutcomeError(
            f"whether a transaction was committed is not known: {_text(fault)}"
        ) from None


def _text(fault: BaseException) -> str:
    """Of a fault without a text its name. A DSN, which may hold a password, is in none of them."""
    return str(fault) or type(fault).__name__
