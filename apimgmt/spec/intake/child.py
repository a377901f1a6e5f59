"""The child process of the intake: reads one upload from its input, writes one result, and can do nothing else.

Everything that is needed is imported first. Then the limits are set, and an audit hook refuses every file, socket,
process and import: a document that talks us into any of these ends the run (reliability.md T1 to T5).
"""

from __future__ import annotations

import contextlib
import gc
import os
import resource
import sys
import traceback
from typing import Any, NoReturn

import msgspec

from apimgmt.errors import DocumentRefused
from apimgmt.model import Finding
from apimgmt.settings import Settings
from apimgmt.spec.compiler.compiler import compile_document
from apimgmt.spec.intake import HEADER, OUT_OF_MEMORY, RESULT, upload
from apimgmt.spec.intake.loader import load
from apimgmt.spec.lint import structure
from apimgmt.spec.lint.linter import lint, lint_operations

# What the interpreter reports while it only computes. Anything else that it reports is an attempt to reach out.
_HARMLESS = frozenset(
    ("array.__new__", "builtins.id", "object.__delattr__", "object.__getattr__", "object.__setattr__", "sys._getframe")
)


def main() -> None:
    """One upload: frame in, frame out (``HEADER`` and ``RESULT`` of intake.py)."""
    # what is read stays until the end, and the end is near: looking for garbage would take half of the time
    gc.disable()
    structure.preload()
    upload.preload()
    head_size, content_size = HEADER.unpack(_read(HEADER.size))
    head = msgspec.json.decode(_read(head_size))
    settings = msgspec.convert(head["settings"], Settings)
    _limit(settings)
    _lock()
    try:
        result = _process(_read(content_size), head["mediaType"], settings)
    except MemoryError:
        os._exit(OUT_OF_MEMORY)
    except Exception:
        _fail()
    _write(RESULT.pack(*map(len, result)))
    for part in result:
        _write(part)
    os._exit(0)


def _process(content: bytes, media_type: str, settings: Settings) -> tuple[bytes, bytes, bytes]:
    """Findings, compiled API and document as JSON; the last two are empty when the document is refused."""
    try:
        document = load(content, media_type, settings)
    except DocumentRefused as refused:
        return msgspec.json.encode(refused.findings), b"", b""
    findings = lint(document, settings)
    if _acceptable(findings):
        compiled = compile_document(document)
        findings += lint_operations(compiled, document, settings)
        if _acceptable(findings):
            encode = msgspec.json.encode
            return encode(findings), encode(compiled), encode(document.root)
    return msgspec.json.encode(findings), b"", b""


def _acceptable(findings: list[Finding]) -> bool:
    return not any(finding.severity == "error" for finding in findings)


def _limit(settings: Settings) -> None:
    """The limits of this process: CPU, memory, no core file, no growing file, no new descriptor, no new process."""
    cpu = max(1, round(settings.compile_cpu))
    resource.setrlimit(resource.RLIMIT_CPU, (cpu, cpu + 1))
    resource.setrlimit(resource.RLIMIT_AS, (settings.compile_memory, settings.compile_memory))
    for limit in (resource.RLIMIT_CORE, resource.RLIMIT_FSIZE, resource.RLIMIT_NPROC):
        resource.setrlimit(limit, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))


def _lock() -> None:
    """Refuse from here on everything that would reach out of this process."""

    def refuse(event: str, arguments: tuple[Any, ...]) -> None:
        if event not in _HARMLESS:
            raise PermissionError(f"{event} is not allowed while a document is taken in")

    sys.addaudithook(refuse)


def _fail() -> NoReturn:
    with contextlib.suppress(Exception):
        _write(traceback.format_exc().encode("utf-8", "replace"))
    os._exit(1)


def _read(size: int) -> bytes:
    content = bytearray()
    while len(content) < size:
        chunk = os.read(0, min(size - len(content), 1 << 20))
        if not chunk:
            os._exit(1)
        content += chunk
    return bytes(content)


def _write(content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(1, view) :]


if __name__ == "__main__":
    main()
