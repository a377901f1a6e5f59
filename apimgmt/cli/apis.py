"""``apis``, ``operations``, ``bind``, ``publish`` and ``rollback``: the APIs that are there and what they run."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import click

from apimgmt.cli.documents import operation_rows
from apimgmt.cli.output import columns, findings, output_option, progress, show
from apimgmt.cli.remote import Admin, remote_options

if_match_option = click.option("--if-match", metavar="ETAG", help="Only if the API is still as it was read.")


@click.command()
@output_option
@remote_options
def apis(admin: Admin, output: str) -> None:
    """List the APIs.

    \b
    Example:
      apimgmt apis --output json
    """
    show(output, admin.get("/apis"), _apis_table)


@click.command()
@click.argument("api")
@output_option
@remote_options
def operations(admin: Admin, api: str, output: str) -> None:
    """List the operations of API and what runs behind each.

    \b
    Example:
      apimgmt operations petstore
    """
    show(output, admin.get(f"/apis/{quote(api, safe='')}/operations"), lambda value: operation_rows(value))


@click.command()
@click.argument("api")
@click.argument("operation")
@click.argument("kind")
@click.option("--set", "fields", metavar="NAME=VALUE", multiple=True, help="A field of the kind; JSON or text.")
@click.option("--publish/--no-publish", default=True, show_default=True, help="Serve it at once.")
@if_match_option
@output_option
@remote_options
def bind(admin: Admin, api: str, operation: str, kind: str, fields: tuple[str, ...], output: str, **more: Any) -> None:
    """Bind OPERATION (its key or operationId) of API to a process of KIND: mock, echo or python.

    \b
    Example:
      apimgmt bind petstore getPet python --set function=get_pet
    """
    binding = {"kind": kind, **dict(map(field, fields))}
    with progress(f"binding {operation}"):
        path = f"/apis/{quote(api, safe='')}/bindings?publish={'true' if more['publish'] else 'false'}"
        result = write(admin, "PUT", path, {operation: binding}, more["if_match"])
    show(output, result, lambda value: [f"{operation} of {api} runs {kind}"])


@click.command()
@click.argument("api")
@if_match_option
@output_option
@remote_options
def publish(admin: Admin, api: str, if_match: str | None, output: str) -> None:
    """Serve API as it is now: its newest revision and its bindings.

    \b
    Example:
      apimgmt publish petstore
    """
    with progress(f"publishing {api}"):
        result = write(admin, "POST", f"/apis/{quote(api, safe='')}/publish", None, if_match)
    show(output, result, lambda value: [f"{api} is published", *findings(value["findings"])])


@click.command()
@click.argument("api")
@click.argument("revision", type=click.IntRange(min=1))
@if_match_option
@output_option
@remote_options
def rollback(admin: Admin, api: str, revision: int, if_match: str | None, output: str) -> None:
    """Serve an earlier REVISION of API again.

    \b
    Example:
      apimgmt rollback petstore 3
    """
    with progress(f"rolling back {api}"):
        result = write(admin, "POST", f"/apis/{quote(api, safe='')}/rollback", {"revision": revision}, if_match)
    show(output, result, lambda value: [f"{api} serves revision {revision}", *findings(value["findings"])])


def write(admin: Admin, method: str, path: str, body: Any, if_match: str | None) -> Any:
    """Send a change, if need be one of a certain state; the JSON of the answer."""
    return admin.send(method, path, body=body, headers={"If-Match": if_match} if if_match else None).json()


def _apis_table(value: Any) -> list[str]:
    rows = [(api["name"], api["id"], api["basePath"] or "/", api["revision"], api["published"]) for api in value]
    return columns(("NAME", "ID", "BASE PATH", "REVISION", "PUBLISHED"), rows)


def field(text: str) -> tuple[str, Any]:
    """``NAME=VALUE``: the value is JSON where it is JSON, otherwise text."""
    name, equals, value = text.partition("=")
    if not equals:
        raise click.UsageError(f"--set takes NAME=VALUE, not {text!r}")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value
