"""``metrics``: how many requests each operation had, how they ended and how long they took."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import click
from prometheus_client.parser import text_string_to_metric_families

from apimgmt.cli.output import columns, output_option, show
from apimgmt.cli.remote import Admin, remote_options

DURATION = "http_server_request_duration_seconds"
SLOWEST_SHARE = 0.95


@click.command()
@click.option("--raw", is_flag=True, help="The text for Prometheus, as it is at GET /api/v1/metrics.")
@output_option
@remote_options
def metrics(admin: Admin, raw: bool, output: str) -> None:
    """Show how many requests each operation had and how long they took, over all workers of the machine.

    p95 is the upper end of the histogram's bucket in which 95 % of the requests are.

    \b
    Example:
      apimgmt metrics
      apimgmt metrics --raw
    """
    text = admin.send("GET", "/metrics").text
    if raw:
        click.echo(text, nl=False)
    else:
        show(output, operations(text), _table)


def operations(text: str) -> list[dict[str, Any]]:
    """One entry for each operation: its requests, those that ended with 4xx and 5xx, and its milliseconds."""
    found: dict[tuple[str, str, str], dict[str, Any]] = {}
    buckets: dict[tuple[str, str, str], dict[float, float]] = defaultdict(lambda: defaultdict(float))
    for family in text_string_to_metric_families(text):
        for sample in family.samples if family.name == DURATION else ():
            labels = sample.labels
            key = (labels["api"], labels["http_request_method"], labels["http_route"])
            names = dict(zip(("api", "method", "route"), key, strict=True))
            entry = found.setdefault(key, {**names, "requests": 0, "4xx": 0, "5xx": 0, "seconds": 0.0})
            if sample.name.endswith("_bucket"):
                buckets[key][float(labels["le"])] += sample.value
            elif sample.name.endswith("_sum"):
                entry["seconds"] += sample.value
            elif sample.name.endswith("_count"):
                entry["requests"] += int(sample.value)
                status = f"{labels['http_response_status_code'][0]}xx"
                if status in entry:
                    entry[status] += int(sample.value)
    return [_figures(entry, buckets[key]) for key, entry in sorted(found.items())]


def _figures(entry: dict[str, Any], buckets: dict[float, float]) -> dict[str, Any]:
    """The entry with milliseconds in the mean, and the end of the bucket that 95 % of the requests are below."""
    seconds, count = entry.pop("seconds"), entry["requests"]
    enough = (end for end, below in sorted(buckets.items()) if below >= SLOWEST_SHARE * count)
    mean = round(1000 * seconds / count, 2) if count else 0.0
    return {**entry, "mean": mean, "p95": 1000 * next(enough, float("inf"))}


def _table(value: Any) -> list[str]:
    names = ("API", "METHOD", "ROUTE", "REQUESTS", "4XX", "5XX", "MEAN MS", "P95 MS")
    rows = [
        (
            one["api"],
            one["method"],
            one["route"] or "(no operation)",
            one["requests"],
            one["4xx"],
            one["5xx"],
            one["mean"],
            f"{one['p95']:g}",
        )
        for one in value
    ]
    return columns(names, rows)
