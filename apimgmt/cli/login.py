"""``login``, ``logout`` and ``whoami``: who is at work."""

from __future__ import annotations

import sys
from typing import Any

import click

from apimgmt.cli.output import columns, output_option, show
from apimgmt.cli.remote import Admin, remote_options, url_option


@click.command()
@click.option("--name", help="User name; asked for if it is left out.")
@click.option("--password-stdin", is_flag=True, help="The password is the first line of standard input.")
@output_option
@url_option
def login(name: str | None, password_stdin: bool, url: str, output: str) -> None:
    """Log in as a user of the platform; prints the line that later commands need.

    The session ends 30 minutes after it was used last, and 12 hours after it began.

    \b
    Example:
      apimgmt login --name ann
      eval "$(apimgmt login --name ann)"
    """
    if password_stdin and name is None:
        raise click.UsageError("--password-stdin needs --name")
    name = name if name is not None else click.prompt("User name", err=True)
    password = _password(password_stdin)
    session = Admin(url, None).send("POST", "/sessions", body={"name": name, "password": password}).json()
    show(output, session, lambda value: [f"export APIMGMT_TOKEN={value['token']}"])


@click.command()
@output_option
@remote_options
def logout(admin: Admin, output: str) -> None:
    """End the session or token that this command was called with.

    \b
    Example:
      apimgmt logout
    """
    admin.send("DELETE", "/me/logins/current")
    show(output, {"ended": "current"}, lambda value: ["You are logged out; unset APIMGMT_TOKEN."])


@click.command()
@output_option
@remote_options
def whoami(admin: Admin, output: str) -> None:
    """Say who you are to the platform, and with which role.

    \b
    Example:
      apimgmt whoami
    """
    show(output, admin.get("/me"), _me)


def logins(value: Any) -> list[str]:
    """Sessions and personal tokens, one a line."""
    rows = [(one["kind"], one["name"], one["id"], one["created"], one["expires"]) for one in value]
    return columns(("KIND", "NAME", "ID", "CREATED", "EXPIRES"), rows)


def _me(value: Any) -> list[str]:
    lines = [f"{value['name']}, {value['role']}"]
    return [*lines, "", *logins(value["logins"])] if value["logins"] else lines


def _password(from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    text: str = click.prompt("Password", hide_input=True, err=True)
    return text
