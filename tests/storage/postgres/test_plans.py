"""How PostgreSQL goes about the statements of requests: by the keys of an index, however small a relation was at first."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterable

import pytest

from alt.storage.postgres import dialect, statements
from alt.storage.postgres.database import Database
from tests.postgres import Cluster

OF_REQUESTS = [
    *("GET", "PARTITION", "PARTITION_BACKWARD", "SLOTS", "COUNTS"),
    *("PARTITION_TEXTS", "PARTITION_TEXTS_BACKWARD", "SLOTS_TEXTS"),
    *("PARTITION_SOUGHT", "PARTITION_SOUGHT_BACKWARD", "SLOTS_SOUGHT"),
    *(
        "BEGIN_GROUP",
        "LOCK_ITEMS",
        "LOCK_COLLECTIONS",
        "LOCK_BUILDING",
        "TOKENS",
        "UPDATE_ITEMS",
        "DELETE_ITEMS",
    ),
    *("LOCK_LOGS", "UPDATE_LOG", "CHANGES", "MADE"),
    *("DELETE_SOME_ITEMS", "DELETE_SOME_CHANGES", "DELETE_CHANGES_UNTIL"),
]


def plans(dsn: str, names: Iterable[str]) -> dict[str, str]:
    """How each of these statements is done whatever its values are, by their names."""

    async def ask() -> dict[str, str]:
        database = Database(dsn, 1)
        found = {}
        async with database.connection() as connection:
            for name in names:
                text = getattr(statements, name)
                values = ", ".join(["NULL"] * len(set(re.findall(r"\$\d+", text))))
                await connection.execute(f"PREPARE {name} AS {text}")
                rows = await connection.fetch(f"EXPLAIN EXECUTE {name} ({values})")
                found[name] = "\n".join(row[0] for row in rows)
        await database.close()
        return found

    return asyncio.run(ask())


def test_rows_are_found_by_an_index_in_relations_that_were_never_analyzed(
    postgres: Cluster, prepared: Callable[[Cluster], str]
) -> None:
    for name, plan in plans(prepared(postgres), OF_REQUESTS).items():
        assert "Index" in plan, name
        assert not re.search("Seq Scan|Bitmap|Hash Join|Merge Join", plan), f"{name}: {plan}"


def test_one_plan_is_for_all_values(postgres: Cluster, prepared: Callable[[Cluster], str]) -> None:
    """Values that were planned for would stand in the plan; it has the places of values instead."""
    assert "$1" in plans(prepared(postgres), ["PARTITION"])["PARTITION"]


@pytest.mark.parametrize(
    "planning", ["SET no_such_setting = off", "SET plan_cache_mode = force_generic_plan; SET no_such = 1"]
)
def test_an_engine_that_does_not_know_the_settings_is_served_without(
    postgres: Cluster, monkeypatch: pytest.MonkeyPatch, planning: str
) -> None:
    monkeypatch.setattr(dialect, "PLANNING", planning)

    async def ask() -> None:
        database = Database(postgres.dsn(), 1)
        assert await database.fetch("SELECT 1")
        assert database.activity().totals.connections_cut == 0
        await database.close()

    asyncio.run(ask())
