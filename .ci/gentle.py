"""For pytest while coverage is measured: `-p gentle`, with this folder on the path.

A process writes down what it ran when it ends, and one that is killed never does. Most tests kill their
servers only to be rid of them, so here each is asked to end before it is killed. What a kill -9 leaves
behind is for the ordinary run.
"""

from __future__ import annotations

import contextlib
import subprocess
from typing import Any

SECONDS = 10.0

_kill = subprocess.Popen.kill


def _ended_or_killed(process: subprocess.Popen[Any]) -> None:
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(SECONDS)
    _kill(process)


subprocess.Popen.kill = _ended_or_killed  # type: ignore[method-assign]
