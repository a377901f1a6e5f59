"""The judge of samples, against the JSON Schema test suite and jsonschema."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from apimgmt.processes.sampling.fitting import Fitting

SUITE = Path(__file__).parents[2] / "../shared/corpus/standards/json-schema-test-suite/tests/draft2020-12"
KEYWORDS = [
    *("allOf", "anyOf", "oneOf", "not", "if-then-else", "type", "enum", "const", "required", "properties", "items"),
    *("additionalProperties", "patternProperties", "propertyNames", "minimum", "maximum", "exclusiveMinimum"),
    *("exclusiveMaximum", "minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"),
    *("prefixItems", "uniqueItems", "dependentRequired", "pattern", "boolean_schema"),
]
# this judge sees neither what other keywords evaluated nor properties of characters that RE2 names otherwise
FORGIVEN = {
    "collect annotations inside a 'not', even if collection is disabled",
    "pattern with Unicode property escape requires unicode mode",
}


@pytest.mark.parametrize("keyword", KEYWORDS)
def test_suite(keyword: str) -> None:
    """The verdicts of the JSON Schema suite for every keyword that a sample can be made for."""
    path = SUITE / f"{keyword}.json"
    if not path.exists():
        pytest.skip(f"{path} is not there")
    wrong = []
    for group in json.loads(path.read_text("utf-8")):
        schema = json.loads(json.dumps(group["schema"]))
        definitions = schema.get("$defs", {}) if isinstance(schema, dict) else {}
        fitting = Fitting(definitions, "response")
        for case in group["tests"]:
            if fitting.fits(case["data"], schema) != case["valid"]:
                wrong.append((group["description"], case["description"]))
    assert [names for names in wrong if not FORGIVEN & set(names)] == []


@pytest.mark.parametrize(("direction", "hidden", "shown"), [("response", "w", "r"), ("request", "r", "w")])
def test_direction(direction: Any, hidden: str, shown: str) -> None:
    """What the direction hides is neither required nor shown; what it shows is required."""
    properties: dict[str, Any] = {"w": {"$ref": "#/$defs/W"}, "r": {"readOnly": True}}
    fitting = Fitting({"W": {"writeOnly": True}}, direction)
    schema = {"properties": properties, "required": ["w", "r"]}
    assert fitting.fits({shown: 1}, schema)
    assert not fitting.fits({hidden: 1}, schema)
    assert fitting.visible({"w": 1, "r": 2, "x": 3}, {"allOf": [schema]}).keys() == {shown, "x"}
    assert fitting.visible([{"w": 1, "r": 2}], {"items": schema})[0].keys() == {shown}


def test_recursion_ends() -> None:
    """A schema that is only itself fits everything, and no stack is lost."""
    loop: dict[str, Any] = {"$ref": "#/$defs/Loop"}
    fitting = Fitting({"Loop": loop}, "response")
    assert fitting.fits(1, loop)
    assert not fitting.hidden(loop)
