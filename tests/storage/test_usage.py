"""Consumption by access key, table and index: summed, stored, and limited in number."""

from __future__ import annotations

from pathlib import Path

import pytest

from alt.storage.model.usage import READ_UNITS, WRITE_UNITS, KeyLimit
from alt.storage.sqlite import usage as module
from alt.storage.sqlite.usage import Usage


def test_sums_are_kept_across_restarts(tmp_path: Path) -> None:
    for _ in range(2):
        usage = Usage(tmp_path / "usage.db")
        usage.add("AKID", "Music", "", READ_UNITS, 0.5)
        usage.store()
        usage.add("AKID", "Music", "by-a", WRITE_UNITS, 2.0)
        usage.add_throttled("OTHER", "Music")
        usage.close()
    usage = Usage(tmp_path / "usage.db")
    assert [(*used.account, *used[1:]) for used in usage.rows()] == [
        ("AKID", "Music", "", 1.0, 0.0, 2, 0),
        ("AKID", "Music", "by-a", 0.0, 4.0, 2, 0),
        ("OTHER", "Music", "", 0.0, 0.0, 0, 2),
    ]
    usage.reset()
    assert usage.rows() == []
    usage.close()


def test_beyond_the_most_access_keys_they_are_summed_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_ACCESS_KEYS", 2)
    usage = Usage(None)
    for key in ("A", "B", "C", "D", "A"):
        usage.add(key, "Music", "", READ_UNITS, 1.0)
    usage.store()
    usage.add("E", "Music", "", READ_UNITS, 1.0)
    usage.store()
    assert [(used.account.access_key, used.requests) for used in usage.rows()] == [
        ("(other)", 3),
        ("A", 2),
        ("B", 1),
    ]
    usage.close()


def test_what_another_process_limits_is_noticed(tmp_path: Path) -> None:
    serving, other = Usage(tmp_path / "usage.db"), Usage(tmp_path / "usage.db")
    assert serving.limits() == {}
    other.set_limit("AKID", KeyLimit(5.0, None))
    assert serving.limits() == {"AKID": KeyLimit(5.0, None)}
    other.set_limit("AKID", None)
    assert serving.limits() == {}
    for usage in (serving, other):
        usage.close()


def test_what_cannot_be_stored_now_is_stored_later(tmp_path: Path) -> None:
    serving, other = Usage(tmp_path / "usage.db"), Usage(tmp_path / "usage.db")
    serving.add("AKID", "Music", "", READ_UNITS, 1.0)
    other._connection.execute("BEGIN IMMEDIATE")
    with pytest.raises(Exception, match="locked"):
        serving.store()
    other._connection.execute("COMMIT")
    serving.store()
    assert [used.requests for used in serving.rows()] == [1]
    for usage in (serving, other):
        usage.close()
