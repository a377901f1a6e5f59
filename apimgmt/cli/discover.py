"""``connections discover``: what another system says about itself becomes entities of its connection."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from apimgmt.cli.connectioncalls import path_of
from apimgmt.cli.files import read_document
from apimgmt.cli.output import columns, output_option, plain, progress, show
from apimgmt.cli.remote import Admin, remote_options

KINDS = ("openapi", "odata", "wsdl", "database")


@click.command()
@click.argument("name")
@click.option(
    "--from",
    "source",
    metavar="URL|FILE",
    help="Where it is: a file here, - for standard input, a URL, a path below the base URL; of a database: the schema.",
)
@click.option("--kind", type=click.Choice(KINDS), help="What is read; given by the type of the connection.")
@click.option("--store", is_flag=True, help="Keep the entities that are new.")
@click.option("--replace", is_flag=True, help="With --store: those that are there with other content too.")
@output_option
@remote_options
def discover(admin: Admin, name: str, source: str | None, kind: str | None, output: str, **said: bool) -> None:
    """Find the entities of the connection NAME: endpoints, entity sets, SOAP operations or tables.

    \b
    Example:
      apimgmt connections discover crm --from https://crm.example.com/openapi.json
      apimgmt connections discover crm --from openapi.yaml --store
    """
    if said["replace"] and not said["store"]:
        raise click.UsageError("--replace is for --store")
    params = {member: "true" for member, value in said.items() if value}
    params |= {"kind": kind} if kind else {}
    content, headers = None, {}
    if source is not None and (source == "-" or Path(source).exists()) and kind != "database":
        content, media_type = read_document(source)
        if not content.strip():
            raise click.UsageError(f"{source} is empty")
        headers = {
            "Content-Type": "application/xml" if content.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"<" else media_type
        }
    elif source is not None:
        params["from"] = source
        if kind != "database" and "://" not in source:
            click.echo(f"there is no file {source} here: asking {name} for it", err=True)
    with progress(f"looking at {name}"):
        path = f"{path_of(name)}/discovery"
        found = admin.send("POST", path, params=params, content=content, headers=headers).json()
    show(output, found, lambda value: map(plain, _lines(value)))


def _lines(value: Any) -> Iterator[str]:
    entities = value["entities"]
    yield from columns(("NAME", "STATE", "STORED", "WHAT", "NOTE"), map(_row, entities))
    for one in value["leftOut"]:
        yield f"left out: {one['what']}: {one['why']}"
    yield from value["notes"]
    if not entities:
        yield "nothing was found that could be an entity"
    if value["others"]:
        yield f"not found any more, or made by hand: {', '.join(value['others'][:20])}"
    waiting = sum(one["state"] == "new" and not one["stored"] for one in entities)
    if waiting:
        yield f"{waiting} new: --store keeps them"
    changed = sum(one["state"] == "changed" and not one["stored"] for one in entities)
    if changed:
        yield f"{changed} changed: --store --replace takes what was found"


def _row(one: Any) -> tuple[str, ...]:
    definition = one["definition"]
    what = next((definition[member] for member in ("set", "table", "operation") if member in definition), None)
    shown = what or f"{definition.get('method', 'GET')} {definition.get('path', '')}"
    state = f"{one['state']} ({', '.join(one['changed'])})" if one.get("changed") else one["state"]
    return one["name"], state, "yes" if one["stored"] else "no", shown, one.get("note", "")
