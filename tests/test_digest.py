"""The one digest of secrets (apimgmt/digest.py)."""

from __future__ import annotations

import re
from pathlib import Path

from apimgmt.digest import digest_of

PACKAGE = Path(__file__).parents[1] / "apimgmt"


def test_it_is_sha_256() -> None:
    """The example of FIPS 180-2, appendix B.1; what is kept stays readable for every later version."""
    assert digest_of("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_it_is_the_only_one() -> None:
    """No second function makes a digest of a text, which could come to differ."""
    again = re.compile(r"sha256\([\w. ()\"]*\.encode\([^)]*\)\)\.hexdigest\(\)")
    found = [path.name for path in PACKAGE.rglob("*.py") if again.search(path.read_text("utf-8"))]
    assert found == ["digest.py"]
