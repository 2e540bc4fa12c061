"""`alt rekey` that kill -9 hits at one step: `dying_rekey.py STEP DIRECTORY OLD NEW`, keys as texts, empty for none.

The steps are those of alt/storage/sqlite/copies/rekeying.py and key_change.py.
"""

import os
import signal
import sys
from pathlib import Path

from alt.storage.sqlite.copies.rekeying import rekey
from alt.storage.sqlite.data_directory import ServerLock
from alt.storage.sqlite.directory_key import unlock

last_step, directory, old, new = sys.argv[1], Path(sys.argv[2]), sys.argv[3], sys.argv[4]


def die(step: str) -> None:
    if step == last_step:
        os.kill(os.getpid(), signal.SIGKILL)


unlock(directory, old or None)
lock = ServerLock(directory)
rekey(directory, new or None, on_step=die)
