"""The parameters of an operation, read from a request: split, decoded, cast, defaulted and validated.

Everything that the document decides is composed once, when the API is loaded; a request looks nothing up. Nothing
that a caller sends raises: what is wrong becomes an entry of ``violations`` (see ``Problem.errors``).
Rules and differences to other products: ``docs/casting.md``.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from apimgmt.members import HeaderMembers, Members
from apimgmt.model import Location, Operation, Parameter
from apimgmt.settings import Settings
from apimgmt.spec.media import category
from apimgmt.spec.request import fields as form
from apimgmt.spec.request import shortcuts
from apimgmt.spec.request.cleaning import Cleaning
from apimgmt.spec.request.deepobject import Fields
from apimgmt.spec.request.fields import Plan, missing, violation
from apimgmt.spec.request.forms import compile_form
from apimgmt.spec.request.shortcuts import Shortcut
from apimgmt.spec.request.styles import Unreadable, form_decoded, percent_decoded, undecoded
from apimgmt.spec.request.values import Caster, Violations
from apimgmt.spec.validation.validator import Validators

Headers = list[tuple[bytes, bytes]]
FourMembers = tuple[Members, Members, HeaderMembers, Members]
ParameterReader = Callable[[Mapping[str, str], bytes, Headers, Violations], FourMembers]


def compile_parameters(
    operation: Operation,
    validators: Validators,
    settings: Settings,
    *,
    strict_query: bool = False,
    validate: bool = True,
    cleaning: Cleaning | None = None,
) -> ParameterReader:
    """The reader of an operation's parameters: ``(path, query_string, headers, violations)`` to four members.

    ``path`` has the undecoded segment texts by name. With ``strict_query`` an undeclared query parameter is a
    violation. Without ``validate`` nothing is, and what cannot be cast stays a text (F-094). ``cleaning`` is for every
    text, before it is cast.
    """
    by_location: dict[Location, list[Parameter]] = {"path": [], "query": [], "header": [], "cookie": []}
    for parameter in operation.parameters:
        by_location.setdefault(parameter.location, []).append(parameter)
    form_caster = Caster(validators, settings, form_decoded, cleaning)
    uri_caster = Caster(validators, settings, percent_decoded, cleaning)
    plain_caster = Caster(validators, settings, undecoded, cleaning)
    read_path = _path(by_location["path"], uri_caster, validate)
    whole = by_location.get("querystring")
    if whole:
        read_query = _querystring(whole[0], form_caster, validate)
    else:
        read_query = _query(by_location["query"], form_caster, strict_query, validate)
    read_header = _header(by_location["header"], plain_caster, validate)
    read_cookie = _cookie(by_location["cookie"], validators, settings, validate, cleaning)

    def read(path: Mapping[str, str], query_string: bytes, headers: Headers, violations: Violations) -> FourMembers:
        return (
            read_path(path, violations),
            read_query(query_string, violations),
            read_header(headers, violations) if read_header else HeaderMembers(),
            read_cookie(headers, violations) if read_cookie else Members(),
        )

    return read


def _path(
    parameters: Sequence[Parameter], caster: Caster, validate: bool
) -> Callable[[Mapping[str, str], Violations], Members]:
    segments = [
        (parameter.name, _shortcut(parameter, caster), _segment(parameter, caster, validate))
        for parameter in parameters
    ]

    def read(path: Mapping[str, str], violations: Violations) -> Members:
        members = Members()
        for name, shortcut, segment in segments:
            text = path[name]
            value = shortcut(text)
            members[name] = segment(text, violations) if value is None else value
        return members

    return read


def _shortcut(parameter: Parameter, caster: Caster) -> Shortcut:
    shortcut = shortcuts.of_text(parameter, caster.schemas, caster.settings.json_digits)
    # a shortcut takes a text as it is
    return shortcut if shortcut is not None and caster.cleaning is None else lambda text: None


def _segment(parameter: Parameter, caster: Caster, validate: bool) -> Callable[[str, Violations], Any]:
    cast, place = caster.text(parameter), {"in": "path", "name": parameter.name}
    check = caster.check(parameter.schema, place) if validate else None

    def read(text: str, violations: Violations) -> Any:
        try:
            value = cast(text)
        except Unreadable as reason:
            if validate:
                violations.append(violation({**place, "pointer": ""}, reason))
            return caster.clean(text)
        if check is not None:
            check(value, violations)
        return value

    return read


def _query(
    parameters: Sequence[Parameter], caster: Caster, strict: bool, validate: bool
) -> Callable[[bytes, Violations], Members]:
    plan = Plan(caster, parameters, form.in_query, validate=validate, report=validate)
    absent, limit = plan.absent, caster.settings.query_parameters
    usual = shortcuts.of_query(parameters, absent, caster.schemas, caster.settings.json_digits)
    # objects over several fields, defaults that have to be copied and texts to be cleaned take the whole way
    is_plain = not plan.takers and not plan.copied and caster.cleaning is None

    def read(query_string: bytes, violations: Violations) -> Members:
        if is_plain and len(query_string) < limit and query_string.isascii():
            members = usual(query_string.decode("ascii")) if query_string else None
            if members is not None:
                return members
        members = Members(absent)
        if not query_string and not plan.required and not plan.copied:
            return members
        text = form.ascii_text(query_string)
        if len(text) >= limit and text.count("&") >= limit:
            violations.append(_too_many(limit))
            text = ""
        fields = form.split(text, violations, form.in_query)
        for name in plan.read(fields, violations, members):
            place = form.in_query(name)
            if strict:
                violations.append({**place, "code": "undeclared", "detail": "is not a parameter here"})
            else:
                members[name] = form.undeclared_text(fields[name], place, violations, caster)
        return members

    return read


def _querystring(parameter: Parameter, caster: Caster, validate: bool) -> Callable[[bytes, Violations], Members]:
    """The whole query as one parameter with ``content`` (OpenAPI 3.2): a form, otherwise as in ``Caster.content``."""
    name, place = parameter.name, form.in_query(parameter.name)
    check = caster.check(parameter.schema, place) if validate else None
    absent, limit = form.default(caster, parameter), caster.settings.query_parameters
    content = caster.content(parameter.media_type or "")
    read_form = compile_form(caster, parameter.schema, {}, form.in_query)
    is_form = category(parameter.media_type or "") == "form"

    def read(query_string: bytes, violations: Violations) -> Members:
        text = form.ascii_text(query_string)
        members = Members({name: copy.deepcopy(absent)})
        if text.count("&") >= limit:
            violations.append(_too_many(limit))
        elif text:
            try:
                members[name] = read_form(text, violations) if is_form else content(text)
            except Unreadable as reason:
                members[name] = caster.clean(text)
                if validate:
                    violations.append(violation(place, reason))
                return members
            if check is not None:
                check(members[name], violations)
        elif parameter.required and validate:
            violations.append(missing(place))
        return members

    return read


def _too_many(limit: int) -> dict[str, Any]:
    return {**form.in_query(""), "code": "limit", "detail": f"has more than {limit} parameters"}


def _header(
    parameters: Sequence[Parameter], caster: Caster, validate: bool
) -> Callable[[Headers, Violations], HeaderMembers] | None:
    if not parameters:
        return None
    plan = Plan(caster, parameters, form.in_header, validate=validate, report=validate)
    names = {parameter.name.lower().encode("latin-1", "replace"): parameter.name for parameter in parameters}

    def read(headers: Headers, violations: Violations) -> HeaderMembers:
        sent: dict[str, bytes] = {}
        for written, value in headers:
            name = names.get(written.lower())
            if name is not None:
                sent[name] = sent[name] + b", " + value if name in sent else value
        members = HeaderMembers(plan.absent)
        plan.read(_decoded(sent, violations), violations, members)
        return members

    return read


def _decoded(sent: Mapping[str, bytes], violations: Violations) -> Fields:
    fields: Fields = {}
    for name, value in sent.items():
        try:
            fields[name] = [value.decode()]
        except UnicodeDecodeError:
            fields[name] = [value.decode("latin-1")]
            violations.append(violation(form.in_header(name), Unreadable("encoding", "is not UTF-8")))
    return fields


def _cookie(
    parameters: Sequence[Parameter],
    validators: Validators,
    settings: Settings,
    validate: bool,
    cleaning: Cleaning | None,
) -> Callable[[Headers, Violations], Members] | None:
    """Cookies of style ``form`` are percent-encoded, those of style ``cookie`` (OpenAPI 3.2) are not."""
    if not parameters:
        return None
    plans = []
    for decode, verbatim in ((percent_decoded, False), (undecoded, True)):
        group = [parameter for parameter in parameters if (parameter.style == "cookie") is verbatim]
        caster = Caster(validators, settings, decode, cleaning)
        plans.append(Plan(caster, group, form.in_cookie, validate=validate, report=validate))

    def read(headers: Headers, violations: Violations) -> Members:
        fields: Fields = {}
        for name, value in headers:
            if name.lower() == b"cookie":
                for pair in form.ascii_text(value).split(";"):
                    key, equals, text = pair.strip(" \t").partition("=")
                    if equals:
                        fields.setdefault(key, []).append(text)
        members = Members()
        for plan in plans:
            members.update(plan.absent)
            plan.read(fields, violations, members)
        return members

    return read
