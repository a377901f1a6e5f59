"""``lint``, ``plan`` and ``upload``: what happens to a document before its operations are bound."""

from __future__ import annotations

import os
from typing import Any
from urllib.parse import quote

import click
import msgspec

from apimgmt.cli.files import document_name, read_document
from apimgmt.cli.output import columns, findings, output_option, progress, show
from apimgmt.cli.remote import Admin, remote_options
from apimgmt.settings import from_environment

# A document of a thousand operations is not scrolled through: what else there is has a command of its own, or JSON.
SHOWN_MOST = 30


@click.command()
@click.argument("file")
@output_option
def lint(file: str, output: str) -> None:
    """Check a document here, without a running platform; exit code 1 if it would be refused.

    FILE is a document, a zip, a folder of documents that refer to each other, or - for standard input.

    \b
    Example:
      apimgmt lint petstore.yaml
    """
    from apimgmt.spec.intake import examine

    content, media_type = read_document(file)
    with progress(f"checking {file}"):
        found = msgspec.to_builtins(examine(content, media_type, from_environment(os.environ)))
    errors = sum(finding["severity"] == "error" for finding in found)
    verdict = (
        f"{file}: {errors} error(s), {len(found) - errors} other finding(s)" if found else f"{file}: nothing found"
    )
    show(output, {"acceptable": not errors, "findings": found}, lambda value: [*findings(value["findings"]), verdict])
    click.get_current_context().exit(1 if errors else 0)


@click.command()
@click.argument("api")
@click.argument("file")
@output_option
@remote_options
def plan(admin: Admin, api: str, file: str, output: str) -> None:
    """Show what a new revision of API would add, change and remove; nothing is stored.

    \b
    Example:
      apimgmt plan petstore petstore-2.yaml
    """
    content, media_type = read_document(file)
    with progress(f"planning {file}"):
        response = admin.send(
            "PUT",
            f"/apis/{quote(api, safe='')}",
            params={"plan": "true"},
            content=content,
            headers={"Content-Type": media_type},
        )
    show(output, response.json(), plan_table)


@click.command()
@click.argument("file")
@click.option("--name", help="Name of the API; the file's name if left out.")
@click.option("--base-path", help="Replaces the base path of the document.")
@click.option("--prefix", help="Goes before the base path.")
@click.option("--bind", type=click.Choice(["mock", "echo"]), help="What every operation runs until it is bound.")
@click.option("--authentication", type=click.Choice(["document", "none"]), help="none: no operation asks who calls.")
@click.option("--allow-public", is_flag=True, help="Operations without any security in the document are public.")
@click.option("--publish/--no-publish", default=True, show_default=True, help="Serve it at once.")
@click.option("--revision-of", metavar="API", help="Upload as the next revision of this API.")
@click.option("--if-match", metavar="ETAG", help="Only if the API is still as it was read.")
@output_option
@remote_options
def upload(admin: Admin, file: str, output: str, **choices: Any) -> None:
    """Upload a document as a new API, or as the next revision of one.

    \b
    Example:
      apimgmt upload petstore.yaml --name petstore --bind echo
    """
    content, media_type = read_document(file)
    api = choices.pop("revision_of")
    method, path = ("PUT", f"/apis/{quote(api, safe='')}") if api else ("POST", "/apis")
    headers = {"Content-Type": media_type, **_condition(choices.pop("if_match"))}
    with progress(f"uploading {file}"):
        response = admin.send(method, path, params=_parameters(api, file, choices), content=content, headers=headers)
    if not api:
        show(output, response.json(), api_table)
        return
    shown = {True: "published", False: f"stored; `apimgmt publish {api}` serves it"}[choices["publish"]]
    show(output, response.json(), lambda value: [f"the new revision of {api} is {shown}", "", *plan_table(value)])


def operation_rows(operations: list[dict[str, Any]]) -> list[str]:
    """A table of operations with what runs behind each."""
    rows = [
        (entry["key"], entry.get("operationId"), entry["binding"]["kind"], entry.get("public", False))
        for entry in operations
    ]
    return columns(("OPERATION", "ID", "BINDING", "PUBLIC"), rows)


def api_table(api: dict[str, Any]) -> list[str]:
    """One API after an upload: where it is, its operations, what was found."""
    state = "published" if api["published"] else "not published"
    head = f"{api['name']} ({api['id']}) at {api['basePath'] or '/'}: revision {api['revision']}, {state}"
    operations = api["operations"]
    rows = operation_rows(operations[:SHOWN_MOST])
    if (more := len(operations) - SHOWN_MOST) > 0:
        rows.append(f"and {more} more: `apimgmt operations {api['name']}`")
    return [head, "", *rows, *_below(_worst(api.get("findings", []), "lint"))]


def plan_table(difference: dict[str, Any]) -> list[str]:
    """What a revision adds, changes and removes, an operation a line, and what happens to its binding."""
    rows = [
        (word, entry["key"], entry["happens"], "; ".join(change["message"] for change in entry["changes"]))
        for word in ("added", "changed", "removed", "kept")
        for entry in difference[word]
    ]
    lines = columns(("WHAT", "OPERATION", "BINDING", "CHANGES"), rows)
    kept = len(difference["kept"])
    if len(rows) > SHOWN_MOST and kept > 1:
        lines = [*lines[: len(lines) - kept], f"kept     {kept} operations as they are"]
    return [*lines, *_below(_worst(difference["findings"], "lint"))]


def _parameters(api: str | None, file: str, choices: dict[str, Any]) -> dict[str, str]:
    publish = "true" if choices["publish"] else "false"
    if api:
        return {"publish": publish}
    named = {
        "name": choices["name"] or document_name(file),
        "basePath": choices["base_path"],
        "prefix": choices["prefix"],
        "bind": choices["bind"],
        "authentication": choices["authentication"],
        "allowPublic": "true" if choices["allow_public"] else None,
    }
    return {name: value for name, value in named.items() if value is not None} | {"publish": publish}


def _condition(etag: str | None) -> dict[str, str]:
    return {"If-Match": etag} if etag else {}


def _worst(entries: list[dict[str, Any]], command: str) -> list[str]:
    """The worst findings first, and how many more there are."""
    lines = findings(entries)
    more = len(entries) - SHOWN_MOST
    return [*lines[: SHOWN_MOST + 1], f"and {more} more: `apimgmt {command} FILE`"] if more > 0 else lines


def _below(lines: list[str]) -> list[str]:
    return ["", *lines] if lines else []
