"""References: those among the uploaded files become ``#/`` references, those that lead out are refused.

Nothing is ever fetched: the only files are those of the upload, held in memory (reliability.md F3, T3). A part that is
referred to in another file is kept under ``components`` (or ``definitions``...), named after where it came from. Cycles
through schemas stay references; nothing is expanded.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import unquote

from apimgmt.spec.document import Document, Severity, Source, Specification, tokens_of
from apimgmt.spec.grammar import CONTAINERS, Node, kind_at, trail_of, trail_pointer, walk
from apimgmt.spec.references import References

CHAIN_MOST = 50
ABSENT = object()
_NAME = re.compile(r"[^A-Za-z0-9._-]+")

# Where a broken reference is only worth a warning: the part is left out, and nothing that is served depends on it. A
# security scheme that is left out is an error at every operation that needs it.
_LESS: dict[str, frozenset[str]] = {
    "external-reference": frozenset(("securityScheme", "example", "link")),
    "unresolved-reference": frozenset(("securityScheme", "example", "link")),
    "reference-kind": frozenset(("example", "link", "response")),
    "reference-loop": frozenset(),
    "reference-depth": frozenset(),
}

FileReader = Callable[[str], Source | None]
Trail = tuple[Any, ...]


def bundle(source: Source, specification: Specification, read_file: FileReader | None) -> Document:
    """The document of ``source`` with the other files it refers to put in; ``read_file`` is None for a single file.

    ``Document.findings`` has an error for every reference that leads nowhere, out of the upload, or in a circle.
    """
    bundler = _Bundler(Document(source.root, specification, source), read_file)
    bundler.take(Node("document", source.root, ()), source)
    bundler.run()
    _check(bundler.document, bundler.uses)
    return bundler.document


def lookup(root: Any, tokens: list[str]) -> Any:
    """The value at these tokens, or ``ABSENT``."""
    for token in tokens:
        if isinstance(root, dict):
            root = root.get(token, ABSENT)
        elif isinstance(root, list) and token.isdecimal() and int(token) < len(root):
            root = root[int(token)]
        else:
            return ABSENT
    return root


class _Bundler:
    """Walks everything that is reached, rewriting references as it goes; ``uses`` maps (kind, reference) to places."""

    def __init__(self, document: Document, read_file: FileReader | None) -> None:
        self.document = document
        self.uses: dict[tuple[str, str], list[Trail]] = {}
        self._read_file = read_file
        self._column = 1 if document.specification == "2.0" else 0
        self._pending: list[tuple[Node, Source]] = []
        self._walked: set[tuple[int, str]] = set()
        self._placed: dict[tuple[str, str, str], str] = {}
        self._identifiers: dict[int, dict[str, str]] = {}

    def take(self, node: Node, source: Source) -> None:
        """Walk ``node``, which came from ``source``, unless it was walked as this kind before."""
        if (id(node.value), node.kind) not in self._walked:
            self._walked.add((id(node.value), node.kind))
            self._pending.append((node, source))

    def run(self) -> None:
        """Walk until nothing new is reached."""
        while self._pending:
            start, source = self._pending.pop()
            for node in walk(start.value, start.kind, start.trail):
                reference = node.reference
                if reference is not None:
                    self._reference(node, reference, source)
                elif self._read_file and node.kind == "schema" and type(node.value) is dict:
                    self._discriminator(node.value, source)

    def _reference(self, node: Node, reference: str, source: Source) -> None:
        inside = reference.startswith("#") or self._read_file is None or _leads_out(reference.partition("#")[0])
        if source is self.document.source and inside:
            self._use(node, reference)
            return
        found = self._find(reference, source)
        container = CONTAINERS[node.kind][self._column]
        if found is None:
            self._refuse(node, reference)
        elif found[0] is self.document.source and found[1]:
            node.value["$ref"] = "#" + found[1]
            self._use(node, node.value["$ref"])
        elif container is None:
            self._inline(node, reference, source)
        else:
            node.value["$ref"] = "#" + self._place(node.kind, container, *found)
            self._use(node, node.value["$ref"])

    def _use(self, node: Node, reference: str) -> None:
        """Remember the use; walk a target that the table does not reach, such as ``#/x-parts/Pet``."""
        trails = self.uses.setdefault((node.kind, reference), [])
        trails.append(node.trail)
        if len(trails) == 1 and reference.startswith("#/"):
            tokens = tokens_of(unquote(reference[1:]))
            if kind_at(tokens) is None:
                value = lookup(self.document.root, tokens)
                if value is not ABSENT:
                    self.take(Node(node.kind, value, trail_of(tokens)), self.document.source)

    def _find(self, reference: str, source: Source) -> tuple[Source, str] | None:
        """The file and the pointer in it that a reference means; None if it leads out of the upload or to nothing."""
        if self.document.specification in ("3.1", "3.2"):
            identified = self._identified(source).get(reference)
            if identified is not None:
                return source, identified
        path, _, fragment = reference.partition("#")
        pointer = unquote(fragment)
        file: Source | None = source
        if path:
            if self._read_file is None or _leads_out(path):
                return None
            name = posixpath.normpath(posixpath.join(posixpath.dirname(source.name), unquote(path)))
            file = self._read_file(name)
        if file is None or (pointer and not pointer.startswith("/")):
            return None
        return None if lookup(file.root, tokens_of(pointer)) is ABSENT else (file, pointer)

    def _identified(self, source: Source) -> dict[str, str]:
        """``#anchor`` and ``$id`` of the schemas in a file to their pointers (JSON Schema 2020-12 section 8.2)."""
        known = self._identifiers.get(id(source))
        if known is None:
            known = self._identifiers[id(source)] = {}
            for node in walk(source.root, "document" if source is self.document.source else "schema"):
                if node.kind == "schema" and type(node.value) is dict:
                    for text in _identifiers(node.value):
                        known.setdefault(text, node.pointer)
        return known

    def _place(self, kind: str, container: str, file: Source, pointer: str) -> str:
        """Keep a part of another file in ``container``, once; returns its pointer in the bundled document."""
        key = (kind, file.name, pointer)
        if key not in self._placed:
            home: dict[str, Any] = self.document.root
            for token in tokens_of(container):
                inner = home.setdefault(token, {})
                home = inner if isinstance(inner, dict) else {}
            tokens = tokens_of(pointer)
            stem = tokens[-1] if tokens else posixpath.splitext(posixpath.basename(file.name))[0]
            name = _free_name(_NAME.sub("_", stem) or "part", home)
            value = home[name] = lookup(file.root, tokens)
            target = self._placed[key] = f"{container}/{name}"
            self.document.origins[target] = (file, pointer)
            self.take(Node(kind, value, trail_of(tokens_of(target))), file)
        return self._placed[key]

    def _inline(self, node: Node, reference: str, source: Source) -> None:
        """Put a part of another file where its reference is, for kinds that have no place of their own."""
        for _ in range(CHAIN_MOST):
            found = self._find(reference, source)
            value = lookup(found[0].root, tokens_of(found[1])) if found else ABSENT
            if found is None or not isinstance(value, dict):
                break
            source = found[0]
            if not isinstance(value.get("$ref"), str):
                if self._is_inside(node.pointer, found):
                    break
                node.value.clear()
                node.value.update(value)
                self.document.origins[node.pointer] = found
                self.take(Node(node.kind, value, node.trail), source)
                return
            reference = value["$ref"]
        self._refuse(node, reference)

    def _is_inside(self, pointer: str, origin: tuple[Source, str]) -> bool:
        """Whether ``pointer`` is in a part that came from ``origin``: putting it in again would never end."""
        while pointer:
            pointer = pointer.rpartition("/")[0]
            if self.document.origins.get(pointer) == origin:
                return True
        return False

    def _discriminator(self, schema: dict[str, Any], source: Source) -> None:
        """Rewrite the files that a discriminator maps to."""
        discriminator = schema.get("discriminator")
        mapping = discriminator.get("mapping") if isinstance(discriminator, dict) else None
        if not isinstance(mapping, dict):
            return
        for name, target in mapping.items():
            found = self._find(target, source) if isinstance(target, str) and re.search(r"[#/.]", target) else None
            container = CONTAINERS["schema"][self._column]
            if found and container:
                inside = found[0] is self.document.source
                mapping[name] = "#" + (found[1] if inside else self._place("schema", container, *found))

    def _refuse(self, node: Node, reference: str) -> None:
        advice = "upload a zip with all the files" if self._read_file is None else "add the file to the zip"
        message = f"{_external(reference)} Correct it, or {advice}."
        self.document.findings.append(self.document.finding("error", "external-reference", message, node.pointer))


def _check(document: Document, uses: dict[tuple[str, str], list[Trail]]) -> None:
    references = References(document.root, document.specification)
    bases = _bases(document)
    for (kind, reference), trails in uses.items():
        problem = _problem(references, bases, kind, reference)
        if problem:
            severity: Severity = "warning" if kind in _LESS[problem[0]] else "error"
            document.findings.extend(document.finding(severity, *problem, trail_pointer(trail)) for trail in trails)


def _problem(references: References, bases: list[str], kind: str, reference: str) -> tuple[str, str] | None:
    """Code and message of what is wrong with a reference, followed to its end."""
    start, seen = reference, set[str]()
    while reference not in seen:
        seen.add(reference)
        if len(seen) > CHAIN_MOST:
            return "reference-depth", f"{start[:120]!r} leads through more than {CHAIN_MOST} references."
        target = next((found for base in bases if (found := references.find(reference, base))), None)
        if target is None and not reference.startswith("#"):
            return "external-reference", f"{_external(reference)} Upload a zip with all the files, or correct it."
        if target is None:
            return "unresolved-reference", f"There is nothing at {reference[:120]!r}; define it or correct it."
        kind_there = kind_at(tokens_of(target.pointer))
        if kind_there is not None and kind_there != kind:
            return "reference-kind", f"{reference[:120]!r} is a {kind_there}, but a {kind} is needed here."
        following = target.value.get("$ref") if isinstance(target.value, dict) else None
        if not isinstance(following, str):
            return None
        reference = following
    return "reference-loop", f"{start[:120]!r} only leads back to itself; say what it is."


def _external(reference: str) -> str:
    return f"The reference {reference[:120]!r} leads out of the upload, or to nothing in it; nothing is fetched."


def _bases(document: Document) -> list[str]:
    """The base URIs that references may be relative to: of the document, and of schemas with an ``$id``."""
    if document.specification not in ("3.1", "3.2"):
        return [""]
    nodes = walk(document.root)
    schemas = (node.value for node in nodes if node.kind == "schema" and type(node.value) is dict)
    return ["", *dict.fromkeys(schema["$id"] for schema in schemas if isinstance(schema.get("$id"), str))]


def _identifiers(schema: dict[str, Any]) -> Iterator[str]:
    for keyword in ("$anchor", "$dynamicAnchor"):
        if isinstance(schema.get(keyword), str):
            yield "#" + schema[keyword]
    if isinstance(schema.get("$id"), str):
        yield schema["$id"]


def _leads_out(path: str) -> bool:
    """Whether a reference has a scheme, a host, a root or a backslash: it then cannot mean a file of the upload."""
    return path.startswith("/") or ":" in path or "\\" in path or "\x00" in path


def _free_name(stem: str, home: dict[str, Any]) -> str:
    name, number = stem, 2
    while name in home:
        name, number = f"{stem}_{number}", number + 1
    return name
