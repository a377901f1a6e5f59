"""Everything that is wrong with a document, at once, each with its place and with what to do about it.

Severity: an *error* is what cannot be served as it is meant, a *warning* is served but probably not meant, an *info*
is worth knowing. A recursive schema, a boolean schema, ``#`` in a path or a wrong example is no reason to refuse.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from apimgmt.model import CompiledApi, Finding, Operation
from apimgmt.settings import Settings
from apimgmt.spec.document import Document, Severity
from apimgmt.spec.grammar import walk
from apimgmt.spec.lint import access, cost, examples, structure
from apimgmt.spec.lint.collisions import collisions
from apimgmt.spec.lint.rules import Rules
from apimgmt.spec.shape import mapping

Found = tuple[Severity, str, str, str]

FINDINGS_MOST = 1_000
_ORDER = {"error": 0, "warning": 1, "info": 2}


def lint(document: Document, settings: Settings) -> list[Finding]:
    """What the document alone shows, errors first; at most ``FINDINGS_MOST`` of each code."""
    rules = Rules(document, settings)
    costly = list(cost.check(document))
    found = [*structure.check(document), *_document(document, settings), *costly]
    for node in walk(document.root):
        found += rules.of(node)
    if not costly:
        found += examples.check(document)
    return _sorted([*document.findings, *_placed(document, found)])


def lint_operations(compiled: CompiledApi, document: Document, settings: Settings) -> list[Finding]:
    """What shows only when the operations are compiled: collisions and access, errors first."""
    found = [*access.check(compiled, document), *_collisions(compiled, document, settings)]
    return _sorted(_placed(document, found))


def _document(document: Document, settings: Settings) -> Iterable[Found]:
    root = document.root
    home = "/definitions" if document.specification == "2.0" else "/components/schemas"
    schemas = (
        root.get("definitions") if document.specification == "2.0" else mapping(root.get("components")).get("schemas")
    )
    if isinstance(schemas, dict) and len(schemas) > settings.document_schemas:
        message = f"There are {len(schemas)} schemas, more than {settings.document_schemas} (setting document_schemas)."
        yield "error", "too-much-schemas", message, home
    servers = root.get("servers")
    if isinstance(servers, list) and len(servers) > 1:
        yield "info", "servers-ignored", "Of the servers only the path of the first is used, as base path.", "/servers"


def _collisions(compiled: CompiledApi, document: Document, settings: Settings) -> Iterable[Found]:
    for collision in collisions(compiled.operations, compiled.schemas):
        first, second = collision.first, collision.second
        both = f"{first.key} ({_place(document, first)}) and {second.key} ({_place(document, second)})"
        if collision.certain:
            message = f"No request can tell {both} apart; both are {collision.witness!r}. Change one of the paths."
            yield "error", "ambiguous-path", message, second.pointer
        else:
            severity: Severity = "error" if settings.path_collisions == "refuse" else "warning"
            message = (
                f"{collision.witness!r} could be {both}; the first is called. Give the parameter a type or move one."
            )
            yield severity, "path-collision", message, second.pointer


def _place(document: Document, operation: Operation) -> str:
    line, column, file = document.locate(operation.pointer)
    return f"{file + ' ' if file else ''}line {line}, column {column}"


def _placed(document: Document, found: Iterable[Found]) -> list[Finding]:
    counts: Counter[tuple[Severity, str]] = Counter()
    findings = []
    for severity, code, message, pointer in found:
        counts[severity, code] += 1
        if counts[severity, code] <= FINDINGS_MOST:
            findings.append(document.finding(severity, code, message, pointer))
    for (severity, code), count in counts.items():
        if count > FINDINGS_MOST:
            message = f"There are {count - FINDINGS_MOST} more findings of this kind."
            findings.append(document.finding(severity, code, message))
    return findings


def _sorted(findings: list[Finding]) -> list[Finding]:
    return sorted(findings, key=lambda finding: (_ORDER[finding.severity], finding.file, finding.line, finding.column))
