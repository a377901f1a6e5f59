"""XML bodies: what the xml objects say, and nothing that XML could do to us."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from apimgmt.errors import Problem
from apimgmt.settings import Settings
from apimgmt.spec.request.styles import undecoded
from apimgmt.spec.request.values import Caster
from apimgmt.spec.request.xmlbody import compile_xml
from apimgmt.spec.validation.validator import Validators

CORPUS = Path(__file__).parents[2] / "../shared/corpus/standards/oas-xml/oas32_cases.json"
INTEGERS: Any = {"type": "array", "items": {"type": "integer"}}


def read(schema: Any, text: str | bytes, schemas: Any = None, settings: Settings | None = None) -> Any:
    """The value of an XML body."""
    caster = Caster(Validators(schemas or {}), settings or Settings(), undecoded)
    return compile_xml(caster, schema)(text.encode() if isinstance(text, str) else text)


def properties(**schemas: Any) -> Any:
    """An object with these properties."""
    return {"type": "object", "properties": schemas}


def named(schema: Any, **xml: Any) -> Any:
    """A schema with an xml object."""
    return {**schema, "xml": xml}


STRING = {"type": "string"}
INTEGER = {"type": "integer"}


@pytest.mark.parametrize(
    ("schema", "text", "value"),
    [
        (properties(id=INTEGER, name=STRING), "<p><id> 7 </id><name> x </name></p>", {"id": 7, "name": " x "}),
        (properties(id=named(INTEGER, attribute=True)), '<p id="7"/>', {"id": 7}),
        (properties(id=named(INTEGER, nodeType="attribute", name="ID")), '<p ID="7"/>', {"id": 7}),
        (properties(id=named(INTEGER, name="number")), "<p><number>7</number></p>", {"id": 7}),
        (properties(t=named(STRING, nodeType="text")), "<p> hi <b/></p>", {"t": "hi", "b": ""}),
        (properties(t=named(STRING, nodeType="cdata")), "<p><![CDATA[<a>]]></p>", {"t": "<a>"}),
        (properties(ids=INTEGERS), "<p><ids>1</ids><ids>2</ids></p>", {"ids": [1, 2]}),
        (properties(ids=INTEGERS), "<p><ids>1</ids></p>", {"ids": [1]}),
        (properties(ids=named(INTEGERS, wrapped=True)), "<p><ids><ids>1</ids></ids></p>", {"ids": [1]}),
        (properties(ids=named(INTEGERS, nodeType="element", name="all")), "<p><all><i>1</i></all></p>", {"ids": [1]}),
        (properties(ids=named(INTEGERS, wrapped=True)), "<p><ids/></p>", {"ids": []}),
        (
            properties(ids={"type": "array", "items": named(INTEGER, name="id")}),
            "<p><id>1</id><id>2</id></p>",
            {"ids": [1, 2]},
        ),
        (properties(a=properties(b=INTEGER)), "<p><a><b>1</b></a></p>", {"a": {"b": 1}}),
        (properties(id=INTEGER), "<p><id>x</id></p>", {"id": "x"}),
        (properties(id=INTEGER), "<p><id>1</id><id>2</id></p>", {"id": [1, 2]}),
        (properties(id=INTEGER), "<p>text</p>", "text"),
        (properties(id=INTEGER), "<p/>", {}),
        (properties(), '<p k="v"><a>1</a><b><c>2</c></b><a>3</a></p>', {"k": "v", "a": ["1", "3"], "b": {"c": "2"}}),
        (properties(id=named(INTEGER, namespace="urn:x")), '<p xmlns:q="urn:x"><q:id>1</q:id></p>', {"id": 1}),
        (properties(id=named(INTEGER, namespace="urn:x")), '<p xmlns:q="urn:y"><q:id>1</q:id></p>', {"id": "1"}),
        (INTEGERS, "<l><i>1</i><i>2</i></l>", [1, 2]),
        (INTEGER, "<n>5</n>", 5),
        (True, "<n>5</n>", "5"),
        (True, "<n><a>5</a></n>", {"a": "5"}),
    ],
)
def test_values(schema: Any, text: str, value: Any) -> None:
    """Names, attributes, texts, lists with and without a wrapper, namespaces; undeclared content is kept."""
    assert read(schema, text) == value


LISTS = {
    **properties(free=INTEGERS, needed=INTEGERS, wrapped=named(INTEGERS, wrapped=True)),
    "required": ["needed", "wrapped"],
}


@pytest.mark.parametrize(
    ("schema", "text", "value"),
    [
        (LISTS, "<p/>", {"needed": []}),
        (LISTS, "<p><needed>1</needed></p>", {"needed": [1]}),
        (LISTS, "<p><wrapped/></p>", {"needed": [], "wrapped": []}),
        (LISTS, "<p>text</p>", "text"),
        ({"allOf": [properties(l=INTEGERS), {"required": ["l"]}]}, "<p/>", {"l": []}),
        ({"oneOf": [{**properties(l=INTEGERS), "required": ["l"]}, properties()]}, "<p/>", {}),
    ],
)
def test_a_required_list_of_no_elements_is_empty(schema: Any, text: str, value: Any) -> None:
    """Without a wrapper nothing can be written for it; a text that has no place is still there to be refused."""
    assert read(schema, text) == value


def test_nil_is_null() -> None:
    """`xsi:nil` gives null, whatever the prefix is called."""
    text = '<p xmlns:i="http://www.w3.org/2001/XMLSchema-instance"><id i:nil="true"/></p>'
    assert read(properties(id={"type": ["integer", "null"]}), text) == {"id": None}


def test_recursive_schemas() -> None:
    """A schema that contains itself is read as deep as the body goes."""
    node = properties(value=INTEGER, next={"$ref": "#/$defs/Node"})
    text = "<n><value>1</value><next><value>2</value></next></n>"
    value = {"value": 1, "next": {"value": 2}}
    assert read({"$ref": "#/$defs/Node"}, text, {"Node": node}) == value


def test_the_root_must_have_its_name() -> None:
    """A name that the document gives the root is demanded."""
    assert read(named(properties(), name="pet"), "<pet/>") == {}
    with pytest.raises(Problem):
        read(named(properties(), name="pet"), "<cat/>")


BOMB = '<!DOCTYPE a [<!ENTITY x "xxxx"><!ENTITY y "&x;&x;">]><a>&y;</a>'


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<a>",
        "<a></b>",
        "<a/><b/>",
        "text",
        "<a>&x;</a>",
        b"<a>\xff</a>",
        '<?xml version="1.0" encoding="latin-1"?><a>\xe9</a>'.encode("latin-1"),
        '<?xml version="1.0" encoding="latin-1"?><a>b</a>',
        '<?xml version="1.0" encoding="utf-7"?><a>+ADw-</a>',
        "<a/>".encode("utf-16"),
        BOMB,
        '<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>',
        "<a>\x00</a>",
        "<q:a/>",
    ],
)
def test_what_is_refused(text: str | bytes) -> None:
    """Not well-formed, not UTF-8, or with a document type: a malformed body."""
    with pytest.raises(Problem) as caught:
        read(True, text)
    assert caught.value.code == "malformed-body"


@pytest.mark.parametrize("encoding", ["", ' encoding="UTF-8"', ' encoding="us-ascii"'])
def test_the_encoding_may_be_said(encoding: str) -> None:
    """A declaration that says nothing of the encoding, or the one that is used, changes nothing."""
    assert read(True, f'<?xml version="1.0"{encoding}?><a>b</a>') == "b"


def test_the_limits_of_depth_and_size() -> None:
    """At the limit a body is read, one past it is refused; a very deep one does no harm."""
    depth, nodes = Settings(xml_depth=3), Settings(json_nodes=3)
    assert read(True, "<a><a><a/></a></a>", settings=depth)
    assert read(True, '<a b=""><a/></a>', settings=nodes)
    for text, settings in (("<a>" * 4 + "</a>" * 4, depth), ('<a b=""><a/><a/></a>', nodes), ("<a>" * 100_000, depth)):
        with pytest.raises(Problem):
            read(True, text, settings=settings)


OTHER_ON_PURPOSE = {
    "oas32-xml/01": "the example's data is an array where its schema says string",
    "oas32-xml/02": "the example uses a prefix that it does not declare",
    "oas32-xml/09": "the example is not well-formed (wrong end tags)",
    "oas32-xml/13": "ordered content (prefixItems with texts between elements) is not read",
    "oas32-xml/14": "the example uses a prefix that it does not declare",
    "oas32-xml/15": "the data beside the example is that of the example before it",
}


def _cases() -> list[Any]:
    if not CORPUS.exists():
        return []
    cases = [case for case in json.loads(CORPUS.read_text()) if case["has_data"]]
    return [pytest.param(case, id=case["id"]) for case in cases if "application/xml" in case["document"]]


@pytest.mark.skipif(not CORPUS.exists(), reason="../shared/corpus is not there")
@pytest.mark.parametrize("case", _cases())
def test_the_examples_of_the_specification(case: Any) -> None:
    """The XML examples of OpenAPI 3.2, read back, give their data."""
    if case["id"] in OTHER_ON_PURPOSE:
        pytest.skip(OTHER_ON_PURPOSE[case["id"]])
    assert read(case["document"]["application/xml"]["schema"], case["xml"]) == case["data"]
