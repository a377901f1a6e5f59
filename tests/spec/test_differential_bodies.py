"""Verdicts on JSON bodies against openapi-core and stock Connexion; see ``test_differential.py``.

All three get the same OpenAPI 3.0 document, ours through our compiler. Only the verdict is compared: openapi-core makes
objects of dates and UUIDs, which is no disagreement on what may be sent.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import peers
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from peers import Sent

from apimgmt.errors import Problem
from apimgmt.settings import Settings
from apimgmt.spec.compiler.compiler import compile_document
from apimgmt.spec.intake.loader import load
from apimgmt.spec.request.body import compile_body
from apimgmt.spec.validation.validator import Validators

DOCS = Path(__file__).parents[2] / "docs" / "casting.md"
FORMATS = ("date", "date-time", "uuid", "email", "ipv4", "byte")

SCHEMAS: dict[str, Any] = {
    "integer": {"type": "integer"},
    "limited": {"type": "integer", "minimum": 3, "maximum": 12, "exclusiveMaximum": True},
    "multiple": {"type": "number", "multipleOf": 0.5},
    "number": {"type": "number"},
    "boolean": {"type": "boolean"},
    "string": {"type": "string", "minLength": 1, "maxLength": 4},
    "integers": {"type": "array", "items": {"type": "integer"}, "maxItems": 2},
    "unique": {"type": "array", "items": {}, "uniqueItems": True},
    "object": {
        "type": "object",
        "required": ["a"],
        "properties": {"a": {"type": "integer"}, "b": {"type": "string"}},
        "additionalProperties": False,
    },
    "map": {"type": "object", "additionalProperties": {"type": "boolean"}},
    "nullable": {"type": "integer", "nullable": True},
    "inside": {"type": "object", "properties": {"a": {"type": "string", "nullable": True}, "b": {"type": "string"}}},
    "enum": {"type": "string", "enum": ["a", "b"]},
    "numbers": {"type": "integer", "enum": [1, 2]},
    "nullable enum": {"type": "string", "nullable": True, "enum": ["a", "b"]},
    "read-only": {
        "type": "object",
        "required": ["a", "b"],
        "properties": {"a": {"type": "integer", "readOnly": True}, "b": {"type": "string"}},
    },
    "one of": {"oneOf": [{"type": "integer"}, {"type": "number"}, {"type": "string"}]},
    "int32": {"type": "integer", "format": "int32"},
    "int64": {"type": "integer", "format": "int64"},
    **{name: {"type": "string", "format": name} for name in FORMATS},
}
NAMES = {name: name.replace(" ", "-") for name in SCHEMAS}
VERDICT = {"value": "accepted", "refused": "refused", "crash": "crash"}


def _document() -> dict[str, Any]:
    paths: dict[str, Any] = {}
    for name, schema in SCHEMAS.items():
        paths |= peers.taking(NAMES[name], schema)
    return peers.whole(paths)


def _ours() -> Callable[[str, bytes], str]:
    compiled = compile_document(load(json.dumps(_document()).encode(), "application/json", Settings()))
    validators = Validators(compiled.schemas)
    readers = {operation.path: compile_body(operation, validators, Settings()) for operation in compiled.operations}

    def answer(name: str, body: bytes) -> str:
        violations: list[Any] = []
        try:
            readers[f"/{NAMES[name]}"](b"application/json", body, violations)
        except Problem:
            return "refused"
        return "refused" if violations else "accepted"

    return answer


# --- the disagreements, by name ---------------------------------------------------------------------------------------


def _outside(body: bytes) -> bytes:
    """The body without what its strings hold."""
    return re.sub(rb'"(\\.|[^"\\])*"', b'""', body)


def _not_json(name: str, body: bytes) -> bool:
    return re.search(rb"NaN|Infinity|[eE][+-]?[0-9]{3,}", _outside(body)) is not None


def _fractions(name: str, body: bytes) -> bool:
    return re.search(rb"[0-9](\.0\b|[eE])", _outside(body)) is not None


def _twice(name: str, body: bytes) -> bool:
    names = re.findall(rb'"(\w*)"\s*:', body)
    return len(set(names)) < len(names)


def _encoding(name: str, body: bytes) -> bool:
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return True
    return text.startswith("\ufeff") or re.search(r"\\u[dD][89a-fA-F]", text) is not None


def _null_in_enum(name: str, body: bytes) -> bool:
    return name == "nullable enum" and body == b"null"


def _read_only(name: str, body: bytes) -> bool:
    return name == "read-only"


def _unchecked_formats(name: str, body: bytes) -> bool:
    return name in ("date", "uuid", "byte", "int32", "int64")


def _bytes_beyond_ascii(name: str, body: bytes) -> bool:
    return name == "byte" and b"\\u" in body


def _email(name: str, body: bytes) -> bool:
    return name == "email"


BOTH = ("connexion", "openapi-core")
RULES: list[tuple[str, Callable[[str, bytes], bool], tuple[str, ...]]] = [
    ("Numbers that are not JSON", _not_json, BOTH),
    ("Whole numbers with a fraction", _fractions, BOTH),
    ("One name twice in an object", _twice, BOTH),
    ("Bodies that are not UTF-8", _encoding, BOTH),
    ("Null beside an enum", _null_in_enum, ("openapi-core",)),
    ("Read-only properties", _read_only, ("connexion",)),
    ("Formats", _unchecked_formats, ("connexion",)),
    ("Formats", _bytes_beyond_ascii, ("openapi-core",)),
    ("Email addresses", _email, BOTH),
]

# rule, schema, body, and the verdict of us, Connexion and openapi-core
EXAMPLES: list[tuple[str, str, bytes, str, str, str]] = [
    ("Numbers that are not JSON", "number", b"NaN", "refused", "accepted", "accepted"),
    ("Numbers that are not JSON", "number", b"1e400", "refused", "accepted", "accepted"),
    ("Numbers that are not JSON", "multiple", b"-Infinity", "refused", "crash", "crash"),
    ("Whole numbers with a fraction", "integer", b"5.0", "accepted", "refused", "refused"),
    ("Whole numbers with a fraction", "one of", b"5.0", "refused", "accepted", "accepted"),
    ("One name twice in an object", "object", b'{"a":1,"a":2}', "refused", "accepted", "accepted"),
    ("Bodies that are not UTF-8", "string", b'"\xff"', "refused", "crash", "refused"),
    ("Bodies that are not UTF-8", "string", b'"\\ud800"', "refused", "accepted", "accepted"),
    ("Bodies that are not UTF-8", "string", b'\xef\xbb\xbf"a"', "refused", "refused", "accepted"),
    ("Null beside an enum", "nullable enum", b"null", "accepted", "accepted", "refused"),
    ("Read-only properties", "read-only", b'{"b": "x"}', "accepted", "refused", "accepted"),
    ("Read-only properties", "read-only", b'{"a": 1, "b": "x"}', "refused", "accepted", "refused"),
    ("Formats", "date", b'"2023-02-29"', "refused", "accepted", "refused"),
    ("Formats", "int32", b"2147483648", "refused", "accepted", "refused"),
    ("Formats", "byte", b'"\\u00e9"', "refused", "accepted", "crash"),
    ("Email addresses", "email", b'"@"', "refused", "accepted", "accepted"),
]

VALUES = [0, 1, 3, 7, 12, -5, 2**31, 2**63, 2**63 - 1, 1.5, 0.25, True, False, None, "", "a", "b", "abcd", "abcde", "é"]
DATES = ["2024-02-29", "2023-02-29", "2024-1-1", "20240229", "2024-02-29T10:00:00Z", "2024-02-29T10:00:00"]
DATES += ["2024-02-29t10:00:00.5+02:00", "2024-02-29 10:00:00Z", "2024-02-29T24:00:00Z", "2024-02-29T10:00:60Z"]
OTHERS = ["6fa459ea-ee8a-3ca4-894e-db77e160355e", "6FA459EAEE8A3CA4894EDB77E160355E", "a@b", "a@b.c", "@", "a b@c.d"]
OTHERS += ["127.0.0.1", "127.0.0.01", "127.1", "256.0.0.1", "YQ==", "YQ", "Y Q==", "-_==", "12345678901234567890"]
SCALARS = st.sampled_from([*VALUES, *DATES, *OTHERS])
WHOLE: list[Any] = [
    [],
    [1],
    [1, 2, 3],
    {},
    {"a": 1},
    {"b": "x"},
    {"a": 1, "b": "x"},
    {"a": None},
    {"b": None},
    {"a": True},
]
OBJECTS = st.dictionaries(st.sampled_from(["a", "b", "c"]), SCALARS, max_size=3)
ODD = [
    b"5.0",
    b"1e2",
    b"-0",
    b"1e400",
    b"NaN",
    b"-Infinity",
    b'{"a":1,"a":2}',
    b'{"a":1,"b":"x","b":"y"}',
    b'"\\ud800"',
]
ODD += [
    b'"\xff"',
    b'\xef\xbb\xbf"a"',
    b"[1,2,]",
    b"{'a':1}",
    b"01",
    b"",
    b" ",
    b"1 2",
    b"[1,1.0]",
    b"[1,true]",
    b'"\t"',
]
JSON = st.one_of(SCALARS, st.lists(SCALARS, max_size=3), OBJECTS).map(lambda value: json.dumps(value).encode())
BODIES = st.one_of(JSON, JSON, JSON, st.sampled_from(ODD))
# Each of these is sent for every schema, so that no good value depends on what is generated.
FIXED = [*(json.dumps(value).encode() for value in [*VALUES, *DATES, *OTHERS, *WHOLE]), *ODD]


@pytest.fixture(scope="module")
def others() -> dict[str, Callable[[str, bytes], str]]:
    """The peers, each made once, asked for a verdict."""
    made = {"connexion": peers.connexion(_document()), "openapi-core": peers.openapi_core(_document())}

    def asked(peer: peers.Peer) -> Callable[[str, bytes], str]:
        return lambda name, body: VERDICT[peer(Sent(NAMES[name], "body", body=body))[0]]

    return {name: asked(peer) for name, peer in made.items()}


@pytest.fixture(scope="module")
def ours() -> Callable[[str, bytes], str]:
    """Our verdict."""
    return _ours()


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_disagreement_on_a_body_has_a_name(name: str, ours: Any, others: Any) -> None:
    """For generated bodies each peer gives our verdict, or a named rule says why not."""

    def compare(body: bytes) -> None:
        mine = ours(name, body)
        for peer, answer in others.items():
            theirs = answer(name, body)
            if theirs != mine:
                reasons = [rule for rule, applies, among in RULES if peer in among and applies(name, body)]
                assert reasons, f"{name}: {body!r}: ours {mine}, {peer} {theirs}"

    for body in FIXED:
        compare(body)
    settings(max_examples=20, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])(
        given(BODIES)(compare)
    )()


@pytest.mark.parametrize(("rule", "name", "body", "mine", "connexion", "core"), EXAMPLES)
def test_each_disagreement_on_a_body_is_real(
    rule: str, name: str, body: bytes, mine: str, connexion: str, core: str, ours: Any, others: Any
) -> None:
    """The examples of the page on casting are what the three really answer, and their rule covers them."""
    assert ours(name, body) == mine
    assert (others["connexion"](name, body), others["openapi-core"](name, body)) == (connexion, core)
    assert any(applies(name, body) for named, applies, _ in RULES if named == rule)


@pytest.mark.parametrize("rule", sorted({rule for rule, _, _ in RULES}))
def test_every_disagreement_on_a_body_is_explained(rule: str) -> None:
    """Each rule is a heading of the page on casting and has an example here."""
    assert f"\n### {rule}\n" in DOCS.read_text("utf-8")
    assert any(example[0] == rule for example in EXAMPLES)
