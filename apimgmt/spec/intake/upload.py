"""The outer form of an upload: characters, and the files of a zip, held in memory and never written anywhere."""

from __future__ import annotations

import codecs
import io
import posixpath
import re
import zipfile
import zlib
from typing import NoReturn

from apimgmt.errors import DocumentRefused
from apimgmt.model import Finding
from apimgmt.settings import Settings

_ROOT = re.compile(rb"""(?:^(?:\xef\xbb\xbf)?|[{,]\s*)["']?(?:openapi|swagger)["']?\s*:\s*["']?[0-9]""", re.MULTILINE)
_USUAL_NAMES = ("openapi", "swagger", "index", "main", "api", "root")
_SUFFIXES = (".json", ".yaml", ".yml")
_WIDE = (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def decode(content: bytes, name: str = "") -> str:
    """The text of a file in UTF-8, with or without a byte order mark; raises DocumentRefused for anything else."""
    if content.startswith(_WIDE) or b"\x00" in content[:4]:
        _refuse("encoding", "The document is in UTF-16 or UTF-32; save it as UTF-8.", name)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        column = error.start - content.rfind(b"\n", 0, error.start)
        _refuse("encoding", "The document is not UTF-8 here; save it as UTF-8.", name, line, column)
    if "\x00" in text:
        before = text[: text.index("\x00")]
        place = before.count("\n") + 1, len(before) - before.rfind("\n")
        _refuse("encoding", "The document has a NUL character here; remove it.", name, *place)
    return text


def preload() -> None:
    """Have the codecs at hand that uploads need: of text with a byte order mark, and of the names in a zip."""
    for codec in ("utf-8-sig", "cp437"):
        codecs.lookup(codec)


def is_zip(content: bytes, media_type: str) -> bool:
    """Whether the upload is a zip, by its media type or its first bytes."""
    return "zip" in media_type.partition(";")[0].lower() or content.startswith(b"PK\x03\x04")


def unpack(content: bytes, settings: Settings) -> dict[str, bytes]:
    """The files of a zip by their names in it; names that lead out, too many files and bombs are refused."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = [member for member in archive.infolist() if not member.is_dir()]
            if len(members) > settings.document_files:
                _refuse("too-much-files", f"The zip has more than {settings.document_files} files.")
            return _unpack(archive, members, settings.document_bytes)
    except (
        zipfile.BadZipFile,
        zlib.error,
        NotImplementedError,
        RuntimeError,
        EOFError,
        UnicodeError,
        OSError,
    ) as error:
        _refuse("zip", f"The zip cannot be read: {str(error)[:120]}.")


def _unpack(archive: zipfile.ZipFile, members: list[zipfile.ZipInfo], limit: int) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    left = limit
    for member in members:
        name = _safe_name(member.filename)
        if name in files:
            _refuse("zip", f"The zip has two files named {name[:80]!r}.")
        with archive.open(member) as stream:
            files[name] = stream.read(left + 1)
        left -= len(files[name])
        if left < 0:
            _refuse("too-much-bytes", f"The files of the zip have more than {limit} bytes (setting document_bytes).")
    return files


def _safe_name(name: str) -> str:
    normal = posixpath.normpath(name)
    if normal.startswith(("/", "..")) or "\\" in name or ":" in name or not name.isprintable():
        _refuse("zip", f"The zip has a file name that leads out of it: {name[:80]!r}.")
    return normal


def find_root(files: dict[str, bytes]) -> str:
    """The name of the one file that is an OpenAPI document; of several, the usual name nearest the top."""
    names = [name for name, content in files.items() if name.lower().endswith(_SUFFIXES) and _ROOT.search(content)]
    if len(names) > 1:
        top = min(name.count("/") for name in names)
        names = [name for name in names if name.count("/") == top]
    if len(names) > 1:
        stems = {posixpath.splitext(posixpath.basename(name))[0].lower(): name for name in names}
        names = [stems[usual] for usual in _USUAL_NAMES if usual in stems][:1] or names
    if not names:
        _refuse("not-openapi", "No file of the zip starts with `openapi:` or `swagger:`.")
    if len(names) > 1:
        _refuse("several-documents", f"The zip has several OpenAPI documents: {', '.join(sorted(names))[:200]}.")
    return names[0]


def _refuse(code: str, message: str, file: str = "", line: int = 0, column: int = 0) -> NoReturn:
    raise DocumentRefused([Finding(severity="error", code=code, message=message, line=line, column=column, file=file)])
