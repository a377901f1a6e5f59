"""What must not be in the lines of a run (apimgmt/processes/masking.py)."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

import apimgmt.connections.authentication.basic
import apimgmt.connections.authentication.none  # noqa: F401  registers it
from apimgmt.connections.known import connections
from apimgmt.control.sealing import Sealing
from apimgmt.model import ConnectionEntry
from apimgmt.processes.masking import masking
from apimgmt.settings import Settings

PASSWORD = "planted-pass/word 7"
HEADERS = {
    b"authorization": b"Bearer planted.jwt.token",
    b"x-api-key": b"planted-key-1",
    b"cookie": b"session=planted-session; lang=de",
    b"accept": b"application/json",
}


@pytest.fixture
def crm(tmp_path: Path) -> Iterator[None]:
    """A connection with a password, and one that cannot be opened."""
    settings = Settings(data=str(tmp_path))
    stored = {"baseUrl": "https://crm.example", "authentication": {"kind": "basic", "username": "us"}}
    stored["authentication"] |= {"password": PASSWORD}  # type: ignore[operator]
    sealed = Sealing(settings).sealed(stored, None)
    broken = msgspec.json.decode(msgspec.json.encode(sealed).replace(b'"password":"', b'"password":"x'))
    entries = [ConnectionEntry(id=name, name=name, settings=one) for name, one in (("crm", sealed), ("erp", broken))]
    connections.prepared(entries, settings)()
    yield
    connections.prepared([], Settings())()


@pytest.mark.parametrize(
    ("secret", "headers"),
    [
        (PASSWORD, {}),
        ("planted-pass%2Fword%207", {}),
        (base64.b64encode(f"us:{PASSWORD}".encode()).decode(), {}),
        ("planted.jwt.token", HEADERS),
        ("planted-key-1", HEADERS),
        ("planted-session", HEADERS),
        ("of-the-caller", {b"authorization": b"Basic " + base64.b64encode(b"anna:of-the-caller")}),
        ("b2YtdGhl", {b"authorization": b"Basic b2YtdGhl"}),
        ("no-scheme", {b"authorization": b"no-scheme"}),
    ],
    ids=str,
)
def test_a_planted_secret_is_masked_wherever_it_stands(crm: None, secret: str, headers: dict[bytes, bytes]) -> None:
    """Those of connections however they are written, and the caller's own."""
    assert masking(headers)(f"before {secret}, {{'x': '{secret}'}}") == "before ***, {'x': '***'}"


def test_other_texts_stay(crm: None) -> None:
    """Values that are no credentials, small cookies, broken credentials."""
    text = "application/json in de: planted is no secret"
    assert masking({**HEADERS, b"authorization": b"Basic ***"})(text) == text
