"""XML bodies as the values that the ``xml`` objects of the schema say (OpenAPI 3.2 XML Object, and 2.0 to 3.1).

    name, namespace              of the element or attribute; without a name it is the property's
    nodeType                     element, attribute, text or cdata; on an array ``element`` is the older ``wrapped``
    attribute, wrapped           the older way to say so

No document type, so no entities and no expansion; no external anything; bounded depth and size; UTF-8 only.
Elements and attributes that the schema does not name are kept as texts (or objects), for the validator to judge.
An empty list without a wrapper cannot be written, so a required one that is not there is empty.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple
from xml.parsers import expat

from apimgmt.errors import Problem
from apimgmt.model import Schema
from apimgmt.settings import Settings
from apimgmt.spec.request import outline
from apimgmt.spec.request.casting import Text
from apimgmt.spec.request.cleaning import cleaned
from apimgmt.spec.request.values import Caster

ENCODINGS = ("utf-8", "utf8", "us-ascii", "ascii")
XSI_NIL = "http://www.w3.org/2001/XMLSchema-instance nil"


class Element:
    """An element without prefixes: names are ``local`` or ``namespace local``, as expat gives them."""

    __slots__ = ("attributes", "children", "name", "texts")

    def __init__(self, name: str, attributes: dict[str, str]) -> None:
        self.name = name
        self.attributes = attributes
        self.children: list[Element] = []
        self.texts: list[str] = []

    @property
    def text(self) -> str:
        """The characters that stand directly in this element."""
        return "".join(self.texts)


class _Rule(NamedTuple):
    """What a schema says about one element, worked out once."""

    is_array: bool
    is_object: bool
    is_text: bool
    scalar: Text
    members: tuple[_Member, ...]
    required_lists: tuple[str, ...]
    items: Schema


class _Name(NamedTuple):
    """What an element or attribute must be called; ``namespace`` is None where any will do."""

    local: str
    namespace: str | None

    def matches(self, written: str) -> bool:
        namespace, _, local = written.rpartition(" ")
        return local == self.local and self.namespace in (None, namespace)


class _Member(NamedTuple):
    """One declared property: where in the element it stands (``attribute``, ``text``, ``list``, ``element``).

    ``schema`` is that of what is called ``name``: of a list, which has no element of its own, the schema of its items.
    """

    key: str
    place: str
    name: _Name
    schema: Schema
    cast: Text


def compile_xml(caster: Caster, schema: Schema) -> Callable[[bytes], Any]:
    """The reader of an XML body: bytes to a value, not yet validated; raises Problem malformed-body."""
    reader = _Reader(caster)
    settings = caster.settings
    root_name = (outline.first(schema, caster.schemas, "xml") or {}).get("name")

    def read(content: bytes) -> Any:
        element = parse(content, settings)
        if root_name and _local(element.name) != root_name:
            raise Problem("malformed-body", f"The root element of the body must be {root_name[:60]!r}.")
        return reader.value(element, schema)

    # for what the schema does not describe, which is not cast
    return cleaned(read, caster.cleaning)


def parse(content: bytes, settings: Settings) -> Element:
    """The tree of an XML text; raises Problem malformed-body."""
    builder = _Builder(settings)
    try:
        # A byte order mark would switch expat to UTF-16.
        builder.parser.Parse(content.decode(), True)
    except UnicodeDecodeError:
        raise Problem("malformed-body", "The body is not UTF-8.") from None
    except expat.ExpatError as error:
        reason = expat.ErrorString(error.code)
        raise Problem("malformed-body", f"The body is not XML: {reason}, line {error.lineno}.") from None
    return builder.root.children[0]


class _Builder:
    """Builds the tree from expat's events, refusing what is dangerous."""

    def __init__(self, settings: Settings) -> None:
        self.root = Element("", {})
        self._open = [self.root]
        self._nodes = 0
        self._settings = settings
        self.parser = parser = expat.ParserCreate("utf-8", " ")
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._characters
        parser.StartDoctypeDeclHandler = self._doctype
        parser.XmlDeclHandler = self._declaration

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._nodes += 1 + len(attributes)
        if len(self._open) > self._settings.xml_depth:
            raise Problem("malformed-body", f"The body is nested more than {self._settings.xml_depth} deep.")
        if self._nodes > self._settings.json_nodes:
            raise Problem("malformed-body", f"The body has more than {self._settings.json_nodes} values.")
        element = Element(name, attributes)
        self._open[-1].children.append(element)
        self._open.append(element)

    def _end(self, _: str) -> None:
        self._open.pop()

    def _characters(self, text: str) -> None:
        self._open[-1].texts.append(text)

    def _declaration(self, _: str, encoding: str | None, __: int) -> None:
        """Another encoding than the one in which the body is read would be read in two ways."""
        if encoding is not None and encoding.lower() not in ENCODINGS:
            raise Problem("malformed-body", "The body declares another encoding than UTF-8.")

    def _doctype(self, *_: Any) -> None:
        raise Problem("malformed-body", "The body has a document type declaration, which is not allowed.")


class _Reader:
    """Reads elements by rules; a rule is made at its first use, because schemas may be recursive."""

    def __init__(self, caster: Caster) -> None:
        self._caster = caster
        self._schemas = caster.schemas
        self._rules: dict[int, _Rule] = {}

    def value(self, element: Element, schema: Schema) -> Any:
        """The value of an element by its schema."""
        rule = self._rules.get(id(schema)) or self._rules.setdefault(id(schema), self._rule(schema))
        if element.attributes.get(XSI_NIL) in ("true", "1"):
            return None
        if rule.is_array:
            return [self.value(child, rule.items) for child in element.children]
        if rule.is_object:
            return self._object(element, rule)
        if element.children or (element.attributes and not rule.is_text):
            return _generic(element)
        return rule.scalar(element.text if rule.is_text else element.text.strip())

    def _object(self, element: Element, rule: _Rule) -> Any:
        result = self._members(element, rule)
        if not result and element.text.strip():
            # A text where an object is expected is not thrown away: the validator says that it is wrong.
            return element.text.strip()
        for key in rule.required_lists:
            result.setdefault(key, [])
        return result

    def _members(self, element: Element, rule: _Rule) -> dict[str, Any]:
        result: dict[str, Any] = {}
        taken: set[int] = set()
        attributes = dict(element.attributes)
        for member in rule.members:
            if member.place == "attribute":
                written = next((name for name in attributes if member.name.matches(name)), None)
                if written is not None:
                    result[member.key] = member.cast(attributes.pop(written))
            elif member.place == "text":
                result[member.key] = member.cast(element.text.strip())
            else:
                self._put_children(member, element, taken, result)
        for name, text in attributes.items():
            result.setdefault(_local(name), text)
        for key, value in _generic_members([one for one in element.children if id(one) not in taken]):
            result.setdefault(key, value)
        return result

    def _put_children(self, member: _Member, element: Element, taken: set[int], result: dict[str, Any]) -> None:
        children = [one for one in element.children if member.name.matches(one.name)]
        taken.update(id(one) for one in children)
        if not children:
            return
        values = [self.value(one, member.schema) for one in children]
        # More than one where one is expected: the validator says what is wrong with an array.
        result[member.key] = values[0] if member.place == "element" and len(values) == 1 else values

    def _rule(self, schema: Schema) -> _Rule:
        schemas = self._schemas
        kinds = outline.kinds(schema, schemas)
        members = tuple(self._member(key, part) for key, part in outline.properties(schema, schemas).items())
        required = outline.required(schema, schemas)
        return _Rule(
            is_array="array" in kinds,
            is_object="object" in kinds or (not kinds and bool(members)),
            is_text="string" in kinds,
            scalar=self._caster.scalar(schema),
            members=members,
            required_lists=tuple(one.key for one in members if one.place == "list" and one.key in required),
            items=outline.items(schema, schemas),
        )

    def _member(self, key: str, schema: Schema) -> _Member:
        xml = outline.first(schema, self._schemas, "xml") or {}
        name = _Name(xml.get("name") or key, xml.get("namespace"))
        kind = xml.get("nodeType") or ("attribute" if xml.get("attribute") else "")
        place = "attribute" if kind == "attribute" else "text" if kind in ("text", "cdata") else "element"
        is_list = "array" in outline.kinds(schema, self._schemas)
        if place == "element" and is_list and kind != "element" and not xml.get("wrapped"):
            place, schema = "list", outline.items(schema, self._schemas)
            xml = outline.first(schema, self._schemas, "xml") or {}
            name = _Name(xml.get("name") or key, xml.get("namespace"))
        return _Member(key, place, name, schema, self._caster.scalar(schema))


def _generic(element: Element) -> Any:
    """An element that no schema describes: its text, or an object of its attributes and children."""
    if not element.children and not element.attributes:
        return element.text
    members: dict[str, Any] = {_local(name): text for name, text in element.attributes.items()}
    members.update(_generic_members(element.children))
    return members


def _generic_members(children: list[Element]) -> Iterator[tuple[str, Any]]:
    found: dict[str, list[Any]] = {}
    for child in children:
        found.setdefault(_local(child.name), []).append(_generic(child))
    for name, values in found.items():
        yield name, values[0] if len(values) == 1 else values


def _local(name: str) -> str:
    return name.rpartition(" ")[2]
