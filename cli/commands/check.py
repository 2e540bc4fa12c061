"""`alt tables check`: whether each table holds what its items say, and mending what does not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from alt.config import default_data_dir

from ..asking.data_directory import data_dir_option, opened
from ..terminal import output
from ..terminal.progress import Report, progress_bar

if TYPE_CHECKING:
    from alt.storage.sqlite.maintenance.check import Drift, Entries, Found
    from alt.storage.sqlite.store import Store

HEADINGS = ("Table", "Part", "State", "Found")
SHOWN_MESSAGES = 3  # of SQLite's, on one file

OK, WRONG, REPAIRED = "ok", "wrong", "repaired"


@dataclass(slots=True)
class Part:
    """A part of a table: what was counted in it, and what is wrong with it in plain words."""

    name: str
    figures: dict[str, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    state: str = OK

    @property
    def words(self) -> str:
        figures = ", ".join(output.figure(name, value) for name, value in self.figures.items())
        return "; ".join(self.problems) or figures


@click.command()
@click.argument("name", required=False)
@click.option("--repair", is_flag=True, help="Compute anew from the items whatever differs.")
@data_dir_option
@output.json_option()
def check(name: str | None, repair: bool, data_dir: Path | None, as_json: bool) -> None:
    """Check that tables hold what their items say: all of them, or the one called NAME.

    Checks the pages of the file, the size of each item, every index against the items, the
    change log, the counts, and the sizes of item collections. Exit status 1 if anything is wrong.

    A server may run meanwhile. The check reads one state of the file; --repair writes in
    steps of some milliseconds. Only damaged pages must be repaired with the server stopped.

    \b
    Example: alt tables check Music --repair
    """
    from alt.storage.sqlite.data_directory import UnusableDataError

    directory = (data_dir or default_data_dir()).absolute()
    tables: dict[str, list[Part]] = {}
    unusable: list[str] = []  # whose files cannot even be read
    with opened(data_dir) as data, progress_bar() as report:
        if name is not None and data.store.definition(name) is None:
            raise click.ClickException(f"no table {name}: `alt tables ls` lists those there are")
        for table in data.store.names() if name is None else [name]:
            try:
                tables[table] = list(_examined(data.store, table, directory, repair, report))
            except UnusableDataError as error:
                tables[table] = [Part("file", problems=[str(error)], state=WRONG)]
                unusable.append(table)
    states = {part.state for parts in tables.values() for part in parts}
    if as_json:
        listed = [_as_json(table, parts) for table, parts in tables.items()]
        output.json(listed if name is None else listed[0])
    else:
        output.table(HEADINGS, [_row(table, part) for table, parts in tables.items() for part in parts])
    if WRONG in states:
        wrong = [table for table, parts in tables.items() if any(part.state == WRONG for part in parts)]
        raise click.ClickException("; ".join(_advice(wrong, unusable, repair)))


def _examined(store: Store, table: str, directory: Path, mend: bool, report: Report) -> Iterator[Part]:
    """The parts of a table as they are now, with what was wrong with those that are mended."""
    from alt.storage.sqlite.maintenance.check import check

    def told(what: str, done: int, total: int) -> None:
        report(f"{table}: {what}", done, total)

    before = after = check(store, table, told)
    if mend and before is not None and not before.is_sound:
        after = _mended(store, before, directory, told)
    if before is None or after is None:
        return  # removed meanwhile
    wrong_before = {part.name: part for part in _parts(before) if part.state == WRONG}
    for part in _parts(after):
        was = wrong_before.get(part.name)
        if part.state == OK and was is not None:
            part.state, part.problems = REPAIRED, was.problems
        yield part


def _mended(store: Store, found: Found, directory: Path, report: Report) -> Found | None:
    from alt.storage.sqlite.data_directory import AlreadyServedError, ServerLock
    from alt.storage.sqlite.maintenance.check import check
    from alt.storage.sqlite.maintenance.repair import repair, rewrite

    if not found.only_indexes_are_unreadable:
        return found
    if found.damage:
        try:
            lock = ServerLock(directory)
        except AlreadyServedError as served:
            raise click.ClickException(
                f"pages of {found.definition.name} are damaged, and {served}: stop that server to repair them"
            ) from None
        try:
            rewrite(store, found)
        finally:
            lock.release()
        again = check(store, found.definition.name, report)
        if again is None:
            return None
        found = again
    return repair(store, found, report)


def _parts(found: Found) -> Iterator[Part]:
    more = len(found.damage) - SHOWN_MESSAGES
    damage = [f"pages are damaged: {message}" for message in found.damage[:SHOWN_MESSAGES]]
    yield _part("file", {}, damage + ([f"{more} more"] if more > 0 else []))
    if not found.only_indexes_are_unreadable:
        return
    items = found.items
    problems = _counted(
        (
            items.unreadable,
            "cannot be read as an item of this table",
            "cannot be read as items of this table",
        ),
        (items.misplaced, "is stored under a key not its own", "are stored under keys not their own"),
        (items.missized, "is stored with a wrong size", "are stored with wrong sizes"),
        (items.damaged, "is not what was stored", "are not what was stored"),
    )
    yield _part("items", {"items": items.rows, "bytes": items.bytes}, problems)
    for name, entries in found.indexes.items():
        yield _part(f"index {name}", {"entries": entries.rows, "bytes": entries.bytes}, _of_index(entries))
    if found.changes.rows:
        problems = _counted((found.changes.damaged, "is not what was stored", "are not what was stored"))
        yield _part("change log", {"changes": found.changes.rows}, problems)
    yield _part("counts", {}, [_of_counts(source, drift) for source, drift in found.counts.items()])
    if any(not index.is_global for index in found.definition.indexes):
        wrong = _counted((len(found.collections), "has a wrong size", "have wrong sizes"))
        yield _part("item collections", {}, wrong)


def _part(name: str, figures: dict[str, int], problems: list[str]) -> Part:
    return Part(name, figures, problems, WRONG if problems else OK)


def _of_index(entries: Entries) -> list[str]:
    if entries.lost:
        return ["its entries are lost"]
    return _counted(
        (entries.missing, "item has no entry", "items have no entry"),
        (entries.extra, "entry is of no item", "entries are of no item"),
        (entries.different, "entry differs from its item", "entries differ from their items"),
    )


def _of_counts(source: str, drift: Drift) -> str:
    rows, size = drift
    what = "of the items" if source == "item" else f"of {source.strip(chr(34)).rpartition(' ')[0]}"
    return f"{what} off by {-rows:+,} and {-size:+,} bytes"


def _counted(*found: tuple[int, str, str]) -> list[str]:
    return [f"{count:,} {one if count == 1 else many}" for count, one, many in found if count]


def _row(table: str, part: Part) -> list[output.Cell]:
    return [output.Cell(table), output.Cell(part.name), output.Cell(part.state), output.Cell(part.words)]


def _as_json(table: str, parts: list[Part]) -> dict[str, Any]:
    return {
        "table": table,
        "sound": all(part.state != WRONG for part in parts),
        "parts": [
            {"part": part.name, "state": part.state, **part.figures, "problems": part.problems}
            for part in parts
        ],
    }


def _advice(wrong: list[str], unusable: list[str], tried: bool) -> Iterator[str]:
    """What to do about the tables that are wrong, some of which nothing can be computed from."""
    mendable = [table for table in wrong if table not in unusable]
    if mendable and not tried:
        yield f"{', '.join(mendable)}: `alt tables check --repair` computes anew from the items what can be"
    lost = wrong if tried else unusable
    if lost:
        yield (
            f"{', '.join(lost)}: what the items themselves have lost cannot be computed; restore it from a backup, "
            "and `alt tables rm` removes what is left"
        )
