"""A small OData 4 service for ``responses``: it reads the URLs that it gets as the standard says, and keeps rows.

``$filter`` is read by a grammar of its own, so that a literal that is quoted wrongly is found out.
"""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import responses

ROOT = "http://crm.example/odata"
_TOKEN = re.compile(
    r"\s*(?:(?P<text>'(?:[^']|'')*')|(?P<word>[A-Za-z_][A-Za-z0-9_.]*)|(?P<number>-?[0-9][0-9.:TZ+-]*)|(?P<sign>[(),]))"
)


class Service:
    """Customers by their key; ``page`` rows come at once, ``links`` replaces what the links to the next page say."""

    def __init__(self, mock: responses.RequestsMock, rows: list[dict[str, Any]], page: int = 2) -> None:
        self.rows = {row["Id"]: dict(row) for row in rows}
        self.page = page
        self.link = ROOT + "/Customers?skiptoken={skip}&{query}"
        self.filters: list[str] = []
        self.requests: list[Any] = []
        for method in ("GET", "POST", "PATCH", "DELETE"):
            mock.add_callback(method, re.compile(re.escape(ROOT) + ".*"), self._answer)

    def _answer(self, request: Any) -> tuple[int, dict[str, str], str]:
        self.requests.append(request)
        parts = urlsplit(request.url)
        path = unquote(parts.path).removeprefix("/odata/")
        if path == "Customers":
            return self._set(request, dict(parse_qsl(parts.query)))
        number = int(re.fullmatch(r"Customers\((\d+)\)", path)[1])  # type: ignore[index]
        if number not in self.rows:
            return 404, {}, "{}"
        if request.method == "DELETE":
            del self.rows[number]
            return 204, {}, ""
        if request.method == "PATCH":
            self.rows[number] |= json.loads(request.body)
            return 204, {}, ""
        return 200, {}, json.dumps({"@odata.etag": 'W/"1"', **self.rows[number]})

    def _set(self, request: Any, query: dict[str, str]) -> tuple[int, dict[str, str], str]:
        if request.method == "POST":
            row = json.loads(request.body)
            self.rows[row["Id"]] = row
            return 201, {}, json.dumps(row)
        found = list(self.rows.values())
        if "$filter" in query:
            self.filters.append(query["$filter"])
            found = [row for row in found if holds(query["$filter"], row)]
        for order in reversed(query.get("$orderby", "").split(",")):
            if order:
                name, _, direction = order.partition(" ")
                found.sort(key=lambda row: (row[name] is not None, row[name]), reverse=direction == "desc")
        found = found[int(query.get("$skip", 0)) :][: int(query.get("$top", len(found)))]
        start = int(query.get("skiptoken", 0))
        shown = found[start : start + self.page]
        if "$select" in query:
            shown = [{name: row[name] for name in query["$select"].split(",")} for row in shown]
        document: dict[str, Any] = {"@odata.context": ROOT + "/$metadata#Customers", "value": shown}
        if start + self.page < len(found):
            rest = re.sub(r"skiptoken=\d+&?", "", urlsplit(request.url).query)
            document["@odata.nextLink"] = self.link.format(skip=start + self.page, query=rest)
        return 200, {"Content-Type": "application/json"}, json.dumps(document)


def holds(text: str, row: dict[str, Any]) -> bool:
    """Whether a row meets a filter; raises ValueError if the text is no filter."""
    reader = _Reader(text)
    result = reader.any_of(row)
    if reader.rest():
        raise ValueError(f"something follows the filter: {reader.rest()}")
    return result


class _Reader:
    def __init__(self, text: str) -> None:
        self._tokens: list[tuple[str, str]] = []
        place = 0
        while place < len(text):
            found = _TOKEN.match(text, place)
            if found is None:
                raise ValueError(f"no token at {place}")
            self._tokens.append((found.lastgroup or "", found[found.lastgroup or 0]))
            place = found.end()

    def rest(self) -> list[tuple[str, str]]:
        return self._tokens

    def any_of(self, row: dict[str, Any]) -> bool:
        result = self.all_of(row)
        while self._take("or"):
            result = self.all_of(row) or result
        return result

    def all_of(self, row: dict[str, Any]) -> bool:
        result = self.one(row)
        while self._take("and"):
            result = self.one(row) and result
        return result

    def one(self, row: dict[str, Any]) -> bool:
        if self._take("("):
            result = self.any_of(row)
            self._need(")")
            return result
        if self._take("false"):
            return False
        for function, test in {
            "startswith": str.startswith,
            "endswith": str.endswith,
            "contains": str.__contains__,
        }.items():
            if self._take(function):
                self._need("(")
                name = self._tokens.pop(0)[1]
                self._need(",")
                value = self._value()
                self._need(")")
                return bool(test(row[name] or "", value))
        name, operator = self._tokens.pop(0)[1], self._tokens.pop(0)[1]
        value, own = self._value(), row[name]
        if operator in ("eq", "ne"):
            return (own == value) is (operator == "eq")
        if own is None or value is None:
            return False
        return {"lt": own < value, "le": own <= value, "gt": own > value, "ge": own >= value}[operator]

    def _value(self) -> Any:
        kind, text = self._tokens.pop(0)
        if kind == "text":
            return text[1:-1].replace("''", "'")
        if kind == "number":
            return int(text) if re.fullmatch(r"-?[0-9]+", text) else text
        if text in ("true", "false", "null"):
            return {"true": True, "false": False, "null": None}[text]
        # an enumeration: its type, then the name of the value
        return self._value()

    def _take(self, text: str) -> bool:
        if self._tokens and self._tokens[0][0] in ("word", "sign") and self._tokens[0][1] == text:
            self._tokens.pop(0)
            return True
        return False

    def _need(self, text: str) -> None:
        if not self._take(text):
            raise ValueError(f"{text!r} is missing")
