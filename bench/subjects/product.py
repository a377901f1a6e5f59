"""This product, as a gateway would find it: a data folder with one snapshot, and nothing else running."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from apimgmt.archive import Archive
from apimgmt.model import ApiEntry, Binding, KeyEntry, Rule, Snapshot, Trigger
from apimgmt.settings import Settings
from apimgmt.spec.intake import take_in
from bench.exchanges import KEY
from bench.subjects import Command, Place

FOLDER = Path(__file__).parents[1]
OPERATIONS = {"get /items/{id}": "get_item", "post /orders": "create_order"}
KEY_ENTRY = KeyEntry(id="bench", name="bench", digest=hashlib.sha256(KEY.encode()).hexdigest(), rules=(Rule(),))


# A limit that nobody reaches, and pages of one other site: what an operation that browsers call has as a rule.
GUARD = {
    "cors": {"origins": "https://shop.example"},
    "rateLimit": {"limits": [{"name": "burst", "requests": 1_000_000_000, "seconds": 60}]},
}
CACHE = {"cache": {"seconds": 60}}


def gateway(kind: str, handlers: str = "", policies: dict[str, Any] | None = None) -> Callable[[Place], Command]:
    """The gateway with every operation of the document bound to a process of ``kind``, from the file ``handlers``, and
    with these policies."""

    def prepare(place: Place) -> Command:
        archive = Archive(place.folder)
        trigger = Trigger(policies=policies or {})
        publish(archive, [msgspec.structs.replace(shop_entry(archive, kind), trigger=trigger)])
        return serve("apimgmt.asgi:gateway()", place, handlers)

    return prepare


def bare(place: Place) -> Command:
    """A bare ASGI application on the server of the product."""
    return serve("bench.subjects.bare:app", place)


def shop_entry(archive: Archive, kind: str) -> ApiEntry:
    """The document of the benchmark, taken in and kept, with its bindings."""
    intake = take_in((FOLDER / "api.yaml").read_bytes(), "application/yaml", Settings())
    digest = archive.put_api(intake.compiled, intake.document)
    bindings = {key: binding(kind, function) for key, function in OPERATIONS.items()}
    return ApiEntry(id="shop", name="shop", base_path="", revision=1, digest=digest, bindings=bindings)


def binding(kind: str, function: str) -> Binding:
    """A binding to a process of ``kind``; only Python processes have a function."""
    return Binding(kind=kind, config={"function": function} if kind == "python" else {})


def publish(archive: Archive, entries: Iterable[ApiEntry]) -> str:
    """Make a snapshot of these APIs and the key of the benchmark the current one; returns its digest."""
    created = datetime.now(UTC).isoformat()
    digest = archive.put_snapshot(Snapshot(number=1, created=created, apis=tuple(entries), keys=(KEY_ENTRY,)))
    archive.make_current(digest)
    return digest


def serve(application: str, place: Place, handlers: str = "") -> Command:
    """One worker of our class under gunicorn, with the data folder and the handlers in the environment."""
    arguments = (sys.executable, "-m", "gunicorn", "--worker-class", "apimgmt.gateway.server.Worker", "--workers", "1")
    listen = ("--bind", f"127.0.0.1:{place.port}", "--log-level", "warning", application)
    environment = {"APIMGMT_DATA": str(place.folder)}
    if handlers:
        environment["APIMGMT_HANDLERS"] = str(FOLDER / handlers)
    return Command((*arguments, *listen), environment)
