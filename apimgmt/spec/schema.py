"""Any OpenAPI schema dialect to JSON Schema 2020-12, references rewritten to ``#/$defs/NAME``.

Swagger 2.0 and OpenAPI 3.0 speak a draft-4 dialect (``nullable``, boolean ``exclusiveMinimum``, ``items`` as a list),
3.1 and 3.2 speak 2020-12 with identifiers and dynamic references. Only what a reference reaches is translated. A
keyword with a value of the wrong shape is left out (the lint says so), because the document serves all the same.

    {"type": "integer", "nullable": true, "minimum": 0, "exclusiveMinimum": true}
    -> {"type": ["integer", "null"], "exclusiveMinimum": 0}
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

from apimgmt.model import Schema
from apimgmt.spec.document import Specification, tokens_of
from apimgmt.spec.enumerations import mend_enumeration
from apimgmt.spec.patterns import unquoted
from apimgmt.spec.references import References, Target

REF = "#/$defs/"
TYPES = frozenset(("string", "number", "integer", "boolean", "array", "object", "null"))
_ANNOTATIONS = frozenset(
    ("title", "description", "default", "example", "examples", "readOnly", "writeOnly", "deprecated", "xml")
)
_COMBINING = ("$ref", "allOf", "anyOf", "oneOf", "not", "if", "const")
_unsafe = re.compile(r"[^A-Za-z0-9._-]")

Scope = tuple[tuple[str, str], ...]


class Place(NamedTuple):
    """Where a schema is read: the base URI, and which dynamic anchors the schemas around it have bound."""

    base: str = ""
    scope: Scope = ()


class Translator:
    """Translates the schemas of one document; ``schemas`` collects those that references lead to.

    ``identified`` says that the document speaks 2020-12, with identifiers, siblings of ``$ref`` and empty ``enum``.
    """

    def __init__(self, references: References, specification: Specification) -> None:
        self.references = references
        self.schemas: dict[str, Schema] = {}
        self._root = Place(scope=_bind((), references.dynamic_anchors("")))
        self.identified = specification not in ("2.0", "3.0")
        self._names: dict[tuple[str, Scope], str] = {}
        self._queue: deque[tuple[str, Target, Scope]] = deque()

    def translate(self, raw: Any) -> Schema:
        """An inline schema of the document; what it refers to is collected by :meth:`finish`."""
        return self._schema(raw, self._root)

    def finish(self) -> dict[str, Schema]:
        """Translate everything that was referred to, and what that refers to; returns all of it by name."""
        while self._queue:
            name, target, scope = self._queue.popleft()
            scope = _bind(scope, self.references.dynamic_anchors(target.base))
            self.schemas[name] = self._inside(target.value, Place(target.base, scope))
        return self.schemas

    # ---- one schema ------------------------------------------------------------------------------------------------

    def _schema(self, raw: Any, place: Place) -> Schema:
        if not self.identified or not isinstance(raw, dict) or "$id" not in raw:
            return self._inside(raw, place)
        return self._inside(raw, self._enter(raw, place))

    def _inside(self, raw: Any, place: Place) -> Schema:
        """Like :meth:`_schema`, where ``place`` has taken the schema's own identifier into account."""
        if not isinstance(raw, dict):
            return raw if isinstance(raw, bool) else True
        result: dict[str, Any] = {}
        only_annotations = not self.identified and isinstance(raw.get("$ref"), str)
        for keyword, value in raw.items():
            translation = _KEYWORDS.get(keyword)
            if translation is not None and not (only_annotations and keyword not in _ANNOTATIONS and keyword != "$ref"):
                translation(self, result, keyword, value, place)
        _mend_bounds(result, raw)
        if "enum" in result and "type" in result:
            mend_enumeration(result)
        if "discriminator" in raw and not only_annotations:
            self._discriminator(result, raw, place)
        if raw.get("nullable") is True or raw.get("x-nullable") is True:
            return _nullable(result)
        return result

    def _enter(self, raw: dict[str, Any], place: Place) -> Place:
        base = self.references.base_of(raw, place.base)
        return Place(base, _bind(place.scope, self.references.dynamic_anchors(base)))

    # ---- references ------------------------------------------------------------------------------------------------

    def _reference(self, result: dict[str, Any], keyword: str, value: Any, place: Place) -> None:
        target = self.references.find(value, place.base) if isinstance(value, str) else None
        if target is not None and keyword == "$dynamicRef" and "#/" not in value:
            target = self._dynamic(target, place)
        if target is not None and isinstance(target.value, (dict, bool)):
            _conjoin(result, {"$ref": REF + self._name(target, place.scope)})

    def _dynamic(self, target: Target, place: Place) -> Target:
        """The outermost schema around that has the dynamic anchor to which ``target`` belongs (section 8.2.3.2)."""
        anchor = target.value.get("$dynamicAnchor") if isinstance(target.value, dict) else None
        for name, pointer in place.scope:
            if name == anchor:
                return self.references.find("#" + pointer.replace("%", "%25")) or target
        return target

    def _name(self, target: Target, scope: Scope) -> str:
        key = (target.pointer, scope)
        name = self._names.get(key)
        if name is None:
            name = self._names[key] = self._new_name(target.pointer)
            self.schemas[name] = True
            self._queue.append((name, target, scope))
        return name

    def _new_name(self, pointer: str) -> str:
        tokens = tokens_of(pointer)
        if tokens[:2] == ["components", "schemas"]:
            tokens = tokens[2:]
        elif tokens[:1] == ["definitions"]:
            tokens = tokens[1:]
        plain = name = _unsafe.sub("_", ".".join(tokens)) or "document"
        number = 2
        while name in self.schemas:
            name, number = f"{plain}_{number}", number + 1
        return name

    def _discriminator(self, result: dict[str, Any], raw: dict[str, Any], place: Place) -> None:
        """Keep the property name; beside branches that are all references, also which value means which branch."""
        value = raw["discriminator"]
        name = value.get("propertyName") if isinstance(value, dict) else value
        if not isinstance(name, str):
            return
        result["discriminator"] = {"propertyName": name}
        branches = raw.get("oneOf") or raw.get("anyOf")
        if isinstance(value, dict) and isinstance(branches, list):
            mapping = self._mapping(value.get("mapping"), branches, place)
            if mapping:
                result["discriminator"]["mapping"] = mapping

    def _mapping(self, written: Any, branches: list[Any], place: Place) -> dict[str, str]:
        """Value to reference for every branch: what the document maps, then the branches' own names."""
        targets: dict[str, Target] = {}
        for branch in branches:
            if branch == {"type": "null"}:
                continue
            reference = branch.get("$ref") if isinstance(branch, dict) else None
            target = self.references.find(reference, place.base) if isinstance(reference, str) else None
            if target is None:
                return {}
            targets[target.pointer] = target
        mapping = {}
        for value, reference in written.items() if isinstance(written, dict) else ():
            target = self._mapped(reference, place)
            if target is not None and target.pointer in targets:
                mapping[value] = REF + self._name(target, place.scope)
        for pointer, target in targets.items():
            mapping.setdefault(tokens_of(pointer)[-1], REF + self._name(target, place.scope))
        return mapping

    def _mapped(self, reference: Any, place: Place) -> Target | None:
        """A mapping's value is the name of a schema or a reference to one."""
        if not isinstance(reference, str):
            return None
        named = self.references.find(f"#/components/schemas/{reference}") if "/" not in reference else None
        return named or self.references.find(reference, place.base)

    # ---- keywords: each takes the result so far, the keyword, its value and the place --------------------------------

    def _one(self, result: dict[str, Any], keyword: str, value: Any, place: Place) -> None:
        if isinstance(value, (dict, bool)):
            result[keyword] = self._schema(value, place)

    def _list(self, result: dict[str, Any], keyword: str, value: Any, place: Place) -> None:
        if isinstance(value, list) and value:
            _conjoin(result, {keyword: [self._schema(item, place) for item in value]})

    def _map(self, result: dict[str, Any], keyword: str, value: Any, place: Place) -> None:
        if isinstance(value, dict):
            translated = {name: self._schema(item, place) for name, item in value.items()}
            result[keyword] = {**result.get(keyword, {}), **translated}

    def _items(self, result: dict[str, Any], keyword: str, value: Any, place: Place) -> None:
        if not isinstance(value, list):
            self._one(result, "items", value, place)
        elif value:
            result["prefixItems"] = [self._schema(item, place) for item in value]

    def _dependencies(self, result: dict[str, Any], keyword: str, value: Any, place: Place) -> None:
        if not isinstance(value, dict):
            return
        for name, needed in value.items():
            if isinstance(needed, list):
                names = [item for item in needed if isinstance(item, str)]
                result.setdefault("dependentRequired", {})[name] = list(dict.fromkeys(names))
            elif isinstance(needed, (dict, bool)) and keyword != "dependentRequired":
                result.setdefault("dependentSchemas", {})[name] = self._schema(needed, place)


def _types(_: Translator, result: dict[str, Any], __: str, value: Any, ___: Place) -> None:
    if value == "file":
        result.update({"type": "string", "format": "binary"})
        return
    written = value if isinstance(value, list) else [value]
    names = [name for name in written if isinstance(name, str) and name in TYPES]
    if names:
        result["type"] = names[0] if len(names) == 1 else list(dict.fromkeys(names))


def _text(_: Translator, result: dict[str, Any], keyword: str, value: Any, __: Place) -> None:
    if isinstance(value, str):
        result[keyword] = value


def _pattern(_: Translator, result: dict[str, Any], keyword: str, value: Any, __: Place) -> None:
    if isinstance(value, str):
        result[keyword] = unquoted(value)


def _flag(_: Translator, result: dict[str, Any], keyword: str, value: Any, __: Place) -> None:
    if isinstance(value, bool):
        result[keyword] = value


def _any(_: Translator, result: dict[str, Any], keyword: str, value: Any, __: Place) -> None:
    result[keyword] = value


def _values(self: Translator, result: dict[str, Any], keyword: str, value: Any, _: Place) -> None:
    if isinstance(value, list) and (value or self.identified):
        result[keyword] = value


def _names(_: Translator, result: dict[str, Any], keyword: str, value: Any, __: Place) -> None:
    if isinstance(value, list):
        result[keyword] = list(dict.fromkeys(name for name in value if isinstance(name, str)))


def _number(_: Translator, result: dict[str, Any], keyword: str, value: Any, __: Place) -> None:
    if _is_number(value) and (keyword != "multipleOf" or value > 0):
        result[keyword] = value


def _count(_: Translator, result: dict[str, Any], keyword: str, value: Any, __: Place) -> None:
    if _is_number(value) and value >= 0 and (isinstance(value, int) or value.is_integer()):
        result[keyword] = int(value)


def _xml(_: Translator, result: dict[str, Any], keyword: str, value: Any, __: Place) -> None:
    if isinstance(value, dict):
        result[keyword] = {name: item for name, item in value.items() if not name.startswith("x-")}


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _mend_bounds(result: dict[str, Any], raw: dict[str, Any]) -> None:
    """Draft 4: ``exclusiveMinimum: true`` belongs to ``minimum``; ``additionalItems`` to a list of ``items``."""
    for bound, exclusive in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        if raw.get(exclusive) is True and bound in result:
            result[exclusive] = result.pop(bound)
    beyond = result.pop("additionalItems", None)
    if beyond is not None and isinstance(raw.get("items"), list):
        result["items"] = beyond


def _conjoin(result: dict[str, Any], more: dict[str, Any]) -> None:
    """Add a keyword that may be there already, without losing either."""
    if any(keyword in result for keyword in more):
        result["allOf"] = [*result.get("allOf", ()), *(more.pop("allOf", None) or [more])]
    else:
        result.update(more)


def _nullable(schema: dict[str, Any]) -> Schema:
    """The schema, taking null as well: in ``type`` and ``enum`` if that is enough, else as another branch."""
    if any(keyword in schema for keyword in _COMBINING):
        outer = {keyword: value for keyword, value in schema.items() if keyword in _ANNOTATIONS}
        inner = {keyword: value for keyword, value in schema.items() if keyword not in _ANNOTATIONS}
        return {**outer, "anyOf": [inner, {"type": "null"}]}
    types = schema.get("type")
    if types is not None:
        schema["type"] = list(dict.fromkeys([*([types] if isinstance(types, str) else types), "null"]))
    if None not in schema.get("enum", [None]):
        schema["enum"] = [*schema["enum"], None]
    return schema


def _bind(scope: Scope, anchors: dict[str, str]) -> Scope:
    """The scope with these dynamic anchors, where those that are bound already stay: the outermost one counts."""
    if not anchors:
        return scope
    return tuple(sorted({**anchors, **dict(scope)}.items()))


_Translation = Callable[[Translator, dict[str, Any], str, Any, Place], None]
_BY_TRANSLATION: tuple[tuple[_Translation, str], ...] = (
    (Translator._reference, "$ref $dynamicRef"),
    (Translator._one, "additionalItems contains additionalProperties propertyNames not if then else"),
    (Translator._one, "unevaluatedItems unevaluatedProperties contentSchema"),
    (Translator._list, "allOf anyOf oneOf prefixItems"),
    (Translator._map, "properties patternProperties dependentSchemas"),
    (Translator._items, "items"),
    (Translator._dependencies, "dependencies dependentRequired"),
    (_types, "type"),
    (_pattern, "pattern"),
    (_text, "format title description contentEncoding contentMediaType collectionFormat"),
    (_flag, "readOnly writeOnly deprecated uniqueItems"),
    (_any, "const default example"),
    (_values, "enum examples"),
    (_names, "required"),
    (_number, "minimum maximum exclusiveMinimum exclusiveMaximum multipleOf"),
    (_count, "minLength maxLength minItems maxItems minProperties maxProperties minContains maxContains"),
    (_xml, "xml"),
)
_KEYWORDS: dict[str, _Translation] = {
    keyword: translation for translation, keywords in _BY_TRANSLATION for keyword in keywords.split()
}
