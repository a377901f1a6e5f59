"""``issuers``: whose OAuth 2 tokens count."""

from __future__ import annotations

import json
from typing import IO, Any
from urllib.parse import quote

import click

from apimgmt.cli.output import columns, output_option, progress, show
from apimgmt.cli.remote import Admin, remote_options


@click.group()
def issuers() -> None:
    """Issuers: whose OAuth 2 tokens count."""


@issuers.command("list")
@output_option
@remote_options
def list_issuers(admin: Admin, output: str) -> None:
    """List the issuers.

    \b
    Example:
      apimgmt issuers list
    """
    show(output, admin.get("/issuers"), _table)


@issuers.command("add")
@click.argument("name")
@click.argument("issuer")
@click.option("--audience", "audiences", metavar="TEXT", multiple=True, required=True, help="What `aud` may be.")
@click.option("--jwks-url", metavar="URL", help="Where the keys are, if the issuer's metadata do not say it.")
@click.option("--jwks", type=click.File("rb"), help="A file with the keys (a JWK Set), instead of fetching them.")
@click.option("--algorithm", "algorithms", metavar="NAME", multiple=True, help="How tokens may be signed.")
@click.option("--name-claim", metavar="CLAIM", help="Which claim is the caller's name.  [default: sub]")
@click.option("--role-claim", metavar="CLAIM", help="Which claim has the roles.  [default: roles]")
@click.option("--scope-claim", metavar="CLAIM", help="Which claim has the scopes.  [default: scope]")
@click.option("--application-claim", metavar="CLAIM", help="Which claim is the application.  [default: client_id]")
@output_option
@remote_options
def add_issuer(admin: Admin, name: str, issuer: str, jwks: IO[bytes] | None, output: str, **more: Any) -> None:
    """Register ISSUER (what its tokens have as `iss`) as NAME; its keys are looked at once.

    \b
    Example:
      apimgmt issuers add login https://login.example.com --audience https://api.example.com
    """
    claims = {claim: more[f"{claim}_claim"] for claim in ("name", "role", "scope", "application")}
    body: dict[str, Any] = {
        "name": name,
        "issuer": issuer,
        "audiences": more["audiences"],
        "jwksUrl": more["jwks_url"],
        "jwks": _read(jwks),
        "algorithms": more["algorithms"],
        "claims": {claim: value for claim, value in claims.items() if value},
    }
    with progress(f"looking at the keys of {issuer}"):
        made = admin.send("POST", "/issuers", body={key: value for key, value in body.items() if value}).json()
    show(output, made, lambda value: [*_table([value]), *_keys(value["found"])])


@issuers.command("remove")
@click.argument("issuer")
@output_option
@remote_options
def remove_issuer(admin: Admin, issuer: str, output: str) -> None:
    """Remove ISSUER (id or name), if it has no applications; its tokens are refused from then on.

    \b
    Example:
      apimgmt issuers remove login
    """
    admin.send("DELETE", f"/issuers/{quote(issuer, safe='')}")
    show(output, {"removed": issuer}, lambda value: [f"{issuer} is removed"])


def _read(file: IO[bytes] | None) -> Any:
    try:
        return json.load(file) if file is not None else None
    except ValueError:
        raise click.UsageError("--jwks: the file is no JSON") from None


def _table(value: Any) -> list[str]:
    rows = [(one["name"], one["id"], one["issuer"], ", ".join(one["audiences"]), _source(one)) for one in value]
    return columns(("NAME", "ID", "ISSUER", "AUDIENCES", "KEYS"), rows)


def _source(issuer: Any) -> str:
    return issuer["jwksUrl"] or ("pasted" if issuer["jwks"] else "discovered")


def _keys(found: Any) -> list[str]:
    rows = [(key["kid"], key["type"], ", ".join(key["algorithms"])) for key in found["keys"]]
    return ["", *columns(("KEY", "TYPE", "ALGORITHMS"), rows), *(f"not used: {reason}" for reason in found["skipped"])]
