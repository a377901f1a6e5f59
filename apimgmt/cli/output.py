"""What a command prints: a table for people, JSON for scripts, progress on standard error."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import click

PATIENCE_SECONDS = 1.0
# C0, DEL and C1 (ECMA-48): a terminal obeys them, and texts of other systems are printed
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")

Command = TypeVar("Command", bound=Callable[..., Any])


def output_option(command: Command) -> Command:
    """Adds ``--output table|json`` to a command."""
    choice = click.Choice(["table", "json"])
    return click.option("--output", type=choice, default="table", show_default=True, help="How to print the result.")(
        command
    )


def show(output: str, value: Any, table: Callable[[Any], Iterable[str]]) -> None:
    """Print ``value`` as JSON, or the lines that ``table`` makes of it."""
    lines = [json.dumps(value, indent=2, ensure_ascii=False)] if output == "json" else table(value)
    for line in lines:
        click.echo(line)


def columns(names: Sequence[str], rows: Iterable[Sequence[Any]]) -> list[str]:
    """Aligned columns under their names; an empty table is its names alone."""
    texts = [list(names), *([_text(cell) for cell in row] for row in rows)]
    widths = [max(len(row[index]) for row in texts) for index in range(len(names))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in texts]


def plain(text: str, kept: str = "") -> str:
    """A text with its control characters as ``\\x1b``, but for those that are kept."""
    return _CONTROL.sub(lambda found: found[0] if found[0] in kept else f"\\x{ord(found[0]):02x}", text)


def findings(entries: Sequence[Mapping[str, Any]]) -> list[str]:
    """The findings about a document, one a line, worst first; nothing if there are none."""
    order = ["error", "warning", "info"]
    ranked = sorted(entries, key=lambda entry: order.index(entry["severity"]))
    rows = [(entry["severity"], _place(entry), entry["code"], entry["message"]) for entry in ranked]
    return columns(("SEVERITY", "PLACE", "CODE", "MESSAGE"), rows) if rows else []


@contextmanager
def progress(message: str) -> Iterator[None]:
    """Say on standard error what is going on, if it takes more than a second."""
    timer = threading.Timer(PATIENCE_SECONDS, lambda: click.echo(f"{message} ...", err=True))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _place(finding: Mapping[str, Any]) -> str:
    file = f"{finding['file']}:" if finding.get("file") else ""
    if finding.get("line"):
        return f"{file}{finding['line']}:{finding.get('column', 0)}"
    return file + (finding.get("pointer") or "-")


def _text(cell: Any) -> str:
    if cell is None or cell == "":
        return "-"
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    return plain(str(cell).replace("\n", " "))
