"""The text format: escapes, buckets that add up, and numbers that are read back as they were."""

from __future__ import annotations

import json

from alt.metrics.catalogue import Metric
from alt.metrics.exposition import exposed, one
from alt.metrics.histogram import Histogram

GAUGE = Metric("alt_size_bytes", "gauge", "A size.", ("table",))
HISTOGRAM = Metric("alt_wait_seconds", "histogram", "A wait.")


def test_a_metric_without_samples_is_named_all_the_same() -> None:
    assert exposed([(GAUGE, [])]) == "# HELP alt_size_bytes A size.\n# TYPE alt_size_bytes gauge\n"


def test_labels_are_escaped() -> None:
    text = exposed([(GAUGE, [({"table": 'a"b\\c\nd'}, 1)])])
    assert text.endswith('\nalt_size_bytes{table="a\\"b\\\\c\\nd"} 1\n')


def test_numbers_keep_their_digits() -> None:
    values = [1 / 3, 12_345_678_901_234_567, 1e-7]
    lines = [exposed([(GAUGE, one(value))]).splitlines()[-1] for value in values]
    assert [json.loads(line.rpartition(" ")[2]) for line in lines] == values


def test_buckets_hold_those_before_them() -> None:
    waits = Histogram((0.1, 1.0))
    for seconds in (0.05, 0.1, 0.5, 7.0):
        waits.observe(seconds)
    assert exposed([(HISTOGRAM, one(waits))]).splitlines()[2:] == [
        'alt_wait_seconds_bucket{le="0.1"} 2',
        'alt_wait_seconds_bucket{le="1"} 3',
        'alt_wait_seconds_bucket{le="+Inf"} 4',
        "alt_wait_seconds_sum 7.65",
        "alt_wait_seconds_count 4",
    ]


def test_a_copy_stands_still() -> None:
    waits = Histogram((1.0,))
    copied = waits.copy()
    waits.observe(0.5)
    assert (copied.counts, copied.sum) == ([0, 0], 0.0)
