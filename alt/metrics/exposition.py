"""Prometheus' text format (https://prometheus.io/docs/instrumenting/exposition_formats/)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import accumulate

from alt.metrics.catalogue import Metric
from alt.metrics.histogram import Histogram

CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"

Labels = Mapping[str, str]
Value = float | Histogram
Samples = Iterable[tuple[Labels, Value]]

_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})
NO_LABELS: Labels = {}


def one(value: Value) -> Samples:
    """The sample of a metric without labels."""
    return [(NO_LABELS, value)]


def exposed(measured: Iterable[tuple[Metric, Samples]]) -> str:
    """All metrics with what was measured."""
    return "".join(line for metric, samples in measured for line in _lines(metric, samples))


def _lines(metric: Metric, samples: Samples) -> Iterable[str]:
    yield f"# HELP {metric.name} {metric.help}\n# TYPE {metric.name} {metric.kind}\n"
    for labels, value in samples:
        if isinstance(value, Histogram):
            yield from _histogram(metric.name, labels, value)
        else:
            yield f"{metric.name}{_labelled(labels)} {value!r}\n"


def _histogram(name: str, labels: Labels, value: Histogram) -> Iterable[str]:
    counts = list(accumulate(value.counts))
    for bound, count in zip([f"{each:g}" for each in value.bounds] + ["+Inf"], counts, strict=True):
        yield f"{name}_bucket{_labelled({**labels, 'le': bound})} {count}\n"
    yield f"{name}_sum{_labelled(labels)} {value.sum!r}\n{name}_count{_labelled(labels)} {counts[-1]}\n"


def _labelled(labels: Labels) -> str:
    shown = ",".join(f'{name}="{value.translate(_ESCAPES)}"' for name, value in labels.items())
    return f"{{{shown}}}" if shown else ""
