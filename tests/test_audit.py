"""The log of the audit: written beside, private, rotated, complete or said to be not."""

from __future__ import annotations

import errno
import logging
import os
import stat
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from alt import audit
from alt.audit import KEPT_FILES, AuditLog, UnusableAuditError


class Text:
    def __init__(self, text: str) -> None:
        self._text = text.encode()
        self.held_bytes = len(text)

    def text(self) -> bytes:
        return self._text


class Broken(Text):
    def text(self) -> bytes:
        raise ValueError("a bug")


Open = Callable[..., AuditLog]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "audit.log"


@pytest.fixture
def opened(file: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Open]:
    """Logs that wait for nothing longer than a test does."""
    monkeypatch.setattr(audit, "FLUSH_SECONDS", 0.001)
    monkeypatch.setattr(audit, "RETRY_SECONDS", 0.01)
    logs = []

    def make(path: Path | str = file, max_bytes: int | None = None) -> AuditLog:
        logs.append(AuditLog(str(path), max_bytes, lambda number: f"lost {number}".encode()))
        return logs[-1]

    yield make
    for log in logs:
        log.close()


def write(log: AuditLog, *texts: str) -> None:
    for text in texts:
        log.put(Text(text))


def await_true(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.002)


def test_lines_are_appended_for_the_files_user_alone(file: Path, opened: Open) -> None:
    first = opened()
    write(first, "a", "b")
    first.close()
    file.chmod(0o644)
    second = opened()
    write(second, "c")
    second.close()
    assert file.read_text() == "a\nb\nc\n"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_line_that_a_crash_has_cut_stays_alone(file: Path, opened: Open) -> None:
    file.write_text("a\nb and no mo")
    log = opened()
    write(log, "c")
    log.close()
    assert file.read_text() == "a\nb and no mo\nc\n"


def test_a_file_that_was_moved_away_is_left_once_that_is_said(file: Path, opened: Open) -> None:
    log = opened()
    write(log, "a")
    await_true(lambda: file.read_text() == "a\n")
    moved = file.rename(file.with_name("moved"))
    log.reopen()
    await_true(file.exists)
    write(log, "b")
    log.close()
    assert (moved.read_text(), file.read_text()) == ("a\n", "b\n")


def test_files_are_rotated_by_size_and_so_many_are_kept(file: Path, opened: Open) -> None:
    log = opened(max_bytes=20)
    texts = [f"line {number:04}" for number in range(2 * (KEPT_FILES + 3))]  # two of ten bytes a file
    write(log, *texts)
    log.close()
    names = [file, *(file.with_name(f"{file.name}.{number}") for number in range(1, KEPT_FILES + 1))]
    assert sorted(each.name for each in file.parent.iterdir()) == sorted(each.name for each in names)
    kept = "".join(each.read_text() for each in reversed(names)).splitlines()
    assert kept == texts[-2 * len(names) :]
    assert {stat.S_IMODE(each.stat().st_mode) for each in names} == {0o600}


def test_a_file_that_is_there_counts_and_a_long_line_is_written_whole(file: Path, opened: Open) -> None:
    file.write_text("x" * 30 + "\n")
    log = opened(max_bytes=20)
    write(log, "y" * 40, "z")
    log.close()
    old = [file.with_name(f"{file.name}.{number}").read_text() for number in (1, 2)]
    assert (file.read_text(), old) == ("z\n", ["y" * 40 + "\n", "x" * 30 + "\n"])


def test_a_full_disk_keeps_lines_waiting_and_goes_on_in_the_midst_of_one(
    file: Path, opened: Open, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    write_really, full = os.write, threading.Event()
    full.set()

    def write_some(descriptor: int, text: Any) -> int:
        if full.is_set():
            if file.stat().st_size < 4:
                return write_really(descriptor, text[:4])
            raise OSError(errno.ENOSPC, "No space left on device")
        return write_really(descriptor, text)

    monkeypatch.setattr(audit.os, "write", write_some)
    log = opened()
    write(log, "first line")
    await_true(lambda: bool(caplog.records))
    write(log, "second line")
    time.sleep(0.05)  # several more tries
    assert file.read_text() == "firs"
    full.clear()
    log.close()
    assert file.read_text() == "first line\nsecond line\n"
    assert [record.getMessage() for record in caplog.records] == [
        f"cannot write the audit to {file}, so lines wait: No space left on device"
    ]


def test_lines_that_do_not_fit_while_others_wait_are_counted(
    file: Path, opened: Open, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(audit, "MAX_WAITING_BYTES", 10)
    monkeypatch.setattr(audit, "FLUSH_SECONDS", 60.0)  # until the end
    log = opened()
    write(log, *(f"{number:06}" for number in range(5)))
    log.close()
    assert file.read_text() == "000000\n000001\nlost 3\n"
    assert [record.getMessage() for record in caplog.records] == ["lines of the audit that are lost: 3"]


def test_lines_are_lost_while_those_before_them_are_not_on_the_disk_yet(
    file: Path, opened: Open, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    write_really, full = os.write, threading.Event()
    full.set()

    def write_unless_full(descriptor: int, text: Any) -> int:
        if full.is_set():
            raise OSError(errno.ENOSPC, "No space left on device")
        return write_really(descriptor, text)

    monkeypatch.setattr(audit, "MAX_WAITING_BYTES", 5)
    monkeypatch.setattr(audit.os, "write", write_unless_full)
    log = opened()
    write(log, "000000")
    await_true(lambda: bool(caplog.records))
    write(log, "000001", "000002")
    full.clear()
    await_true(lambda: file.read_text() == "000000\nlost 2\n")
    write(log, "000003")
    log.close()
    assert file.read_text() == "000000\nlost 2\n000003\n"
    assert caplog.records[-1].getMessage() == "lines of the audit that are lost: 2"


def test_a_line_that_cannot_be_made_is_counted_and_ends_nothing(
    file: Path, opened: Open, caplog: pytest.LogCaptureFixture
) -> None:
    log = opened()
    log.put(Broken(""))
    write(log, "a")
    log.close()
    assert sorted(file.read_text().splitlines()) == ["a", "lost 1"]
    assert caplog.records[0].exc_info


def test_what_cannot_be_written_at_the_end_is_said(
    opened: Open, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_descriptor: int, _text: Any) -> int:
        raise OSError(errno.EIO, "Input/output error")

    log = opened()
    monkeypatch.setattr(audit.os, "write", fail)
    write(log, "a")
    log.close()
    assert caplog.records[-1].getMessage() == "the last lines of the audit are lost"


@pytest.mark.parametrize("name", ["", "missing/audit.log", "pipe"])
def test_what_is_no_file_is_refused_in_one_line(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UnusableAuditError, match=f"cannot write the audit to {tmp_path}") as caught:
        AuditLog(str(tmp_path / name), None, lambda _: b"")
    assert "\n" not in str(caught.value)


def test_nothing_is_logged_where_all_goes_well(opened: Open, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    log = opened(max_bytes=10)
    write(log, *("a" * number for number in range(1, 20)))
    log.reopen()
    log.close()
    assert not caplog.records
