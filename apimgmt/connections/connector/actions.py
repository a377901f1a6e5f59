"""The inputs of the HTTP connector's six actions (P-010 to P-047) as structs: camelCase in JSON, times in ms."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, ClassVar, Literal

import msgspec
import orjson
from msgspec import Meta

from apimgmt.connections.content import BYTES_TYPE, multipart
from apimgmt.errors import ConnectionFailed, SettingInvalid
from apimgmt.model import Struct
from apimgmt.reading import read

TEXT_TYPE = "text/plain; charset=utf-8"
Given = Mapping[str, Any] | Iterable[Any]


class KeyValue(Struct, frozen=True):
    """One header field, query parameter or form field."""

    key: str
    value: str | int | float | bool


class Output(msgspec.Struct, frozen=True):
    """What a reference to the output of a former step stands for: text and bytes are sent as they are, anything else
    as JSON. In JSON: ``{"output": ...}``."""

    output: Any

    @property
    def content(self) -> bytes:
        """The bytes that are sent; raises ConnectionFailed for what JSON cannot say."""
        if isinstance(self.output, str | bytes):
            return self.output.encode() if isinstance(self.output, str) else self.output
        try:
            return orjson.dumps(self.output)
        except TypeError as error:
            raise ConnectionFailed("request", f"the output cannot be sent as JSON: {error}") from None

    @property
    def media_type(self) -> str:
        """The type that is sent if no header says otherwise."""
        if isinstance(self.output, str):
            return TEXT_TYPE
        return BYTES_TYPE if isinstance(self.output, bytes) else "application/json"


class FileValue(Struct, frozen=True):
    """One file of a form: its bytes (base64 in JSON), or the output of a former step."""

    key: str
    value: bytes | Output


class Action(Struct, frozen=True, kw_only=True):
    """The inputs that every action has (13 with ``url``)."""

    method: ClassVar[str]

    connection: str = ""
    url: str
    response_type: Literal["json", "text", "binary"] = "json"
    header: tuple[KeyValue, ...] = ()
    query_parameter: tuple[KeyValue, ...] = ()
    max_retry_count: Annotated[int, Meta(ge=0, le=100)] = 0
    retry_delay: Annotated[float, Meta(ge=0, le=600_000)] = 0
    use_exponential_backoff: bool = False
    retry_on_all_errors: bool = False
    timeout: Annotated[float, Meta(gt=0)] | None = None
    include_full_response: bool = False
    debug_request: bool = False
    ignore_ssl_errors: bool = False

    def content(self) -> tuple[str, bytes, str]:
        """The method, the body and its media type."""
        return self.method, b"", ""


class Delete(Action, frozen=True, kw_only=True):
    """DELETE (P-010)."""

    method: ClassVar[str] = "DELETE"


class Get(Action, frozen=True, kw_only=True):
    """GET (P-011)."""

    method: ClassVar[str] = "GET"


class Sending(Action, frozen=True, kw_only=True):
    """The inputs of an action that has a body (14): ``data`` is a text or the output of a former step (P-018)."""

    data: str | Output = ""

    def content(self) -> tuple[str, bytes, str]:
        """The method, the data and its media type."""
        data = self.data if isinstance(self.data, Output) else Output(self.data)
        return self.method, data.content, data.media_type if data.content else ""


class Patch(Sending, frozen=True, kw_only=True):
    """PATCH (P-012)."""

    method: ClassVar[str] = "PATCH"


class Post(Sending, frozen=True, kw_only=True):
    """POST (P-014)."""

    method: ClassVar[str] = "POST"


class Put(Sending, frozen=True, kw_only=True):
    """PUT (P-015)."""

    method: ClassVar[str] = "PUT"


class FormData(Action, frozen=True, kw_only=True):
    """POST or PUT of a multipart form (17 inputs; P-013, P-042 to P-047). Raises ValueError for a name without file."""

    http_method: Literal["post", "put"] = "post"
    form_data: tuple[KeyValue, ...] = ()
    file_data: tuple[FileValue, ...] = ()
    file_data_file_names: tuple[KeyValue, ...] = ()

    def __post_init__(self) -> None:
        known = {file.key for file in self.file_data}
        for name in self.file_data_file_names:
            if name.key not in known:
                there = ", ".join(sorted(known)) or "none"
                raise ValueError(f"fileDataFileNames has {name.key!r}, but there is no such file; files are: {there}")

    def content(self) -> tuple[str, bytes, str]:
        """The method, the form with its files, and its media type with the boundary."""
        names = {name.key: str(name.value) for name in self.file_data_file_names}
        files = [
            (file.key, (names.get(file.key, file.key), _bytes(file.value)))
            for file in self.file_data  # a key may come several times
        ]
        return self.http_method.upper(), *multipart(pairs_of(self.form_data), files)


def made(kind: type[Action], **inputs: Any) -> Action:
    """An action of its inputs as Python has them: lists of pairs or mappings, bytes, texts of files.

    Raises SettingInvalid with the pointer of what is wrong.
    """
    names = {field.name: field.encode_name for field in msgspec.structs.fields(kind)}
    for name in ("header", "query_parameter", "form_data", "file_data", "file_data_file_names"):
        if name in inputs:
            inputs[name] = _listed(inputs[name])
    for file in inputs.get("file_data", ()):
        if isinstance(file, dict) and isinstance(file.get("value"), str):
            file["value"] = file["value"].encode()
    data = inputs.get("data", "")
    if isinstance(data, bytes):
        inputs["data"] = Output(data)
    elif not isinstance(data, str | Output):
        raise SettingInvalid(f"`data` must be a text or an Output, not {type(data).__name__}", "/data")
    return read({names.get(name, name): value for name, value in inputs.items()}, kind)


def pairs_of(values: Iterable[KeyValue]) -> list[tuple[str, Any]]:
    """Keys and values."""
    return [(one.key, one.value) for one in values]


def _bytes(value: bytes | Output) -> bytes:
    return value.content if isinstance(value, Output) else value


def _listed(given: Given) -> list[Any]:
    """Pairs as the structs have them; whatever is neither a mapping nor a pair is left for the reading to refuse."""
    if isinstance(given, str | bytes):
        return [given]
    items = given.items() if isinstance(given, Mapping) else given
    return [{"key": one[0], "value": one[1]} if isinstance(one, tuple) and len(one) == 2 else one for one in items]
