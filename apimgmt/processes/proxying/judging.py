"""Whether an answer is what the document promises: a declared status, a declared media type, a body that fits."""

from __future__ import annotations

from threading import Lock
from typing import Any

import orjson

from apimgmt.model import CompiledApi, MediaType, Operation, Response
from apimgmt.registry import find

SHOWN = 5
BODILESS = frozenset((204, 205, 304))


class Judge:
    """Judges the answers of one operation. A schema is compiled when the first body comes that it is for."""

    def __init__(self, operation: Operation, api: CompiledApi) -> None:
        self._operation = operation
        self._api = api
        self._lock = Lock()
        self._validators: dict[tuple[str, str], Any] = {}

    def fault(self, status: int, content_type: str, content: bytes, bodiless: bool) -> str:
        """What is wrong with an answer, in one line for the log and without its values; "" if nothing is."""
        responses = self._operation.responses
        key = next((one for one in (str(status), f"{status // 100}XX", "default") if one in responses), None)
        if key is None:
            return f"the status {status} is not declared; there are: {', '.join(responses) or 'none'}"
        response = responses[key]
        if bodiless or status in BODILESS or not response.content:
            return ""
        if not content and not content_type:
            return "there is no body, but one is declared"
        media_type = content_type.partition(";")[0].strip().lower()
        name = _declared(response, media_type)
        if name is None:
            return (
                f"the media type {media_type[:100] or 'none'} is not declared; there are: {', '.join(response.content)}"
            )
        return self._judged(key, name, media_type, response.content[name], content)

    def _judged(self, key: str, name: str, media_type: str, media: MediaType, content: bytes) -> str:
        if media_type != "application/json" and not media_type.endswith("+json"):
            return ""
        try:
            value = orjson.loads(content)
        except orjson.JSONDecodeError:
            return "the body is not JSON, as its type says"
        validator = self._validators.get((key, name)) or self._compiled(key, name, media)
        if validator.is_valid(value):
            return ""
        violations = validator.violations(value, {})
        places = [f"{one['pointer'] or '/'} ({one['code']})" for one in violations[:SHOWN]]
        more = f" and {len(violations) - SHOWN} more" if len(violations) > SHOWN else ""
        return f"the body does not fit its schema at {', '.join(places)}{more}"

    def _compiled(self, key: str, name: str, media: MediaType) -> Any:
        with self._lock:
            made = _validators(self._api).compile(media.schema, "response")
            self._validators[(key, name)] = made
            return made


class _Last:
    """The validators of the API that was asked for last: operations of one API share what they refer to."""

    def __init__(self) -> None:
        self.api: CompiledApi | None = None
        self.validators: Any = None


_last = _Last()
_lock = Lock()


def _validators(api: CompiledApi) -> Any:
    with _lock:
        if _last.api is not api:
            # found by its name: processes know nothing of how documents are read
            _last.api, _last.validators = api, find("validation", "schemas")(api.schemas)
        return _last.validators


def _declared(response: Response, media_type: str) -> str | None:
    """The declared media type or range that fits best."""
    essences = {name.partition(";")[0].strip().lower(): name for name in response.content}
    kind = media_type.partition("/")[0]
    return next((essences[one] for one in (media_type, f"{kind}/*", "*/*") if one in essences), None)
