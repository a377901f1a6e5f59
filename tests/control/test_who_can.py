"""Who may call what, before anybody calls: the same answers as at run time (apimgmt/control/access.py)."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from control_samples import JSON, Taken

from apimgmt.archive import Archive
from apimgmt.control.service import Control
from apimgmt.control.store import Store
from apimgmt.errors import Problem
from apimgmt.gateway.app import Gateway
from apimgmt.gateway.runtime import build
from apimgmt.settings import Settings
from apimgmt.spec.compiler.compiler import compile_document
from apimgmt.spec.intake.loader import load
from harness import Client

KEY = {"k": {"type": "apiKey", "in": "header", "name": "X-API-Key"}, "u": {"type": "http", "scheme": "basic"}}
ORDER = {"name": "id", "in": "path", "required": True, "schema": {"type": "integer"}}


def operation(security: Any = None, *parameters: Any) -> dict[str, Any]:
    """An operation with this ``security``; None leaves it out."""
    said = {} if security is None else {"security": security}
    return {"responses": {"200": {"description": "ok"}}, "parameters": list(parameters), **said}


DOCUMENT = {
    "openapi": "3.0.3",
    "info": {"title": "Orders", "version": "1"},
    "components": {"securitySchemes": KEY},
    "paths": {
        "/orders": {"get": operation(), "post": operation([{"k": []}])},
        "/orders/{id}": {"get": operation([{"k": []}], ORDER)},
        "/orders/open": {"get": operation([{"k": []}, {}])},
        "/orders/both": {"get": operation([{"k": [], "u": []}])},
        "/orders/user": {"get": operation([{"u": []}])},
        "/orders/public": {"get": operation([])},
    },
}
CALLS = ("/orders", "/orders/7", "/orders/open", "/orders/both", "/orders/user", "/orders/public")


def take_in(content: bytes, media_type: str, settings: Settings) -> Taken:
    """The real intake, in this process."""
    loaded = load(content, media_type, settings)
    return Taken((), msgspec.json.encode(compile_document(loaded)), msgspec.json.encode(loaded.root))


@pytest.fixture
def control(settings: Settings, store: Store, archive: Archive) -> Control:
    """A control plane that takes real documents."""
    return Control(settings, store, archive, take_in)


@pytest.fixture
def texts(control: Control) -> dict[str, str]:
    """An API at /shop and three keys: one may read, one may nothing, one was revoked; their texts by name."""
    control.upload(msgspec.json.encode(DOCUMENT), JSON, base_path="/shop", allow_public=True, publish=True)
    control.rulesets.create({"name": "readers", "rules": [{"methods": ["GET"], "path": "/shop/orders/**"}]})
    made = {
        "reader": control.keys.create({"name": "reader", "rulesets": ["readers"]}),
        "poor": control.keys.create({"name": "poor", "rules": [{"path": "/shop/order/**"}]}),
        "gone": control.keys.create({"name": "gone", "rulesets": ["readers"]}),
    }
    control.keys.delete("gone")
    return {name: shown.view["key"] for name, shown in made.items()}


def decision(control: Control, who: str, method: str, path: str) -> dict[str, Any]:
    """The one decision about a caller."""
    (found,) = control.access(method, path, who)["decisions"]
    assert isinstance(found, dict)
    return found


def test_the_deciding_rule_is_named(control: Control, texts: dict[str, str]) -> None:
    """By a path as callers write it and by the template, with the ruleset that the rule came from."""
    for path in ("/shop/orders/7", "/shop/orders/{id}"):
        answer = control.access("get", path, "key:reader")
        assert (answer["template"], answer["operation"]) == ("/shop/orders/{id}", "get /orders/{id}")
        (found,) = answer["decisions"]
        assert found["allowed"] and found["ruleset"] == "readers"
        assert found["rule"] == {"methods": ["GET"], "path": "/shop/orders/**"}
        assert found["why"] == "allowed by the rule GET /shop/orders/** (ruleset readers)"


def test_what_is_missing_is_named(control: Control, texts: dict[str, str]) -> None:
    """With the code that the caller would get, and the rules that were looked at."""
    poor = decision(control, "key:poor", "GET", "/shop/orders/7")
    assert (poor["allowed"], poor["code"]) == (False, "forbidden")
    assert "looked at: any method /shop/order/**" in poor["why"]
    nobody = decision(control, "nobody", "GET", "/shop/orders/7")
    assert (nobody["code"], nobody["why"]) == ("credential-missing", "the operation takes apiKey")
    both = decision(control, "key:reader", "GET", "/shop/orders/both")
    assert both["code"] == "credential-missing" and both["why"].endswith("but it also takes basic")
    user = decision(control, "key:reader", "GET", "/shop/orders/user")
    assert (user["code"], user["why"]) == ("credential-missing", "the operation takes basic")


def test_who_can_lists_those_who_are_let_in(control: Control, texts: dict[str, str]) -> None:
    """Nobody else, and ``nobody`` where no credential is needed."""

    def everybody(method: str, path: str) -> list[str]:
        return [one["who"] for one in control.access(method, path)["decisions"]]

    assert everybody("GET", "/shop/orders/{id}") == ["key:reader"]
    assert everybody("HEAD", "/shop/orders/7") == ["key:reader"]
    assert everybody("POST", "/shop/orders") == []
    assert "nobody" in everybody("GET", "/shop/orders/public")


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/shop/order"), ("PUT", "/shop/orders"), ("GET", "/orders"), ("GET", "/shop/orders//7"), ("GET", "/shop")],
)
def test_what_is_no_operation_is_said(control: Control, texts: dict[str, str], method: str, path: str) -> None:
    """404, as a caller would get, or 400 for what is no path."""
    with pytest.raises(Problem) as caught:
        control.access(method, path)
    assert caught.value.code == "not-found"


@pytest.mark.parametrize("who", ["key:nobody", "somebody", "pet:reader", "key:"])
def test_a_caller_that_is_not_there_is_said(control: Control, texts: dict[str, str], who: str) -> None:
    """A typing error is not a refusal; also for an operation that takes no key."""
    for path in ("/shop/orders/7", "/shop/orders/user"):
        with pytest.raises(Problem) as caught:
            control.access("GET", path, who)
        assert caught.value.code == "not-found"


@pytest.mark.rows("F-036", "F-037", "X-003")
def test_the_answers_are_those_of_the_gateway(
    control: Control, archive: Archive, settings: Settings, texts: dict[str, str]
) -> None:
    """Every caller and every operation: allowed is 200, a code is the code of the refusal."""
    gone = control.keys.all()
    names = {view["name"].split(" ")[0]: view["name"] for view in gone}
    snapshot = archive.load_snapshot(archive.current()[0])
    client = Client(Gateway(build(snapshot, archive.load_api, archive.load_document, settings)))
    for path in CALLS:
        for name in (*texts, ""):
            who = f"key:{names[name]}" if name else "nobody"
            headers = {"X-API-Key": texts[name]} if name else {}
            answer = client.request("GET", f"/shop{path}", headers)
            told = decision(control, who, "GET", f"/shop{path}")
            wanted = "" if answer.status == 200 else answer.json()["type"].rpartition("/")[2]
            assert told["code"] == wanted, (who, path, told)
