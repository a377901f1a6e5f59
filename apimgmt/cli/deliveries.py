"""``connections deliveries`` and ``connections redeliver``: what became of webhooks."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import click

from apimgmt.cli.output import columns, output_option, progress, show
from apimgmt.cli.remote import Admin, Failure, remote_options


@click.command()
@click.argument("connection")
@click.option("--state", type=click.Choice(["pending", "delivered", "failed"]), help="Only those of one state.")
@output_option
@remote_options
def deliveries(admin: Admin, connection: str, state: str | None, output: str) -> None:
    """Show the webhooks that CONNECTION (id or name) sent, the newest first.

    \b
    Example:
      apimgmt connections deliveries shop-hooks --state failed
    """
    params = {"state": state} if state else {}
    show(output, admin.send("GET", f"{_path(connection)}/deliveries", params=params).json(), _table)


@click.command()
@click.argument("connection")
@click.argument("delivery")
@output_option
@remote_options
def redeliver(admin: Admin, connection: str, delivery: str, output: str) -> None:
    """Send the webhook DELIVERY (its id) of CONNECTION again; exit code 1 if it fails again.

    \b
    Example:
      apimgmt connections redeliver shop-hooks msg_0f3c5c1e9d1b4c8f
    """
    with progress(f"sending {delivery}"):
        path = f"{_path(connection)}/deliveries/{quote(delivery, safe='')}/attempts"
        sent = admin.send("POST", path).json()
    show(output, sent, lambda value: _table([value]))
    if sent["state"] != "delivered":
        raise Failure(f"it failed again: {sent['cause']}")


def _path(connection: str) -> str:
    return f"/connections/{quote(connection, safe='')}"


def _table(value: Any) -> list[str]:
    names = ("ID", "EVENT", "TIME", "STATE", "STATUS", "CAUSE", "ATTEMPTS", "SECONDS")
    rows = [
        (
            one["id"],
            one["event"],
            one["time"],
            one["state"],
            one["status"] or "",
            one["cause"],
            one["attempts"],
            one["seconds"],
        )
        for one in value
    ]
    return columns(names, rows)
