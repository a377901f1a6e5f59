"""What a worker counts of its requests: one histogram of seconds for every operation and status.

The request path finds its series and adds one; everything else happens when somebody asks. Names, buckets and labels
follow the semantic conventions of OpenTelemetry for ``http.server.request.duration``.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from typing import Any

from apimgmt.model import BUCKETS, Measures, Series
from apimgmt.request import NOWHERE, SCOPE_KEY, Request, Target

MOST_SERIES = 50_000


class Histogram:
    """How many requests took how long."""

    __slots__ = ("counts", "seconds")

    def __init__(self) -> None:
        self.counts = [0] * (len(BUCKETS) + 1)
        self.seconds = 0.0


class Metrics:
    """The histograms of one worker. Requests that reached no operation count under an empty route."""

    def __init__(self, most: int = MOST_SERIES) -> None:
        self._most = most
        self._series: dict[tuple[Target, int], Histogram] = {}
        self._changed = False

    def observe(self, scope: Mapping[str, Any], status: int, seconds: float) -> None:
        """A request was answered."""
        request: Request | None = scope.get(SCOPE_KEY)
        key = (NOWHERE if request is None else request.target, status)
        histogram = self._series.get(key)
        if histogram is None:
            histogram = self._add(key)
        histogram.counts[bisect_left(BUCKETS, seconds)] += 1
        histogram.seconds += seconds
        self._changed = True

    def measures(self, names: Mapping[str, str]) -> Measures | None:
        """What was counted, with the names of APIs by id; None if nothing was added since it was asked last."""
        if not self._changed:
            return None
        self._changed = False
        return Measures(
            series=tuple(
                Series(
                    api=names.get(target.api, target.api),
                    method=target.method,
                    route=target.path,
                    status=status,
                    counts=tuple(histogram.counts),
                    seconds=histogram.seconds,
                )
                # copied in one step, as this may run in a thread while requests go on
                for (target, status), histogram in list(self._series.items())
            )
        )

    def _add(self, key: tuple[Target, int]) -> Histogram:
        """A new histogram; once there are too many, everything new counts together."""
        if len(self._series) >= self._most:
            key = (NOWHERE, key[1])
        return self._series.setdefault(key, Histogram())
