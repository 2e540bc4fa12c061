"""kill -9 under mixed load: what was acknowledged is there, and nothing is half there.

A few rounds in an ordinary run, many in the nightly one. ALT_KILL_SEED and
ALT_KILL_ROUNDS in the environment repeat or prolong a run.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from tests.crash.kill_rounds import KillRounds

MORE_ROUNDS = 20

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")


@pytest.mark.parametrize(
    ("rounds", "longest_seconds"), [(2, 1.5), pytest.param(100, 2.5, marks=pytest.mark.nightly)]
)
def test_kill_rounds(rounds: int, longest_seconds: float, tmp_path: Path) -> None:
    seed = int(os.environ.get("ALT_KILL_SEED", time.time_ns() % 1_000_000))
    rounds = int(os.environ.get("ALT_KILL_ROUNDS", rounds))
    print(f"ALT_KILL_SEED={seed}")
    kill_rounds = KillRounds(tmp_path, seed, longest_seconds)
    try:
        for _ in range(rounds):
            kill_rounds.run()
        # A server may be killed before it has answered much, but not again and again.
        for _ in range(MORE_ROUNDS):
            if sum(kill_rounds.ledger.requests.values()) > 10 * rounds:
                break
            kill_rounds.run()
    finally:
        kill_rounds.close()
        print(dict(kill_rounds.ledger.requests))
    assert sum(kill_rounds.ledger.requests.values()) > 10 * rounds
