"""``cache``: the answers that the gateway keeps."""

from __future__ import annotations

from urllib.parse import quote

import click

from apimgmt.cli.output import output_option, show
from apimgmt.cli.remote import Admin, remote_options


@click.group()
def cache() -> None:
    """Answers that the gateway keeps (policy `cache`).

    \b
    Example:
      apimgmt cache clear petstore
    """


@cache.command("clear")
@click.argument("api")
@click.option("--operation", help="Only those of this operation (its key or operationId).")
@click.option("--key", help="Only those with this key, as it stands in Cache-Status.")
@output_option
@remote_options
def clear_cache(admin: Admin, api: str, operation: str | None, key: str | None, output: str) -> None:
    """Have every worker forget the cached answers of API.

    \b
    Example:
      apimgmt cache clear petstore --operation getPet --key path.petId=7
    """
    named = {"operation": operation, "key": key}
    params = {name: value for name, value in named.items() if value is not None}
    admin.send("DELETE", f"/apis/{quote(api, safe='')}/cache", params=params)
    show(output, {"api": api, **params}, lambda value: [f"the cached answers of {api} are forgotten"])
