"""A credential in the query gets as far as the check and no further (apimgmt/gateway/credentials.py, H-018, S-29)."""

from __future__ import annotations

import logging
from typing import Any
from urllib.parse import quote

import pytest

from apimgmt.auth.keytext import make
from harness import Client, api_key, serve

# a whole text, written out so that the tests have the same names in every process
KEY = "apim_default_IghUIdo6WxW5xQKtUD6a9OMS1hMuawdjs07DIkRuGzh_3O9Z17"


def api(security: Any = None, parameters: Any = (), **options: Any) -> Client:
    """One operation ``GET /x`` that gives its request back, at the key ``KEY``."""
    operation: dict[str, Any] = {"parameters": list(parameters), "responses": {"200": {"description": "ok"}}}
    if security is not None:
        operation["security"] = security
    document = {
        "openapi": "3.0.3",
        "info": {"title": "t", "version": "1"},
        "components": {"securitySchemes": {"token": {"type": "apiKey", "in": "query", "name": "to ken"}}},
        "paths": {"/x": {"get": operation}},
    }
    return serve(document, keys=[api_key(KEY)], **{"authentication": "document", **options})


def spellings() -> list[str]:
    """The key in the query, written in several ways and at several places."""
    name = "%61pi_ke%79"
    return [
        f"api_key={KEY}",
        f"a=1&api_key={KEY}&b=2",
        f"{name}={quote(KEY)}&a=1",
        f"api_key={KEY.replace('_', '%5F')}&a=1&",
    ]


@pytest.mark.rows("H-014", "H-018")
@pytest.mark.parametrize("query", spellings())
def test_the_platform_key_in_the_query_opens_and_is_gone(query: str) -> None:
    """Neither a parameter nor the URI of the request has it; other parameters stay."""
    answer = api().get(f"/x?{query}")
    assert answer.status == 200
    assert KEY not in answer.text and KEY.replace("_", "%5F") not in answer.text and "api_key" not in answer.text
    assert ("a" in answer.json()["parameters"]["query"]) is ("a=1" in query)


@pytest.mark.rows("H-018")
def test_the_query_key_of_the_document_is_gone_too() -> None:
    """Also where the operation declares it as a parameter, and where it does not take it at all."""
    declared = [{"name": "to ken", "in": "query", "required": True, "schema": {"type": "string"}}]
    for client, header in (
        (api([{"token": []}]), {}),
        (api([{"token": []}], declared), {}),
        (api(), {"X-API-Key": KEY}),
        (api(authentication="none"), {}),
    ):
        answer = client.get(f"/x?a=1&to+ken={KEY}", header)
        assert answer.status == 200
        assert KEY not in answer.text
        assert answer.json()["parameters"]["query"] == {"a": "1"}


def test_a_parameter_of_that_name_that_is_no_credential_stays() -> None:
    """Without authentication ``api_key`` is what the document says it is."""
    declared = [{"name": "api_key", "in": "query", "required": True, "schema": {"type": "integer"}}]
    answer = api(None, declared, authentication="none").get("/x?api_key=5")
    assert answer.json()["parameters"]["query"] == {"api_key": 5}


@pytest.mark.rows("H-018")
def test_no_refusal_and_no_line_of_the_log_has_a_key(caplog: pytest.LogCaptureFixture) -> None:
    """Right, wrong, mistyped and doubled ones, for operations that are there and for those that are not."""
    caplog.set_level(logging.DEBUG)
    other = make("default")
    strict = api(trigger={"strictQuery": True})
    texts = []
    for key in (KEY, other, other[:-1]):
        for target in (
            f"/x?api_key={key}",
            f"/x?api_key={key}&api_key={key}",
            f"/y?api_key={key}",
            f"/x?b=1&api_key={key}",
        ):
            for method in ("GET", "PUT"):
                texts.append(strict.request(method, target).text)
    everything = "\n".join([*texts, caplog.text])
    assert "credential-unknown" in caplog.text
    for key in (KEY, other, other[:-1]):
        assert key not in everything


@pytest.mark.rows("F-037", "H-108")
def test_the_operator_finds_the_reason_under_the_id_of_the_request(caplog: pytest.LogCaptureFixture) -> None:
    """The caller gets the id; the log has it beside the name of the key and the rules that were looked at."""
    caplog.set_level(logging.INFO)
    client = serve(
        {"openapi": "3.0.3", "info": {"title": "t", "version": "1"}, "paths": {"/x": {"get": {"responses": {}}}}},
        authentication="document",
        keys=[api_key(KEY, "crm", [])],
    )
    identity = client.get("/x", {"X-API-Key": KEY}).json()["instance"].rpartition(":")[2]
    line = next(record.getMessage() for record in caplog.records if identity in record.getMessage())
    assert "forbidden" in line and "(crm)" in line and "GET '/x'" in line
