"""Secrets of connections: kept, bound to where they go, never shown, and given again after a loss."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest
from control_connections import BEARER, SECRET, Plane, pointer
from cryptography.fernet import Fernet
from pki import authority

from apimgmt.archive import Archive
from apimgmt.connections.known import Connections as Known
from apimgmt.control.sealing import destinations
from apimgmt.errors import ConnectionFailed
from apimgmt.settings import Settings

ROOT = authority("Root")
PARTNER = ROOT.issue("partner-one")


@pytest.fixture
def plane(tmp_path: Path) -> Iterator[Plane]:
    """Nothing in it yet; 127.0.0.1 may be called."""
    plane = Plane(Settings(data=str(tmp_path), egress_allow="127.0.0.1"))
    yield plane
    plane.store.close()


# ---- secrets ---------------------------------------------------------------------------------------------------------

PLANTED: dict[str, Any] = {
    "authentication": {"kind": "basic", "username": "svc", "password": "planted-password-0001"},
    "secretHeaders": {"X-Key": "planted-header-000002"},
    "proxy": {"url": "http://127.0.0.1:8", "username": "px", "password": "planted-proxy-0000003"},
    "tls": {"certificate": PARTNER.pem, "key": PARTNER.secret},
}
SECRETS = ["planted-password-0001", "planted-header-000002", "planted-proxy-0000003", PARTNER.secret.split("\n")[1]]


def leaks(plane: Plane, caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    """Which planted secrets can be read where, after everything that can be done with a connection was done."""
    texts = {}
    with caplog.at_level(logging.DEBUG):
        texts["create"] = plane.add(**PLANTED).text
        texts["refused"] = plane.add("erp", query="", **PLANTED).text
        texts["wrong"] = plane.add("erp", **PLANTED, headers={"Host": "x"}).text
        texts["show"] = plane.send("GET", "/connections/crm").text
        texts["list"] = plane.send("GET", "/connections").text
        texts["change"] = plane.change(**PLANTED, timeout=5).text
        texts["tested"] = plane.send("POST", "/connections/crm/test").text
        texts["called"] = plane.send("POST", "/connections/crm/call", {"path": "/x"}).text
        texts["remove"] = plane.send("DELETE", "/connections/crm").text
        plane.add(**PLANTED)
        texts["audit"] = plane.send("GET", "/audit").text
    texts["log"] = caplog.text
    for path in plane.settings.root.rglob("*"):
        if path.is_file():
            texts[str(path.name)] = path.read_bytes().decode("latin-1")
    assert plane.plain()["authentication"]["password"] == SECRETS[0]
    return [(place, secret) for place, text in texts.items() for secret in SECRETS if secret in text]


@pytest.mark.rows("C-018")
def test_secrets_are_neither_shown_nor_written_down(plane: Plane, caplog: pytest.LogCaptureFixture) -> None:
    """Not in any answer, the audit log, the log, the database or a snapshot; only a worker can read them."""
    assert leaks(plane, caplog) == []
    shown = plane.send("GET", "/connections/crm").json()
    assert (shown["authentication"]["password"], shown["tls"]["key"]) == ("***", "***")
    assert (shown["proxy"]["password"], shown["secretHeaders"]) == ("***", {"X-Key": "***"})


@pytest.mark.rows("C-018")
def test_the_search_for_secrets_finds_those_that_are_not_encrypted(
    plane: Plane, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mutant: a cipher that changes nothing leaves them in database, snapshot and audit log."""
    from apimgmt.encryption import Encryption

    monkeypatch.setattr(Encryption, "encrypt", lambda self, text: text)
    monkeypatch.setattr(Encryption, "decrypt", lambda self, text: text)
    assert {"apimgmt.db"} <= {place for place, _ in leaks(plane, caplog)}


@pytest.mark.rows("C-018")
def test_the_audit_log_says_that_a_secret_changed_and_not_what_it_is(plane: Plane) -> None:
    """Neither in the clear nor encrypted."""
    plane.add(authentication=BEARER)
    plane.change(authentication={"kind": "bearer", "token": "another one of them"})
    entries = plane.send("GET", "/audit?subject=connection").json()
    tokens = [entry["after"]["settings"]["authentication"]["token"] for entry in entries]
    assert tokens == ["***", "*** (another one)"]


@pytest.mark.rows("C-018")
@pytest.mark.parametrize(
    "authentication", [{"kind": "bearer"}, {"kind": "bearer", "token": "***"}], ids=["left out", "masked"]
)
def test_a_secret_that_is_not_given_stays(plane: Plane, authentication: dict[str, Any]) -> None:
    """Whoever changes a timeout need not know the token; what is shown can be sent back."""
    plane.add(authentication=BEARER)
    assert plane.change(timeout=5, authentication=authentication).status == 200
    assert plane.plain()["authentication"] == BEARER


def test_a_secret_can_be_taken_away(plane: Plane) -> None:
    """An empty text removes one, a header field that is left out is gone, another kind has none of the old ones."""
    plane.add(authentication=PLANTED["authentication"], secretHeaders={"X-A": "one-secret", "X-B": "two-secret"})
    empty = {"kind": "basic", "username": "svc", "password": ""}
    assert plane.change(authentication=empty, secretHeaders={"X-B": "***"}).status == 200
    assert plane.plain()["authentication"]["password"] == ""
    assert plane.plain()["secretHeaders"] == {"X-B": "two-secret"}
    assert pointer(plane.add("erp", authentication={"kind": "bearer", "token": "***"})) == "/authentication/token"


OAUTH = {
    "kind": "oauth2ClientCredentials",
    "tokenUrl": "https://login.example/token",
    "clientId": "apimgmt",
    "clientSecret": SECRET,
}
BASE = {"type": "rest", "baseUrl": "https://crm.example/v2", "authentication": OAUTH}
# What a person changes; whether the secret would then be sent elsewhere.
MOVES: list[tuple[str, dict[str, Any], bool]] = [
    ("path", {"baseUrl": "https://crm.example/v3"}, False),
    ("default port", {"baseUrl": "https://CRM.example:443/v2"}, False),
    ("timeout", {"timeout": 5}, False),
    ("host", {"baseUrl": "https://evil.example/v2"}, True),
    ("sub-domain", {"baseUrl": "https://crm.example.evil.example/v2"}, True),
    ("port", {"baseUrl": "https://crm.example:8443/v2"}, True),
    ("scheme", {"baseUrl": "http://crm.example/v2"}, True),
    ("token URL", {"authentication": {**OAUTH, "tokenUrl": "https://evil.example/token"}}, True),
    ("token path", {"authentication": {**OAUTH, "tokenUrl": "https://login.example/other"}}, True),
    ("proxy", {"proxy": {"url": "http://proxy.example:3128"}}, True),
    ("type", {"type": "odata"}, True),
]
Decide = Callable[[Mapping[str, Any], Mapping[str, Any]], bool]


def misjudged(stays: Decide) -> list[str]:
    """Which moves a decision gets wrong."""
    return [name for name, change, moves in MOVES if stays(BASE, {**BASE, **change}) == moves]


def test_a_secret_stays_while_it_goes_to_the_same_place() -> None:
    """By what is decisive for where it is sent."""
    assert misjudged(lambda before, after: destinations(before) == destinations(after)) == []


@pytest.mark.parametrize(
    ("naive", "finds"),
    [
        (lambda before, after: True, "host"),
        (lambda before, after: str(after["baseUrl"]).startswith("https://crm.example"), "sub-domain"),
        (lambda before, after: destinations(before)[1] == destinations(after)[1], "token URL"),
        (lambda before, after: before == after, "timeout"),
    ],
    ids=["always", "prefix", "base URL only", "nothing changes"],
)
def test_the_moves_find_a_naive_decision(naive: Decide, finds: str) -> None:
    """Mutants."""
    assert finds in misjudged(naive)


@pytest.mark.rows("C-018")
@pytest.mark.parametrize(
    ("change", "moves"), [row[1:] for row in MOVES if "type" not in row[1]], ids=[row[0] for row in MOVES[:-1]]
)
def test_a_secret_is_not_led_to_another_host(plane: Plane, change: dict[str, Any], moves: bool) -> None:
    """Whoever may edit a connection cannot send its secret to a host of their own: it must be given again."""
    plane.add(**BASE)
    masked = {"kind": OAUTH["kind"], "clientId": "apimgmt", "tokenUrl": OAUTH["tokenUrl"]}
    body = {**BASE, **change}
    body["authentication"] = {**masked, "tokenUrl": body["authentication"]["tokenUrl"]}
    answer = plane.change(**body)
    if moves:
        assert pointer(answer) == "/authentication/clientSecret"
        assert "given again" in answer.json()["detail"]
        body["authentication"] = {**body["authentication"], "clientSecret": "a new one"}
        answer = plane.change(**body)
    assert answer.status == 200
    assert plane.plain()["authentication"]["clientSecret"] == ("a new one" if moves else SECRET)


def test_a_kind_that_is_not_installed_any_more_shows_nothing(plane: Plane) -> None:
    """The connection is listed, every text of its authentication as a secret; its calls fail."""
    plane.add(authentication=BEARER)
    with plane.store.writing() as transaction:
        (row,) = transaction.resources("connection")
        content = row.content.replace('"kind":"bearer"', '"kind":"gone"')
        transaction.put_resource(msgspec.structs.replace(row, content=content))
    (shown,) = plane.send("GET", "/connections").json()
    assert shown["authentication"] == {"kind": "gone", "token": "***"}
    assert pointer(plane.send("POST", "/connections/crm/call", {"path": "/x"})) == "/authentication/kind"


# ---- lost keys -------------------------------------------------------------------------------------------------------

OLD, NEW = Fernet.generate_key().decode(), Fernet.generate_key().decode()


def keyed(tmp_path: Path, keys: str) -> Plane:
    """The platform on one folder, started with these keys."""
    return Plane(Settings(data=str(tmp_path), egress_allow="127.0.0.1", secret_keys=keys))


@pytest.mark.rows("C-018")
def test_after_the_keys_are_lost_secrets_are_given_again(tmp_path: Path) -> None:
    """The control plane starts and lists the connection with a warning; nothing else about it is lost."""
    before = keyed(tmp_path, OLD)
    before.add(authentication=BEARER, entities={"customers": {"path": "/customers"}})
    before.add("open")
    before.store.close()
    plane = keyed(tmp_path, NEW)
    listed = {one["name"]: one["warnings"] for one in plane.send("GET", "/connections").json()}
    assert any("cannot be decrypted" in warning for warning in listed["crm"]) and listed["open"] == []
    assert pointer(plane.change(authentication={"kind": "bearer"})) == "/authentication/token"
    for path in ("/connections/crm/test", "/connections/crm/call"):
        assert pointer(plane.send("POST", path, {"path": "/x"} if path.endswith("call") else None))
    found = plane.send("POST", "/secrets/renewal").json()
    assert (found["renewed"], found["lost"]) == ([], ["crm"])
    assert plane.change(authentication=BEARER).status == 200
    shown = plane.send("GET", "/connections/crm").json()
    assert shown["entities"] == {"customers": {"path": "/customers"}}
    assert not any("decrypted" in warning for warning in shown["warnings"])
    plane.store.close()


@pytest.mark.rows("C-018")
def test_a_key_is_replaced_by_a_newer_one(tmp_path: Path) -> None:
    """A new key before the old one, a renewal, and the old one can go."""
    before = keyed(tmp_path, OLD)
    before.add(authentication=BEARER)
    before.store.close()
    both = keyed(tmp_path, f"{NEW},{OLD}")
    assert both.send("POST", "/secrets/renewal").json() == {"renewed": ["crm"], "lost": [], "signingKey": None}
    both.store.close()
    after = keyed(tmp_path, NEW)
    assert after.plain()["authentication"] == BEARER
    after.store.close()


def test_a_lost_signing_key_is_started_over(tmp_path: Path) -> None:
    """The authorization server signs with a new key from then on; the old public key stays in the key set."""
    before = keyed(tmp_path, OLD)
    lost = before.control._signing.rotate()
    before.store.close()
    plane = keyed(tmp_path, NEW)
    fresh = plane.send("POST", "/secrets/renewal").json()["signingKey"]
    assert fresh and fresh != lost
    assert plane.send("POST", "/secrets/renewal").json()["signingKey"] is None
    assert plane.control._signing.sign({"sub": "x"}).count(".") == 2
    plane.store.close()


@pytest.mark.rows("C-018")
def test_a_worker_goes_on_without_a_connection_that_it_cannot_open(tmp_path: Path) -> None:
    """Its own calls fail and say why; all others are made."""
    plane = keyed(tmp_path, OLD)
    plane.add(authentication=BEARER)
    plane.add("open")
    archive = Archive(plane.settings.root)
    snapshot = archive.load_snapshot(archive.current()[0])
    known = Known()
    known.prepared(snapshot.connections, msgspec.structs.replace(plane.settings, secret_keys=NEW))()
    assert known.names() == ["crm", "open"]
    assert known.find("open").name == "open"
    with pytest.raises(ConnectionFailed) as caught:
        known.find("crm")
    assert caught.value.cause == "unusable" and SECRET not in str(caught.value)
    known.prepared(snapshot.connections, plane.settings)()
    assert known.find("crm").configuration.authentication == BEARER
    plane.store.close()
