"""The XML examples of the OpenAPI specification itself (3.2.0 and 3.0.4), read in place from the corpus."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from apimgmt.formats.xml import Xml

CORPUS = Path(__file__).parents[2] / "../shared/corpus/standards/oas-xml"
XSI = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'

# what the specification prints wrong: an end tag without its slash, end tags that do not match, an undeclared prefix
PRINTED = {
    "oas32-xml/09": (
        "Fluffy</animals>",
        "Fluffy</animal>",
        "Fido</animals>",
        "Fido</animal>",
        "<animals>$",
        "</animals>",
    ),
    "oas32-xml/14": ("<product>", f"<product {XSI}>"),
}
# the collection gives the first example's data to both cases of this section
SECOND = {"oas32-xml/15": "productNoNulls"}


def _cases(name: str) -> list[dict[str, Any]]:
    path = CORPUS / name
    if not path.exists():
        print(f"skipped: {path} is not there")
        return []
    cases: list[dict[str, Any]] = json.loads(path.read_text("utf-8"))
    return cases


def _infoset(text: str | bytes) -> Any:
    def shape(node: ElementTree.Element) -> Any:
        texts = [(node.text or "").strip(), *((child.tail or "").strip() for child in node)]
        return node.tag, dict(node.attrib), texts, [shape(child) for child in node]

    return shape(ElementTree.fromstring(text))


def _expected(case: dict[str, Any]) -> str:
    text: str = case["xml"]
    mends = PRINTED.get(case["id"], ())
    for wrong, right in zip(mends[::2], mends[1::2], strict=True):
        text = re.sub(wrong, right, text)
    return text


def _media_type(document: dict[str, Any]) -> dict[str, Any]:
    """The one media type object of a fragment, wherever it is in it."""
    if "application/xml" in document:
        return dict(document["application/xml"])
    found = (_media_type(child) for child in document.values() if isinstance(child, dict))
    return next((media for media in found if media), {})


def _localised(schema: Any) -> Any:
    if isinstance(schema, dict):
        return {name: _localised(value) for name, value in schema.items()}
    return schema.replace("#/components/schemas/", "#/$defs/") if isinstance(schema, str) else schema


@pytest.mark.parametrize("case", _cases("oas32_cases.json"), ids=lambda case: str(case["id"]))
def test_example_of_3_2(case: dict[str, Any]) -> None:
    """Each example of OpenAPI 3.2 is written with the elements, attributes and texts that the specification prints."""
    document = case["document"]
    schemas = _localised(document.get("components", {}).get("schemas", {}))
    media = _media_type(document["paths"]["/docs"]["put"]) if case["id"] == "oas32-xml/12" else _media_type(document)
    data = media["examples"][SECOND[case["id"]]]["dataValue"] if case["id"] in SECOND else case["data"]
    assert _infoset(Xml.dump(data, _localised(media["schema"]), schemas)) == _infoset(_expected(case))


def _value(schema: dict[str, Any], placeholders: list[str]) -> Any:
    return placeholders if schema.get("type") == "array" else placeholders[0]


@pytest.mark.parametrize("case", _cases("oas304_cases.json"), ids=lambda case: str(case["id"]))
def test_example_of_3_0(case: dict[str, Any]) -> None:
    """Each example of OpenAPI 3.0 is written as the specification prints it, placeholders being the data."""
    ((name, schema),) = case["schema"].items()
    if name == "Person":
        written = Xml.dump({"id": 123, "name": "example"}, {"$ref": "#/$defs/Person"}, {"Person": schema})
        assert _infoset(written) == _infoset(case["xml"])
        return
    texts = re.findall(r">(\.\.\.|value)<", case["xml"])
    written = Xml.dump({name: _value(schema, texts)}, {"type": "object", "properties": {name: schema}}, {})
    assert _infoset(written) == _infoset(f"<response>{case['xml']}</response>")
