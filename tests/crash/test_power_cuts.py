"""Power cuts at any point of a run, and what each level of --sync promises then.

One server under mixed load is logged, from an empty directory, with a snapshot saved and
loaded again and a restart in between; then directories are made as a power cut could
have left them at some point (power_cut.py), and a server is started on each.

- full: whatever was acknowledged is there.
- normal: tables, indexes, backups and transactions over several tables that were
  acknowledged are there. A single table may have lost its last writes, but none
  before its last fsync.
- off: the server starts, or says what is wrong.

At all levels no transaction is half there, everything that is computed from the items
agrees with them, and no file goes that nobody asked to be removed.

A test's number is its seed: `power_cut.py` and the log, which pytest keeps with the
directories of the last runs, give the same directory again.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from bisect import bisect_left
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from tests.conftest import Server
from tests.crash import disk_load, disk_log
from tests.crash.disk_log import Kind, Record
from tests.crash.ledger import TABLES, Ledger, Rewind
from tests.crash.power_cut import Disk, Fate

CUTS = {"full": 70, "normal": 40, "off": 30}
FAST_CUTS = 3
PHASE_SECONDS = 1.5  # of four
FAST_PHASE_SECONDS = 0.3

# Where a cut is more likely to hurt than after a write.
TURNING_POINTS = {Kind.CREATE, Kind.TRUNCATE, Kind.SYNC_END, Kind.RENAME, Kind.UNLINK, Kind.MAKE_FOLDER}
# All lost is the harshest for what was to be durable, each file its own fate for what orders hang together.
WAYS = ["lost", "lost", "kept", None, None, None]


@dataclass
class Run:
    """What was done at a level of --sync. `data` is what it left when it was killed."""

    level: str
    log: Path
    data: Path
    ledger: Ledger
    records: list[Record] = field(default_factory=list)

    def start(self, directory: Path, **more: Any) -> Server:
        return Server("--data-dir", str(directory), "--sync", self.level, "--ttl-interval", "0.2", **more)


def record_run(level: str, shim: Path, folder: Path, seconds: float) -> Run:
    data, log = folder / "data", folder / "log"
    data.mkdir()
    disk_log.begin(log, data)
    run = Run(level, log, data, Ledger(lambda: log.stat().st_size))
    environment = disk_log.preloaded(shim, data, log=log)

    def snapshot(command: str) -> None:
        arguments = ["snapshot", command, "saved", "--data-dir", str(data)]
        subprocess.run([sys.executable, "-m", "alt.cli", *arguments], env=environment, check=True, timeout=60)

    server = run.start(data, environment=environment)
    dynamodb = server.client(max_pool_connections=len(disk_load.KINDS))
    disk_load.prepare(dynamodb, run.ledger)
    clients = disk_load.clients(dynamodb, run.ledger)

    def work() -> None:
        disk_load.run(clients, lambda: time.sleep(seconds))
        errors = [error for client in clients for error in client.errors]
        assert not errors, errors[0]

    work()
    position = run.ledger.position()
    snapshot("save")
    work()
    rewind = Rewind(position, run.ledger.position())
    run.ledger.rewinds.append(rewind)
    snapshot("load")
    rewind.done = run.ledger.position()
    work()
    server.stop()
    server = run.start(data, environment=environment)
    dynamodb = server.client(max_pool_connections=len(disk_load.KINDS))
    for client in clients:
        client.dynamodb = dynamodb
    work()
    server.kill()
    run.records = list(disk_log.read(log))
    return run


_RUNS: dict[tuple[str, float], Run] = {}


@pytest.fixture
def run(level: str, seconds: float, shim: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The run of a level, made when it is first asked for."""
    if (level, seconds) not in _RUNS:
        _RUNS[level, seconds] = record_run(level, shim, tmp_path_factory.mktemp(f"run-{level}"), seconds)
    return _RUNS[level, seconds]


def choose_cut(run: Run, random: Random) -> int:
    """How many records still happen."""
    if random.random() < 0.4:  # an answer has just gone out
        done = random.choice([step.done for step in run.ledger.steps if step.done is not None])
        return bisect_left(run.records, done, key=lambda record: record.end) + 1
    if random.random() < 0.7:
        turns = [number for number, record in enumerate(run.records) if record.kind in TURNING_POINTS]
        return random.choice(turns) + random.randint(0, 1)
    return random.randint(1, len(run.records))


def durable_in(disk: Disk, level: str, cut: int, table: str) -> int:
    """Up to which position what was acknowledged in a table must be there."""
    if level == "full":
        return cut
    if level == "off":
        return 0
    files = [node for name, node in disk.live("tables").items() if name.startswith(f"{table}-")]
    newest = max((node.path for node in files if node.path.endswith(".db")), default=None)
    return max((node.synced for node in files if node.path in (newest, f"{newest}-wal")), default=0)


def table_files(directory: Path) -> set[str]:
    return {path.name for path in (directory / "tables").glob("*.db")}


def vanished(run: Run, cut: int, before: set[str], after: set[str]) -> list[str]:
    """Files that are gone though they were of tables that were there to stay, or of none that was ever asked for."""
    if any(rewind.began <= cut for rewind in run.ledger.rewinds):
        return []  # it replaces every table's file
    passing = set()
    for step in run.ledger.steps:
        if step.began <= cut and step.cells[0][0] == TABLES:
            is_there = step.state is not None and step.done is not None and step.done <= cut
            (passing.discard if is_there else passing.add)(step.cells[0][1])
    return [
        f"{file} is gone"
        for file in before - after
        if not any(file.startswith(f"{name}-") for name in passing)
    ]


def cut_and_start(run: Run, seed: int, folder: Path) -> None:
    random = Random(f"{run.level} {seed}")
    count, way = choose_cut(run, random), random.choice(WAYS)
    disk = Disk()
    disk.replay(run.records[:count])
    cut = run.records[count - 1].end
    directory = folder / "data"
    directory.mkdir(parents=True)
    disk.cut(directory, Fate(random, way))
    shutil.copytree(directory, folder / "as-cut")
    before = table_files(directory)
    try:
        server = run.start(directory, log=folder / "stderr")
    except AssertionError:
        server = None
    problems = []
    if server is not None:
        try:
            problems += examine(run, disk, cut, server, directory)
        except (ClientError, BotoCoreError) as error:
            problems.append(f"a request failed: {error}")
        finally:
            server.kill()
    said = (folder / "stderr").read_text()
    if "Traceback" in said:
        problems.append(f"a traceback: {said}")
    if server is None and (run.level != "off" or not 1 <= len(said.splitlines()) <= 3):
        problems.append(f"no start: {said!r}")
    problems += vanished(run, cut, before, table_files(directory))
    where = f"--sync {run.level}, seed {seed}: cut after record {count} of {len(run.records)}, unsynced {way or 'mixed'}"
    (folder / "problems").write_text("\n".join([where, *problems]))
    assert not problems, "\n".join([where, str(folder), *problems, f"stderr: {said}"])


def examine(run: Run, disk: Disk, cut: int, server: Server, directory: Path) -> list[str]:
    """What is wrong with the data that a server found after a cut."""
    client = server.client()
    if run.level == "off":
        for name in client.list_tables()["TableNames"]:
            try:
                client.scan(TableName=name)
            except client.exceptions.InternalServerError:
                continue
        return []
    cells, items = disk_load.found_state(client)
    problems = run.ledger.problems(cells, cut, lambda table: durable_in(disk, run.level, cut, table))
    problems += disk_load.broken_items(items)
    if disk_load.ONE in items:
        problems += disk_load.stream_problems(server.client("dynamodbstreams"), items[disk_load.ONE])
    if disk_load.INDEXED in items:
        disk_load.wait_for_index(client)
    problems += disk_load.unsound(directory)
    problems += disk_load.unrestorable(client)
    for table in items:
        client.put_item(TableName=table, Item=disk_load.item("after", 0))
    return problems


def check_log(run: Run, target: Path) -> None:
    """The log has everything that was done: with nothing lost it gives the directory that was left."""
    disk = Disk()
    disk.replay(run.records)
    target.mkdir()
    disk.cut(target, Fate(Random(0), "kept"))

    def contents(directory: Path) -> dict[str, bytes]:
        files = [path for path in directory.rglob("*") if path.is_file() and not path.name.endswith("-shm")]
        return {path.relative_to(directory).as_posix(): path.read_bytes() for path in files}

    expected, made = contents(run.data), contents(target)
    assert made.keys() == expected.keys()
    assert [name for name in expected if made[name] != expected[name]] == []


@pytest.mark.parametrize("seconds", [FAST_PHASE_SECONDS])
@pytest.mark.parametrize("level", ["full"])
def test_some_power_cuts(run: Run, tmp_path: Path) -> None:
    check_log(run, tmp_path / "all")
    for seed in range(FAST_CUTS):
        cut_and_start(run, seed, tmp_path / str(seed))


@pytest.mark.nightly
@pytest.mark.parametrize("seconds", [PHASE_SECONDS])
@pytest.mark.parametrize(
    ("level", "seed"), [(level, seed) for level, count in CUTS.items() for seed in range(count)]
)
def test_power_cuts(run: Run, seed: int, tmp_path: Path) -> None:
    cut_and_start(run, seed, tmp_path / "cut")
