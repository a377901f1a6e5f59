"""``audit``: who changed what."""

from __future__ import annotations

from typing import Any

import click

from apimgmt.cli.output import columns, output_option, show
from apimgmt.cli.remote import Admin, Failure, remote_options


@click.command()
@click.option("--after", metavar="NUMBER", type=click.IntRange(min=0), default=0, help="Only entries after this one.")
@click.option("--limit", metavar="NUMBER", type=click.IntRange(1, 1000), default=100, show_default=True)
@click.option("--subject", metavar="TEXT", help="Only what begins so, e.g. `key crm`.")
@click.option("--verify", is_flag=True, help="Check that no entry was altered or taken out; exit code 1 if one was.")
@output_option
@remote_options
def audit(admin: Admin, after: int, limit: int, subject: str | None, verify: bool, output: str) -> None:
    """Show who changed what, oldest first; --output json has the state before and after.

    \b
    Example:
      apimgmt audit --subject 'key '
      apimgmt audit --verify
    """
    if verify:
        found = admin.get("/audit/verification")
        show(output, found, _verified)
        if not found["whole"]:
            raise Failure(f"the audit log was altered at entry {found['brokenAt']}")
        return
    params = {"after": str(after), "limit": str(limit)} | ({"subject": subject} if subject else {})
    show(output, admin.send("GET", "/audit", params=params).json(), _table)


def _verified(value: Any) -> list[str]:
    return ["The audit log is whole."] if value["whole"] else []


def _table(value: Any) -> list[str]:
    names = ("NUMBER", "TIME", "WHO", "FROM", "ACTION", "SUBJECT", "CHANGED")
    rows = [
        (one["number"], one["time"], one["who"], one["address"], one["action"], one["subject"], _changed(one))
        for one in value
    ]
    return columns(names, rows)


def _changed(entry: Any) -> str:
    if entry["before"] is None:
        return "made"
    return "removed" if entry["after"] is None else ", ".join(entry["changed"])
