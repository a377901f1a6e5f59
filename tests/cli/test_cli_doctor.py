"""``apimgmt doctor`` finds what is wrong and says what to do."""

from __future__ import annotations

import json
import os
import socket
import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from apimgmt.archive import Archive
from apimgmt.cli.commands import apimgmt
from apimgmt.cli.installation import LOWEST, LOWEST_IF_PRESENT, _numbers
from apimgmt.model import ApiEntry, Snapshot, WorkerReport


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A data folder as a start leaves it."""
    root = tmp_path / "data"
    root.mkdir(mode=0o700)
    with sqlite3.connect(root / "apimgmt.db") as connection:
        connection.execute("CREATE TABLE t (x)")
    archive = Archive(root)
    archive.make_current(archive.put_snapshot(Snapshot(number=1, created="2026-01-01T00:00:00Z")))
    return root


def examine(root: Path, **environment: str) -> tuple[int, dict[str, dict[str, Any]]]:
    """Exit code and the checks by subject."""
    ports = {"APIMGMT_GATEWAY_PORT": "0", "APIMGMT_ADMIN_PORT": "0", **environment}
    result = CliRunner().invoke(apimgmt, ["doctor", "--data", str(root), "--output", "json"], env=ports)
    return result.exit_code, {check["subject"]: check for check in json.loads(result.stdout)}


def test_a_healthy_folder_is_fine(root: Path) -> None:
    """Exit code 0, nothing wrong, and every subject was looked at."""
    code, checks = examine(root)
    assert code == 0
    assert {"python", "libraries", "sqlite", "data folder", "data folder mode", "disk", "database", "snapshot"} <= set(
        checks
    )
    assert {check["verdict"] for check in checks.values()} <= {"fine", "warning"}


def test_a_folder_that_is_not_there_is_no_fault(tmp_path: Path) -> None:
    """Before the first start there is nothing yet."""
    code, checks = examine(tmp_path / "new")
    assert code == 0
    assert checks["data folder"]["verdict"] == "warning"
    assert not (tmp_path / "new").exists()


def test_an_open_folder_is_wrong(root: Path) -> None:
    """The remedy is a command."""
    root.chmod(0o755)
    code, checks = examine(root)
    assert code == 1
    assert checks["data folder mode"]["remedy"] == f"chmod 0700 {root}"


def test_a_damaged_database_is_wrong(root: Path) -> None:
    """A file that is no database."""
    (root / "apimgmt.db").write_bytes(b"not a database at all" * 100)
    code, checks = examine(root)
    assert code == 1
    assert checks["database"]["verdict"] == checks["sqlite"]["verdict"] == "wrong"


def test_a_damaged_snapshot_is_wrong(root: Path) -> None:
    """The digest tells."""
    next((root / "snapshots").glob("*.json")).write_bytes(b"{}")
    code, checks = examine(root)
    assert (code, checks["snapshot"]["verdict"]) == (1, "wrong")


def test_a_missing_compiled_api_is_wrong(root: Path) -> None:
    """The snapshot is whole, but what it refers to is gone."""
    archive = Archive(root)
    entry = ApiEntry(id="a", name="pets", base_path="", revision=1, digest="0" * 64)
    archive.make_current(archive.put_snapshot(Snapshot(number=2, created="", apis=(entry,))))
    code, checks = examine(root)
    assert (code, checks["snapshot"]["verdict"]) == (1, "wrong")
    assert "000000" in checks["snapshot"]["found"]


def test_a_wal_database_is_wrong_with_an_old_sqlite(root: Path) -> None:
    """SQLite before 3.51.3 can corrupt a WAL file that has two writers."""
    connection = sqlite3.connect(root / "apimgmt.db")
    connection.execute("PRAGMA journal_mode=WAL")
    connection.close()
    verdict = "fine" if sqlite3.sqlite_version_info >= (3, 51, 3) else "wrong"
    assert examine(root)[1]["sqlite"]["verdict"] == verdict


def test_a_port_of_another_program_is_wrong(root: Path) -> None:
    """Something listens and is not ours."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        other.settimeout(0.1)
        port = str(other.getsockname()[1])
        code, checks = examine(root, APIMGMT_GATEWAY_PORT=port)
    assert (code, checks["gateway port"]["verdict"]) == (1, "wrong")


def test_a_free_port_is_odd_while_the_platform_runs(root: Path) -> None:
    """The doctor reads settings from the environment: a port that only `start` was told is another one."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
    _, checks = examine(root, APIMGMT_GATEWAY_PORT=port)
    assert checks["gateway port"]["verdict"] == "fine"
    archive = Archive(root)
    archive.report(WorkerReport(pid=os.getpid(), digest=archive.current()[0], number=1, seen=time.time()))
    code, checks = examine(root, APIMGMT_GATEWAY_PORT=port)
    assert (code, checks["gateway port"]["verdict"]) == (0, "warning")
    assert "APIMGMT_GATEWAY_PORT" in checks["gateway port"]["remedy"]


def test_a_redis_that_does_not_answer_is_wrong(root: Path) -> None:
    """Without the setting it is not looked for; a password of the URL is not shown."""
    assert "redis" not in examine(root)[1]
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    code, checks = examine(root, APIMGMT_REDIS_URL=f"redis://:planted-secret@127.0.0.1:{port}/0")
    assert (code, checks["redis"]["verdict"]) == (1, "wrong")
    assert "planted-secret" not in str(checks["redis"])


def test_a_worker_that_rejected_the_snapshot_is_wrong(root: Path) -> None:
    """The reason is shown."""
    archive = Archive(root)
    report = WorkerReport(
        pid=os.getpid(), digest="", number=0, seen=time.time(), rejected=archive.current()[0], reason="too much"
    )
    archive.report(report)
    code, checks = examine(root)
    assert code == 1
    assert "too much" in checks[f"worker {os.getpid()}"]["found"]


def test_the_table_says_what_to_do(root: Path) -> None:
    """People get the remedies below the table."""
    root.chmod(0o755)
    result = CliRunner().invoke(apimgmt, ["doctor", "--data", str(root)], env={"APIMGMT_GATEWAY_PORT": "0"})
    assert f"data folder mode: chmod 0700 {root}" in result.output


def test_versions_are_compared_as_numbers() -> None:
    """3.10 is newer than 3.9, and a suffix does not matter."""
    assert _numbers("3.10.0rc1") > _numbers("3.9")
    assert all(_numbers(lowest) for lowest in (LOWEST | LOWEST_IF_PRESENT).values())
