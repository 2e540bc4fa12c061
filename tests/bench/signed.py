"""What it costs to verify signatures: GetItem with `--auth off` and `--auth enforce`, the same signed requests.

`python tests/bench/signed.py --help`. Both servers read the same headers. Beside the rates it shows the processor
time that a request takes in the server, which says more on a machine that does other things, too.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from load import run
from workloads import WORKLOADS, load, requests

Key = dict[str, str]
Server = tuple[subprocess.Popen[str], str]  # and its URL

_TICKS = os.sysconf("SC_CLK_TCK")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workload", action="append", choices=[*WORKLOADS], help="default: get")
    parser.add_argument("--rounds", type=int, default=7, help="interleaved rounds; medians are shown")
    parser.add_argument("--seconds", type=float, default=3.0, help="of one measurement")
    parser.add_argument("--connections", type=int, default=16)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="alt-bench-") as folder:
        key = _keys(Path(folder), "enforce")
        servers = {auth: _start(Path(folder) / auth, auth) for auth in ("off", "enforce")}
        try:
            for workload in options.workload or ["get"]:
                measure(workload, servers, key, options)
        finally:
            for process, _ in servers.values():
                process.kill()
                process.wait()


def measure(workload: str, servers: dict[str, Server], key: Key, options: argparse.Namespace) -> None:
    """Print the medians of each server, and what of the first one's rate the second one reaches in a round."""
    rates: dict[str, list[float]] = {auth: [] for auth in servers}
    costs: dict[str, list[float]] = {auth: [] for auth in servers}
    for _ in range(options.rounds):
        for auth, (process, url) in servers.items():
            # Signed anew each time: a signature is good for a quarter of an hour.
            prepared = [signed(request, key) for request in requests(url, workload)]
            began = _processor_seconds(process.pid)
            rate = run(url, prepared, options.connections, options.seconds)
            rates[auth].append(rate)
            costs[auth].append((_processor_seconds(process.pid) - began) / (rate * options.seconds))
    shares = [enforced / off for off, enforced in zip(rates["off"], rates["enforce"], strict=True)]
    shown = "   ".join(
        f"{auth} {median(rates[auth]):,.0f}/s at {median(costs[auth]) * 1e6:.1f} us" for auth in servers
    )
    print(
        f"{workload:14} {shown}   enforced {median(shares):.0%} ({min(shares):.0%} to {max(shares):.0%})",
        flush=True,
    )


def signed(request: bytes, key: Key) -> bytes:
    """The request of the load generator as botocore signs it."""
    head, _, body = request.partition(b"\r\n\r\n")
    line, *headers = head.decode().split("\r\n")
    given = dict(header.split(": ", 1) for header in headers)
    length = given.pop("Content-Length")
    for each in ("X-Amz-Date", "Authorization"):
        given.pop(each)
    made = AWSRequest("POST", f"http://{given['Host']}/", given, body)
    SigV4Auth(Credentials(key["AccessKeyId"], key["SecretAccessKey"]), "dynamodb", "us-east-1").add_auth(made)
    lines = [f"{name}: {value}" for name, value in made.headers.items()]
    return "\r\n".join([line, *lines, f"Content-Length: {length}", "", ""]).encode() + body


def _processor_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _start(folder: Path, auth: str) -> Server:
    """A server on a table that was loaded before, without signatures."""
    process, url = _serve(folder, "off")
    load(url)
    process.terminate()
    process.wait()
    return _serve(folder, auth)


def _serve(folder: Path, auth: str) -> Server:
    process = subprocess.Popen(
        _alt("start", "--port", "0", "--auth", auth, "--data-dir", str(folder)),
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(3)]
    return process, lines[2].strip().partition("=")[2]


def _keys(folder: Path, name: str) -> Any:
    done = subprocess.run(
        _alt("keys", "create", "--json", "--data-dir", str(folder / name)), check=True, capture_output=True
    )
    return json.loads(done.stdout)


def _alt(*arguments: str) -> Sequence[str]:
    return [sys.executable, "-m", "alt.cli", *arguments]


if __name__ == "__main__":
    main()
