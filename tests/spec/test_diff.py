"""What a new revision changes for callers."""

from __future__ import annotations

from typing import Any

import pytest

from apimgmt.model import Body, CompiledApi, MediaType, Operation, Parameter, Response, SecurityScheme
from apimgmt.spec.comparison.diff import MOST_CHANGES, Change, compare

JSON = "application/json"
TEXT = {"type": "string"}


def operation(key: str = "get /a", **fields: Any) -> Operation:
    method, _, path = key.partition(" ")
    return Operation(key=key, method=method, path=path, **fields)  # type: ignore[arg-type]


def api(*operations: Operation, **fields: Any) -> CompiledApi:
    return CompiledApi(title="T", version="1", specification="3.0", operations=operations, **fields)


def query(name: str = "q", **fields: Any) -> Parameter:
    return Parameter(name=name, location="query", **fields)


def body(schema: Any = True, *, media_type: str = JSON, required: bool = False) -> Body:
    return Body(required=required, content={media_type: MediaType(schema=schema)})


def response(schema: Any = True, media_type: str = JSON) -> dict[str, Response]:
    return {"200": Response(content={media_type: MediaType(schema=schema)})}


def changes(old: dict[str, Any], new: dict[str, Any]) -> list[tuple[str, bool]]:
    found = compare(api(operation(**old)), api(operation(**new))).changed.get("get /a", [])
    return [(change.code, change.breaking) for change in found]


@pytest.mark.parametrize(
    ("old", "new", "code", "breaking"),
    [
        ({}, {"parameters": (query(),)}, "parameter-added", False),
        ({}, {"parameters": (query(required=True),)}, "parameter-added", True),
        ({"parameters": (query(),)}, {}, "parameter-removed", True),
        ({"parameters": (query(),)}, {"parameters": (query(required=True),)}, "parameter-required", True),
        ({"parameters": (query(required=True),)}, {"parameters": (query(),)}, "parameter-optional", False),
        ({"parameters": (query(),)}, {"parameters": (query(schema=TEXT),)}, "type-changed", True),
        ({"parameters": (query(schema=TEXT),)}, {"parameters": (query(),)}, "type-changed", False),
        ({"parameters": (query(),)}, {"parameters": (query(explode=True),)}, "parameter-style-changed", True),
        ({"parameters": (query(),)}, {"parameters": (query(schema={"default": 1}),)}, "default-changed", False),
        ({}, {"body": body()}, "body-added", False),
        ({}, {"body": body(required=True)}, "body-added", True),
        ({"body": body()}, {}, "body-removed", True),
        ({"body": body()}, {"body": body(required=True)}, "body-required", True),
        ({"body": body(required=True)}, {"body": body()}, "body-optional", False),
        ({"body": body()}, {"body": body(TEXT)}, "type-changed", True),
        ({"body": body()}, {"body": body({"required": ["a"]})}, "property-required", True),
        ({"body": body({"enum": [1, 2]})}, {"body": body({"enum": [1]})}, "enum-value-removed", True),
        ({"body": body({"enum": [1]})}, {"body": body({"enum": [1, 2]})}, "enum-value-added", False),
        ({"responses": response()}, {}, "response-removed", True),
        ({}, {"responses": response()}, "response-added", False),
        ({"responses": response(TEXT)}, {"responses": response()}, "type-changed", True),
        ({"responses": response()}, {"responses": response(TEXT)}, "type-changed", False),
        (
            {"responses": response({"properties": {"a": TEXT}})},
            {"responses": response({})},
            "property-removed",
            True,
        ),
        ({}, {"deprecated": True}, "deprecated", False),
    ],
)
def test_one_change(old: dict[str, Any], new: dict[str, Any], code: str, breaking: bool) -> None:
    """Each rule, with its verdict: what narrows a request or widens a response breaks callers."""
    assert changes(old, new) == [(code, breaking)]


@pytest.mark.parametrize("place", ["body", "responses"])
def test_media_types(place: str) -> None:
    """One that goes breaks callers, one that comes does not; in requests and in responses."""
    make: Any = (lambda name: body(media_type=name)) if place == "body" else (lambda name: response(True, name))
    assert changes({place: make(JSON)}, {place: make("text/csv")}) == [
        ("media-type-removed", True),
        ("media-type-added", False),
    ]


def test_response_header() -> None:
    """A header that goes breaks callers."""
    header = Parameter(name="X", location="header", style="simple")
    old = {"responses": {"200": Response(headers={"X": header})}}
    assert changes(old, {"responses": {"200": Response()}}) == [("header-removed", True)]


@pytest.mark.parametrize(
    ("old", "new", "breaking"),
    [
        ((), ({"k": ()},), True),
        (({"k": ()},), (), False),
        (({"k": ()},), ({},), False),
        (({"k": ()},), ({"k": ()}, {"o": ("r",)}), False),
        (({"k": ()}, {"o": ("r",)}), ({"k": ()},), True),
        (({"o": ("r",)},), ({"o": ("w",)},), True),
        (None, ({"k": ()},), True),
        (({"k": ()},), None, True),
    ],
)
def test_security(old: Any, new: Any, breaking: bool) -> None:
    """More ways in, or none needed, is compatible; everything else may refuse a caller."""
    assert changes({"security": old}, {"security": new}) == [("security-changed", breaking)]


def test_scheme_that_changes_changes_its_operations() -> None:
    """The same name for another kind of credential is a breaking change."""
    one = operation(security=({"k": ()},))
    old = api(one, security_schemes={"k": SecurityScheme(type="apiKey", name="a", location="query")})
    new = api(one, security_schemes={"k": SecurityScheme(type="apiKey", name="a", location="header")})
    assert compare(old, new).changed == {
        "get /a": [Change("security-changed", "other credentials are asked for", True)]
    }


def test_header_names_are_compared_without_case() -> None:
    """A header parameter that is only spelt in another way is the same one."""
    one, other = (Parameter(name=name, location="header", style="simple") for name in ("X-A", "x-a"))
    assert changes({"parameters": (one,)}, {"parameters": (other,)}) == []


def test_operations_are_added_removed_kept_and_changed() -> None:
    """Every key is in exactly one of the four; a change of text only is none."""
    old = api(operation("get /a"), operation("get /b"), operation("get /c", summary="old"))
    new = api(operation("get /b", deprecated=True), operation("get /c", summary="new"), operation("get /d"))
    found = compare(old, new)
    assert (found.added, found.removed, found.kept, list(found.changed)) == (
        ["get /d"],
        ["get /a"],
        ["get /c"],
        ["get /b"],
    )


def test_rename_needs_an_operation_id_that_is_unique_on_both_sides() -> None:
    """The same operationId at another path is a rename, unless it names two operations in either revision."""
    old = api(operation("get /a", operation_id="x"), operation("get /b", operation_id="y"))
    new = api(*(operation(f"get /{key}", operation_id=name) for key, name in (("c", "x"), ("d", "y"), ("e", "y"))))
    assert compare(old, new).renamed == {"get /a": "get /c"}
    assert compare(new, old).renamed == {"get /c": "get /a"}
    assert compare(old, old).renamed == {}


@pytest.mark.parametrize(("count", "told"), [(MOST_CHANGES, MOST_CHANGES), (MOST_CHANGES + 1, MOST_CHANGES)])
def test_number_of_changes_is_limited(count: int, told: int) -> None:
    """At the limit all are listed, past it as many as the limit."""
    new = {"parameters": tuple(query(f"q{number}") for number in range(count))}
    assert len(changes({}, new)) == told
