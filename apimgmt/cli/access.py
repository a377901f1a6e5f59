"""``who-can`` and ``can``: who may call what, asked before anybody calls."""

from __future__ import annotations

from typing import Any

import click

from apimgmt.cli.output import columns, output_option, show
from apimgmt.cli.remote import Admin, remote_options

# What lets somebody in, by what an operation takes.
REMEDIES = {
    "apiKey": "give a key a rule for it, `apimgmt keys add NAME --allow RULE`",
    "basic": "give a user a rule for it, `apimgmt users add NAME --allow RULE`",
    "bearer": "give a key a rule for it, or a token's application a policy (`keys add`, `policies add`)",
    "mutualtls": "name an authority, `apimgmt authorities add NAME FILE --api API`",
    "oauth2": "make a client, then `apimgmt policies add NAME --allow RULE --application CLIENT`",
    "openIdConnect": "name an issuer and an application, then `apimgmt policies add NAME --allow RULE`",
}


@click.command("who-can")
@click.argument("method")
@click.argument("path")
@output_option
@remote_options
def who_can(admin: Admin, method: str, path: str, output: str) -> None:
    """Say who may call METHOD PATH, and which rule lets them.

    PATH is as callers write it, or a template with its base path.

    \b
    Example:
      apimgmt who-can GET '/orders/{id}'
    """
    show(output, _ask(admin, method, path), _everybody)


@click.command()
@click.argument("who")
@click.argument("method")
@click.argument("path")
@output_option
@remote_options
def can(admin: Admin, who: str, method: str, path: str, output: str) -> None:
    """Say whether WHO may call METHOD PATH, and why; exit code 1 if not.

    WHO is key:NAME, user:NAME, application:NAME, certificate:SUBJECT or nobody.

    \b
    Example:
      apimgmt can key:crm GET /orders/7
    """
    answer = _ask(admin, method, path, who)
    show(output, answer, _one)
    if not answer["decisions"][0]["allowed"]:
        raise click.exceptions.Exit(1)


def _ask(admin: Admin, method: str, path: str, who: str | None = None) -> Any:
    parameters = {"method": method, "path": path} | ({"as": who} if who is not None else {})
    return admin.send("GET", "/access", params=parameters).json()


def _one(answer: Any) -> list[str]:
    decision = answer["decisions"][0]
    verdict = "yes" if decision["allowed"] else f"no, {decision['code']}"
    return [f"{verdict}: {decision['why']}", _operation(answer)]


def _everybody(answer: Any) -> list[str]:
    rows = [(decision["who"], decision["why"]) for decision in answer["decisions"]]
    if not rows:
        ways = dict.fromkeys(scheme for alternative in answer["takes"] for scheme in alternative)
        remedies = [f"{scheme}: {REMEDIES[scheme]}" for scheme in ways if scheme in REMEDIES]
        return ["nobody may call it yet", *remedies, _operation(answer)]
    return [*columns(("WHO", "WHY"), rows), _operation(answer)]


def _operation(answer: Any) -> str:
    takes = " or ".join(dict.fromkeys(" with ".join(one) for one in answer["takes"])) or "no credential"
    return f"{answer['method']} {answer['template']} of {answer['api']['name']} takes {takes}"
