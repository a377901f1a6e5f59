"""What is sent of a file, a folder or standard input."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import click
import pytest

from apimgmt.cli.files import document_name, read_document


@pytest.mark.parametrize(
    ("content", "media_type"),
    [
        (b'{"openapi": "3.0.3"}', "application/json"),
        (b'\xef\xbb\xbf\n {"openapi": "3.0.3"}', "application/json"),
        (b"openapi: 3.0.3", "application/yaml"),
        (b"PK\x03\x04rest", "application/zip"),
    ],
)
def test_the_first_bytes_decide_the_media_type(tmp_path: Path, content: bytes, media_type: str) -> None:
    """The ending of the name does not matter."""
    path = tmp_path / "document.txt"
    path.write_bytes(content)
    assert read_document(str(path)) == (content, media_type)


def test_a_folder_is_packed_the_same_way_every_time(tmp_path: Path) -> None:
    """Two packings of one folder are equal byte for byte, and hold the documents only."""
    (tmp_path / "a.yaml").write_text("openapi: 3.0.3")
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "b.json").write_text("{}")
    (tmp_path / "note.txt").write_text("no")
    first, media_type = read_document(str(tmp_path))
    (tmp_path / "a.yaml").touch()
    assert media_type == "application/zip"
    assert read_document(str(tmp_path)) == (first, media_type)
    assert zipfile.ZipFile(io.BytesIO(first)).namelist() == ["a.yaml", "parts/b.json"]


def test_a_file_that_is_not_there_is_wrong_use(tmp_path: Path) -> None:
    """The message names the file and the reason."""
    with pytest.raises(click.UsageError, match=r"cannot read .*gone.yaml: No such file"):
        read_document(str(tmp_path / "gone.yaml"))


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("x/petstore.openapi.yaml", "petstore"),
        ("petstore.JSON", "petstore"),
        ("petstore.swagger.v2.yml", "petstore.swagger.v2"),
        ("orders-1.0.yaml", "orders-1.0"),
        ("orders-1.1.yaml", "orders-1.1"),
        ("v2.0-petstore.json", "v2.0-petstore"),
        ("documents", "documents"),
        (".yaml", ".yaml"),
        (".", "api"),
        ("-", "api"),
    ],
)
def test_the_name_of_a_document_has_no_endings(path: str, name: str) -> None:
    """``petstore.openapi.yaml`` is the API petstore; the dots of a version stay: two files are two APIs."""
    assert document_name(path) == name
