"""Whether a directory is Alt's is told while others use it."""

from __future__ import annotations

import asyncio
import threading
import time
from contextlib import closing
from pathlib import Path

import apsw

from alt.storage.sqlite.data_directory import CATALOG_FILE, refuse_foreign
from alt.storage.sqlite.store import Store


def test_a_catalog_that_another_process_holds_for_a_moment_is_waited_for(tmp_path: Path) -> None:
    """A server holds it so while it reads the write-ahead log that a kill left."""
    asyncio.run(Store(tmp_path).close())
    with closing(apsw.Connection(str(tmp_path / CATALOG_FILE))) as other:
        other.pragma("locking_mode", "EXCLUSIVE")
        other.execute("CREATE TABLE held (it)")
        begun = time.monotonic()
        held = threading.Timer(0.3, other.close)
        held.start()
        refuse_foreign(tmp_path)
        assert time.monotonic() - begun >= 0.3, "nothing was held"
        held.join()
