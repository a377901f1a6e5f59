"""``connections test``, ``call`` and ``entities``: trying out a connection and what it gives."""

from __future__ import annotations

import json
import sys
from typing import Any
from urllib.parse import quote

import click

from apimgmt.cli.connectionsettings import document, pairs_of, value_of
from apimgmt.cli.output import columns, output_option, plain, progress, show
from apimgmt.cli.remote import Admin, remote_options


@click.command()
@click.argument("connection", required=False)
@click.option("--path", help="What is asked for instead of the base URL.")
@click.option("--file", type=click.Path(), help="Test these settings (JSON or YAML), which are not stored.")
@click.option("--force", is_flag=True, help="Send the credential although the certificate is not checked.")
@output_option
@remote_options
def test(admin: Admin, connection: str | None, path: str | None, file: str | None, force: bool, output: str) -> None:
    """Test CONNECTION (id or name) step by step; exit code 1 if a step fails.

    \b
    Example:
      apimgmt connections test crm --path /health
      apimgmt connections test --file crm.yaml
    """
    if (connection is None) == (file is None):
        raise click.UsageError("give the name of a connection, or --file")
    params = {"path": path} if path else {}
    with progress("testing"):
        if connection is not None:
            found = admin.send("POST", f"{path_of(connection)}/test", params=params).json()
        else:
            params |= {"force": "true"} if force else {}
            found = admin.send("POST", "/connection-tests", params=params, body=document(file or "")).json()
    show(output, found, steps)
    click.get_current_context().exit(0 if found["ok"] else 1)


@click.command()
@click.argument("connection")
@click.argument("method", required=False)
@click.argument("path", default="")
@click.option("--query", metavar="NAME=VALUE", multiple=True, help="Part of the query.")
@click.option("--header", metavar="'NAME: VALUE'", multiple=True, help="A header field.")
@click.option("--json", "json_", metavar="JSON", help="The body as JSON.")
@click.option("--form", metavar="NAME=VALUE", multiple=True, help="The body as a form.")
@click.option("--content", metavar="TEXT", help="The body as text.")
@click.option("--entity", help="Read this entity instead.")
@click.option("--parameter", metavar="NAME=VALUE", multiple=True, help="A parameter of the entity.")
@click.option("--most", type=int, default=100, show_default=True, help="Most rows of the entity.")
@output_option
@remote_options
def call(admin: Admin, connection: str, method: str | None, path: str, output: str, **said: Any) -> None:
    """Call PATH below the base URL of CONNECTION (id or name), or read an entity.

    Prints the body; the status goes to standard error, and is exit code 1 if it is an error (4xx or 5xx).

    \b
    Example:
      apimgmt connections call crm GET /customers --query status=active
      apimgmt connections call crm POST /customers --json '{"name": "Ada"}'
      apimgmt connections call crm --entity customers --parameter status=active
    """
    if bool(said["entity"]) == bool(method):
        raise click.UsageError("give METHOD and PATH, or --entity")
    body = _entity_call(said) if said["entity"] else _call(method or "GET", path, said)
    with progress(f"calling {connection}"):
        answer = admin.send("POST", f"{path_of(connection)}/call", body=body).json()
    if output == "table" and "status" in answer:
        click.echo(f"{answer['status']}, {answer['seconds']} s, attempts: {answer['attempts']}", err=True)
    if output == "table" and answer.get("more"):
        click.echo(f"these are the first {len(answer['rows'])} rows; there are more (--most)", err=True)
    show(output, answer, _answer)
    click.get_current_context().exit(1 if answer.get("status", 200) >= 400 else 0)


@click.command()
@click.argument("connection")
@click.argument("name", required=False)
@click.option("--file", type=click.Path(), help="Set NAME to this definition (JSON or YAML); - is standard input.")
@click.option("--set", "fields", metavar="FIELD=VALUE", multiple=True, help="Set a field of NAME; the rest stays.")
@click.option("--remove", is_flag=True, help="Remove NAME.")
@output_option
@remote_options
def entities(
    admin: Admin, connection: str, name: str | None, file: str | None, remove: bool, output: str, **said: Any
) -> None:
    """List the entities of CONNECTION (id or name), or show, set or remove the one called NAME.

    \b
    Example:
      apimgmt connections entities crm
      apimgmt connections entities crm customers --set path=/customers
      apimgmt connections entities crm customers --file customers.yaml
      apimgmt connections entities crm customers --remove
    """
    fields = {key: value_of(text) for key, text in pairs_of("--set", said["fields"]).items()}
    if (file or fields or remove) and name is None:
        raise click.UsageError("which one? give its name")
    if remove and (file or fields):
        raise click.UsageError("--remove leaves nothing to set")
    if name is None:
        show(output, admin.get(f"{path_of(connection)}/entities"), _entities)
        return
    place = f"{path_of(connection)}/entities/{quote(name, safe='')}"
    if remove:
        admin.send("DELETE", place)
        show(output, {"removed": name}, lambda value: [f"{name} is removed from {connection}"])
    elif file or fields:
        answer = admin.send("GET", path_of(connection))
        held = document(file) if file else answer.json()["entities"].get(name, {})
        headers = {"If-Match": answer.headers["ETag"]}
        show(output, admin.send("PUT", place, body={**held, **fields}, headers=headers).json(), _definition)
    else:
        show(output, admin.get(place), _definition)


def path_of(connection: str) -> str:
    """Where a connection (id or name) is below ``/api/v1``."""
    return f"/connections/{quote(connection, safe='')}"


def steps(value: Any) -> list[str]:
    """The steps of a test, and what to do about the one that failed."""
    lines = columns(
        ("STEP", "STATE", "DETAIL"), [(one["step"], one["state"], one.get("detail")) for one in value["steps"]]
    )
    return [*lines, *(f"What to do: {one['remedy']}" for one in value["steps"] if one.get("remedy"))]


def _call(method: str, path: str, said: dict[str, Any]) -> dict[str, Any]:
    headers = dict(_header(text) for text in said["header"])
    body: dict[str, Any] = {"method": method.upper(), "path": path, "headers": headers}
    query: dict[str, Any] = {}
    for text in said["query"]:
        for key, value in pairs_of("--query", [text]).items():
            query.setdefault(key, []).append(value)
    if query:
        body["query"] = query
    if said["json_"] is not None:
        try:
            body["json"] = json.loads(said["json_"])
        except ValueError as error:
            raise click.UsageError(f"--json is no JSON: {error}") from None
    if said["form"]:
        body["form"] = pairs_of("--form", said["form"])
    if said["content"] is not None:
        body["content"] = said["content"]
    return body


def _entity_call(said: dict[str, Any]) -> dict[str, Any]:
    parameters = {key: value_of(text) for key, text in pairs_of("--parameter", said["parameter"]).items()}
    return {"entity": said["entity"], "parameters": parameters, "most": said["most"]}


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon:
        raise click.UsageError(f"--header takes 'NAME: VALUE', not {text!r}")
    return name.strip(), value.strip()


def _answer(value: Any) -> list[str]:
    body = value["rows"] if "rows" in value else value.get("body")
    if isinstance(body, str):
        # what goes into a file or a pipe goes there as it is
        shown = plain(body, kept="\n\t") if sys.stdout.isatty() else body
        return [shown] if shown else []
    return [json.dumps(body, indent=2, ensure_ascii=False)]


def _entities(value: Any) -> list[str]:
    rows = [(one["name"], json.dumps(one["definition"], ensure_ascii=False)) for one in value]
    return columns(("NAME", "DEFINITION"), rows)


def _definition(value: Any) -> list[str]:
    return [json.dumps(value, indent=2, ensure_ascii=False)]
