"""``apimgmt call``: one test call through the gateway, with the request and the response shown (H-075)."""

from __future__ import annotations

import os
from typing import Any
from urllib.parse import quote

import click
import requests

from apimgmt.cli.output import output_option, progress, show
from apimgmt.cli.remote import Admin, Failure, remote_options

TIMEOUT_SECONDS = 310.0
GATEWAY = "http://127.0.0.1:8080"


@click.command()
@click.argument("method")
@click.argument("path")
@click.option("--api", help="Name of the API; its base path goes before PATH.")
@click.option("--query", "-q", metavar="NAME=VALUE", multiple=True, help="A query parameter; may be repeated.")
@click.option("--header", "-H", metavar="NAME: VALUE", multiple=True, help="A header field; may be repeated.")
@click.option("--body", "-d", help="The body; @FILE sends a file. JSON unless a Content-Type is given.")
@click.option("--key", envvar="APIMGMT_KEY", help="API key, sent as X-API-Key.")
@click.option(
    "--gateway",
    envvar="APIMGMT_PUBLIC_URL",
    help="Where the gateway is; with --api the admin API knows.  [default: http://127.0.0.1:8080]",
)
@output_option
@remote_options
def call(admin: Admin, method: str, path: str, output: str, **choices: Any) -> None:
    """Call an operation through the gateway; exit code 1 if the answer is an error (4xx or 5xx).

    \b
    Example:
      apimgmt call get /pets/5 --api demo --query tag=cat --key KEY
    """
    url = _place(admin, choices["api"], choices["gateway"]) + _query(path, choices["query"])
    headers = _headers(choices["header"], choices["key"])
    content = _content(choices["body"])
    if content is not None and not any(name.lower() == "content-type" for name in headers):
        headers["Content-Type"] = "application/json"
    with progress(f"calling {method.upper()} {url}"):
        exchange = _exchange(method.upper(), url, headers, content)
    show(output, exchange, _lines)
    click.get_current_context().exit(0 if exchange["response"]["status"] < 400 else 1)


def _place(admin: Admin, api: str | None, gateway: str | None) -> str:
    """What goes before the path: the gateway that was named or is known, and the base path of the API."""
    if api is None:
        return (gateway or GATEWAY).rstrip("/")
    found = admin.get(f"/apis/{quote(api, safe='')}")
    return str(gateway.rstrip("/") + found["basePath"] if gateway else found["url"])


def _query(path: str, pairs: tuple[str, ...]) -> str:
    """The path with the pairs behind it; only what a URL cannot carry is encoded."""
    if not pairs:
        return path
    texts = [quote(pair, safe="=,;:@/?!$'()*~-._%|[]{}") for pair in pairs]
    return path + ("&" if "?" in path else "?") + "&".join(texts)


def _headers(fields: tuple[str, ...], key: str | None) -> dict[str, str]:
    headers = {"Accept": "application/json", "X-API-Key": key} if key else {"Accept": "application/json"}
    for field in fields:
        name, colon, value = field.partition(":")
        if not colon:
            raise click.UsageError(f"--header takes 'NAME: VALUE', not {field!r}")
        headers[name.strip()] = value.strip()
    return headers


def _content(body: str | None) -> bytes | None:
    if body is None or not body.startswith("@"):
        return None if body is None else body.encode()
    try:
        with open(body[1:], "rb") as file:
            return file.read()
    except OSError as error:
        raise click.UsageError(f"cannot read {body[1:]}: {os.strerror(error.errno or 0)}") from None


def _exchange(method: str, url: str, headers: dict[str, str], content: bytes | None) -> dict[str, Any]:
    session = requests.Session()
    session.trust_env = False
    try:
        response = session.request(
            method, url, headers=headers, data=content, timeout=TIMEOUT_SECONDS, allow_redirects=False
        )
    except requests.RequestException as error:
        raise Failure(f"no answer from {url}: {type(error).__name__}") from None
    shown = {
        name: "..." if name.lower() in ("x-api-key", "authorization") else value for name, value in headers.items()
    }
    return {
        "request": {"method": method, "url": url, "headers": shown, "body": _text(content or b"")},
        "response": {
            "status": response.status_code,
            "headers": [list(pair) for pair in response.raw.headers.items()],
            "body": _text(response.content),
            "seconds": round(response.elapsed.total_seconds(), 4),
        },
    }


def _lines(exchange: dict[str, Any]) -> list[str]:
    request, response = exchange["request"], exchange["response"]
    lines = [f"> {request['method']} {request['url']}"]
    lines += [f"> {name}: {value}" for name, value in request["headers"].items()]
    lines += [f"> {line}" for line in request["body"].splitlines()]
    lines += [f"< {response['status']} ({response['seconds']} s)"]
    lines += [f"< {name}: {value}" for name, value in response["headers"]]
    return [*lines, "", response["body"]]


def _text(content: bytes) -> str:
    return content.decode("utf-8", "backslashreplace")
