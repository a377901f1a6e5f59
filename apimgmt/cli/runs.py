"""``runs``: what became of requests, looked up by the id that their answers had."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import click

from apimgmt.cli.output import columns, output_option, show
from apimgmt.cli.remote import Admin, remote_options

STATES = ("running", "succeeded", "failed", "timed-out", "cancelled", "dead")


@click.group()
def runs() -> None:
    """Show what became of requests: those that failed, those that went on after an early answer, and samples.

    \b
    Example:
      apimgmt runs list --state failed
      apimgmt runs show 4e13bdcc-1
    """


@runs.command("list")
@click.option("--api", metavar="API", help="Only those of this API (id or name).")
@click.option("--operation", metavar="OPERATION", help="Only those of this operation, e.g. `post /orders`.")
@click.option("--state", type=click.Choice(STATES), help="Only those that ended so.")
@click.option("--status", type=click.IntRange(200, 599), help="Only those whose answer had this status.")
@click.option("--since", metavar="TIME", help="Only those that began then or later (RFC 3339).")
@click.option("--limit", type=click.IntRange(1, 1000), default=100, show_default=True, help="At most so many.")
@output_option
@remote_options
def every(admin: Admin, output: str, **filters: Any) -> None:
    """List runs, the newest first.

    \b
    Example:
      apimgmt runs list --api shop --since 2026-11-22T04:00:00Z
    """
    params = {name: str(value) for name, value in filters.items() if value is not None}
    show(output, admin.send("GET", "/runs", params=params).json(), _table)


@runs.command("show")
@click.argument("run")
@output_option
@remote_options
def one(admin: Admin, run: str, output: str) -> None:
    """Show everything about RUN, the X-Request-Id of an answer: its error, and the time that each task took.

    \b
    Example:
      apimgmt runs show 4e13bdcc-1
    """
    show(output, admin.get(f"/runs/{quote(run, safe='')}"), _described)


@runs.command()
@click.argument("run")
@output_option
@remote_options
def logs(admin: Admin, run: str, output: str) -> None:
    """Show what RUN logged, the X-Request-Id of an answer, and the tasks of its flow, in order.

    \b
    Example:
      apimgmt runs logs 4e13bdcc-1
    """
    show(output, admin.get(f"/runs/{quote(run, safe='')}/logs"), _logged)


@runs.command()
@click.argument("run")
@output_option
@remote_options
def cancel(admin: Admin, run: str, output: str) -> None:
    """Stop RUN, whose caller had 202, before its next step.

    
    Example:
      apimgmt runs cancel 4e13bdcc-1-9f2c
    """
    admin.send("POST", f"/runs/{quote(run, safe='')}/cancellation")
    show(output, {"cancelled": run}, lambda value: [f"{run} is stopped before its next step"])


@runs.command()
@click.argument("run")
@output_option
@remote_options
def retry(admin: Admin, run: str, output: str) -> None:
    """Try RUN again, whose caller had 202 and which failed: from the step at which it failed.

    
    Example:
      apimgmt runs retry 4e13bdcc-1-9f2c
    """
    admin.send("POST", f"/runs/{quote(run, safe='')}/retry")
    show(output, {"retried": run}, lambda value: [f"{run} is tried again"])


def _table(value: Any) -> list[str]:
    names = ("ID", "TIME", "API", "OPERATION", "CALLER", "STATE", "STATUS", "MS", "ERROR")
    rows = [
        (
            run["id"],
            run["time"],
            run["api"],
            run["operation"],
            run["caller"],
            run["state"],
            run["status"],
            _milliseconds(run["seconds"]),
            run["code"],
        )
        for run in value["runs"]
    ]
    lost = [f"{value['dropped']} more were not recorded: too many ended at once."] if value["dropped"] else []
    return [*columns(names, rows), *lost]


def _described(run: Any) -> list[str]:
    lines = [f"{run['id']}  {run['operation']} of {run['api']}", f"  began     {run['time']}"]
    lines += [f"  caller    {run['caller']}"] if run["caller"] else []
    lines.append(f"  state     {run['state']}, status {run['status']}, {_milliseconds(run['seconds'])} ms")
    if run["answered"] is not None:
        lines.append(f"  answered  after {_milliseconds(run['answered'])} ms")
    lines += [f"  {name:9} {run[name]}" for name in ("request", "response") if run[name]]
    if run["tasks"]:
        rows = [(task["task"], _milliseconds(task["seconds"]), task["failed"]) for task in run["tasks"]]
        lines += ["", *columns(("TASK", "MS", "FAILED"), rows)]
    if run["error"]:
        error = run["error"]
        lines += ["", f"{error['code']}: {error['detail'] or error['reason']}"]
        lines += [error["reason"]] if error["detail"] and error["reason"] else []
        lines += error["traceback"].splitlines()
    return lines


def _logged(run: Any) -> list[str]:
    lines = []
    for line in run["lines"]:
        first, *more = line["message"].splitlines() or [""]
        lines.append(f"{line['time']}  {line['level']:8}  {line['logger']}  {first}".rstrip())
        lines += [f"    {text}".rstrip() for text in more]
    lost = [f"{run['missing']} more lines were not kept: there was no room for them."] if run["missing"] else []
    return [_printable(text) for text in lines or ["It logged nothing."]] + lost


def _printable(text: str) -> str:
    """The text, with every character that could do something to a terminal as it is written in Python."""
    return "".join(one if one.isprintable() or one == "\t" else ascii(one)[1:-1] for one in text)


def _milliseconds(seconds: float) -> str:
    return f"{1000 * seconds:.1f}"
