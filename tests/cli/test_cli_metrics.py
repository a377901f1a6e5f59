"""``apimgmt metrics``: the text of Prometheus as a table of operations."""

from __future__ import annotations

import json

import responses
from click.testing import CliRunner

from apimgmt.cli.commands import apimgmt

ADMIN = "http://admin.example:8081"
LABELS = 'api="shop",http_request_method="GET",http_route="/shop/orders"'
NAME = "http_server_request_duration_seconds"
TEXT = f"""# HELP {NAME} Seconds.
# TYPE {NAME} histogram
{NAME}_bucket{{{LABELS},http_response_status_code="200",le="0.005"}} 90.0
{NAME}_bucket{{{LABELS},http_response_status_code="200",le="0.01"}} 94.0
{NAME}_bucket{{{LABELS},http_response_status_code="200",le="+Inf"}} 94.0
{NAME}_count{{{LABELS},http_response_status_code="200"}} 94.0
{NAME}_sum{{{LABELS},http_response_status_code="200"}} 0.2
{NAME}_bucket{{{LABELS},http_response_status_code="503",le="0.005"}} 0.0
{NAME}_bucket{{{LABELS},http_response_status_code="503",le="0.01"}} 1.0
{NAME}_bucket{{{LABELS},http_response_status_code="503",le="+Inf"}} 6.0
{NAME}_count{{{LABELS},http_response_status_code="503"}} 6.0
{NAME}_sum{{{LABELS},http_response_status_code="503"}} 0.3
"""
ENVIRONMENT = {"APIMGMT_URL": ADMIN, "APIMGMT_TOKEN": "secret"}


@responses.activate
def test_an_operation_is_one_line_over_all_its_statuses() -> None:
    """100 requests of which 6 failed, in 0.5 s: 5 ms in the mean; 95 of them are within 10 ms."""
    responses.get(f"{ADMIN}/api/v1/metrics", body=TEXT)
    shown = CliRunner().invoke(apimgmt, ["metrics", "--output", "json"], env=ENVIRONMENT)
    assert json.loads(shown.stdout) == [
        {"api": "shop", "method": "GET", "route": "/shop/orders", "requests": 100, "4xx": 0, "5xx": 6}
        | {"mean": 5.0, "p95": 10.0}
    ]
    table = CliRunner().invoke(apimgmt, ["metrics"], env=ENVIRONMENT).stdout
    assert table.splitlines()[1].split() == ["shop", "GET", "/shop/orders", "100", "0", "6", "5.0", "10"]


@responses.activate
def test_the_raw_text_is_what_prometheus_reads() -> None:
    """Byte for byte as the admin API has it."""
    responses.get(f"{ADMIN}/api/v1/metrics", body=TEXT)
    assert CliRunner().invoke(apimgmt, ["metrics", "--raw"], env=ENVIRONMENT).stdout == TEXT
