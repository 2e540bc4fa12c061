"""Commands, and databases on a PostgreSQL of a test's own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pytest

from tests.conftest import prepared_database
from tests.postgres import Cluster


@pytest.fixture
def prepared() -> Callable[[Cluster], str]:
    """Makes a database with Alt's tables in it, and says where it is reached."""
    return prepared_database


@pytest.fixture
def run_alt() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs a command of `alt` to its end."""

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "alt.cli", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)

    return run
