"""The documentation names everything that a user can set, call, meet or choose, and its reference pages are fresh."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import msgspec
import pytest

from apimgmt.cli.commands import every_command
from apimgmt.errors import CATALOGUE
from apimgmt.settings import Settings

DOCS = Path(__file__).resolve().parents[1] / "docs"
generate = runpy.run_path(str(DOCS / "generate.py"))


def _headings(page: str) -> set[str]:
    lines = (DOCS / "reference" / page).read_text("utf-8").splitlines()
    return {line.removeprefix("## ") for line in lines if line.startswith("## ")}


@pytest.mark.parametrize("name", generate["BUILDERS"])
def test_the_reference_page_is_fresh(name: str) -> None:
    """The page in the repository is what ``python docs/generate.py`` writes."""
    written = (DOCS / "reference" / f"{name}.md").read_text("utf-8")
    assert written == generate["pages"]()[f"{name}.md"], "run: python docs/generate.py"


def test_every_setting_has_a_heading() -> None:
    """A new setting needs a place in the reference."""
    assert _headings("settings.md") == {field.name for field in msgspec.structs.fields(Settings)}


def test_every_problem_has_a_heading() -> None:
    """A new problem code needs a place in the reference."""
    assert _headings("problems.md") == set(CATALOGUE)


def test_every_plug_in_has_a_heading() -> None:
    """A new process, format or authentication kind needs a place in the reference."""
    found = {f"{kind}: {name}" for kind, name, _ in generate["plugins"]()}
    assert {"process: mock", "process: echo", "process: python", "format: json", "format: xml"} <= found
    assert _headings("plugins.md") == found


def test_every_command_has_a_heading_and_an_example() -> None:
    """A new command needs a place in the reference, and its help shows how to use it."""
    names = {name for name, _ in every_command()}
    assert _headings("commands.md") == names
    text = (DOCS / "reference" / "commands.md").read_text("utf-8")
    assert all(f"Example:\n    apimgmt {name}" in text for name in names)


def test_every_admin_operation_has_a_heading() -> None:
    """A new operation of the admin API needs a place in the reference."""
    assert _headings("admin.md") == {f"{method} {path}" for method, path, _ in generate["operations"]()}


def test_every_page_is_reached_from_the_index() -> None:
    """A page that no table of contents names would not be found."""
    index = (DOCS / "index.md").read_text("utf-8")
    pages = {str(path.relative_to(DOCS).with_suffix("")) for path in DOCS.rglob("*.md")} - {"index"}
    missing: Any = {page for page in pages if page not in index}
    assert not missing


@pytest.mark.rows("H-003", "H-080")
def test_the_docs_say_what_not_to_do() -> None:
    """Keys in the URLs of a browser, and work that is not the answer to a request."""
    text = (DOCS / "concepts.md").read_text("utf-8")
    assert "in production it is not" in text
    assert all(word in text for word in ("schedule", "batch", "library"))
