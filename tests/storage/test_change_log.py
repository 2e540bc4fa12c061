"""The change log has every change once, in order, with its commit: across errors, lost groups, restarts, trims."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import apsw
import pytest
import ujson
from hypothesis import given, settings
from hypothesis import strategies as st

from alt.errors import ApiError
from alt.storage.model.changes import DAY_SECONDS, Change
from alt.storage.model.definition import KeyAttribute, RecoveryDefinition, StreamDefinition, TableDefinition
from alt.storage.model.items import Stored
from alt.storage.model.keys import RowKey, row_key
from alt.storage.model.ranges import SlotRange
from alt.storage.sqlite import group_commit
from alt.storage.sqlite.maintenance.log_trimming import LogTrim
from alt.storage.sqlite.store import Store
from alt.storage.sqlite.table import Table
from alt.values.sizes import item_size
from alt.values.types import Item
from tests.storage.conftest import write_together

STREAM = StreamDefinition("label", "NEW_IMAGE", 1, 0.0, 0)
KEPT = RecoveryDefinition(0.0, 35)
PLAIN = TableDefinition("Music", "id", 0.0, KeyAttribute("pk", "S"), None)
LOGGED = replace(PLAIN, recovery=KEPT)

KEYS = st.sampled_from("abc")
VALUES = st.sampled_from([{"x": {"S": "1"}, "y": {"N": "1"}}, {"y": {"N": "1"}, "x": {"S": "1"}}, {}])
OPERATIONS = st.one_of(
    st.tuples(st.just("put"), KEYS, VALUES),
    st.tuples(st.just("put"), KEYS, VALUES),
    st.tuples(st.just("delete"), KEYS),
    st.tuples(st.just("refused"), KEYS, VALUES),
    st.tuples(st.just("lost"), KEYS, VALUES),
    st.tuples(st.just("restart")),
)


@pytest.fixture(autouse=True)
def long_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is lost together is one group, however busy the machine is."""
    monkeypatch.setattr(group_commit, "MAX_GROUP_SECONDS", 60.0)


class Harness:
    """A store with one logged table, and the changes its log should have: key, old item, new item."""

    def __init__(self, directory: Path | None, definition: TableDefinition = LOGGED) -> None:
        self.directory = directory
        self.now = 1_000_000.0
        self.items: dict[str, Item] = {}
        self.expected: list[tuple[str, Item | None, Item | None]] = []
        self.store = self._open()
        assert self.store.create(definition)

    def _open(self) -> Store:
        return Store(self.directory, "off", clock=lambda: self.now)

    @property
    def table(self) -> Table:
        table = self.store.table("Music")
        assert table is not None
        return table

    async def run(self, operation: tuple[Any, ...]) -> None:
        name, *arguments = operation
        await getattr(self, name)(*arguments)
        assert self.changes() == self.expected
        assert self.table.log.last() == len(self.expected)

    async def put(self, key: str, value: Item) -> None:
        old = self.items.get(key)
        await self.table.submit(lambda: put(self.table, key, value))
        self.items[key] = new = {"pk": {"S": key}, **value}
        if old != new:
            self.expected.append((key, old, new))

    async def delete(self, key: str) -> None:
        await self.table.submit(lambda: delete(self.table, key))
        if (old := self.items.pop(key, None)) is not None:
            self.expected.append((key, old, None))

    async def refused(self, key: str, value: Item) -> None:
        def put_and_fail() -> None:
            put(self.table, key, value)
            raise ApiError("ConditionalCheckFailedException")

        with pytest.raises(ApiError):
            await self.table.submit(put_and_fail)

    async def lost(self, key: str, value: Item) -> None:
        def give_up() -> None:
            self.table._write.execute("ROLLBACK")
            raise apsw.FullError("database or disk is full")

        writes = [self.table.submit(lambda: put(self.table, key, value)), self.table.submit(give_up)]
        await asyncio.gather(*writes, return_exceptions=True)

    async def restart(self) -> None:
        if self.directory is not None:
            await self.store.close()
            self.store = self._open()
            self.store.recover()

    def changes(self) -> list[tuple[str, Item | None, Item | None]]:
        return [(str(each.key.pk), _item(each.old), _item(each.new)) for each in all_changes(self.table)]


def put(table: Table, key: str, value: Item) -> None:
    item = {"pk": {"S": key}, **value}
    table.put(row_key(key), item, Stored(item_size(item), ujson.dumps(item)), table.stored(row_key(key)))


def delete(table: Table, key: str) -> None:
    if (old := table.stored(row_key(key))) is not None:
        table.delete(row_key(key), old)


def all_changes(table: Table, slots: SlotRange | None = None) -> list[Change]:
    return list(table.log.changes(0, table.log.last(), slots or SlotRange()))


def _item(image: str | None) -> Item | None:
    return None if image is None else ujson.loads(image)


def with_harness(
    test: Callable[[Harness], Any], definition: TableDefinition = LOGGED, directory: Path | None = None
) -> None:
    async def run() -> None:
        harness = Harness(directory, definition)
        try:
            await test(harness)
        finally:
            await harness.store.close()

    asyncio.run(run())


@pytest.mark.parametrize("in_memory", [True, False])
@given(operations=st.lists(OPERATIONS, max_size=25))
@settings(max_examples=40, deadline=None)
def test_it_has_every_change_once(in_memory: bool, operations: Sequence[tuple[Any, ...]]) -> None:
    async def run(directory: Path | None) -> None:
        harness = Harness(directory)
        try:
            for operation in operations:
                await harness.run(operation)
        finally:
            await harness.store.close()

    if in_memory:
        asyncio.run(run(None))
        return
    with tempfile.TemporaryDirectory() as directory:
        asyncio.run(run(Path(directory)))


def test_a_table_that_needs_no_log_has_none() -> None:
    async def test(harness: Harness) -> None:
        await harness.put("a", {})
        assert harness.changes() == []
        harness.store.redefine(LOGGED)
        await harness.put("a", {"x": {"S": "1"}})
        harness.store.redefine(replace(LOGGED, recovery=RecoveryDefinition(None, 35)))
        await harness.delete("a")
        assert len(harness.changes()) == 1

    with_harness(test, PLAIN)


def test_what_a_change_tells() -> None:
    async def test(harness: Harness) -> None:
        await harness.put("a", {})
        harness.now += 1.5
        old = harness.table.stored(row_key("a"))
        assert old is not None
        await harness.table.submit(lambda: harness.table.delete(row_key("a"), old, by_ttl=True))
        created, removed = all_changes(harness.table)
        assert created == Change(1, 1_000_000.0, row_key("a"), False, None, old.size, None, old.text)
        assert removed == Change(2, 1_000_001.5, row_key("a"), True, old.size, None, old.text, None)

    with_harness(test)


def test_changes_of_some_slots_and_positions() -> None:
    async def test(harness: Harness) -> None:
        for key in "abcdefghij":
            await harness.put(key, {})
        everything = all_changes(harness.table)
        halves = [SlotRange(first=0, end=1 << 30), SlotRange(first=1 << 30)]
        parts = [all_changes(harness.table, half) for half in halves]
        assert sorted(parts[0] + parts[1]) == everything
        assert all(half.contains(each.key) for half, part in zip(halves, parts, strict=True) for each in part)
        assert [each.seq for each in harness.table.log.changes(3, 6, SlotRange())] == [4, 5, 6]

    with_harness(test)


def test_the_last_change_until_a_moment() -> None:
    async def test(harness: Harness) -> None:
        log = harness.table.log
        assert log.last_until(harness.now) == 0
        for key in "aabcc":  # two of them change nothing
            harness.now += 10
            await harness.put(key, {})
        start = 1_000_000
        moments = [start + 9, start + 10, start + 29, start + 30, start + 40, start + 99]
        assert [log.last_until(moment) for moment in moments] == [0, 1, 1, 2, 3, 3]
        await harness.table.submit(lambda: log.trim(start + 30))
        assert log.trimmed() == 1
        assert [log.last_until(moment) for moment in moments] == [1, 1, 1, 2, 3, 3]

    with_harness(test)


def moments(harness: Harness) -> list[float]:
    """By how much the moments of the log's changes are after the beginning."""
    return [each.at - 1_000_000 for each in all_changes(harness.table)]


def test_no_change_is_recorded_before_the_one_before_it(tmp_path: Path) -> None:
    async def test(harness: Harness) -> None:
        for key, passed in (("a", 0), ("b", 10), ("c", -1000), ("d", 5)):
            harness.now += passed
            await harness.put(key, {})
        await harness.restart()
        await harness.put("e", {})
        harness.now = 1_000_020
        await harness.put("f", {})
        assert moments(harness) == [0, 10, 10, 10, 10, 20]
        assert [harness.table.log.last_until(1_000_000 + at) for at in (0, 9, 10, 15, 20)] == [1, 1, 5, 5, 6]

    with_harness(test, directory=tmp_path)


def test_a_log_ahead_of_the_clock_is_kept_and_after_a_day_counts_as_made_now() -> None:
    """Whether the clock was wrong then or is wrong now, nothing of it is old; and it does not stay for ever."""

    async def test(harness: Harness) -> None:
        harness.store.redefine(replace(PLAIN, streams=(STREAM,)))
        trim = LogTrim(harness.store, lambda: harness.now)
        await harness.put("a", {})
        harness.now += 1000 * DAY_SECONDS  # the clock is wrong
        await harness.put("b", {})
        harness.now -= 1000 * DAY_SECONDS  # and set right
        await trim.trim_all()
        harness.now += DAY_SECONDS - 1
        await trim.trim_all()
        await harness.put("c", {})
        assert moments(harness) == [0, 1000 * DAY_SECONDS, 1000 * DAY_SECONDS]
        harness.now += 1
        await trim.trim_all()
        assert moments(harness) == [0, DAY_SECONDS, DAY_SECONDS]
        harness.now += 2 * DAY_SECONDS
        await trim.trim_all()
        assert moments(harness) == []

    with_harness(test)


def test_a_clock_that_is_set_right_within_a_day_leaves_the_log_as_it_is() -> None:
    async def test(harness: Harness) -> None:
        harness.store.redefine(replace(PLAIN, streams=(STREAM,)))
        trim = LogTrim(harness.store, lambda: harness.now)
        await harness.put("a", {})
        for back in (30 * DAY_SECONDS, 60 * DAY_SECONDS):
            harness.now -= back
            await trim.trim_all()
            harness.now += DAY_SECONDS / 2
            await trim.trim_all()
            harness.now += back
            await trim.trim_all()
            assert moments(harness) == [0]
            harness.now = 1_000_000

    with_harness(test)


@pytest.mark.parametrize(
    ("needs", "days_kept"),
    [
        ({"streams": (STREAM,)}, 1),
        ({"recovery": RecoveryDefinition(0.0, 3)}, 3),
        ({"streams": (STREAM,), "recovery": RecoveryDefinition(0.0, 3)}, 3),
        ({"recovery": RecoveryDefinition(None, 3)}, 0),
    ],
)
def test_trimming_goes_by_the_longest_need(needs: dict[str, Any], days_kept: int) -> None:
    async def test(harness: Harness) -> None:
        for number in range(5):  # 4.5, 3.5, ... days ago
            await harness.put(f"{number}", {})
            harness.now += DAY_SECONDS
        harness.now -= DAY_SECONDS / 2
        harness.store.redefine(replace(PLAIN, **needs))
        await LogTrim(harness.store, lambda: harness.now).trim_all()
        assert len(harness.changes()) == days_kept
        assert harness.table.log.trimmed() == 5 - days_kept
        assert harness.table.log.last() == 5

    with_harness(test)


def test_what_has_ended_leaves_the_definition() -> None:
    async def test(harness: Harness) -> None:
        disabled = replace(STREAM, last=0, disabled=harness.now)
        definition = replace(PLAIN, streams=(disabled, STREAM), recovery=RecoveryDefinition(None, 3))
        harness.store.redefine(definition)
        trim = LogTrim(harness.store, lambda: harness.now)
        harness.now += DAY_SECONDS - 1
        await trim.trim_all()
        assert harness.store.definition("Music") == replace(definition, recovery=None)
        harness.now += 1
        await trim.trim_all()
        assert harness.store.definition("Music") == replace(PLAIN, streams=(STREAM,))

    with_harness(test)


@pytest.mark.parametrize("last_step", ["prepared", "journaled", "committed 1", "committed 2"])
def test_a_transaction_over_tables_is_logged_in_each_once(tmp_path: Path, last_step: str) -> None:
    """Also when it is cut off: once it is decided, the files that lack it are given it at once."""

    def cut_off(step: str) -> None:
        if step == last_step:
            raise OSError("cut off")

    definitions = [replace(LOGGED, name=name, id=name) for name in ("One", "Two")]

    def tables(store: Store) -> list[Table]:
        return [table for each in definitions if (table := store.table(each.name)) is not None]

    async def run() -> list[list[tuple[RowKey, bool]]]:
        store = Store(tmp_path, "off", cut_off)
        for definition in definitions:
            assert store.create(definition)
        both = tables(store)
        with pytest.raises(ApiError) if last_step == "prepared" else nullcontext():
            await write_together(store, both)
        await store.close()
        store = Store(tmp_path, "off")
        store.recover()
        found = [[(each.key, each.new is not None) for each in all_changes(table)] for table in tables(store)]
        await store.close()
        return found

    logged = [] if last_step == "prepared" else [(row_key("a"), True)]
    assert asyncio.run(run()) == [logged, logged]


def test_what_is_written_together_has_one_moment() -> None:
    """A restore to a moment between the two would show half of a transaction."""
    clock = iter(range(1_000_000, 2_000_000))
    store = Store(None, "off", clock=lambda: float(next(clock)))
    assert store.create(LOGGED)
    table = store.table("Music")
    assert table is not None

    def put(*names: str) -> None:
        for name in names:
            item: Item = {"pk": {"S": name}}
            table.put(row_key(name), item, Stored(item_size(item), ujson.dumps(item)), None)

    async def moments() -> list[float]:
        await table.submit(lambda: put("a", "b"))
        await asyncio.gather(table.submit(lambda: put("c")), table.submit(lambda: put("d", "e")))
        found = [change.at for change in table.log.changes(0, 100, SlotRange())]
        await store.close()
        return found

    first, second, third, fourth, fifth = asyncio.run(moments())
    assert first == second < third < fourth == fifth
