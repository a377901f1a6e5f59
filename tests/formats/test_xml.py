"""XML beyond the specification's examples: whatever comes, the bytes are well-formed."""

from __future__ import annotations

import datetime
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apimgmt.formats.xml import Xml

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
NAMES = st.sampled_from(["a", "b", "sample", "xml", "1", "x:y", "", "é", "a b", "xsi"])
SPACES = st.sampled_from(["", "urn:a", "urn:b", 'urn:"<&'])
XML = st.fixed_dictionaries(
    {},
    optional={
        "name": NAMES | TEXT,
        "namespace": SPACES,
        "prefix": NAMES,
        "attribute": st.booleans(),
        "wrapped": st.booleans(),
        "nodeType": st.sampled_from(["element", "attribute", "text", "cdata", "none"]),
    },
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES | TEXT, inner, max_size=3),
    max_leaves=12,
)
SCHEMAS = st.recursive(
    st.fixed_dictionaries({}, optional={"xml": XML}),
    lambda inner: st.fixed_dictionaries(
        {},
        optional={
            "xml": XML,
            "properties": st.dictionaries(NAMES, inner, max_size=3),
            "items": inner,
            "allOf": st.lists(inner, max_size=2),
            "$ref": st.sampled_from(["#/$defs/Self", "#/$defs/Missing"]),
        },
    ),
    max_leaves=8,
)


def _text(value: Any, schema: Any = True, schemas: dict[str, Any] | None = None) -> str:
    return Xml.dump(value, schema, schemas or {}).decode().partition("\n")[2]


@given(VALUES, SCHEMAS)
def test_always_well_formed(value: Any, schema: Any) -> None:
    """Any JSON value with any xml objects, names and prefixes gives bytes that a namespace-aware parser reads."""
    ElementTree.fromstring(Xml.dump(value, schema, {"Self": schema}))


@pytest.mark.rows("F-111")
def test_without_a_schema() -> None:
    """Objects become elements, arrays repeated elements, and the root is called response."""
    assert _text({"a": [1, 2.5], "b": {"c": True}}) == "<response><a>1</a><a>2.5</a><b><c>true</c></b></response>"


@pytest.mark.parametrize(
    ("schema", "root"),
    [({"$ref": "#/$defs/Pet"}, "Pet"), ({"$ref": "#/$defs/Pet", "xml": {"name": "dog"}}, "dog"), (True, "response")],
)
def test_name_of_the_root(schema: Any, root: str) -> None:
    """The root has the name of its xml object, else of its component, else response."""
    assert _text({}, schema, {"Pet": {"type": "object"}}) == f"<{root}></{root}>"


def test_array_at_the_root() -> None:
    """An array at the top gets one root around it, and its items the name of their component."""
    schema = {"type": "array", "items": {"$ref": "#/$defs/Pet"}}
    assert _text([{"id": 1}], schema, {"Pet": {"type": "object"}}) == "<response><Pet><id>1</id></Pet></response>"


def test_inner_arrays_keep_their_borders() -> None:
    """An array inside an array is an element of its own."""
    written = "<response><m><item>1</item><item>2</item></m><m><item>3</item></m></response>"
    assert _text({"m": [[1, 2], [3]]}) == written


def test_reference_keeps_the_property_name() -> None:
    """A property whose schema is a reference has the property's name unless the target names itself."""
    schemas = {"Tag": {"type": "object"}, "Named": {"type": "object", "xml": {"name": "own"}}}
    schema = {"properties": {"one": {"$ref": "#/$defs/Tag"}, "two": {"$ref": "#/$defs/Named"}}}
    assert _text({"one": {}, "two": {}}, schema, schemas) == "<response><one></one><own></own></response>"


def test_properties_of_combinations() -> None:
    """What allOf and oneOf say about a property counts like what the schema itself says."""
    schema = {"allOf": [{"$ref": "#/$defs/Base"}, {"oneOf": [{"properties": {"b": {"xml": {"name": "bee"}}}}]}]}
    schemas: dict[str, Any] = {"Base": {"properties": {"a": {"xml": {"attribute": True}}}, "allOf": []}}
    assert _text({"a": 1, "b": 2}, schema, schemas) == '<response a="1"><bee>2</bee></response>'


def test_nullable_reference() -> None:
    """A reference that may be null is written like the reference; null itself is xsi:nil."""
    schema = {"properties": {"a": {"anyOf": [{"$ref": "#/$defs/A"}, {"type": "null"}]}}}
    schemas: dict[str, Any] = {"A": {"type": "array", "xml": {"wrapped": True}, "items": {"xml": {"name": "i"}}}}
    assert _text({"a": [1]}, schema, schemas) == "<response><a><i>1</i></a></response>"
    assert 'xsi:nil="true"' in _text({"a": None}, schema, schemas)


def test_illegal_characters() -> None:
    """Characters that XML does not have are replaced in texts and names; a CDATA section cannot be closed early."""
    schema = {"properties": {"c": {"xml": {"nodeType": "cdata"}}}}
    written = Xml.dump({"a b": "\x00<&>\ud800", "c": "]]>", "1": 1}, schema, {})
    root = ElementTree.fromstring(written)
    assert [(child.tag, child.text) for child in root] == [("a_b", "�<&>�"), ("_1", "1")]
    assert root[0].tail == "]]>"


def test_prefixes() -> None:
    """A prefix is declared once where it is needed; one without a namespace in force is left out; xml is reserved."""
    inner = {"b": {"xml": {"prefix": "p", "namespace": "urn:p"}}, "c": {"xml": {"prefix": "q"}}}
    schema = {"xml": {"prefix": "p", "namespace": "urn:p"}, "properties": inner}
    assert _text({"b": 1, "c": 2}, schema) == '<p:response xmlns:p="urn:p"><p:b>1</p:b><c>2</c></p:response>'
    assert _text({}, {"xml": {"prefix": "xmlns", "namespace": "urn:x"}}) == '<response xmlns="urn:x"></response>'


def test_attribute_in_a_namespace() -> None:
    """An attribute in a namespace gets a prefix even if the document names none: a default does not reach it."""
    schema = {"properties": {"a": {"xml": {"attribute": True, "namespace": "urn:a"}}}}
    assert _text({"a": 'x"\n'}, schema) == '<response xmlns:ns="urn:a" ns:a="x&quot;&#10;"></response>'


def test_other_scalars() -> None:
    """Dates, bytes and the numbers that JSON does not have are written as XML Schema writes them."""
    value = {"d": datetime.date(2024, 2, 3), "b": b"ab", "n": float("nan"), "i": float("-inf")}
    assert _text(value) == "<response><d>2024-02-03</d><b>YWI=</b><n>NaN</n><i>-INF</i></response>"


@pytest.mark.parametrize(
    ("media_type", "written"),
    [("application/xml", True), ("text/xml", True), ("application/atom+xml", True), ("application/json", False)],
)
def test_media_types(media_type: str, written: bool) -> None:
    """The two names of XML and every type with its suffix are XML."""
    assert Xml.writes(media_type) is written


def test_xml_beside_a_reference() -> None:
    """``allOf`` of a reference and an ``xml`` object, the way of OpenAPI 3.0 to add one, is what a reader expects."""
    items = {"allOf": [{"$ref": "#/$defs/Tag"}, {"xml": {"name": "T"}}]}
    schemas: dict[str, Any] = {
        "Tag": {"type": "object", "xml": {"name": "Tag"}},
        "Tags": {"type": "array", "items": items},
    }
    for tags in ({"allOf": [{"$ref": "#/$defs/Tags"}, {}]}, {"$ref": "#/$defs/Tags"}):
        schema = {"properties": {"Tags": tags}, "xml": {"name": "R"}}
        assert _text({"Tags": [{"k": "v"}]}, schema, schemas) == "<R><T><k>v</k></T></R>"
    wrapped = {"allOf": [{"$ref": "#/$defs/Tags"}, {"xml": {"wrapped": True}}]}
    schema = {"properties": {"Tags": wrapped}, "xml": {"name": "R"}}
    assert _text({"Tags": [{}]}, schema, schemas) == "<R><Tags><T></T></Tags></R>"
