"""``users``: who has a password, rules for APIs, or a role in the platform."""

from __future__ import annotations

import sys
from typing import Any
from urllib.parse import quote

import click

from apimgmt.cli.output import columns, output_option, show
from apimgmt.cli.remote import Admin, remote_options
from apimgmt.cli.rules import allow_option, shown

ROLES = ("admin", "designer", "operator", "viewer")

rulesets_option = click.option(
    "--ruleset", "rulesets", metavar="NAME", multiple=True, help="A ruleset; can be given several times."
)
stdin_option = click.option("--password-stdin", is_flag=True, help="The password is the first line of standard input.")


@click.group()
def users() -> None:
    """Users: names with a password and what they may call."""


@users.command("list")
@output_option
@remote_options
def list_users(admin: Admin, output: str) -> None:
    """List the users.

    \b
    Example:
      apimgmt users list
    """
    show(output, admin.get("/users"), _table)


@users.command("add")
@click.argument("name")
@allow_option
@rulesets_option
@click.option("--role", type=click.Choice(ROLES), help="What the user may do on the platform itself.")
@stdin_option
@click.option("--no-password", is_flag=True, help="PAM or LDAP knows the password.")
@output_option
@remote_options
def add_user(
    admin: Admin, password_stdin: bool, no_password: bool, role: str | None, output: str, **wanted: Any
) -> None:
    """Make a user called NAME; the password is asked for. Without a rule the user may call nothing.

    NAME * is for every user of PAM or LDAP who is not listed.

    \b
    Example:
      apimgmt users add anna --allow 'GET /shop/**' --ruleset readers
      pass show anna | apimgmt users add anna --password-stdin
    """
    if no_password and password_stdin:
        raise click.UsageError("--no-password and --password-stdin exclude each other")
    password = {} if no_password else {"password": _password(password_stdin)}
    body = {**wanted, **password, "role": role or ""}
    show(output, admin.send("POST", "/users", body=body).json(), _made)


@users.command("set")
@click.argument("user")
@allow_option
@rulesets_option
@click.option("--clear", is_flag=True, help="Take all rules and rulesets away first.")
@click.option("--role", type=click.Choice([*ROLES, "none"]), help="Another role, or none.")
@click.option("--password", "prompts", is_flag=True, help="Ask for a new password.")
@stdin_option
@output_option
@remote_options
def set_user(admin: Admin, user: str, clear: bool, output: str, **wanted: Any) -> None:
    """Change USER (id or name); what is not given stays. --allow replaces the rules, --ruleset the rulesets.

    \b
    Example:
      apimgmt users set anna --password
      apimgmt users set anna --clear --ruleset readers --role none
    """
    answer = admin.send("GET", _path(user))
    before = answer.json()
    body = {name: [] if clear else before[name] for name in ("rules", "rulesets")} | {"role": before["role"]}
    body |= {name: wanted[name] for name in ("rules", "rulesets") if wanted[name]}
    if wanted["role"] is not None:
        body["role"] = "" if wanted["role"] == "none" else wanted["role"]
    if wanted["prompts"] or wanted["password_stdin"]:
        body["password"] = _password(wanted["password_stdin"])
    headers = {"If-Match": answer.headers["ETag"]}
    show(output, admin.send("PUT", _path(user), body=body, headers=headers).json(), _changed)


@users.command("remove")
@click.argument("user")
@output_option
@remote_options
def remove_user(admin: Admin, user: str, output: str) -> None:
    """Remove USER (id or name): from now on the password opens nothing.

    \b
    Example:
      apimgmt users remove anna
    """
    admin.send("DELETE", _path(user))
    show(output, {"removed": user}, lambda value: [f"{user} is removed"])


def _password(from_stdin: bool) -> str:
    """From standard input or from a prompt, and never from the command line, which others on the machine can see."""
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    try:
        text: str = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    except click.Abort:
        if sys.stdin.isatty():
            raise
        remedy = "there is no terminal to ask for the password: send it with --password-stdin"
        raise click.UsageError(remedy) from None
    return text


def _path(user: str) -> str:
    return f"/users/{quote(user, safe='')}"


def _made(user: Any) -> list[str]:
    role = f", {user['role']} of the platform" if user["role"] else ""
    lines = [f"{user['name']} ({user['id']}) is made{role}"]
    if not user["rules"] and not user["rulesets"]:
        lines.append("It may call no API yet: give it rules with `apimgmt users set --allow` or `--ruleset`.")
    return lines


def _changed(user: Any) -> list[str]:
    return _table([user])


def _table(value: Any) -> list[str]:
    names = ("NAME", "ID", "PASSWORD", "ROLE", "RULESETS", "RULES")
    rows = [
        (
            user["name"],
            user["id"],
            user["hasPassword"],
            user["role"],
            ", ".join(user["rulesets"]),
            shown(user["rules"]),
        )
        for user in value
    ]
    return columns(names, rows)
