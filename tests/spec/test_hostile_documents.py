"""The intake against documents that try to make it run, fetch, open, grow or hang (reliability.md S-01 to S-07)."""

from __future__ import annotations

import json
import logging
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import hostile
import psutil
import pytest

from apimgmt.settings import Settings
from apimgmt.spec.intake import examine, take_in

VERDICT_SECONDS = 10
GROWTH_BYTES = 20 * 1024 * 1024


class Listener:
    """A socket that counts who connects."""

    def __init__(self) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.socket.setblocking(False)
        self.port = self.socket.getsockname()[1]

    def connections(self) -> int:
        """How many connected since the last time."""
        count = 0
        while True:
            try:
                connection, _ = self.socket.accept()
            except BlockingIOError:
                return count
            connection.close()
            count += 1


@pytest.fixture(scope="module")
def listener() -> Iterator[Listener]:
    """A listener that must not see a connection."""
    listener = Listener()
    yield listener
    listener.socket.close()


def names() -> list[str]:
    """The names of all hostile documents."""
    return [document.name for document in hostile.documents(0)]


@pytest.fixture(scope="module")
def documents(listener: Listener) -> dict[str, hostile.Hostile]:
    """The hostile documents by name; their references lead to the listener."""
    return {document.name: document for document in hostile.documents(listener.port)}


@pytest.mark.parametrize("name", names())
def test_a_hostile_document_gets_a_verdict_and_nothing_else(
    name: str,
    documents: dict[str, hostile.Hostile],
    listener: Listener,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Each document is accepted or refused within 10 seconds; nothing connects, runs, crashes or is written."""
    monkeypatch.chdir(tmp_path)
    document = documents[name]
    started = time.monotonic()
    with caplog.at_level(logging.ERROR, "apimgmt.intake"):
        findings = examine(document.content, document.media_type, Settings())
    assert time.monotonic() - started < VERDICT_SECONDS
    errors = [finding for finding in findings if finding.severity == "error"]
    assert document.verdict in ("refused" if errors else "accepted", "any"), errors
    assert listener.connections() == 0
    assert not list(tmp_path.iterdir())
    assert caplog.text == ""


def test_there_are_at_least_sixty() -> None:
    """The set of hostile documents is as large as was promised."""
    assert len(set(names())) == len(names()) >= 60


def test_the_memory_of_this_process_does_not_grow(documents: dict[str, hostile.Hostile]) -> None:
    """Bombs cost the child its memory, not the process that asked: less than 20 MB over all of them."""
    bombs = [document for document in documents.values() if len(document.content) < 1_000_000][::3]
    for document in bombs[:3]:
        examine(document.content, document.media_type, Settings())
    before = psutil.Process().memory_info().rss
    for document in bombs:
        examine(document.content, document.media_type, Settings())
    assert psutil.Process().memory_info().rss - before < GROWTH_BYTES


def test_no_child_is_left_behind(documents: dict[str, hostile.Hostile]) -> None:
    """After a verdict no process of ours is left, zombies included."""
    before = psutil.Process().children(recursive=True)
    examine(documents["yaml-depth-10^6"].content, "application/yaml", Settings())
    assert psutil.Process().children(recursive=True) == before


def test_mutant_a_fetching_resolver_is_seen(listener: Listener) -> None:
    """A resolver that fetches what a document refers to would be caught by the listener."""
    reference = hostile.outward_references(listener.port)[0]
    listener.socket.setblocking(True)
    with pytest.raises(OSError):  # nobody answers
        urllib.request.urlopen(reference, timeout=0.5)
    listener.socket.setblocking(False)
    assert listener.connections() == 1


@pytest.mark.parametrize(("name", "code"), [("yaml-depth-10^5", -11), ("aliases-10^8", None)])
def test_mutant_plain_yaml_load_dies_or_hangs(
    name: str, code: int | None, documents: dict[str, hostile.Hostile], tmp_path: Path
) -> None:
    """What ``yaml.load`` does with the same bytes: a segmentation fault, or seconds of work on expanding."""
    file = tmp_path / "document"
    file.write_bytes(documents[name].content)
    naive = (
        "import json, sys, yaml\n"
        "value = yaml.load(open(sys.argv[1], 'rb'), yaml.CSafeLoader)\n"
        "json.dump(value, open('/dev/null', 'w'))\n"
    )
    command = [sys.executable, "-c", naive, os.fspath(file)]
    if code is None:
        with pytest.raises(subprocess.TimeoutExpired):
            subprocess.run(command, timeout=2, capture_output=True, check=False)
    else:
        assert subprocess.run(command, timeout=20, capture_output=True, check=False).returncode == code


def test_extension_fields_and_operation_ids_never_reach_the_compiled_api(documents: dict[str, hostile.Hostile]) -> None:
    """Names of callables stay text: no ``x-`` field is compiled, and an operationId is only a label (F2, S-02)."""
    compiled = json.loads(take_in(documents["functions"].content, "application/json", Settings()).compiled)
    assert "x-" not in json.dumps(compiled)
    compiled = json.loads(take_in(documents["callables"].content, "application/json", Settings()).compiled)
    assert {operation["operationId"] for operation in compiled["operations"]} == set(hostile.CALLABLES)
