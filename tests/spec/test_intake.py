"""The bounded child process: what it gives back, and what becomes of a child that goes too far."""

from __future__ import annotations

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest

from apimgmt.errors import DocumentRefused
from apimgmt.model import CompiledApi
from apimgmt.settings import Settings
from apimgmt.spec.intake import examine, take_in

GOOD = b"""openapi: 3.0.3
info: {title: Pets, version: '1'}
paths:
  /pet/{id}:
    get:
      parameters: [{name: id, in: path, required: true, schema: {type: integer}}]
      responses: {200: {description: ok}}
"""


def big(megabytes: int) -> bytes:
    """A good document with that much text in it."""
    root = {
        "openapi": "3.0.3",
        "info": {"title": "t", "version": "1"},
        "paths": {},
        "x-a": ["a" * 1_000_000] * megabytes,
    }
    return json.dumps(root).encode()


def busy(operations: int) -> bytes:
    """A good document that takes a while."""
    operation = {"responses": {str(code): {"description": "d"} for code in range(200, 230)}}
    paths = {f"/{n}/{{a}}/b": {"get": operation, "post": operation} for n in range(operations)}
    return json.dumps({"openapi": "3.0.3", "info": {"title": "t", "version": "1"}, "paths": paths}).encode()


def codes(content: bytes, **settings: Any) -> list[str]:
    """The codes of the errors about a document."""
    findings = examine(content, "", msgspec.structs.replace(Settings(), **settings))
    return [finding.code for finding in findings if finding.severity == "error"]


def test_a_good_document_becomes_an_api() -> None:
    """The compiled API and the document come back as JSON, with what there is to say about it."""
    intake = take_in(GOOD, "application/yaml", Settings())
    compiled = msgspec.json.decode(intake.compiled, type=CompiledApi)
    assert [operation.key for operation in compiled.operations] == ["get /pet/{id}"]
    assert compiled.operations[0].line == 5
    assert json.loads(intake.document)["info"]["title"] == "Pets"
    assert [finding.code for finding in intake.findings] == ["no-security"]


def test_a_wrong_document_is_refused_with_all_findings() -> None:
    """Errors and the rest together, so that everything can be mended at once."""
    wrong = GOOD.replace(b"title: Pets, ", b"").replace(b"description: ok", b"")
    with pytest.raises(DocumentRefused) as caught:
        take_in(wrong, "application/yaml", Settings())
    assert [finding.code for finding in caught.value.findings] == ["missing-field", "missing-field"]
    assert examine(wrong, "application/yaml", Settings()) == caught.value.findings


def test_a_document_beyond_the_limit_does_not_even_start_a_child() -> None:
    """Too many bytes are refused by this process."""
    assert codes(GOOD, document_bytes=len(GOOD)) == []
    assert codes(GOOD, document_bytes=len(GOOD) - 1) == ["too-much-bytes"]


def test_too_much_cpu_is_a_finding() -> None:
    """The kernel ends the child; this process says why."""
    started = time.monotonic()
    assert codes(busy(9_000), compile_cpu=1) == ["too-much-cpu"]
    assert time.monotonic() - started < 10


def test_too_much_time_is_a_finding() -> None:
    """The child is killed when the time is over, whatever it does."""
    before = psutil.Process().children(recursive=True)
    started = time.monotonic()
    assert codes(busy(9_000), compile_wall=0.5) == ["too-much-time"]
    assert time.monotonic() - started < 5
    assert psutil.Process().children(recursive=True) == before


def test_too_much_memory_is_a_finding() -> None:
    """The address space of the child is limited."""
    for megabytes in range(70, 180, 20):
        assert codes(big(25), compile_memory=megabytes * 1024 * 1024) in (["too-much-memory"], [])
    assert codes(big(25), compile_memory=90 * 1024 * 1024) == ["too-much-memory"]
    assert codes(big(25)) == []


def test_the_child_starts_fast() -> None:
    """A small document is done in well under a second, imports included."""
    take_in(GOOD, "application/yaml", Settings())
    started = time.monotonic()
    for _ in range(3):
        take_in(GOOD, "application/yaml", Settings())
    assert (time.monotonic() - started) / 3 < 1


def test_no_secret_reaches_the_child(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its environment is empty and it gets only the settings that it needs."""
    canary = "canary-9f1c"
    monkeypatch.setenv("APIMGMT_ADMIN_TOKEN", canary)
    seen: list[bytes] = []

    def watch() -> None:
        for child in psutil.Process().children():
            seen.append(Path(f"/proc/{child.pid}/environ").read_bytes())

    stop = threading.Event()

    def poll() -> None:
        while not stop.is_set():
            try:
                watch()
            except (OSError, psutil.Error):
                continue

    thread = threading.Thread(target=poll)
    thread.start()
    try:
        examine(busy(500), "", msgspec.structs.replace(Settings(), admin_token=canary))
    finally:
        stop.set()
        thread.join()
    # Between fork and exec the child still has our environment; afterwards it has none.
    assert b"" in seen


def test_many_at_once_do_not_disturb_each_other() -> None:
    """Threads of one process take in different documents at the same time."""
    documents = [GOOD.replace(b"Pets", f"Pets{n}".encode()) for n in range(6)]
    with ThreadPoolExecutor(3) as pool:
        intakes = list(pool.map(lambda content: take_in(content, "", Settings()), documents))
    assert [json.loads(intake.document)["info"]["title"] for intake in intakes] == [f"Pets{n}" for n in range(6)]
