"""Examinations of what is installed: Python, the libraries, SQLite."""

from __future__ import annotations

import platform
import re
import sqlite3
import sys
from importlib.metadata import PackageNotFoundError, version

from apimgmt.cli.diagnosis import Check, judge
from apimgmt.settings import Settings

# The lowest versions without a known fault that concerns us (reliability.md 2.3); optional ones are judged if present.
LOWEST = {
    "gunicorn": "27.0.1",
    "starlette": "1.3.1",
    "werkzeug": "3.1.5",
    "flask": "2.3.2",
    "requests": "2.32.4",
    "urllib3": "2.7.0",
    "oauthlib": "3.2.2",
}
LOWEST_IF_PRESENT = {"h11": "0.16.0", "PyJWT": "2.12.0", "authlib": "1.7.1", "PyYAML": "5.4"}
WAL_FIXED = (3, 51, 3)


def examine_python(settings: Settings) -> list[Check]:
    """Python is new enough, and without the fault in ``ipaddress`` (CVE-2024-4032, fixed in 3.11.10 and 3.12.4)."""
    found = platform.python_version()
    mended = sys.version_info >= ((3, 12, 4) if sys.version_info >= (3, 12) else (3, 11, 10))
    return [judge("python", mended, found, "update to 3.11.10, 3.12.4 or newer (CVE-2024-4032)", "warning")]


def examine_libraries(settings: Settings) -> list[Check]:
    """Every library has at least the version in the table."""
    wrong = []
    for name, lowest in (LOWEST | LOWEST_IF_PRESENT).items():
        try:
            found = version(name)
        except PackageNotFoundError:
            if name in LOWEST:
                wrong.append(Check(name, "wrong", "not installed", f"pip install '{name}>={lowest}'"))
            continue
        if _numbers(found) < _numbers(lowest):
            wrong.append(Check(name, "wrong", found, f"pip install --upgrade '{name}>={lowest}'"))
    return wrong or [Check("libraries", "fine", f"{len(LOWEST)} at or above their lowest safe versions")]


def examine_sqlite(settings: Settings) -> list[Check]:
    """SQLite before 3.51.3 can corrupt a WAL file with two writers; our store uses a rollback journal."""
    found = sqlite3.sqlite_version
    path = settings.root / "apimgmt.db"
    if settings.database_url or not path.exists():
        return [Check("sqlite", "fine", found)]
    try:
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=5) as connection:
            journal = connection.execute("PRAGMA journal_mode").fetchone()[0]
    except sqlite3.Error as error:
        return [Check("sqlite", "wrong", f"{found}, {error}", f"restore {path} from a backup")]
    remedy = f"stop the platform and run: sqlite3 {path} 'PRAGMA journal_mode=DELETE'"
    safe = journal != "wal" or sqlite3.sqlite_version_info >= WAL_FIXED
    return [judge("sqlite", safe, f"{found}, journal mode {journal}", remedy)]


def _numbers(text: str) -> tuple[int, ...]:
    """The numeric beginning of a version; what follows it (rc1, .post2) does not matter for a lowest version."""
    match = re.match(r"\d+(\.\d+)*", text)
    return tuple(int(part) for part in match.group().split(".")) if match else ()


EXAMINATIONS = (examine_python, examine_libraries, examine_sqlite)
