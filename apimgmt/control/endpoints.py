"""Endpoints: a flow as an operation that can be called, without a document of one's own.

They are operations of a document that is made from them (:mod:`apimgmt.control.generated`), so that routing, casting,
validation, authentication, policies, Swagger UI and metrics are those of every other operation (X-006).
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

import msgspec

from apimgmt.control.addresses import name_from_title
from apimgmt.control.endpoint import PARAMETER, WITH_BODY, Endpoint, Field
from apimgmt.control.flows import Flows
from apimgmt.control.generated import KIND, Generating, endpoints_of
from apimgmt.control.resources import Resources, Shown, match, wrong
from apimgmt.control.rows import ResourceRow
from apimgmt.control.store import Store
from apimgmt.control.testcall import Asked, exchange
from apimgmt.control.transaction import Transaction
from apimgmt.errors import Problem
from apimgmt.settings import Settings
from apimgmt.spec.paths import PathInvalid, parse_path

LONGEST_PATH = 500
_TYPES = {"string": str, "integer": int, "number": (int, float), "boolean": bool}


class Endpoints(Resources[Endpoint]):
    """All endpoints. Every change of one is a change of the document, and is served at once."""

    kind = KIND
    noun = "an endpoint"
    content = Endpoint

    def __init__(self, store: Store, generating: Generating, settings: Settings) -> None:
        super().__init__(store, generating)
        self._base_path = generating.base_path
        gateway = settings.public_url or f"http://{settings.gateway_host}:{settings.gateway_port}"
        self._gateway = gateway.rstrip("/")
        self._settings = settings

    def create(self, body: Mapping[str, Any]) -> Shown:
        """A new one; without a path it gets one that nobody has, without a name one that says what it is."""
        # filled in here: a change may be made more than once before it counts, and has to come to the same
        path = body.get("path") or f"/{secrets.token_hex(8)}"
        given = {**body, "path": path}
        if "name" not in body:
            with self._store.reading() as transaction:
                taken = [row.name for row in transaction.resources(KIND)]
            given["name"] = name_from_title(f"{body.get('flow') or 'endpoint'} {path}", taken)
        return super().create(given)

    def deploy(self, reference: str, deployed: bool, if_match: str | None = None) -> Shown:
        """Serve one from now on, or not any longer."""

        def change(transaction: Transaction) -> ResourceRow:
            row = self.found(transaction, reference)
            match(row, if_match)
            return self.put(transaction, row, msgspec.structs.replace(self.stored(row), deployed=deployed), row.name)

        row, _ = self._publisher.publish(change)
        return Shown(self.view(row), row.etag)

    def test(self, reference: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """One call of it through the gateway: the request and the response (H-075)."""
        with self._store.reading() as transaction:
            endpoint = self.stored(self.found(transaction, reference))
        if not endpoint.deployed:
            raise Problem("conflict", "it is not deployed, so nobody can call it; deploy it first")
        return exchange(endpoint, self.converted(body, Asked), self._base_path, self._settings)

    def read(self, body: Mapping[str, Any], before: Endpoint | None, transaction: Transaction) -> Endpoint:
        """What a person sent, with everything checked that the document does not say in words of its own."""
        path = body.get("path") or (before.path if before is not None else "")
        if not isinstance(path, str):
            raise wrong("/path", "type", "must be a text")
        endpoint = self.converted({**body, "path": "/" + path.strip("/")}, Endpoint)
        _check_binding(endpoint, [row.name for row in transaction.resources(Flows.kind)])
        _check_path(endpoint)
        _check_request(endpoint)
        self._check_free(endpoint, before, transaction)
        return endpoint

    def view(self, row: ResourceRow) -> dict[str, Any]:
        """The endpoint, its URL, and the schemas that its fields come to."""
        endpoint = self.stored(row)
        plain: dict[str, Any] = msgspec.to_builtins(endpoint)
        own = {"id": row.id, "name": row.name, "created": row.created, "url": self._url(endpoint.full_path)}
        said = {"methods": list(endpoint.methods), "deployed": endpoint.deployed, "operations": endpoint.keys}
        bodied: dict[str, Any] = {"bodySchema": endpoint.body.written} if endpoint.body is not None else {}
        hosts = [host.strip() for host in self._settings.flows_domains.split(",") if host.strip()]
        if hosts:
            bodied["domainUrls"] = [f"https://{host}{endpoint.path}" for host in hosts]
        return {**own, **plain, **said, **bodied}

    def _url(self, path: str) -> str:
        return f"{self._gateway}{self._base_path}{path}"

    def _check_free(self, endpoint: Endpoint, before: Endpoint | None, transaction: Transaction) -> None:
        for name, other in endpoints_of(transaction).items():
            # no two are equal, for two with one path have no method in common; at a domain the flow is not in the path
            if other != before and endpoint.collides(other, bool(self._settings.flows_domains)):
                shared = [method for method in endpoint.methods if method in other.methods]
                detail = f"{shared[0]} {self._url(endpoint.example)} would reach this one and {name!r}"
                raise Problem("conflict", f"{detail}; take another path or another method")


def _check_path(endpoint: Endpoint) -> None:
    if len(endpoint.path) > LONGEST_PATH or any(one in endpoint.path for one in "?# "):
        raise wrong("/path", "pattern", f"must be a path such as /customers/{{id}}, of at most {LONGEST_PATH} letters")
    try:
        parse_path(endpoint.full_path, {})
    except PathInvalid as error:
        raise wrong("/path", "pattern", str(error)) from None
    if any(name.endswith(("+", "*")) for name in endpoint.names):
        raise wrong("/path", "pattern", "a parameter of an endpoint takes one segment; it needs a document for more")
    if any(brace in PARAMETER.sub("", endpoint.path) for brace in "{}"):
        raise wrong("/path", "pattern", "a parameter is a name between braces, such as {id}")
    if "" in endpoint.names or len(set(endpoint.names)) != len(endpoint.names):
        raise wrong("/path", "uniqueItems", "every parameter has a name of its own")


def _check_binding(endpoint: Endpoint, flows: list[str]) -> None:
    if bool(endpoint.flow) == (endpoint.binding is not None):
        raise wrong("/flow", "required", "either `flow`, the name of a stored one, or `binding` is needed")
    if endpoint.flow and endpoint.flow not in flows:
        shown = ", ".join(sorted(flows)[:20]) or "none"
        raise wrong("/flow", "unknown", f"there is no flow {endpoint.flow[:100]!r}; there are: {shown}")
    if endpoint.binding is not None and not isinstance(endpoint.binding.get("kind"), str):
        raise wrong("/binding/kind", "required", "the kind of process is needed")


def _check_request(endpoint: Endpoint) -> None:
    if not endpoint.methods or len(set(endpoint.methods)) != len(endpoint.methods):
        raise wrong("/methods", "uniqueItems", "at least one method, each of them once")
    names = [parameter.name for parameter in endpoint.query]
    for place, parameter in enumerate(endpoint.query):
        where = f"/query/{place}"
        if not parameter.name or parameter.name in names[:place]:
            raise wrong(f"{where}/name", "uniqueItems", "every parameter has a name of its own")
        if parameter.default is not msgspec.UNSET:
            right = isinstance(parameter.default, _TYPES[parameter.type])  # type: ignore[arg-type]
            if parameter.required:
                raise wrong(f"{where}/default", "required", "what is required is never left out, so it has no default")
            if not right or (isinstance(parameter.default, bool) and parameter.type != "boolean"):
                raise wrong(f"{where}/default", "type", f"must be of the type {parameter.type}")
    if endpoint.body is not None:
        if WITH_BODY.isdisjoint(endpoint.methods):
            raise wrong("/body", "method", "only POST, PUT and PATCH carry a body")
        if endpoint.body.schema is not None and endpoint.body.fields:
            raise wrong("/body", "oneOf", "either `schema` or `fields`")
        _check_fields(endpoint.body.fields, "/body/fields")
    if endpoint.response.schema is not None and endpoint.response.fields:
        raise wrong("/response", "oneOf", "either `schema` or `fields`")
    _check_fields(endpoint.response.fields, "/response/fields")


def _check_fields(fields: tuple[Field, ...], where: str) -> None:
    """Raise Problem for members that cannot be: without a name, twice, or with parts that their type does not have."""
    seen: set[str] = set()
    for place, field in enumerate(fields):
        if not field.name or field.name in seen:
            raise wrong(f"{where}/{place}/name", "uniqueItems", "every field has a name of its own")
        seen.add(field.name)
        _check_field(field, f"{where}/{place}")


def _check_field(field: Field, where: str) -> None:
    if field.fields and field.type != "object":
        raise wrong(f"{where}/fields", "type", f"only an object has fields, this is a {field.type}")
    if field.items is not None and field.type != "array":
        raise wrong(f"{where}/items", "type", f"only an array has items, this is a {field.type}")
    _check_fields(field.fields, f"{where}/fields")
    if field.items is not None:
        _check_field(field.items, f"{where}/items")
