"""`alt start` that kill -9 hits at one step: `dying_server.py STEP [options of alt start]`.

The steps are those of a transaction over several tables, and of finishing one at start
(alt/storage/sqlite/transactions.py), and those of backups and restores (alt/storage/sqlite/copies/backups.py, store.py).
"""

import os
import signal
import sys
from functools import partial

from alt.cli import main

import alt.service

last_step = sys.argv[1]


def die(step: str) -> None:
    if step == last_step:
        os.kill(os.getpid(), signal.SIGKILL)


alt.service.Store = partial(alt.service.Store, on_step=die)
main(["start", *sys.argv[2:]])
