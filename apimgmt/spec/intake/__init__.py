"""Taking in an uploaded document: loader, lint and compiler in a child process that can do nothing else.

The child has limits on CPU, memory and wall time, an empty environment, no files and no network (``child.py``). What it
dies of becomes a finding; nothing that a document does can hang or harm this process (reliability.md F9, T4, T5).
"""

from __future__ import annotations

import contextlib
import logging
import os
import selectors
import signal
import struct
import subprocess
import sys
import time
from typing import NamedTuple

import msgspec

from apimgmt.errors import DocumentRefused
from apimgmt.model import Finding
from apimgmt.settings import Settings

HEADER = struct.Struct(">QQ")  # a frame: the lengths of its two or three parts, then the parts
RESULT = struct.Struct(">QQQ")
OUT_OF_MEMORY = 3
_CHUNK = 1 << 20
_RESULT_FACTOR = 16  # a compiled API and its document are never this much larger than the upload may be

# Memory that is refused ends in a MemoryError, in an abort, or in a stack that cannot grow, whoever asked for it.
_MEMORY_CODES = (OUT_OF_MEMORY, -signal.SIGKILL, -signal.SIGABRT, -signal.SIGSEGV, -signal.SIGBUS)

_log = logging.getLogger("apimgmt.intake")
_findings = msgspec.json.Decoder(tuple[Finding, ...])


class Intake(NamedTuple):
    """A document that was taken in: what there is to say about it; the CompiledApi and the bundled document as JSON."""

    findings: tuple[Finding, ...]
    compiled: bytes
    document: bytes


def take_in(content: bytes, media_type: str, settings: Settings) -> Intake:
    """Load, lint and compile; raises DocumentRefused with every finding when any of them is an error."""
    intake = _run(content, media_type, settings)
    if any(finding.severity == "error" for finding in intake.findings):
        raise DocumentRefused(intake.findings)
    return intake


def examine(content: bytes, media_type: str, settings: Settings) -> tuple[Finding, ...]:
    """Every finding about a document, whether it would be accepted or not."""
    return _run(content, media_type, settings).findings


def _run(content: bytes, media_type: str, settings: Settings) -> Intake:
    if len(content) > settings.document_bytes:
        return _refused("too-much-bytes", f"The document has more than {settings.document_bytes} bytes.")
    # Only what the child needs: a token in the settings has no business there.
    needed = {
        name: value
        for name, value in msgspec.structs.asdict(settings).items()
        if name.startswith(("document_", "compile_", "path_"))
    }
    head = msgspec.json.encode({"mediaType": media_type, "settings": needed})
    request = HEADER.pack(len(head), len(content)) + head + content
    code, result = _exchange(request, settings)
    if code == 0 and len(result) >= RESULT.size:
        sizes = RESULT.unpack_from(result)
        if RESULT.size + sum(sizes) == len(result):
            first, second = RESULT.size + sizes[0], RESULT.size + sizes[0] + sizes[1]
            return Intake(_findings.decode(result[RESULT.size : first]), result[first:second], result[second:])
    return _died(code, result, settings)


def _exchange(request: bytes, settings: Settings) -> tuple[int | None, bytes]:
    """Exit code (None: out of time) and output of one child; the whole process group is gone afterwards."""
    with subprocess.Popen(
        [sys.executable, "-I", "-m", "apimgmt.spec.intake.child"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={},
        cwd="/",
        start_new_session=True,
    ) as child:
        try:
            deadline = time.monotonic() + settings.compile_wall
            result = _converse(child, request, deadline, settings.document_bytes * _RESULT_FACTOR)
            if result is None:
                return None, b""
            return child.wait(max(0.1, deadline - time.monotonic())), result
        except subprocess.TimeoutExpired:
            return None, b""
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)


def _converse(child: subprocess.Popen[bytes], request: bytes, deadline: float, most: int) -> bytes | None:
    """Send all of ``request`` and read until the child closes its output; None if that takes too long or too much."""
    assert child.stdin is not None
    assert child.stdout is not None
    left = memoryview(request)
    result = bytearray()
    with selectors.DefaultSelector() as selector:
        for stream, event in ((child.stdin, selectors.EVENT_WRITE), (child.stdout, selectors.EVENT_READ)):
            os.set_blocking(stream.fileno(), False)
            selector.register(stream, event)
        while (wait := deadline - time.monotonic()) > 0 and len(result) <= most:
            for key, _ in selector.select(wait):
                if key.fileobj is child.stdin:
                    left = _send(child, left)
                    if not left:
                        selector.unregister(child.stdin)
                        with contextlib.suppress(BrokenPipeError):
                            child.stdin.close()
                elif chunk := os.read(child.stdout.fileno(), _CHUNK):
                    result += chunk
                else:
                    return bytes(result)
    return None


def _send(child: subprocess.Popen[bytes], left: memoryview) -> memoryview:
    assert child.stdin is not None
    try:
        return left[os.write(child.stdin.fileno(), left[:_CHUNK]) :]
    except BrokenPipeError:
        return left[:0]


def _died(code: int | None, result: bytes, settings: Settings) -> Intake:
    """The finding for a child that gave no result."""
    if code is None:
        return _refused("too-much-time", f"The document takes more than {settings.compile_wall:g} s (compile_wall).")
    if code == -signal.SIGXCPU:
        return _refused(
            "too-much-cpu", f"The document takes more than {settings.compile_cpu:g} s of CPU (compile_cpu)."
        )
    if code in _MEMORY_CODES:
        # libraries end so when an allocation fails; the line is for the case that it was something else
        _log.warning("intake child ended with %s, taken for lack of memory", code)
        message = f"The document takes more than {settings.compile_memory} bytes of memory (compile_memory)."
        return _refused("too-much-memory", message)
    _log.error("intake child ended with %s: %s", code, result[-4_000:].decode("utf-8", "replace"))
    return _refused("not-processable", "This document cannot be processed; please report it, with the document.")


def _refused(code: str, message: str) -> Intake:
    return Intake((Finding(severity="error", code=code, message=message),), b"", b"")
