"""What the operating system says of this process."""

from __future__ import annotations

import os
import sys
from typing import NamedTuple


class ProcessState(NamedTuple):
    """Bytes, descriptors and how many there may be; None where the system does not say."""

    resident_bytes: int | None
    open_fds: int | None
    max_fds: int | None


def process_state() -> ProcessState:
    """It lists the descriptors, which takes a while where they are many."""
    if sys.platform == "win32":
        return ProcessState(None, None, None)
    import resource

    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    max_fds = None if limit == resource.RLIM_INFINITY else limit
    try:
        with open("/proc/self/statm", "rb") as file:
            pages = int(file.read().split()[1])
        return ProcessState(pages * resource.getpagesize(), len(os.listdir("/proc/self/fd")), max_fds)
    except OSError:
        return ProcessState(None, None, max_fds)
