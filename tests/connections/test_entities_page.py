"""The examples of the page on entities run, as they stand there, against systems that behave as the page says."""

from __future__ import annotations

import doctest
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import msgspec
import pytest
import responses

import apimgmt.asgi  # noqa: F401  registers every plug-in
from apimgmt.connections.checking import check, check_entities
from apimgmt.connections.configuration import Configuration, with_secrets
from apimgmt.connections.entities.entity import Entity
from apimgmt.connections.entities.pagination import Kinds
from apimgmt.connections.known import connections
from apimgmt.encryption import Encryption
from apimgmt.model import ConnectionEntry
from apimgmt.reading import read
from apimgmt.settings import Settings

PAGE = Path(__file__).resolve().parents[2] / "docs" / "entities.md"
SECTIONS = re.split(r"\n## ", PAGE.read_text("utf-8"))
Answer = tuple[int, dict[str, str], str]


def blocks(kind: str, text: str) -> list[str]:
    """The blocks of that kind in a text."""
    return re.findall(rf"```{kind}\n(.*?)```", text, re.DOTALL)


def described() -> list[dict[str, Any]]:
    """The connections that the page describes; one-line blocks are parts of entities."""
    return [json.loads(block) for block in blocks("json", "".join(SECTIONS)) if block.startswith("{\n")]


def entry(described: dict[str, Any], settings: Settings) -> ConnectionEntry:
    """One as the control plane would publish it, checked and with its secrets encrypted."""
    members = {name: value for name, value in described.items() if name not in ("name", "entities")}
    check(read(members, Configuration))
    check_entities(members.get("type", "rest"), described["entities"])
    sealed = with_secrets(members, Encryption(settings).encrypt)
    return ConnectionEntry(
        id=described["name"], name=described["name"], settings=sealed, entities=described["entities"]
    )


@pytest.fixture
def known(tmp_path: Path) -> Iterator[None]:
    """The connections of the page, in place."""
    settings = Settings(data=str(tmp_path))
    connections.prepared([entry(one, settings) for one in described()], settings)()
    yield
    connections.prepared((), Settings())()


def answering(method: str, url: str, answer: Callable[[Any, dict[str, str]], Any]) -> None:
    """Answer with what the function makes of the request and its query: a JSON value, or a status."""

    def reply(request: Any) -> Answer:
        made = answer(request, dict(parse_qsl(urlsplit(request.url).query)))
        return (made, {}, "{}") if isinstance(made, int) else (200, {}, json.dumps(made))

    responses.add_callback(method, re.compile(re.escape(url) + r"(\?.*)?$"), reply)


def authorized(request: Any, field: str, value: str) -> None:
    """The request has its credential."""
    assert request.headers[field] == value


def crm() -> None:
    """Five endpoints behind a key; it knows three customers, and numbers new ones from 4."""
    base = "https://crm.company.com/api/v2"
    people = [("Ada", "2024"), ("Grace", "2025"), ("Edsger", "2026")]
    customers = [
        {"id": n, "name": name, "createdAt": f"{year}-01-01T00:00:00Z"} for n, (name, year) in enumerate(people, 1)
    ]
    numbers = iter(range(4, 100))

    def page(request: Any, query: dict[str, str]) -> Any:
        authorized(request, "X-API-Key", "your-api-key-here")
        assert query["status"] == "active" and query["per_page"] == "2"
        start = 2 * int(query["page"]) - 2
        return {"data": {"customers": customers[start : start + 2]}, "meta": {"totalPages": 2}}

    def create(request: Any, _: dict[str, str]) -> Any:
        authorized(request, "X-API-Key", "your-api-key-here")
        row = json.loads(request.body)
        return {"id": next(numbers), **row} if row["name"] else 422

    answering("GET", f"{base}/customers", page)
    answering("POST", f"{base}/customers", create)
    answering("PUT", f"{base}/customers/4", lambda request, _: {"id": 4, **json.loads(request.body)})
    answering("GET", f"{base}/customers/99", lambda *_: 404)
    answering("GET", f"{base}/orders", lambda _, query: [{"order": 10, "customer": query["customer_id"]}])
    responses.delete(f"{base}/customers/4", status=204)


def shop() -> None:
    """Says what it was sent."""
    base = "https://shop.company.com"
    order = re.compile(re.escape(base) + "/customers/.*")

    def echo(request: Any) -> Answer:
        shown = {"path": urlsplit(request.url).path, "request": request.headers["X-Request-ID"]}
        return 200, {}, json.dumps(shown)

    responses.add_callback("GET", order, echo)
    answering("POST", f"{base}/subscriptions", lambda request, _: json.loads(request.body))
    answering("POST", f"{base}/login", lambda request, _: {"form": request.body.decode()})


def data() -> None:
    """Reference data, parts that change, and a catalogue."""
    countries = [{"code": "DE", "name": "Germany"}, {"code": "FI", "name": "Finland"}]
    answering("GET", "https://reference.company.com/countries", lambda *_: countries)
    first = [{"part": "bolt", "modified": "2026-01-02T00:00:00Z"}, {"part": "nut", "modified": "2026-01-01T00:00:00Z"}]
    later = [{"part": "screw", "modified": "2026-01-05T00:00:00Z"}]
    answering("GET", "https://erp.company.com/parts", lambda _, query: later if "modified_since" in query else first)

    def catalogue(request: Any, _: dict[str, str]) -> Any:
        asked = json.loads(request.body)
        if "prices" in asked["query"]:
            return {"errors": [{"message": 'Cannot query field "prices".', "path": ["prices"]}]}
        if "price" in asked["query"]:
            return {"data": {"product": {"price": 10}}}
        start = int(asked["variables"]["after"] or 0)
        nodes = [{"sku": sku} for sku in "abc"[start : start + asked["variables"]["first"]]]
        info = {"endCursor": str(start + 2), "hasNextPage": start + 2 < 3}
        return {"data": {"products": {"nodes": nodes, "pageInfo": info}}}

    answering("POST", "https://catalogue.company.com/graphql", catalogue)


def salesforce() -> None:
    """Gives out one token, and only one."""
    host = "https://yourinstance.salesforce.com"
    base = f"{host}/services/data/v54.0"
    tokens = iter(["t0ken"])

    def token(request: Any, _: dict[str, str]) -> Any:
        body = request.body if isinstance(request.body, str) else request.body.decode()
        assert parse_qs(body)["grant_type"] == ["client_credentials"]
        return {"access_token": next(tokens), "token_type": "Bearer", "expires_in": 3600}

    def accounts(request: Any, _: dict[str, str]) -> Any:
        authorized(request, "Authorization", "Bearer t0ken")
        return {"objectDescribe": {}, "recentItems": [{"Id": "001A", "Name": "Acme"}]}

    def record(letter: str, day: int) -> dict[str, str]:
        return {"Id": f"001{letter}", "LastModifiedDate": f"2026-01-0{day}T03:04:05.000+0000"}

    def found(request: Any, query: dict[str, str]) -> Any:
        authorized(request, "Authorization", "Bearer t0ken")
        assert query["q"].startswith("SELECT Id")
        return {"records": [record("A", 2)], "done": False, "nextRecordsUrl": "/services/data/v54.0/query/01g-2"}

    answering("POST", f"{host}/services/oauth2/token", token)
    answering("GET", f"{base}/sobjects/Account", accounts)
    answering("GET", f"{base}/query", found)
    answering("GET", f"{base}/query/01g-2", lambda *_: {"records": [record("B", 3)], "done": True})


def stripe() -> None:
    """Two pages, the second one after the last id of the first."""
    url = "https://api.stripe.com/v1/customers"

    def row(number: int) -> dict[str, Any]:
        return {"id": f"cus_{number}", "object": "customer", "created": 1_680_893_993 + number}

    def page(request: Any, query: dict[str, str]) -> Any:
        authorized(request, "Authorization", "Bearer sk_live_xxx")
        assert query["limit"] == "100"
        after = query.get("starting_after")
        return {"data": [row(3)] if after else [row(1), row(2)], "has_more": not after}

    def create(request: Any, _: dict[str, str]) -> Any:
        assert request.headers["Content-Type"] == "application/x-www-form-urlencoded"
        return {"id": "cus_4", **dict(parse_qsl(request.body.decode()))}

    answering("GET", url, page)
    answering("POST", url, create)


@pytest.mark.rows("C-026", "C-036", "C-039", "C-041", "C-047", "C-052", "C-053", "C-054", "C-077", "C-078", "C-079")
@responses.activate
def test_the_examples_run_as_they_stand(known: None) -> None:
    """Every line after ``>>>`` gives what the page says, from the first to the last."""
    for system in (crm, shop, data, salesforce, stripe):
        system()
    text = "\n".join(blocks("python", "".join(SECTIONS)))
    example = doctest.DocTestParser().get_doctest(text, {}, PAGE.name, str(PAGE), 0)
    said: list[str] = []
    results = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(example, out=said.append)
    assert (results.failed, results.attempted >= 30) == (0, True), "".join(said)


def test_the_defaults_of_the_page_are_the_defaults() -> None:
    """Each kind of pagination, written out, is what it is without its members."""
    lines = [
        line
        for block in blocks("json", "".join(SECTIONS))
        if not block.startswith("{\n")
        for line in block.splitlines()
    ]
    assert len(lines) == 4
    for line in lines:
        written = json.loads(line)
        assert read(written, Kinds) == read({"kind": written["kind"]}, Kinds)  # type: ignore[arg-type]


def test_every_member_of_an_entity_is_on_the_page() -> None:
    """A new one needs a place in the table."""
    text = next(section for section in SECTIONS if section.startswith("What an entity has"))
    missing = {field.encode_name for field in msgspec.structs.fields(Entity) if f"`{field.encode_name}`" not in text}
    assert not missing
