"""Fields written ``name=value&name=value``: the query of a request and the body of a form.

A :class:`Plan` says, for every declared name, how its texts are cast and checked; it is made once. Undeclared fields
are texts, the last one where a name is repeated (F-083).
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import quote_from_bytes

from apimgmt.model import Parameter
from apimgmt.spec.request import outline, shortcuts
from apimgmt.spec.request.deepobject import ABSENT, Fields, Take, deep, spread
from apimgmt.spec.request.shortcuts import Shortcuts
from apimgmt.spec.request.styles import Unreadable, form_decoded
from apimgmt.spec.request.values import COMPOSITE, Caster, Check, Texts, Violations

Place = Callable[[str], dict[str, Any]]
Slot = Callable[[list[str], Violations], Any]
_VISIBLE_ASCII = bytes(range(0x20, 0x7F))


def ascii_text(content: bytes) -> str:
    """The bytes as ASCII; other bytes (not allowed in a URL, but sent) become their percent-encoding."""
    if content.isascii():
        return content.decode("ascii")
    return quote_from_bytes(content, safe=_VISIBLE_ASCII)


def in_query(name: str) -> dict[str, Any]:
    """The place of a query parameter, for violations."""
    return {"in": "query", "name": name[:100], "pointer": ""}


def in_header(name: str) -> dict[str, Any]:
    """The place of a header parameter."""
    return {"in": "header", "name": name, "pointer": ""}


def in_cookie(name: str) -> dict[str, Any]:
    """The place of a cookie."""
    return {"in": "cookie", "name": name, "pointer": ""}


def in_body(name: str) -> dict[str, Any]:
    """The place of a property of a form."""
    return {"in": "body", "pointer": "/" + name[:100].replace("~", "~0").replace("/", "~1")}


def split(text: str, violations: Violations, place: Place) -> Fields:
    """The texts of each field by its decoded name, in order; the texts are still encoded."""
    fields: Fields = {}
    encoded = "%" in text or "+" in text
    for pair in text.split("&"):
        name, _, value = pair.partition("=")
        if encoded:
            try:
                name = form_decoded(name)
            except Unreadable as reason:
                violations.append(violation(place(name), reason))
                continue
        if name in fields:
            fields[name].append(value)
        else:
            fields[name] = [value]
    if "" in fields:
        # Nothing can be declared under the empty name: it comes from `a&&b` and from an empty query.
        del fields[""]
    return fields


def violation(place: Mapping[str, Any], reason: Unreadable) -> dict[str, Any]:
    """The entry of ``Problem.errors`` for a text that cannot be read."""
    return {**place, "code": reason.code, "detail": reason.detail}


def missing(place: Mapping[str, Any]) -> dict[str, Any]:
    """The entry of ``Problem.errors`` for what is required and was not sent."""
    return {**place, "code": "required", "detail": "is required"}


class Plan:
    """How the declared fields become values, and what they are when they are not sent.

    ``takers`` read objects that are spread over several fields, in the order of the document; they come first.
    With ``report`` a text that cannot be read is a violation, with ``validate`` an invalid or missing value is too.
    """

    def __init__(
        self, caster: Caster, parameters: Sequence[Parameter], place: Place, *, validate: bool, report: bool = True
    ) -> None:
        self.place = place
        self.validate = validate
        self.report = report
        self.slots: dict[str, Slot] = {}
        self.takers: list[tuple[str, Take, Check | None]] = []
        self.absent: dict[str, Any] = {}
        self.copied: list[str] = []
        self.required = frozenset(parameter.name for parameter in parameters if parameter.required)
        names = frozenset(parameter.name for parameter in parameters)
        for parameter in parameters:
            self._add(caster, parameter, names)

    def _add(self, caster: Caster, parameter: Parameter, names: frozenset[str]) -> None:
        name, place = parameter.name, self.place(parameter.name)
        check = caster.check(parameter.schema, place) if self.validate else None
        self.absent[name] = absent = default(caster, parameter)
        if isinstance(absent, dict | list):
            self.copied.append(name)
        kinds = outline.kinds(parameter.schema, caster.schemas)
        if kinds & COMPOSITE and parameter.media_type is None:
            if parameter.style == "deepObject":
                self.takers.append((name, deep(caster, name, parameter.schema), check))
            elif "object" in kinds and parameter.explode and parameter.style in ("form", "cookie"):
                self.takers.append((name, spread(caster, parameter.schema, names - {name}), check))
        allow_empty = parameter.allow_empty and not kinds & COMPOSITE
        empty = ["" if "string" in kinds else None] if allow_empty else []
        self.slots[name] = self._slot(self._texts(caster, parameter), check, place, empty, caster.clean)
        # a shortcut takes a text as it is
        shortcut = shortcuts.of_texts(parameter, caster.schemas, caster.settings.json_digits)
        if shortcut is not None and caster.cleaning is None:
            self.slots[name] = _shortened(shortcut, self.slots[name])

    def _texts(self, caster: Caster, parameter: Parameter) -> Texts:
        """The cast of all texts of one field; of a cookie the first counts, as browsers send the closest path first."""
        several = caster.texts(parameter)
        if several is not None:
            return several
        single, is_cookie = caster.text(parameter), parameter.location == "cookie"

        def read(texts: list[str]) -> Any:
            if len(texts) > 1 and not is_cookie:
                raise Unreadable("repeated", f"is sent {len(texts)} times")
            return single(texts[0])

        return read

    def _slot(
        self,
        cast: Texts,
        check: Check | None,
        place: Mapping[str, Any],
        empty: list[str | None],
        clean: Callable[[str], str],
    ) -> Slot:
        """``empty`` holds what an empty text means, if that is allowed; ``clean`` is for what cannot be cast."""
        report = self.report

        def read(texts: list[str], violations: Violations) -> Any:
            if empty and texts == [""]:
                return empty[0]
            try:
                value = cast(texts)
            except Unreadable as reason:
                if report:
                    violations.append(violation(place, reason))
                return clean(texts[-1])
            if check is not None:
                check(value, violations)
            return value

        return read

    def read(self, fields: Fields, violations: Violations, result: dict[str, Any]) -> list[str]:
        """Put the values of ``fields`` into ``result`` (which may hold ``absent``); gives the undeclared names."""
        taken = self._take(fields, violations, result) if self.takers else ()
        undeclared = []
        slots = self.slots
        for name, texts in fields.items():
            if name in slots:
                result[name] = slots[name](texts, violations)
            else:
                undeclared.append(name)
        for name in self.copied:
            if result.get(name) is self.absent[name]:
                result[name] = copy.deepcopy(result[name])
        if self.validate and not self.required <= fields.keys():
            self._lack({*fields, *taken}, violations)
        return undeclared

    def _take(self, fields: Fields, violations: Violations, result: dict[str, Any]) -> Iterable[str]:
        sent = []
        for name, take, check in self.takers:
            try:
                value = take(fields)
            except Unreadable as reason:
                sent.append(name)
                if self.report:
                    violations.append(violation(self.place(name), reason))
                continue
            if value is not ABSENT:
                sent.append(name)
                result[name] = value
                if check is not None:
                    check(value, violations)
        return [name for name in sent if name in self.required]

    def _lack(self, sent: Iterable[str], violations: Violations) -> None:
        for name in self.absent:
            if name in self.required and name not in sent:
                violations.append(missing(self.place(name)))


def _shortened(shortcut: Shortcuts, slot: Slot) -> Slot:
    def read(texts: list[str], violations: Violations) -> Any:
        value = shortcut(texts)
        return slot(texts, violations) if value is None else value

    return read


def undeclared_text(texts: list[str], place: Mapping[str, Any], violations: Violations, caster: Caster) -> str:
    """The decoded text of an undeclared field; of several the last."""
    try:
        return caster.value_text(texts[-1])
    except Unreadable as reason:
        violations.append(violation(place, reason))
        return texts[-1]


def default(caster: Caster, parameter: Parameter) -> Any:
    """The default of a parameter, cast once if the document wrote it as a text; None if there is none."""
    value = outline.first(parameter.schema, caster.schemas, "default")
    if not isinstance(value, str) or parameter.media_type is not None:
        return value
    kinds = outline.kinds(parameter.schema, caster.schemas)
    if not kinds or "string" in kinds:
        return value
    try:
        return caster.text(parameter)(value)
    except Unreadable:
        return value
