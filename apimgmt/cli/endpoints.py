"""``endpoints``: flows that can be called, without a document."""

from __future__ import annotations

import json
import sys
from typing import Any
from urllib.parse import quote

import click

from apimgmt.cli.endpointfields import fields_of, parameter_of
from apimgmt.cli.files import read_document
from apimgmt.cli.output import columns, output_option, progress, show
from apimgmt.cli.remote import Admin, remote_options

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


@click.group()
def endpoints() -> None:
    """Endpoints: flows that can be called, without a document."""


@endpoints.command("list")
@output_option
@remote_options
def list_endpoints(admin: Admin, output: str) -> None:
    """List the endpoints and where they are.

    \b
    Example:
      apimgmt endpoints list
    """
    show(output, admin.get("/endpoints"), _table)


@endpoints.command("show")
@click.argument("endpoint")
@output_option
@remote_options
def show_endpoint(admin: Admin, endpoint: str, output: str) -> None:
    """Show ENDPOINT (id or name) with everything that it takes.

    \b
    Example:
      apimgmt endpoints show customer
    """
    show(output, admin.get(_path(endpoint)), lambda value: [json.dumps(value, indent=2, ensure_ascii=False)])


@endpoints.command("add")
@click.option("--flow", required=True, help="The stored flow that runs.")
@click.option("--name", help="Made from flow and path if left out.")
@click.option("--path", help="Such as /customers/{id}; a unique one is made if left out.")
@click.option(
    "--method", "methods", multiple=True, type=click.Choice(METHODS, case_sensitive=False), help="[default: GET]"
)
@click.option("--query", metavar="NAME[!][:TYPE[:DEFAULT]]", multiple=True, help="A query parameter; ! is required.")
@click.option("--field", "fields", metavar="NAME[!][:TYPE]", multiple=True, help="A field of the body: a.b, a[].b.")
@click.option("--schema", metavar="FILE", help="The JSON Schema of the body instead; - is standard input.")
@click.option(
    "--format", "format_", type=click.Choice(["json", "xml"]), help="How objects are written.  [default: json]"
)
@click.option("--summary", help="One line for people.")
@click.option("--deploy/--no-deploy", default=True, show_default=True, help="Serve it at once.")
@output_option
@remote_options
def add_endpoint(admin: Admin, output: str, **said: Any) -> None:
    """Make a stored flow callable at a path of its own.

    Types of query parameters are string, integer, number and boolean; those of fields are object and array, too.

    \b
    Example:
      apimgmt endpoints add --flow customer --path '/customers/{id}' --query limit:integer:100
      apimgmt endpoints add --flow order --path /orders --method POST \\
          --field 'customerId!' --field 'items[].productId!' --field 'items[].quantity:number'
      apimgmt endpoints add --flow order --path /orders --method POST --schema order.json --no-deploy
    """
    with progress("adding"):
        made = admin.send("POST", "/endpoints", body=_body(said)).json()
    show(output, made, lambda value: _table([value]))


@endpoints.command("deploy")
@click.argument("endpoint")
@output_option
@remote_options
def deploy_endpoint(admin: Admin, endpoint: str, output: str) -> None:
    """Serve ENDPOINT (id or name) from now on.

    \b
    Example:
      apimgmt endpoints deploy customer
    """
    _deploy(admin, endpoint, True, output)


@endpoints.command("withdraw")
@click.argument("endpoint")
@output_option
@remote_options
def withdraw_endpoint(admin: Admin, endpoint: str, output: str) -> None:
    """Serve ENDPOINT (id or name) no longer; it is kept.

    \b
    Example:
      apimgmt endpoints withdraw customer
    """
    _deploy(admin, endpoint, False, output)


@endpoints.command("test")
@click.argument("endpoint")
@click.option("--method", help="Its first one if left out.")
@click.option("--path", "-p", metavar="NAME=VALUE", multiple=True, help="A path parameter.")
@click.option("--query", "-q", metavar="NAME=VALUE", multiple=True, help="A query parameter.")
@click.option("--body", "-d", metavar="JSON", help="The body; @FILE reads a file.")
@click.option("--key", envvar="APIMGMT_KEY", help="API key to call with.")
@output_option
@remote_options
def test_endpoint(admin: Admin, endpoint: str, output: str, **said: Any) -> None:
    """Call ENDPOINT (id or name) once; shows request and response. Exit code 1 if the answer is an error.

    \b
    Example:
      apimgmt endpoints test customer --path id=C123 --key KEY
    """
    body: dict[str, Any] = {"path": _pairs(said["path"]), "query": _pairs(said["query"])}
    body |= {name: said[name] for name in ("method", "key") if said[name]}
    if said["body"] is not None:
        body["body"] = _json(said["body"])
    with progress(f"calling {endpoint}"):
        done = admin.send("POST", f"{_path(endpoint)}/test", body=body).json()
    show(output, done, _exchange)
    sys.exit(0 if done["response"]["status"] < 400 else 1)


@endpoints.command("remove")
@click.argument("endpoint")
@output_option
@remote_options
def remove_endpoint(admin: Admin, endpoint: str, output: str) -> None:
    """Remove ENDPOINT (id or name); its flow stays.

    \b
    Example:
      apimgmt endpoints remove customer
    """
    admin.send("DELETE", _path(endpoint))
    show(output, {"removed": endpoint}, lambda value: [f"{endpoint} is removed"])


def _body(said: dict[str, Any]) -> dict[str, Any]:
    body: dict[str, Any] = {name: said[name] for name in ("flow", "name", "path", "summary") if said[name]}
    body["deployed"] = said["deploy"]
    if said["methods"]:
        body["methods"] = [method.upper() for method in said["methods"]]
    if said["query"]:
        body["query"] = [parameter_of(text) for text in said["query"]]
    if said["fields"] and said["schema"]:
        raise click.UsageError("--field and --schema both say what the body is; use one of them")
    if said["fields"]:
        body["body"] = {"fields": fields_of(said["fields"])}
    if said["schema"]:
        body["body"] = {"schema": _schema(said["schema"])}
    if said["format_"]:
        body["response"] = {"format": said["format_"]}
    return body


def _deploy(admin: Admin, endpoint: str, deployed: bool, output: str) -> None:
    with progress("publishing"):
        made = admin.send("PUT", f"{_path(endpoint)}/deployment", body={"deployed": deployed}).json()
    show(output, made, lambda value: _table([value]))


def _schema(file: str) -> Any:
    try:
        return json.loads(read_document(file)[0])
    except ValueError as error:
        raise click.UsageError(f"--schema: {file} is not JSON: {error}") from None


def _json(text: str) -> Any:
    try:
        return json.loads(read_document(text[1:])[0] if text.startswith("@") else text)
    except ValueError as error:
        raise click.UsageError(f"--body: {error}") from None


def _pairs(texts: tuple[str, ...]) -> dict[str, Any]:
    """``NAME=VALUE`` texts as members; a name that comes more than once has a list."""
    found: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise click.UsageError(f"a parameter is NAME=VALUE, not {text!r}")
        before = found.get(name)
        found[name] = value if before is None else [*(before if isinstance(before, list) else [before]), value]
    return found


def _path(endpoint: str) -> str:
    return f"/endpoints/{quote(endpoint, safe='')}"


def _table(value: Any) -> list[str]:
    rows = [
        (one["name"], ",".join(one["methods"]), one["url"], one.get("flow"), one["deployed"], one["id"])
        for one in value
    ]
    return columns(("NAME", "METHODS", "URL", "FLOW", "DEPLOYED", "ID"), rows)


def _exchange(value: Any) -> list[str]:
    request, response = value["request"], value["response"]
    lines = [f"> {request['method']} {request['url']}"]
    lines += [f"> {name}: {text}" for name, text in request["headers"].items()]
    lines += [f"> {line}" for line in request["body"].splitlines()]
    lines += [f"< {response['status']} ({response['seconds']} s)"]
    lines += [f"< {name}: {text}" for name, text in response["headers"].items()]
    return [*lines, "", response["body"]]
