"""What the log says of work beside the requests that fails."""

from __future__ import annotations

import asyncio
import logging

import apsw
import pytest

from alt.errors import internal_server_error
from alt.storage.sqlite.background import survive
from alt.storage.sqlite.data_directory import UnusableDataError
from alt.storage.sqlite.transactions.journal import DoubtfulError

FAULTS = [
    apsw.CorruptError("database disk image is malformed"),
    OSError("No space left on device"),
    UnusableDataError("the file is gone"),
    DoubtfulError("disk I/O error; then disk I/O error"),
    internal_server_error(),  # of a group whose writes were not stored, which has said why
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: type(fault).__name__)
def test_faults_of_the_data_are_one_line(fault: Exception, caplog: pytest.LogCaptureFixture) -> None:
    assert outcome(fault) is False
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert record.getMessage() == f"the work failed and will be tried again: {fault}"
    assert not record.exc_info


def test_a_bug_is_said_with_where_it_is(caplog: pytest.LogCaptureFixture) -> None:
    assert outcome(KeyError("name")) is False
    (record,) = caplog.records
    assert record.exc_info
    assert record.exc_info[0] is KeyError


def test_nothing_is_said_of_work_that_is_done(caplog: pytest.LogCaptureFixture) -> None:
    assert outcome(None) is True
    assert not caplog.records


def outcome(fault: Exception | None) -> bool:
    """Whether work that raises this went well."""

    async def work() -> None:
        if fault is not None:
            raise fault

    return asyncio.run(survive("the work", work))
