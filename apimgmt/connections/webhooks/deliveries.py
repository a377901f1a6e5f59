"""What became of the webhooks that a connection sent: a file of lines, bounded, kept beside the tokens.

A delivery is written down before it is sent, so that one that a crash cut off is seen and can be sent again. What was
sent is kept with it, encrypted, if it is not long.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Literal

import msgspec

from apimgmt.model import Struct

MOST_BYTES = 1_048_576
LONGEST_PAYLOAD = 65_536
State = Literal["pending", "delivered", "failed"]


class Delivery(Struct, frozen=True):
    """One webhook: ``id`` is its ``webhook-id``, ``time`` when it was begun (RFC 3339), ``status`` that of the last
    answer, 0 if there was none; ``cause`` why it failed (errors.CAUSES); ``answer`` how the answer began; ``payload``
    the body, encrypted, empty if it was too long to be kept."""

    id: str
    event: str
    time: str
    path: str = ""
    state: State = "pending"
    status: int = 0
    cause: str = ""
    attempts: int = 0
    seconds: float = 0.0
    answer: str = ""
    payload: str = ""


_decoder = msgspec.json.Decoder(Delivery)


class Deliveries:
    """The deliveries in ``folder``: the newest in one file, those before in a second; the oldest go."""

    def __init__(self, folder: Path, most_bytes: int = MOST_BYTES) -> None:
        self._path = folder / "deliveries.jsonl"
        self._older = folder / "deliveries.older.jsonl"
        self._most_bytes = most_bytes

    def add(self, delivery: Delivery) -> None:
        """Write down how it is with a delivery now."""
        line = msgspec.json.encode(delivery) + b"\n"
        while not self._written(line):
            pass

    def _written(self, line: bytes) -> bool:
        """Whether there was room; if not, the file is put aside, and whoever comes next begins another."""
        with self._locked() as file:
            size = file.seek(0, os.SEEK_END)
            if size and size + len(line) > self._most_bytes:
                self._path.replace(self._older)
                return False
            file.write(line)
            return True

    def all(self) -> list[Delivery]:
        """The last state of each, the newest first."""
        found: dict[str, Delivery] = {}
        for path in (self._older, self._path):
            for line in path.read_bytes().splitlines() if path.exists() else ():
                try:
                    delivery = _decoder.decode(line)
                except msgspec.MsgspecError:
                    continue  # a line that a crash cut off
                found.pop(delivery.id, None)
                found[delivery.id] = delivery
        return list(reversed(found.values()))

    def find(self, identity: str) -> Delivery | None:
        """The last state of one."""
        return next((delivery for delivery in self.all() if delivery.id == identity), None)

    @contextmanager
    def _locked(self) -> Iterator[IO[bytes]]:
        """The newest file, ours alone; opened again if it was replaced while we waited."""
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        while True:
            descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            with os.fdopen(descriptor, "ab", buffering=0) as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                if os.fstat(file.fileno()).st_ino == self._inode():
                    yield file
                    return

    def _inode(self) -> int:
        try:
            return self._path.stat().st_ino
        except FileNotFoundError:
            return 0
