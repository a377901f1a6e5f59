"""``python -m bench every-operation FOLDER``: every document below a folder is taken in and every operation is called.

A document is accepted, or refused with its findings. An accepted one is served in this process as a mock and as an
echo, open to everybody, and once more as the document protects it. Each operation gets a request with what is required
and one with everything that is declared (``calls``): the mock has to give a declared answer, the echo has to name the
operation that was called, and the protected one has to ask for a credential.
"""

from __future__ import annotations

import asyncio
import html
import logging
import re
import time
import traceback
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

import apimgmt.asgi  # noqa: F401  registers every plug-in
from apimgmt.errors import DocumentRefused
from apimgmt.gateway.app import Gateway
from apimgmt.gateway.runtime import build
from apimgmt.model import ApiEntry, Binding, CompiledApi, Finding, Operation, Snapshot, Trigger
from apimgmt.settings import Settings
from apimgmt.spec.compiler.compiler import compile_document
from apimgmt.spec.intake.loader import load
from apimgmt.spec.lint.linter import lint, lint_operations
from bench.calls import ATTEMPTS, Call, Unsendable, make
from bench.table import aligned

SUFFIXES = (".json", ".yaml", ".yml")
SHOWN = 200
WORST = 20
DOCUMENTS_PER_PROCESS = 50
GOOD = ("2xx", "3xx", "declared")


@dataclass(frozen=True)
class Failure:
    """An operation that did not answer as it must: what was sent (shortened), and what came back."""

    operation: str
    kind: str
    sent: str
    answer: str
    everything: bool


@dataclass
class Outcome:
    """What became of one document: the codes of its errors if it was refused, ``answers`` by kind otherwise."""

    document: str
    seconds: float = 0.0
    refused: list[Finding] = field(default_factory=list)
    warnings: dict[str, int] = field(default_factory=dict)
    operations: int = 0
    answers: Counter[str] = field(default_factory=Counter)
    failures: list[Failure] = field(default_factory=list)
    crash: str = ""


def documents(folder: Path) -> list[Path]:
    """Every JSON or YAML file below a folder that says that it is an OpenAPI or Swagger document, by name."""
    return [path for path in sorted(folder.rglob("*")) if path.suffix in SUFFIXES and _is_document(path)]


def _is_document(path: Path) -> bool:
    content = path.read_bytes()
    return b"openapi" in content or b"swagger" in content


def survey(paths: Sequence[Path], jobs: int = 1) -> Iterator[Outcome]:
    """The outcome of every document, in the order of ``paths``; new processes now and then, since they only grow.

    ``max_tasks_per_child`` would do that too, but the pool of CPython 3.11 waits for ever when its only process ends.
    """
    for start in range(0, len(paths), DOCUMENTS_PER_PROCESS * jobs):
        with ProcessPoolExecutor(jobs, initializer=_quiet) as pool:
            yield from pool.map(call_all, paths[start : start + DOCUMENTS_PER_PROCESS * jobs])


def _quiet() -> None:
    """What breaks is in the outcomes; the log of a process that does nothing else would repeat it."""
    logging.getLogger("apimgmt").setLevel(logging.CRITICAL)


def call_all(path: Path, settings: Settings | None = None) -> Outcome:
    """Take one document in and call each of its operations; what breaks on the way is in the outcome."""
    settings = settings or Settings()
    outcome, begun = Outcome(str(path)), time.monotonic()
    try:
        compiled, shown = _taken_in(path, settings, outcome)
        if compiled is not None:
            asyncio.run(_Survey(compiled, shown, settings, outcome).run())
    except DocumentRefused as refused:
        outcome.refused = [finding for finding in refused.findings if finding.severity == "error"]
    except Exception:
        outcome.crash = traceback.format_exc()
    outcome.seconds = time.monotonic() - begun
    return outcome


def _taken_in(path: Path, settings: Settings, outcome: Outcome) -> tuple[CompiledApi, bytes]:
    """What the intake's child does, in this process, since starting one for each document would take longer."""
    media_type = "application/json" if path.suffix == ".json" else "application/yaml"
    document = load(path.read_bytes(), media_type, settings)
    findings = lint(document, settings)
    _refuse(findings)
    compiled = compile_document(document)
    findings += lint_operations(compiled, document, settings)
    _refuse(findings)
    outcome.warnings = dict(Counter(finding.code for finding in findings if finding.severity == "warning"))
    return compiled, msgspec.json.encode(document.root)


def _refuse(findings: list[Finding]) -> None:
    if any(finding.severity == "error" for finding in findings):
        raise DocumentRefused(findings)


class _Survey:
    """Calls the operations of one API at three base paths: ``/mock``, ``/echo`` and ``/closed``."""

    def __init__(self, compiled: CompiledApi, shown: bytes, settings: Settings, outcome: Outcome) -> None:
        self._compiled = compiled
        self._outcome = outcome
        entries = tuple(_entry(kind, compiled) for kind in ("mock", "echo", "closed"))
        snapshot = Snapshot(number=1, created="2026-01-01T00:00:00Z", apis=entries)
        self._gateway = Gateway(build(snapshot, lambda digest: compiled, lambda digest: shown, settings))

    async def run(self) -> None:
        """One operation after another."""
        for operation in self._compiled.operations:
            self._outcome.operations += 1
            self._outcome.answers[await self._called(operation)] += 1

    async def _called(self, operation: Operation) -> str:
        """The kind of the mock's answer; a failure if any of the four requests is not answered as it must."""
        kind = "2xx"
        for binding, everything in (("mock", False), ("echo", False), ("closed", False), ("echo", True)):
            found, failure = await self._answered(operation, binding, everything)
            if failure is not None:
                self._outcome.failures.append(failure)
                return kind if everything else found
            kind = found if binding == "mock" else kind
        return kind

    async def _answered(self, operation: Operation, binding: str, everything: bool) -> tuple[str, Failure | None]:
        """The kind of the answer, and the first failure if no values are found for which there is a good one."""
        first: Failure | None = None
        for attempt in range(ATTEMPTS):
            try:
                call = make(operation, self._compiled.schemas, attempt, everything)
            except Unsendable as reason:
                first = first or Failure(operation.key, "unsendable", "", str(reason), everything)
                continue
            status, headers, body = await _send(self._gateway, f"/{binding}", call)
            kind = _kind(operation, binding, status, headers, body)
            if kind in GOOD:
                return kind, None
            if kind == "400" and call.doubts:
                kind = "no value"
            if first is None:
                answer = f"{status} {body[:1000].decode(errors='replace')}"
                first = Failure(operation.key, kind, _shown(call), answer, everything)
        return "" if first is None else first.kind, first


def _entry(kind: str, compiled: CompiledApi) -> ApiEntry:
    return ApiEntry(
        id=f"api_{kind}",
        name=kind,
        base_path=f"/{kind}",
        revision=1,
        digest=kind,
        trigger=Trigger(authentication="document" if kind == "closed" else "none"),
        bindings={operation.key: Binding(kind="echo") for operation in compiled.operations} if kind == "echo" else {},
    )


def _kind(operation: Operation, binding: str, status: int, headers: dict[bytes, bytes], body: bytes) -> str:
    """``2xx`` and ``3xx``, ``declared`` for another status that the mock was told by the document, or what is wrong."""
    if binding == "closed":
        return "2xx" if status in (401, 403) else f"open: {status}"
    if binding == "echo":
        if status != 200:
            return str(status)
        return "2xx" if operation.method == "head" or _echoed(body) == operation.key else "another operation"
    if headers.get(b"x-apimgmt-source") != b"mock":
        return str(status)
    declared = {str(status), f"{status // 100}XX", "default"} & operation.responses.keys()
    if status >= 500 and not declared:
        return str(status)
    return f"{status // 100}xx" if status < 400 else "declared" if declared else str(status)


def _echoed(body: bytes) -> str:
    """The key of the operation in an echo, which is XML where the document offers nothing else."""
    if body.startswith(b"<"):
        found = re.search(r"<key>(.*?)</key>", body.decode())
        return html.unescape(found[1]) if found else ""
    return str(msgspec.json.decode(body)["operation"]["key"])


def _shown(call: Call) -> str:
    query = f"?{call.query}" if call.query else ""
    return f"{call.method} {call.path}{query} {call.headers} {call.body[:1000].decode(errors='replace')}"


async def _send(app: Any, base_path: str, call: Call) -> tuple[int, dict[bytes, bytes], bytes]:
    """One request to an ASGI application: status, header fields and body of its answer."""
    messages: list[dict[str, Any]] = []
    path = base_path + call.path
    headers = [(name.lower().encode("latin-1", "replace"), value.encode()) for name, value in call.headers]
    if not any(name == b"accept" for name, _ in headers):
        headers.append((b"accept", b"application/json, */*;q=0.5"))
    if call.body and not any(name == b"content-length" for name, _ in headers):
        headers.append((b"content-length", str(len(call.body)).encode()))
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": call.method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": call.query.encode(),
        "root_path": "",
        "headers": [(b"host", b"gateway.example"), *headers],
        "client": ("192.0.2.7", 40000),
        "server": ("gateway.example", 80),
        "state": {},
    }

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": call.body, "more_body": False}

    async def keep(message: dict[str, Any]) -> None:
        messages.append(message)

    await app(scope, receive, keep)
    body = b"".join(message.get("body", b"") for message in messages[1:])
    return messages[0]["status"], dict(messages[0]["headers"]), body


def lines(outcomes: Iterable[Outcome], failures: int = 0) -> Iterator[str]:
    """Documents accepted and refused by code, answers by kind, the refusals, and the documents with most failures."""
    outcomes = list(outcomes)
    refused = [outcome for outcome in outcomes if outcome.refused]
    crashed = [outcome for outcome in outcomes if outcome.crash]
    accepted = [outcome for outcome in outcomes if not outcome.refused and not outcome.crash]
    codes = Counter(code for outcome in refused for code in {finding.code for finding in outcome.refused})
    answers = sum((outcome.answers for outcome in accepted), Counter[str]())
    partly = Counter(failure.kind for outcome in accepted for failure in outcome.failures if failure.everything)
    yield from aligned(
        [
            ["documents", f"{len(outcomes):,}"],
            ["accepted", f"{len(accepted):,}"],
            ["refused", f"{len(refused):,}"],
            *_counted(codes),
            ["crashed", f"{len(crashed):,}"],
            ["operations called", f"{sum(answers.values()):,}"],
            *_counted(answers),
            ["not with everything", f"{sum(partly.values()):,}"],
            *_counted(partly),
        ]
    )
    for outcome in crashed:
        yield f"crashed: {outcome.document}: {outcome.crash.strip().splitlines()[-1]}"
    for outcome in refused:
        yield f"refused: {outcome.document}: {outcome.refused[0].code}: {outcome.refused[0].message[:SHOWN]}"
    worst = sorted((outcome for outcome in accepted if outcome.failures), key=lambda one: -len(one.failures))
    for outcome in worst[:WORST]:
        yield f"{len(outcome.failures)} failures: {outcome.document}"
        for failure in outcome.failures[:failures]:
            yield f"  {failure.operation}: {failure.kind}: {failure.answer[-SHOWN:]}"


def _counted(counter: Counter[str]) -> Iterator[list[str]]:
    for name, count in counter.most_common():
        yield [f"  {name}", f"{count:,}"]
