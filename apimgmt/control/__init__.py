"""The control plane: stores what people uploaded and decided, and publishes it as snapshots.

    store       tables, transactions, migrations      addresses   names and base paths
    service     what can be done to APIs              publish     snapshot, hand-over, workers, undo
    plan        what a new revision would change      keys        API keys
    admin       the handlers behind openapi.yaml      bindings    what runs behind an operation, as people write it

This file holds the two types that its modules share and imports none of them.
"""

from __future__ import annotations

from typing import Protocol

from apimgmt.model import Finding
from apimgmt.settings import Settings


class Intake(Protocol):
    """An accepted document: its findings, and the two files that go into the archive."""

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Everything that is worth saying; none of them an error."""
        ...

    @property
    def compiled(self) -> bytes:
        """A CompiledApi as JSON."""
        ...

    @property
    def document(self) -> bytes:
        """The bundled document as JSON, for display."""
        ...


class TakeIn(Protocol):
    """Bytes to an accepted document; raises DocumentRefused with all findings (``spec.intake.take_in``)."""

    def __call__(self, content: bytes, media_type: str, settings: Settings) -> Intake:
        """The intake of one upload."""
        ...
