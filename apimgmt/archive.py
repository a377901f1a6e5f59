"""The data folder that the planes share: content-addressed files, written so that a crash cannot tear them.

    compiled/DIGEST.json            a CompiledApi          digest = SHA-256 of both files
    compiled/DIGEST.document.json   the document to show
    snapshots/DIGEST.json           a Snapshot             digest = SHA-256 of the file
    current                         the digest to serve, and on a second line the one before
    workers/PID.json                a WorkerReport
    measures/PID-START.json         the Measures of a worker; ``gone.json`` those of all workers that are gone
    cleared.json                    the newest Clearings of cached answers, the last one last

A write is: temporary file, fsync, rename, fsync of the folder. A read checks the digest; a file that does not match
is as good as absent (reliability.md R-06, R-14).
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import time
from collections.abc import Collection, Mapping
from pathlib import Path

import msgspec

from apimgmt.errors import SnapshotRefused
from apimgmt.model import Clearing, CompiledApi, Measures, Snapshot, WorkerReport

STALE_SECONDS = 5.0
CLEARINGS_KEPT = 200

_compiled = msgspec.json.Decoder(CompiledApi)
_snapshot = msgspec.json.Decoder(Snapshot)
_report = msgspec.json.Decoder(WorkerReport)
_measures = msgspec.json.Decoder(Measures)
_clearings = msgspec.json.Decoder(tuple[Clearing, ...])


class Archive:
    """Reads and writes the data folder under ``root``; makes what is missing."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for name in ("compiled", "snapshots", "workers", "measures"):
            (root / name).mkdir(parents=True, exist_ok=True, mode=0o700)

    # ---- compiled APIs -------------------------------------------------------------------------------------------

    def put_api(self, compiled: bytes, document: bytes) -> str:
        """Keep a compiled API and the document to show; returns their digest."""
        digest = _digest(compiled, document)
        write_atomically(self._document_path(digest), document)
        write_atomically(self._compiled_path(digest), compiled)
        return digest

    def load_api(self, digest: str) -> CompiledApi:
        """The compiled API of that digest; raises SnapshotRefused if it is absent or damaged."""
        compiled = self._read(self._compiled_path(digest))
        if _digest(compiled, self.load_document(digest)) != digest:
            raise SnapshotRefused(f"compiled API {digest[:12]} is damaged")
        return _compiled.decode(compiled)

    def load_document(self, digest: str) -> bytes:
        """The document to show, as JSON; raises SnapshotRefused if it is absent."""
        return self._read(self._document_path(digest))

    # ---- snapshots -----------------------------------------------------------------------------------------------

    def put_snapshot(self, snapshot: Snapshot) -> str:
        """Keep a snapshot; returns its digest. It is not served before :meth:`make_current`."""
        content = msgspec.json.encode(snapshot)
        digest = _digest(content)
        write_atomically(self._snapshot_path(digest), content)
        return digest

    def load_snapshot(self, digest: str) -> Snapshot:
        """The snapshot of that digest; raises SnapshotRefused if it is absent or damaged."""
        content = self._read(self._snapshot_path(digest))
        if _digest(content) != digest:
            raise SnapshotRefused(f"snapshot {digest[:12]} is damaged")
        return _snapshot.decode(content)

    def forget_snapshots(self, keep: Collection[str]) -> None:
        """Remove every snapshot but those in ``keep``, the current one and the one before it."""
        kept = {*keep, *self.current()}
        for path in (self.root / "snapshots").glob("*.json"):
            if path.stem not in kept:
                path.unlink(missing_ok=True)

    def current(self) -> tuple[str, ...]:
        """The digest to serve, then the one before it; empty if nothing was ever published."""
        try:
            return tuple((self.root / "current").read_text("ascii").split())
        except (FileNotFoundError, UnicodeDecodeError):
            return ()

    def current_mark(self) -> tuple[int, int]:
        """Something cheap that changes whenever :meth:`current` does: inode and time of the pointer file."""
        return _mark(self.root / "current")

    def make_current(self, digest: str) -> None:
        """Point the gateway at a snapshot that is already kept."""
        before = [old for old in self.current() if old != digest][:1]
        write_atomically(self.root / "current", "\n".join([digest, *before, ""]).encode("ascii"))

    # ---- cached answers ------------------------------------------------------------------------------------------

    def clear(self, api: str, operation: str = "", key: str = "") -> None:
        """Have every worker forget cached answers. One process clears, one clearing after another."""
        before = self.clearings()
        number = before[-1].number + 1 if before else 1
        kept = (*before[1 - CLEARINGS_KEPT :], Clearing(number=number, api=api, operation=operation, key=key))
        write_atomically(self.root / "cleared.json", msgspec.json.encode(kept))

    def clearings(self) -> tuple[Clearing, ...]:
        """The newest clearings, the last one last."""
        try:
            return _clearings.decode((self.root / "cleared.json").read_bytes())
        except (FileNotFoundError, msgspec.DecodeError):
            return ()

    def clearings_mark(self) -> tuple[int, int]:
        """Something cheap that changes whenever :meth:`clearings` does."""
        return _mark(self.root / "cleared.json")

    # ---- workers -------------------------------------------------------------------------------------------------

    def report(self, report: WorkerReport) -> None:
        """Say what a worker serves."""
        _replace(self.root / "workers" / f"{report.pid}.json", report)

    def withdraw(self, pid: int) -> None:
        """Forget a worker that ends."""
        (self.root / "workers" / f"{pid}.json").unlink(missing_ok=True)

    def reports(self, within: float = STALE_SECONDS) -> list[WorkerReport]:
        """The reports, at most ``within`` seconds old, of the workers that are alive, by pid; those of dead ones go."""
        alive = []
        for path in sorted((self.root / "workers").glob("*.json")):
            with contextlib.suppress(FileNotFoundError, msgspec.DecodeError):
                report = _report.decode(path.read_bytes())
                if is_alive(report.pid) and time.time() - report.seen < within:
                    alive.append(report)
                elif not is_alive(report.pid):
                    path.unlink(missing_ok=True)
        return alive

    # ---- what workers count --------------------------------------------------------------------------------------

    def measure(self, name: str, measures: Measures) -> None:
        """Keep what a worker counted; ``name`` is its pid, a hyphen and something that tells it from others."""
        _replace(self.root / "measures" / f"{name}.json", measures)

    def measures(self) -> tuple[dict[str, Measures], dict[str, Measures]]:
        """What the workers counted that are alive, and the reports of those that are gone, by name."""
        alive: dict[str, Measures] = {}
        gone: dict[str, Measures] = {}
        for path in sorted((self.root / "measures").glob("*-*.json")):
            with contextlib.suppress(FileNotFoundError, ValueError, msgspec.MsgspecError):
                found = alive if is_alive(int(path.stem.partition("-")[0])) else gone
                found[path.stem] = _measures.decode(path.read_bytes())
        return alive, gone

    def gone_measures(self) -> Measures:
        """The sum of the workers that are gone."""
        try:
            return _measures.decode((self.root / "measures" / "gone.json").read_bytes())
        except (FileNotFoundError, msgspec.MsgspecError):
            return Measures()

    def bury(self, measures: Measures) -> None:
        """Keep a new sum of the workers that are gone, and forget the reports that are in it."""
        write_atomically(self.root / "measures" / "gone.json", msgspec.json.encode(measures))
        for name in measures.included:
            (self.root / "measures" / f"{name}.json").unlink(missing_ok=True)

    # ---- places --------------------------------------------------------------------------------------------------

    def _compiled_path(self, digest: str) -> Path:
        return self.root / "compiled" / f"{_checked(digest)}.json"

    def _document_path(self, digest: str) -> Path:
        return self.root / "compiled" / f"{_checked(digest)}.document.json"

    def _snapshot_path(self, digest: str) -> Path:
        return self.root / "snapshots" / f"{_checked(digest)}.json"

    @staticmethod
    def _read(path: Path) -> bytes:
        try:
            return path.read_bytes()
        except FileNotFoundError:
            raise SnapshotRefused(f"{path.parent.name}/{path.name} is absent") from None


def _mark(path: Path) -> tuple[int, int]:
    """Inode and time of a file that is replaced as a whole."""
    try:
        status = os.stat(path)
    except FileNotFoundError:
        return (0, 0)
    return (status.st_ino, status.st_mtime_ns)


def _replace(path: Path, content: msgspec.Struct) -> None:
    """Write in one step, but without fsync: for what is worth nothing after a crash."""
    temporary = path.with_suffix(".tmp")
    temporary.write_bytes(msgspec.json.encode(content))
    temporary.replace(path)


def write_atomically(path: Path, content: bytes) -> None:
    """Write so that after a crash the file is either as before or complete, and after return it is on disk."""
    write_together({path: content})


def write_together(contents: Mapping[Path, bytes]) -> None:
    """The same for several files; a folder that has many of them is synced once."""
    for path, content in contents.items():
        temporary = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
        try:
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with open(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    for parent in {path.parent for path in contents}:
        folder = os.open(parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def api_digest(compiled: bytes, document: bytes) -> str:
    """What :meth:`Archive.put_api` would return; nothing is kept."""
    return _digest(compiled, document)


def _digest(*parts: bytes) -> str:
    """SHA-256 over the parts, each with its length before it, in hexadecimal."""
    total = hashlib.sha256()
    for part in parts:
        total.update(len(part).to_bytes(8, "big"))
        total.update(part)
    return total.hexdigest()


def _checked(digest: str) -> str:
    """A digest is a file name: anything but 64 hexadecimal digits is refused."""
    if len(digest) != 64 or not all(character in "0123456789abcdef" for character in digest):
        raise SnapshotRefused(f"{digest[:80]!r} is not a digest")
    return digest


def is_alive(pid: int) -> bool:
    """Whether there is a process of that id, ours or not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
