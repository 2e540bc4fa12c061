"""How much one step of work beside the requests does: about 5 ms of the event loop, or of the file's write lock."""

from __future__ import annotations

STEP_ROWS = 200
STEP_BYTES = 256 * 1024
