"""What an operation demands of its callers: what its document says, unless its trigger says otherwise.

Both planes ask here: the gateway to build its checks, the control plane to say who would pass them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from apimgmt.auth.decision import Demand
from apimgmt.model import CompiledApi, Operation, SecurityScheme, Trigger
from apimgmt.request import Target

Security = list[dict[str, list[str]]]

# Where credentials are taken if not the document but the trigger names the kind.
PLATFORM_SCHEMES = {
    "apimgmt-header": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    "apimgmt-bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "apiKey"},
    "apimgmt-query": {"type": "apiKey", "in": "query", "name": "api_key"},
    "apimgmt-basic": {"type": "http", "scheme": "basic"},
    "apimgmt-certificate": {"type": "http", "scheme": "mutualtls"},
    "apimgmt-oauth2": {"type": "oauth2"},
}
# A requirement that names no declared scheme: nobody can meet it, so its alternative lets nobody in.
UNDECLARED = {"type": "http", "scheme": "undeclared"}
# What an operation needs about which its document says nothing: an API key, sent in one of three ways (H-013, H-014).
API_KEY: Security = [{"apimgmt-header": []}, {"apimgmt-bearer": []}, {"apimgmt-query": []}]


def effective_security(operation: Operation, trigger: Trigger) -> Security:
    """The alternatives that count: ``[]`` is public.

    What the trigger says comes first. Where it leaves it to the document, and the document says nothing, or says public
    without the trigger saying so too, it is an API key.
    """
    if trigger.authentication != "document":
        return _chosen(operation, trigger)
    silent_or_public = not operation.security or any(not alternative for alternative in operation.security)
    if trigger.public and silent_or_public:
        return [{name: list(scopes) for name, scopes in one.items()} for one in operation.security or ()]
    alternatives = [one for one in operation.security or () if one]
    if not alternatives:
        return API_KEY
    return [_together(alternative) for alternative in alternatives]


def _together(alternative: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """An alternative whose schemes share their scopes: whether any or all count is the trigger's to say (F-042)."""
    every = list(dict.fromkeys(scope for scopes in alternative.values() for scope in scopes))
    return {name: every if scopes else [] for name, scopes in alternative.items()}


def schemes_of(compiled: CompiledApi) -> dict[str, dict[str, str]]:
    """Every scheme that a requirement can name: those of the document and those of the platform."""
    own = {name: _scheme(scheme) for name, scheme in compiled.security_schemes.items()}
    return {**own, **PLATFORM_SCHEMES}


def scheme_of(scheme: Mapping[str, Any]) -> str:
    """What a scheme is called in short: apiKey, oauth2, openIdConnect, or its HTTP scheme (basic, bearer ...)."""
    if scheme.get("bearerFormat") == "apiKey":
        return "apiKey"
    return str(scheme["scheme"] if scheme["type"] == "http" else scheme["type"])


def demand_of(operation: Operation, trigger: Trigger, compiled: CompiledApi, target: Target) -> Demand:
    """What one operation demands, in the words of :mod:`apimgmt.auth.decision`."""
    schemes = schemes_of(compiled)
    return Demand(
        target,
        [
            {scheme_of(schemes.get(name, UNDECLARED)): scopes for name, scopes in alternative.items()}
            for alternative in effective_security(operation, trigger)
        ],
    )


def query_credentials(operation: Operation, trigger: Trigger, compiled: CompiledApi) -> frozenset[str]:
    """The query parameters that carry credentials, so that nothing behind the check sees them (H-018).

    Those that the operation takes, and those of the API's other schemes: callers send them out of habit. One that the
    operation declares as a parameter of its own, and does not take as a credential, is a parameter.
    """
    schemes = schemes_of(compiled)
    taken = {name for alternative in effective_security(operation, trigger) for name in alternative}
    declared = {parameter.name for parameter in operation.parameters if parameter.location == "query"}
    mine = {schemes[name]["name"] for name in taken if schemes.get(name, UNDECLARED).get("in") == "query"}
    others = {scheme.name for scheme in compiled.security_schemes.values() if scheme.location == "query"}
    return frozenset(mine | (others - declared))


def _chosen(operation: Operation, trigger: Trigger) -> Security:
    """The alternatives of the kinds that a trigger names; beside others, ``none`` lets callers without credentials in.

    OAuth2 asks for the scopes that the document gives the operation, whatever scheme it gives them to (F-041).
    """
    kinds = (trigger.authentication,) if isinstance(trigger.authentication, str) else trigger.authentication
    scopes = [scope for one in operation.security or () for scopes in one.values() for scope in scopes]
    ways: dict[str, Security] = {
        "apiKey": API_KEY,
        "basic": [{"apimgmt-basic": []}],
        "certificate": [{"apimgmt-certificate": []}],
        "oauth2": [{"apimgmt-oauth2": list(dict.fromkeys(scopes))}],
    }
    alternatives = [alternative for kind in kinds if kind != "none" for alternative in ways[kind]]
    return [*alternatives, {}] if alternatives and "none" in kinds else alternatives


def _scheme(scheme: SecurityScheme) -> dict[str, str]:
    if scheme.type == "apiKey":
        return {"type": "apiKey", "in": scheme.location, "name": scheme.name}
    if scheme.type == "mutualTLS":
        return {"type": "http", "scheme": "mutualtls"}
    if scheme.type == "http":
        return {"type": "http", "scheme": scheme.scheme}
    return {"type": scheme.type}
