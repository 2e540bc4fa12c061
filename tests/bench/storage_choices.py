"""The measurements behind alt/storage/sqlite/DESIGN.md: `python tests/bench/storage_choices.py --help`.

Alternatives take turns in many short rounds, so that whatever else the machine does
falls on all of them alike. Shown are the fastest round, the median round, and the
median of each round's ratio to the first alternative.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import os
import random
import shutil
import statistics
import tempfile
import time
import zlib
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import apsw

from alt.config import Sync
from alt.storage.model.keys import SLOTS, RowKey, row_key
from alt.storage.sqlite import connections
from alt.storage.sqlite.group_commit import GroupCommit
from alt.storage.sqlite.statistics import Statistics
from alt.values.keys import encode_number

PARTITION_ITEMS = 100
PADDING = 250  # makes an item about 400 bytes by DynamoDB's count
GROUP = 16  # writes in one transaction, where the number is not itself the question

_COLUMNS = "slot INTEGER NOT NULL, pk NOT NULL, sk NOT NULL, size INTEGER NOT NULL, item NOT NULL"
CLUSTERED = f"CREATE TABLE item ({_COLUMNS}, PRIMARY KEY (slot, pk, sk)) WITHOUT ROWID"
ROWID = f"CREATE TABLE item ({_COLUMNS}); CREATE UNIQUE INDEX item_key ON item (slot, pk, sk)"
STATISTICS = "CREATE TABLE statistics (items INTEGER, bytes INTEGER); INSERT INTO statistics VALUES (0, 0)"
WHERE_KEY = "WHERE slot = ? AND pk = ? AND sk = ?"

Burst = Callable[[], float]  # does something many times; seconds for one


# Measuring


def compare(title: str, bursts: dict[str, Burst], rounds: int) -> None:
    """Run the bursts in turn, and print microseconds."""
    times: dict[str, list[float]] = {name: [] for name in bursts}
    for _ in range(rounds):
        for name, burst in bursts.items():
            times[name].append(burst() * 1e6)
    report(title, times)


def report(title: str, times: dict[str, list[float]], unit: str = "us") -> None:
    first = next(iter(times.values()))
    print(f"  {title} ({len(first)} rounds)")
    for name, taken in times.items():
        ratio = statistics.median(mine / base for mine, base in zip(taken, first, strict=True))
        best, middle = min(taken), statistics.median(taken)
        print(f"    {name:30} best {best:9.2f}  median {middle:9.2f} {unit}   x{ratio:.2f}", flush=True)


def each(times: int, action: Callable[[], Any]) -> float:
    """Seconds for one of `times` calls."""
    began = time.perf_counter()
    for _ in range(times):
        action()
    return (time.perf_counter() - began) / times


# Items and files


def item_text(partition: int, position: int, padding: int, filler: str) -> str:
    """An item of 400 bytes of JSON besides its padding's, a nested map among its attributes."""
    item = {
        "pk": {"S": f"partition-{partition:06d}"},
        "sk": {"S": f"item-{position:06d}"},
        "number": {"N": str(position)},
        "flag": {"BOOL": position % 2 == 0},
        "profile": {"M": {"city": {"S": f"city-{position % 50}"}, "level": {"N": str(position % 7)}}},
        "tags": {"SS": ["alpha", "beta", "gamma"]},
        "text": {"S": filler * padding},
    }
    return json.dumps(item, separators=(",", ":"))


def key_of(number: int) -> RowKey:
    partition, position = divmod(number, PARTITION_ITEMS)
    return row_key(f"partition-{partition:06d}", f"item-{position:06d}")


def row_of(number: int, padding: int = PADDING, filler: str = "x") -> tuple[Any, ...]:
    text = item_text(*divmod(number, PARTITION_ITEMS), padding, filler)
    return (*key_of(number), len(text), text)


def changed_row_of(number: int, padding: int = PADDING) -> tuple[Any, ...]:
    """Another item of the same key, seldom of the same length."""
    return row_of(number, padding * random.randrange(80, 121) // 100, random.choice("abcdef"))


@dataclass(frozen=True)
class Choice:
    """One way to lay out and open a table's file."""

    schema: str = CLUSTERED
    jsonb: bool = False
    page: int = connections.PAGE_BYTES
    cache_kib: int = connections.CACHE_KIB
    mmap: int = 0
    checkpoint: int = connections.WAL_CHECKPOINT_PAGES
    sync: Sync = "full"


class File:
    """A table's file under one choice: a writer, and a reader on a connection of its own."""

    def __init__(self, path: Path, choice: Choice) -> None:
        self.path = path
        self.writer = self._connect(choice, apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE)
        if not self.writer.execute("SELECT count(*) FROM sqlite_schema").get:
            self.writer.execute(f"PRAGMA page_size = {choice.page}; PRAGMA journal_mode = WAL")
            self.writer.execute(choice.schema + ";" + STATISTICS)
        self.reader = self._connect(choice, apsw.SQLITE_OPEN_READONLY)
        self.write, self.read = self.writer.cursor(), self.reader.cursor()
        value, stored = ("jsonb(?)", "json(item)") if choice.jsonb else ("?", "item")
        self.put_sql = f"INSERT OR REPLACE INTO item VALUES (?, ?, ?, ?, {value})"
        self._get = f"SELECT CAST({stored} AS BLOB) FROM item {WHERE_KEY}"
        self._partition = (
            f"SELECT CAST(group_concat({stored}, ',') AS BLOB) FROM "
            "(SELECT item FROM item WHERE slot = ? AND pk = ?{} ORDER BY sk LIMIT 1000)"
        )

    def _connect(self, choice: Choice, flags: int) -> apsw.Connection:
        connection = apsw.Connection(str(self.path), flags=flags)
        connection.execute(f"PRAGMA cache_size = -{choice.cache_kib}; PRAGMA mmap_size = {choice.mmap}")
        connection.execute(f"PRAGMA synchronous = {choice.sync}")
        connection.wal_autocheckpoint(choice.checkpoint)
        return connection

    def put(self, rows: Iterable[tuple[Any, ...]]) -> None:
        """Put rows in one transaction."""
        self.write.execute("BEGIN IMMEDIATE")
        self.write.executemany(self.put_sql, rows)
        self.write.execute("COMMIT")

    def puts(self, rows: list[tuple[Any, ...]]) -> float:
        """Put rows, GROUP in a transaction; seconds a row."""
        groups = [rows[first : first + GROUP] for first in range(0, len(rows), GROUP)]
        began = time.perf_counter()
        for group in groups:
            self.put(group)
        return (time.perf_counter() - began) / len(rows)

    def get(self, number: int) -> Any:
        return self.read.execute(self._get, key_of(number)).get

    def partition(self, number: int, only: str = "") -> Any:
        key = key_of(number)
        return self.read.execute(self._partition.format(only), (key.slot, key.pk)).get

    def bytes_an_item(self, items: int) -> float:
        self.writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return self.path.stat().st_size / items

    def close(self) -> None:
        self.reader.close()
        self.writer.close()


def load(
    files: dict[str, File], items: int, title: str = "insert in random order", padding: int = 250
) -> None:
    """Fill the files alike, in turns of 4,000 items, and report the time an item."""
    numbers = list(range(items))
    random.Random(1).shuffle(numbers)
    times: dict[str, list[float]] = {name: [] for name in files}
    for first in range(0, items, 4_000):
        rows = [row_of(number, padding) for number in numbers[first : first + 4_000]]
        for name, file in files.items():
            times[name].append(file.puts(rows) * 1e6)
    report(title, times)


def compare_reads(files: dict[str, File], items: int, rounds: int) -> None:
    def gets(file: File) -> Burst:
        return lambda: each(1_000, lambda: file.get(random.randrange(items)))

    def partitions(file: File) -> Burst:
        return lambda: each(100, lambda: file.partition(random.randrange(items)))

    compare("point read", {name: gets(file) for name, file in files.items()}, rounds)
    compare("partition of 100", {name: partitions(file) for name, file in files.items()}, rounds)


def compare_puts(files: dict[str, File], items: int, rounds: int, padding: int = 250) -> None:
    def puts(file: File) -> Burst:
        return lambda: file.puts(
            [changed_row_of(random.randrange(items), padding) for _ in range(20 * GROUP)]
        )

    title = f"put over existing items, {GROUP} a commit"
    compare(title, {name: puts(file) for name, file in files.items()}, rounds)


def show_sizes(files: dict[str, File], items: int) -> None:
    sizes = [f"{name} {file.bytes_an_item(items):.0f}" for name, file in files.items()]
    print("  bytes an item on disk: " + ", ".join(sizes), flush=True)


# Subjects


def clustering(folder: Path, rounds: int) -> None:
    """WITHOUT ROWID against a rowid table with a unique index."""
    items = 200_000
    choices = {"WITHOUT ROWID": Choice(), "rowid, unique index": Choice(schema=ROWID)}
    files = {
        name: File(folder / f"{number}.db", choice) for number, (name, choice) in enumerate(choices.items())
    }
    load(files, items)
    compare_reads(files, items, rounds)
    compare_puts(files, items, rounds)
    show_sizes(files, items)


def json_column(folder: Path, rounds: int) -> None:
    """The item as JSON text against JSONB."""
    items = 100_000
    choices = {"text": Choice(), "JSONB": Choice(jsonb=True)}
    files = {name: File(folder / f"{name}.db", choice) for name, choice in choices.items()}
    load(files, items)
    compare_reads(files, items, rounds)
    compare_puts(files, items, rounds)
    only = " AND json_extract(item, '$.number.N') = '50'"

    def filtered(file: File) -> Burst:
        return lambda: each(100, lambda: file.partition(random.randrange(items), only))

    compare("filtered partition, one hit", {name: filtered(file) for name, file in files.items()}, rounds)
    show_sizes(files, items)


def page_size(folder: Path, rounds: int) -> None:
    """Pages of 4, 8 and 16 KB, with items of 400 bytes and of 20 KB."""
    for items, padding in ((200_000, 250), (20_000, 20_000)):
        print(f"  {items:,} items of {len(row_of(0, padding)[4]):,} bytes of JSON")
        files = {
            f"{page // 1024} KB": File(folder / f"{page}-{padding}.db", Choice(page=page))
            for page in (8_192, 4_096, 16_384)
        }
        load(files, items, padding=padding)
        compare_reads(files, items, rounds)
        compare_puts(files, items, rounds, padding)
        show_sizes(files, items)
        for file in files.values():
            file.close()


def cache(folder: Path, rounds: int) -> None:
    """Cache sizes and memory-mapped reads over 1,000,000 items, more than any cache here holds."""
    items = 1_000_000
    path = folder / "million.db"
    first = File(path, Choice(sync="off", cache_kib=1 << 20))
    for start in range(0, items, 10_000):
        first.put([row_of(number) for number in range(start, start + 10_000)])
    show_sizes({"file": first}, items)
    first.close()
    files = {
        f"cache {kib // 1024} MB, {'mmap' if mmap else 'no mmap'}": File(
            path, Choice(cache_kib=kib, mmap=mmap)
        )
        for kib in (16_384, 2_048, 65_536)
        for mmap in (0, 2 << 30)
    }
    compare_reads(files, items, rounds)
    compare_puts(files, items, rounds)
    for file in files.values():
        file.close()

    def cold(choice: Choice) -> Burst:
        def burst() -> float:
            number = os.open(path, os.O_RDONLY)
            os.posix_fadvise(number, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(number)
            file = File(path, choice)
            taken = each(200, lambda: file.get(random.randrange(items)))
            file.close()
            return taken

        return burst

    bursts = {"no mmap": cold(Choice(mmap=0)), "mmap": cold(Choice(mmap=2 << 30))}
    compare("point read, file not in the system's memory", bursts, min(rounds, 10))


def checkpoint(folder: Path, rounds: int) -> None:
    """How much WAL gathers before it is copied into the file."""
    items = 100_000
    files = {
        f"{pages} pages": File(folder / f"{pages}.db", Choice(checkpoint=pages))
        for pages in (2_000, 500, 1_000, 4_000, 8_000)
    }
    for file in files.values():
        file.put(row_of(number) for number in range(items))
    groups: dict[str, list[float]] = {name: [] for name in files}
    means: dict[str, list[float]] = {name: [] for name in files}
    for _ in range(rounds):
        for name, file in files.items():
            # Enough that even the longest WAL is copied more than once.
            taken = [
                file.puts([changed_row_of(random.randrange(items)) for _ in range(GROUP)])
                for _ in range(1_500)
            ]
            means[name].append(statistics.mean(taken) * 1e6)
            groups[name].append(max(taken) * GROUP * 1e3)
    report(f"put over existing items, {GROUP} a commit, checkpoints included", means)
    report("the longest commit of 1,500 groups", groups, "ms")


def index_entries(folder: Path, rounds: int) -> None:
    """Whether an index of all attributes holds the item or points to it: a page of 20, and a put."""
    items, groups, page = 100_000, 1_000, 20
    holding = (
        "CREATE TABLE entry (slot INTEGER NOT NULL, h0 NOT NULL, pk NOT NULL, sk NOT NULL, {}"
        "PRIMARY KEY (slot, h0, pk, sk)) WITHOUT ROWID"
    )
    # An entry that points has the item's slot too, which saves computing it.
    columns = {
        "holds": "size INTEGER NOT NULL, item NOT NULL, ",
        "points": "size INTEGER NOT NULL, item_slot INTEGER NOT NULL, ",
        "no index": None,
    }
    join = "item.slot = entry.item_slot AND item.pk = entry.pk AND item.sk = entry.sk"
    reads = {
        "holds": "SELECT size, item FROM entry WHERE slot = ? AND h0 = ? ORDER BY pk, sk LIMIT ?",
        "points": "SELECT entry.size, item.item FROM (SELECT size, item_slot, pk, sk FROM entry "
        f"WHERE slot = ? AND h0 = ? ORDER BY pk, sk LIMIT ?) AS entry CROSS JOIN item ON {join}",
    }
    files: dict[str, File] = {}
    puts: dict[str, Callable[[list[tuple[Any, ...]]], None]] = {}
    for name, more in columns.items():
        schema = CLUSTERED if more is None else f"{CLUSTERED}; {holding.format(more)}"
        files[name] = File(folder / f"{name}.db", Choice(schema=schema))
        puts[name] = _indexed_put(files[name], name, groups)
    for first in range(0, items, 4_000):
        for name in files:
            puts[name]([row_of(number) for number in range(first, first + 4_000)])

    def pages(name: str) -> Burst:
        def one() -> None:
            key = row_key(f"group-{random.randrange(groups)}")
            files[name].read.execute(reads[name], (key.slot, key.pk, page)).fetchall()

        return lambda: each(200, one)

    def put(name: str) -> Burst:
        def burst() -> float:
            rows = [changed_row_of(random.randrange(items)) for _ in range(20 * GROUP)]
            began = time.perf_counter()
            for first in range(0, len(rows), GROUP):
                puts[name](rows[first : first + GROUP])
            return (time.perf_counter() - began) / len(rows)

        return burst

    compare(f"a page of {page} from the index", {name: pages(name) for name in reads}, rounds)
    compare(f"put over existing items, {GROUP} a commit", {name: put(name) for name in files}, rounds)
    show_sizes(files, items)


def _indexed_put(file: File, name: str, groups: int) -> Callable[[list[tuple[Any, ...]]], None]:
    """Put rows and their entries; an item's entry keeps its key, so that only what it holds changes."""
    entry = {
        "holds": "INSERT OR REPLACE INTO entry (slot, h0, pk, sk, size, item) VALUES (?, ?, ?, ?, ?, ?)",
        "points": "INSERT OR REPLACE INTO entry (slot, h0, pk, sk, size, item_slot) VALUES (?, ?, ?, ?, ?, ?)",
    }

    def put(rows: list[tuple[Any, ...]]) -> None:
        file.write.execute("BEGIN IMMEDIATE")
        for slot, pk, sk, size, text in rows:
            file.write.execute(file.put_sql, (slot, pk, sk, size, text))
            if name in entry:
                key = row_key(f"group-{zlib.crc32((pk + sk).encode()) % groups}")
                last = text if name == "holds" else slot
                file.write.execute(entry[name], (key.slot, key.pk, pk, sk, size, last))
        file.write.execute("COMMIT")

    return put


def commit(folder: Path, rounds: int) -> None:
    """COMMIT on the loop's thread or a worker's; clients write, each waiting for its answer."""
    items = 100_000
    executor = ThreadPoolExecutor(4)
    for sync in ("full", "normal", "off"):
        for clients in (1, 4, 16, 64):
            bursts = {}
            for place, pool in (("worker thread", executor), ("loop's thread", None)):
                file = File(folder / f"{sync}-{clients}-{place[0]}.db", Choice(sync=sync))
                file.put(row_of(number) for number in range(items))
                bursts[place] = _clients(file, pool, clients, items)
            compare(f"a write, synchronous={sync}, {clients} clients", bursts, rounds)
    executor.shutdown()


def _clients(file: File, executor: ThreadPoolExecutor | None, clients: int, items: int) -> Burst:
    counts = Statistics(file.write)

    async def run(writes: int) -> None:
        commits = GroupCommit(file.writer, executor, counts)

        async def client() -> None:
            for _ in range(writes // clients):
                row = changed_row_of(random.randrange(items))  # about what parsing a request costs
                await commits.submit(partial(file.write.execute, file.put_sql, row))

        await asyncio.gather(*[client() for _ in range(clients)])

    def burst() -> float:
        writes = 40 * max(clients, 5)
        began = time.perf_counter()
        asyncio.run(run(writes))
        return (time.perf_counter() - began) / writes

    return burst


def savepoint(folder: Path, rounds: int) -> None:
    """What each write's SAVEPOINT adds, and what keeping the statistics adds. No disk: synchronous=OFF."""
    items = 50_000
    triggers = ";".join(
        f"CREATE TRIGGER on_{event} AFTER {event} ON item BEGIN UPDATE statistics SET "
        f"items = items {sign} 1, bytes = bytes {sign} {row}.size; END"
        for event, sign, row in (("INSERT", "+", "new"), ("DELETE", "-", "old"))
    )
    plain = File(folder / "plain.db", Choice(sync="off"))
    triggered = File(folder / "triggers.db", Choice(sync="off", schema=CLUSTERED))
    for file in (plain, triggered):
        file.put(row_of(number) for number in range(items))
    triggered.writer.execute(triggers)
    ways = {
        "put alone": _group(plain),
        "in a SAVEPOINT": _group(plain, savepoint=True),
        "old size read": _group(plain, old_size=True),
        "old size, counted, 1 UPDATE a group": _group(plain, old_size=True, update="group"),
        "old size, 1 UPDATE a write": _group(plain, old_size=True, update="write"),
        "triggers": _group(triggered),
    }
    compare(f"a write in a group of {GROUP}", {name: way(items) for name, way in ways.items()}, rounds)
    counting = {
        "count(*), sum(size)": lambda: each(
            1, lambda: plain.read.execute("SELECT count(*), sum(size) FROM item").get
        )
    }
    compare(f"counting {items:,} items instead", counting, rounds)


def _group(
    file: File, *, savepoint: bool = False, old_size: bool = False, update: str = ""
) -> Callable[[int], Burst]:
    write = file.write
    size_of = f"SELECT size FROM item {WHERE_KEY}"
    add = "UPDATE statistics SET items = items + ?, bytes = bytes + ?"

    def group(rows: list[tuple[Any, ...]]) -> None:
        write.execute("BEGIN IMMEDIATE")
        grown = 0
        for row in rows:
            if savepoint:
                write.execute("SAVEPOINT write")
            if old_size:
                grown += row[3] - write.execute(size_of, row[:3]).get
            write.execute(file.put_sql, row)
            if update == "write":
                write.execute(add, (0, 1))
            if savepoint:
                write.execute("RELEASE write")
        if update == "group":
            write.execute(add, (1, grown))
        write.execute("COMMIT")

    def burst(items: int) -> float:
        groups = [[changed_row_of(random.randrange(items)) for _ in range(GROUP)] for _ in range(50)]
        began = time.perf_counter()
        for rows in groups:
            group(rows)
        return (time.perf_counter() - began) / (50 * GROUP)

    return lambda items: lambda: burst(items)


def put_statement(folder: Path, rounds: int) -> None:
    """Ways to store an item, over an older one and where there is none."""
    items = 50_000
    file = File(folder / "put.db", Choice(sync="off"))
    file.put(row_of(number) for number in range(0, items, 2))
    values = "INTO item VALUES (?1, ?2, ?3, ?4, ?5)"
    over = {
        "INSERT OR REPLACE": f"INSERT OR REPLACE {values}",
        "ON CONFLICT DO UPDATE": f"INSERT {values} ON CONFLICT DO UPDATE SET size = ?4, item = ?5",
        "UPDATE": "UPDATE item SET size = ?4, item = ?5 WHERE slot = ?1 AND pk = ?2 AND sk = ?3",
    }
    new = {**over, "INSERT": f"INSERT {values}"}
    del new["UPDATE"]

    def burst(statement: str, first: int, make: Callable[[int], tuple[Any, ...]]) -> Burst:
        def puts() -> float:
            rows = [make(number) for number in random.sample(range(first, items, 2), 50 * GROUP)]
            file.put_sql = statement
            taken = file.puts(rows)
            if first:
                file.write.execute("BEGIN")
                file.write.executemany(f"DELETE FROM item {WHERE_KEY}", [row[:3] for row in rows])
                file.write.execute("COMMIT")
            return taken

        return puts

    def same_length(number: int) -> tuple[Any, ...]:
        return row_of(number, filler=random.choice("abcdef"))

    for title, first, ways, make in (
        ("over an older item", 0, over, changed_row_of),
        ("over one of the same length", 0, over, same_length),
        ("a new item", 1, new, row_of),
    ):
        bursts = {way: burst(sql, first, make) for way, sql in ways.items()}
        compare(f"{title}, {GROUP} a group", bursts, rounds)


def slot(folder: Path, rounds: int) -> None:  # noqa: ARG001
    """The hash for the slot, and how evenly it spreads keys over Scan's segments."""
    key = b"partition-000123"
    hashes: dict[str, Callable[[], Any]] = {
        "crc32": lambda: zlib.crc32(key) >> 1,
        "md5": lambda: int.from_bytes(hashlib.md5(key).digest()[:4], "big") >> 1,
        "blake2b": lambda: int.from_bytes(hashlib.blake2b(key, digest_size=4).digest(), "big") >> 1,
    }
    compare("hash of a key", {name: _times(1_000, action) for name, action in hashes.items()}, rounds)
    shapes: dict[str, Callable[[int], bytes]] = {
        "partition-000123": lambda number: b"partition-%06d" % number,
        "numbers": lambda number: encode_number(str(number)),
        "hex digests": lambda number: hashlib.sha256(b"%d" % number).hexdigest().encode(),
    }
    segments = 16
    for name, shape in shapes.items():
        counts = [0] * segments
        for number in range(100_000):
            counts[(zlib.crc32(shape(number)) >> 1) * segments // SLOTS] += 1
        mean = sum(counts) / segments
        print(
            f"  {name}: {segments} segments hold {min(counts) / mean:.2f} to {max(counts) / mean:.2f} of their share"
        )


def _times(times: int, action: Callable[[], Any]) -> Burst:
    return lambda: each(times, action)


def keys(folder: Path, rounds: int) -> None:  # noqa: ARG001
    """Encodings of a number as a key."""
    for text in ("42", "1767225600", "-0.00012345678901234567890123456789012345"):
        ways: dict[str, Callable[[], Any]] = {
            "packed decimal (chosen)": lambda text=text: encode_number(text),
            "REAL, inexact": lambda text=text: float(text),
        }
        print(f"  {text}: {len(encode_number(text))} bytes")
        compare("encoding", {name: _times(1_000, way) for name, way in ways.items()}, rounds)


def opening(folder: Path, rounds: int) -> None:
    """What the first use of a table costs, and a new table."""
    numbers = iter(range(1_000_000))
    made: list[Path] = []

    def create() -> None:
        made.append(folder / f"{next(numbers)}.db")
        connection = connections.connect(made[-1])
        connections.create(connection, "table", 1)
        connection.close()

    def open_and_close() -> None:
        file = File(random.choice(made), Choice())
        file.get(0)
        file.close()

    compare("a file", {"create": _times(5, create), "open, read, close": _times(5, open_and_close)}, rounds)


SUBJECTS: dict[str, Callable[[Path, int], None]] = {
    "clustering": clustering,
    "json": json_column,
    "page": page_size,
    "cache": cache,
    "checkpoint": checkpoint,
    "index_entries": index_entries,
    "commit": commit,
    "savepoint": savepoint,
    "put": put_statement,
    "slot": slot,
    "keys": keys,
    "opening": opening,
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("subject", nargs="*", help=f"of {', '.join(SUBJECTS)}; all by default")
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--folder", type=Path, help="where files are made; about 3 GB are needed")
    options = parser.parse_args()
    print(f"SQLite {apsw.sqlite_lib_version()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    for name in options.subject or SUBJECTS:
        folder = Path(tempfile.mkdtemp(prefix="alt-choices-", dir=options.folder))
        print(f"{name}: {SUBJECTS[name].__doc__}")
        try:
            SUBJECTS[name](folder, options.rounds)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
