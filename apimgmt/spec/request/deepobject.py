"""Objects spread over several fields of a query or form: ``q[a][b]=1`` (deepObject) and ``a=1&b=2`` (exploded form).

OpenAPI defines deepObject for flat objects only. Deeper ones and arrays are read as they are commonly written:
``q[a][b]=1``, ``q[tags]=x&q[tags]=y``, ``q[tags][]=x`` and ``q[tags][0]=x``. Indices must be 0, 1, 2 ... without a gap:
no index makes us allocate anything.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from apimgmt.model import Schema
from apimgmt.spec.request import outline
from apimgmt.spec.request.casting import Text
from apimgmt.spec.request.styles import Unreadable
from apimgmt.spec.request.values import Caster, Texts

Fields = dict[str, list[str]]
Tree = dict[str, Any]
"""Texts of one field at the leaves, by key."""
Take = Callable[[Fields], Any]
Branch = Callable[[Any], Any]

ABSENT = object()
_BRACKETS = re.compile(r"(?:\[[^\[\]]*\])+").fullmatch


def deep(caster: Caster, name: str, schema: Schema) -> Take:
    """Takes the fields ``name[...]`` out of the fields and makes the object of them; ABSENT if there are none.

    Of an array it takes ``name[]`` and ``name[0]``; another name in the brackets is none of its fields.
    """
    branch, deepest = _Branches(caster).of(schema), caster.settings.json_depth
    is_array = outline.kinds(schema, caster.schemas) == {"array"}
    begins = re.compile(re.escape(name) + (r"\[[0-9]*\]" if is_array else r"\[")).match

    def take(fields: Fields) -> Any:
        names = [field for field in fields if begins(field)]
        if not names:
            return ABSENT
        tree: Tree = {}
        for field in names:
            keys = field[len(name) :]
            texts = fields.pop(field)
            if not _BRACKETS(keys) or keys.count("[") > deepest:
                raise Unreadable("style", "must be written as name[property]=value")
            _plant(tree, keys[1:-1].split("]["), texts)
        return branch(tree)

    return take


def spread(caster: Caster, schema: Schema, taken: frozenset[str]) -> Take:
    """Takes the properties of an object that are fields of their own, but none that belongs to another parameter.

    Undeclared fields belong to the object if the document gives ``additionalProperties`` or declares no property.
    """
    branches = _Branches(caster)
    declared = outline.properties(schema, caster.schemas)
    properties = {name: branches.of(part) for name, part in declared.items() if name not in taken}
    additional = outline.additional(schema, caster.schemas)
    free = additional is not False and (additional is not None or not declared)
    extra = branches.of(additional or True)

    def take(fields: Fields) -> Any:
        names = [name for name in fields if name in properties or (free and name not in taken)]
        if not names:
            return ABSENT
        return {name: properties.get(name, extra)(fields.pop(name)) for name in names}

    return take


def _plant(tree: Tree, keys: list[str], texts: list[str]) -> None:
    for key in keys[:-1]:
        tree = tree.setdefault(key, {})
        if not isinstance(tree, dict):
            raise Unreadable("style", "is both a value and an object")
    if keys[-1] in tree:
        raise Unreadable("style", "is both a value and an object")
    tree[keys[-1]] = texts


class _Branches:
    """Casts of the branches of a tree; those of deeper objects are made at first use, as schemas may be recursive."""

    def __init__(self, caster: Caster) -> None:
        self._caster = caster
        self._made: dict[int, Branch] = {}

    def of(self, schema: Schema) -> Branch:
        kinds = outline.kinds(schema, self._caster.schemas)
        scalar = self._caster.scalar(schema)
        array = self._array(schema) if "array" in kinds else None
        composite = array or (self._object(schema) if "object" in kinds or not kinds else None)

        def cast(branch: Any) -> Any:
            if isinstance(branch, dict):
                if composite is None:
                    raise Unreadable("style", "has [..] where a single value is expected")
                return composite(branch)
            if array is not None:
                return array({"": branch})
            return _one(scalar, branch)

        return cast

    def _later(self, schema: Schema) -> Branch:
        def cast(branch: Any) -> Any:
            made = self._made.get(id(schema)) or self._made.setdefault(id(schema), self.of(schema))
            return made(branch)

        return cast

    def _array(self, schema: Schema) -> Callable[[Tree], Any]:
        item = self._later(outline.items(schema, self._caster.schemas))
        alone = self._caster.listed(schema, lambda text: [text])

        def cast(tree: Tree) -> list[Any]:
            if tree.keys() == {""}:
                texts = tree[""]
                if isinstance(texts, list) and len(texts) == 1:
                    return alone(texts[0])  # type: ignore[no-any-return]
                return [item(texts)] if isinstance(texts, dict) else [item([text]) for text in texts]
            if not all(tree.get(str(index)) is not None for index in range(len(tree))):
                raise Unreadable("style", "must number its items 0, 1, 2 without a gap")
            return [item(tree[str(index)]) for index in range(len(tree))]

        return cast

    def _object(self, schema: Schema) -> Callable[[Tree], Any]:
        declared = outline.properties(schema, self._caster.schemas)
        properties = {name: self._later(part) for name, part in declared.items()}
        extra = self._later(outline.additional(schema, self._caster.schemas) or True)

        def cast(tree: Tree) -> dict[str, Any]:
            return {name: properties.get(name, extra)(branch) for name, branch in tree.items()}

        return cast


def _one(scalar: Text, texts: list[str]) -> Any:
    if len(texts) > 1:
        raise Unreadable("repeated", f"is sent {len(texts)} times")
    return scalar(texts[0])


__all__ = ["ABSENT", "Fields", "Take", "Texts", "deep", "spread"]
