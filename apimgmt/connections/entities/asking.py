"""From an entity and values to a request: path, query, header fields and body (C-032 to C-041)."""

from __future__ import annotations

import re
from collections import ChainMap
from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any, NamedTuple
from urllib.parse import unquote, urlencode

import orjson

from apimgmt.connections.entities.template import Structure, Template, Values
from apimgmt.connections.entities.texts import header_text, is_dots, kind_of, segment, text_of
from apimgmt.errors import ConnectionFailed, SettingInvalid
from apimgmt.reading import pointer

FORM = "application/x-www-form-urlencoded"
_FIELD_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", re.ASCII)
# what the client itself says about the message
_OURS = frozenset(("host", "content-length", "transfer-encoding", "connection", "upgrade", "te", "trailer"))
_IN_PATH = re.compile(r"[A-Za-z0-9._~!$&'()*+,;=:@%/{}-]*", re.ASCII)


class Asked(NamedTuple):
    """A request to an entity: what :meth:`Connection.prepared` takes."""

    path: str
    query: list[tuple[str, str]]
    headers: list[tuple[str, str]]
    content: bytes


class Outline(NamedTuple):
    """What of an entity makes its requests.

    ``body`` None stands for row data, if it ``takes_rows``; ``envelope`` is what the body is put into.
    """

    path: str
    parameters: Mapping[str, str]
    query: Mapping[str, Any]
    headers: Mapping[str, str]
    body: Any
    encoding: str
    takes_rows: bool
    envelope: Callable[[dict[str, Any]], Any] | None = None


class Asking:
    """Makes requests; everything was taken apart when it was made. ``problems`` are pointers and messages."""

    def __init__(self, outline: Outline) -> None:
        self.problems: list[tuple[str, str]] = []
        self._takes_rows = outline.takes_rows
        self._envelope = outline.envelope
        self._is_form = outline.encoding == "form"
        self._mapped = self._parameters(outline.parameters)
        path, _, asked = outline.path.partition("?")
        self._segments = self._path(path)
        self._query = self._queries(asked, outline.query)
        self._headers = self._fields(outline.headers)
        self._body = self._templates(outline.body)
        self.names = self._names()
        for name in sorted(set(self._mapped) - self._holes()):
            self.problems.append((pointer("parameters", name), f"no placeholder {{{name}}} uses it"))

    def ask(self, row: Mapping[str, Any] | None, parameters: Values, own: Values) -> Asked:
        """The request for these values.

        ``parameters`` come first, then the members of ``row``; ``own`` are parameters of a pagination, which go into
        the query (in an envelope: the body) where no placeholder takes them. Raises ConnectionFailed("request").
        """
        for name in own:
            if name in parameters:
                raise ConnectionFailed("request", f"{name!r} is set by the pagination or the sync, and takes no value")
        values: Values = ChainMap({**parameters, **own}, {} if row is None else _members(row))
        extra = {name: value for name, value in parameters.items() if name not in self.names}
        added = {name: value for name, value in own.items() if name not in self.names}
        body = self._filled(row, values, extra)
        if body is None and not self._takes_rows:
            added |= extra
        if self._envelope is not None:
            body, added = self._envelope({**(body or {}), **added}), {}
        return self._made(values, added, body)

    def ask_many(self, rows: Iterable[Mapping[str, Any]], parameters: Values) -> Asked:
        """The request whose body is an array with each of the rows (C-070)."""
        extra = {name: value for name, value in parameters.items() if name not in self.names}
        body = [self._filled(row, ChainMap(dict(parameters), _members(row)), extra) for row in rows]
        return self._made(parameters, {}, body)

    def _filled(self, row: Mapping[str, Any] | None, values: Values, extra: Mapping[str, Any]) -> Any:
        """The body of one row, None for none."""
        if self._body is not None:
            filled = self._body.value(values)
            self._refuse(extra)
            return filled
        if self._takes_rows and (row is not None or extra):
            return {**(row or {}), **extra}
        return None

    def _made(self, values: Values, added: Mapping[str, Any], body: Any) -> Asked:
        query = self._asked(values)
        for name, value in added.items():
            if any(name == taken for taken, _ in self._query):
                raise ConnectionFailed("request", f"query {name}: the entity says what it is; it takes no other value")
            query += _pairs(name, value, f"query {name}")
        headers = list(self._asked_fields(values))
        content = b""
        if body is not None:
            content, kind = self._written(body)
            if not any(name.lower() == "content-type" for name, _ in headers):
                headers.append(("Content-Type", kind))
        return Asked("/".join(self._walked(values)), query, headers, content)

    def _walked(self, values: Values) -> Iterator[str]:
        for template in self._segments:
            yield "" if template is None else segment(template.pieces(values), template.place)

    def fixes(self, name: str) -> bool:
        """Whether a parameter of the query has a value of its own, so that nobody else can give it one."""
        return name not in self.names and any(name == taken for taken, _ in self._query)

    def _refuse(self, extra: Mapping[str, Any]) -> None:
        if extra:
            takes = ", ".join(sorted(self.names)) or "nothing"
            raise ConnectionFailed("request", f"nothing takes {min(extra)!r}; the entity takes: {takes}")

    def _asked(self, values: Values) -> list[tuple[str, str]]:
        return [
            pair for name, structure in self._query for pair in _pairs(name, structure.value(values), f"query {name}")
        ]

    def _asked_fields(self, values: Values) -> Iterator[tuple[str, str]]:
        for name, template in self._headers:
            value = template.value(values)
            if value is not None:
                yield name, header_text(text_of(value, f"header {name}"), f"header {name}")

    def _written(self, body: Any) -> tuple[bytes, str]:
        if self._is_form:
            pairs = [pair for name, value in body.items() for pair in _pairs(name, value, f"form {name}")]
            return urlencode(pairs).encode("ascii"), FORM
        return as_json(body), "application/json"

    # ---- taking apart --------------------------------------------------------------------------------------------

    def _parameters(self, parameters: Mapping[str, str]) -> dict[str, Template]:
        mapped = {}
        for name, value in parameters.items():
            template = self._template(value, f"parameter {name}", pointer("parameters", name), {})
            if template is not None:
                mapped[name] = template
        return mapped

    def _path(self, path: str) -> list[Template | None]:
        """The segments; None is the empty one before the first and behind the last slash."""
        texts = path.split("/")
        if not _IN_PATH.fullmatch(path):
            self.problems.append(("/path", "a path has letters, digits and -._~!$&'()*+,;=:@, others percent-encoded"))
        elif "" in texts[1:-1] or any(is_dots(unquote(text)) for text in texts) or path.startswith("//"):
            self.problems.append(("/path", "a path has neither empty segments nor steps of dots"))
        elif "://" in path:
            self.problems.append(("/path", "a path below the connection's base URL is needed, not a URL"))
        return [self._template(text, f"path {text}", "/path", self._mapped) if text else None for text in texts]

    def _queries(self, asked: str, query: Mapping[str, Any]) -> list[tuple[str, Structure]]:
        found: list[tuple[str, Any, str]] = []
        for pair in filter(None, asked.split("&")):
            name, _, value = pair.partition("=")
            found.append((name, value, "/path"))
        found += [(name, value, pointer("query", name)) for name, value in query.items()]
        structures = []
        for name, value, place in found:
            if isinstance(value, dict) or (isinstance(value, list) and any(isinstance(v, dict | list) for v in value)):
                self.problems.append((place, "a text, a number, a boolean or a list of these is needed"))
                continue
            structure = self._structure(value, f"query {name}", place)
            if structure is not None:
                structures.append((name, structure))
        return structures

    def _fields(self, headers: Mapping[str, str]) -> list[tuple[str, Template]]:
        found = []
        for name, value in headers.items():
            place = pointer("headers", name)
            if not _FIELD_NAME.fullmatch(name) or name.lower() in _OURS:
                self.problems.append((place, f"{name!r} is no header field that an entity may set"))
                continue
            try:
                header_text(value, f"header {name}")
            except ConnectionFailed as error:
                self.problems.append((place, str(error)))
                continue
            template = self._template(value, f"header {name}", place, self._mapped)
            if template is not None:
                found.append((name, template))
        return found

    def _templates(self, body: Any) -> Structure | None:
        if body is None:
            return None
        if self._is_form and not isinstance(body, dict):
            self.problems.append(("/body", "a form is an object of names and values"))
            return None
        return self._structure(body, "body", "/body")

    def _structure(self, value: Any, what: str, place: str) -> Structure | None:
        try:
            return Structure(value, what, self._mapped)
        except SettingInvalid as error:
            self.problems.append((place, str(error)))
        except RecursionError:
            self.problems.append((place, "it is nested too deeply"))
        return None

    def _template(self, text: str, what: str, place: str, mapped: Mapping[str, Template]) -> Template | None:
        try:
            return Template(text, what, mapped)
        except SettingInvalid as error:
            self.problems.append((place, str(error)))
            return None

    def _all(self) -> Iterator[Template]:
        yield from filter(None, self._segments)
        for _, structure in self._query:
            yield from structure.templates()
        yield from (template for _, template in self._headers)
        if self._body is not None:
            yield from self._body.templates()

    def _names(self) -> frozenset[str]:
        return frozenset(name for template in self._all() for name in template.names)

    def _holes(self) -> frozenset[str]:
        return frozenset(name for template in self._all() for name in template.holes)


def _members(row: Any) -> dict[str, Any]:
    """The members of a row; raises ConnectionFailed for what has none."""
    if not isinstance(row, Mapping):
        raise ConnectionFailed("request", f"a row is an object with members, not {kind_of(row)}")
    return dict(row)


def as_json(value: Any) -> bytes:
    """The value as JSON; raises ConnectionFailed("request") for what JSON cannot say."""
    try:
        return orjson.dumps(value, default=_exact)
    except (TypeError, ValueError) as error:
        # orjson names the type, or the reason, and no value
        raise ConnectionFailed("request", f"body: it cannot be written as JSON: {str(error)[:200]}") from None


def _exact(value: Any) -> Any:
    if isinstance(value, Decimal) and value.is_finite():
        return orjson.Fragment(str(value))
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, set | frozenset):
        return list(value)
    raise TypeError(f"{kind_of(value)} is not JSON")


def _pairs(name: str, value: Any, place: str) -> list[tuple[str, str]]:
    """Pairs of a query or a form: a list is a name that comes several times, None one that is left out."""
    several = value if isinstance(value, list | tuple) else [value]
    return [(name, text_of(one, place)) for one in several if one is not None]
