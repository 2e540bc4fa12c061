"""A disk that refuses one kind of call on one file, under load, with requests waiting behind it.

While it lasts each request is answered, well or with an InternalServerError, and
requests that have nothing to do with the file go on. Once it is over, all go on without a
restart. What was acknowledged is there then, and after kill -9 and another start; no
transaction is half there, and all that is computed from the items agrees with them.
"""

from __future__ import annotations

import itertools
import os
import sys
from errno import EIO, ENOSPC
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from botocore.exceptions import ClientError

from tests.conftest import Server
from tests.crash import disk_load, disk_log
from tests.crash.faulty_disk import ALL_CALLS, FaultyDisk
from tests.crash.ledger import Ledger

ANSWER_SECONDS = 60  # no request may take longer, on a busy machine
STEPS = 2  # of each client that count as going on

# What a kind of load may be answered, beside InternalServerError, when its file cannot be written.
ALSO_ANSWERED = {"backups": {"BackupNotFoundException"}}  # it was given up

CATALOG = {"tables", "indexes", "backups"}
JOURNAL = {"over", "adds-over", "large-over"}
# Where it stays unknown whether the journal holds a transaction, its tables are closed until that is certain.
IN_DOUBT = {*JOURNAL, "puts-one", "puts-two", "large", "adds-a", "adds-b", "batches", "within", "backups"}
TABLE_TWO = {"puts-two", "large", "adds-a", "adds-b", "batches", *JOURNAL, "backups"}


class Case(NamedTuple):
    """`hit` are the kinds of load (disk_load.py) that may fail by it; all others must go on."""

    pattern: str
    call: str
    hit: set[str]
    error: int = EIO


CASES = [
    Case("catalog.db-wal", "write", CATALOG),
    Case("catalog.db-wal", "write", CATALOG, ENOSPC),
    Case("catalog.db-wal", "sync", CATALOG),
    Case("journal.db-wal", "write", JOURNAL),
    Case("journal.db-wal", "write", JOURNAL, ENOSPC),
    Case("journal.db-wal", "sync", IN_DOUBT),
    Case("journal.db", "write", JOURNAL),
    Case("journal.db", "sync", JOURNAL),
    Case("tables/Two-*.db-wal", "write", TABLE_TWO),
    Case("tables/Two-*.db-wal", "write", TABLE_TWO, ENOSPC),
    Case("tables/Two-*.db-wal", "sync", TABLE_TWO),
    Case("tables/Two-*.db", "write", TABLE_TWO),
    Case("tables/Two-*.db", "write", TABLE_TWO, ENOSPC),
    Case("tables/Two-*.db", "sync", TABLE_TWO),
    Case("tables/Indexed-*.db-wal", "write", {"indexes"}),
    Case("tables/Indexed-*.db-wal", "sync", {"indexes"}),
    Case("tables/Expiring-*.db-wal", "write", {"expiring"}),
    Case("tables/Expiring-*.db-wal", "sync", {"expiring"}),
    Case("tables/Passing*", "open", {"tables"}),
    Case("tables/Passing*", "write", {"tables"}),
    Case("tables/Passing*", "write", {"tables"}, ENOSPC),
    Case("tables/Passing*", "sync", {"tables"}),
    Case("tables/Passing*", "unlink", {"tables"}),
    Case("tables", "sync", {"tables"}),
    Case("usage.db-wal", "write", set()),
    Case("usage.db-wal", "write", set(), ENOSPC),
    Case("backups/*.part", "open", {"backups"}),
    Case("backups/*.part", "write", {"backups"}),
    Case("backups/*.part", "write", {"backups"}, ENOSPC),
    Case("backups/*.part", "sync", {"backups"}),
    Case("backups/*.db", "rename", {"backups"}),
    Case("backups/*.db", "unlink", {"backups"}),
    Case("backups", "sync", {"backups"}),
]
FAST_CASES = [
    (Case("journal.db-wal", "sync", JOURNAL), 1),
    (Case("tables/Two-*.db-wal", "write", TABLE_TWO, ENOSPC), ALL_CALLS),
]


def start(data: Path, **more: Any) -> Server:
    return Server("--data-dir", str(data), "--ttl-interval", "0.2", **more)


def wait_for_steps(clients: list[disk_load.Client], when: str) -> None:
    """Until each has done some steps more than now."""
    goals = {client.name: client.succeeded + STEPS for client in clients}

    def behind() -> list[str]:
        return [client.name for client in clients if client.succeeded < goals[client.name]]

    disk_load.wait_until(lambda: not behind(), lambda: f"{when}, {behind()} do not go on")


def bad_answers(client: disk_load.Client, hit: set[str]) -> list[str]:
    allowed = {"InternalServerError", *ALSO_ANSWERED.get(client.name, ())} if client.name in hit else set()
    return [
        f"{client.name}: {error!r}"
        for error in client.errors
        if not isinstance(error, ClientError) or error.response["Error"]["Code"] not in allowed
    ]


def state_problems(server: Server, data: Path, ledger: Ledger, when: str) -> list[str]:
    dynamodb = server.client()
    disk_load.wait_for_index(dynamodb)
    cells, items = disk_load.found_state(dynamodb)
    problems = ledger.problems(cells, sys.maxsize, lambda _table: sys.maxsize)
    problems += disk_load.broken_items(items)
    problems += disk_load.stream_problems(server.client("dynamodbstreams"), items[disk_load.ONE])
    problems += disk_load.unsound(data)
    return [f"{when}: {problem}" for problem in problems]


def suffer(case: Case, times: int, shim: Path, folder: Path) -> None:
    data, disk = folder / "data", FaultyDisk(folder / "fault")
    data.mkdir()
    environment = disk_log.preloaded(shim, data, fault=disk.path)
    server = start(data, environment=environment, log=folder / "stderr")
    try:
        ledger = Ledger(itertools.count().__next__)
        dynamodb = server.client(max_pool_connections=len(disk_load.KINDS), read_timeout=ANSWER_SECONDS)
        disk_load.prepare(dynamodb, ledger)
        clients = disk_load.clients(dynamodb, ledger)

        def fault() -> None:
            wait_for_steps(clients, "before the fault")
            disk.fail(case.pattern, case.call, case.error, times=times)
            disk_load.wait_until(lambda: disk.hits, lambda: "no such call was made")
            wait_for_steps([client for client in clients if client.name not in case.hit], "during the fault")
            disk.lift()
            wait_for_steps(clients, "after the fault")

        disk_load.run(clients, fault)
        problems = [problem for client in clients for problem in bad_answers(client, case.hit)]
        problems += state_problems(server, data, ledger, "after the fault")
        server.kill()
        server = start(data)
        problems += state_problems(server, data, ledger, "after kill -9")
    finally:
        server.kill()
    assert not problems, "\n".join([str(folder), *problems])


def name_of(value: object) -> str:
    if isinstance(value, Case):
        return f"{value.pattern} {value.call} {os.strerror(value.error)}".replace("/", "-")
    return "until lifted" if value == ALL_CALLS else "once"


@pytest.mark.parametrize(("case", "times"), FAST_CASES, ids=name_of)
def test_some_faults(case: Case, times: int, shim: Path, tmp_path: Path) -> None:
    suffer(case, times, shim, tmp_path)


@pytest.mark.nightly
@pytest.mark.parametrize("times", [1, ALL_CALLS], ids=name_of)
@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_faults(case: Case, times: int, shim: Path, tmp_path: Path) -> None:
    suffer(case, times, shim, tmp_path)
