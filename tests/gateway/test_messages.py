"""Results become replies: rows F-108 to F-122, H-036 to H-038."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from apimgmt.errors import Problem
from apimgmt.gateway.messages.reply import Reply
from apimgmt.gateway.messages.responder import MOST_CHOICES, Responder, compile_responder
from apimgmt.model import CompiledApi, MediaType, Operation, Response
from apimgmt.processes import Alternatives, Answer, Envelope

PET = {"type": "object", "xml": {"name": "pet"}}


def _responder(**responses: Response) -> Responder:
    declared = {name.removeprefix("s"): response for name, response in responses.items()}
    operation = Operation(key="get /pet", method="get", path="/pet", responses=declared)
    api = CompiledApi(title="t", version="1", specification="3.0", operations=(operation,))
    return compile_responder(operation, api)


def _declaring(*media_types: str) -> Responder:
    return _responder(s200=Response(content={name: MediaType(schema=PET) for name in media_types}))


def _type(reply: Reply) -> str:
    return (reply.header(b"content-type") or b"").decode()


@pytest.mark.rows("F-108", "F-109", "F-122")
@pytest.mark.parametrize("accept", [None, b"application/xml", b"application/json"])
def test_string_as_it_is(accept: bytes | None) -> None:
    """A string is the body as it is, with status 200, whatever the caller accepts."""
    reply = _responder().reply("<hello>", accept)
    assert (reply.status, reply.body, _type(reply)) == (200, b"<hello>", "text/plain; charset=utf-8")
    assert reply.header(b"content-length") == b"7"


@pytest.mark.rows("F-109")
@pytest.mark.parametrize(
    ("declared", "text", "media_type"),
    [
        (["text/html"], "<p>", "text/html"),
        (["text/html"], "é", "text/html; charset=utf-8"),
        (["application/json"], '{"a":1}', "application/json"),
        (["application/json"], "hello", "text/plain; charset=utf-8"),
        (["text/html", "text/csv"], "a", "text/plain; charset=utf-8"),
        (["text/*"], "a", "text/plain; charset=utf-8"),
    ],
)
def test_type_of_a_string(declared: list[str], text: str, media_type: str) -> None:
    """A string has the one declared type if it can be of that type, otherwise it is plain text."""
    reply = _declaring(*declared).reply(text, None)
    assert (_type(reply), reply.body) == (media_type, text.encode())


def test_bytes() -> None:
    """Bytes go as they are, as the declared type or as octets."""
    assert _type(_declaring("image/png").reply(b"\x89PNG", None)) == "image/png"
    assert _type(_responder().reply(bytearray(b"\x00"), None)) == "application/octet-stream"


@pytest.mark.rows("F-110", "F-111", "F-112", "F-113", "F-122", "H-037")
@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        (b"application/json", "application/json"),
        (b"application/xml", "application/xml"),
        (b"text/xml", "text/xml"),
        (None, "application/json"),
        (b"*/*", "application/json"),
        (b"", "application/json"),
        (b"image/png", "application/json"),
        (b"application/json;q=0", "application/json"),
        (b"application/xml;q=0.4, application/json", "application/json"),
        (b"application/xml, application/json;q=0.4", "application/xml"),
        (b"application/*;q=0.1, application/xml", "application/xml"),
        (b"*/*;q=0.1, application/json;q=0", "application/xml"),
    ],
)
def test_object_by_accept(accept: bytes | None, media_type: str) -> None:
    """An object is JSON or XML by Accept and its weights, JSON if the caller does not care or wants neither."""
    responder = _responder()
    for _ in ("first", "kept"):
        reply = responder.reply({"a": 1}, accept)
        assert (reply.status, _type(reply), reply.header(b"vary")) == (200, media_type, b"Accept")
        assert reply.body == b'{"a":1}' if "json" in media_type else b"<a>1</a>" in reply.body


@pytest.mark.parametrize(
    ("declared", "accept", "media_type"),
    [
        (["application/vnd.pet+json"], None, "application/vnd.pet+json"),
        (["application/vnd.pet+json"], b"application/json", "application/json"),
        (["application/xml", "application/json"], None, "application/json"),
        (["application/xml"], None, "application/xml"),
        (["application/xml"], b"application/json", "application/json"),
        (["application/json; charset=utf-8"], b"application/json", "application/json; charset=utf-8"),
        (["text/html"], None, "application/json"),
    ],
)
def test_object_by_document(declared: list[str], accept: bytes | None, media_type: str) -> None:
    """What the document declares comes first; JSON and XML are there in any case."""
    reply = _declaring(*declared).reply({"a": 1}, accept)
    assert _type(reply) == media_type
    assert b"<pet>" in reply.body if "xml" in media_type else reply.body == b'{"a":1}'


def test_choices_stay_few() -> None:
    """Callers cannot fill the memory with Accept fields: at most MOST_CHOICES of them are kept."""
    responder = _responder()
    for number in range(MOST_CHOICES * 2):
        assert responder.reply({}, b"a/%d" % number).body == b"{}"
    assert len(responder._of(200).chosen) == MOST_CHOICES


@pytest.mark.rows("F-114", "F-115", "F-116", "F-118", "F-121", "H-036", "H-038")
@pytest.mark.parametrize("status", [200, 201, 400, 401, 403, 404, 500])
def test_envelope(status: int) -> None:
    """A dictionary with HttpStatusCode and Content is a response and is not negotiated."""
    result = {"HttpStatusCode": status, "Content": "<a/>", "ContentType": "application/atom+xml"}
    reply = _declaring("application/json").reply(result, b"application/json")
    assert (reply.status, reply.body, _type(reply)) == (status, b"<a/>", "application/atom+xml")
    assert reply.header(b"vary") is None


@pytest.mark.rows("F-120")
@pytest.mark.parametrize("result", [{"HttpStatusCode": 500}, {"Content": "a"}, {"Content": "a", "httpStatusCode": 1}])
def test_half_an_envelope(result: dict[str, Any]) -> None:
    """With only one of the two properties an object is an object."""
    for accept in (None, b"application/json"):
        reply = _responder().reply(result, accept)
        assert (reply.status, orjson.loads(reply.body)) == (200, result)


@pytest.mark.rows("F-114", "F-119")
def test_envelope_struct() -> None:
    """The Envelope that Python functions return is the same without a detour."""
    headers = [("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"), ("Content-Type", "text/csv")]
    reply = _responder().reply(Envelope(201, "a;b", headers=headers), None)
    assert (reply.status, reply.body, _type(reply)) == (201, b"a;b", "text/csv")
    assert [value for name, value in reply.headers if name == b"set-cookie"] == [b"a=1", b"b=2"]


@pytest.mark.rows("H-036", "H-038")
def test_answer() -> None:
    """An Answer is negotiated like an object, with its own status and headers."""
    reply = _responder().reply(Answer({"a": 1}, 201, [("Location", "/pet/1")]), b"application/xml")
    assert (reply.status, _type(reply), reply.header(b"location")) == (201, "application/xml", b"/pet/1")
    assert _responder().reply(Answer(None, 202), None).body == b""
    assert _responder().reply(Answer("no", 404), None).body == b"no"


def test_answer_that_names_its_type() -> None:
    """A Content-Type among an Answer's headers decides; objects cannot be written as a picture."""
    typed = [("Content-Type", "application/problem+json")]
    reply = _responder().reply(Answer({"a": 1}, 400, typed), b"application/xml")
    assert [value for name, value in reply.headers if name == b"content-type"] == [b"application/problem+json"]
    assert reply.body == b'{"a":1}'
    with pytest.raises(Problem) as refused:
        _responder().reply(Answer({"a": 1}, 200, [("Content-Type", "image/png")]), None)
    assert refused.value.code == "bad-result"


@pytest.mark.rows("H-038")
@pytest.mark.parametrize("result", [None, Answer({"a": 1}, 204), Envelope(204, "x"), Answer("x", 304)])
def test_no_body(result: Any) -> None:
    """204 and 304 have neither a body nor a length, and nothing at all is 204."""
    reply = _responder().reply(result, None)
    assert reply.body == b""
    assert reply.header(b"content-length") is None


def test_schema_of_the_status() -> None:
    """XML is written by the schema of the response that the status belongs to: exact, range, default."""
    shapes = {
        name: Response(content={"application/xml": MediaType(schema={"xml": {"name": name}})})
        for name in ("s404", "s4XX", "sdefault")
    }
    responder = _responder(**shapes)
    for status, name in ((404, b"s404"), (409, b"s4XX"), (200, b"sdefault")):
        assert b"<%b>" % name in responder.reply(Answer({}, status), None).body


@pytest.mark.rows("F-112")
def test_alternatives() -> None:
    """Of alternatives the one that Accept likes is made, the first if there is none it likes."""
    made: list[str] = []

    def making(text: str) -> Any:
        return lambda: made.append(text) or text

    contents = {"application/json": making("{}"), "application/xml": making("<a/>")}
    for accept, body in ((None, b"{}"), (b"application/xml", b"<a/>"), (b"image/png", b"{}")):
        assert _responder().reply(Alternatives(contents, 203, [("X-A", "1")]), accept).body == body
    assert made == ["{}", "<a/>", "{}"]


@pytest.mark.rows("H-102")
@pytest.mark.parametrize(
    "result",
    [
        {"a": object()},
        {"a": "\ud800"},
        Answer({}, 199),
        Answer({}, 600),
        Answer({}, True),
        Answer({}, 200, [("X", "a\r\nSet-Cookie: b")]),
        Answer({}, 200, [("X Y", "a")]),
        Answer({}, 200, ["X"]),
        Answer({}, 200, [("X", "\u20ac")]),
        {"HttpStatusCode": "200", "Content": "a"},
        {"HttpStatusCode": 200, "Content": {"a": 1}},
        Envelope(100, ""),
        Envelope(200, "\u20ac", encoding="latin-1"),
        Envelope(200, "a", content_type="text/plain\nX: y"),
    ],
)
def test_bad_result(result: Any) -> None:
    """What cannot be sent is a problem of ours, with none of its values in it."""
    with pytest.raises(Problem) as refused:
        _responder().reply(result, None)
    assert refused.value.code == "bad-result"
    assert "Cookie" not in refused.value.detail


def test_circular_result() -> None:
    """A result that holds itself is a bad result in both formats."""
    circle: dict[str, Any] = {}
    circle["a"] = circle
    for accept in (b"application/json", b"application/xml"):
        with pytest.raises(Problem):
            _responder().reply(circle, accept)
