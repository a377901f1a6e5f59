"""The outer form of an upload: characters and zips."""

from __future__ import annotations

import io
import zipfile

import msgspec
import pytest

from apimgmt.errors import DocumentRefused
from apimgmt.model import Finding
from apimgmt.settings import Settings
from apimgmt.spec.intake.upload import decode, find_root, is_zip, unpack


def zipped(files: dict[str, bytes]) -> bytes:
    """A zip of these files."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def refusal(caught: pytest.ExceptionInfo[DocumentRefused]) -> Finding:
    """The one finding of a refusal."""
    (finding,) = caught.value.findings
    return finding


def test_a_byte_order_mark_of_utf_8_is_skipped() -> None:
    """Windows editors write one."""
    assert decode(b"\xef\xbb\xbfa: 1") == "a: 1"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be"])
def test_other_encodings_are_named(encoding: str) -> None:
    """UTF-16 and UTF-32, with or without a mark, are refused with the way out."""
    with pytest.raises(DocumentRefused) as caught:
        decode('{"a": 1}'.encode(encoding))
    assert "save it as UTF-8" in refusal(caught).message


@pytest.mark.parametrize("wrong", [b"\xff", b"\xc0\xaf", b"\xed\xa0\x80", b"\xe4"])
def test_the_place_of_what_is_not_utf_8_is_told(wrong: bytes) -> None:
    """Line and column of the first wrong byte."""
    with pytest.raises(DocumentRefused) as caught:
        decode(b"a: 1\nb: " + wrong + b"\n")
    assert (refusal(caught).code, refusal(caught).line, refusal(caught).column) == ("encoding", 2, 4)


def test_a_nul_is_refused_with_its_place() -> None:
    """NUL ends strings in half of the world's libraries."""
    with pytest.raises(DocumentRefused) as caught:
        decode(b"abcd\nb: \x00\n")
    assert (refusal(caught).code, refusal(caught).line, refusal(caught).column) == ("encoding", 2, 4)


def test_a_zip_is_known_by_type_or_by_its_first_bytes() -> None:
    """Either is enough; a document is no zip."""
    assert is_zip(b"", "application/zip")
    assert is_zip(zipped({"a": b""}), "application/octet-stream")
    assert not is_zip(b"openapi: 3.0.3", "application/yaml")


def test_a_zip_is_unpacked_in_memory() -> None:
    """Names are normalised, folders left out."""
    assert unpack(zipped({"a/./b.yaml": b"1", "c/": b"", "d.json": b"2"}), Settings()) == {
        "a/b.yaml": b"1",
        "d.json": b"2",
    }


@pytest.mark.parametrize("name", ["../a", "/a", "a/../../b", "..\\a", "C:/a", "C:\\a", "a\nb", ".."])
def test_names_that_lead_out_of_the_zip_are_refused(name: str) -> None:
    """No zip slip, in no spelling, though nothing is ever written."""
    with pytest.raises(DocumentRefused) as caught:
        unpack(zipped({name: b""}), Settings())
    assert refusal(caught).code == "zip"


def test_two_files_of_one_name_are_refused() -> None:
    """Also when only normalising makes the names the same."""
    with pytest.raises(DocumentRefused) as caught:
        unpack(zipped({"a/../b": b"", "b": b""}), Settings())
    assert "two files" in refusal(caught).message


def test_the_number_of_files_is_limited() -> None:
    """The limit passes, one more is refused."""
    settings = msgspec.structs.replace(Settings(), document_files=3)
    assert len(unpack(zipped({str(n): b"" for n in range(3)}), settings)) == 3
    with pytest.raises(DocumentRefused) as caught:
        unpack(zipped({str(n): b"" for n in range(4)}), settings)
    assert refusal(caught).code == "too-much-files"


def test_the_size_of_all_files_together_is_limited() -> None:
    """However small the zip is: the limit passes, one more byte is refused."""
    settings = msgspec.structs.replace(Settings(), document_bytes=1_000)
    assert unpack(zipped({"a": b"0" * 600, "b": b"0" * 400}), settings)
    with pytest.raises(DocumentRefused) as caught:
        unpack(zipped({"a": b"0" * 600, "b": b"0" * 401}), settings)
    assert refusal(caught).code == "too-much-bytes"


def test_a_damaged_zip_is_refused() -> None:
    """Torn, wrong checksum, encrypted: one finding, no exception of the zip library."""
    good = zipped({"a": b"hello " * 100})
    for bad in (good[:-10], good[:40] + b"\xff\xff\xff" + good[43:], b"PK\x03\x04"):
        with pytest.raises(DocumentRefused) as caught:
            unpack(bad, Settings())
        assert refusal(caught).code == "zip"


@pytest.mark.parametrize(
    ("files", "root"),
    [
        ({"a.yaml": b"openapi: 3.0.3", "b.yaml": b"type: object"}, "a.yaml"),
        ({"a.json": b'{ "openapi": "3.0.3"}', "b.json": b"{}"}, "a.json"),
        ({"a.json": b'{"info": {"title": "t"}, "swagger": "2.0"}'}, "a.json"),
        ({"x/a.yaml": b"openapi: 3.0.3", "openapi.yaml": b"# first\nopenapi: 3.0.3"}, "openapi.yaml"),
        ({"pets.yaml": b"openapi: 3.0.3", "Swagger.yml": b"'swagger': '2.0'"}, "Swagger.yml"),
        ({"readme.md": b"openapi: 3.0.3", "a.yml": b"\xef\xbb\xbfopenapi: 3.0.3"}, "a.yml"),
    ],
)
def test_the_root_of_a_zip_is_found(files: dict[str, bytes], root: str) -> None:
    """The one file with a version at the top; of several, the usual name nearest the top."""
    assert find_root(files) == root


def test_several_or_no_roots_are_refused() -> None:
    """The finding says which files could be meant."""
    with pytest.raises(DocumentRefused, match=r"a\.yaml, b\.yaml"):
        find_root({"a.yaml": b"openapi: 3.0.3", "b.yaml": b"openapi: 3.0.3"})
    with pytest.raises(DocumentRefused, match="No file"):
        find_root({"a.yaml": b"type: object"})
