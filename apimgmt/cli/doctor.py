"""``apimgmt doctor``: what is wrong with this installation, and what to do about it."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import click
import msgspec

from apimgmt.cli.diagnosis import Check
from apimgmt.cli.output import columns, output_option, progress, show
from apimgmt.settings import Settings, from_environment


@click.command()
@click.option("--data", help="Folder in which everything is kept.  [default: apimgmt-data]")
@output_option
def doctor(data: str | None, output: str) -> None:
    """Examine Python, libraries, data folder, database, ports, workers and certificates; 1 if anything is wrong.

    \b
    Example:
      apimgmt doctor --data apimgmt-data
    """
    settings = from_environment(os.environ, data=data)
    with progress("examining"):
        checks = [check for examine in _examinations() for check in examine(settings)]
    show(output, msgspec.to_builtins(checks), _table)
    click.get_current_context().exit(1 if any(check.verdict == "wrong" for check in checks) else 0)


def _examinations() -> list[Callable[[Settings], list[Check]]]:
    from apimgmt.cli import certificates, installation, upkeep

    return [*installation.EXAMINATIONS, *upkeep.EXAMINATIONS, *certificates.EXAMINATIONS]


def _table(checks: list[dict[str, Any]]) -> list[str]:
    rows = [(check["verdict"], check["subject"], check["found"]) for check in checks]
    remedies = [f"{check['subject']}: {check['remedy']}" for check in checks if check["verdict"] != "fine"]
    return [*columns(("VERDICT", "SUBJECT", "FOUND"), rows), *(["", "What to do", *remedies] if remedies else [])]
