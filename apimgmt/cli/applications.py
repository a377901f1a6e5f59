"""``applications``: the OAuth applications whose tokens are looked at."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import click

from apimgmt.cli.output import columns, output_option, show
from apimgmt.cli.remote import Admin, remote_options


@click.group()
def applications() -> None:
    """OAuth applications: the clients of an issuer that may come at all."""


@applications.command("list")
@output_option
@remote_options
def list_applications(admin: Admin, output: str) -> None:
    """List the applications.

    \b
    Example:
      apimgmt applications list
    """
    show(output, admin.get("/applications"), _table)


@applications.command("add")
@click.argument("name")
@click.argument("client")
@click.option("--issuer", metavar="NAME", required=True, help="Name or id of its issuer.")
@output_option
@remote_options
def add_application(admin: Admin, name: str, client: str, issuer: str, output: str) -> None:
    """Register CLIENT (what the issuer calls it in its tokens) as NAME.

    \b
    Example:
      apimgmt applications add web-shop 0oa1b2c3 --issuer login
    """
    body = {"name": name, "client": client, "issuer": issuer}
    show(output, admin.send("POST", "/applications", body=body).json(), lambda value: _table([value]))


@applications.command("remove")
@click.argument("application")
@output_option
@remote_options
def remove_application(admin: Admin, application: str, output: str) -> None:
    """Remove APPLICATION (id or name), if no policy names it; its tokens are refused from then on.

    \b
    Example:
      apimgmt applications remove web-shop
    """
    admin.send("DELETE", f"/applications/{quote(application, safe='')}")
    show(output, {"removed": application}, lambda value: [f"{application} is removed"])


def _table(value: Any) -> list[str]:
    rows = [(one["name"], one["id"], one["client"], one["issuer"]) for one in value]
    return columns(("NAME", "ID", "CLIENT", "ISSUER"), rows)
