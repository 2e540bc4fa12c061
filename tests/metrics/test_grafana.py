"""The dashboard and the alerts under packaging/grafana ask for what there is, and docs/metrics.md says what there is."""

from __future__ import annotations

import json
import re
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml

from alt.metrics.catalogue import CATALOGUE, Metric

ROOT = Path(__file__).parents[2]
DASHBOARD = json.loads((ROOT / "packaging/grafana/alt.json").read_text("utf-8"))
RULES = yaml.safe_load((ROOT / "packaging/grafana/alerts.yml").read_text("utf-8"))["groups"][0]["rules"]
PAGE = (ROOT / "docs/metrics.md").read_text("utf-8")

SUFFIXES = {"histogram": ("_bucket", "_sum", "_count"), "counter": ("",), "gauge": ("",)}
SERIES = {metric.name + suffix: metric for metric in CATALOGUE for suffix in SUFFIXES[metric.kind]}
# Of Prometheus, or of every target that it scrapes.
GIVEN_LABELS = {"instance", "job", "le"}
FUNCTIONS = {
    "by",
    "histogram_quantile",
    "label_values",
    "max",
    "or",
    "rate",
    "sum",
    "time",
    "topk",
    "up",
    "vector",
}

_SELECTOR = re.compile(r"([a-z_]+)\{([^}]*)\}")
_GROUPING = re.compile(r"by \(([^)]*)\)")
_MATCHER = re.compile(r'([a-z_]+)\s*(?:=~|!=|=)\s*"')
EXPRESSIONS = {
    **{
        f"{panel['title']} {target['refId']}": target["expr"]
        for panel in DASHBOARD["panels"]
        for target in panel["targets"]
    },
    **{rule["alert"]: rule["expr"] for rule in RULES},
    **{each["name"]: each["definition"] for each in DASHBOARD["templating"]["list"] if "definition" in each},
}


def metrics_in(expression: str) -> list[Metric]:
    """The metrics that an expression names. Whatever else it names is a function, a label or a variable."""
    bare = re.sub(r'"[^"]*"|\[[^\]]*\]|\{[^}]*\}|by \([^)]*\)', " ", expression)
    named = set(re.findall(r"[a-z_]{2,}", bare)) - FUNCTIONS - GIVEN_LABELS
    assert named <= SERIES.keys(), named - SERIES.keys()
    return [SERIES[name] for name in named]


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_an_expression_names_metrics_and_labels_that_there_are(name: str) -> None:
    expression = EXPRESSIONS[name]
    labels = GIVEN_LABELS.union(*(metric.labels for metric in metrics_in(expression)))
    for _, matchers in _SELECTOR.findall(expression):
        assert set(_MATCHER.findall(matchers)) <= labels
    for grouping in _GROUPING.findall(expression):
        assert {label.strip() for label in grouping.split(",")} <= labels
    assert expression.count("(") == expression.count(")")


@pytest.mark.parametrize("panel", DASHBOARD["panels"], ids=lambda panel: str(panel["title"]))
def test_a_panel_is_whole(panel: Any) -> None:
    assert panel["type"] in ("timeseries", "stat")
    assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
    assert panel["fieldConfig"]["defaults"]["unit"]
    place = panel["gridPos"]
    assert place["x"] + place["w"] <= 24
    assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"]) > 0
    for target in panel["targets"]:
        labels = GIVEN_LABELS.union(*(metric.labels for metric in metrics_in(target["expr"])))
        assert set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])) <= labels


def test_panels_do_not_overlap_and_have_numbers_of_their_own() -> None:
    panels = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    for one, other in combinations([panel["gridPos"] for panel in panels], 2):
        apart_across = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        apart_down = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert apart_across or apart_down


def test_variables_that_are_used_are_there() -> None:
    used = set(re.findall(r"\$\{?([a-z]+)", json.dumps(DASHBOARD)))
    assert used == {each["name"] for each in DASHBOARD["templating"]["list"]}


def test_the_dashboard_shows_every_metric() -> None:
    shown = {
        metric
        for panel in DASHBOARD["panels"]
        for target in panel["targets"]
        for metric in metrics_in(target["expr"])
    }
    assert shown == set(CATALOGUE)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: str(rule["alert"]))
def test_an_alert_says_what_to_do(rule: Any) -> None:
    assert rule["labels"]["severity"] in ("warning", "critical")
    assert re.fullmatch(r"\d+m", rule["for"])
    assert set(rule["annotations"]) == {"summary", "description"}


def test_the_page_has_a_row_for_each_metric() -> None:
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in PAGE.splitlines()
        if line.startswith("| `")
    ]
    assert [row for row in rows if row[0].startswith(("`alt_", "`process_"))] == [
        [
            f"`{metric.name}`",
            metric.kind,
            ", ".join(f"`{label}`" for label in metric.labels),
            metric.help.rstrip("."),
            metric.cloudwatch or "",
        ]
        for metric in CATALOGUE
    ]
