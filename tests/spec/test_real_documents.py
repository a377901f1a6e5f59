"""Real documents, read in place: all are accepted; the standard's own tests get the verdict they ask for."""

from __future__ import annotations

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest

from apimgmt.model import METHODS, CompiledApi, Finding
from apimgmt.settings import Settings
from apimgmt.spec.intake import Intake, examine, take_in
from apimgmt.spec.intake.loader import load
from apimgmt.spec.references import References

CORPUS = Path(__file__).parents[2] / "../shared/corpus"
DOCUMENTS = sorted((CORPUS / "documents").glob("v*"))
SUITE = CORPUS / "standards" / "oai-schema-tests"

pytestmark = pytest.mark.skipif(not DOCUMENTS, reason=f"there is no corpus at {CORPUS}")


def taken_in(path: Path) -> tuple[Intake, float]:
    """The intake of a document, and the seconds that it took."""
    started = time.monotonic()
    return take_in(path.read_bytes(), "", Settings()), time.monotonic() - started


@pytest.mark.rows("F-001", "F-002", "F-006")
@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_a_real_document_becomes_an_api_with_all_its_operations(path: Path) -> None:
    """Accepted, and exactly one operation per method and path; every one of them has its line."""
    intake, _ = taken_in(path)
    compiled = msgspec.json.decode(intake.compiled, type=CompiledApi)
    document = load(path.read_bytes(), "", Settings())
    references = References(document.root, document.specification)
    paths = {name: references.follow(item) for name, item in document.root.get("paths", {}).items() if name[0] == "/"}
    expected = {f"{method} {name}" for name, item in paths.items() for method in METHODS if method in item}
    assert {operation.key for operation in compiled.operations} == expected
    assert len(compiled.operations) == len(expected)
    assert all(operation.line for operation in compiled.operations[:2_000])


@pytest.mark.parametrize("name", ["v2.0-kubernetes.json"])
def test_a_large_document_is_taken_in_within_seconds(name: str) -> None:
    """1,123 operations in less than 5 seconds, most of which are left for publishing."""
    intake, seconds = taken_in(CORPUS / "documents" / name)
    assert len(msgspec.json.decode(intake.compiled, type=CompiledApi).operations) == 1_123
    assert seconds < 4


@pytest.fixture(scope="module")
def verdicts() -> dict[Path, list[Finding]]:
    """Every document of the standard's own suite with its errors, two at a time."""
    paths = sorted(SUITE.glob("*/*/*.yaml"))
    with ThreadPoolExecutor(2) as threads:
        findings = threads.map(lambda path: examine(path.read_bytes(), "", Settings()), paths)
        return {path: _errors(found) for path, found in zip(paths, findings, strict=True)}


def _errors(findings: tuple[Finding, ...]) -> list[Finding]:
    return [finding for finding in findings if finding.severity == "error"]


def test_the_documents_of_the_standard_get_the_verdict_they_ask_for(
    verdicts: dict[Path, list[Finding]], capsys: pytest.CaptureFixture[str]
) -> None:
    """All that must pass are accepted, all that must fail are refused (versions 3.1 and 3.2)."""
    counts = Counter(path.parent.name for path in verdicts)
    wrong = [(path.name, errors) for path, errors in verdicts.items() if bool(errors) != (path.parent.name == "fail")]
    with capsys.disabled():
        print(f" [{counts['pass']} accepted, {counts['fail']} refused, {len(wrong)} otherwise than asked]", end="")
    assert wrong == []
    assert min(counts["pass"], counts["fail"]) > 30


def test_refusals_of_the_standard_are_for_the_right_reason(verdicts: dict[Path, list[Finding]]) -> None:
    """Each document that must fail has its fault found in the part that the file is about, not by accident."""
    for path, errors in verdicts.items():
        if path.parent.name == "pass":
            continue
        top_only = path.stem in ("no_containers", "unknown_container")
        assert all(finding.line for finding in errors)
        assert top_only == all(finding.pointer == "" for finding in errors), (path.name, errors)
