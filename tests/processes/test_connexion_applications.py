"""Three applications written for Connexion run unchanged, through the whole gateway."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest

from apimgmt.processes.functions.handlers import load_handlers
from harness import Client, api_key, serve

HERE = Path(__file__).parent / "applications"
BOUNDARY = "limit"


def _application(name: str, **settings: Any) -> Client:
    document = (HERE / f"{name}.yaml").read_text("utf-8")
    functions = load_handlers(str(HERE / f"{name}.py"))
    ids = [
        line.split("operationId: ")[1].split(",")[0].rstrip(" }") for line in document.splitlines() if "Id: " in line
    ]
    bindings = {name: {"kind": "python", "function": name} for name in ids}
    return serve(document, bindings=bindings, functions=functions, **settings)


def test_hello() -> None:
    """Strings, statuses, headers, NoContent and connexion.problem."""
    client = _application("hello")
    hello = client.post("/greeting/Ada")
    assert (hello.status, hello.text, hello.header("content-type")) == (200, "Hello Ada", "text/plain")
    other = client.post("/greeting/Ada?greeting=Hi")
    assert (other.status, other.text, other.header("x-word")) == (203, "Hi Ada", "Hi")
    assert (client.get("/nobody").status, client.get("/nobody").body) == (204, b"")
    problem = client.get("/problem?reason=so")
    assert (problem.status, problem.header("content-type")) == (409, "application/problem+json")
    expected = {"type": "urn:clash", "title": "Clash", "detail": "so", "status": 409, "more": 1}
    assert problem.json() == expected


def test_pets() -> None:
    """Make, read, list, change and delete, with the Swagger 2 body under its own name, and form fields by name."""
    client = _application("pets")
    pet = {"name": "Rex", "animal_type": "dog"}
    assert client.get("/pets/1").status == 404
    assert client.request("PUT", "/pets/1", json=pet).status == 201
    assert client.request("PUT", "/pets/1", json=pet | {"name": "Max"}).status == 200
    expected = {"name": "Max", "animal_type": "dog", "id": "1", "created": "2024-01-02T00:00:00Z"}
    assert client.get("/pets/1").json() == expected
    assert client.get("/pets?animal_type=cat").json() == {"pets": []}
    assert client.get("/pets?limit=0").json() == {"pets": []}
    assert client.get("/pets").json() == {"pets": [expected]}
    assert client.request("PUT", "/pets/1", json={"name": 5}).status == 400
    form = {"content-type": "application/x-www-form-urlencoded"}
    renamed = client.post("/pets/1/name", form, "id=5&name=Tom&tags=a,b&reason=x")
    expected = {"pet_id": "1", "id": 5, "name": "Tom", "tags": ["a", "b"], "rest": ["reason"]}
    assert {**renamed.json(), "rest": ["reason"]} == expected
    assert client.request("DELETE", "/pets/1").status == 204
    gone = client.request("DELETE", "/pets/1")
    assert (gone.status, gone.json()["detail"], gone.json()["title"]) == (404, "no such pet", "Not Found")


def _multipart(*parts: tuple[str, str | None, str]) -> str:
    lines = []
    for name, filename, content in parts:
        named = "" if filename is None else f'; filename="{filename}"'
        typed = "" if filename is None else "\r\ncontent-type: text/csv"
        lines.append(
            f'--{BOUNDARY}\r\ncontent-disposition: form-data; name="{name}"{named}{typed}\r\n\r\n{content}\r\n'
        )
    return "".join(lines) + f"--{BOUNDARY}--\r\n"


def test_uploads() -> None:
    """Files come by name, opened; the fields are in the body."""
    client = _application("uploads")
    form = {"content-type": f"multipart/form-data; boundary={BOUNDARY}"}
    fields = [("title", None, "t"), ("count", None, "2"), ("document", "a.csv", "1;2"), ("extras", "b", "x")]
    answer = client.post("/upload", form, _multipart(*fields, ("extras", "c", "y")))
    assert answer.json() == {
        "body": {"title": "t", "count": 2},
        "document": ["a.csv", "text/csv", "1;2"],
        "extras": ["x", "y"],
    }
    answer = client.post("/upload-sync", form, _multipart(("document", "a.csv", "1;2")))
    assert (answer.status, answer.json()) == (201, {"same": True, "name": "a.csv"})


def test_request_and_context() -> None:
    """The request can be read twice; header and cookie parameters come by name, and so does the caller."""
    key = base64.urlsafe_b64encode(b"k" * 32).decode()
    client = _application("uploads", authentication="document", keys=[api_key(key)])
    fields = {"x-request-id": "5", "cookie": "session=s", "user-agent": "ua", "x-api-key": key}
    answer = client.request("POST", "/look", fields, json={"a": 1})
    assert answer.json() == {
        "body": '{"a":1}',
        "json": {"a": 1},
        "method": "POST",
        "agent": "ua",
        "x": 5,
        "session": "s",
        "user": "tester",
        "context": True,
        "token": {"sub": "tester"},
    }


@pytest.mark.parametrize(
    ("kind", "status", "body", "media_type", "header"),
    [
        ("connexion", 202, "a,b", "text/csv", ["1"]),
        ("starlette", 203, '{"a":1}', "application/json", ["1"]),
        ("stream", 200, "ab", "text/plain; charset=utf-8", []),
        ("flask", 418, "f", "text/html; charset=utf-8", ["1", "2"]),
        ("headers", 200, '{"a":1}', "application/json", ["1"]),
        ("three", 201, '{"a":1}', "application/json", ["1"]),
    ],
)
def test_responses(kind: str, status: int, body: str, media_type: str, header: list[str]) -> None:
    """Every kind of response that Connexion, Starlette and Flask know is sent as it is."""
    answer = _application("uploads").get(f"/answer/{kind}")
    assert (answer.status, answer.text, answer.header("content-type")) == (status, body, media_type)
    assert answer.all("x-a") == header


@pytest.mark.rows("H-041", "H-042", "H-043", "H-102")
@pytest.mark.parametrize(
    ("kind", "status", "detail"),
    [
        ("http", 404, "no such thing"),
        ("forbidden", 403, "not you"),
        ("oauth", 401, "who are you"),
        ("exit", 500, None),
        ("defect", 500, None),
    ],
)
def test_exceptions(kind: str, status: int, detail: str | None) -> None:
    """HTTP exceptions of either framework keep status and words; any other is a 500 without a word of it."""
    answer = _application("uploads").get(f"/answer/{kind}")
    assert (answer.status, answer.json().get("detail")) == (status, detail)
    assert answer.header("content-type") == "application/problem+json"
    assert "SELECT" not in answer.text
    assert answer.all("x-a") == (["1"] if kind == "http" else [])


def test_keyword_arguments() -> None:
    """**kwargs holds the declared parameters that came or have a default, and nothing else."""
    assert _application("uploads").get("/answer/kwargs?given=3&other=4").json() == {"given": 3, "default": 7}


def test_abort_with_a_response() -> None:
    """flask.abort(response) is that response."""
    answer = _application("uploads").get("/stop")
    assert (answer.status, answer.text) == (410, "stopped")


def test_application_files_are_plain() -> None:
    """The applications know nothing of this product: they would run on Connexion as they are."""
    for path in HERE.glob("*.py"):
        assert "apimgmt" not in path.read_text("utf-8")
