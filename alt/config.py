"""Settings of a server and the limits that span packages."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Sync = Literal["full", "normal", "off"]

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 8000

# Every account and region shares one set of tables; ARNs need an account all the same.
ACCOUNT_ID = "000000000000"
DEFAULT_REGION = "us-east-1"

MAX_REQUEST_BYTES = 16 * 1024 * 1024
MAX_PAGE_BYTES = 1024 * 1024
MAX_ITEM_BYTES = 400 * 1024
# A key's attributes together, where an index has several.
MAX_HASH_KEY_BYTES = 2_048
MAX_RANGE_KEY_BYTES = 1_024
MAX_LOCAL_INDEXES = 5  # of a table
# The items of one partition key with their entries in local indexes, on tables that have such indexes.
MAX_ITEM_COLLECTION_BYTES = 10 * 1024**3
DEFAULT_STREAM_SHARDS = 4
MAX_STREAM_SHARDS = 256
# How often expired items are looked for.
TTL_INTERVAL_SECONDS = 5.0


# What a table's tag may say about its writes, by Alternator's names, and the policy that it means.
WRITE_ISOLATION_TAG = "system:write_isolation"
FORBID_RMW = "forbid_rmw"
WRITE_ISOLATIONS = {
    **dict.fromkeys(("a", "always", "always_use_lwt"), "always_use_lwt"),
    **dict.fromkeys(("o", "only_rmw_uses_lwt"), "only_rmw_uses_lwt"),
    **dict.fromkeys(("f", "forbid", "forbid_rmw"), FORBID_RMW),
    **dict.fromkeys(("u", "unsafe", "unsafe_rmw"), "unsafe_rmw"),
}
DEFAULT_WRITE_ISOLATION = "always"


@dataclass(frozen=True, slots=True)
class Settings:
    """What `alt start` was told. `data_dir` None keeps everything in memory."""

    host: str = DEFAULT_HOST
    port: int = DEFAULT_PORT
    data_dir: Path | None = None
    sync: Sync = "full"
    item_collection_limit: int = MAX_ITEM_COLLECTION_BYTES
    enforce_throughput: bool = False
    stream_shards: int = DEFAULT_STREAM_SHARDS
    ttl_interval: float = TTL_INTERVAL_SECONDS
    ttl_change_interval: float = 0.0
    write_isolation: str = DEFAULT_WRITE_ISOLATION
    allowed_hosts: tuple[str, ...] = ()
    cors_origins: tuple[str, ...] = ()


def default_data_dir() -> Path:
    """The platform's own place for an application's data."""
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "alt"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "alt"
    # The XDG base directory specification says to ignore a relative value.
    xdg = os.environ.get("XDG_DATA_HOME", "")
    return (Path(xdg) if os.path.isabs(xdg) else Path.home() / ".local" / "share") / "alt"
