"""A table that a command restores: there as a whole or not at all, whatever other processes do meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from alt.errors import ApiError
from alt.operations.backups.recovery import definition_from_past
from alt.operations.caller import Caller
from alt.storage.engine import settled
from alt.storage.sqlite.data_directory import UnusableDataError
from alt.storage.sqlite.store import Store
from tests.operations.conftest import Service

Meanwhile = Callable[[Store, Any], Any]


def make(directory: Path, meanwhile: Meanwhile) -> None:
    """Restore Music as Copy; another process does something once its file is begun."""
    service = Service(directory=directory)
    service.create()
    service(
        "UpdateContinuousBackups",
        TableName="Music",
        PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True},
    )
    service("PutItem", TableName="Music", Item={"pk": {"S": "a"}})
    other = Store(directory, "off", clock=service.clock)

    async def run() -> None:
        request: Any = {
            "SourceTableName": "Music",
            "TargetTableName": "Copy",
            "UseLatestRestorableTime": True,
        }
        definition = await settled(definition_from_past(service.context, request, Caller(None)))
        did: list[Any] = []

        def progress(_done: int, _total: int) -> None:
            if not did:
                assert list((directory / "tables").glob("Copy-*.part"))
                assert other.names() == ["Music"]
                did.append(meanwhile(other, definition))

        try:
            await service.store.restores.make(definition, progress)
        finally:
            await other.close()
            await service.store.close()

    asyncio.run(run())


def names(directory: Path) -> list[str]:
    store = Store(directory)
    found = store.names()
    asyncio.run(store.close())
    return list(found)


def test_nothing_happens(tmp_path: Path) -> None:
    make(tmp_path, lambda _other, _definition: None)
    assert names(tmp_path) == ["Copy", "Music"]
    assert len(list((tmp_path / "tables").glob("Copy-*"))) == 1


def test_the_name_is_taken(tmp_path: Path) -> None:
    with pytest.raises(ApiError, match="Table already exists: Copy"):
        make(
            tmp_path, lambda other, definition: other.create(replace(definition, restore=None, id="another"))
        )
    assert names(tmp_path) == ["Copy", "Music"]
    assert [path.name for path in (tmp_path / "tables").glob("Copy-*")] == ["Copy-another.db"]


def test_a_server_starts(tmp_path: Path) -> None:
    """It deletes what it finds half made."""
    with pytest.raises(UnusableDataError, match="is gone: a server has started meanwhile"):
        make(tmp_path, lambda other, _definition: other.sweep())
    assert names(tmp_path) == ["Music"]
    assert not list((tmp_path / "tables").glob("Copy-*"))
