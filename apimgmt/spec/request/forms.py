"""``application/x-www-form-urlencoded``: a body (or, since OpenAPI 3.2, a whole query) that is an object.

Each property is read as a query parameter of its name would be, with ``style`` and ``explode`` of its Encoding Object.
An object without an explicit style is read in the ways it is commonly written: as JSON, or as ``name[property]``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from msgspec.structs import replace

from apimgmt.model import Encoding, Parameter, Schema
from apimgmt.spec.media import category
from apimgmt.spec.request import outline
from apimgmt.spec.request.fields import Place, Plan, split, undeclared_text
from apimgmt.spec.request.values import Caster, Violations

Form = Callable[[str, Violations], dict[str, Any]]


def compile_form(caster: Caster, schema: Schema, encoding: Mapping[str, Encoding], place: Place) -> Form:
    """The reader of a form: ``(text, violations)`` to an object that has only what was sent, not yet validated."""
    parameters = [
        property_parameter(name, part, encoding.get(name, Encoding()), "object" in outline.kinds(part, caster.schemas))
        for name, part in outline.properties(schema, caster.schemas).items()
    ]
    plan = Plan(caster, parameters, place, validate=False)
    # ``name[property]`` is taken before; what then stands under the name of an object itself can only be JSON.
    objects = [one for one in parameters if outline.kinds(one.schema, caster.schemas) == {"object"}]
    whole = [replace(one, media_type="application/json") for one in objects if one.style == "deepObject"]
    plan.slots.update(Plan(caster, whole, place, validate=False).slots)

    def read(text: str, violations: Violations) -> dict[str, Any]:
        fields = split(text, violations, place)
        result: dict[str, Any] = {}
        for name in plan.read(fields, violations, result):
            result[name] = undeclared_text(fields[name], place(name), violations, caster)
        return result

    return read


def property_parameter(name: str, schema: Schema, encoding: Encoding, is_object: bool) -> Parameter:
    """The query parameter that is written as this property of a form is (OpenAPI 3.1, Encoding Object)."""
    if encoding.style is None and encoding.explode is None:
        if encoding.content_type is not None and category(encoding.content_type) == "json":
            return Parameter(name=name, location="query", schema=schema, media_type=encoding.content_type)
        if is_object:
            return Parameter(name=name, location="query", schema=schema, style="deepObject", explode=True)
    style = encoding.style or "form"
    explode = style == "form" if encoding.explode is None else encoding.explode
    return Parameter(name=name, location="query", schema=schema, style=style, explode=explode)
