"""Documents on disk: what is sent of a file, a folder or standard input, and as which media type."""

from __future__ import annotations

import io
import sys
import zipfile
from pathlib import Path

import click

ENDINGS = frozenset(("json", "oas", "openapi", "swagger", "yaml", "yml", "zip"))


def read_document(path: str) -> tuple[bytes, str]:
    """The bytes to upload and their media type; a folder is packed, ``-`` is standard input.

    The first bytes decide, not the name: a zip and a JSON object say what they are, all else is YAML.
    """
    if path != "-" and Path(path).is_dir():
        return _pack(Path(path)), "application/zip"
    try:
        content = sys.stdin.buffer.read() if path == "-" else Path(path).read_bytes()
    except OSError as error:
        raise click.UsageError(f"cannot read {path}: {error.strerror}") from None
    if content.startswith(b"PK\x03\x04"):
        return content, "application/zip"
    if content.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{"):
        return content, "application/json"
    return content, "application/yaml"


def document_name(path: str) -> str:
    """The name that an API gets if none is given: the file's, without the endings that say what it is.

    Other dots stay, so that ``orders-1.0.yaml`` and ``orders-1.1.yaml`` are two APIs.
    """
    name = Path(path).name
    while (stem := name.rpartition("."))[2].lower() in ENDINGS and stem[0]:
        name = stem[0]
    return name if name.strip(".-") else "api"


def _pack(folder: Path) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for file in sorted(folder.rglob("*")):
            if file.suffix in (".json", ".yaml", ".yml") and file.is_file():
                # without its time: the same documents are the same bytes
                archive.writestr(zipfile.ZipInfo(str(file.relative_to(folder))), file.read_bytes())
    return buffer.getvalue()
