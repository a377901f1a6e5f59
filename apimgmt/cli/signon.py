"""``connections authorize``: signing in to a connection that acts in somebody's name."""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import quote

import click

from apimgmt.cli.output import output_option, progress, show
from apimgmt.cli.remote import Admin, Failure, remote_options

POLL_SECONDS = 1.0
PATIENCE_SECONDS = 600.0


@click.command()
@click.argument("connection")
@click.option("--open", "open_browser", is_flag=True, help="Open the link in a browser of this machine.")
@click.option("--no-wait", is_flag=True, help="Print the link and end; do not wait for the sign-in.")
@click.option("--status", is_flag=True, help="Only say whether somebody has signed in, and until when.")
@click.option("--forget", is_flag=True, help="Forget the tokens; calls fail until somebody signs in again.")
@output_option
@remote_options
def authorize(
    admin: Admin, connection: str, open_browser: bool, no_wait: bool, status: bool, forget: bool, output: str
) -> None:
    """Sign in to CONNECTION (id or name), so that it may act in your name at the other system.

    Prints a link that counts once and for ten minutes; it has to be opened in a browser that reaches the admin API.

    \b
    Example:
      apimgmt connections authorize crm --open
    """
    path = f"/connections/{quote(connection, safe='')}"
    if status:
        show(output, admin.get(f"{path}/authorization"), lambda value: [sentence(connection, value)])
        return
    if forget:
        admin.send("DELETE", f"{path}/authorization")
        show(output, {"forgotten": connection}, lambda value: [f"nobody is signed in to {connection} any more"])
        return
    before = admin.get(f"{path}/authorization")["since"]
    link = admin.send("POST", f"{path}/authorize").json()
    if no_wait:
        show(output, link, lambda value: [value["url"]])
        return
    click.echo(f"Open this link in a browser, within ten minutes:\n\n  {link['url']}\n", err=True)
    click.echo(f"The other system must know this redirect URI: {link['redirectUri']}", err=True)
    if open_browser:
        click.launch(link["url"])
    with progress("waiting for the sign-in"):
        found = _awaited(admin, f"{path}/authorization", before)
    show(output, found, lambda value: [sentence(connection, value)])


def sentence(connection: str, found: Any) -> str:
    """Whether somebody has signed in, in words."""
    if not found["signedIn"]:
        return f"nobody is signed in to {connection}; run: apimgmt connections authorize {connection}"
    if found["renewable"]:
        return f"{connection} is signed in since {found['since']}; its token is renewed by itself"
    until = f"until {found['expires']}" if found["expires"] else "until the other system ends it"
    return f"{connection} is signed in since {found['since']}, {until}"


def _awaited(admin: Admin, path: str, before: str | None) -> Any:
    """What is said once somebody has signed in after ``before``; raises Failure if nobody does."""
    until = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < until:
        found = admin.get(path)
        if found["signedIn"] and found["since"] != before:
            return found
        time.sleep(POLL_SECONDS)
    raise Failure("nobody has signed in within ten minutes; the page in the browser says why")
