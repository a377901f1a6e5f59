"""``keys``: the API keys of callers."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import click

from apimgmt.cli.output import columns, output_option, show
from apimgmt.cli.remote import Admin, remote_options
from apimgmt.cli.rules import allow_option, shown


@click.group()
def keys() -> None:
    """API keys: who may call, with what, and until when."""


@keys.command("list")
@output_option
@remote_options
def list_keys(admin: Admin, output: str) -> None:
    """List the API keys; their texts are shown only when they are made.

    \b
    Example:
      apimgmt keys list
    """
    show(output, admin.get("/keys"), _table)


@keys.command("add")
@click.argument("name")
@allow_option
@click.option("--ruleset", "rulesets", metavar="NAME", multiple=True, help="A ruleset; can be given several times.")
@click.option("--expires", metavar="TIME", help="When it ends, e.g. 2030-01-31T00:00:00Z; never if it is left out.")
@click.option("--environment", metavar="NAME", help="Where it counts; that of the platform if it is left out.")
@output_option
@remote_options
def add_key(admin: Admin, output: str, **wanted: Any) -> None:
    """Make an API key called NAME. Without a rule it may call nothing.

    \b
    Example:
      apimgmt keys add crm --allow 'GET /orders/**' --ruleset readers
    """
    body = {name: value for name, value in wanted.items() if value}
    show(output, admin.send("POST", "/keys", body=body).json(), _made)


@keys.command("rotate")
@click.argument("key")
@click.option("--overlap", metavar="SECONDS", type=click.IntRange(min=0), default=0, show_default=True)
@output_option
@remote_options
def rotate_key(admin: Admin, key: str, overlap: int, output: str) -> None:
    """Give KEY (id or name) a new text; the one before counts for --overlap seconds more.

    \b
    Example:
      apimgmt keys rotate crm --overlap 86400
    """
    show(output, admin.send("POST", f"{_path(key)}/rotate", body={"overlap": overlap}).json(), _rotated)


@keys.command("revoke")
@click.argument("key")
@output_option
@remote_options
def revoke_key(admin: Admin, key: str, output: str) -> None:
    """Revoke KEY (id or name): from now on it opens nothing.

    \b
    Example:
      apimgmt keys revoke crm
    """
    admin.send("DELETE", _path(key))
    show(output, {"revoked": key}, lambda value: [f"{key} is revoked"])


def _path(key: str) -> str:
    return f"/keys/{quote(key, safe='')}"


def _text(key: Any) -> list[str]:
    return [key["key"], f"This is the key {key['name']}; it is not shown again."]


def _made(key: Any) -> list[str]:
    if key["rules"] or key["rulesets"]:
        return _text(key)
    return [*_text(key), "It may call nothing: give a key its rules when it is made, with --allow or --ruleset."]


def _rotated(key: Any) -> list[str]:
    until = f"counts until {key['overlap']}" if key["overlap"] else "counts no more"
    return [*_text(key), f"The text before it {until}."]


def _table(value: Any) -> list[str]:
    names = ("NAME", "ID", "STATE", "BEGINS", "EXPIRES", "OLD TEXT UNTIL", "RULESETS", "RULES")
    rows = [
        (
            key["name"],
            key["id"],
            key["state"],
            key["hint"],
            key["expires"],
            key["overlap"],
            ", ".join(key["rulesets"]),
            shown(key["rules"]),
        )
        for key in value
    ]
    return columns(names, rows)
