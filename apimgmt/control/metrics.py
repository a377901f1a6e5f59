"""Metrics of the gateway: what all workers of this machine counted, in the text format of Prometheus.

A worker that is gone goes on counting in the sum, so that no counter ever falls while the platform runs.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from apimgmt.archive import Archive
from apimgmt.model import BUCKETS, Measures, Series

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
NAME = "http_server_request_duration_seconds"
LABELS = ("api", "http_request_method", "http_route", "http_response_status_code")


class Metrics(Collector):
    """The sum over the workers of one data folder."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self._lock = threading.Lock()

    def text(self) -> bytes:
        """Everything, as Prometheus reads it."""
        registry = CollectorRegistry(auto_describe=False)
        registry.register(self)
        return generate_latest(registry)

    def collect(self) -> Iterator[Metric]:
        """The families, for the library that writes them."""
        histogram = HistogramMetricFamily(NAME, "Seconds from the head of a request to its answer.", labels=LABELS)
        for one in self.series():
            labels = (one.api, one.method, one.route, str(one.status))
            histogram.add_metric(labels, _buckets(one.counts), one.seconds)
        yield histogram
        reports = self._archive.reports()
        number = GaugeMetricFamily("apimgmt_worker_snapshot", "The snapshot that a worker serves.", labels=("pid",))
        for report in reports:
            number.add_metric((str(report.pid),), report.number)
        yield number

    def series(self) -> tuple[Series, ...]:
        """One entry for each API, method, route and status."""
        with self._lock:
            alive, gone = self._archive.measures()
            buried = self._archive.gone_measures()
            lost = {name: measures for name, measures in gone.items() if name not in buried.included}
            if gone:
                every = [*buried.series, *(one for measures in lost.values() for one in measures.series)]
                buried = Measures(series=added(every), included=tuple(gone))
                self._archive.bury(buried)
        return added([*buried.series, *(one for measures in alive.values() for one in measures.series)])


def added(series: Iterable[Series]) -> tuple[Series, ...]:
    """The same with one entry for each API, method, route and status."""
    sums: dict[tuple[str, str, str, int], Series] = {}
    for one in series:
        key = (one.api, one.method, one.route, one.status)
        known = sums.get(key)
        if known is None:
            sums[key] = one
        else:
            counts = tuple(left + right for left, right in zip(known.counts, one.counts, strict=True))
            sums[key] = Series(
                api=one.api,
                method=one.method,
                route=one.route,
                status=one.status,
                counts=counts,
                seconds=known.seconds + one.seconds,
            )
    return tuple(sums[key] for key in sorted(sums))


def _buckets(counts: tuple[int, ...]) -> list[tuple[str, float]]:
    """The buckets as Prometheus has them: each with everything below it."""
    ends = [*(f"{end:g}" for end in BUCKETS), "+Inf"]
    below, buckets = 0, []
    for end, count in zip(ends, counts, strict=True):
        below += count
        buckets.append((end, float(below)))
    return buckets
