"""``flow diagram``: a flow, or what a run of it took, as a picture."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

from apimgmt.cli.files import read_document
from apimgmt.cli.output import output_option, show
from apimgmt.cli.remote import Admin, Failure, remote_options

ENDINGS = (".yaml", ".yml", ".json")


@click.command("diagram")
@click.argument("name", metavar="NAME|FILE", required=False)
@click.option("--to", "to", metavar="FILE.svg", help="Where to write it.  [default: standard output]")
@click.option("--input", "given", metavar="JSON", help="Run it with this input and show what each task took.")
@click.option("--run", "run", metavar="ID", help="Show what each task took in this run (X-Request-Id of its answer).")
@click.option("--revision", type=click.IntRange(min=1), help="An earlier revision of a stored flow.")
@click.option("--handlers", default="", help="For a FILE: Python files or modules with functions that it calls.")
@click.option(
    "--data", type=click.Path(file_okay=False), help="For a FILE: a data folder with connections that it uses."
)
@output_option
@remote_options
def diagram(
    admin: Admin,
    name: str | None,
    to: str | None,
    given: str | None,
    run: str | None,
    revision: int | None,
    handlers: str,
    data: str | None,
    output: str,
) -> None:
    """Draw a flow as SVG: the stored one called NAME, or the one in FILE (YAML or JSON), which needs no platform.

    With --input it is run, for real, and every task shows what it took; with --run a recorded run does.

    \b
    Example:
      apimgmt flow diagram hello.yaml --to hello.svg
      apimgmt flow diagram hello --input '{"query": {"name": "Ann"}}' --to hello.svg
      apimgmt flow diagram --run 4e13bdcc-1 --to run.svg
    """
    _check(name, given, run, revision)
    if run is not None:
        picture = admin.send("GET", f"/runs/{quote(run, safe='')}/diagram").content.decode("utf-8")
    elif name is not None and _is_file(name):
        picture = _of_file(name, given, handlers, data)
    else:
        picture = _stored(admin, f"/flows/{quote(name or '', safe='')}", given, revision)
    if to is None:
        show(output, {"diagram": picture}, lambda value: [picture.rstrip("\n")])
        return
    try:
        Path(to).write_text(picture, "utf-8")
    except OSError as error:
        raise Failure(f"cannot write {to}: {error.strerror}") from None
    show(output, {"written": to}, lambda value: [f"{to} is written"])


def _check(name: str | None, given: str | None, run: str | None, revision: int | None) -> None:
    if (name is None) == (run is None):
        raise click.UsageError("say either NAME or FILE, or --run ID")
    if given is not None and (run is not None or revision is not None):
        raise click.UsageError("--input runs the flow as it is now: it goes with neither --run nor --revision")
    if revision is not None and (run is not None or _is_file(name or "")):
        raise click.UsageError("--revision is for stored flows")


def _is_file(name: str) -> bool:
    return name == "-" or name.lower().endswith(ENDINGS) or Path(name).is_file()


def _of_file(file: str, given: str | None, handlers: str, data: str | None) -> str:
    # imported here: the other commands start sooner without it
    from apimgmt.cli.flowing import Broken, Read, draw

    content, media_type = read_document(file)
    try:
        definition = Read(content, media_type, "" if file == "-" else file)
        picture, error = asyncio.run(draw(definition, handlers, data, *([] if given is None else [_json(given)])))
    except Broken as broken:
        raise click.ClickException(str(broken)) from None
    _say(error)
    return picture


def _stored(admin: Admin, path: str, given: str | None, revision: int | None) -> str:
    if given is None:
        params = {} if revision is None else {"revision": str(revision)}
        return admin.send("GET", f"{path}/diagram", params=params).content.decode("utf-8")
    body = {"input": _json(given), "diagram": True}
    done = admin.send("POST", f"{path}/dry-run", body=body).json()
    _say(done.get("error"))
    picture: str = done["diagram"]
    return picture


def _say(error: Any) -> None:
    """Tell that the run which is drawn failed: the picture is made all the same."""
    if error is not None:
        click.echo(f"the run failed: {json.dumps(error, ensure_ascii=False)}", err=True)


def _json(text: str) -> Any:
    try:
        return json.loads(Path(text[1:]).read_text("utf-8") if text.startswith("@") else text)
    except (ValueError, OSError) as error:
        raise click.UsageError(f"--input: {error}") from None
