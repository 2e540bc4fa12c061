"""What clients asked for, what was acknowledged, and whether what is found later may follow from that.

A state is a number, or None for nothing there. A step sets one or more cells (a table
and a key) to one state, or adds 1 to each. The steps of one stream come one after
another: one client's, on one table. The rules:

- What was acknowledged by a position is there; what was begun after it is not.
- What failed, and what had no answer yet, may be there.
- If a step is there, then so are those before it in its stream.
- A step on several cells is there in all of them, or in none.

Whether tables, indexes and backups exist is told likewise: as cells of tables whose
name begins with a "(".
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from botocore.exceptions import BotoCoreError, ClientError

Cell = tuple[str, str]  # table and key
State = int | None
Found = dict[Cell, State]  # a cell that is not in it holds None

TABLES, INDEXES, BACKUPS = "(tables)", "(indexes)", "(backups)"


@dataclass(slots=True)
class Step:
    """`began` and `done` are positions, `done` None where there was no good answer."""

    stream: str
    cells: tuple[Cell, ...]
    state: State
    adds: bool
    vanishes: bool  # what it sets may go by itself
    began: int
    done: int | None = None
    failed: bool = False


@dataclass(slots=True)
class Rewind:
    """All tables became what they were when they were saved. The positions are those before and after."""

    saved: int
    began: int
    done: int = 0


@dataclass
class Ledger:
    """`position` tells where things stand now; of two moments the later has the greater or the same."""

    position: Callable[[], int]
    steps: list[Step] = field(default_factory=list)
    rewinds: list[Rewind] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def begin(
        self,
        stream: str,
        cells: Iterable[Cell],
        state: State = None,
        *,
        adds: bool = False,
        vanishes: bool = False,
    ) -> Step:
        with self._lock:
            step = Step(stream, tuple(cells), state, adds, vanishes, self.position())
            self.steps.append(step)
        return step

    def end(self, step: Step) -> None:
        step.done = self.position()

    @contextmanager
    def step(
        self,
        stream: str,
        cells: Iterable[Cell],
        state: State = None,
        *,
        adds: bool = False,
        vanishes: bool = False,
    ) -> Iterator[None]:
        """The request in the block; it is acknowledged if nothing is raised."""
        step = self.begin(stream, cells, state, adds=adds, vanishes=vanishes)
        try:
            yield
        except (ClientError, BotoCoreError):
            step.failed = True
            raise
        self.end(step)

    def problems(self, found: Found, cut: int, durable: Callable[[str], int]) -> list[str]:
        """What is wrong with what is found after a cut at a position.

        `durable`: the position up to which what was acknowledged in a table must be there, at most `cut`.
        """
        told = [_problems(steps, found, cut, durable) for steps in self._histories(cut)]
        return min(told, key=len)

    def _histories(self, cut: int) -> Iterator[list[Step]]:
        """The steps that count: while a snapshot is loaded, with those since it was saved or without."""
        steps = [step for step in self.steps if step.began <= cut]
        for rewind in self.rewinds:
            if rewind.began > cut:
                break
            if rewind.done > cut:
                yield steps
            steps = [
                step
                for step in steps
                if step.began < rewind.saved or step.began >= rewind.done or step.cells[0][0] == BACKUPS
            ]
        yield steps


def _problems(steps: list[Step], found: Found, cut: int, durable: Callable[[str], int]) -> list[str]:
    problems = list(_torn(steps, found))
    streams: dict[tuple[str, str], list[Step]] = defaultdict(list)
    removed = {
        step.cells[0][1]
        for step in steps
        if step.cells[0][0] == TABLES and (TABLES, step.cells[0][1]) not in found
    }
    for step in steps:
        for table in {table for table, _ in step.cells} - removed:
            streams[step.stream, table].append(step)
    for (stream, table), own in streams.items():

        def is_promised(step: Step, table: str = table) -> bool:
            is_journaled = len({table for table, _ in step.cells}) > 1 or table.startswith("(")
            return step.done is not None and step.done <= (cut if is_journaled else durable(table))

        if own[0].adds:
            problems += _miscounted(stream, table, own, found, is_promised)
        else:
            problems += _lost(stream, table, own, found, is_promised)
    return problems


def _torn(steps: list[Step], found: Found) -> Iterator[str]:
    for cells in dict.fromkeys(step.cells for step in steps if len(step.cells) > 1):
        states = {cell: found.get(cell) for cell in cells}
        if len(set(states.values())) > 1:
            yield f"half of a transaction: {states}"


def _miscounted(
    stream: str, table: str, steps: list[Step], found: Found, is_promised: Callable[[Step], bool]
) -> Iterator[str]:
    promised = sum(map(is_promised, steps))
    for cell in {cell for step in steps for cell in step.cells if cell[0] == table}:
        if not promised <= (found.get(cell) or 0) <= len(steps):
            yield f"{stream}: {cell} is {found.get(cell)}, {promised} acknowledged and {len(steps)} begun"


def _lost(
    stream: str, table: str, steps: list[Step], found: Found, is_promised: Callable[[Step], bool]
) -> Iterator[str]:
    """What is found must be what the first so many of the steps leave, at least those promised."""
    least = max((number for number, step in enumerate(steps, 1) if is_promised(step)), default=0)
    keys = {key for step in steps for other, key in step.cells if other == table}
    best: list[str] | None = None
    for count in range(least, len(steps) + 1):
        wrong = []
        for key in keys:
            state, allowed = found.get((table, key)), _allowed(steps[:count], (table, key))
            if state not in allowed:
                wrong.append(f"{table}/{key} is {state}, not {' or '.join(map(str, allowed))}")
        if not wrong:
            return
        if best is None or len(wrong) < len(best):
            best = wrong
    yield f"{stream}: of {len(steps)} steps {least} must be there: {'; '.join(best or [])}"


def _allowed(steps: list[Step], cell: Cell) -> list[State]:
    """The states that a cell may have after the steps, those that failed included or not."""
    states: list[State] = []
    for step in reversed(steps):
        if cell in step.cells:
            states.append(step.state)
            if step.vanishes:
                states.append(None)
            if not step.failed:
                return states
    return [*states, None]
