"""Settings of a server and the limits that span packages."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

Sync = Literal["full", "normal", "off"]
Auth = Literal["enforce", "warn", "off"]
# What an access key may do (alt/auth/permissions.py).
Role = Literal["admin", "readwrite", "readonly"]
ROLES: tuple[Role, ...] = get_args(Role)
DEFAULT_ROLE: Role = "readwrite"
# Whose tables are apart, of requests that are not signed by a key of `alt keys`.
Isolate = Literal["region", "account"]
ClientAuth = Literal["required", "optional"]

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 8000

# Every account and region shares one set of tables, unless told otherwise; ARNs need an account all the same.
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


def without_password(dsn: str) -> str:
    """A database's address as it may be shown: without the password and the options, which may have one, too."""
    scheme, _, rest = dsn.partition("://")
    authority, slash, path = rest.partition("/")
    user, at, hosts = authority.rpartition("@")
    return f"{scheme}://{user.partition(':')[0]}{at}{hosts.partition('?')[0]}{slash}{path.partition('?')[0]}"


# What `alt tls init` makes in a data directory.
TLS_FOLDER = "tls"
TLS_AUTHORITY, TLS_AUTHORITY_KEY = "ca.pem", "ca-key.pem"
TLS_CERTIFICATE, TLS_KEY = "server.pem", "server-key.pem"


@dataclass(frozen=True, slots=True)
class Settings:
    """What `alt start` was told. `data_dir` None keeps everything in memory, or in the database that `engine` names."""

    host: str = DEFAULT_HOST
    port: int = DEFAULT_PORT
    data_dir: Path | None = None
    engine: str | None = None  # postgresql://..., which may have a password in it
    engine_replica: str | None = None  # likewise, of a standby of it
    keys_secret_file: Path | None = None  # what the secrets of its access keys are made with
    sync: Sync = "full"
    item_collection_limit: int = MAX_ITEM_COLLECTION_BYTES
    enforce_throughput: bool = False
    stream_shards: int = DEFAULT_STREAM_SHARDS
    ttl_interval: float = TTL_INTERVAL_SECONDS
    ttl_change_interval: float = 0.0
    write_isolation: str = DEFAULT_WRITE_ISOLATION
    allowed_hosts: tuple[str, ...] = ()
    cors_origins: tuple[str, ...] = ()
    # With a certificate the port speaks HTTPS, or with a `tls_port` that one, and the other still HTTP.
    tls_cert: Path | None = None
    tls_key: Path | None = None
    tls_port: int | None = None
    tls_client_ca: Path | None = None
    tls_client_auth: ClientAuth = "required"
    isolate: Isolate | None = None
    proxy_protocol: bool = False  # each connection begins with a header that tells the client's address
    audit: str | None = None  # a file that gets a line of each request, or `-` for the standard output
    audit_values: bool = False
    audit_max_bytes: int | None = None  # of that file, before it is rotated
    metrics_port: int | None = None  # for /metrics alone, beside the other
    log_requests: bool = False
    slow_ms: float | None = None  # requests that take longer are logged
    faults: bool = False  # whether they can be set by HTTP where there is a `data_dir`; in memory they can
    auth: Auth = "off"  # anything else needs a `data_dir`, where the keys are
    # Of the data directory: 32 bytes in hex or base64, or a passphrase.
    encryption_key: str | None = field(default=None, repr=False)


def default_data_dir() -> Path:
    """The platform's own place for an application's data."""
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "alt"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "alt"
    # The XDG base directory specification says to ignore a relative value.
    xdg = os.environ.get("XDG_DATA_HOME", "")
    return (Path(xdg) if os.path.isabs(xdg) else Path.home() / ".local" / "share") / "alt"
