"""Shared by the tests of the control plane: small documents, an intake in this process, a worker in a thread."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

from apimgmt.archive import Archive
from apimgmt.errors import DocumentRefused
from apimgmt.model import CompiledApi, Finding, Operation, SecurityScheme, WorkerReport
from apimgmt.settings import Settings

YAML = "application/yaml"
JSON = "application/json"


class Taken(NamedTuple):
    """An accepted document."""

    findings: tuple[Finding, ...]
    compiled: bytes
    document: bytes


def take_in(content: bytes, media_type: str, settings: Settings) -> Taken:
    """Reads what :func:`document` writes; refuses anything else as a real intake would."""
    try:
        value = json.loads(content)
    except ValueError:
        raise DocumentRefused(
            [Finding(severity="error", code="syntax", message="not JSON", line=1, column=1)]
        ) from None
    operations = tuple(_operation(key, more) for key, more in value["operations"].items())
    compiled = CompiledApi(
        title=value["title"],
        version=value.get("version", "1"),
        specification=value.get("specification", "3.0"),
        base_path=value.get("basePath", ""),
        operations=operations,
        security_schemes={"key": SecurityScheme(type="apiKey", name="X-API-Key", location="header")},
    )
    findings = (Finding(severity="info", code="sample", message="a sample", pointer="/info", line=2, column=3),)
    return Taken(findings, msgspec.json.encode(compiled), msgspec.json.encode({"paths": {"sample": True}}))


def _operation(key: str, more: dict[str, Any]) -> Operation:
    method, path = key.split(" ")
    security = more.get("security")
    return Operation(
        key=key,
        method=method,  # type: ignore[arg-type]
        path=path,
        operation_id=more.get("operationId"),
        summary=more.get("summary", ""),
        security=None if security is None else tuple(security),
        pointer="/paths/sample",
        line=7,
    )


def document(title: str = "Shop", base_path: str = "/shop", *keys: str, **more: Any) -> bytes:
    """A document for :func:`take_in`: operations by key, or ``operations=`` with what is said about each."""
    operations = more.pop("operations", None) or {key: {} for key in (keys or ("get /books", "post /books"))}
    return json.dumps({"title": title, "basePath": base_path, "operations": operations, **more}).encode()


class FollowingWorker:
    """A gateway worker reduced to its reports: serves what is current, unless ``refuse`` gives a reason.

    Use as a context manager; ``deaf`` makes it report what it served at the beginning, for ever.
    """

    def __init__(self, archive: Archive, refuse: Callable[[str], str] = lambda digest: "", deaf: bool = False) -> None:
        self._archive = archive
        self._refuse = refuse
        self._deaf = deaf
        self._stop = threading.Event()
        self.served = archive.current()[0] if archive.current() else ""
        self.rejected = ("", "")
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> FollowingWorker:
        self._report()
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._stop.set()
        self._thread.join()
        self._archive.withdraw(os.getpid())

    def _run(self) -> None:
        while not self._stop.wait(0.01):
            digest = self._archive.current()[0]
            if digest != self.served and not self._deaf:
                reason = self._refuse(digest)
                if reason:
                    self.rejected = (digest, reason)
                else:
                    self.served = digest
            self._report()

    def _report(self) -> None:
        rejected, reason = self.rejected
        report = WorkerReport(
            pid=os.getpid(), digest=self.served, number=0, seen=time.time(), rejected=rejected, reason=reason
        )
        self._archive.report(report)
