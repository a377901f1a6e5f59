"""``tokens``: personal tokens, for programs that work in somebody's name."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import click

from apimgmt.cli.login import logins
from apimgmt.cli.output import output_option, show
from apimgmt.cli.remote import Admin, remote_options


@click.group()
def tokens() -> None:
    """Personal tokens: for programs, with your role."""


@tokens.command("list")
@output_option
@remote_options
def list_tokens(admin: Admin, output: str) -> None:
    """List your sessions and personal tokens; their texts are shown only when they are made.

    \b
    Example:
      apimgmt tokens list
    """
    show(output, admin.get("/me")["logins"], logins)


@tokens.command("add")
@click.argument("name")
@click.option("--days", type=click.IntRange(1, 366), default=90, show_default=True, help="How long it counts.")
@output_option
@remote_options
def add_token(admin: Admin, name: str, days: int, output: str) -> None:
    """Make a personal token called NAME.

    \b
    Example:
      apimgmt tokens add pipeline --days 30
    """
    made = admin.send("POST", "/me/tokens", body={"name": name, "days": days}).json()
    show(output, made, _made)


@tokens.command("end")
@click.argument("login")
@output_option
@remote_options
def end_token(admin: Admin, login: str, output: str) -> None:
    """End a session or personal token of yours by its id (LOGIN): from now on it opens nothing.

    \b
    Example:
      apimgmt tokens end token_4k2xw9q0vd1z
    """
    admin.send("DELETE", f"/me/logins/{quote(login, safe='')}")
    show(output, {"ended": login}, lambda value: [f"{login} has ended"])


def _made(token: Any) -> list[str]:
    return [token["token"], f"This is the token {token['name']} until {token['expires']}; it is not shown again."]
