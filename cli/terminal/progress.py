"""A progress bar on the terminal for what takes longer than a moment."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

# What is being done, how much of how much is done. A total of 0 is one not known.
Report = Callable[[str, int, int], None]

MOMENT_SECONDS = 0.5


class _Bar:
    """The bar: made with the first report after a moment, one line that changes with what is done."""

    def __init__(self) -> None:
        self._begun = time.monotonic()
        self._shown: tuple[Progress, TaskID] | None = None

    def report(self, what: str, done: int, total: int) -> None:
        if self._shown is None:
            if time.monotonic() - self._begun < MOMENT_SECONDS:
                return
            self._shown = self._show()
        progress, task = self._shown
        progress.update(task, description=what, completed=done, total=total or None)

    def _show(self) -> tuple[Progress, TaskID]:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TaskProgressColumn(),
            TimeRemainingColumn(),
        )
        progress = Progress(*columns, console=Console(stderr=True), transient=True)
        progress.start()
        return progress, progress.add_task("", total=None)

    def remove(self) -> None:
        if self._shown is not None:
            self._shown[0].stop()


@contextmanager
def progress_bar() -> Iterator[Report]:
    """Reports to a bar on standard error; to nowhere where that is no terminal."""
    if not sys.stderr.isatty():
        yield lambda _what, _done, _total: None
        return
    bar = _Bar()
    try:
        yield bar.report
    finally:
        bar.remove()
