"""``policies``: the access policies, which say what may be called with a token."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import click

from apimgmt.cli.output import columns, output_option, show
from apimgmt.cli.remote import Admin, remote_options
from apimgmt.cli.rules import allow_option, shown


@click.group()
def policies() -> None:
    """Access policies: what may be called with an OAuth 2 token."""


@policies.command("list")
@output_option
@remote_options
def list_policies(admin: Admin, output: str) -> None:
    """List the access policies.

    \b
    Example:
      apimgmt policies list
    """
    show(output, admin.get("/access-policies"), _table)


@policies.command("add")
@click.argument("name")
@allow_option
@click.option("--application", "applications", metavar="NAME", multiple=True, help="Only for it; without one, for all.")
@click.option("--role", "roles", metavar="NAME", multiple=True, help="The token needs it, or one of the others given.")
@click.option("--condition", metavar="JSON", help="What the claims must be: all, any, equals, oneOf, startsWith.")
@output_option
@remote_options
def add_policy(
    admin: Admin, name: str, rules: list[dict[str, Any]], condition: str | None, output: str, **more: Any
) -> None:
    """Make an access policy called NAME.

    \b
    Example:
      apimgmt policies add editors --allow 'GET /shop/**' --application web-shop --role editor
    """
    body = {"name": name, "targets": rules, "applications": more["applications"], "roles": more["roles"]}
    if condition is not None:
        body["condition"] = _json(condition)
    show(output, admin.send("POST", "/access-policies", body=body).json(), lambda value: _table([value]))


@policies.command("remove")
@click.argument("policy")
@output_option
@remote_options
def remove_policy(admin: Admin, policy: str, output: str) -> None:
    """Remove POLICY (id or name); what it alone allowed is refused from then on.

    \b
    Example:
      apimgmt policies remove editors
    """
    admin.send("DELETE", f"/access-policies/{quote(policy, safe='')}")
    show(output, {"removed": policy}, lambda value: [f"{policy} is removed"])


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        raise click.UsageError(f"--condition takes JSON, not {text!r}") from None


def _table(value: Any) -> list[str]:
    rows = [
        (
            one["name"],
            one["id"],
            shown(one["targets"]),
            ", ".join(one["applications"]) or "all",
            ", ".join(one["roles"]),
            json.dumps(one["condition"], ensure_ascii=False) if one["condition"] else "",
        )
        for one in value
    ]
    return columns(("NAME", "ID", "ALLOWS", "APPLICATIONS", "ROLES", "CONDITION"), rows)
