"""mock: what the document promises, before anybody wrote the process. Examples first, otherwise made from the schema.

The caller chooses with ``Prefer: code=404, example=name, dynamic=true`` (RFC 7240) and by Accept among the declared
media types; what was honoured is in ``Preference-Applied``. Everything is made at the first call that needs it and
kept, so that an API of 10,000 operations costs nothing until it is called.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple

from apimgmt.errors import Problem, SettingInvalid
from apimgmt.model import CompiledApi, MediaType, Operation, Response, Schema, Struct
from apimgmt.processes import Alternatives, Envelope, Invocation, Process
from apimgmt.processes.preferences import applied, preferences
from apimgmt.processes.sampling.fitting import Fitting
from apimgmt.processes.sampling.sampler import sample
from apimgmt.registry import find, names, register

SOURCE = ("X-Apimgmt-Source", "mock")
VARY = ("Vary", "Prefer")
BODILESS = (204, 205, 304)

# what these say about the body would be untrue of a made body, or is for the server to say
UNTRUE = frozenset(("content-encoding", "content-length", "content-range", "content-type", "date", "transfer-encoding"))
CONCRETE = {"*/*": "application/json", "application/*": "application/json", "text/*": "text/plain"}

_STATUS = re.compile(r"[2-5][0-9][0-9]")
_FIELD = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+: [\t\x20-\x7e\x80-\xff]*")


class Wish(NamedTuple):
    """What an answer should be: its status, an example by name, made even where there are examples.

    ``honoured`` is the part that came from the caller.
    """

    status: int | None
    example: str | None
    dynamic: bool
    honoured: tuple[tuple[str, str], ...] = ()


@register("process", "mock")
class Mock(Struct, frozen=True):
    """``status``, ``example`` and ``dynamic`` are for callers who prefer nothing else."""

    status: int | None = None
    example: str | None = None
    dynamic: bool = False

    def build(self, operation: Operation, api: CompiledApi) -> Process:
        """The process for an operation; raises SettingInvalid if ``status`` is not in the document."""
        if self.status is not None and _key_of(operation, self.status) is None:
            raise SettingInvalid(f"mock status {self.status}: {_listed(operation)}")
        default = Wish(self.status, self.example, self.dynamic)
        answers = _Answers(operation, api)
        usual: list[Alternatives | Envelope] = []

        async def mock(invocation: Invocation) -> Alternatives | Envelope:
            fields = [value for name, value in invocation.scope["headers"] if name == b"prefer"]
            if fields:
                return answers.answer(_wish(preferences(fields), default))
            if not usual:
                usual.append(answers.answer(default))
            return usual[0]

        return mock


class _Answers:
    """The answers of one operation. Callers can only vary what the document holds, so that what is kept is finite."""

    def __init__(self, operation: Operation, api: CompiledApi) -> None:
        self._operation = operation
        self._schemas = api.schemas
        self._bodies: dict[tuple[str, str, str | None, bool], str | bytes] = {}
        self._headers: dict[str, list[tuple[str, str]]] = {}

    def answer(self, wish: Wish) -> Alternatives | Envelope:
        """The answer to a wish; raises Problem ``not-found`` for a status or an example that is not declared."""
        key, status = self._choice(wish)
        response = self._operation.responses.get(key, Response())
        headers = [SOURCE, VARY, *self._made_headers(key, response)]
        if wish.honoured:
            headers.append(("Preference-Applied", applied(wish.honoured)))
        if not response.content or status in BODILESS:
            return Envelope(status, headers=headers)
        media_types = self._offered(response, wish)
        contents = {CONCRETE.get(name, name): partial(self._body, key, name, wish) for name in media_types}
        return Alternatives(contents, status, headers)

    def _choice(self, wish: Wish) -> tuple[str, int]:
        if wish.status is None:
            return _usual(self._operation)
        key = _key_of(self._operation, wish.status)
        if key is None:
            raise Problem("not-found", f"Status {wish.status} is not in the document; {_listed(self._operation)}.")
        return key, wish.status

    def _offered(self, response: Response, wish: Wish) -> list[str]:
        """The media types, JSON first; where an example is asked for, only those that have it."""
        content = response.content
        named = [name for name in content if wish.example in content[name].examples]
        if not named and any(name == "example" for name, _ in wish.honoured):
            known = sorted({example for media in content.values() for example in media.examples if example})
            raise Problem("not-found", f"There is no example of that name; there are: {', '.join(known) or 'none'}.")
        return sorted(named or content, key=lambda name: 0 if "json" in name else 1)

    def _body(self, key: str, name: str, wish: Wish) -> str | bytes:
        media = self._operation.responses[key].content[name]
        example = wish.example if wish.example in media.examples else next(iter(media.examples), None)
        made = wish.dynamic or example is None
        known = (key, name, None if made else example, wish.dynamic)
        if known not in self._bodies:
            seed = f"{self._operation.key} {key} {name}"
            value = self._made(media, seed, wish.dynamic, name) if made else media.examples[str(example)]
            self._bodies[known] = _written(CONCRETE.get(name, name), value, media.schema, self._schemas)
        return self._bodies[known]

    def _made(self, media: MediaType, seed: str, dynamic: bool, name: str) -> Any:
        schema = media.schema
        if schema is True and _format(CONCRETE.get(name, name)) is None:
            schema = {"type": "string"}
        return sample(schema, self._schemas, "response", seed, examples=not dynamic)

    def _made_headers(self, key: str, response: Response) -> list[tuple[str, str]]:
        if key not in self._headers:
            made = []
            for name, header in response.headers.items():
                value = _line(sample(header.schema, self._schemas, "response", f"{self._operation.key} {key} {name}"))
                if value is not None and name.lower() not in UNTRUE and _FIELD.fullmatch(f"{name}: {value}"):
                    made.append((name, value))
            self._headers[key] = made
        return self._headers[key]


def _wish(preferred: Mapping[str, str], default: Wish) -> Wish:
    """The wish of one caller; a preference with a value that makes no sense is passed over (RFC 7240 section 2)."""
    status, example, dynamic = default.status, default.example, default.dynamic
    honoured = []
    if _STATUS.fullmatch(preferred.get("code", "")):
        status = int(preferred["code"])
        honoured.append(("code", preferred["code"]))
    if preferred.get("example"):
        example = preferred["example"]
        honoured.append(("example", example))
    if preferred.get("dynamic") in ("true", "false"):
        dynamic = preferred["dynamic"] == "true"
        honoured.append(("dynamic", preferred["dynamic"]))
    return Wish(status, example, dynamic, tuple(honoured))


def _usual(operation: Operation) -> tuple[str, int]:
    """The response that a caller gets who asks for none: lowest 2xx, 2XX, default, the first."""
    codes = sorted(key for key in operation.responses if key[0] == "2" and key.isdigit())
    key = next(
        (key for key in (*codes, "2XX", "default", *operation.responses) if key in operation.responses), "default"
    )
    status = int(key.upper().replace("X", "0")) if key[0].isdigit() else 200
    return key, status if 200 <= status <= 599 else 200


def _key_of(operation: Operation, status: int) -> str | None:
    keys = (str(status), f"{status // 100}XX", "default")
    return next((key for key in keys if key in operation.responses), None)


def _listed(operation: Operation) -> str:
    return f"there are: {', '.join(operation.responses) or 'none'}"


def _format(media_type: str) -> Any:
    essence = media_type.partition(";")[0].strip().lower()
    return next((kind for kind in map(partial(find, "format"), names("format")) if kind.writes(essence)), None)


def _written(media_type: str, value: Any, schema: Schema, schemas: Mapping[str, Schema]) -> str | bytes:
    """A value in a media type; an example that is a text already in that format stays as it is."""
    kind = _format(media_type)
    if isinstance(value, str) and (kind is None or _is_written(media_type, value, schema, schemas)):
        return value
    if kind is None:
        kind = find("format", "json")
    written: bytes = kind.dump(value, schema, schemas)
    return written


def _is_written(media_type: str, text: str, schema: Schema, schemas: Mapping[str, Schema]) -> bool:
    if "json" not in media_type:
        return text.lstrip().startswith("<")
    if Fitting(schemas, "response").fits(text, schema):
        return False
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _line(value: Any) -> str | None:
    """A header value in style simple (RFC 6570 3.2.2)."""
    if isinstance(value, Mapping):
        return ",".join(f"{name},{_line(member)}" for name, member in value.items())
    if isinstance(value, list):
        return ",".join(str(_line(item)) for item in value)
    return value if isinstance(value, str | None) else json.dumps(value)
