"""`alt start` that kill -9 hits at one step: `dying_server.py STEP [options of alt start]`.

The steps are those of a transaction over several tables, and of finishing one at start
(alt/storage/sqlite/transactions/), those of backups and restores (alt/storage/sqlite/copies/backups.py, store.py), and
those of deleting a table that leaves something (tables.py).
"""

import os
import signal
import sys
from functools import partial

from alt.cli import main

import alt.realms

last_step = sys.argv[1]


def die(step: str) -> None:
    if step == last_step:
        os.kill(os.getpid(), signal.SIGKILL)


alt.realms.Store = partial(alt.realms.Store, on_step=die)
main(["start", *sys.argv[2:]])
