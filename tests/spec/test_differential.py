"""Our casters against openapi-core and stock Connexion: every disagreement has a name, and a new one fails.

The names are the headings of ``docs/casting.md``. A rule looks at the request, not at the answers, so that it excuses
one kind of request only; where it applies, our own answer is demanded by ``test_parameters.py``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote_plus, unquote_to_bytes

import peers
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from peers import CRASH, REFUSED, Sent, value

from apimgmt.model import Operation, Parameter
from apimgmt.settings import Settings
from apimgmt.spec.request.parameters import compile_parameters
from apimgmt.spec.validation.validator import Validators

DOCS = Path(__file__).parents[2] / "docs" / "casting.md"

INTEGERS = {"type": "array", "items": {"type": "integer"}}
STRINGS = {"type": "array", "items": {"type": "string"}}
RGB = {"type": "object", "properties": {"r": {"type": "integer"}, "g": {"type": "string"}}}


class Case(NamedTuple):
    """One declared query parameter `q`; ``null`` is OpenAPI 3.0's nullable."""

    schema: dict[str, Any]
    style: str = "form"
    explode: bool = True
    null: bool = False

    @property
    def kind(self) -> str:
        """The type of the value, for an array that of its items, for an object that of its typed property."""
        inner = self.schema.get("items", self.schema.get("properties", {}).get("r", self.schema))
        return str(inner["type"])

    @property
    def is_array(self) -> bool:
        """Whether the value is an array."""
        return "items" in self.schema

    def texts(self, query: str) -> list[str]:
        """The single values in a query, split and decoded as OpenAPI says."""
        sent = [pair.partition("=")[2] for pair in query.split("&") if pair]
        if self.schema is RGB and self.style == "form":
            sent = [item for text in sent for item in text.split(",")]
        if self.is_array and not self.explode:
            mark = "|" if self.style == "pipeDelimited" else ","
            sent = [item for text in sent for item in text.replace("%7C", "|").replace("%2C", ",").split(mark)]
        return [unquote_plus(text) for text in sent]


CASES = {
    "integer": Case({"type": "integer"}),
    "nullable": Case({"type": "integer"}, null=True),
    "number": Case({"type": "number"}),
    "boolean": Case({"type": "boolean"}),
    "string": Case({"type": "string"}),
    "limited": Case({"type": "integer", "minimum": 3, "maximum": 12}),
    "default": Case({"type": "integer", "default": 5}),
    "multi": Case(INTEGERS),
    "strings": Case(STRINGS),
    "csv": Case(INTEGERS, explode=False),
    "csvstrings": Case(STRINGS, explode=False),
    "pipes": Case(INTEGERS, "pipeDelimited", False),
    "booleans": Case({"type": "array", "items": {"type": "boolean"}}, explode=False),
    "deep": Case(RGB, "deepObject", True),
    "object": Case(RGB, explode=False),
}

# --- what each says of a request: ("value", v), ("refused",) or ("crash",) ------------------------------------------


def _ours(case: Case) -> Callable[[str], Any]:
    schema = {**case.schema, "type": [case.schema["type"], "null"]} if case.null else case.schema
    style: Any = case.style
    parameter = Parameter(name="q", location="query", schema=schema, style=style, explode=case.explode)
    operation = Operation(key="get /", method="get", path="/", parameters=(parameter,))
    read = compile_parameters(operation, Validators({}), Settings())

    def answer(query: str) -> Any:
        violations: list[Any] = []
        value = read({}, query.encode(), [], violations)[1]["q"]
        return ("refused",) if violations else ("value", value)

    return answer


def _document() -> dict[str, Any]:
    paths: dict[str, Any] = {}
    for name, case in CASES.items():
        schema = {**case.schema, "nullable": True} if case.null else case.schema
        parameter = {"name": "q", "in": "query", "style": case.style, "explode": case.explode, "schema": schema}
        paths |= peers.asking(name, parameter)
    return peers.whole(paths)


# --- the disagreements, by name ---------------------------------------------------------------------------------------

_INTEGER = re.compile(r"-?(0|[1-9][0-9]*)").fullmatch
_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?").fullmatch


def _python_reads(read: Callable[[Any], Any], text: str | bytes) -> bool:
    try:
        read(text)
    except ValueError:
        return False
    return True


def _lenient_numbers(case: Case, query: str) -> bool:
    if case.kind == "integer":
        return any(_python_reads(int, text) and not _INTEGER(text) for text in case.texts(query))
    if case.kind == "number":
        return any(_python_reads(float, text) and not _NUMBER(text) for text in case.texts(query))
    return False


def _words(case: Case, query: str) -> bool:
    words = ("y", "yes", "t", "true", "on", "1", "n", "no", "f", "false", "off", "0")
    return case.kind == "boolean" and any(
        text.lower() in words and text not in ("true", "false") for text in case.texts(query)
    )


def _repeated(case: Case, query: str) -> bool:
    return query.count("q=") > 1 and not (case.is_array and case.explode)


def _empty(case: Case, query: str) -> bool:
    return "" in case.texts(query)


def _null_words(case: Case, query: str) -> bool:
    return case.null and any(text in ("null", "None", "NONE", "Null") or not text for text in case.texts(query))


def _commas(case: Case, query: str) -> bool:
    """A separator that is part of an item, or written in two ways in one text."""
    if not case.is_array and case.schema is not RGB:
        return False
    if case.explode and case.is_array:
        return "," in unquote_plus(query)
    mark, encoded = ("|", "%7C") if case.style == "pipeDelimited" else (",", "%2C")
    return mark in query and encoded in query


def _encoding(case: Case, query: str) -> bool:
    broken = re.search(r"%(?![0-9A-Fa-f]{2})", query) is not None
    return broken or not _python_reads(bytes.decode, unquote_to_bytes(query))


def _deep(case: Case, query: str) -> bool:
    """A property that is sent twice, or deeper than it is declared."""
    names = [pair.partition("=")[0] for pair in query.split("&")]
    return case.style == "deepObject" and (len(set(names)) < len(names) or "][" in query)


def _connexion_objects(case: Case, query: str) -> bool:
    return case.schema is RGB and case.style == "form" and "q=" in query


def _uneven_objects(case: Case, query: str) -> bool:
    """An odd number of parts, or a property twice."""
    names = unquote_plus(query.partition("=")[2]).split(",")[::2]
    odd = len(unquote_plus(query).split(",")) % 2 == 1
    return case.schema is RGB and case.style == "form" and (odd or len(set(names)) < len(names))


def _large(case: Case, query: str) -> bool:
    return any(re.search(r"[eE][+-]?[0-9]{3,}|[0-9]{300,}", text) for text in case.texts(query))


BOTH = ("connexion", "openapi-core")
RULES: list[tuple[str, Callable[[Case, str], bool], tuple[str, ...]]] = [
    ("Python's leniency in numbers", _lenient_numbers, BOTH),
    ("Numbers out of range", _large, BOTH),
    ("Words for booleans", _words, BOTH),
    ("One value sent twice", _repeated, BOTH),
    ("Empty values", _empty, BOTH),
    ("Null", _null_words, BOTH),
    ("Separators inside items", _commas, BOTH),
    ("Broken encodings", _encoding, BOTH),
    ("Deep objects", _deep, BOTH),
    ("Objects in one text", _connexion_objects, ("connexion",)),
    ("Objects in one text", _uneven_objects, ("openapi-core",)),
]

# rule, case, query, and what we, Connexion and openapi-core make of it
EXAMPLES: list[tuple[str, str, str, Any, Any, Any]] = [
    ("Python's leniency in numbers", "integer", "q=1_000", REFUSED, value(1000), value(1000)),
    ("Python's leniency in numbers", "integer", "q=007", REFUSED, value(7), value(7)),
    ("Python's leniency in numbers", "integer", "q=%D9%A3", REFUSED, value(3), value(3)),
    ("Python's leniency in numbers", "number", "q=.5", REFUSED, value(0.5), value(0.5)),
    ("Numbers out of range", "number", "q=1e400", REFUSED, value(float("inf")), value(float("inf"))),
    ("Words for booleans", "boolean", "q=True", REFUSED, value(True), value(True)),
    ("Words for booleans", "boolean", "q=yes", REFUSED, REFUSED, value(True)),
    ("One value sent twice", "string", "q=a&q=b", REFUSED, value("b"), value("a")),
    ("One value sent twice", "csv", "q=1,2&q=3", REFUSED, value([3]), value([1, 2])),
    ("Empty values", "string", "q=", value(""), value(""), REFUSED),
    ("Empty values", "csv", "q=", value([]), REFUSED, REFUSED),
    ("Null", "nullable", "q=null", value(None), value(None), REFUSED),
    ("Null", "nullable", "q=None", REFUSED, value(None), REFUSED),
    ("Null", "nullable", "q=", value(None), REFUSED, REFUSED),
    (
        "Separators inside items",
        "strings",
        "q=a,b&q=c",
        value(["a,b", "c"]),
        value(["a", "b", "c"]),
        value(["a,b", "c"]),
    ),
    (
        "Separators inside items",
        "csvstrings",
        "q=a,b%2Cc",
        value(["a", "b,c"]),
        value(["a", "b", "c"]),
        value(["a", "b", "c"]),
    ),
    ("Broken encodings", "string", "q=%zz", REFUSED, value("%zz"), value("%zz")),
    ("Broken encodings", "string", "q=%FF", REFUSED, value("\ufffd"), value("\ufffd")),
    ("Deep objects", "deep", "q[r]=1&q[r]=2", REFUSED, value({"r": 1}), value({"r": 1})),
    ("Deep objects", "deep", "q[r][x]=1", REFUSED, CRASH, value({"r": 1})),
    ("Objects in one text", "object", "q=r,1,g,x", value({"r": 1, "g": "x"}), REFUSED, value({"r": 1, "g": "x"})),
    ("Objects in one text", "object", "q=r,1,g", REFUSED, REFUSED, value({"r": 1})),
]

NUMBERS = st.sampled_from(
    ["0", "7", "-5", "12", "007", "%2B5", "1_000", "%D9%A3", "+5", "5+", "1.5", ".5", "5.", "1e3", "nan"]
)
WORDS = st.sampled_from(["true", "false", "True", "1", "yes", "off", "null", "None", "inf", "9223372036854775808", ""])
RAW = st.text(alphabet="01259-+.eE_ax,|", max_size=6)
VALUE = st.one_of(NUMBERS, WORDS, RAW, st.sampled_from(["%31", "a%2Cb", "1%2C2", "%zz", "%FF", "1%7C2", "a+b", "%20"]))
LIST = st.lists(VALUE, min_size=1, max_size=3)


@st.composite
def queries(draw: Any, case: Case) -> str:
    """A query of the shape that the case expects, with good and bad values; now and then without or with two."""
    values = draw(LIST)
    if case.style == "deepObject":
        keys = draw(st.lists(st.sampled_from(["r", "g", "x", "r", "g", "r]["]), min_size=1, max_size=3))
        return "&".join(f"q[{key}]={value}" for key, value in zip(keys, values, strict=False))
    if case.is_array and case.explode:
        return "&".join(f"q={value}" for value in values)
    if case.is_array or case.schema is RGB:
        return "q=" + ("|" if case.style == "pipeDelimited" else ",").join(values)
    return draw(st.sampled_from(["", f"q={values[0]}", f"q={values[0]}", f"q={values[0]}", f"q={values[0]}&q=1"]))


@pytest.fixture(scope="module")
def others() -> dict[str, Callable[[str, str], Any]]:
    """The peers, each made once, asked with a case and a query."""
    made = {"connexion": peers.connexion(_document()), "openapi-core": peers.openapi_core(_document())}

    def asked(peer: peers.Peer) -> Callable[[str, str], Any]:
        return lambda name, query: peer(Sent(name, query=query, key="q"))

    return {name: asked(peer) for name, peer in made.items()}


@pytest.mark.parametrize("name", CASES)
def test_every_disagreement_has_a_name(name: str, others: Any) -> None:
    """For generated requests each peer gives our value, or refuses with us, or a named rule says why not."""
    case, ours = CASES[name], _ours(CASES[name])

    @settings(max_examples=60, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(queries(case))
    def compare(query: str) -> None:
        mine = ours(query)
        for peer, answer in others.items():
            theirs = answer(name, query)
            if not peers.same(theirs, mine):
                reasons = [rule for rule, applies, among in RULES if peer in among and applies(case, query)]
                assert reasons, f"{name}: {query!r}: ours {mine}, {peer} {theirs}"

    compare()


@pytest.mark.parametrize(("rule", "name", "query", "mine", "connexion", "core"), EXAMPLES)
def test_each_disagreement_is_real(
    rule: str, name: str, query: str, mine: Any, connexion: Any, core: Any, others: Any
) -> None:
    """The examples of the page on casting are what the three really answer, and their rule covers them."""
    assert peers.same(_ours(CASES[name])(query), mine)
    assert peers.same(others["connexion"](name, query), connexion)
    assert peers.same(others["openapi-core"](name, query), core)
    assert any(applies(CASES[name], query) for named, applies, _ in RULES if named == rule)


@pytest.mark.parametrize("rule", sorted({rule for rule, _, _ in RULES}))
def test_every_named_disagreement_is_explained(rule: str) -> None:
    """Each rule is a heading of the page on casting and has an example here."""
    assert f"\n### {rule}\n" in DOCS.read_text("utf-8")
    assert any(example[0] == rule for example in EXAMPLES)
