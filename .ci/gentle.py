"""For pytest while coverage is measured: `-p gentle`, with this folder on the path.

A process writes down what it ran when it ends, and one that is killed never does. Tests are rid of their
servers by killing them, so whatever is killed once a test is over is asked to end first. A kill within a
test stays one: the test is about what it leaves behind.
"""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

SECONDS = 10.0

_kill = subprocess.Popen.kill


def _ended_or_killed(process: subprocess.Popen[Any]) -> None:
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(SECONDS)
    _kill(process)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(subprocess.Popen, "kill", _ended_or_killed)
        yield
