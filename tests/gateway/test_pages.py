"""The document of an API as it is served."""

from __future__ import annotations

import tracemalloc
from typing import Any

import orjson
import pytest

from apimgmt.gateway.document import shown, told
from apimgmt.model import ApiEntry, CompiledApi, Trigger
from apimgmt.settings import Settings
from apimgmt.spec.compiler.compiler import compile_document
from apimgmt.spec.intake.loader import load

ENTRY = ApiEntry(id="api", name="api", base_path="/here", revision=1, digest="0" * 64)


def empty(specification: Any) -> CompiledApi:
    """A compiled document without operations."""
    return CompiledApi(title="", version="", specification=specification)


def served(document: dict[str, Any], specification: str) -> Any:
    """The document as it is served."""
    return orjson.loads(shown(orjson.dumps(document), told(ENTRY, empty(specification))))


def test_swagger_names_no_host() -> None:
    """The base path is the one of this gateway; host and schemes are whoever is asked."""
    document = {"swagger": "2.0", "host": "a", "schemes": ["http"], "basePath": "/there", "paths": {"/a": {"x": "é"}}}
    assert served(document, "2.0") == {"swagger": "2.0", "basePath": "/here", "paths": {"/a": {"x": "é"}}}


@pytest.mark.parametrize("servers", [{}, {"servers": [{"url": "/there"}]}])
def test_openapi_has_one_server(servers: dict[str, Any]) -> None:
    """Servers of the document, of paths and of operations give way to the base path on this gateway."""
    get = {"summary": "`servers`", "responses": {}}
    document = {"openapi": "3.1.0", **servers, "paths": {"/a": {**servers, "get": {**get, **servers}}, "x-note": "no"}}
    expected = {"/a": {"get": get}, "x-note": "no"}
    assert served(document, "3.1") == {"openapi": "3.1.0", "servers": [{"url": "/here"}], "paths": expected}


@pytest.mark.parametrize(
    "more", [{}, {"paths": None}, {"paths": {"/a": None}, "x": "servers"}, {"paths": {"/a": {"get": [1]}}}]
)
def test_odd_documents(more: dict[str, Any]) -> None:
    """Nothing is expected of the rest of the document."""
    assert served({"openapi": "3.1.0", **more}, "3.1") == {"openapi": "3.1.0", **more, "servers": [{"url": "/here"}]}


def test_a_large_document_is_not_taken_apart() -> None:
    """It takes little more memory than the answer has bytes; as Python objects (the mutant) many times more."""
    paths = {f"/{number}": {"get": {"responses": {"200": {"description": "x"}}}} for number in range(20_000)}
    document = orjson.dumps({"openapi": "3.1.0", "paths": paths})
    tracemalloc.start()
    try:
        shown(document, told(ENTRY, empty("3.1")))
        ours = tracemalloc.get_traced_memory()[1]
        tracemalloc.reset_peak()
        orjson.dumps(orjson.loads(document))
        mutant = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert ours < 3 * len(document) < mutant


OK = {"responses": {"200": {"description": "ok"}}}
KEY = [{"apimgmt-header": []}, {"apimgmt-bearer": []}]


def demanding(document: dict[str, Any], trigger: Trigger, **triggers: Trigger) -> Any:
    """The served document of operations with these settings."""
    head = {"info": {"title": "t", "version": "1"}}
    content = orjson.dumps({**document, **head})
    compiled = compile_document(load(content, "application/json", Settings()))
    entry = ApiEntry(id="a", name="a", base_path="", revision=1, digest="", trigger=trigger, triggers=triggers)
    return orjson.loads(shown(content, told(entry, compiled)))


@pytest.mark.rows("X-005")
def test_the_page_asks_for_what_is_needed() -> None:
    """An operation about which the document is silent needs an API key, and the served document says so."""
    document = {"openapi": "3.0.3", "paths": {"/a": {"get": OK}, "/b": {"get": {**OK, "security": []}}}}
    locked = demanding(document, Trigger())
    assert (locked["security"], locked["paths"]["/b"]["get"]["security"]) == (KEY, KEY)
    assert locked["components"]["securitySchemes"]["apimgmt-header"]["name"] == "X-API-Key"
    assert "security" not in locked["paths"]["/a"]["get"]
    public = demanding(document, Trigger(public=True))
    assert ("security" in public, public["paths"]) == (False, document["paths"])


def test_the_kinds_of_a_trigger_are_shown() -> None:
    """OAuth2 with the scopes of the document, at our own server; the other operation keeps what the document says."""
    own = {"type": "oauth2", "flows": {"implicit": {"authorizationUrl": "https://x.example", "scopes": {"read": ""}}}}
    document = {
        "openapi": "3.0.3",
        "components": {"securitySchemes": {"own": own}, "schemas": {"A": {"type": "string"}}},
        "paths": {
            "/a": {"get": {**OK, "security": [{"own": ["read"]}]}},
            "/b": {"get": {**OK, "security": [{"own": []}]}},
        },
    }
    told = demanding(document, Trigger(), **{"get /a": Trigger(authentication=("oauth2", "basic"))})
    assert told["paths"]["/a"]["get"]["security"] == [{"apimgmt-oauth2": ["read"]}, {"apimgmt-basic": []}]
    assert told["paths"]["/b"]["get"]["security"] == [{"own": []}]
    schemes = told["components"]["securitySchemes"]
    assert (schemes["own"], told["components"]["schemas"]) == (own, document["components"]["schemas"])
    assert schemes["apimgmt-oauth2"]["flows"]["clientCredentials"] == {
        "tokenUrl": "/oauth2/token",
        "scopes": {"read": ""},
    }


def test_swagger_2_is_told_in_its_own_words() -> None:
    """securityDefinitions; a bearer token is a header field there."""
    told = demanding({"swagger": "2.0", "paths": {"/a": {"get": OK}}}, Trigger(authentication=("apiKey", "basic")))
    definitions = told["securityDefinitions"]
    assert told["security"] == [*KEY, {"apimgmt-basic": []}]
    assert definitions["apimgmt-basic"] == {"type": "basic"}
    assert (definitions["apimgmt-bearer"]["type"], definitions["apimgmt-bearer"]["name"]) == ("apiKey", "Authorization")
