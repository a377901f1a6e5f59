"""``rulesets``: named lists of rules that keys and users share."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import click

from apimgmt.cli.output import columns, output_option, show
from apimgmt.cli.remote import Admin, remote_options
from apimgmt.cli.rules import allow_option, shown


@click.group()
def rulesets() -> None:
    """Rulesets: rules that API keys and users share."""


@rulesets.command("list")
@output_option
@remote_options
def list_rulesets(admin: Admin, output: str) -> None:
    """List the rulesets.

    \b
    Example:
      apimgmt rulesets list
    """
    show(output, admin.get("/rulesets"), _table)


@rulesets.command("add")
@click.argument("name")
@allow_option
@output_option
@remote_options
def add_ruleset(admin: Admin, name: str, rules: list[dict[str, Any]], output: str) -> None:
    """Make a ruleset called NAME.

    \b
    Example:
      apimgmt rulesets add readers --allow 'GET /shop/**' --allow 'GET api:petstore'
    """
    show(output, admin.send("POST", "/rulesets", body={"name": name, "rules": rules}).json(), _one)


@rulesets.command("set")
@click.argument("ruleset")
@allow_option
@output_option
@remote_options
def set_ruleset(admin: Admin, ruleset: str, rules: list[dict[str, Any]], output: str) -> None:
    """Replace the rules of RULESET (id or name); everybody who has it follows at once.

    \b
    Example:
      apimgmt rulesets set readers --allow 'GET,HEAD /shop/**'
    """
    show(output, admin.send("PUT", _path(ruleset), body={"rules": rules}).json(), _one)


@rulesets.command("remove")
@click.argument("ruleset")
@output_option
@remote_options
def remove_ruleset(admin: Admin, ruleset: str, output: str) -> None:
    """Remove RULESET (id or name), if nobody has it.

    \b
    Example:
      apimgmt rulesets remove readers
    """
    admin.send("DELETE", _path(ruleset))
    show(output, {"removed": ruleset}, lambda value: [f"{ruleset} is removed"])


def _path(ruleset: str) -> str:
    return f"/rulesets/{quote(ruleset, safe='')}"


def _one(value: Any) -> list[str]:
    return _table([value])


def _table(value: Any) -> list[str]:
    return columns(("NAME", "ID", "RULES"), [(one["name"], one["id"], shown(one["rules"])) for one in value])
