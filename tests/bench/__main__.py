"""Measure servers side by side: `python tests/bench --help`."""

from __future__ import annotations

import argparse
import statistics

from load import run
from peers import PEERS, Servers
from workloads import WORKLOADS, load, requests

CONNECTIONS = 16


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "endpoint", nargs="*", help="URLs of running servers; by default Alt and its peers are started"
    )
    parser.add_argument("--workload", action="append", choices=[*WORKLOADS], help="default: all")
    parser.add_argument("--rounds", type=int, default=5, help="interleaved rounds; medians are shown")
    parser.add_argument("--seconds", type=float, default=3.0, help="of one measurement")
    parser.add_argument("--connections", type=int, default=CONNECTIONS)
    parser.add_argument("--peer", action="append", choices=[*PEERS], help="default: dynoxide")
    options = parser.parse_args()
    if options.endpoint:
        urls = {url: url for url in options.endpoint}
        load_all(urls)
        measure(urls, options.workload or list(WORKLOADS), options)
        return
    servers = Servers()
    try:
        for name in ["alt", *(options.peer or ["dynoxide"])]:
            servers.start(name)
        load_all(servers.urls)
        measure(servers.urls, options.workload or list(WORKLOADS), options)
        if "get" in (options.workload or WORKLOADS):
            servers.start_bare()
            measure({name: servers.urls[name] for name in ("alt", "bare")}, ["get"], options)
    finally:
        servers.stop()


def load_all(urls: dict[str, str]) -> None:
    for url in urls.values():
        load(url)


def measure(urls: dict[str, str], workloads: list[str], options: argparse.Namespace) -> None:
    """Print each workload's median rate of every server, and the first one's ratio to the others."""
    for workload in workloads:
        prepared = {name: requests(url, workload) for name, url in urls.items()}
        rates: dict[str, list[float]] = {name: [] for name in urls}
        for _ in range(options.rounds):
            for name, url in urls.items():
                rates[name].append(run(url, prepared[name], options.connections, options.seconds))
        medians = {name: statistics.median(measured) for name, measured in rates.items()}
        first = next(iter(medians.values()))
        shown = [f"{name} {rate:,.0f}/s (x{first / rate:.2f})" for name, rate in medians.items()]
        print(f"{workload:14} " + "   ".join(shown), flush=True)


if __name__ == "__main__":
    main()
