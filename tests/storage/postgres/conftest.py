"""Commands, databases on a PostgreSQL of a test's own, and several servers on one of them."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.conftest import prepared_database
from tests.operations.conftest import Service
from tests.postgres import Cluster

PATIENCE_SECONDS = 60.0


@pytest.fixture
def prepared() -> Callable[[Cluster], str]:
    """Makes a database with Alt's tables in it, and says where it is reached."""
    return prepared_database


@pytest.fixture
def run_alt() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs a command of `alt` to its end."""

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "alt.cli", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)

    return run


@pytest.fixture
def begin(empty_database: str) -> Iterator[Callable[..., Service]]:
    """Begins a server on the one database. Nothing goes on in it but while it is asked."""
    running: list[Service] = []

    def begun(**options: Any) -> Service:
        running.append(Service(database=empty_database, **options))
        return running[-1]

    yield begun
    for service in running:
        service.close()


@pytest.fixture
def both(begin: Callable[[], Service]) -> tuple[Service, Service]:
    """Two servers that know the table Music."""
    one, other = begin(), begin()
    one.create()
    knows(other, "Music")
    return one, other


def until(service: Service, holds: Callable[[], bool]) -> None:
    """Let a server go on until it is so."""

    async def wait() -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not holds():
                await asyncio.sleep(0.01)

    service.run(wait())


def knows(service: Service, *names: str) -> None:
    """Return once a server knows these tables, and no others."""
    until(service, lambda: service.store.names() == list(names))
