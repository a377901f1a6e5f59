"""Examinations of what is kept and what runs: data folder, disk, database, snapshot, ports, workers."""

from __future__ import annotations

import http.client
import os
import shutil
import socket
import stat
from contextlib import closing
from pathlib import Path

from apimgmt.archive import Archive
from apimgmt.cli.diagnosis import Check, judge
from apimgmt.cli.supervisor import reachable
from apimgmt.errors import ApimgmtError
from apimgmt.settings import MIB, Settings

DISK_LEAST = 100 * MIB
DISK_LOW = 1024 * MIB


def examine_folder(settings: Settings) -> list[Check]:
    """The data folder is ours, writable, and closed to others."""
    root = settings.root
    if not root.exists():
        return [Check("data folder", "warning", f"{root} is not there", "`apimgmt start` makes it")]
    status = root.stat()
    checks = [judge("data folder", os.access(root, os.W_OK | os.X_OK), str(root), f"chown -R $(id -un) {root}")]
    mode = stat.S_IMODE(status.st_mode)
    return [*checks, judge("data folder mode", not mode & 0o077, f"{mode:04o}", f"chmod 0700 {root}")]


def examine_disk(settings: Settings) -> list[Check]:
    """There is room for what is still to be written."""
    place = next(path for path in (settings.root.absolute(), *settings.root.absolute().parents) if path.exists())
    free = shutil.disk_usage(place).free
    verdict = "wrong" if free < DISK_LEAST else "warning"
    return [judge("disk", free >= DISK_LOW, f"{free // MIB} MiB free", "make room on the disk", verdict)]  # type: ignore[arg-type]


def examine_database(settings: Settings) -> list[Check]:
    """The database opens and, if it is SQLite, is intact."""
    from sqlalchemy import create_engine, make_url, text
    from sqlalchemy.exc import SQLAlchemyError

    path = settings.root / "apimgmt.db"
    if not settings.database_url and not path.exists():
        return [Check("database", "warning", f"{path} is not there", "`apimgmt start` makes it")]
    try:
        url = make_url(settings.database_url or f"sqlite:///{path}")
        sqlite = url.get_backend_name() == "sqlite"
        engine = create_engine(url if sqlite else url.set(drivername="postgresql+psycopg"))
        with engine.connect() as connection:
            found = connection.scalar(text("PRAGMA quick_check" if sqlite else "SELECT 'ok'"))
    except (SQLAlchemyError, ImportError) as error:
        return [
            Check("database", "wrong", str(error).splitlines()[0], "restore it from a backup, or mend database_url")
        ]
    return [judge("database", found == "ok", str(found), f"restore {path} from a backup")]


def examine_snapshot(settings: Settings) -> list[Check]:
    """The current snapshot and every compiled API in it are there and undamaged."""
    if not (settings.root / "snapshots").exists():
        return [Check("snapshot", "warning", "nothing was ever published", "`apimgmt upload` publishes an API")]
    archive = Archive(settings.root)
    digests = archive.current()
    if not digests:
        return [Check("snapshot", "warning", "nothing was ever published", "`apimgmt upload` publishes an API")]
    try:
        snapshot = archive.load_snapshot(digests[0])
        for entry in snapshot.apis:
            archive.load_api(entry.digest)
    except ApimgmtError as error:
        remedy = "publish any API: `apimgmt publish NAME` writes everything anew"
        return [Check("snapshot", "wrong", str(error), remedy)]
    return [Check("snapshot", "fine", f"{digests[0][:12]}, number {snapshot.number}, {len(snapshot.apis)} API(s)")]


def examine_ports(settings: Settings) -> list[Check]:
    """Each port is free, or answered by us."""
    places = {
        "gateway port": (settings.gateway_host, settings.gateway_port),
        "admin port": (settings.admin_host, settings.admin_port),
    }
    runs = (settings.root / "workers").exists() and bool(Archive(settings.root).reports())
    return [_examine_port(subject, host, port, runs) for subject, (host, port) in places.items()]


def examine_redis(settings: Settings) -> list[Check]:
    """The store in which several machines count together answers, if there is one."""
    if not settings.redis_url:
        return []
    try:
        import redis
    except ImportError:
        return [Check("redis", "wrong", "the package redis is missing", "pip install 'apimgmt[redis]'")]
    try:
        with closing(redis.Redis.from_url(settings.redis_url, socket_connect_timeout=3, socket_timeout=3)) as store:
            store.ping()
    except (redis.RedisError, ValueError, OSError) as error:
        # the kind alone: the message may have the password of the URL in it
        remedy = "start it, or mend redis_url; until then each machine counts alone or refuses, as `whenAway` says"
        return [Check("redis", "wrong", f"no answer ({type(error).__name__})", remedy)]
    return [Check("redis", "fine", "answers")]


def examine_workers(settings: Settings) -> list[Check]:
    """Every worker that runs serves the current snapshot."""
    if not (settings.root / "workers").exists():
        return []
    archive = Archive(settings.root)
    current = archive.current()[:1]
    checks = []
    for report in archive.reports():
        found = f"serves {report.digest[:12] or 'nothing'}" + (f", rejected: {report.reason}" if report.reason else "")
        good = not report.rejected and (report.digest,) == current
        remedy = "start with the --handlers and settings that the published APIs need, or publish again"
        checks.append(judge(f"worker {report.pid}", good, found, f"{remedy}; {_log(settings.root)} says more"))
    return checks or [Check("workers", "fine", "none is running")]


def _examine_port(subject: str, host: str, port: int, runs: bool) -> Check:
    place = f"{host}:{port}"
    try:
        with socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET):
            if runs and port:
                remedy = f"tell the doctor the port of `start`: APIMGMT_{subject.replace(' ', '_').upper()}=..."
                return Check(subject, "warning", f"{place} is free, though the platform runs", remedy)
            return Check(subject, "fine", f"{place} is free")
    except OSError as error:
        reason = error.strerror or str(error)
    connection = http.client.HTTPConnection(reachable(host), port, timeout=3)
    try:
        connection.request("GET", "/readyz")
        response = connection.getresponse()
        ours = response.status == 200 and response.getheader("content-type", "").startswith("application/health+json")
        found = f"{place} answers" if ours else f"{place} answers {response.status} to /readyz"
    except (OSError, http.client.HTTPException):
        ours, found = False, f"{place}: {reason}"
    finally:
        connection.close()
    return judge(subject, ours, found, "stop the other program, or choose another port")


def _log(root: Path) -> Path:
    return root / "logs" / "gateway.log"


EXAMINATIONS = (
    examine_folder,
    examine_disk,
    examine_database,
    examine_snapshot,
    examine_ports,
    examine_redis,
    examine_workers,
)
