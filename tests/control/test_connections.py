"""Connections in the admin API: tested before they are stored, refused with their place, called for trying out."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from connections.faults import Faults
from control_connections import BEARER, SECRET, TOKEN, URL, Plane, pointer
from control_samples import JSON, document
from pki import Holder, authority, rsa_key
from ruamel.yaml import YAML

from apimgmt.asgi import ADMIN_BASE  # importing it registers every plug-in
from apimgmt.connections.configuration import Breaker, Configuration, Limit, Proxy, Retries, Tls
from apimgmt.control.admin import DOCUMENT
from apimgmt.control.calls import DEEPEST
from apimgmt.errors import Problem
from apimgmt.model import Struct
from apimgmt.processes.echo import Echo
from apimgmt.registry import register
from apimgmt.settings import Settings
from harness import Answer, Client

ROOT = authority("Root")
PARTNER = ROOT.issue("partner-one")


@register("process", "forwarding-of-a-test")
class Forwarding(Echo, frozen=True):
    """A process that names a connection."""

    connection: str


@pytest.fixture
def plane(tmp_path: Path) -> Iterator[Plane]:
    """Nothing in it yet; 127.0.0.1 may be called."""
    plane = Plane(Settings(data=str(tmp_path), egress_allow="127.0.0.1"))
    yield plane
    plane.store.close()


@pytest.fixture(scope="module")
def refusing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plane]:
    """One for everything that is refused: nothing is ever stored in it."""
    plane = Plane(Settings(data=str(tmp_path_factory.mktemp("refusing"))))
    yield plane
    plane.store.close()


# ---- saved when it works ---------------------------------------------------------------------------------------------


@pytest.mark.rows("C-005")
def test_a_connection_is_tested_before_it_is_stored(plane: Plane) -> None:
    """One that works is made and published; one that does not is 422 with every step, and nothing is stored."""
    with Faults() as upstream:
        assert plane.add(query="", baseUrl=upstream.url).status == 201
        assert len(upstream.requests) == 1
    answer = plane.add("erp", query="", baseUrl=upstream.url)
    assert (answer.status, answer.json()["type"].rpartition("/")[2]) == (422, "connection-failed")
    steps = {step["step"]: step for step in answer.json()["test"]["steps"]}
    assert steps["connected"]["cause"] == "refused" and "firewall" in steps["connected"]["remedy"]
    assert answer.json()["detail"].startswith("connected: ")
    assert [one["name"] for one in plane.send("GET", "/connections").json()] == ["crm"]


@pytest.mark.rows("C-005")
def test_a_change_is_tested_before_it_is_stored(plane: Plane) -> None:
    """A change that breaks it is refused, and the state before stays; ``untested`` stores it all the same."""
    with Faults() as upstream:
        plane.add(query="", baseUrl=upstream.url)
    assert plane.change(query="", baseUrl=upstream.url, timeout=7).status == 422
    assert plane.send("GET", "/connections/crm").json()["timeout"] == 30
    assert plane.change(baseUrl=upstream.url, timeout=7).json()["timeout"] == 7


@pytest.mark.rows("C-005")
def test_a_test_stores_nothing(plane: Plane) -> None:
    """Of a body, and of what is stored; a failing test is a 200 whose answer says no."""
    with Faults() as upstream:
        found = plane.send("POST", "/connection-tests?path=/health", {"baseUrl": upstream.url}).json()
        assert found["ok"] and upstream.requests[0].target == "/health"
    assert plane.send("GET", "/connections").json() == []
    plane.add()
    answer = plane.send("POST", "/connections/crm/test")
    assert (answer.status, answer.json()["ok"]) == (200, False)


@pytest.mark.rows("C-006")
def test_a_connection_has_a_name_of_its_own(plane: Plane) -> None:
    """Shown wherever it is; unique; found by it and by its id; changed like the rest."""
    made = plane.add("Our CRM").json()
    assert made["name"] == "Our CRM"
    assert plane.add("Our CRM").status == 409
    assert plane.send("GET", f"/connections/{made['id']}").json()["name"] == "Our CRM"
    assert plane.send("PUT", f"/connections/{made['id']}?untested=true", {"name": "crm", "baseUrl": URL}).status == 200
    assert [one["name"] for one in plane.send("GET", "/connections").json()] == ["crm"]


def test_what_was_changed_in_between_is_not_overwritten(plane: Plane) -> None:
    """If-Match, as everywhere."""
    tag = plane.add().header("etag") or ""
    assert plane.change(timeout=5).status == 200
    assert plane.send("PUT", "/connections/crm?untested=true", {"baseUrl": URL}, tag=tag).status == 412


def test_the_tag_of_a_compressed_answer_is_that_of_the_state(plane: Plane) -> None:
    """A connection is long enough to be compressed, which makes its tag weak; sent back it still protects."""
    plane.add()
    headers = {"Authorization": f"Bearer {TOKEN}", "Accept-Encoding": "gzip"}
    shown = Client(plane.app).request("GET", f"{ADMIN_BASE}/connections/crm", headers)
    tag = shown.header("etag") or ""
    assert shown.header("content-encoding") == "gzip" and tag.startswith('W/"')
    assert plane.send("PUT", "/connections/crm?untested=true", {"baseUrl": URL, "timeout": 5}, tag=tag).status == 200
    assert plane.send("PUT", "/connections/crm?untested=true", {"baseUrl": URL, "timeout": 6}, tag=tag).status == 412


# ---- what is dangerous -----------------------------------------------------------------------------------------------


@pytest.mark.rows("C-022")
@pytest.mark.parametrize(
    "members", [{"tls": {"verify": False}}, {"internalHosts": ["10.0.0.7"]}], ids=["verify", "internalHosts"]
)
def test_only_an_administrator_weakens_a_connection(plane: Plane, members: dict[str, Any]) -> None:
    """A designer gets 403, also for a mere test; an administrator leaves a note, and every list shows it."""
    designer = plane.join("dora", "designer")
    assert plane.add(token=designer).status == 201
    for answer in (
        plane.add("erp", token=designer, **members),
        plane.change(token=designer, **members),
        plane.send("POST", "/connection-tests", {"baseUrl": URL, **members}, designer),
    ):
        assert answer.status == 403 and "administrator" in answer.json()["detail"]
    assert plane.change(**members).status == 200
    (shown,) = plane.send("GET", "/connections", token=designer).json()
    assert len(shown["warnings"]) == 1 and next(iter(members)) in shown["warnings"][0]
    entry = plane.send("GET", "/audit?subject=connection").json()[-1]
    assert (entry["who"], entry["action"]) == ("admin", "replaceConnection")
    assert entry["after"]["settings"][next(iter(members))] == next(iter(members.values()))


@pytest.mark.rows("C-022")
def test_what_an_administrator_said_stands_while_it_goes_to_the_same_place(plane: Plane) -> None:
    """A designer changes the timeout of an unverified connection, and does not lead it to another host."""
    designer = plane.join("dora", "designer")
    plane.add(baseUrl="https://127.0.0.1:9", tls={"verify": False})
    same = {"baseUrl": "https://127.0.0.1:9", "tls": {"verify": False}}
    assert plane.change(token=designer, **same, timeout=5).status == 200
    assert plane.change(token=designer, **{**same, "baseUrl": "https://127.0.0.1:10"}).status == 403
    assert plane.change(token=designer, baseUrl="https://127.0.0.1:9").status == 200
    assert plane.change(token=designer, **same).status == 403


@pytest.mark.rows("C-022")
def test_a_credential_is_not_sent_where_no_certificate_is_checked(plane: Plane) -> None:
    """Refused, unless the administrator insists (T46); without a credential there is nothing to insist on."""
    unverified = {"baseUrl": "https://127.0.0.1:9", "tls": {"verify": False}}
    assert plane.add("open", **unverified).status == 201
    assert pointer(plane.add(authentication=BEARER, **unverified)) == "/tls/verify"
    assert plane.add(query="untested=true&force=true", authentication=BEARER, **unverified).status == 201
    assert plane.change(authentication={"kind": "bearer"}, **unverified, timeout=3).status == 200
    headers = {"secretHeaders": {"X-Key": SECRET}}
    assert pointer(plane.add("erp", **headers, **unverified)) == "/tls/verify"
    # what was said of a connection without a credential is not said of one with
    designer = plane.join("dora", "designer")
    assert plane.change("open", token=designer, **unverified, timeout=3).status == 200
    for query in ("untested=true", "untested=true&force=true"):
        assert pointer(plane.change("open", query, designer, **headers, **unverified)) == "/tls/verify"


def test_a_credential_over_http_is_shown_in_every_list(plane: Plane) -> None:
    """Allowed, for there are networks that are safe, and not forgotten."""
    plane.add(authentication=BEARER)
    assert plane.send("GET", "/connections").json()[0]["warnings"] == ["its credential is sent unencrypted (http)"]


# ---- what is wrong ---------------------------------------------------------------------------------------------------


def encrypted_key(holder: Holder) -> str:
    """The key of a holder, with a password."""
    from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat

    return str(
        holder.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"password")).decode()
    )


WRONG: list[tuple[str, dict[str, Any]]] = [
    ("/baseUrl", {"baseUrl": ""}),
    ("/baseUrl", {"baseUrl": "crm.example"}),
    ("/baseUrl", {"baseUrl": "ftp://crm.example"}),
    ("/baseUrl", {"baseUrl": "https:///v2"}),
    ("/baseUrl", {"baseUrl": "https://user:password@crm.example"}),
    ("/baseUrl", {"baseUrl": "https://crm.example/ v2"}),
    ("/baseUrl", {"baseUrl": "https://crm.example/#part"}),
    ("/baseUrl", {"baseUrl": "https://crm.example:99999"}),
    ("/baseUrl", {"baseUrl": "https://crm.example\\@evil.example"}),
    ("/baseUrl", {"type": "sql", "baseUrl": "https://crm.example"}),
    ("/authentication/kind", {"authentication": {"kind": "magic"}}),
    ("/authentication/token", {"authentication": {"kind": "bearer"}}),
    ("/authentication/token", {"authentication": {"kind": "bearer", "token": 5}}),
    ("/authentication/tokens", {"authentication": {"kind": "bearer", "token": "a", "tokens": "b"}}),
    ("/headers/X A", {"headers": {"X A": "1"}}),
    ("/headers/X-A", {"headers": {"X-A": "1\r\nX-B: 2"}}),
    ("/headers/X-A", {"headers": {"X-A": "1\x00"}}),
    ("/headers/X-A", {"headers": {"X-A": "\u20ac"}}),
    ("/headers/Transfer-Encoding", {"headers": {"Transfer-Encoding": "chunked"}}),
    ("/headers/host", {"headers": {"host": "evil.example"}}),
    ("/headers/Authorization", {"headers": {"Authorization": "Bearer x"}, "authentication": BEARER}),
    ("/secretHeaders/x-key", {"headers": {"X-Key": "1"}, "secretHeaders": {"x-key": "2"}}),
    ("/secretHeaders/X-A", {"secretHeaders": {"X-A": "1\n2"}}),
    ("/idempotencyKey", {"idempotencyKey": "a b"}),
    ("/tls/authorities", {"tls": {"authorities": "-----BEGIN CERTIFICATE-----"}}),
    ("/tls/certificate", {"tls": {"certificate": "no PEM", "key": PARTNER.secret}}),
    ("/tls/key", {"tls": {"certificate": PARTNER.pem}}),
    ("/tls/certificate", {"tls": {"key": PARTNER.secret}}),
    ("/tls/key", {"tls": {"certificate": PARTNER.pem, "key": "no PEM"}}),
    ("/tls/key", {"tls": {"certificate": PARTNER.pem, "key": ROOT.secret}}),
    ("/tls/key", {"tls": {"certificate": PARTNER.pem, "key": ROOT.issue("rsa", key=rsa_key()).secret}}),
    ("/tls/key", {"tls": {"certificate": PARTNER.pem, "key": encrypted_key(PARTNER)}}),
    ("/proxy/url", {"proxy": {"url": "proxy.example:3128"}}),
    ("/proxy/url", {"proxy": {"url": "http://user:password@proxy.example:3128"}}),
    ("/proxy/url", {"proxy": {"url": "http://proxy.example:3128/path"}}),
    ("/proxy/username", {"proxy": {"url": "http://proxy.example:3128", "password": "x"}}),
    ("/internalHosts/1", {"internalHosts": ["10.0.0.1", "10.0.0.0/99"]}),
    ("/retries/count", {"retries": {"count": 11}}),
    ("/limit/requests", {"limit": {}}),
    ("/timeout", {"timeout": 0}),
    ("/timeOut", {"timeOut": 5}),
    ("/tls/verified", {"tls": {"verified": True}}),
    ("/entities/customers/path", {"entities": {"customers": {"path": 5}}}),
    ("/entities/a~1b", {"entities": {"a/b": {"path": "/x"}}}),
]


@pytest.mark.rows("C-023")
@pytest.mark.parametrize(
    ("place", "members"),
    WRONG,
    ids=[f"{index}-{place[1:].replace('/', '.')}" for index, (place, _) in enumerate(WRONG)],
)
def test_what_is_wrong_is_refused_with_its_place(refusing: Plane, place: str, members: dict[str, Any]) -> None:
    """Before anything is stored, and never with a part of a secret in the answer."""
    answer = refusing.add(**members)
    assert (answer.status, [error["pointer"] for error in answer.json()["errors"]]) == (400, [place])
    assert "PRIVATE KEY" not in answer.text and "password@" not in answer.text
    assert refusing.send("GET", "/connections").json() == []


@pytest.mark.rows("C-023")
def test_a_client_certificate_is_uploaded(plane: Plane) -> None:
    """Its key is never shown again, and a worker has both."""
    shown = plane.add(tls={"certificate": PARTNER.pem, "key": PARTNER.secret}).json()["tls"]
    assert (shown["certificate"], shown["key"]) == (PARTNER.pem, "***")
    assert plane.plain()["tls"]["key"] == PARTNER.secret


def test_the_document_has_every_member() -> None:
    """``openapi.yaml`` takes and shows exactly what a connection has."""
    components = YAML(typ="safe", pure=True).load(DOCUMENT)["components"]
    sent = components["requestBodies"]["Connection"]["content"]["application/json"]["schema"]["properties"]
    shown = components["schemas"]["Connection"]["properties"]
    members = {field.encode_name for field in msgspec.structs.fields(Configuration)}
    assert sent.keys() == members | {"name", "entities"}
    assert shown.keys() == members | {"id", "name", "created", "warnings", "entities"}
    parts: dict[str, type[Struct]] = {
        "Retries": Retries,
        "Limit": Limit,
        "Breaker": Breaker,
        "Tls": Tls,
        "Proxy": Proxy,
    }
    for name, struct in parts.items():
        fields = {field.encode_name for field in msgspec.structs.fields(struct)}
        assert components["schemas"][f"Connection{name}"]["properties"].keys() == fields


# ---- what uses it ----------------------------------------------------------------------------------------------------


def bound(plane: Plane, name: str = "crm") -> Answer:
    """An API whose first operation is bound to a connection."""
    api = plane.control.upload(document(), JSON).id
    return plane.send(
        "PUT", f"/apis/{api}/bindings", {"get /books": {"kind": "forwarding-of-a-test", "connection": name}}
    )


def test_a_connection_that_operations_are_bound_to_stays(plane: Plane) -> None:
    """It is neither removed nor renamed, and the refusal names the operations; unbound it goes."""
    plane.add()
    assert bound(plane).status == 200
    renamed = plane.send("PUT", "/connections/crm?untested=true", {"name": "erp", "baseUrl": URL})
    for answer in (plane.send("DELETE", "/connections/crm"), renamed):
        assert answer.status == 409 and "shop: get /books" in answer.json()["detail"]
    assert plane.change(timeout=3).status == 200
    plane.send("PUT", "/apis/shop/bindings", {"get /books": {"kind": "mock"}})
    assert plane.send("DELETE", "/connections/crm").status == 204


def test_an_operation_is_not_bound_to_a_connection_that_is_not_there(plane: Plane) -> None:
    """The refusal names those that there are."""
    plane.add("erp")
    answer = bound(plane)
    assert pointer(answer) == "/get ~1books"
    assert "there is no connection 'crm'; there are: erp" in answer.json()["detail"]


def test_a_connection_that_only_receives_needs_no_base_url(plane: Plane) -> None:
    """It is tested by nothing, and a call through it says what is missing; of every other one the URL is needed."""
    signature = {"kind": "signature", "secret": f"whsec_{'A' * 43}="}
    members = {"name": "payments", "type": "webhook", "authentication": signature}
    assert plane.send("POST", "/connections", members).status == 201
    found = plane.send("POST", "/connections/payments/test").json()
    assert found["ok"] and {step["state"] for step in found["steps"]} == {"skipped"}
    called = plane.send("POST", "/connections/payments/call", {"path": "/x"})
    assert called.status == 422 and called.json()["cause"] == "address"
    assert plane.send("PUT", "/connections/payments", {**members, "timeout": 5}).status == 200
    for other in ({"authentication": BEARER}, {"type": "rest"}):
        assert pointer(plane.send("POST", "/connections", {**members, "name": "other", **other})) == "/baseUrl"


# ---- entities and calls ----------------------------------------------------------------------------------------------


def test_entities_are_changed_one_by_one(plane: Plane) -> None:
    """Made, shown, listed, refused with their place, removed; the settings of the connection stay as they are."""
    plane.add(authentication=BEARER)
    answer = plane.send("PUT", "/connections/crm/entities/customers", {"path": "/customers"})
    assert (answer.status, answer.json()) == (200, {"path": "/customers"})
    assert plane.send("GET", "/connections/crm/entities/customers").header("etag") == answer.header("etag")
    listed = plane.send("GET", "/connections/crm/entities").json()
    assert listed == [{"name": "customers", "definition": {"path": "/customers"}}]
    assert pointer(plane.send("PUT", "/connections/crm/entities/customers", {"path": 5})) == "/path"
    assert pointer(plane.send("PUT", "/connections/crm/entities/customers", {"paths": "/"})) == "/paths"
    tag = answer.header("etag") or ""
    assert plane.send("PUT", "/connections/crm/entities/orders", {"path": "/orders"}, tag=tag).status == 200
    assert plane.send("PUT", "/connections/crm/entities/orders", {"path": "/o"}, tag=tag).status == 412
    assert plane.send("DELETE", "/connections/crm/entities/orders", tag=tag).status == 412
    assert plane.send("DELETE", "/connections/crm/entities/orders").status == 204
    for method in ("GET", "DELETE"):
        assert plane.send(method, "/connections/crm/entities/orders").status == 404
    assert plane.change(authentication={"kind": "bearer"}).json()["entities"] == {"customers": {"path": "/customers"}}
    assert plane.plain()["authentication"] == BEARER


def test_a_call_gives_the_answer_without_the_secrets(plane: Plane) -> None:
    """Status, fields, body, time and attempts; what the other system says again of our secret is masked."""
    said = msgspec.json.encode({"you sent": f"Bearer {SECRET}", "rows": [1]})
    with Faults(body=said, headers=(("Content-Type", "application/json"), ("X-Echo", SECRET))) as upstream:
        plane.add(baseUrl=upstream.url, authentication=BEARER)
        answer = plane.send("POST", "/connections/crm/call", {"path": "/a", "query": {"b": [1, 2]}})
        assert upstream.requests[0].target == "/a?b=1&b=2"
        assert upstream.requests[0].headers["authorization"] == f"Bearer {SECRET}"
    found = answer.json()
    assert (found["status"], found["attempts"], found["body"]) == (200, 1, {"you sent": "Bearer ***", "rows": [1]})
    assert {"name": "x-echo", "value": "***"} in found["headers"]
    assert SECRET not in answer.text


def test_a_call_that_may_change_something_is_noted(plane: Plane) -> None:
    """Who, when, method and path, without the query; reading is not noted."""
    with Faults() as upstream:
        plane.add(baseUrl=upstream.url)
        for method in ("GET", "POST"):
            assert plane.send("POST", "/connections/crm/call", {"method": method, "path": "/a?b=1"}).status == 200
    entries = plane.send("GET", "/audit?subject=connection").json()[1:]
    assert [(entry["action"], entry["after"]) for entry in entries] == [("callConnection", {"call": "POST /a"})]


def test_an_entity_is_read_through_the_admin_api(plane: Plane) -> None:
    """Its first rows, and whether there are more."""
    with Faults(body=b"[1, 2, 3]") as upstream:
        plane.add(baseUrl=upstream.url, entities={"customers": {"path": "/customers"}})
        found = plane.send("POST", "/connections/crm/call", {"entity": "customers", "most": 2}).json()
    assert found == {"rows": [1, 2], "more": True}
    answer = plane.send("POST", "/connections/crm/call", {"entity": "nobody"})
    assert answer.status == 400 and "it has: customers" in answer.json()["detail"]


@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}")], ids=["lists", "objects"])
def test_an_answer_that_is_nested_deeply_is_shown_as_text(plane: Plane, opening: bytes, closing: bytes) -> None:
    """At the limit it is JSON; one past it a text, and no row; however deep it is, it is no defect of ours."""
    for depth in (DEEPEST, DEEPEST + 1, 900):
        said = opening * (depth - 1) + b"[]" + closing * (depth - 1)
        with Faults(body=said) as upstream:
            plane.add(f"deep-{depth}", baseUrl=upstream.url, entities={"all": {"path": "/"}})
            found = plane.send("POST", f"/connections/deep-{depth}/call", {"path": "/"}).json()
            rows = plane.send("POST", f"/connections/deep-{depth}/call", {"entity": "all"})
        assert found["body"] == (msgspec.json.decode(said) if depth == DEEPEST else said.decode())
        # of a list each member is a row
        assert rows.status == (200 if depth - (opening == b"[") <= DEEPEST else 422)


def test_rows_of_a_database_are_read_through_the_admin_api(plane: Plane) -> None:
    """With values that JSON does not have as texts."""
    (plane.settings.root / "databases").mkdir(parents=True)
    with sqlite3.connect(plane.settings.root / "databases" / "shop.db") as session:
        session.executescript(
            "CREATE TABLE a (id INTEGER PRIMARY KEY, born DATE); INSERT INTO a VALUES (1, '1815-12-10')"
        )
    session.close()
    plane.add(type="sql", baseUrl="sqlite:///shop.db", entities={"a": {"table": "a"}})
    found = plane.send("POST", "/connections/crm/call", {"entity": "a", "parameters": {"id": 1}})
    assert found.json() == {"rows": [{"id": 1, "born": "1815-12-10"}], "more": False}


def test_a_call_that_fails_says_why(plane: Plane) -> None:
    """422 with cause and remedy; a path that is a URL is refused; a viewer does not call at all."""
    plane.add(retries={"count": 0})
    answer = plane.send("POST", "/connections/crm/call", {"path": "/x"})
    assert (answer.status, answer.json()["cause"]) == (422, "refused")
    answer = plane.send("POST", "/connections/crm/call", {"path": "https://evil.example/x"})
    assert (answer.status, answer.json()["cause"]) == (422, "address")
    assert plane.send("POST", "/connections/crm/call", {"path": "/x"}, plane.join("vera", "viewer")).status == 403


def test_a_publish_that_would_leave_an_operation_without_its_connection_is_refused(plane: Plane) -> None:
    """Whatever way the connection went: the check is where everything is published."""
    plane.add()
    bound(plane)
    plane.control.publish("shop")
    with pytest.raises(Problem, match="there is no connection 'crm'"):
        plane.control._publisher.publish(
            lambda transaction: [transaction.remove_resource(row.id) for row in transaction.resources("connection")]
        )
    assert plane.send("GET", "/connections/crm").status == 200
