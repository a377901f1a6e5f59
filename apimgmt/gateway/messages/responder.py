"""Messages: the result of a process becomes the reply (F-108 to F-122).

    None                              204 without a body
    text, bytes                       the body as it is (F-109)
    Envelope, or a dictionary with    status, body, type and headers as they are said, without negotiation
      HttpStatusCode and Content
    Answer(value, status, headers)    as below, with another status
    Alternatives                      the content in the media type that Accept likes best
    everything else                   JSON or XML by Accept, JSON if the caller does not care (F-110 to F-113)

What depends only on the operation is worked out once and kept, so that an object costs its JSON and little more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import msgspec
import orjson

from apimgmt.errors import Problem
from apimgmt.formats.json import Json, dumps
from apimgmt.formats.xml import Xml
from apimgmt.gateway.messages.compression import compress
from apimgmt.gateway.messages.envelopes import envelope_of, envelope_reply, framed, is_envelope
from apimgmt.gateway.messages.negotiation import choose
from apimgmt.gateway.messages.problems import problem_reply
from apimgmt.gateway.messages.reply import Field, Reply, checked_fields, checked_status
from apimgmt.model import CompiledApi, MediaType, Operation, Response, Schema
from apimgmt.processes import Alternatives, Answer, Envelope

__all__ = ["Reply", "Responder", "compile_responder", "compress", "problem_reply"]

VARY: Field = (b"vary", b"Accept")
PLAIN = "text/plain; charset=utf-8"
BINARY = "application/octet-stream"
ALWAYS = ("application/json", "application/xml", "text/xml")
MOST_CHOICES = 64

_JSON_STARTS = frozenset([*'{["-0123456789tfn', *(bytes([code]) for code in b'{["-0123456789tfn')])


class Offer(msgspec.Struct, frozen=True):
    """One way to write an object: the media type, the fields that never change, and the function."""

    media_type: str
    headers: tuple[Field, ...]
    write: Callable[[Any], bytes]


class Offers:
    """The ways in which one status of an operation can be written, best first."""

    __slots__ = ("_default", "_offers", "chosen", "declared")

    def __init__(self, response: Response | None, schemas: Mapping[str, Schema]) -> None:
        content = response.content if response else {}
        self.declared = tuple(content)
        self._offers = _offers(content, schemas)
        self.chosen: dict[bytes | None, Offer] = {None: self._offers[0], b"*/*": self._offers[0]}

    def choose(self, accept: bytes | None) -> Offer:
        """The offer for an Accept field; the first one if none is acceptable (F-112)."""
        offer = self.chosen.get(accept)
        if offer is None:
            place = choose(accept or b"*/*", [offer.media_type for offer in self._offers])
            offer = self._offers[place or 0]
            if len(self.chosen) < MOST_CHOICES:
                self.chosen[accept] = offer
        return offer

    def named(self, content_type: str) -> Offer:
        """The offer of a type that a process names; raises Problem ``bad-result`` if objects have no such form."""
        media_type = _essence(content_type)
        for offer in self._offers:
            if offer.media_type == media_type:
                return offer
        if Json.writes(media_type):
            return Offer(media_type, (), dumps)
        raise Problem("bad-result", "An object cannot be written in the media type that the process names.")


class Responder:
    """Makes replies for one operation."""

    __slots__ = ("_chosen", "_offers", "_operation", "_schemas")

    def __init__(self, operation: Operation, schemas: Mapping[str, Schema]) -> None:
        self._operation = operation
        self._schemas = schemas
        self._offers: dict[int, Offers] = {}
        # filled at the first object with status 200: most of 10,000 operations are never called
        self._chosen: dict[bytes | None, Offer] = {}

    def reply(self, result: Any, accept: bytes | None) -> Reply:
        """The reply for a result; raises Problem ``bad-result`` for one that cannot be sent."""
        offer = self._chosen.get(accept)
        if offer is None or type(result) is not dict or is_envelope(result):
            return self._reply(result, accept)
        body = _written(offer, result)
        return Reply(200, [*offer.headers, (b"content-length", b"%d" % len(body))], body)

    def _reply(self, result: Any, accept: bytes | None) -> Reply:
        if isinstance(result, Envelope):
            return envelope_reply(result, self._text_type(result.status, result.content))
        if isinstance(result, Alternatives):
            return _alternative(result, accept)
        if isinstance(result, Answer):
            return self._value(result.value, checked_status(result.status), checked_fields(result.headers), accept)
        if isinstance(result, Mapping) and is_envelope(result):
            envelope = envelope_of(result)
            return envelope_reply(envelope, self._text_type(envelope.status, envelope.content))
        if result is None:
            return Reply(204, [], b"")
        return self._value(result, 200, [], accept)

    def _value(self, value: Any, status: int, fields: list[Field], accept: bytes | None) -> Reply:
        if value is None:
            return framed(status, fields, b"")
        typed = next((content.decode("latin-1") for name, content in fields if name == b"content-type"), None)
        if isinstance(value, bytearray | memoryview):
            value = bytes(value)
        if isinstance(value, str | bytes):
            return envelope_reply(Envelope(status, value, typed, headers=fields), self._text_type(status, value))
        offers = self._of(status)
        offer = offers.choose(accept) if typed is None else offers.named(typed)
        body = _written(offer, value)
        return framed(status, [*(offer.headers if typed is None else ()), *fields], body)

    def _of(self, status: int) -> Offers:
        offers = self._offers.get(status)
        if offers is None:
            offers = self._offers[status] = Offers(_declared(self._operation, status), self._schemas)
            if status == 200:
                self._chosen = offers.chosen
        return offers

    def _text_type(self, status: Any, content: str | bytes) -> str:
        """The type of text or bytes that name none: what the document declares, if that is one and can be true."""
        fallback = PLAIN if isinstance(content, str) else BINARY
        declared = self._of(checked_status(status)).declared
        if len(declared) != 1 or "*" in declared[0]:
            return fallback
        if Json.writes(_essence(declared[0])) and not _is_json(content):
            return fallback
        return declared[0]


def compile_responder(operation: Operation, api: CompiledApi) -> Responder:
    """The responder of an operation; cheap, because everything else is left to the first reply."""
    return Responder(operation, api.schemas)


def _offers(content: Mapping[str, MediaType], schemas: Mapping[str, Schema]) -> list[Offer]:
    """What the document declares, JSON first, and then JSON and XML in any case (F-110, F-111)."""
    declared = [name for name in content if "*" not in name]
    written = [name for kind in (Json, Xml) for name in declared if kind.writes(_essence(name))]
    schema = content[written[0]].schema if written else True
    schemas_of = {name: content[name].schema if name in content else schema for name in (*written, *ALWAYS)}
    return [_offer(name, its_schema, schemas) for name, its_schema in schemas_of.items()]


def _offer(content_type: str, schema: Schema, schemas: Mapping[str, Schema]) -> Offer:
    media_type = _essence(content_type)
    write = dumps if Json.writes(media_type) else partial(Xml.dump, schema=schema, schemas=schemas)
    return Offer(media_type, (*checked_fields([("content-type", content_type)]), VARY), write)


def _alternative(result: Alternatives, accept: bytes | None) -> Reply:
    media_types = list(result.contents)
    place = choose(accept, [_essence(media_type) for media_type in media_types]) if accept else 0
    media_type = media_types[place or 0]
    headers = [*result.headers, VARY]
    return envelope_reply(Envelope(result.status, result.contents[media_type](), media_type, headers=headers), BINARY)


def _written(offer: Offer, value: Any) -> bytes:
    try:
        return offer.write(value)
    except (TypeError, ValueError, RecursionError) as error:
        raise Problem("bad-result", "The result holds a value that cannot be written.") from error


def _declared(operation: Operation, status: int) -> Response | None:
    responses = operation.responses
    return next((responses[key] for key in (str(status), f"{status // 100}XX", "default") if key in responses), None)


def _essence(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()


def _is_json(text: str | bytes) -> bool:
    # most texts are not, and the first character tells without the price of an exception
    if text.lstrip()[:1] not in _JSON_STARTS:
        return False
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        return False
    return True
