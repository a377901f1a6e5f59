"""Arguments by name, measured against Connexion's own rules."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from connexion.decorators import parameter as connexion
from hypothesis import given
from hypothesis import strategies as st
from invocations import api, invocation, operation

from apimgmt.errors import SettingInvalid
from apimgmt.model import Body, MediaType, Parameter
from apimgmt.processes.functions.arguments import Arguments, plain, pythonic


class File(msgspec.Struct):
    """A file as forms give it."""

    filename: str
    content_type: str
    content: bytes


def _body(media_type: str = "application/json", schema: Any = True) -> Body:
    return Body(content={media_type: MediaType(schema=schema)})


def _query(name: str, schema: Any = True) -> Parameter:
    return Parameter(name=name, location="query", schema=schema)


def _arguments(
    function: Any, *parameters: Parameter, declared: Body | None = None, threaded: bool = False, **data: Any
) -> Any:
    one = operation(*parameters, body=declared)
    headers = data.pop("headers", {})
    specification = data.pop("specification", "3.0")
    document = api(one, specification=specification)
    return Arguments(function, one, document, threaded)(invocation(one, headers, **data))


@given(
    st.text(st.characters(codec="ascii", min_codepoint=33)) | st.from_regex(r"[A-Za-z]{1,4}[-_\[\]A-Z0-9]{0,4}[a-z]*")
)
def test_names_like_connexion(name: str) -> None:
    """Names are made exactly as Connexion makes them, plain and with pythonic_params."""
    assert plain(name) == connexion.sanitized(name)
    assert pythonic(name) == connexion.pythonic(name)


@pytest.mark.parametrize(
    ("name", "argument"),
    [
        ("id", "id"),
        ("id", "id_"),
        ("petId", "pet_id"),
        ("petId", "petId"),
        ("from", "from_"),
        ("a[b]", "a_b"),
        ("X-Y", "XY"),
    ],
)
def test_spellings(name: str, argument: str) -> None:
    """A function may use either spelling of a name."""
    namespace: dict[str, Any] = {}
    exec(f"def function({argument}): pass", namespace)
    assert _arguments(namespace["function"], _query(name), query={name: 5}) == {argument: 5}


def test_defaults_of_the_function() -> None:
    """A parameter that did not come leaves the function its default; without one it is None."""

    def function(a: int, b: int = 2, c: int = 3) -> None: ...

    query = {"a": None, "b": None, "c": 5}
    assert _arguments(function, _query("a"), _query("b"), _query("c"), query=query) == {"a": None, "c": 5}


def test_locations() -> None:
    """Path, query, header and cookie by name; what the function does not name is not given."""

    def function(id: int, tag: str, x_request_id: str, session: str) -> None: ...

    places = [("id", "path"), ("tag", "query"), ("X-Request-ID", "header"), ("session", "cookie"), ("more", "query")]
    parameters = [Parameter(name=name, location=location) for name, location in places]  # type: ignore[arg-type]
    given = {
        "path": {"id": 1},
        "query": {"tag": "t", "more": 1},
        "header": {"X-Request-ID": "x"},
        "cookie": {"session": "s"},
    }
    assert _arguments(function, *parameters, **given) == {"id": 1, "tag": "t", "x_request_id": "x", "session": "s"}


def test_keyword_arguments() -> None:
    """**kwargs gets path, query and body, neither headers nor what the document does not know."""

    def function(**kwargs: Any) -> None: ...

    parameters = (_query("q"), Parameter(name="h", location="header"))
    given = {"query": {"q": 1, "other": 2}, "header": {"h": 3}, "body": {"a": 1}, "raw": b"x"}
    assert _arguments(function, *parameters, declared=_body(), **given) == {"q": 1, "body": {"a": 1}}


def test_body() -> None:
    """The body under its name, under the only name that is left, with the schema's default or an empty object."""

    def named(body: Any) -> None: ...
    def other(id: int, pet: Any) -> None: ...

    json = {"headers": {"content-type": "application/json"}}
    one = operation(_query("id"), body=_body())
    called = invocation(one, json["headers"], query={"id": 1}, body={"a": 1}, raw=b"{}")
    assert Arguments(named, one, api(one), False)(called) == {"body": {"a": 1}}
    assert Arguments(other, one, api(one), False)(called) == {"id": 1, "pet": {"a": 1}}
    empty = invocation(one, query={"id": 1})
    assert Arguments(named, one, api(one), False)(empty) == {"body": {}}
    default = operation(body=_body(schema={"default": {"d": [1]}}))
    made = Arguments(named, default, api(default), False)
    made(invocation(default))["body"]["d2"] = 1
    assert made(invocation(default)) == {"body": {"d": [1]}}
    null = invocation(one, json["headers"], body=None, raw=b"null")
    assert Arguments(named, one, api(one), False)(null) == {"body": None}


@pytest.mark.parametrize(
    ("media_type", "body", "raw_body", "expected"),
    [
        ("text/plain", "text", False, b"text"),
        ("application/json", "text", False, "text"),
        ("application/octet-stream", None, True, b"text"),
    ],
)
def test_bytes(media_type: str, body: Any, raw_body: bool, expected: Any) -> None:
    """A body that is neither JSON nor a form comes as bytes, as in Connexion; a raw one too."""

    def function(body: Any) -> None: ...

    one = operation(body=_body(media_type))
    called = invocation(one, {"content-type": media_type}, body=body, raw=b"text", raw_body=raw_body)
    assert Arguments(function, one, api(one), False)(called) == {"body": expected}


FORM = _body("multipart/form-data", {"$ref": "#/$defs/Form"})
FIELDS = {"Form": {"allOf": [{"properties": {"a": True, "file": True}}], "properties": {"from": True}}}


def test_form_fields() -> None:
    """Fields by name where the function names them; a default where they did not come; files out of the body."""

    def function(body: Any, a: int, from_: str = "x") -> None: ...

    one = operation(body=FORM)
    called = invocation(one, body={"a": 1, "f": File("n", "t/t", b"c")}, raw=b"x")
    assert Arguments(function, one, api(one, schemas=FIELDS), False)(called) == {"body": {"a": 1}, "a": 1}


async def test_files() -> None:
    """A file is Starlette's for async functions and works like either framework's in a thread."""

    def function(file: Any, **kwargs: Any) -> None: ...

    one = operation(body=FORM)
    called = invocation(one, body={"file": [File("n", "t/t", b"c")], "other": File("o", "t/t", b"d")}, raw=b"x")
    opened = Arguments(function, one, api(one, schemas=FIELDS), False)(called)
    assert (opened["file"][0].filename, await opened["file"][0].read()) == ("n", b"c")
    assert await opened["other"].read() == b"d"
    threaded = Arguments(function, one, api(one, schemas=FIELDS), True)(called)["file"][0]
    assert (threaded.read(), threaded.file.seek(0), threaded.content_type) == (b"c", 0, "t/t")


def test_caller() -> None:
    """user, token_info and context_ say who calls; without a caller they are None and empty."""

    def function(user: Any, token_info: Any, context_: Any, request: Any) -> None: ...

    known = _arguments(function, username="u")
    assert (known["user"], known["token_info"]) == ("u", {"sub": "u"})
    assert known["context_"] == {"user": "u", "token_info": {"sub": "u"}}
    assert known["request"].method == "GET"
    unknown = _arguments(function)
    assert (unknown["user"], unknown["token_info"], unknown["context_"]) == (None, None, {})


def test_parameter_called_user() -> None:
    """A parameter of the document comes before what we know about the caller."""

    def function(user: Any) -> None: ...

    assert _arguments(function, _query("user"), query={"user": "q"}, username="u") == {"user": "q"}


@pytest.mark.parametrize("source", ["lambda a: 1", "lambda a, b: 1", "lambda a, /: 1"])
def test_what_nothing_fills(source: str) -> None:
    """An argument that no request can fill is found when the process is built, not at the first call."""
    with pytest.raises(SettingInvalid):
        _arguments(eval(source))
    with pytest.raises(SettingInvalid):
        _arguments(lambda a, b: 1, declared=_body())
