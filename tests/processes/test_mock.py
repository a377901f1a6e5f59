"""mock: the choice of response, media type and example, and what is made where there is none."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from invocations import api, invocation, operation, run

import apimgmt.formats.json
import apimgmt.formats.xml  # noqa: F401  registers the formats
from apimgmt.errors import Problem, SettingInvalid
from apimgmt.model import CompiledApi, MediaType, Operation, Parameter, Response
from apimgmt.processes import Alternatives, Envelope
from apimgmt.processes.mock import Mock

PET = {"type": "object", "required": ["id"], "properties": {"id": {"type": "integer"}, "name": {"type": "string"}}}
JSON = "application/json"


def _json(schema: Any = True, **examples: Any) -> Response:
    return Response(content={JSON: MediaType(schema=schema, examples=examples)})


def _answer(
    responses: dict[str, Response], prefer: str = "", config: Mock | None = None, document: CompiledApi | None = None
) -> Any:
    one = operation(responses=responses)
    process = (config or Mock()).build(one, document or api(one))
    return run(process, invocation(one, {"prefer": prefer} if prefer else {}))


def _body(answer: Any, media_type: str = JSON) -> Any:
    content = answer.contents[media_type]()
    return orjson.loads(content) if "json" in media_type else content


@pytest.mark.parametrize(
    ("codes", "status"),
    [
        (["404", "201", "200"], 200),
        (["404", "default", "2XX"], 200),
        (["404", "default"], 200),
        (["404", "500"], 404),
        (["5XX"], 500),
        (["101"], 200),
        ([], 200),
    ],
)
def test_usual_status(codes: list[str], status: int) -> None:
    """The lowest 2xx, else 2XX, else default, else the first; an interim status cannot be sent."""
    assert _answer({code: Response() for code in codes}).status == status


@pytest.mark.parametrize(
    ("wish", "body"),
    [("404", "exact"), ("409", "range"), ("500", "default")],
)
def test_preferred_status(wish: str, body: str) -> None:
    """A status that is preferred is looked for exactly, in its range, and in default; the answer says so."""
    responses = {"404": _json(**{"": "exact"}), "4XX": _json(**{"": "range"}), "default": _json(**{"": "default"})}
    answer = _answer(responses, f"code={wish}")
    assert (answer.status, _body(answer)) == (int(wish), body)
    assert ("Preference-Applied", f"code={wish}") in answer.headers
    assert ("Vary", "Prefer") in answer.headers
    assert ("X-Apimgmt-Source", "mock") in answer.headers


def test_preferred_status_that_is_not_there() -> None:
    """A status that is not declared is a 404 that lists those that are."""
    with pytest.raises(Problem) as refused:
        _answer({"200": Response(), "404": Response()}, "code=500")
    assert (refused.value.code, "200, 404" in refused.value.detail) == ("not-found", True)


@pytest.mark.parametrize("prefer", ["code=abc", "code=99", "code=600", "dynamic=maybe", "example=", "handling=lenient"])
def test_preferences_without_sense(prefer: str) -> None:
    """A preference that says nothing we know is passed over, and not said to be honoured."""
    answer = _answer({"200": _json(PET)}, prefer)
    assert answer.status == 200
    assert "Preference-Applied" not in dict(answer.headers)


def test_examples() -> None:
    """The first example of the document, another by name, and a made value although there are examples."""
    responses = {"200": _json(PET, cat={"id": 1}, dog={"id": 2})}
    assert _body(_answer(responses)) == {"id": 1}
    assert _body(_answer(responses, "example=dog")) == {"id": 2}
    made = _body(_answer(responses, "dynamic=true"))
    assert set(made) == {"id", "name"}
    assert _body(_answer(responses, "dynamic=true")) == made
    with pytest.raises(Problem) as refused:
        _answer(responses, "example=cow")
    assert "cat, dog" in refused.value.detail


def test_configuration() -> None:
    """What the designer configured is for callers who prefer nothing; callers can still choose."""
    responses = {"200": _json(PET, cat={"id": 1}, dog={"id": 2}), "404": _json(PET, cow={"id": 3})}
    assert _body(_answer(responses, config=Mock(example="dog"))) == {"id": 2}
    assert _answer(responses, config=Mock(status=404)).status == 404
    assert _body(_answer(responses, "code=404", Mock(example="dog"))) == {"id": 3}
    assert _body(_answer(responses, "dynamic=false", Mock(dynamic=True))) == {"id": 1}
    assert set(_body(_answer(responses, config=Mock(dynamic=True)))) == {"id", "name"}
    with pytest.raises(SettingInvalid):
        Mock(status=500).build(operation(responses=responses), api())


def test_media_types() -> None:
    """JSON comes first, a range becomes a type, and every type is written in its format."""
    one = {"text/plain": MediaType(examples={"": "hi"}), "application/xml": MediaType(schema=PET), "*/*": MediaType()}
    answer = _answer({"200": Response(content={**one, "application/hal+json": MediaType(schema=PET)})})
    assert list(answer.contents) == ["application/hal+json", "text/plain", "application/xml", "application/json"]
    assert _body(answer, "text/plain") == "hi"
    assert b"<id>" in _body(answer, "application/xml")
    text = Response(content={"text/csv": MediaType(), "application/octet-stream": MediaType()})
    assert isinstance(_body(_answer({"200": text}), "text/csv"), str)


@pytest.mark.parametrize(
    ("media_type", "schema", "example", "body"),
    [
        (JSON, {"type": "string"}, "hello", '"hello"'),
        (JSON, True, '{"a":1}', b'"{\\"a\\":1}"'),
        (JSON, {"type": "object"}, '{"a":1}', '{"a":1}'),
        (JSON, {"type": "object"}, "{a:1}", b'"{a:1}"'),
        ("application/xml", PET, "<a/>", "<a/>"),
        ("text/html", True, {"a": 1}, b'{"a":1}'),
    ],
)
def test_examples_that_are_texts(media_type: str, schema: Any, example: Any, body: str | bytes) -> None:
    """An example that is a text already in its format stays as it is, otherwise it is a value."""
    content = {media_type: MediaType(schema=schema, examples={"": example})}
    written = _answer({"200": Response(content=content)}).contents[media_type]()
    assert (written.encode() if isinstance(written, str) else written) == (
        body.encode() if isinstance(body, str) else body
    )


def test_headers() -> None:
    """Declared headers are there with a value of their schema; those that would be untrue or unsafe are not."""
    schemas: dict[str, Any] = {
        "X-Limit": {"type": "integer", "minimum": 5, "maximum": 5},
        "X-List": {"type": "array", "items": {"const": "a"}, "minItems": 2},
        "X-Flag": {"const": True},
        "X-Bad": {"const": "a\r\nSet-Cookie: b=c"},
        "X-Euro": {"const": "\u20ac"},
        "Bad Name": {"const": "a"},
        "Content-Encoding": {"const": "gzip"},
        "X-Map": {"const": {"a": 1}},
    }
    headers = {name: Parameter(name=name, location="header", schema=schema) for name, schema in schemas.items()}
    answer = _answer({"200": Response(headers=headers)})
    made = dict(answer.headers)
    assert isinstance(answer, Envelope)
    assert {name: made[name] for name in made if name in schemas} == {
        "X-Limit": "5",
        "X-List": "a,a",
        "X-Flag": "true",
        "X-Map": "a,1",
    }


def test_bodiless() -> None:
    """204 has no body even where the document describes one."""
    assert isinstance(_answer({"204": _json(PET)}), Envelope)


def test_deterministic() -> None:
    """The same operation gives the same value in every process, another operation another one."""
    first = _answer({"200": _json(PET)})
    assert isinstance(first, Alternatives)
    assert first.contents[JSON]() == _answer({"200": _json(PET)}).contents[JSON]()
    other = Operation(key="get /b", method="get", path="/b", responses={"200": _json(PET)})
    made = run(Mock().build(other, api(other)), invocation(other))
    assert made.contents[JSON]() != first.contents[JSON]()


def test_lazy() -> None:
    """Nothing is made before the first call: an operation with a schema that cannot be made builds all the same."""
    one = operation(responses={"200": _json(False)})
    assert _body(run(Mock().build(one, api(one)), invocation(one))) is None
