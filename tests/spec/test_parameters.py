"""Parameters of all locations and styles: cast, defaulted, validated, and never an exception."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apimgmt.members import HeaderMembers, Members
from apimgmt.model import Operation, Parameter
from apimgmt.settings import Settings
from apimgmt.spec.request.parameters import compile_parameters
from apimgmt.spec.validation.validator import Validators

INTEGER = {"type": "integer"}
NUMBER = {"type": "number"}
BOOLEAN = {"type": "boolean"}
STRING = {"type": "string"}
STRINGS = {"type": "array", "items": STRING}
INTEGERS = {"type": "array", "items": INTEGER}
RGB = {"type": "object", "properties": {"R": INTEGER, "G": INTEGER, "B": INTEGER}, "additionalProperties": False}
STYLE = {"path": "simple", "query": "form", "header": "simple", "cookie": "form", "querystring": "form"}


def parameter(location: Any, name: str, schema: Any, **fields: Any) -> Parameter:
    """A parameter with the defaults of OpenAPI 3 for its location."""
    style = fields.pop("style", STYLE[location])
    explode = fields.pop("explode", style in ("form", "cookie"))
    return Parameter(name=name, location=location, schema=schema, style=style, explode=explode, **fields)


class Reading:
    """What a reader makes of one request: four members and the violations."""

    def __init__(self, *parameters: Parameter, schemas: Any = None, settings: Any = None, **options: Any) -> None:
        operation = Operation(key="get /", method="get", path="/", parameters=parameters)
        self.read = compile_parameters(operation, Validators(schemas or {}), settings or Settings(), **options)
        self.violations: list[dict[str, Any]] = []

    def __call__(self, query: bytes = b"", headers: Any = (), **path: str) -> tuple[Any, Any, Any, Any]:
        """Path, query, header and cookie members of a request."""
        self.violations.clear()
        fields = [(name.encode().lower(), value.encode("latin-1")) for name, value in headers]
        return self.read(path, query, fields, self.violations)

    @property
    def faults(self) -> list[tuple[str, str, str]]:
        """Name, pointer and code of every violation."""
        return [(entry.get("name", ""), entry["pointer"], entry["code"]) for entry in self.violations]


def query(schema: Any, text: bytes, **fields: Any) -> Any:
    """The value of the query parameter `q`; the codes of the violations if there are any."""
    reading = Reading(parameter("query", "q", schema, **fields))
    value = reading(text)[1]["q"]
    return [code for _, _, code in reading.faults] if reading.violations else value


def path(schema: Any, text: str, **fields: Any) -> Any:
    """The value of the path parameter `color`."""
    reading = Reading(parameter("path", "color", schema, **fields))
    value = reading(color=text)[0]["color"]
    return reading.faults or value


@pytest.mark.rows("F-077", "F-078", "F-080", "F-084", "F-090", "F-102", "H-020")
def test_every_location_is_cast() -> None:
    """Path, query, header and cookie values come with their type, as members of their location."""
    reading = Reading(
        parameter("path", "id", INTEGER, required=True),
        parameter("query", "active", BOOLEAN),
        parameter("header", "X-Rate", NUMBER),
        parameter("cookie", "seen", {"type": "array", "items": BOOLEAN}),
    )
    members = reading(b"active=true", [("x-rate", "1.5"), ("cookie", "a=b; seen=true,false")], id="7")
    assert members == ({"id": 7}, {"active": True}, {"X-Rate": 1.5}, {"seen": [True, False]})
    assert [type(part) for part in members] == [Members, Members, HeaderMembers, Members]
    assert reading.violations == []


@pytest.mark.rows("F-079")
def test_a_path_member_is_a_number() -> None:
    """`path.id > 3` is a comparison of numbers."""
    assert Reading(parameter("path", "id", INTEGER))(id="12")[0].id > 3


@pytest.mark.rows("F-081", "F-085", "H-022")
def test_defaults_in_every_location() -> None:
    """A value that is not sent is its default, with its type; also one that the document wrote as a text."""
    reading = Reading(
        parameter("query", "limit", {"type": "integer", "default": 100}),
        parameter("query", "details", {"type": "boolean", "default": False}),
        parameter("query", "page", {"type": "integer", "default": "5"}),
        parameter("query", "ref", {"$ref": "#/$defs/Ref"}),
        parameter("header", "X-Mode", {"type": "string", "default": "fast"}),
        parameter("cookie", "theme", {"type": "string", "default": "dark"}),
        schemas={"Ref": {"type": "number", "default": 1.5}},
    )
    _, queries, headers, cookies = reading()
    assert queries == {"limit": 100, "details": False, "page": 5, "ref": 1.5}
    assert (headers["X-Mode"], cookies["theme"], reading.violations) == ("fast", "dark", [])


def test_a_default_is_not_shared_between_requests() -> None:
    """A process that changes a default array does not change it for the next request."""
    reading = Reading(parameter("query", "q", {"type": "array", "items": STRING, "default": ["a"]}))
    reading()[1]["q"].append("b")
    assert reading()[1]["q"] == ["a"]


@pytest.mark.rows("F-082", "F-086")
def test_every_declared_parameter_is_a_member() -> None:
    """What is declared and not sent is there as None."""
    reading = Reading(*[parameter(location, "x", STRING) for location in ("query", "header", "cookie")])
    assert reading()[1:] == ({"x": None}, {"x": None}, {"x": None})


@pytest.mark.rows("F-083")
def test_an_undeclared_query_parameter_is_a_text() -> None:
    """It is there, decoded and not cast; of several the last."""
    reading = Reading(parameter("query", "q", INTEGER))
    assert reading(b"q=1&other=5&b%20c=x%2By&other=6")[1] == {"q": 1, "other": "6", "b c": "x+y"}


@pytest.mark.rows("F-083")
def test_strict_query_refuses_what_is_not_declared() -> None:
    """With the setting an undeclared name is a violation and no member."""
    reading = Reading(parameter("query", "q", INTEGER), strict_query=True)
    assert reading(b"q=1&x=2")[1] == {"q": 1}
    assert reading.faults == [("x", "", "undeclared")]


@pytest.mark.rows("H-021")
def test_what_is_required_and_missing_is_named() -> None:
    """Every missing parameter is a violation of its own, also one with a default."""
    reading = Reading(
        parameter("query", "a", STRING, required=True),
        parameter("query", "b", {"type": "string", "default": "x"}, required=True),
        parameter("header", "X-C", STRING, required=True),
        parameter("cookie", "d", STRING, required=True),
        parameter("query", "e", RGB, required=True),
    )
    reading()
    assert reading.faults == [(name, "", "required") for name in ("a", "b", "e", "X-C", "d")]
    assert reading.violations[0] == {
        "in": "query",
        "name": "a",
        "pointer": "",
        "code": "required",
        "detail": "is required",
    }


@pytest.mark.rows("F-094")
def test_all_violations_come_at_once() -> None:
    """Every parameter that cannot be cast or is not valid is named, array items by their pointer."""
    reading = Reading(
        parameter("path", "id", INTEGER),
        parameter("query", "q", INTEGERS),
        parameter("query", "limit", {"type": "integer", "maximum": 10}),
        parameter("header", "X-N", INTEGER),
        parameter("cookie", "c", BOOLEAN),
    )
    reading(b"q=1&q=x&q=3&limit=11", [("X-N", "five"), ("Cookie", "c=1")], id="x")
    assert reading.faults == [
        ("id", "", "type"),
        ("q", "/1", "type"),
        ("limit", "", "maximum"),
        ("X-N", "", "type"),
        ("c", "", "type"),
    ]


@pytest.mark.rows("F-094")
def test_without_validation_a_text_stays() -> None:
    """What cannot be cast is the text as it came; nothing is a violation, not even what is missing."""
    reading = Reading(
        parameter("path", "id", INTEGER),
        parameter("query", "q", INTEGERS),
        parameter("query", "w", STRING, required=True),
        parameter("query", "broken", STRING),
        parameter("query", "deep", RGB, style="deepObject"),
        parameter("header", "X-N", INTEGER),
        validate=False,
    )
    found = reading(b"q=1&q=x&broken=%zz&deep[R=1", [("X-N", "5 apples")], id="abc")
    assert (found[0].id, found[1].q, found[1].w, found[2]["X-N"]) == ("abc", [1, "x"], None, "5 apples")
    assert (found[1].broken, reading.violations) == ("%zz", [])


@pytest.mark.rows("F-091")
@pytest.mark.parametrize(
    ("schema", "text", "value"),
    [
        (INTEGER, b"9223372036854775808", 2**63),
        ({"type": "integer", "format": "int64"}, b"9223372036854775807", 2**63 - 1),
        ({"type": "integer", "format": "int64"}, b"-9223372036854775808", -(2**63)),
        ({"type": "integer", "format": "int64"}, b"9223372036854775808", ["format"]),
        ({"type": "integer", "format": "int32"}, b"2147483647", 2**31 - 1),
        ({"type": "integer", "format": "int32"}, b"2147483648", ["format"]),
        ({"type": "integer", "format": "int32"}, b"x", ["type"]),
        ({"type": "integer", "maximum": 2**70}, b"1180591620717411303424", 2**70),
        ({"type": "integer", "maximum": 2**70}, b"1180591620717411303425", ["maximum"]),
    ],
)
def test_large_integers(schema: Any, text: bytes, value: Any) -> None:
    """An integer beyond 64 bits keeps its value; only a declared range refuses it."""
    assert query(schema, b"q=" + text) == value


@pytest.mark.parametrize(
    ("schema", "text", "value"),
    [
        ({"type": ["integer", "null"]}, b"q=", None),
        ({"type": ["integer", "null"]}, b"q=null", None),
        ({"type": ["string", "null"]}, b"q=null", None),
        ({"type": ["string", "null"]}, b"q=", ""),
        ({"type": ["array", "null"], "items": INTEGER}, b"q=1&q=2", [1, 2]),
        (STRING, b"q=null", "null"),
        (INTEGER, b"q=null", ["type"]),
        (INTEGER, b"q=", ["type"]),
        ({"type": "integer", "default": 5}, b"q=", ["type"]),
        ({"oneOf": [INTEGER, BOOLEAN]}, b"q=true", True),
        ({"anyOf": [{"type": "integer", "minimum": 10}, STRING]}, b"q=5", "5"),
        ({"anyOf": [{"type": "integer", "minimum": 10}, STRING]}, b"q=15", 15),
        ({"anyOf": [STRING, INTEGERS]}, b"q=a", "a"),
        ({"anyOf": [INTEGER, INTEGERS]}, b"q=1&q=2", [1, 2]),
        ({"anyOf": [INTEGER, INTEGERS]}, b"q=1", 1),
        ({"enum": [1, 2]}, b"q=2", 2),
        ({"enum": [1, 2]}, b"q=3", ["enum"]),
        ({"allOf": [INTEGER, {"minimum": 3}]}, b"q=3", 3),
        ({"allOf": [INTEGER, {"minimum": 3}]}, b"q=2", ["minimum"]),
        ({"type": "array", "prefixItems": [INTEGER, STRING], "items": False}, b"q=1&q=a", [1, "a"]),
        (True, b"q=5", "5"),
        ({}, b"q=5", "5"),
        (False, b"q=5", ["false"]),
        ({"type": "string", "format": "date"}, b"q=2024-02-30", ["format"]),
    ],
)
def test_null_and_schemas_without_one_type(schema: Any, text: bytes, value: Any) -> None:
    """Types are found behind alternatives and enumerations; `null` needs a schema that allows it."""
    found = query(schema, text)
    if value == ["false"]:
        assert isinstance(found, list)
    else:
        assert found == value and type(found) is type(value)


@pytest.mark.parametrize(
    ("schema", "value"), [(STRING, ""), (INTEGER, None), (BOOLEAN, None), ({"type": "string", "minLength": 3}, "")]
)
@pytest.mark.parametrize("text", [b"q=", b"q"])
def test_an_empty_value_where_it_is_allowed(schema: Any, value: Any, text: bytes) -> None:
    """`allowEmptyValue`: the empty string for a string, null for everything else, and no validation."""
    assert query(schema, text, allow_empty=True, required=True) == value


def test_a_single_value_sent_twice_is_refused() -> None:
    """Of two values none is better (HTTP parameter pollution), so it is a violation."""
    assert query(STRING, b"q=a&q=b") == ["repeated"]
    assert query(STRINGS, b"q=a,b&q=c", explode=False) == ["repeated"]


QUERY_TABLE: list[tuple[str, bool, Any, bytes, Any]] = [
    ("form", True, STRING, b"q=", ""),
    ("form", True, STRING, b"q=blue", "blue"),
    ("form", False, STRING, b"q=blue", "blue"),
    ("form", True, STRINGS, b"q=blue&q=black&q=brown", ["blue", "black", "brown"]),
    ("form", True, STRINGS, b"q=a,b&q=c", ["a,b", "c"]),
    ("form", True, STRINGS, b"q=", []),
    ("form", False, STRINGS, b"q=blue,black,brown", ["blue", "black", "brown"]),
    ("form", False, STRINGS, b"q=blue,bla%2Cck", ["blue", "bla,ck"]),
    ("form", False, STRINGS, b"q=blue%2Cblack", ["blue", "black"]),
    ("form", False, STRINGS, b"q=", []),
    ("form", False, INTEGERS, b"q=1,2,3,4,5", [1, 2, 3, 4, 5]),
    ("form", False, {"type": "array", "items": NUMBER}, b"q=1,2.5", [1.0, 2.5]),
    ("form", False, {"type": "array", "items": BOOLEAN}, b"q=true,false", [True, False]),
    ("form", True, RGB, b"R=100&G=200&B=150", {"R": 100, "G": 200, "B": 150}),
    ("form", False, RGB, b"q=R,100,G,200,B,150", {"R": 100, "G": 200, "B": 150}),
    ("spaceDelimited", False, STRINGS, b"q=blue%20black%20brown", ["blue", "black", "brown"]),
    ("spaceDelimited", False, STRINGS, b"q=blue+black", ["blue", "black"]),
    ("spaceDelimited", True, STRINGS, b"q=blue&q=black", ["blue", "black"]),
    ("spaceDelimited", False, RGB, b"q=R%20100%20G%20200", {"R": 100, "G": 200}),
    ("tabDelimited", False, INTEGERS, b"q=1%092%093", [1, 2, 3]),
    ("pipeDelimited", False, STRINGS, b"q=blue%7Cblack%7Cbrown", ["blue", "black", "brown"]),
    ("pipeDelimited", False, INTEGERS, b"q=1|2", [1, 2]),
    ("pipeDelimited", True, INTEGERS, b"q=1&q=2", [1, 2]),
    ("pipeDelimited", False, RGB, b"q=R%7C100%7CG%7C200", {"R": 100, "G": 200}),
    ("deepObject", True, RGB, b"q%5BR%5D=100&q%5BG%5D=200&q[B]=150", {"R": 100, "G": 200, "B": 150}),
]


@pytest.mark.rows("F-095", "F-096", "F-097", "F-098", "F-099", "F-100", "F-102")
@pytest.mark.parametrize(("style", "explode", "schema", "text", "value"), QUERY_TABLE)
def test_the_style_table_of_queries(style: str, explode: bool, schema: Any, text: bytes, value: Any) -> None:
    """The style examples of OpenAPI 3.2 and the collection formats of Swagger 2, with their items cast."""
    assert query(schema, text, style=style, explode=explode) == value


PATH_TABLE: list[tuple[str, bool, Any, str, Any]] = [
    ("simple", False, STRING, "blue", "blue"),
    ("simple", False, STRING, "a%2Fb+c", "a/b+c"),
    ("simple", False, STRINGS, "blue,black,brown", ["blue", "black", "brown"]),
    ("simple", False, STRINGS, "blue,bla%2Cck", ["blue", "bla,ck"]),
    ("simple", True, STRINGS, "blue,black", ["blue", "black"]),
    ("simple", False, INTEGERS, "3,4,5", [3, 4, 5]),
    ("simple", False, RGB, "R,100,G,200,B,150", {"R": 100, "G": 200, "B": 150}),
    ("simple", True, RGB, "R=100,G=200,B=150", {"R": 100, "G": 200, "B": 150}),
    ("label", False, INTEGER, ".5", 5),
    ("label", False, STRING, ".", ""),
    ("label", False, STRINGS, ".blue,black,brown", ["blue", "black", "brown"]),
    ("label", False, STRINGS, ".blue.black.brown", ["blue", "black", "brown"]),
    ("label", True, STRINGS, ".blue.black.brown", ["blue", "black", "brown"]),
    ("label", False, RGB, ".R,100,G,200,B,150", {"R": 100, "G": 200, "B": 150}),
    ("label", True, RGB, ".R=100.G=200.B=150", {"R": 100, "G": 200, "B": 150}),
    ("matrix", False, INTEGER, ";color=5", 5),
    ("matrix", False, STRING, ";color", ""),
    ("matrix", False, STRINGS, ";color=blue,black,brown", ["blue", "black", "brown"]),
    ("matrix", True, STRINGS, ";color=blue;color=black", ["blue", "black"]),
    ("matrix", False, RGB, ";color=R,100,G,200,B,150", {"R": 100, "G": 200, "B": 150}),
    ("matrix", True, RGB, ";R=100;G=200;B=150", {"R": 100, "G": 200, "B": 150}),
    ("pipeDelimited", False, INTEGERS, "1%7C2", [1, 2]),
    ("spaceDelimited", False, STRINGS, "a%20b+c", ["a", "b+c"]),
]


@pytest.mark.rows("F-101")
@pytest.mark.parametrize(("style", "explode", "schema", "text", "value"), PATH_TABLE)
def test_the_style_table_of_paths(style: str, explode: bool, schema: Any, text: str, value: Any) -> None:
    """Simple, label and matrix: a text is split before it is decoded."""
    assert path(schema, text, style=style, explode=explode) == value


@pytest.mark.parametrize(
    ("style", "schema", "text", "code"),
    [
        ("label", INTEGER, "5", "style"),
        ("matrix", INTEGER, ";size=5", "style"),
        ("simple", RGB, "R,100,G", "style"),
        ("simple", RGB, "R,1,R,2", "repeated"),
        ("simple", RGB, "X,1", "additionalProperties"),
        ("simple", STRING, "%FF", "encoding"),
        ("simple", STRING, "%zz", "encoding"),
        ("simple", INTEGER, "5%20", "type"),
    ],
)
def test_a_path_that_is_not_of_the_style(style: str, schema: Any, text: str, code: str) -> None:
    """Every way to write it wrong is a violation that names the parameter."""
    assert [(name, found) for name, _, found in path(schema, text, style=style)] == [("color", code)]


@pytest.mark.rows("F-101", "F-102")
@pytest.mark.parametrize(
    ("schema", "explode", "values", "expected"),
    [
        (INTEGERS, False, ["1,2"], [1, 2]),
        (INTEGERS, False, ["1 ,\t2"], [1, 2]),
        (INTEGERS, True, ["1", "2"], [1, 2]),
        (STRING, False, ["a%20b"], "a%20b"),
        (STRING, False, ["a", "b"], "a, b"),
        (RGB, False, ["R,100, G,200"], {"R": 100, "G": 200}),
        (RGB, True, ["R=100, G=200"], {"R": 100, "G": 200}),
    ],
)
def test_headers(schema: Any, explode: bool, values: list[str], expected: Any) -> None:
    """Fields of one name are one list (RFC 9110, 5.3), in any case of the name; nothing is percent-decoded."""
    reading = Reading(parameter("header", "X-Ids", schema, explode=explode))
    headers = reading(headers=[("x-IDS", value) for value in values])[2]
    assert headers["X-Ids"] == expected
    assert (list(headers), reading.violations) == (["X-Ids"], [])


@pytest.mark.parametrize(
    ("schema", "fields", "cookies", "value"),
    [
        (INTEGER, {}, ["a=1; c=5; d"], 5),
        (INTEGER, {}, ["a=1", "c=5"], 5),
        (STRING, {}, ["c=a%20b"], "a b"),
        (STRING, {"style": "cookie"}, ["c=a%20b"], "a%20b"),
        (STRING, {}, ["c=x=y"], "x=y"),
        (STRING, {}, ["c=near; c=far"], "near"),
        (INTEGERS, {"explode": False}, ["c=1,2"], [1, 2]),
        (INTEGERS, {}, ["c=1; c=2"], [1, 2]),
        (INTEGERS, {}, ["c=1,2"], [1, 2]),
        (RGB, {"explode": False}, ["c=R,1,G,2"], {"R": 1, "G": 2}),
        (RGB, {}, ["R=1; G=2"], {"R": 1, "G": 2}),
    ],
)
def test_cookies(schema: Any, fields: Any, cookies: list[str], value: Any) -> None:
    """Cookies of all header fields; of two with one name the first, which is the one of the closest path."""
    reading = Reading(parameter("cookie", "c", schema, **fields))
    assert reading(headers=[("cookie", cookie) for cookie in cookies])[3]["c"] == value
    assert reading.violations == []


def test_a_parameter_with_content_is_json() -> None:
    """Its text is parsed strictly and validated; what is no JSON is a violation."""
    schema = {"type": "object", "properties": {"a": INTEGER}}
    assert query(schema, b"q=%7B%22a%22:1%7D", media_type="application/json") == {"a": 1}
    assert query(schema, b"q=%7B%22a%22:%22x%22%7D", media_type="application/json") == ["type"]
    assert query(schema, b"q=%7B%22a%22:1,%22a%22:2%7D", media_type="application/json") == ["json"]
    assert query(schema, b"q=a", media_type="application/json") == ["json"]
    assert query(STRING, b"q=a%20b", media_type="text/plain") == "a b"


@pytest.mark.parametrize("text", [b"q[]=1&q[]=2", b"q%5B0%5D=1&q%5B1%5D=2", b"q=1&q=2"])
def test_an_array_of_style_deep_object(text: bytes) -> None:
    """With brackets, or repeated as an exploded one."""
    assert query(INTEGERS, text, style="deepObject", explode=True) == [1, 2]
    assert query({**INTEGERS, "minItems": 3}, text, style="deepObject", explode=True) == ["minItems"]


def test_arrays_in_an_array_are_json() -> None:
    """One of them, or all."""
    schema = {"type": "array", "items": INTEGERS}
    assert query(schema, b"q=[1,2]", explode=True) == [[1, 2]]
    assert query(schema, b"q=[1,2]&q=[3]", explode=True) == [[1, 2], [3]]
    assert query(schema, b"q=%5B%5B1%2C2%5D%2C%5B%5D%5D", explode=False) == [[1, 2], []]


@pytest.mark.parametrize("explode", [True, False])
@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b"q=%7B%22R%22:1%7D", [{"R": 1}]),
        (b"q=%7B%22R%22%3A1%2C%22G%22%3A2%7D", [{"R": 1, "G": 2}]),
        (b"q=%5B%7B%22R%22%3A1%7D%2C%7B%22R%22%3A2%7D%5D", [{"R": 1}, {"R": 2}]),
        (b"q=[]", []),
        (b"q=", []),
        (b"q=%7B%22R%22:%22x%22%7D", ["type"]),
        (b"q=%7B", ["type"]),
        (b"q=red", ["type"]),
    ],
)
def test_objects_in_an_array_are_json(explode: bool, text: bytes, value: Any) -> None:
    """No style says how they are written; each as JSON, or the whole array, is what callers send."""
    schema = {"type": "array", "items": {"type": "object", "properties": {"R": INTEGER, "G": INTEGER}}}
    assert query(schema, text, explode=explode) == value
    several = {True: b"q=%7B%22R%22:1%7D&q=%7B%7D", False: b"q=%7B%22R%22:1%7D,%7B%7D"}[explode]
    assert query(schema, several, explode=explode) == [{"R": 1}, {}]


def test_the_whole_query_as_one_parameter() -> None:
    """`in: querystring` (OpenAPI 3.2) as a form and as JSON."""
    form = parameter("querystring", "all", {**RGB, "required": ["R"]}, media_type="application/x-www-form-urlencoded")
    reading = Reading(form)
    assert reading(b"R=1&G=2")[1] == {"all": {"R": 1, "G": 2}}
    reading(b"G=2&X=1")
    assert sorted(code for _, _, code in reading.faults) == ["additionalProperties", "required"]
    asked = Reading(parameter("querystring", "all", RGB, media_type="application/json", required=True))
    assert asked(b"%7B%22R%22:1%7D")[1] == {"all": {"R": 1}}
    asked(b"")
    assert asked.faults == [("all", "", "required")]
    asked(b"R=1")
    assert asked.faults == [("all", "", "json")]


def test_broken_encoding_is_a_violation_of_its_parameter() -> None:
    """Declared, undeclared, in the name or in the value: a violation, never an exception."""
    reading = Reading(parameter("query", "q", STRING), parameter("header", "X-A", STRING))
    reading(b"q=%FF&other=%&%C3=1", [("X-A", "\xff")])
    assert [code for _, _, code in reading.faults] == ["encoding"] * 4


def test_raw_utf8_in_a_query_is_read() -> None:
    """Clients that do not encode are understood if their bytes are UTF-8."""
    assert query(STRING, "q=é%20+".encode()) == "é  "


def test_a_reserved_character_is_read_whether_encoded_or_not() -> None:
    """`allowReserved` is about writing; `=` and `?` in a value are read either way."""
    for allow in (True, False):
        assert query(STRING, b"q=a=b?c:/d", allow_reserved=allow) == "a=b?c:/d"


def test_the_limit_of_query_parameters() -> None:
    """As many as the limit are read; one more is a violation, and none of them is looked at."""
    reading = Reading(parameter("query", "q", INTEGER), settings=Settings(query_parameters=3))
    assert reading(b"q=1&a=2&b=3")[1] == {"q": 1, "a": "2", "b": "3"}
    assert reading(b"q=1&a=2&b=3&c=4")[1] == {"q": None}
    assert reading.faults == [("", "", "limit")]


def test_the_limit_of_digits() -> None:
    """A number of the longest length is cast, one character more is not a number."""
    reading = Reading(parameter("query", "q", INTEGER), settings=Settings(json_digits=5))
    assert reading(b"q=12345")[1]["q"] == 12345
    reading(b"q=123456")
    assert reading.faults == [("q", "", "type")]


ANY = {"type": "object", "additionalProperties": True}


@given(
    st.sampled_from(
        [
            (STRING, "form", True),
            (INTEGERS, "form", False),
            (RGB, "form", True),
            (ANY, "form", True),
            (ANY, "deepObject", True),
            (STRINGS, "pipeDelimited", False),
            ({"oneOf": [INTEGER, STRINGS, RGB]}, "form", False),
        ]
    ),
    st.one_of(st.binary(max_size=60), st.from_regex(rb"(q(\[[a-z0-9]{0,2}\]){0,3}=[%a-f0-9,|+]{0,6}&?){0,4}")),
)
def test_nothing_that_is_sent_raises(kind: tuple[Any, str, bool], text: bytes) -> None:
    """Whatever bytes come as query, headers and cookies: a reader gives members, and violations that can be sent."""
    schema, style, explode = kind
    reading = Reading(
        parameter("query", "q", schema, style=style, explode=explode),
        parameter("header", "X-Q", schema),
        parameter("cookie", "q", schema),
        parameter("path", "q", schema),
    )
    violations: list[dict[str, Any]] = []
    path_text = text.decode("latin-1").encode("ascii", "replace").decode()
    reading.read({"q": path_text}, text, [(b"x-q", text), (b"cookie", text)], violations)
    assert all(set(entry) >= {"in", "name", "pointer", "code", "detail"} for entry in violations)
    assert all(len(entry["detail"]) <= 300 for entry in violations)
