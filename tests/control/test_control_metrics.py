"""The metrics of all workers together, also of those that are gone."""

from __future__ import annotations

import math
import os
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from apimgmt.archive import Archive
from apimgmt.control.metrics import NAME, Metrics
from apimgmt.model import BUCKETS, Measures, Series

GONE = 4_194_304  # more than the highest pid of Linux


def measures(count: int, slow: int = 0, status: int = 200) -> Measures:
    """So many fast and slow requests of one operation."""
    counts = (count, *[0] * (len(BUCKETS) - 1), slow)
    one = Series(api="shop", method="GET", route="/orders/{id}", status=status, counts=counts, seconds=float(slow))
    return Measures(series=(one,))


def test_workers_are_added_and_the_histogram_is_cumulative(tmp_path: Path) -> None:
    """Two workers, one text: each bucket holds everything below it, +Inf everything."""
    archive = Archive(tmp_path)
    archive.measure(f"{os.getpid()}-1", measures(3))
    archive.measure(f"{os.getpid()}-2", measures(4, slow=2))
    families = {family.name: family for family in text_string_to_metric_families(Metrics(archive).text().decode())}
    samples = families[NAME].samples
    buckets = {float(sample.labels["le"]): sample.value for sample in samples if sample.name.endswith("_bucket")}
    assert (buckets[0.005], buckets[10.0], buckets[math.inf]) == (7, 7, 9)
    [count] = [sample for sample in samples if sample.name.endswith("_count")]
    assert count.value == 9
    assert count.labels == {
        "api": "shop",
        "http_request_method": "GET",
        "http_route": "/orders/{id}",
        "http_response_status_code": "200",
    }


def test_what_a_worker_counted_stays_when_it_is_gone(tmp_path: Path) -> None:
    """No counter falls: the report of a dead worker goes into the sum, once, and its file away."""
    archive = Archive(tmp_path)
    archive.measure(f"{GONE}-1", measures(5))
    archive.measure(f"{os.getpid()}-1", measures(1))
    metrics = Metrics(archive)
    for _ in range(3):
        assert [sum(one.counts) for one in metrics.series()] == [6]
    assert [path.name for path in sorted((tmp_path / "measures").iterdir())] == [f"{os.getpid()}-1.json", "gone.json"]
    archive.measure(f"{GONE}-2", measures(2))
    assert [sum(one.counts) for one in Metrics(archive).series()] == [8]


def test_a_crash_between_sum_and_removal_counts_nobody_twice(tmp_path: Path) -> None:
    """The sum names the reports that are in it; one that is still there is not added again."""
    archive = Archive(tmp_path)
    archive.measure(f"{GONE}-1", measures(5))
    Metrics(archive).series()
    # what a crash before the removal leaves
    archive.measure(f"{GONE}-1", measures(5))
    assert [sum(one.counts) for one in Metrics(archive).series()] == [5]


def test_a_damaged_report_is_left_out(tmp_path: Path) -> None:
    """A torn or foreign file costs its own figures only."""
    archive = Archive(tmp_path)
    archive.measure(f"{os.getpid()}-1", measures(1))
    (tmp_path / "measures" / f"{os.getpid()}-2.json").write_bytes(b"{")
    (tmp_path / "measures" / "x-y.json").write_bytes(b"{}")
    (tmp_path / "measures" / "gone.json").write_bytes(b"")
    assert [sum(one.counts) for one in Metrics(archive).series()] == [1]
