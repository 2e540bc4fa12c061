"""Who answers requests of the API: a server over HTTP, or this process on a data directory that none serves.

Commands on data ask in this one way, and touch no table's file themselves: a server's writes share commits, and its
streams, indexes and accounts see each of them. Where no server runs, the process is the directory's server meanwhile,
with the lock that keeps another out, and without a port.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
import ujson

from .data_directory import directory_of
from .finding import client_of

if TYPE_CHECKING:
    from alt.operations.context import Context
    from alt.storage.sqlite.data_directory import ServerLock
    from alt.storage.sqlite.store import Store

    from .finding import Place

T = TypeVar("T")

# An operation's name and its request, to its answer. Raises ApiError. Several threads may ask at once.
Ask = Callable[[str, dict[str, Any]], dict[str, Any]]
# Has somebody to ask for as long as it is entered.
Answering = Callable[[], AbstractContextManager[Ask]]

# How long to wait for another command, or a server that is about to say where it listens.
TAKEN_SECONDS = 5.0
TAKEN_POLL_SECONDS = 0.05
# What to do about errors whose messages do not say.
_KEY = "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY have to be a key of the server's, as `alt keys create` makes one"
_ADVICE = {
    "AccessDeniedException": "`alt keys create` makes a key that may",
    "MissingAuthenticationTokenException": _KEY,
    "InvalidSignatureException": _KEY,
    "ResourceNotFoundException": "`alt tables ls` lists the tables there are",
    "UnrecognizedClientException": _KEY,
}


@contextmanager
def answering(place: Place) -> Iterator[Ask]:
    """The server at the place's address, else that of its data directory, else the directory itself."""
    url = place.url
    if url is None:
        directory = directory_of(place.data_dir)
        held = _lock_or_address(directory)
        if not isinstance(held, str):
            with _on_directory(directory, held) as ask:
                yield ask
            return
        url = held
    server = client_of(place, url)
    try:
        yield server.ask
    finally:
        server.close()


@contextmanager
def asked_plainly(place: Place) -> Iterator[Ask]:
    """The same; an error of the API ends the command, in one line that says what to do."""
    from alt.errors import ApiError

    try:
        with answering(place) as ask:
            yield ask
    except ApiError as error:
        said = " ".join((error.message or error.type).split())
        advice = _ADVICE.get(error.type)
        raise click.ClickException(f"{said}: {advice}" if advice else said) from None


def _lock_or_address(directory: Path) -> ServerLock | str:
    from alt.storage.sqlite.data_directory import AlreadyServedError, ServerLock, UnusableDataError

    end = time.monotonic() + TAKEN_SECONDS
    while True:
        try:
            return ServerLock(directory)
        except AlreadyServedError as taken:
            if taken.address:
                return taken.address
            if time.monotonic() > end:
                raise click.ClickException(str(taken)) from None
        except UnusableDataError as error:
            raise click.ClickException(str(error)) from None
        time.sleep(TAKEN_POLL_SECONDS)


@contextmanager
def _on_directory(directory: Path, lock: ServerLock) -> Iterator[Ask]:
    """Be the directory's server for as long as this lasts, on a thread of its own."""
    from alt.storage.sqlite.data_directory import UnusableDataError

    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="alt", daemon=True)
    thread.start()
    try:
        served = _Served(loop, directory)
        try:
            yield served.ask
        finally:
            served.close()
    except UnusableDataError as error:
        raise click.ClickException(str(error)) from None
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
        lock.release()


class _Served:
    """The operations on a data directory."""

    def __init__(self, loop: asyncio.AbstractEventLoop, directory: Path) -> None:
        self._loop = loop
        self._store, self._context = self._run(_open(directory))

    def ask(self, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        body = self._run(self._answer(operation, request))
        answer: dict[str, Any] = ujson.loads(body) if body else {}
        return answer

    def close(self) -> None:
        self._run(self._store.close())

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        running = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return running.result()
        except KeyboardInterrupt:
            running.cancel()
            raise

    async def _answer(self, operation: str, request: dict[str, Any]) -> bytes:
        from alt import validation
        from alt.operations import OPERATIONS
        from alt.operations.caller import Caller
        from alt.storage.engine import NotReadyError

        check = validation.checker("dynamodb", operation)
        assert check is not None

        def run() -> bytes | asyncio.Future[bytes]:
            return OPERATIONS["dynamodb", operation](self._context, request, Caller(None))

        try:
            check(request)
            try:
                reply = run()
            except NotReadyError as wait:
                reply = await self._store.when_ready(wait, run)
            # Whoever is interrupted waits no more; what was begun is ended all the same.
            return reply if isinstance(reply, bytes) else await asyncio.shield(reply)
        except Exception as error:
            if self._store.is_fault(error):
                raise click.ClickException(str(error)) from None
            raise


async def _open(directory: Path) -> tuple[Store, Context]:
    import uuid

    from alt import descriptors
    from alt.clock import SteadyClock
    from alt.operations.context import Context
    from alt.storage.sqlite.data_directory import using
    from alt.storage.sqlite.store import Store

    clock = SteadyClock()
    with using(directory):
        store = Store(directory, clock=clock, max_open_tables=descriptors.budget().tables)
        store.recover()
    return store, Context(store, clock, lambda: str(uuid.uuid4()))
