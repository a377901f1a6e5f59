"""What a worker counts of its requests."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from apimgmt.gateway.metrics import Metrics
from apimgmt.model import BUCKETS
from apimgmt.request import SCOPE_KEY, Target

ORDERS = Target("GET", "/shop/orders/{id}", "api_1", "get /orders/{id}")


def scope(target: Target) -> dict[str, Any]:
    """The scope of a request that found its operation."""
    return {SCOPE_KEY: SimpleNamespace(target=target)}


@pytest.mark.parametrize(
    ("seconds", "bucket"),
    [(0.0, 0), (0.005, 0), (0.0051, 1), (10.0, len(BUCKETS) - 1), (10.001, len(BUCKETS))],
)
def test_a_request_counts_in_the_bucket_of_its_time(seconds: float, bucket: int) -> None:
    """The end of a bucket belongs to it; what is slower than the last one has a place too."""
    metrics = Metrics()
    metrics.observe(scope(ORDERS), 200, seconds)
    measures = metrics.measures({"api_1": "shop"})
    assert measures is not None
    [series] = measures.series
    assert [place for place, count in enumerate(series.counts) if count] == [bucket]
    assert (series.api, series.method, series.route, series.status) == ("shop", "GET", "/shop/orders/{id}", 200)


def test_every_status_of_an_operation_is_a_series() -> None:
    """And requests that reached no operation are one as well."""
    metrics = Metrics()
    for status in (200, 200, 404):
        metrics.observe(scope(ORDERS), status, 0.01)
    metrics.observe({}, 404, 0.01)
    measures = metrics.measures({})
    assert measures is not None
    counted = {(one.route, one.status): sum(one.counts) for one in measures.series}
    assert counted == {("/shop/orders/{id}", 200): 2, ("/shop/orders/{id}", 404): 1, ("", 404): 1}


def test_nothing_is_written_when_nothing_happened() -> None:
    """A second look without a request in between gives None; counters go on after it."""
    metrics = Metrics()
    assert metrics.measures({}) is None
    metrics.observe({}, 200, 0.01)
    assert metrics.measures({}) is not None
    assert metrics.measures({}) is None
    metrics.observe({}, 200, 0.01)
    measures = metrics.measures({})
    assert measures is not None
    assert sum(measures.series[0].counts) == 2


def test_there_are_only_so_many_series() -> None:
    """What is new beyond the limit counts as no operation, so that memory stays bounded."""
    metrics = Metrics(most=3)
    for number in range(5):
        metrics.observe(scope(Target("GET", f"/{number}", "api_1", f"get /{number}")), 200, 0.01)
    measures = metrics.measures({})
    assert measures is not None
    assert [(one.route, sum(one.counts)) for one in measures.series] == [("/0", 1), ("/1", 1), ("/2", 1), ("", 2)]
