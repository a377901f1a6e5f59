"""``clients``: applications that get tokens from our own authorization server."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import click

from apimgmt.cli.output import columns, output_option, show
from apimgmt.cli.remote import Admin, remote_options

LISTS = ("grants", "redirects", "scopes")
GRANTS = ("authorization_code", "client_credentials", "refresh_token")

grants_option = click.option("--grant", "grants", type=click.Choice(GRANTS), multiple=True, help="How it gets tokens.")
redirects_option = click.option(
    "--redirect", "redirects", metavar="URL", multiple=True, help="Where the browser goes back to, exactly."
)
scopes_option = click.option("--scope", "scopes", metavar="SCOPE", multiple=True, help="What it may ask for.")


@click.group()
def clients() -> None:
    """Clients: applications that get tokens from the platform itself."""


@clients.command("list")
@output_option
@remote_options
def list_clients(admin: Admin, output: str) -> None:
    """List the clients; their secrets are shown only when they are made.

    \b
    Example:
      apimgmt clients list
    """
    show(output, admin.get("/clients"), _table)


@clients.command("add")
@click.argument("name")
@grants_option
@redirects_option
@scopes_option
@click.option("--public", is_flag=True, help="It can keep no secret: it runs in a browser or on a telephone.")
@output_option
@remote_options
def add_client(admin: Admin, name: str, public: bool, output: str, **lists: tuple[str, ...]) -> None:
    """Make a client called NAME; without a policy that names it, its tokens open nothing.

    Without --grant it is for people if it has a --redirect (authorization_code, refresh_token), and for a program by
    itself otherwise (client_credentials).

    \b
    Example:
      apimgmt clients add billing --scope orders.read
      apimgmt clients add web-shop --redirect https://shop.example.com/callback --scope orders.read --public
    """
    usual = ("authorization_code", "refresh_token") if lists["redirects"] else ("client_credentials",)
    body = {"name": name, "public": public, **lists, "grants": lists["grants"] or usual}
    show(output, admin.send("POST", "/clients", body=body).json(), _new)


@clients.command("set")
@click.argument("client")
@click.option("--name", help="Another name; policies that name the one before no longer mean it.")
@grants_option
@redirects_option
@scopes_option
@output_option
@remote_options
def set_client(admin: Admin, client: str, name: str | None, output: str, **lists: tuple[str, ...]) -> None:
    """Change CLIENT (id or name); what is given replaces what was there, the rest stays.

    \b
    Example:
      apimgmt clients set billing --scope orders.read --scope orders.write
    """
    answer = admin.send("GET", _path(client))
    before = answer.json()
    body = {key: lists[key] or before[key] for key in LISTS}
    body |= {"name": name or before["name"], "public": before["public"]}
    headers = {"If-Match": answer.headers["ETag"]}
    show(output, admin.send("PUT", _path(client), body=body, headers=headers).json(), lambda value: _table([value]))


@clients.command("secret")
@click.argument("client")
@output_option
@remote_options
def renew_secret(admin: Admin, client: str, output: str) -> None:
    """Give CLIENT (id or name) a new secret; the one before counts no more.

    \b
    Example:
      apimgmt clients secret billing
    """
    show(output, admin.send("POST", f"{_path(client)}/secret").json(), _made)


@clients.command("remove")
@click.argument("client")
@output_option
@remote_options
def remove_client(admin: Admin, client: str, output: str) -> None:
    """Remove CLIENT (id or name): from now on its tokens open nothing.

    \b
    Example:
      apimgmt clients remove billing
    """
    admin.send("DELETE", _path(client))
    show(output, {"removed": client}, lambda value: [f"{client} is removed"])


def _path(client: str) -> str:
    return f"/clients/{quote(client, safe='')}"


def _made(client: Any) -> list[str]:
    lines = [f"client id      {client['clientId']}"]
    if "clientSecret" in client:
        lines.append(f"client secret  {client['clientSecret']}")
        lines.append(f"This is the secret of {client['name']}; it is not shown again.")
    return lines


def _new(client: Any) -> list[str]:
    remedy = f"`apimgmt policies add NAME --allow RULE --application {client['name']}`"
    return [*_made(client), f"Its tokens open nothing yet: {remedy}."]


def _table(value: Any) -> list[str]:
    rows = [(one["name"], one["id"], one["public"], *(", ".join(one[key]) for key in LISTS)) for one in value]
    return columns(("NAME", "ID", "PUBLIC", "GRANTS", "REDIRECTS", "SCOPES"), rows)
