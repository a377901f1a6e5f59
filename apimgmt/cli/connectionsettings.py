"""What a person says about a connection on the command line, as the body that the admin API takes."""

from __future__ import annotations

import json
import math
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from apimgmt.cli.files import read_document
from apimgmt.errors import DocumentRefused
from apimgmt.settings import Settings
from apimgmt.spec.intake.loader import read

Command = TypeVar("Command", bound=Callable[..., Any])

TYPES = ("rest", "odata", "graphql", "webhook", "soap", "sql")
# The secrets of each kind of authentication.
SECRETS: dict[str, tuple[str, ...]] = {
    "none": (),
    "apiKey": ("key",),
    "basic": ("password",),
    "bearer": ("token",),
    "oauth2ClientCredentials": ("clientSecret", "headers"),
    "oauth2AuthorizationCode": ("clientSecret", "headers"),
    "signature": ("secret", "previous"),
}
# Those that it cannot do without, which are asked for if nothing is said about them.
ASKED = {kind: names[0] for kind, names in SECRETS.items() if names and kind != "oauth2AuthorizationCode"}
SOURCE = "NAME[=SOURCE]"
LIMIT = re.compile(r"(\d+)(?:/(\d+(?:\.\d+)?))?")
# What a connection is shown with and what is not sent back.
SHOWN = ("id", "created", "warnings")


class Seconds(click.FloatRange):
    """Seconds as connections have them."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The number; not-a-number is in every range."""
        number: float = super().convert(value, param, ctx)
        return self.fail(f"{value} is no number of seconds", param, ctx) if math.isnan(number) else number


SECONDS = Seconds(0, 3600, min_open=True)
OPTIONS = (
    click.option("--type", "type_", type=click.Choice(TYPES), help="What the other system speaks.  [default: rest]"),
    click.option("--auth", metavar="KIND", help="none, apiKey, basic, bearer, oauth2ClientCredentials ..."),
    click.option("--set", "fields", metavar="NAME=VALUE", multiple=True, help="A field of the authentication."),
    click.option(
        "--secret",
        "secrets",
        metavar=SOURCE,
        multiple=True,
        help="A secret field of it: asked for, or from SOURCE: - (a line of standard input), @FILE or env:VARIABLE.",
    ),
    click.option("--header", "headers", metavar="'NAME: VALUE'", multiple=True, help="Sent with every call."),
    click.option("--secret-header", "secret_headers", metavar=SOURCE, multiple=True, help="One with a secret value."),
    click.option(
        "--limit", metavar="N/SECONDS", help="Most requests in so many seconds, 60 if left out; none: no limit."
    ),
    click.option("--timeout", type=SECONDS, metavar="SECONDS", help="For each attempt."),
    click.option("--deadline", type=SECONDS, metavar="SECONDS", help="For a call with all its attempts."),
    click.option("--retries", type=int, metavar="N", help="How often a call is repeated at most."),
    click.option("--idempotency-key", metavar="FIELD", help="The header field that makes a repeated POST harmless."),
    click.option("--proxy", metavar="URL", help="The proxy that calls go through; none: no proxy."),
    click.option("--proxy-user", metavar="NAME", help="Its user; the password is asked for."),
    click.option("--proxy-password", metavar="SOURCE", help="Where that password is instead."),
    click.option("--client-certificate", type=click.Path(), help="PEM file with our certificate."),
    click.option("--client-key", type=click.Path(), help="PEM file with its key."),
    click.option("--authorities", type=click.Path(), help="PEM file with whom to trust instead of the public ones."),
    click.option("--insecure/--secure", default=None, help="Do not check the certificate; takes an administrator."),
    click.option("--internal-host", "internal_hosts", metavar="HOST", multiple=True, help="Beyond the internet."),
    click.option("--file", "file", type=click.Path(), help="All settings as JSON or YAML; - is standard input."),
)


def settings_options(command: Command) -> Command:
    """Adds the options that say what a connection is like."""
    for option in reversed(OPTIONS):
        command = option(command)
    return command


def body_of(before: Mapping[str, Any], said: Mapping[str, Any]) -> dict[str, Any]:
    """The settings ``before`` with everything that was said over them; asks for the secrets that were not."""
    body: dict[str, Any] = {name: value for name, value in before.items() if name not in SHOWN}
    if said["file"]:
        body |= document(said["file"])
    plain = {
        "type": said["type_"],
        "timeout": said["timeout"],
        "deadline": said["deadline"],
        "idempotencyKey": said["idempotency_key"],
        "internalHosts": list(said["internal_hosts"]) or None,
    }
    body |= {name: value for name, value in plain.items() if value is not None}
    if said["retries"] is not None:
        body["retries"] = {**body.get("retries", {}), "count": said["retries"]}
    if said["limit"]:
        body["limit"] = _limit(said["limit"])
    _authentication(body, said)
    if said["headers"]:
        body["headers"] = {**body.get("headers", {}), **dict(map(_header, said["headers"]))}
    if said["secret_headers"]:
        body["secretHeaders"] = {**body.get("secretHeaders", {}), **dict(map(_secret, said["secret_headers"]))}
    _proxy(body, said)
    _tls(body, said)
    return body


def secret_from(name: str, source: str | None) -> str:
    """A secret from a prompt, standard input, a file or a variable: never from the command line, which others see."""
    if source is None:
        text: str = click.prompt(name, hide_input=True, err=True)
        return text
    if source == "-":
        return sys.stdin.readline().rstrip("\r\n")
    if source.startswith("@"):
        return _read(source[1:]).rstrip("\r\n")
    if source.startswith("env:"):
        if source[4:] not in os.environ:
            raise click.UsageError(f"{name}: there is no variable {source[4:]}")
        return os.environ[source[4:]]
    raise click.UsageError(
        f"{name}: a secret is not given on the command line; write {name} to be asked for it, or {name}=-, "
        f"{name}=@FILE or {name}=env:VARIABLE"
    )


def document(path: str) -> dict[str, Any]:
    """The object in a JSON or YAML file; ``-`` is standard input."""
    try:
        found = read(*read_document(path), Settings()).root
    except DocumentRefused as refused:
        raise click.UsageError(f"{path} is neither JSON nor YAML: {refused.findings[0].message}") from None
    if not isinstance(found, dict):
        raise click.UsageError(f"{path}: an object is needed")
    return found


def value_of(text: str) -> Any:
    """A value as JSON writes it: a number, true, a list, a text in quotes; otherwise the text itself."""
    try:
        found = json.loads(text)
    except ValueError:
        return text
    return text if found is None else found


def pairs_of(option: str, texts: Sequence[str]) -> dict[str, str]:
    """``NAME=VALUE`` several times, as an object."""
    found = [text.partition("=") for text in texts]
    for name, sign, _ in found:
        if not sign:
            raise click.UsageError(f"{option} takes NAME=VALUE, not {name!r}")
    return {name: value for name, _, value in found}


def _authentication(body: dict[str, Any], said: Mapping[str, Any]) -> None:
    held = {"kind": "none", **body.get("authentication", {})}
    if said["auth"] and said["auth"] != held.get("kind"):
        held = {"kind": said["auth"]}
    fields = {name: _field(held["kind"], name, text) for name, text in pairs_of("--set", said["fields"]).items()}
    given = dict(map(_secret, said["secrets"]))
    asked = ASKED.get(said["auth"] or "")
    if asked and asked not in given and asked not in held and asked not in fields:
        given[asked] = secret_from(asked, None)
    if said["auth"] or fields or given:
        body["authentication"] = {**held, **fields, **given}


def _field(kind: str, name: str, text: str) -> Any:
    """A field of the authentication; refused if it is a secret. Those of the known kinds are texts and objects."""
    if name in SECRETS.get(kind, ()):
        how = "write --file" if name == "headers" else f"write --secret {name}"
        raise click.UsageError(f"{name} is a secret, which others could read on the command line: {how}")
    found = value_of(text)
    return found if kind not in SECRETS or isinstance(found, str | dict | list) else text


def _proxy(body: dict[str, Any], said: Mapping[str, Any]) -> None:
    if said["proxy"] == "none":
        body["proxy"] = None
        return
    held = dict(body.get("proxy") or {})
    if said["proxy"]:
        held["url"] = said["proxy"]
    if said["proxy_user"]:
        held["username"] = said["proxy_user"]
    if said["proxy_user"] or said["proxy_password"]:
        held["password"] = secret_from("proxy password", said["proxy_password"])
    if held:
        body["proxy"] = held


def _tls(body: dict[str, Any], said: Mapping[str, Any]) -> None:
    files = {"certificate": said["client_certificate"], "key": said["client_key"], "authorities": said["authorities"]}
    given: dict[str, Any] = {name: _read(path) for name, path in files.items() if path}
    if said["insecure"] is not None:
        given["verify"] = not said["insecure"]
    if given:
        body["tls"] = {**body.get("tls", {}), **given}


def _limit(text: str) -> dict[str, Any] | None:
    if text == "none":
        return None
    found = LIMIT.fullmatch(text)
    if found is None:
        raise click.UsageError(f"--limit takes REQUESTS/SECONDS such as 100/60, not {text!r}")
    return {"requests": int(found[1])} | ({"seconds": float(found[2])} if found[2] else {})


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon:
        raise click.UsageError(f"--header takes 'NAME: VALUE', not {text!r}")
    return name.strip(), value.strip()


def _secret(text: str) -> tuple[str, str]:
    name, sign, source = text.partition("=")
    return name, secret_from(name, source if sign else None)


def _read(path: str) -> str:
    try:
        return Path(path).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text in UTF-8"
        raise click.UsageError(f"cannot read {path}: {reason}") from None
