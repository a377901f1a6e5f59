"""What makes two requests of an operation one: the key of the cache.

The parameters are taken as they were sent, not as they were cast: percent-decoded, in the order of their names. Beside
them the key holds all else of a request that an answer may depend on without a word: host, Accept, Accept-Encoding,
who calls, and the credentials as they came, since a process may look at them even where nobody asked for any (T31).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import quote, unquote

from apimgmt.errors import SettingInvalid
from apimgmt.model import Parameter
from apimgmt.policies import Place
from apimgmt.policies.expression import query_pairs
from apimgmt.reading import pointer
from apimgmt.request import Request

Pairs = tuple[tuple[str, str], ...]
Values = tuple[tuple[str, ...], Pairs, tuple[bytes | None, ...]]
ALWAYS = (b"host", b"accept", b"accept-encoding", b"authorization", b"cookie")
CREDENTIALS = frozenset(("authorization", "x-api-key", "api_key"))
VARYING_MOST = 16
PLAIN = frozenset(("kind", "id", "sub"))
NAMED = ("path", "query", "header")


class KeyMaker:
    """Makes the keys of one operation.

    Raises SettingInvalid, with the place, for a parameter that the operation does not have.
    """

    def __init__(self, place: Place, vary: tuple[str, ...] | None, ignore: tuple[str, ...]) -> None:
        declared = {f"{one.location}.{one.name}": one for one in place.operation.parameters if one.location in NAMED}
        for member, names in (("vary", vary or ()), ("ignore", ignore)):
            for index, name in enumerate(names):
                _check(name, declared, place, pointer(member, str(index)))
        wanted = set(declared if vary is None else vary) - set(ignore)
        self._paths = [name for name in place.names if f"path.{name}" in wanted]
        self._indexes = tuple(place.names.index(name) for name in self._paths)
        self._headers = sorted(one.name for key, one in declared.items() if one.location == "header" and key in wanted)
        self._fields = tuple(name.lower().encode("latin-1", "replace") for name in self._headers)
        self._query = _pairs_of(_query_rule(wanted, vary is None, frozenset(ignore)))
        schemes = place.api.security_schemes.values()
        self._secret = CREDENTIALS | {scheme.name.lower() for scheme in schemes}
        self._varying: tuple[bytes, ...] = ALWAYS

    def learn(self, names: frozenset[bytes] | set[bytes]) -> bool:
        """Have header fields in every key from now on, for an answer said that it depends on them (RFC 9111 section
        4.1). False if they would be too many."""
        more = names.difference(self._varying, self._fields)
        if len(self._varying) + len(more) > VARYING_MOST:
            return False
        self._varying += tuple(sorted(more))
        return True

    def values(self, request: Request) -> Values:
        """The parameters of the key: those of the path, of the query and of the header."""
        raw, headers = request.values, request.headers
        return (
            tuple([unquote(raw[index]) for index in self._indexes]),
            self._query(request.query_string),
            tuple([headers.get(name) for name in self._fields]),
        )

    def key(self, method: str, request: Request, values: Values) -> Hashable:
        """The whole key, within the operation."""
        get, caller = request.headers.get, request.caller
        return (method, values, _identity(caller), *[get(name) for name in self._varying])

    def text(self, values: Values) -> str:
        """The parameters as people see them, without credentials: ``path.id=7&query.tag=a``."""
        paths, pairs, headers = values
        parts = [*zip((f"path.{name}" for name in self._paths), paths, strict=True)]
        parts += [(f"query.{name}", value) for name, value in pairs if name.lower() not in self._secret]
        sent = zip(self._headers, headers, strict=True)
        parts += [
            (f"header.{name}", value.decode("latin-1"))
            for name, value in sent
            if value is not None and name.lower() not in self._secret
        ]
        return "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in parts)


def _check(name: str, declared: Mapping[str, Parameter], place: Place, where: str) -> None:
    if name not in declared:
        known = ", ".join(declared) or "none"
        raise SettingInvalid(f"there is no parameter {name!r}; there are: {known}", where)
    parameter = declared[name]
    if (
        parameter.location == "query"
        and parameter.style == "form"
        and parameter.explode
        and _is_object(parameter.schema, place)
    ):
        raise SettingInvalid(f"{name!r} is an object whose properties are parameters of their own", where)


def _is_object(schema: Any, place: Place) -> bool:
    """Whether a schema may be one of objects; looks through references only."""
    while isinstance(schema, dict) and "$ref" in schema:
        schema = place.api.schemas.get(schema["$ref"].rpartition("/")[2], True)
    if not isinstance(schema, dict):
        return True
    types = schema.get("type", ())
    return "object" in types if types else bool(schema.keys() & {"properties", "anyOf", "oneOf", "allOf"})


def _query_rule(wanted: set[str], is_all: bool, ignore: frozenset[str]) -> Callable[[str], bool]:
    """Whether a name in a query string is in the key; ``ids[]`` and ``ids[a]`` belong to ``ids``."""
    if is_all:
        return lambda name: not {f"query.{name}", f"query.{name.partition('[')[0]}"} & ignore
    return lambda name: bool({f"query.{name}", f"query.{name.partition('[')[0]}"} & wanted)


def _pairs_of(is_in_key: Callable[[str], bool]) -> Callable[[bytes], Pairs]:
    @lru_cache(1024)
    def pairs_of(query_string: bytes) -> Pairs:
        return tuple(pair for pair in query_pairs(query_string) if is_in_key(pair[0]))

    return pairs_of


def _identity(caller: Mapping[str, Any]) -> Hashable:
    """Everything that authentication found out; of a plain key that is three texts, which need no writing out."""
    if not caller:
        return None
    if caller.keys() == PLAIN:
        return caller["kind"], caller["id"], caller["sub"]
    return repr(sorted(caller.items()))
