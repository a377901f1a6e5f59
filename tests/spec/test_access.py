"""Who may call: mistakes that leave an operation open or closed by accident (reliability.md T10, S-10)."""

from __future__ import annotations

import json
from typing import Any

from apimgmt.settings import Settings
from apimgmt.spec.compiler.compiler import compile_document
from apimgmt.spec.intake.loader import load
from apimgmt.spec.lint.access import check

KEY = {"type": "apiKey", "in": "header", "name": "k"}
OAUTH = {"type": "oauth2", "flows": {"clientCredentials": {"tokenUrl": "https://t", "scopes": {"read": ""}}}}


def found(operations: dict[str, Any], schemes: dict[str, Any] | None = None, **more: Any) -> dict[str, tuple[str, str]]:
    """Pointer to severity and code, for operations given by path with what they say about security."""
    paths = {
        path: {
            "get": {"responses": {"200": {"description": ""}}, **({} if security is ... else {"security": security})}
        }
        for path, security in operations.items()
    }
    root = {
        "openapi": "3.0.3",
        "info": {"title": "t", "version": "1"},
        "paths": paths,
        "components": {"securitySchemes": schemes or {}},
        **more,
    }
    document = load(json.dumps(root).encode(), "", Settings())
    return {pointer: (severity, code) for severity, code, _, pointer in check(compile_document(document), document)}


def test_declared_schemes_are_fine() -> None:
    """Nothing is found where every operation says what it needs."""
    operations = {"/a": [{"k": []}], "/b": [{"k": [], "o": ["read"]}], "/c": ...}
    assert found(operations, {"k": KEY, "o": OAUTH}, security=[{"k": []}]) == {}


def test_a_scheme_that_is_not_declared_is_an_error_where_it_is_needed() -> None:
    """At the operation, or at the top of the document, once."""
    assert found({"/a": [{"k": []}, {"x": []}]}, {"k": KEY}) == {
        "/paths/~1a/get/security/1": ("error", "undeclared-scheme")
    }
    assert found({"/a": ..., "/b": ...}, {"k": KEY}, security=[{"x": []}]) == {
        "/security/0": ("error", "undeclared-scheme")
    }


def test_a_scheme_of_an_unknown_kind_is_as_good_as_not_declared() -> None:
    """What cannot be checked is not let through."""
    schemes = {"k": KEY, "x": {"type": "magic"}}
    assert found({"/a": [{"x": []}]}, schemes) == {"/paths/~1a/get/security/0": ("error", "undeclared-scheme")}


def test_a_document_that_declares_no_scheme_at_all_is_only_warned() -> None:
    """The specification's own examples are fragments like that; nobody can call such an operation."""
    assert found({"/a": [{"x": []}]}) == {"/paths/~1a/get/security/0": ("warning", "undeclared-scheme")}


def test_public_operations_are_listed() -> None:
    """An empty ``security``, and an empty alternative among others."""
    assert found({"/a": [], "/b": [{"k": []}, {}], "/c": [{"k": []}]}, {"k": KEY}) == {
        "/paths/~1a/get": ("warning", "public"),
        "/paths/~1b/get": ("warning", "public"),
    }


def test_operations_that_say_nothing_are_listed() -> None:
    """Each of them where others say something, else one finding for all."""
    assert found({"/a": ..., "/b": [{"k": []}]}, {"k": KEY}) == {"/paths/~1a/get": ("info", "no-security")}
    assert found({"/a": ..., "/b": ...}) == {"/paths": ("info", "no-security")}
    assert found({}) == {}


def test_scopes_that_are_not_declared_are_told() -> None:
    """Only for schemes that declare scopes."""
    assert found({"/a": [{"o": ["read", "write"]}], "/b": [{"k": ["role"]}]}, {"o": OAUTH, "k": KEY}) == {
        "/paths/~1a/get/security/0": ("warning", "undeclared-scope")
    }


def test_a_key_in_the_query_is_told() -> None:
    """Logs keep it (T29)."""
    assert found({"/a": [{"k": []}]}, {"k": {**KEY, "in": "query"}}) == {
        "/components/securitySchemes/k": ("info", "key-in-query")
    }


def test_a_scheme_that_nobody_knows_is_told() -> None:
    """Of the HTTP schemes the gateway knows Basic, bearer and client certificates, however they are written."""
    known = {name: {"type": "http", "scheme": name} for name in ("basic", "Bearer", "mutualTLS")}
    assert found({"/a": [{name: []} for name in known]}, known) == {}
    assert found({"/a": [{"d": []}]}, {"d": {"type": "http", "scheme": "digest"}}) == {
        "/components/securitySchemes/d": ("warning", "unknown-scheme")
    }
