"""``connections``: other systems that processes call.

The group and what is done with a whole connection. Commands that do more are in files of their own and attached at the
end of this one.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from apimgmt.cli.connectioncalls import call, entities, path_of, steps, test
from apimgmt.cli.connectionsettings import body_of, settings_options
from apimgmt.cli.deliveries import deliveries, redeliver
from apimgmt.cli.discover import discover
from apimgmt.cli.output import columns, output_option, progress, show
from apimgmt.cli.remote import Admin, Refused, remote_options
from apimgmt.cli.signon import authorize

FORCE = "Send the credential although the certificate is not checked (--insecure)."

untested_option = click.option("--untested", is_flag=True, help="Store it although it may not work now.")
force_option = click.option("--force", is_flag=True, help=FORCE)


@click.group()
def connections() -> None:
    """Connections: other systems that processes call."""


@connections.command("list")
@output_option
@remote_options
def list_connections(admin: Admin, output: str) -> None:
    """List the connections, with what an administrator should know; their secrets are never shown.

    \b
    Example:
      apimgmt connections list
    """
    show(output, admin.get("/connections"), table)


@connections.command("show")
@click.argument("connection")
@output_option
@remote_options
def show_connection(admin: Admin, connection: str, output: str) -> None:
    """Show CONNECTION (id or name); *** stands for a secret that is set.

    \b
    Example:
      apimgmt connections show crm
    """
    show(output, admin.get(path_of(connection)), _one)


@connections.command("add")
@click.argument("name")
@click.argument("address", metavar="URL", required=False)
@settings_options
@untested_option
@force_option
@output_option
@remote_options
def add_connection(
    admin: Admin, name: str, address: str | None, untested: bool, force: bool, output: str, **said: Any
) -> None:
    """Make a connection called NAME to the system at URL, if it works; its secrets are asked for.

    \b
    Example:
      apimgmt connections add crm https://crm.example.com/api --auth bearer
      pass show crm | apimgmt connections add crm https://crm.example.com/api --auth bearer --secret token=-
      apimgmt connections add erp https://erp.example.com --auth basic --set username=svc --limit 100/60
      apimgmt connections add bank https://bank.example.com --client-certificate our.pem --client-key our.key
      apimgmt connections add crm --file crm.yaml
    """
    body = body_of({"name": name}, said) | {"name": name} | ({"baseUrl": address} if address else {})
    with progress(f"testing {name}"), _with_steps(output):
        made = admin.send("POST", "/connections", params=_params(untested, force), body=body).json()
    show(output, made, _saved)


@connections.command("change")
@click.argument("connection")
@click.option("--name", help="Another name; functions that use the one before fail.")
@click.option("--address", metavar="URL", help="Another base URL; at another host secrets have to be given again.")
@settings_options
@untested_option
@force_option
@output_option
@remote_options
def change_connection(
    admin: Admin,
    connection: str,
    name: str | None,
    address: str | None,
    untested: bool,
    force: bool,
    output: str,
    **said: Any,
) -> None:
    """Change CONNECTION (id or name), if it works then; what is not given stays, secrets too.

    \b
    Example:
      apimgmt connections change crm --timeout 10 --limit 100/60
      apimgmt connections change crm --secret token
    """
    answer = admin.send("GET", path_of(connection))
    given = {"name": name, "baseUrl": address}
    body = body_of(answer.json(), said) | {key: value for key, value in given.items() if value}
    headers = {"If-Match": answer.headers["ETag"]}
    with progress(f"testing {connection}"), _with_steps(output):
        params = _params(untested, force)
        changed = admin.send("PUT", path_of(connection), params=params, body=body, headers=headers).json()
    show(output, changed, _saved)


@connections.command("remove")
@click.argument("connection")
@output_option
@remote_options
def remove_connection(admin: Admin, connection: str, output: str) -> None:
    """Remove CONNECTION (id or name); refused while operations are bound to it.

    \b
    Example:
      apimgmt connections remove crm
    """
    admin.send("DELETE", path_of(connection))
    show(output, {"removed": connection}, lambda value: [f"{connection} is removed"])


def table(value: Any) -> list[str]:
    """Connections as a table; their warnings below it."""
    rows = [
        (one["name"], one["id"], one["type"], one["baseUrl"], one["authentication"]["kind"], len(one["warnings"]) or "")
        for one in value
    ]
    lines = columns(("NAME", "ID", "TYPE", "URL", "AUTHENTICATION", "WARNINGS"), rows)
    return [*lines, *(f"warning: {one['name']}: {warning}" for one in value for warning in one["warnings"])]


def _one(value: Any) -> list[str]:
    inner = {name: parts for name, parts in value.items() if isinstance(parts, dict) and name != "entities"}
    rows = [(f"{name}.{part}", held) for name, parts in inner.items() for part, held in parts.items()]
    plain = [(name, held) for name, held in value.items() if not isinstance(held, dict | list)]
    lines = columns(("SETTING", "VALUE"), [*plain, *rows])
    lines += [f"internal host: {host}" for host in value["internalHosts"]]
    lines += [f"entity: {name}" for name in sorted(value["entities"])]
    return [*lines, *(f"warning: {warning}" for warning in value["warnings"])]


def _saved(value: Any) -> list[str]:
    return [f"{value['name']} ({value['id']}) is saved", *(f"warning: {warning}" for warning in value["warnings"])]


def _params(untested: bool, force: bool) -> dict[str, str]:
    said = {"untested": untested, "force": force}
    return {name: "true" for name, value in said.items() if value}


@contextmanager
def _with_steps(output: str) -> Iterator[None]:
    """Shows the steps of a test that failed before the refusal ends the command."""
    try:
        yield
    except Refused as refused:
        if output == "table" and "test" in refused.problem:
            for line in steps(refused.problem["test"]):
                click.echo(line, err=True)
        raise


connections.add_command(test)
connections.add_command(call)
connections.add_command(entities)
connections.add_command(authorize)
connections.add_command(deliveries)
connections.add_command(redeliver)
connections.add_command(discover)
