"""A test call of an endpoint, through the gateway as any caller: what was sent, and what came back."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, urlencode

import msgspec
import requests

from apimgmt.control.endpoint import PARAMETER, WITH_BODY, Endpoint
from apimgmt.control.resources import wrong
from apimgmt.errors import Problem
from apimgmt.model import Struct
from apimgmt.settings import Settings

SECONDS = 25.0  # an operation of the admin API has 30
MOST_BYTES = 1_048_576
Scalar = str | int | float | bool
SECRET = frozenset({"authorization", "x-api-key", "cookie"})


class Asked(Struct, frozen=True):
    """What a person enters: parameters by name, a body as JSON, and the API key to call with."""

    method: str = ""
    path: dict[str, str | int | float] = msgspec.field(default_factory=dict)
    query: dict[str, Scalar | list[Scalar]] = msgspec.field(default_factory=dict)
    headers: dict[str, str] = msgspec.field(default_factory=dict)
    body: Any = msgspec.UNSET
    key: str = ""


def exchange(endpoint: Endpoint, asked: Asked, base_path: str, settings: Settings) -> dict[str, Any]:
    """``{"request": ..., "response": ...}``; raises Problem for what cannot be sent, or if the gateway is away."""
    method = asked.method.upper() or endpoint.methods[0]
    if method not in endpoint.methods:
        raise wrong("/method", "enum", f"must be one of {', '.join(endpoint.methods)}")
    path = base_path + _path(endpoint, asked)
    query = {name: _text(value) for name, value in asked.query.items()}
    path += f"?{urlencode(query, doseq=True)}" if query else ""
    headers = {"Accept": "application/json", **asked.headers} | ({"X-API-Key": asked.key} if asked.key else {})
    content = b""
    if asked.body is not msgspec.UNSET:
        if method not in WITH_BODY:
            raise wrong("/body", "method", f"{method} carries no body")
        content = msgspec.json.encode(asked.body)
        headers.setdefault("Content-Type", "application/json")
    shown = {name: "..." if name.lower() in SECRET else value for name, value in headers.items()}
    response = _sent(method, _gateway(settings) + path, headers, content)
    public = (settings.public_url.rstrip("/") or _gateway(settings)) + path
    return {
        "request": {"method": method, "url": public, "headers": shown, "body": content.decode()},
        "response": response,
    }


def _sent(method: str, url: str, headers: dict[str, str], content: bytes) -> dict[str, Any]:
    try:
        with requests.Session() as session:
            session.trust_env = False
            answer = session.request(
                method, url, headers=headers, data=content or None, timeout=SECONDS, allow_redirects=False, stream=True
            )
            body = b"".join(_pieces(answer))
    except (requests.exceptions.InvalidHeader, UnicodeError) as error:
        raise wrong("/headers", "pattern", "a header field has a name and a value of one line") from error
    except requests.RequestException as error:
        raise Problem("unavailable", f"the gateway did not answer: {type(error).__name__}") from error
    return {
        "status": answer.status_code,
        "headers": dict(answer.headers),
        "body": body[:MOST_BYTES].decode("utf-8", "backslashreplace"),
        "seconds": round(answer.elapsed.total_seconds(), 4),
    }


def _pieces(answer: requests.Response) -> Any:
    """Its body, and not much more of it than is shown."""
    size = 0
    for piece in answer.iter_content(65_536):
        yield piece
        size += len(piece)
        if size > MOST_BYTES:
            return


def _path(endpoint: Endpoint, asked: Asked) -> str:
    for name in endpoint.names:
        if name not in asked.path:
            raise wrong(f"/path/{name}", "required", f"a value for {{{name}}} is needed")
    return PARAMETER.sub(lambda found: quote(str(asked.path[found[1]]), safe=""), endpoint.full_path)


def _text(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    return [_text(one) for one in value] if isinstance(value, list) else str(value)


def _gateway(settings: Settings) -> str:
    host = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(settings.gateway_host, settings.gateway_host)
    return f"http://[{host}]:{settings.gateway_port}" if ":" in host else f"http://{host}:{settings.gateway_port}"
