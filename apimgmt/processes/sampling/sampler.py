"""A value made from a schema: the same for the same seed, as small as looks real, and finite whatever refers to what.

Optional properties are there down to a depth; one that would lead back into its own schema is left out, and so is one
that cannot be made. Look at ``limits`` below for what keeps a large document from making a large answer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from random import Random
from typing import Any, Literal

from apimgmt.model import Schema
from apimgmt.processes.sampling import scalars
from apimgmt.processes.sampling.fitting import Fitting
from apimgmt.processes.sampling.intersection import CHOICES, intersect, same, types_of
from apimgmt.processes.sampling.pattern import example as text_of
from apimgmt.processes.sampling.pattern import matches
from apimgmt.processes.sampling.scalars import Unsatisfiable

Direction = Literal["request", "response"]
Path = tuple[str, ...]

# limits: objects inside objects that have their optional properties, the steps of one sample (without and with those
# that are required), items of an array, how often a schema is inside itself where a value is required, second thoughts
DEPTH = 4
STEPS = 500
STEPS_NEEDED = 20_000
ITEMS = 1_000
TURNS = 3
ATTEMPTS = 4
DISTINCT = 50

_KINDS = {
    "object": ("properties", "required", "additionalProperties", "minProperties", "patternProperties"),
    "array": ("items", "prefixItems", "minItems", "uniqueItems", "contains"),
    "string": ("pattern", "minLength", "maxLength", "format"),
    "number": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
}


def sample(
    schema: Schema,
    schemas: Mapping[str, Schema],
    direction: Direction = "response",
    seed: str = "",
    examples: bool = True,
) -> Any:
    """A value for ``schema``: its example or default if it has a fitting one and ``examples`` is set, else a made one.

    A response holds no ``writeOnly`` and a request no ``readOnly`` property. Where no value is found it is None.
    """
    fitting = Fitting(schemas, direction)
    value = None
    for attempt in range(ATTEMPTS):
        sampler = _Sampler(schemas, fitting, f"{seed}#{attempt}" if attempt else seed, examples)
        value = sampler.best(schema)
        if value is not None and fitting.fits(value, schema):
            break
    return value


class _TooLarge(Exception):
    """The sample grows over its limit."""


class _Sampler:
    """Makes one value. ``path`` are the names of the schemas around; ``needed`` says that leaving out is no way out."""

    def __init__(self, schemas: Mapping[str, Schema], fitting: Fitting, seed: str, examples: bool) -> None:
        self._schemas = schemas
        self._fitting = fitting
        self._seed = seed
        self._examples = examples
        self._random = Random(seed)
        self._steps = 0
        self._depth = DEPTH

    def best(self, schema: Schema) -> Any:
        """The value with as many levels of optional properties as the limits allow; None if there is none at all."""
        for self._depth in range(DEPTH, -1, -1):
            self._steps = STEPS if self._depth else STEPS_NEEDED
            self._random.seed(self._seed)
            try:
                return self._value(schema, (), 0, True)
            except (Unsatisfiable, _TooLarge, RecursionError):
                continue
        return None

    def _value(self, schema: Schema, path: Path, depth: int, needed: bool) -> Any:
        self._steps -= 1
        if self._steps < 0:
            raise _TooLarge
        names: list[str] = []
        flat = self._flat(schema, path, needed, names)
        if names and CHOICES not in flat and "discriminator" in flat:
            flat = _tagged(flat, names[0])
        return self._built(flat, (*path, *names), depth, needed)

    def _flat(self, schema: Schema, path: Path, needed: bool, names: list[str]) -> dict[str, Any]:
        """A schema with its reference and its ``allOf`` drawn in, and its branches under one keyword."""
        if not isinstance(schema, dict):
            if schema is False:
                raise Unsatisfiable("nothing is allowed here")
            return {}
        flat = {keyword: value for keyword, value in schema.items() if keyword not in _DRAWN_IN}
        if choices := [{keyword: schema[keyword]} for keyword in ("oneOf", "anyOf") if keyword in schema]:
            flat[CHOICES] = choices
        name = schema["$ref"].removeprefix("#/$defs/") if "$ref" in schema else None
        if name is not None and name not in names:
            if path.count(name) >= (TURNS if needed else 1):
                raise Unsatisfiable("it would be inside itself for ever")
            names.append(name)
            flat = intersect(flat, self._flat(self._schemas.get(name, True), path, needed, names))
        for part in schema.get("allOf", ()):
            flat = intersect(flat, self._flat(part, path, needed, names))
        return flat

    def _built(self, flat: dict[str, Any], path: Path, depth: int, needed: bool) -> Any:
        for value in _given(flat) if self._examples else ():
            if self._fitting.fits(value, _judged(flat)):
                return self._fitting.visible(value, flat)
        if CHOICES in flat:
            return self._chosen(flat, path, depth, needed)
        if "const" in flat:
            return flat["const"]
        if "enum" in flat:
            return self._enumerated(flat)
        kind = _kind(flat)
        if kind == "object":
            return self._object(flat, path, depth)
        if kind == "array":
            return self._array(flat, path, depth)
        return self._scalar(kind, flat)

    def _chosen(self, flat: dict[str, Any], path: Path, depth: int, needed: bool) -> Any:
        choice, *others = flat[CHOICES]
        rest = {keyword: value for keyword, value in flat.items() if keyword not in (CHOICES, "discriminator")}
        if others:
            rest[CHOICES] = others
        (branches,) = choice.values()
        doubtful: list[Any] = []
        for branch in sorted(branches, key=lambda branch: isinstance(branch, dict) and branch.get("type") == "null"):
            for tag in (*_tags(flat.get("discriminator"), branch), {}):
                for value in self._variants(branch, rest, tag, path, depth, needed):
                    if self._fitting.fits(value, choice):
                        return value
                    doubtful.append(value)
        if not doubtful:
            raise Unsatisfiable("no branch can be made")
        return doubtful[0]

    def _variants(
        self, branch: Schema, rest: dict[str, Any], tag: dict[str, Any], path: Path, depth: int, needed: bool
    ) -> Iterator[Any]:
        """Values for a branch, with the optional properties and, in case these make it fit two branches, without."""
        limit = self._depth
        for self._depth in (limit, 0):
            names: list[str] = []
            try:
                chosen = intersect(intersect(self._flat(branch, path, needed, names), rest), tag)
                value = self._built(chosen, (*path, *names), depth, needed)
            except Unsatisfiable:
                continue
            finally:
                self._depth = limit
            yield value

    def _enumerated(self, flat: Mapping[str, Any]) -> Any:
        fitting = [value for value in flat["enum"] if self._fitting.fits(value, _judged(flat))]
        values = [value for value in fitting if value is not None] or fitting
        if not values:
            raise Unsatisfiable("no member of the enumeration fits")
        return values[0] if self._examples else self._random.choice(values)

    def _scalar(self, kind: str, flat: Mapping[str, Any]) -> Any:
        if kind == "string":
            return scalars.text(flat, self._random)
        if kind == "integer":
            return scalars.integer(flat, self._random)
        if kind == "number":
            return scalars.number(flat, self._random)
        if kind == "boolean":
            return self._random.random() < 0.5
        return None if kind == "null" else {}

    def _object(self, flat: Mapping[str, Any], path: Path, depth: int) -> dict[str, Any]:
        known = {name: rule for name, rule in flat.get("properties", {}).items() if not self._fitting.hidden(rule)}
        required = _required(flat, known)
        optional = [name for name in known if name not in required] if depth < self._depth else []
        room = max(int(flat.get("maxProperties", len(known) + len(required))) - len(required), 0)
        wanted = {*required, *optional[:room]}
        made: dict[str, Any] = {}
        for name in [*known, *(name for name in required if name not in known)]:
            if name in wanted:
                self._member(made, name, known.get(name), flat, path, depth, name in required)
        self._fill(made, flat, path, depth)
        return made

    def _member(
        self,
        made: dict[str, Any],
        name: str,
        rule: Schema | None,
        flat: Mapping[str, Any],
        path: Path,
        depth: int,
        needed: bool,
    ) -> None:
        try:
            made[name] = self._value(_extra(flat, name) if rule is None else rule, path, depth + 1, needed)
        except Unsatisfiable:
            if needed:
                raise

    def _fill(self, made: dict[str, Any], flat: Mapping[str, Any], path: Path, depth: int) -> None:
        """Properties that the schema counts or describes in general: as many as it asks for, one to show the shape."""
        described = isinstance(flat.get("additionalProperties"), dict) or "patternProperties" in flat
        shown = 1 if described and not made and depth < self._depth and flat.get("maxProperties", 1) > 0 else 0
        wanted = max(int(flat.get("minProperties", 0)), shown)
        if wanted > ITEMS:
            raise Unsatisfiable("nobody needs that many properties")
        for number in range(1, DISTINCT + wanted):
            if len(made) >= wanted:
                return
            name = self._name(flat, number, path)
            if name not in made:
                self._member(made, name, None, flat, path, depth, len(made) < flat.get("minProperties", 0))

    def _name(self, flat: Mapping[str, Any], number: int, path: Path) -> str:
        if "propertyNames" in flat:
            names = intersect(self._flat(flat["propertyNames"], path, True, []), {"type": "string"})
            return str(self._built(names, path, 0, True))
        pattern = next(iter(flat.get("patternProperties", {})), None)
        found = text_of(pattern, self._random) if pattern is not None else None
        return found if found else f"key{number}"

    def _array(self, flat: Mapping[str, Any], path: Path, depth: int) -> list[Any]:
        least, places = int(flat.get("minItems", 0)), flat.get("prefixItems", [])
        most = int(flat.get("maxItems", max(least, len(places), 1)))
        if least > ITEMS:
            raise Unsatisfiable("nobody needs that many items")
        rules = [*places, *([flat["contains"]] if "contains" in flat else [])]
        wanted = min(max(least, len(rules), 1 if depth <= self._depth else 0), most)
        items: list[Any] = []
        for place in range(wanted):
            rule = rules[place] if place < len(rules) else flat.get("items", True)
            try:
                items.append(
                    self._item(rule, items if flat.get("uniqueItems") is True else [], path, depth, place < least)
                )
            except Unsatisfiable:
                if place < least:
                    raise
                break
        return items

    def _item(self, rule: Schema, others: list[Any], path: Path, depth: int, needed: bool) -> Any:
        examples = self._examples
        try:
            for _ in range(DISTINCT):
                item = self._value(rule, path, depth + 1, needed)
                if not any(same(item, other) for other in others):
                    return item
                self._examples = False
        finally:
            self._examples = examples
        raise Unsatisfiable("no more items that differ")


_DRAWN_IN = frozenset(("$ref", "allOf", "oneOf", "anyOf"))


def _judged(flat: Mapping[str, Any]) -> dict[str, Any]:
    """A drawn-in schema with its branches back where a judge looks for them."""
    own = {keyword: value for keyword, value in flat.items() if keyword != CHOICES}
    return {**own, "allOf": flat.get(CHOICES, [])}


def _given(flat: Mapping[str, Any]) -> list[Any]:
    listed = flat.get("examples")
    return [
        *([flat["example"]] if "example" in flat else []),
        *(listed if isinstance(listed, list) else []),
        *([flat["default"]] if "default" in flat else []),
    ]


def _kind(flat: Mapping[str, Any]) -> str:
    names = types_of(flat)
    if names:
        return next((name for name in names if name != "null"), "null")
    return next((kind for kind, keywords in _KINDS.items() if any(keyword in flat for keyword in keywords)), "any")


def _required(flat: Mapping[str, Any], known: Mapping[str, Schema]) -> list[str]:
    hidden = flat.get("properties", {}).keys() - known.keys()
    names = [name for name in flat.get("required", ()) if name not in hidden]
    for name in [*names, *known]:
        names += [other for other in flat.get("dependentRequired", {}).get(name, ()) if other not in (*names, *hidden)]
    return names


def _extra(flat: Mapping[str, Any], name: str) -> Schema:
    patterns = flat.get("patternProperties", {})
    found = next((rule for pattern, rule in patterns.items() if matches(pattern, name)), None)
    rule: Schema = flat.get("additionalProperties", True) if found is None else found
    return rule


def _tagged(flat: dict[str, Any], name: str) -> dict[str, Any]:
    """A schema that inherits its discriminator says its own name in it."""
    tag = flat["discriminator"]["propertyName"]
    rule = flat.get("properties", {}).get(tag)
    if not isinstance(rule, dict) or rule.get("type") != "string" or {"const", "pattern"} & rule.keys():
        return flat
    if name not in rule.get("enum", (name,)):
        return flat
    hiding = {word: rule[word] for word in ("readOnly", "writeOnly") if word in rule}
    return {**flat, "properties": {**flat["properties"], tag: {**hiding, "const": name}}}


def _tags(discriminator: Mapping[str, Any] | None, branch: Schema) -> list[dict[str, Any]]:
    """What the discriminator may say for a branch, as schemas to add to it."""
    if discriminator is None or not isinstance(branch, dict) or "$ref" not in branch:
        return []
    values = [value for value, target in discriminator.get("mapping", {}).items() if target == branch["$ref"]]
    name = discriminator["propertyName"]
    return [
        {"type": "object", "properties": {name: {"const": value}}, "required": [name]}
        for value in values or [branch["$ref"].removeprefix("#/$defs/")]
    ]
