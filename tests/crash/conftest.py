"""The shim that stands between a server and its disk."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.crash import disk_log


@pytest.fixture(scope="session")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return disk_log.build_shim(tmp_path_factory.mktemp("shim"))
