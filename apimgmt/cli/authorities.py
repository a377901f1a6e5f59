"""``authorities``: who may issue client certificates."""

from __future__ import annotations

from typing import IO, Any
from urllib.parse import quote

import click

from apimgmt.cli.output import columns, output_option, show
from apimgmt.cli.remote import Admin, remote_options
from apimgmt.cli.rules import allow_option

KEPT = ("certificates", "apis", "subjects", "rules", "rulesets")


@click.group()
def authorities() -> None:
    """Authorities: who may issue client certificates."""


@authorities.command("list")
@output_option
@remote_options
def list_authorities(admin: Admin, output: str) -> None:
    """List the authorities, what they hold and until when.

    \b
    Example:
      apimgmt authorities list
    """
    show(output, admin.get("/authorities"), _table)


@authorities.command("add")
@click.argument("name")
@click.argument("files", type=click.File(), nargs=-1, required=True)
@click.option("--revocations", type=click.File(), multiple=True, help="PEM file with revocation lists of theirs.")
@click.option("--api", "apis", metavar="API", multiple=True, help="An API that trusts it; without any, every one does.")
@click.option("--subject", "subjects", metavar="NAME", multiple=True, help="A name that counts; without any, all do.")
@click.option("--ruleset", "rulesets", metavar="NAME", multiple=True, help="What holders may call, by a ruleset.")
@allow_option
@output_option
@remote_options
def add_authority(
    admin: Admin, name: str, files: tuple[IO[str], ...], revocations: tuple[IO[str], ...], output: str, **more: Any
) -> None:
    """Trust the issuers of client certificates in FILES (PEM) as NAME.

    Holders of their certificates may call every operation of the APIs, unless --allow or --ruleset narrows it.

    \b
    Example:
      apimgmt authorities add acme acme-ca.pem --api petstore --subject CN=partner-one,O=Acme
    """
    body = {"name": name, "certificates": _text(files), "revocations": _text(revocations), **more}
    show(output, admin.send("POST", "/authorities", body=body).json(), _one)


@authorities.command("revocations")
@click.argument("authority")
@click.argument("files", type=click.File(), nargs=-1)
@output_option
@remote_options
def load_revocations(admin: Admin, authority: str, files: tuple[IO[str], ...], output: str) -> None:
    """Replace the revocation lists of AUTHORITY (id or name) by those in FILES (PEM).

    \b
    Example:
      apimgmt authorities revocations acme acme-crl.pem
    """
    present = admin.send("GET", _path(authority))
    body = {name: value for name, value in present.json().items() if name in KEPT}
    headers = {"If-Match": present.headers["ETag"]}
    body["revocations"] = _text(files)
    show(output, admin.send("PUT", _path(authority), body=body, headers=headers).json(), _one)


@authorities.command("remove")
@click.argument("authority")
@output_option
@remote_options
def remove_authority(admin: Admin, authority: str, output: str) -> None:
    """Remove AUTHORITY (id or name); its certificates are refused from then on.

    \b
    Example:
      apimgmt authorities remove acme
    """
    admin.send("DELETE", _path(authority))
    show(output, {"removed": authority}, lambda value: [f"{authority} is removed"])


def _path(authority: str) -> str:
    return f"/authorities/{quote(authority, safe='')}"


def _text(files: tuple[IO[str], ...]) -> str:
    return "\n".join(file.read() for file in files)


def _one(value: Any) -> list[str]:
    return _table([value])


def _table(value: Any) -> list[str]:
    """One line for each certificate and each revocation list."""
    rows = []
    for one in value:
        where = ", ".join(one["apis"]) or "all"
        rows += [(one["name"], one["id"], where, held["subject"], held["expires"]) for held in one["issuers"]]
        rows += [
            (one["name"], one["id"], where, f"list of {held['issuer']}: {held['revoked']} revoked", held["expires"])
            for held in one["lists"]
        ]
    return columns(("NAME", "ID", "APIS", "HOLDS", "UNTIL"), rows)
