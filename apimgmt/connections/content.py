"""What a call sends: JSON, a form, a form with files, or bytes as they are; and how query and headers are written."""

from __future__ import annotations

import mimetypes
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote, urlencode

import orjson
from urllib3.fields import RequestField
from urllib3.filepost import encode_multipart_formdata

from apimgmt.errors import ConnectionFailed

Pairs = Mapping[str, Any] | Iterable[tuple[str, Any]]
# A file is its bytes, or its name and its bytes, or its name, its bytes and its media type.
File = bytes | tuple[str, bytes] | tuple[str, bytes, str]
Files = Mapping[str, File] | Iterable[tuple[str, File]]

BYTES_TYPE = "application/octet-stream"


def content_of(json: Any, form: Pairs | None, files: Files | None, content: bytes | None) -> tuple[bytes, str]:
    """The body and its media type, "" for none; raises ConnectionFailed if there are two or it cannot be made."""
    given = [json is not None, form is not None or files is not None, content is not None]
    if sum(given) > 1:
        raise ConnectionFailed("request", "a call has one body: `json`, `form` (with `files` or without) or `content`")
    if json is not None:
        try:
            return orjson.dumps(json), "application/json"
        except TypeError as error:
            raise ConnectionFailed("request", f"`json` cannot be written as JSON: {error}") from None
    if files is not None:
        return multipart(form or (), files)
    if form is not None:
        return urlencode(pairs(form)).encode("ascii"), "application/x-www-form-urlencoded"
    return content or b"", ""


def multipart(form: Pairs, files: Files) -> tuple[bytes, str]:
    """A body of the type multipart/form-data (RFC 7578), fields before files, and its media type with the boundary.

    A file without a name has the name of its field; one without a media type has the one that its name suggests.
    """
    fields: list[RequestField] = []
    for name, value in pairs(form):
        field = RequestField(name, value)
        field.make_multipart()
        fields.append(field)
    for name, file in files.items() if isinstance(files, Mapping) else files:
        filename, data, kind = _file(name, file)
        field = RequestField(name, data, filename)
        field.make_multipart(content_type=kind)
        fields.append(field)
    return encode_multipart_formdata(fields)


def query_of(values: Pairs) -> str:
    """A query: ``key1=value1&key2=value2``, repeated names kept, values percent-encoded."""
    return urlencode(pairs(values), quote_via=quote)


def pairs(values: Pairs) -> list[tuple[str, str]]:
    """Pairs of texts; a list stands for a name that comes several times, None for one that is left out."""
    items = values.items() if isinstance(values, Mapping) else values
    found: list[tuple[str, str]] = []
    for name, value in items:
        several = value if isinstance(value, list | tuple) else [value]
        found += [(str(name), _text(one)) for one in several if one is not None]
    return found


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _file(name: str, file: File) -> tuple[str, bytes, str]:
    filename, data, kind = (name, file, "") if isinstance(file, bytes) else (*file, "")[:3]
    if not isinstance(data, bytes):
        raise ConnectionFailed("request", f"the file {name!r} is not given as bytes")
    return filename, data, kind or mimetypes.guess_type(filename)[0] or BYTES_TYPE
