"""``secrets``: what the platform keeps encrypted."""

from __future__ import annotations

from typing import Any

import click

from apimgmt.cli.output import output_option, show
from apimgmt.cli.remote import Admin, remote_options


@click.group()
def secrets() -> None:
    """Secrets: what the platform keeps encrypted with secret_keys."""


@secrets.command("renew")
@output_option
@remote_options
def renew_secrets(admin: Admin, output: str) -> None:
    """Encrypt everything with the newest key; what no key decrypts is started over.

    After a new key was put before the others in secret_keys, run this, then take the old one away. After keys were
    lost, this makes a new signing key and names the connections whose secrets have to be given again.

    \b
    Example:
      apimgmt secrets renew
    """
    show(output, admin.send("POST", "/secrets/renewal").json(), _done)


def _done(value: Any) -> list[str]:
    lines = [f"encrypted with the newest key: {', '.join(value['renewed']) or 'no connection has a secret'}"]
    if value["signingKey"]:
        lines.append(f"the signing key was lost; from now on {value['signingKey']} signs")
    lines += [f"give the secrets of {name} again: apimgmt connections change {name}" for name in value["lost"]]
    return lines
