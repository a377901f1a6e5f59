"""``flow``: processes without code, stored, tried and run."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

from apimgmt.cli.files import read_document
from apimgmt.cli.flowdiagram import diagram
from apimgmt.cli.output import columns, output_option, show
from apimgmt.cli.remote import Admin, Refused, remote_options

input_option = click.option(
    "--input", "given", metavar="JSON", default="{}", show_default=True, help="Its input; @FILE reads a file."
)


@click.group()
def flow() -> None:
    """Flows: processes without code."""


flow.add_command(diagram)


@flow.command("run")
@click.argument("file")
@input_option
@click.option("--handlers", default="", help="Python files or modules with functions that it calls.")
@click.option("--data", type=click.Path(file_okay=False), help="A data folder, for the connections that are in it.")
@output_option
def run_flow(file: str, given: str, handlers: str, data: str | None, output: str) -> None:
    """Run the flow in FILE (YAML or JSON, - for standard input) here, without a platform.

    The output is printed as JSON; if it fails, the error is printed on standard error and the exit code is 1. What it
    answers by `call: respond` is printed on standard error, too.

    \b
    Example:
      apimgmt flow run hello.yaml --input '{"query": {"name": "Ann"}}'
    """
    # imported here: the other commands start sooner without it
    from apimgmt.cli.flowing import Broken, run

    definition = _definition(file)
    try:
        done = asyncio.run(run(definition, _json(given), handlers, data))
    except Broken as error:
        raise click.ClickException(str(error)) from None
    answer = {"answer": done["answer"]} if "answer" in done else {}
    if answer or "error" in done:
        click.echo(json.dumps({**done.get("error", {}), **answer}, ensure_ascii=False, indent=2), err=True)
    if "error" in done:
        sys.exit(1)
    show(output, done["output"], lambda value: [json.dumps(value, ensure_ascii=False, indent=2)])


@flow.command("list")
@output_option
@remote_options
def list_flows(admin: Admin, output: str) -> None:
    """List the stored flows.

    \b
    Example:
      apimgmt flow list
    """
    show(output, admin.get("/flows"), _table)


@flow.command("store")
@click.argument("file")
@click.option("--name", help="Under which name.  [default: that of its document]")
@output_option
@remote_options
def store_flow(admin: Admin, file: str, name: str | None, output: str) -> None:
    """Store the flow in FILE: a new one, or the next revision of the one that has its name.

    \b
    Example:
      apimgmt flow store hello.yaml
    """
    definition = _definition(file)
    name = name or _name_of(definition.value)
    known = {one["name"] for one in admin.get("/flows")}
    method, path = ("PUT", _path(name)) if name in known else ("POST", "/flows")
    body = {"name": name, "definition": definition.value}
    try:
        stored = admin.send(method, path, body=body).json()
    except Refused as refused:
        raise (refused if output == "json" else _placed(refused, definition)) from None
    show(output, stored, lambda value: _table([value]))


@flow.command("show")
@click.argument("name")
@click.option("--revisions", is_flag=True, help="All revisions instead of the one that counts.")
@output_option
@remote_options
def show_flow(admin: Admin, name: str, revisions: bool, output: str) -> None:
    """Show the flow NAME (or id).

    \b
    Example:
      apimgmt flow show hello --output json
      apimgmt flow show hello --revisions
    """
    if revisions:
        show(output, admin.get(f"{_path(name)}/revisions"), _revisions)
    else:
        show(output, admin.get(_path(name)), lambda value: [json.dumps(value["definition"], indent=2)])


@flow.command("rollback")
@click.argument("name")
@click.argument("revision", type=click.IntRange(min=1))
@output_option
@remote_options
def rollback_flow(admin: Admin, name: str, revision: int, output: str) -> None:
    """Let an earlier REVISION of the flow NAME count again.

    \b
    Example:
      apimgmt flow rollback hello 1
    """
    made = admin.send("POST", f"{_path(name)}/rollback", body={"revision": revision}).json()
    show(output, made, lambda value: _table([value]))


@flow.command("try")
@click.argument("name")
@input_option
@output_option
@remote_options
def try_flow(admin: Admin, name: str, given: str, output: str) -> None:
    """Run the stored flow NAME on the platform, for real, and show what each task took.

    \b
    Example:
      apimgmt flow try hello --input '{"query": {"name": "Ann"}}'
    """
    done = admin.send("POST", f"{_path(name)}/dry-run", body={"input": _json(given)}).json()
    show(output, done, _tried)
    if "error" in done:
        sys.exit(1)


@flow.command("remove")
@click.argument("name")
@output_option
@remote_options
def remove_flow(admin: Admin, name: str, output: str) -> None:
    """Remove the flow NAME (or id), if no operation is bound to it.

    \b
    Example:
      apimgmt flow remove hello
    """
    admin.send("DELETE", _path(name))
    show(output, {"removed": name}, lambda value: [f"{name} is removed"])


def _definition(file: str) -> Any:
    from apimgmt.cli.flowing import Broken, Read

    content, media_type = read_document(file)
    try:
        return Read(content, media_type, "" if file == "-" else file)
    except Broken as error:
        raise click.ClickException(str(error)) from None


def _placed(refused: Refused, definition: Any) -> click.ClickException:
    """What the platform found in the definition, with its place in the file; anything else as it is."""
    for error in refused.problem.get("errors", []):
        pointer = str(error.get("pointer", ""))
        if pointer.startswith("/definition"):
            return click.ClickException(str(definition.broken(error["detail"], pointer.removeprefix("/definition"))))
    return refused


def _json(text: str) -> Any:
    try:
        return json.loads(Path(text[1:]).read_text("utf-8") if text.startswith("@") else text)
    except (ValueError, OSError) as error:
        raise click.UsageError(f"--input: {error}") from None


def _name_of(definition: Any) -> str:
    document = definition.get("document") if isinstance(definition, dict) else None
    name = document.get("name") if isinstance(document, dict) else None
    if not isinstance(name, str):
        raise click.UsageError("the file has no document.name; say --name")
    return name


def _path(name: str) -> str:
    return f"/flows/{quote(name, safe='')}"


def _table(value: Any) -> list[str]:
    rows = [(one["name"], one["id"], one["revision"], one["changed"]) for one in value]
    return columns(("NAME", "ID", "REVISION", "CHANGED"), rows)


def _revisions(value: Any) -> list[str]:
    rows = [(one["number"], one["created"], "counts" if one["current"] else "") for one in value]
    return columns(("REVISION", "CREATED", ""), rows)


def _tried(value: Any) -> list[str]:
    rows = [(one["task"], f"{1000 * one['seconds']:.2f}", "failed" if one["failed"] else "") for one in value["steps"]]
    came = {name: value[name] for name in ("output", "error", "answer") if name in value}
    outcome = came if "answer" in came else value.get("output", value.get("error"))
    return [*columns(("TASK", "MS", ""), rows), "", json.dumps(outcome, indent=2, ensure_ascii=False)]
