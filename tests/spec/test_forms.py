"""Form bodies: every property as a query parameter of its encoding."""

from __future__ import annotations

from typing import Any

import pytest

from apimgmt.model import Encoding
from apimgmt.settings import Settings
from apimgmt.spec.request.fields import in_body
from apimgmt.spec.request.forms import compile_form
from apimgmt.spec.request.styles import form_decoded
from apimgmt.spec.request.values import Caster
from apimgmt.spec.validation.validator import Validators

INTEGERS = {"type": "array", "items": {"type": "integer"}}
PET = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "default": "Rex"},
        "age": {"type": "integer"},
        "ids": INTEGERS,
        "owner": {"type": "object", "properties": {"id": {"type": "integer"}}},
        "card": {"anyOf": [{"type": "object", "required": ["id"]}, {"type": "string", "maxLength": 3}]},
    },
}


def read(text: str, violations: list[Any] | None = None, **encoding: Encoding) -> Any:
    """The object of a form."""
    caster = Caster(Validators({}), Settings(), form_decoded)
    return compile_form(caster, PET, encoding, in_body)(text, [] if violations is None else violations)


@pytest.mark.rows("F-099", "F-100")
@pytest.mark.parametrize(
    ("text", "encoding", "value"),
    [
        ("", {}, {}),
        ("name=a+b&age=5", {}, {"name": "a b", "age": 5}),
        ("ids=1&ids=2", {}, {"ids": [1, 2]}),
        ("ids=1%2C2", {"ids": Encoding(style="form", explode=False)}, {"ids": [1, 2]}),
        ("ids=1%7C2", {"ids": Encoding(style="pipeDelimited")}, {"ids": [1, 2]}),
        ("ids=[1,2]", {"ids": Encoding(content_type="application/json")}, {"ids": [1, 2]}),
        ("owner[id]=7", {}, {"owner": {"id": 7}}),
        ("owner[id]=7", {"owner": Encoding(style="deepObject", explode=True)}, {"owner": {"id": 7}}),
        ("owner=%7B%22id%22%3A7%7D", {}, {"owner": {"id": 7}}),
        ("owner=%7B%22id%22%3A7%7D", {"owner": Encoding(content_type="application/json")}, {"owner": {"id": 7}}),
        ("owner=id,7", {"owner": Encoding(style="form", explode=False)}, {"owner": {"id": 7}}),
        ("id=7", {"owner": Encoding(style="form", explode=True)}, {"owner": {"id": 7}}),
        ("name=a", {"name": Encoding(style="deepObject", explode=True)}, {"name": "a"}),
        ("ids[0]=1&ids[1]=2", {"ids": Encoding(style="deepObject", explode=True)}, {"ids": [1, 2]}),
        ("card=abc", {"card": Encoding(style="deepObject", explode=True)}, {"card": "abc"}),
        ("card[id]=7", {"card": Encoding(style="deepObject", explode=True)}, {"card": {"id": "7"}}),
        ("card=%7B%22id%22%3A7%7D", {}, {"card": {"id": 7}}),
        ("other=5&age=x", {}, {"other": "5", "age": "x"}),
    ],
)
def test_properties(text: str, encoding: dict[str, Encoding], value: Any) -> None:
    """Only what was sent is in the object; it is cast by its schema, and undeclared fields are texts."""
    violations: list[Any] = []
    assert read(text, violations, **encoding) == value
    assert violations == []


def test_what_cannot_be_read_points_to_the_property() -> None:
    """The place of a violation is the property, as a pointer into the body."""
    violations: list[Any] = []
    read("name=a&name=b&x%2Fy=%FF", violations)
    assert [(entry["in"], entry["pointer"], entry["code"]) for entry in violations] == [
        ("body", "/name", "repeated"),
        ("body", "/x~1y", "encoding"),
    ]
