"""Path, header and cookie parameters against openapi-core and stock Connexion; see ``test_differential.py``.

Connexion is asked where it reads the location: simple paths for a value, headers and cookies for a verdict (it hands
neither to its handler).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, NamedTuple
from urllib.parse import unquote, unquote_to_bytes

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

INTEGER: dict[str, Any] = {"type": "integer"}
NUMBER: dict[str, Any] = {"type": "number"}
BOOLEAN: dict[str, Any] = {"type": "boolean"}
STRING: dict[str, Any] = {"type": "string"}
INTEGERS = {"type": "array", "items": INTEGER}
STRINGS = {"type": "array", "items": STRING}
RGB = {"type": "object", "properties": {"r": INTEGER, "g": STRING}}
SCALARS = {"integer": INTEGER, "number": NUMBER, "boolean": BOOLEAN, "string": STRING}
COMPOSITES = {"integers": INTEGERS, "strings": STRINGS, "object": RGB}
INDEX = {"path": 0, "query": 1, "header": 2, "cookie": 3}
ACCEPTED = ("value", ...)


class Case(NamedTuple):
    """One declared parameter `p`."""

    schema: dict[str, Any]
    where: Literal["path", "header", "cookie"]
    style: Literal["simple", "label", "matrix", "form"]
    explode: bool = False

    @property
    def kind(self) -> str:
        """The type of the value, for an array that of its items, for an object that of its typed property."""
        inner = self.schema.get("items", self.schema.get("properties", {}).get("r", self.schema))
        return str(inner["type"])

    @property
    def composite(self) -> str:
        """Array, object, or nothing."""
        return str(self.schema["type"]) if self.schema["type"] in ("array", "object") else ""

    @property
    def separator(self) -> str:
        """What is between the parts of an array or object."""
        return {"label": ".", "matrix": ";"}.get(self.style, ",") if self.explode else ","

    def parts(self, texts: tuple[str, ...]) -> list[str]:
        """The single values of what was sent, decoded, without the prefix of the style."""
        found = []
        for text in texts:
            body = unquote(text) if self.where != "header" else text
            if self.style == "matrix":
                body = body[1:] if self.explode and self.composite else body.partition("=")[2]
            elif self.style == "label":
                body = body[1:]
            pieces = body.split(self.separator) if self.composite else [body]
            if self.explode and self.composite and (self.style == "matrix" or self.composite == "object"):
                pieces = [piece.partition("=")[2] for piece in pieces]
            found += pieces
        return found


def _cases() -> dict[str, Case]:
    found = {}
    for name, schema in (SCALARS | COMPOSITES).items():
        styles: Any = [("path", "simple"), ("path", "label"), ("path", "matrix"), ("header", "simple")]
        for where, style in styles:
            found[f"{where}-{style}-{name}"] = Case(schema, where, style)
            if name in COMPOSITES:
                found[f"{where}-{style}-{name}-exploded"] = Case(schema, where, style, True)
        if schema is not RGB:
            found[f"cookie-form-{name}"] = Case(schema, "cookie", "form")
            if name in COMPOSITES:
                found[f"cookie-form-{name}-exploded"] = Case(schema, "cookie", "form", True)
    return found


CASES = _cases()

# --- what each says --------------------------------------------------------------------------------------------------


def _headers(case: Case, texts: tuple[str, ...]) -> tuple[tuple[str, bytes], ...]:
    if case.where == "path":
        return ()
    if case.where == "cookie":
        return (("cookie", "; ".join(f"p={text}" for text in texts).encode()),)
    return tuple(("p", text.encode()) for text in texts)


def _ours(case: Case) -> Callable[[tuple[str, ...]], Any]:
    declared = Parameter(
        name="p", location=case.where, schema=case.schema, style=case.style, explode=case.explode, required=True
    )
    operation = Operation(key="get /", method="get", path="/", parameters=(declared,))
    read = compile_parameters(operation, Validators({}), Settings())

    def answer(texts: tuple[str, ...]) -> Any:
        violations: list[Any] = []
        path = {"p": texts[0]} if case.where == "path" else {}
        sent = [(name.encode(), text) for name, text in _headers(case, texts)]
        found = read(path, b"", sent, violations)[INDEX[case.where]]["p"]
        return REFUSED if violations else value(found)

    return answer


def _sent(name: str, texts: tuple[str, ...]) -> Sent:
    case = CASES[name]
    mark = {"label": ".", "matrix": ";"}.get(case.style, "")
    path_key = f"{mark}p*" if mark and case.explode else f"{mark}p"
    path = texts[0] if case.where == "path" else ""
    return Sent(name, case.where, path=path, headers=_headers(case, texts), path_key=path_key)


def _read_by(peer: str, case: Case) -> bool:
    """Whether a peer claims to read such a parameter at all."""
    return peer == "openapi-core" or case.style in ("simple", "form")


def _comparable(peer: str, case: Case, answer: Any) -> Any:
    """Connexion gives its handler no headers and cookies: there the verdict is all that can be compared."""
    return ACCEPTED if peer == "connexion" and case.where != "path" and answer[0] == "value" else answer


# --- the disagreements, by name ---------------------------------------------------------------------------------------

_INTEGER = re.compile(r"-?(0|[1-9][0-9]*)").fullmatch
_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?").fullmatch
_CONNEXION_NUMBER = re.compile(r"[+-]?[0-9]*(\.[0-9]*)?").fullmatch
_WORDS = ("y", "yes", "t", "true", "on", "1", "n", "no", "f", "false", "off", "0")
Texts = tuple[str, ...]


def _python_reads(read: Callable[[Any], Any], text: str | bytes) -> bool:
    try:
        read(text)
    except ValueError:
        return False
    return True


def _lenient_numbers(case: Case, texts: Texts) -> bool:
    if case.kind not in ("integer", "number"):
        return False
    read, strict = (int, _INTEGER) if case.kind == "integer" else (float, _NUMBER)
    return any(_python_reads(read, text) and not strict(text) for text in case.parts(texts))


def _words(case: Case, texts: Texts) -> bool:
    parts = case.parts(texts)
    return case.kind == "boolean" and any(part.lower() in _WORDS and part not in ("true", "false") for part in parts)


def _repeated(case: Case, texts: Texts) -> bool:
    return len(texts) > 1


def _empty(case: Case, texts: Texts) -> bool:
    return "" in case.parts(texts)


def _separators(case: Case, texts: Texts) -> bool:
    return case.where == "path" and any(mark in text.upper() for text in texts for mark in ("%2C", "%3B", "%2E", "%3D"))


def _encoding(case: Case, texts: Texts) -> bool:
    whole = ";".join(texts)
    broken = re.search(r"%(?![0-9A-Fa-f]{2})", whole) is not None
    return case.where != "header" and (broken or not _python_reads(bytes.decode, unquote_to_bytes(whole)))


def _large(case: Case, texts: Texts) -> bool:
    return any(re.search(r"[eE][+-]?[0-9]{3,}|[0-9]{300,}", text) for text in case.parts(texts))


def _connexion_objects(case: Case, texts: Texts) -> bool:
    return case.composite == "object"


def _uneven_objects(case: Case, texts: Texts) -> bool:
    """An odd number of parts, a property twice, or one with no or two signs of equality."""
    if case.composite != "object":
        return False
    body = unquote(texts[0]).removeprefix({"label": ".", "matrix": ";"}.get(case.style, ""))
    if case.style == "matrix" and not case.explode:
        body = body.partition("=")[2]
    pieces = body.split(case.separator)
    if case.explode:
        names = [piece.partition("=")[0] for piece in pieces]
        return any(piece.count("=") != 1 for piece in pieces) or len(set(names)) < len(names)
    return len(pieces) % 2 == 1 or len(set(pieces[::2])) < len(pieces[::2])


def _prefix(case: Case, texts: Texts) -> bool:
    text = texts[0]
    if case.style == "label":
        return not text.startswith(".")
    if case.style != "matrix":
        return False
    if case.explode and case.composite == "array":
        return not text.startswith(";") or any(not piece.startswith("p=") for piece in text[1:].split(";"))
    return not text.startswith(";" if case.explode and case.composite else ";p=")


def _dots(case: Case, texts: Texts) -> bool:
    return case.style == "label" and not case.explode and bool(case.composite) and "." in texts[0][1:]


def _slashes(case: Case, texts: Texts) -> bool:
    return case.where == "path" and "/" in unquote(texts[0])


def _path_numbers(case: Case, texts: Texts) -> bool:
    """What Connexion's pattern for numbers does not match, or matches although it is none."""
    fits = _CONNEXION_NUMBER(texts[0]) is not None and _python_reads(float, texts[0])
    return case.where == "path" and case.schema is NUMBER and not fits


def _white_space(case: Case, texts: Texts) -> bool:
    return case.where == "header" and any(" " in text for text in texts)


def _typed_texts(case: Case, texts: Texts) -> bool:
    return case.where in ("header", "cookie") and case.schema is not STRING


def _encoded_cookies(case: Case, texts: Texts) -> bool:
    return case.where == "cookie" and any("%" in text for text in texts)


def _quoted_cookies(case: Case, texts: Texts) -> bool:
    return case.where == "cookie" and any('"' in text for text in texts)


def _exploded_cookies(case: Case, texts: Texts) -> bool:
    return case.where == "cookie" and case.explode and any("," in text for text in texts)


def _beyond_ascii(case: Case, texts: Texts) -> bool:
    return case.where == "header" and not all(text.isascii() for text in texts)


BOTH = ("connexion", "openapi-core")
RULES: list[tuple[str, Callable[[Case, Texts], bool], tuple[str, ...]]] = [
    ("Python's leniency in numbers", _lenient_numbers, BOTH),
    ("Numbers out of range", _large, BOTH),
    ("Words for booleans", _words, BOTH),
    ("Repeated header fields and cookies", _repeated, BOTH),
    ("Empty values", _empty, BOTH),
    ("Separators inside items", _separators, BOTH),
    ("Broken encodings", _encoding, BOTH),
    ("Objects in one text", _connexion_objects, ("connexion",)),
    ("Objects in one text", _uneven_objects, ("openapi-core",)),
    ("Prefixes of label and matrix", _prefix, ("openapi-core",)),
    ("Dots in labels", _dots, ("openapi-core",)),
    ("Slashes in path values", _slashes, ("connexion",)),
    ("Numbers in Connexion's paths", _path_numbers, ("connexion",)),
    ("White space in headers", _white_space, BOTH),
    ("Types of headers and cookies", _typed_texts, ("connexion",)),
    ("Encoded cookies", _encoded_cookies, BOTH),
    ("Quoted cookies", _quoted_cookies, BOTH),
    ("Commas in exploded cookies", _exploded_cookies, ("openapi-core",)),
    ("Headers beyond ASCII", _beyond_ascii, ("openapi-core",)),
]

# rule, case, texts, and what we, Connexion (None: not asked) and openapi-core make of them
EXAMPLES: list[tuple[str, str, Texts, Any, Any, Any]] = [
    ("Python's leniency in numbers", "path-simple-integer", ("007",), REFUSED, value(7), value(7)),
    ("Python's leniency in numbers", "header-simple-integers", ("1_0,2",), REFUSED, REFUSED, value([10, 2])),
    ("Numbers out of range", "header-simple-number", ("1e400",), REFUSED, REFUSED, value(float("inf"))),
    ("Words for booleans", "path-simple-boolean", ("True",), REFUSED, value(True), value(True)),
    ("Words for booleans", "cookie-form-boolean", ("yes",), REFUSED, REFUSED, value(True)),
    ("Repeated header fields and cookies", "header-simple-integers", ("1", "2"), value([1, 2]), REFUSED, value([1])),
    ("Repeated header fields and cookies", "header-simple-string", ("a", "b"), value("a, b"), ACCEPTED, value("a")),
    ("Repeated header fields and cookies", "cookie-form-string", ("a", "b"), value("a"), ACCEPTED, value("b")),
    ("Empty values", "header-simple-strings", ("",), value([]), REFUSED, value([""])),
    ("Empty values", "path-matrix-string", (";p",), value(""), None, REFUSED),
    (
        "Separators inside items",
        "path-simple-strings",
        ("a%2Cb",),
        value(["a,b"]),
        value(["a", "b"]),
        value(["a", "b"]),
    ),
    ("Broken encodings", "path-simple-string", ("%zz",), REFUSED, value("%zz"), value("%zz")),
    ("Objects in one text", "path-simple-object", ("r,1",), value({"r": 1}), REFUSED, value({"r": 1})),
    ("Objects in one text", "path-simple-object", ("r,1,g",), REFUSED, REFUSED, value({"r": 1})),
    ("Prefixes of label and matrix", "path-label-string", ("abc",), REFUSED, None, value("bc")),
    ("Dots in labels", "path-label-integers", (".1.2",), value([1, 2]), None, REFUSED),
    ("Slashes in path values", "path-simple-string", ("a%2Fb",), value("a/b"), REFUSED, value("a/b")),
    ("Numbers in Connexion's paths", "path-simple-number", ("1e3",), value(1000.0), REFUSED, value(1000.0)),
    ("Numbers in Connexion's paths", "path-simple-number", (".",), REFUSED, CRASH, REFUSED),
    ("White space in headers", "header-simple-strings", ("a, b",), value(["a", "b"]), REFUSED, value(["a", " b"])),
    ("Types of headers and cookies", "header-simple-integer", ("5",), value(5), REFUSED, value(5)),
    ("Encoded cookies", "cookie-form-string", ("a%20b",), value("a b"), ACCEPTED, value("a%20b")),
    ("Quoted cookies", "cookie-form-string", ('"a"',), value('"a"'), ACCEPTED, value("a")),
    (
        "Commas in exploded cookies",
        "cookie-form-strings-exploded",
        ("a,b",),
        value(["a", "b"]),
        REFUSED,
        value(["a,b"]),
    ),
    ("Headers beyond ASCII", "header-simple-string", ("é",), value("é"), ACCEPTED, value("Ã©")),
]

# Each of these is sent alone as well, so that no good value depends on what is generated.
GOOD = {
    "integer": ["0", "7", "-5", "12", "9223372036854775808"],
    "number": ["0", "-5", "1.5", "-0.25", "1e3", "2E-2"],
    "boolean": ["true", "false"],
    "string": ["a", "7", "x.y", "true", "null", "b+c"],
}
BAD = ["007", "+5", "1_000", ".5", "5.", "nan", "True", "yes", "1", "None", "1e400", "x=y", "b c"]
SPECIAL = {
    "path": ["%31", "a%2Cb", "%zz", "%FF", "a%2Fb", "%2B5", "%D9%A3", "a%3Bb", "%2E5"],
    "header": ["é", "a, b", "1 ,2", "%31", ""],
    "cookie": ["%31", "%zz", "%FF", "a%20b", '"5"', '"a"', ""],
}
RAW = st.text(alphabet="01259-+.eE_ax", min_size=1, max_size=5)


def _written(case: Case, values: list[str], names: list[str], prefix: str) -> str:
    """The values in the style of the case; ``names`` are those of an object's properties."""
    if case.where == "path":
        values = [text.replace(" ", "%20") for text in values]
    if case.composite == "object":
        mark = "=" if case.explode else ","
        body = case.separator.join(f"{name}{mark}{text}" for name, text in zip(names, values, strict=True))
    elif case.composite and case.style == "matrix" and case.explode:
        body = ";p=".join(values)
    else:
        body = case.separator.join(values)
    return (prefix + body if case.style in ("label", "matrix") else body) or ("0" if case.where == "path" else "")


def _prefix_of(case: Case) -> str:
    return {"label": ".", "matrix": ";" if case.composite == "object" and case.explode else ";p="}.get(case.style, "")


def _alone(case: Case) -> list[Texts]:
    """Every fixed value alone, as an item, or as a property."""
    names = ["r", "g"] if case.composite == "object" else ["r"]
    fixed = [*GOOD[case.kind], *GOOD["string"], *BAD, *SPECIAL[case.where]]
    return [(_written(case, [text], [name], _prefix_of(case)),) for text in fixed for name in names]


@st.composite
def texts_of(draw: Any, case: Case) -> Texts:
    """Text of the shape that the case expects, with good and bad values; now and then without its prefix or twice."""
    good = st.sampled_from(GOOD[case.kind])
    one = st.one_of(good, good, st.sampled_from([*BAD, *SPECIAL[case.where]]), RAW)
    values = draw(st.lists(one, min_size=1, max_size=3 if case.composite else 1))
    names = [draw(st.sampled_from(["r", "g", "r", "g", "x"])) for _ in values]
    prefix = _prefix_of(case)
    if draw(st.integers(0, 9)) == 9:
        prefix = draw(st.sampled_from(["", ".", ";", ";q=", ";p"]))
    text = _written(case, values, names, prefix)
    twice = case.where != "path" and draw(st.integers(0, 9)) == 9
    return (text, draw(one)) if twice else (text,)


@pytest.fixture(scope="module")
def others() -> dict[str, peers.Peer]:
    """The peers, each made once."""
    paths: dict[str, Any] = {}
    for name, case in CASES.items():
        declared = {"name": "p", "in": case.where, "style": case.style, "explode": case.explode, "required": True}
        paths |= peers.asking(name, {**declared, "schema": case.schema})
    root = peers.whole(paths)
    return {"connexion": peers.connexion(root), "openapi-core": peers.openapi_core(root)}


@pytest.mark.parametrize("name", CASES)
def test_every_disagreement_by_location_has_a_name(name: str, others: Any) -> None:
    """For generated requests each peer that reads the location gives our value or verdict, or a rule says why not."""
    case, ours = CASES[name], _ours(CASES[name])

    def compare(texts: Texts) -> None:
        mine = ours(texts)
        for peer, answer in others.items():
            if not _read_by(peer, case):
                continue
            theirs = _comparable(peer, case, answer(_sent(name, texts)))
            if not peers.same(theirs, _comparable(peer, case, mine)):
                reasons = [rule for rule, applies, among in RULES if peer in among and applies(case, texts)]
                assert reasons, f"{name}: {texts!r}: ours {mine}, {peer} {theirs}"

    for texts in _alone(case):
        compare(texts)
    settings(max_examples=25, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])(
        given(texts_of(case))(compare)
    )()


@pytest.mark.parametrize(("rule", "name", "texts", "mine", "connexion", "core"), EXAMPLES)
def test_each_disagreement_by_location_is_real(
    rule: str, name: str, texts: Texts, mine: Any, connexion: Any, core: Any, others: Any
) -> None:
    """The examples of the page on casting are what the three really answer, and their rule covers them."""
    case = CASES[name]
    assert peers.same(_ours(case)(texts), mine)
    assert peers.same(others["openapi-core"](_sent(name, texts)), core)
    assert _read_by("connexion", case) is (connexion is not None)
    if connexion is not None:
        assert peers.same(_comparable("connexion", case, others["connexion"](_sent(name, texts))), connexion)
    assert any(applies(case, texts) for named, applies, _ in RULES if named == rule)


@pytest.mark.parametrize("rule", sorted({rule for rule, _, _ in RULES}))
def test_every_disagreement_by_location_is_explained(rule: str) -> None:
    """Each rule is a heading of the page on casting and has an example here."""
    assert f"\n### {rule}\n" in DOCS.read_text("utf-8")
    assert any(example[0] == rule for example in EXAMPLES)
