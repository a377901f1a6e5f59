"""The document of an API as the gateway shows it: where it is now, and what its operations demand now.

What people decided about access stands in it, so that Swagger UI asks for the credential that is needed. The paths are
taken apart one by one, where something has to change: all of Microsoft Graph would take 600 MB as Python objects.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec
import orjson
from msgspec import Raw

from apimgmt.auth.demands import PLATFORM_SCHEMES, Security, effective_security
from apimgmt.model import ApiEntry, CompiledApi, Operation

# Keys in the query are for programs that can send nothing else; the page offers the header and the bearer token.
HIDDEN = "apimgmt-query"
OAUTH2_PATH = "/oauth2"
ANY_SCOPE = "Any one of the scopes is enough."


class Told(NamedTuple):
    """What the document does not say itself: where the API is, what its operations demand, and notes for people.

    ``common`` is the demand of all about which the document is silent; ``single`` and ``notes`` are by path and method.
    """

    swagger: bool
    base_path: str
    common: Security | None
    single: dict[tuple[str, str], Security]
    notes: dict[tuple[str, str], str]


def told(entry: ApiEntry, compiled: CompiledApi) -> Told:
    """What is to be told about an API; worked out when it is loaded, for then it is there in compiled form."""
    common, single = _demands(entry, compiled)
    return Told(compiled.specification == "2.0", entry.base_path or "/", common, single, _notes(entry, compiled))


def shown(document: bytes, about: Told) -> bytes:
    """The document (JSON) as it is served."""
    root = msgspec.json.decode(document, type=dict[str, Raw])
    swagger, base_path, common, single, notes = about
    inner_servers = not swagger and document.count(b'"servers"') > ("servers" in root)
    if "paths" in root and (inner_servers or single or notes):
        root["paths"] = _changed(root["paths"], single, notes)
    _relocate(root, base_path, swagger)
    if common is not None:
        root["security"] = _raw(common)
    used = [common or [], *single.values()]
    needed = {name for security in used for alternative in security for name in alternative if name in PLATFORM_SCHEMES}
    if needed:
        scopes = {scope for security in used for one in security for scope in one.get("apimgmt-oauth2", ())}
        _declare(root, {name: _scheme(name, scopes, swagger) for name in sorted(needed)}, swagger)
    return msgspec.json.encode(root)


def _demands(entry: ApiEntry, compiled: CompiledApi) -> tuple[Security | None, dict[tuple[str, str], Security]]:
    """What the document does not say: of all operations about which it is silent, if they agree, and of single ones."""
    changes = []
    for operation in compiled.operations:
        security = _visible(effective_security(operation, entry.triggers.get(operation.key, entry.trigger)))
        if operation.security is None or security != _declared(operation):
            changes.append((operation, security))
    silent = [security for operation, security in changes if operation.security is None]
    agreed = bool(silent) and all(security == silent[0] for security in silent)
    common = silent[0] if agreed and silent[0] else None
    return common, {
        (operation.path, operation.method): security
        for operation, security in changes
        if operation.security is not None or (not agreed and security)
    }


def _notes(entry: ApiEntry, compiled: CompiledApi) -> dict[tuple[str, str], str]:
    """What OpenAPI cannot say: where any of several scopes is enough, though it means all of them (X-005)."""
    notes: dict[tuple[str, str], str] = {}
    for operation in compiled.operations:
        trigger = entry.triggers.get(operation.key, entry.trigger)
        scopes = [found for one in effective_security(operation, trigger) for found in one.values()]
        if trigger.scopes == "any" and any(len(found) > 1 for found in scopes):
            notes[operation.path, operation.method] = ANY_SCOPE
    return notes


def _visible(security: Security) -> Security:
    return [alternative for alternative in security if HIDDEN not in alternative]


def _declared(operation: Operation) -> Security:
    return [{name: list(scopes) for name, scopes in one.items()} for one in operation.security or ()]


def _changed(paths: Raw, demands: dict[tuple[str, str], Security], notes: dict[tuple[str, str], str]) -> Raw:
    """The paths without servers of their own, with what single operations demand and what is to be said of them."""
    items = _members(paths)
    concerned = {path for path, _ in (*demands, *notes)}
    for path, item in items.items():
        if path in concerned or b'"servers"' in memoryview(item).tobytes():
            items[path] = Raw(orjson.dumps(_item(path, orjson.loads(memoryview(item)), demands, notes)))
    return _raw(items)


def _item(path: str, item: Any, demands: dict[tuple[str, str], Security], notes: dict[tuple[str, str], str]) -> Any:
    for method, part in [("", item), *(item.items() if isinstance(item, dict) else ())]:
        if isinstance(part, dict):
            part.pop("servers", None)
            if (path, method) in demands:
                part["security"] = demands[path, method]
            if (path, method) in notes:
                part["description"] = f"{part.get('description', '')}\n\n{notes[path, method]}".strip()
    return item


def _relocate(root: dict[str, Raw], base_path: str, swagger: bool) -> None:
    """Where this gateway has the API, instead of where it was before."""
    if swagger:
        for name in ("host", "schemes"):
            root.pop(name, None)
        root["basePath"] = _raw(base_path)
    else:
        root["servers"] = _raw([{"url": base_path}])


def _declare(root: dict[str, Raw], schemes: dict[str, Any], swagger: bool) -> None:
    if swagger:
        root["securityDefinitions"] = _with(root.get("securityDefinitions"), schemes)
        return
    components = _members(root.get("components"))
    components["securitySchemes"] = _with(components.get("securitySchemes"), schemes)
    root["components"] = _raw(components)


def _with(declared: Raw | None, schemes: dict[str, Any]) -> Raw:
    return _raw({**_members(declared), **schemes})


def _members(value: Raw | None) -> dict[str, Raw]:
    return msgspec.json.decode(value, type=dict[str, Raw]) if value is not None else {}


def _scheme(name: str, scopes: set[str], swagger: bool) -> dict[str, Any]:
    """A scheme of the platform in the words of the document's specification."""
    scheme = PLATFORM_SCHEMES[name]
    if scheme["type"] == "oauth2":
        urls = {"authorizationUrl": f"{OAUTH2_PATH}/authorize", "tokenUrl": f"{OAUTH2_PATH}/token"}
        described = {scope: "" for scope in sorted(scopes)}
        if swagger:
            return {"type": "oauth2", "flow": "accessCode", **urls, "scopes": described}
        machine = {"tokenUrl": urls["tokenUrl"], "scopes": described}
        flows = {"authorizationCode": {**urls, "scopes": described}, "clientCredentials": machine}
        return {"type": "oauth2", "flows": flows}
    if not swagger or scheme["type"] == "apiKey":
        return dict(scheme)
    if scheme["scheme"] == "basic":
        return {"type": "basic"}
    # Swagger 2.0 knows no bearer tokens and no certificates
    return {
        "type": "apiKey",
        "in": "header",
        "name": "Authorization",
        "description": f"{scheme['scheme']}, then a blank",
    }


def _raw(value: Any) -> Raw:
    return Raw(msgspec.json.encode(value))
