"""``trigger``: the settings of an operation or of a whole API, its policies among them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

import click

from apimgmt.cli.apis import field, if_match_option, write
from apimgmt.cli.output import columns, findings, output_option, progress, show
from apimgmt.cli.remote import Admin, remote_options

EVERY = "*"


@click.command()
@click.argument("api")
@click.argument("operation", default=EVERY)
@click.option("--set", "fields", metavar="NAME=VALUE", multiple=True, help="A setting; JSON or text.")
@click.option("--reset", is_flag=True, help="Give OPERATION the settings of its API again.")
@click.option("--publish/--no-publish", default=True, show_default=True, help="Serve it at once.")
@if_match_option
@output_option
@remote_options
def trigger(admin: Admin, api: str, operation: str, fields: tuple[str, ...], output: str, **more: Any) -> None:
    """Show or set the settings of OPERATION (its key or operationId) of API.

    Without OPERATION those of every operation that has none of its own. The fields of policies have dots in their
    names; null removes one, or a policy.

    \b
    Example:
      apimgmt trigger petstore getPet --set policies.cors.origins=https://a.example --set timeout=10
      apimgmt trigger petstore --set policies.protocols.allow=https
      apimgmt trigger petstore getPet --set policies.cors=null
      apimgmt trigger petstore getPet --output json
    """
    if fields and more["reset"]:
        raise click.UsageError("--reset leaves nothing to set")
    if more["reset"] and operation == EVERY:
        raise click.UsageError(
            "--reset is about one OPERATION; of an API remove policies with --set policies.NAME=null"
        )
    place = f"/apis/{quote(api, safe='')}"
    # first the tag: what is read after it may be newer, and is refused then
    tag = admin.get(place)["etag"]
    settings = _settings(admin, place, operation)
    if not fields and not more["reset"]:
        show(output, settings, lambda value: columns(("SETTING", "VALUE"), _rows(value)))
        return
    changes = None if more["reset"] else _changes(settings, fields)
    with progress(f"setting {operation}"):
        path = f"{place}/triggers?publish={'true' if more['publish'] else 'false'}"
        result = write(admin, "PUT", path, {operation: changes}, more["if_match"] or tag)
    said = f"{'every operation' if operation == EVERY else operation} of {api} is set"
    show(output, result, lambda value: [said, *findings(value["findings"])])


def _settings(admin: Admin, place: str, operation: str) -> dict[str, Any]:
    if operation == EVERY:
        found = admin.get(place)
    else:
        (found,) = admin.get(f"{place}/operations?operation={quote(operation, safe='')}")
    settings: dict[str, Any] = found["trigger"]
    return settings


def _changes(settings: Mapping[str, Any], fields: tuple[str, ...]) -> dict[str, Any]:
    """The settings that change. Of a policy all fields are sent, for the admin API replaces a policy whole."""
    changes: dict[str, Any] = {}
    for name, value in map(field, fields):
        first, *steps = name.split(".")
        if first != "policies" or not steps:
            changes[name] = value
            continue
        policies = changes.setdefault("policies", {})
        policy, *steps = steps
        policies[policy] = _with(policies.get(policy, settings["policies"].get(policy)), steps, value)
    return changes


def _with(before: Any, steps: list[str], value: Any) -> Any:
    """What is before, with the member at the end of these steps set, or removed by None."""
    if not steps:
        return value
    members = dict(before) if isinstance(before, dict) else {}
    members[steps[0]] = _with(members.get(steps[0]), steps[1:], value)
    return {name: member for name, member in members.items() if member is not None}


def _rows(settings: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in settings.items():
        if isinstance(value, dict):
            yield from _rows(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value if isinstance(value, str) else json.dumps(value)
