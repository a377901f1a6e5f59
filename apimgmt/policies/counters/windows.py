"""Windows of time: one that slides, and the days and months of the calendar in UTC."""

from __future__ import annotations

import calendar
import time

BUCKETS = 60
DAY_SECONDS = 86_400


class Sliding:
    """Any stretch of so many ``seconds``.

    A request counts in its own of 60 buckets and the 60 after it: never less than the whole window, hence never more
    than the limit in any stretch, and at most a sixtieth of the window too long (R-25).
    """

    earlier = BUCKETS

    def __init__(self, seconds: int) -> None:
        self.seconds = seconds
        self.length = seconds / BUCKETS

    def bucket(self, now: float) -> int:
        """The number of the bucket of a Unix time."""
        return int(now / self.length)

    def start(self, bucket: int) -> float:
        """The Unix time at which a bucket begins."""
        return bucket * self.length


class Day:
    """From midnight to midnight, UTC."""

    seconds = DAY_SECONDS
    length = 0.0
    earlier = 0

    def bucket(self, now: float) -> int:
        """Days since 1970."""
        return int(now // DAY_SECONDS)

    def start(self, bucket: int) -> float:
        """Midnight."""
        return bucket * DAY_SECONDS


class Month:
    """From the first of a month to the first of the next, UTC; whoever is told its length is told 30 days."""

    seconds = 30 * DAY_SECONDS
    length = 0.0
    earlier = 0

    def bucket(self, now: float) -> int:
        """Months since the year 0."""
        today = time.gmtime(now)
        return today.tm_year * 12 + today.tm_mon - 1

    def start(self, bucket: int) -> float:
        """Midnight before its first day."""
        return calendar.timegm((bucket // 12, bucket % 12 + 1, 1, 0, 0, 0))
