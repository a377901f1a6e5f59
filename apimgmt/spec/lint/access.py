"""Who may call, as the document says it: every mistake here leaves an operation open or closed by accident (T10)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from apimgmt.model import CompiledApi, Operation
from apimgmt.spec.document import Document, Severity, escape

# HTTP schemes that become a kind of authentication: Basic; an API key or an OAuth2 token; a client certificate.
KNOWN = ("basic", "bearer", "mutualtls")
Found = tuple[Severity, str, str, str]


def check(compiled: CompiledApi, document: Document) -> Iterator[Found]:
    """Schemes that are required but not declared, public operations, and operations that say nothing."""
    said = "security" in document.root
    if said:
        yield from _requirements(compiled, compiled_security(document.root["security"]), "/security")
    silent = [operation for operation in compiled.operations if operation.security is None]
    if silent and len(silent) == len(compiled.operations):
        message = "The document says nothing about security; every operation needs an API key unless made public."
        yield "info", "no-security", message, "/paths"
        silent = []
    for operation in compiled.operations:
        yield from _operation(compiled, operation, document)
    for operation in silent:
        message = f"{operation.key} says nothing about security; it needs an API key unless made public."
        yield "info", "no-security", message, operation.pointer
    for name, scheme in compiled.security_schemes.items():
        if scheme.type == "apiKey" and scheme.location == "query":
            message = f"The key of {name[:80]!r} goes in the query, where logs and browsers keep it; a header is safer."
            yield "info", "key-in-query", message, _scheme_pointer(document, name)
        if scheme.type == "http" and scheme.scheme not in KNOWN:
            message = (
                f"{name[:80]!r} is of the HTTP scheme {scheme.scheme[:80]!r}, which the gateway does not know; nobody "
                "can call what needs it, unless the operation's own settings name another kind."
            )
            yield "warning", "unknown-scheme", message, _scheme_pointer(document, name)


def compiled_security(raw: Any) -> list[dict[str, tuple[str, ...]]]:
    """The alternatives of a Security Requirement list, wrong shapes left out."""
    return [
        {name: tuple(filter(_is_text, scopes)) if isinstance(scopes, list) else () for name, scopes in item.items()}
        for item in (raw if isinstance(raw, list) else ())
        if isinstance(item, dict)
    ]


def _operation(compiled: CompiledApi, operation: Operation, document: Document) -> Iterator[Found]:
    security = operation.security
    if security is None:
        return
    if not security:
        yield "warning", "public", f"{operation.key} is public: its `security` is empty.", operation.pointer
    elif any(not alternative for alternative in security):
        message = f"{operation.key} is public: `{{}}` among the alternatives of its `security` allows anybody."
        yield "warning", "public", message, operation.pointer
    if "security" in _raw(document.root, operation):
        yield from _requirements(compiled, list(security), f"{operation.pointer}/security")


def _requirements(
    compiled: CompiledApi, alternatives: list[dict[str, tuple[str, ...]]], pointer: str
) -> Iterator[Found]:
    for index, alternative in enumerate(alternatives):
        for name, scopes in alternative.items():
            scheme = compiled.security_schemes.get(name)
            if scheme is None:
                yield _undeclared(compiled, name, f"{pointer}/{index}")
                continue
            unknown = [scope for scope in scopes if scope not in scheme.scopes]
            if scheme.type == "oauth2" and unknown:
                message = f"{name[:80]!r} does not declare the scope {unknown[0][:80]!r}."
                yield "warning", "undeclared-scope", message, f"{pointer}/{index}"


def _undeclared(compiled: CompiledApi, name: str, pointer: str) -> Found:
    """An error; but only a warning where nothing at all is declared: the specification's own examples are like that."""
    what = f"The security scheme {name[:80]!r} is not declared, or of no known kind"
    if compiled.security_schemes:
        return "error", "undeclared-scheme", f"{what}; declare it, or correct the name.", pointer
    return "warning", "undeclared-scheme", f"{what}; nobody can call this until it is declared.", pointer


def _raw(root: dict[str, Any], operation: Operation) -> dict[str, Any]:
    value: Any = root
    for token in operation.pointer.split("/")[1:]:
        value = value[token.replace("~1", "/").replace("~0", "~")] if isinstance(value, dict) else {}
    return value if isinstance(value, dict) else {}


def _scheme_pointer(document: Document, name: str) -> str:
    home = "/securityDefinitions/" if document.specification == "2.0" else "/components/securitySchemes/"
    return home + escape(name)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)
