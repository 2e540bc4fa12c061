"""A server in the process, and its metrics as Prometheus' own parser reads them."""

from __future__ import annotations

import urllib.request
from collections.abc import Callable, Iterator

import pytest
from prometheus_client.parser import text_string_to_metric_families

from alt.testing import Server, serve

Scrape = Callable[[Server], "Scraped"]


class Scraped:
    """All samples, by name and labels."""

    def __init__(self, text: str) -> None:
        self.families = {family.name: family for family in text_string_to_metric_families(text)}
        self._samples = {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in self.families.values()
            for sample in family.samples
        }

    def get(self, name: str, **labels: str) -> float | None:
        return self._samples.get((name, frozenset(labels.items())))

    def values(self, label: str) -> set[str]:
        """All that a label is, in any sample."""
        return {value for _, labels in self._samples for name, value in labels if name == label}


def scraped(url: str) -> Scraped:
    with urllib.request.urlopen(f"{url}/metrics") as answer:
        assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        return Scraped(answer.read().decode())


@pytest.fixture(scope="session")
def one_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serve(data_dir=tmp_path_factory.mktemp("metrics") / "data") as running:
        yield running


@pytest.fixture
def server(one_server: Server) -> Iterator[Server]:
    """With a table of four items."""
    one_server.seed({"Music": {"Items": [{"pk": {"S": key}} for key in "abcd"]}})
    yield one_server
    one_server.faults.clear()
    one_server.clock.reset()
    client = one_server.client()
    for name in client.list_tables()["TableNames"]:
        client.delete_table(TableName=name)
    while client.list_tables()["TableNames"]:
        pass
