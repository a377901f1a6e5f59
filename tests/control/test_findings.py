"""What the control plane itself has to say about an upload."""

from __future__ import annotations

import json

import pytest
from processes.flows.flowing import definition

from apimgmt.archive import Archive
from apimgmt.control.findings import access_findings, overlap_findings, protocol_findings, reference_findings
from apimgmt.control.service import Control
from apimgmt.control.store import Store
from apimgmt.model import Body, CompiledApi, MediaType, Operation, Parameter, Trigger
from apimgmt.settings import Settings
from apimgmt.spec.intake import take_in


def _api(**security: tuple[dict[str, tuple[str, ...]], ...] | None) -> CompiledApi:
    operations = tuple(
        Operation(key=f"get /{name}", method="get", path=f"/{name}", security=value, pointer=f"/paths/~1{name}", line=5)
        for name, value in security.items()
    )
    return CompiledApi(title="t", version="1", specification="3.0", operations=operations)


def test_authentication_off_is_said_loudly() -> None:
    """One warning for the whole API, in capitals."""
    (finding,) = access_findings(_api(a=None), Trigger(authentication="none"))
    assert (finding.severity, finding.code) == ("warning", "authentication-off")
    assert "AUTHENTICATION IS OFF" in finding.message


def test_what_the_document_calls_public_stays_closed_until_a_person_agrees() -> None:
    """Each operation that is public in the document is named, with its place; silent ones are not."""
    found = access_findings(_api(open=(), either=({}, {"key": ()}), silent=None, closed=({"key": ()},)), Trigger())
    assert [(finding.code, finding.pointer, finding.line) for finding in found] == [
        ("public-not-allowed", "/paths/~1open", 5),
        ("public-not-allowed", "/paths/~1either", 5),
    ]
    assert "allowPublic=true" in found[0].message


def test_what_is_open_by_consent_is_counted() -> None:
    """With allowPublic the finding says how many operations anybody may call."""
    (finding,) = access_findings(_api(open=(), silent=None, closed=({"key": ()},)), Trigger(public=True))
    assert finding.message.startswith("2 operation(s)")
    assert access_findings(_api(closed=({"key": ()},)), Trigger(public=True)) == []


@pytest.mark.rows("F-044")
def test_credentials_over_plain_http_are_one_warning() -> None:
    """It counts the operations that take credentials and allow HTTP; public and HTTPS-only ones are no concern."""
    api, https = _api(a=None, b=({"key": ()},), c=()), Trigger(policies={"protocols": {"allow": "https"}})
    (finding,) = protocol_findings(api, Trigger(), {})
    assert (finding.severity, finding.code) == ("warning", "credentials-over-http")
    assert finding.message.startswith("3 of 3 operation(s)")
    (finding,) = protocol_findings(api, Trigger(policies={"protocols": {"allow": "http"}}), {"get /a": https})
    assert finding.message.startswith("2 of 3 operation(s)")
    (finding,) = protocol_findings(api, Trigger(public=True), {})
    assert finding.message.startswith("1 of 3 operation(s)")
    assert protocol_findings(api, https, {}) == []
    assert protocol_findings(api, Trigger(authentication="none"), {}) == []


def test_overlaps_are_found_from_both_sides() -> None:
    """Whichever of the two APIs is uploaded last, its findings say which requests go where."""
    outer, inner = _api(books=None), _api(list=None)
    above = overlap_findings("", outer, {"/books": "inner"}, lambda base: inner)
    below = overlap_findings("/books", inner, {"": "outer"}, lambda base: outer)
    assert [finding.message for finding in above] == [
        "requests for get /books that begin with /books go to the API 'inner' at /books"
    ]
    assert [finding.message for finding in below] == [
        "requests for outer: get /books that begin with /books go to this API"
    ]


def test_only_apis_around_are_read() -> None:
    """The compiled form of an API elsewhere is not loaded, so that an upload costs the same with many APIs."""

    def load(base_path: str) -> CompiledApi:
        raise AssertionError(base_path)

    assert overlap_findings("/a", _api(books=None), {"/b": "b", "/ab": "ab", "/a/c": "c"}, load) == []


@pytest.mark.rows("H-065")
def test_a_name_in_several_places_is_a_warning_where_a_flow_is_bound() -> None:
    """It says which one counts and how to say the other; other operations are no concern."""
    parameters = (
        Parameter("id", "path"),
        Parameter("id", "query"),
        Parameter("state", "query"),
        Parameter("x", "query"),
    )
    schema = {"type": "object", "properties": {"state": {}, "note": {}}}
    body = Body(content={"application/json": MediaType(schema=schema)})
    operation = Operation("post /a/{id}", "post", "/a/{id}", parameters=parameters, body=body, pointer="/p", line=3)
    api = CompiledApi(title="t", version="1", specification="3.0", operations=(operation,))
    found = reference_findings(api, ["post /a/{id}"])
    assert [(finding.severity, finding.code, finding.line) for finding in found] == [
        ("warning", "ambiguous-reference", 3)
    ] * 2
    assert "${id} is that of the path; #trigger.data.query.id is the other" in found[0].message
    assert "${state} is that of the query; #trigger.data.body.state is the other" in found[1].message
    assert reference_findings(api, []) == []


def test_the_answer_to_a_binding_has_the_warning(settings: Settings, store: Store, archive: Archive) -> None:
    """With the real intake; a mock on the same operation has none."""
    parameter = {"name": "id", "required": True, "schema": {"type": "string"}}
    operation = {
        "parameters": [{**parameter, "in": "path"}, {**parameter, "in": "query"}],
        "responses": {"200": {"description": "ok"}},
    }
    paths = {"/a/{id}": {"get": operation}}
    document = {"openapi": "3.0.3", "info": {"title": "t", "version": "1"}, "paths": paths}
    control = Control(settings, store, archive, take_in, (), wait_seconds=0.5)
    control.upload(json.dumps(document).encode(), "application/json", name="pets")
    flow = {"kind": "flow", "definition": definition({"set": {"id": "${id}"}})}
    bound = control.bind("pets", {"get /a/{id}": flow})
    assert [finding.code for finding in bound.findings] == ["ambiguous-reference"]
    signed = {"kind": "signature", "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}
    control.connections.create(
        {"name": "hooks", "type": "webhook", "baseUrl": "https://hooks.example", "authentication": signed}
    )
    bound = control.bind("pets", {"get /a/{id}": {"kind": "webhook", "connection": "hooks", "then": flow}})
    assert [finding.code for finding in bound.findings] == ["ambiguous-reference"]
    assert control.bind("pets", {"get /a/{id}": {"kind": "mock"}}).findings == []
