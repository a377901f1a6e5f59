"""Trying a connection, step by step, with a plain answer: what works, what failed and why, what to do (C-005, C-073).

    address -> name -> permitted -> connected -> tls -> authenticated -> answered

The first steps are looked at one by one, so that a firewall, a wrong name and a wrong certificate can be told apart.
The last ones are a real call through a real connection, without its retries: what works here works for processes.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Mapping
from contextlib import closing
from http import HTTPStatus
from typing import Any, Literal

import msgspec

from apimgmt.connections import Reply
from apimgmt.connections.authentication.refusal import told_apart
from apimgmt.connections.checking import receives_only
from apimgmt.connections.configuration import Configuration, Retries
from apimgmt.connections.connection import Connection
from apimgmt.connections.entities.location import located
from apimgmt.control.peer import Certificate, shown
from apimgmt.errors import CAUSES, ConnectionFailed, SettingInvalid
from apimgmt.model import Struct
from apimgmt.reading import read
from apimgmt.settings import Settings

STEPS = ("address", "name", "permitted", "connected", "tls", "authenticated", "answered")
# Which step a failure belongs to; what is not named here failed while the answer was awaited.
STEP_OF = {
    "address": "address",
    "name": "name",
    "forbidden-address": "permitted",
    "refused": "connected",
    "unreachable": "connected",
    "proxy": "connected",
    "certificate": "tls",
    "tls": "tls",
    "credential": "authenticated",
    "token": "authenticated",
}
MOST_SECONDS = 15.0
CALL_SECONDS = 10.0


class Step(Struct, frozen=True):
    """One step: ``cause`` is a key of CAUSES where it failed, ``remedy`` what to do then."""

    step: str
    state: Literal["ok", "failed", "skipped"]
    detail: str = ""
    cause: str = ""
    remedy: str = ""


class Diagnosis(Struct, frozen=True):
    """All steps in their order; ``ok`` says that none failed."""

    ok: bool
    seconds: float
    steps: tuple[Step, ...]

    @property
    def failed(self) -> str:
        """The step that failed; "" if none did."""
        return next((step.step for step in self.steps if step.state == "failed"), "")

    @property
    def sentence(self) -> str:
        """What failed, and what to do."""
        failed = next((step for step in self.steps if step.state == "failed"), None)
        return f"{failed.step}: {failed.detail}. {failed.remedy}" if failed is not None else "the connection works"


def diagnosed(
    settings: Mapping[str, Any],
    platform: Settings,
    path: str = "",
    *,
    identity: str = "",
    most_seconds: float = MOST_SECONDS,
) -> Diagnosis:
    """Try a configuration (as JSON, its secrets in the clear) within so many seconds; blocks.

    ``path`` is asked for instead of the base URL; ``identity`` is what the tokens of a stored one are kept under.
    The work is done in a thread of its own, for neither a resolver nor a server that drips can be told to stop.
    """
    examination = Examination(read(dict(settings), Configuration), platform, path, identity, most_seconds)
    started = time.monotonic()
    worker = threading.Thread(target=examination.run, daemon=True)
    worker.start()
    worker.join(most_seconds)
    return examination.ended(time.monotonic() - started, most_seconds)


class Examination:
    """One trial. What was found is kept step by step, so that it can be read while the trial goes on."""

    def __init__(
        self, configuration: Configuration, platform: Settings, path: str, identity: str, most_seconds: float
    ) -> None:
        self._configuration = msgspec.structs.replace(
            configuration,
            retries=Retries(count=0),
            limit=None,
            breaker=None,
            timeout=min(configuration.timeout, CALL_SECONDS),
            deadline=most_seconds,
        )
        self._platform = platform
        self._path = path
        self._identity = identity
        self._found: dict[str, Step] = {}
        self._at = STEPS[0]
        self._certificate = Certificate(None, "", "")
        self._lock = threading.Lock()
        self._is_done = False
        self._is_over = False
        self._defect: Exception | None = None

    def run(self) -> None:
        """Go through all steps, up to the first that fails."""
        if receives_only(self._configuration):
            for step in STEPS:
                self._put(Step(step=step, state="skipped", detail="it has no base URL: it only receives"))
            self._is_done = True
            return
        try:
            with closing(Connection("", self._configuration, {}, self._platform, self._identity)) as connection:
                self._reach(connection)
                self._call(connection)
        except ConnectionFailed as error:
            self._fail(STEP_OF.get(error.cause, self._at), error.cause, str(error))
        except SettingInvalid as error:
            self._fail("address", "address", str(error))
        except Exception as error:  # a defect of ours: raised again where somebody waits
            self._defect = error
        finally:
            self._is_done = True

    def ended(self, seconds: float, most_seconds: float) -> Diagnosis:
        """What was found; a trial that is still going on failed where it is."""
        if self._defect is not None:
            raise self._defect
        if not self._is_done:
            if self._at == "answered" and "tls" not in self._found:
                self._ok("tls", self._tls())
            self._fail(self._at, "timeout", f"not done within {most_seconds:.0f} seconds")
        with self._lock:
            self._is_over = True
            steps = tuple(self._found.get(name, Step(step=name, state="skipped")) for name in STEPS)
        end = next((index for index, step in enumerate(steps, 1) if step.state == "failed"), len(STEPS))
        steps = (*steps[:end], *(Step(step=name, state="skipped") for name in STEPS[end:]))
        return Diagnosis(ok=all(step.state != "failed" for step in steps), seconds=round(seconds, 3), steps=steps)

    # ---- as far as the other system ------------------------------------------------------------------------------

    def _reach(self, connection: Connection) -> None:
        """Address, name, permission and TCP; of TLS what the other system shows, whatever becomes of it."""
        configuration = self._configuration
        if configuration.type == "sql":
            host, port = located(configuration)[1:3]
            if not host:
                self._ok("address", "a file of SQLite")
                for step in STEPS[1:-1]:
                    self._put(Step(step=step, state="skipped", detail="a file needs no network"))
                return
            is_secure = False
        else:
            target = connection.guard.check_url(configuration.base_url)
            proxy = configuration.proxy
            url = connection.guard.check_url(proxy.url) if proxy is not None else target
            host, port = url.hostname or "", url.port or (443 if url.scheme == "https" else 80)
            is_secure = target.scheme == "https" and proxy is None
        self._ok("address", f"{host}, port {port}{' (the proxy)' if configuration.proxy is not None else ''}")
        self._at = "name"
        try:
            infos = connection.guard.addresses(host, port)
        except ConnectionFailed as error:
            if error.cause == "forbidden-address":
                self._ok("name", "resolved")
            raise
        self._ok("name", ", ".join(dict.fromkeys(str(info[4][0]) for info in infos)))
        self._ok("permitted", "may be called from here")
        self._at = "connected"
        with closing(_dialled(infos, configuration.timeout)) as plain:
            self._ok("connected", f"to {host}, port {port}")
            self._at = "tls"
            if is_secure:
                self._certificate = shown(plain, host)

    def _call(self, connection: Connection) -> None:
        """TLS, authentication and the answer, by a call as processes make it."""
        self._at = "answered"
        try:
            answer = self._queried(connection) if self._configuration.type == "sql" else self._asked(connection)
        except ConnectionFailed as error:
            if error.cause == "certificate":
                raise ConnectionFailed("certificate", self._certificate.fault(str(error))) from None
            step = STEP_OF.get(error.cause, "answered")
            if STEPS.index(step) > STEPS.index("tls") and "tls" not in self._found:
                self._ok("tls", self._tls())
            if step == "answered" and "authenticated" not in self._found:
                self._put(Step(step="authenticated", state="skipped", detail="not known: there was no answer"))
            raise
        self._ok("answered", answer)

    def _queried(self, connection: Connection) -> str:
        query(connection)
        if "connected" in self._found and "tls" not in self._found:
            self._ok("tls", self._tls())
            self._ok("authenticated", "the credential is accepted")
        return "the database answers"

    def _asked(self, connection: Connection) -> str:
        reply = asked(connection, self._path)
        masked = connection.masking().text
        self._ok("tls", self._tls())
        refused = told_apart(reply, self._configuration)
        if refused is not None:
            cause = "proxy" if refused.reason == "proxy" else "credential"
            raise ConnectionFailed(cause, masked(f"{_answer(reply)}: {refused.sentence}"))
        is_anonymous = self._configuration.authentication.get("kind") == "none"
        self._ok("authenticated", "no credential is needed here" if is_anonymous else "the credential is accepted")
        if reply.status >= 500:
            raise ConnectionFailed("status", masked(_answer(reply)))
        return masked(_answer(reply)) + _hint(reply, self._path)

    def _tls(self) -> str:
        if self._configuration.type == "sql":
            return "as `sslmode` says"
        if not self._configuration.base_url.startswith("https:"):
            return "not used (http)"
        unchecked = "" if self._configuration.tls.verify else "; it is not checked (tls.verify)"
        return (self._certificate.sentence or "through the proxy") + unchecked

    # ---- what is kept --------------------------------------------------------------------------------------------

    def _ok(self, name: str, detail: str) -> None:
        self._put(Step(step=name, state="ok", detail=detail))

    def _fail(self, name: str, cause: str, detail: str) -> None:
        self._put(Step(step=name, state="failed", detail=detail, cause=cause, remedy=CAUSES[cause].remedy))

    def _put(self, step: Step) -> None:
        with self._lock:
            if not self._is_over:
                self._found[step.step] = step


def query(connection: Connection) -> None:
    """The query that tests a database."""
    # imported here: an admin API without databases starts sooner without their drivers
    from sqlalchemy import text

    from apimgmt.connections.entities.database import Database

    with (
        closing(Database(connection.configuration, connection.settings, connection.guard)) as database,
        database.session() as session,
    ):
        session.execute(text("SELECT 1"))


def asked(connection: Connection, path: str) -> Reply:
    """The call that tests a connection: it changes nothing on the other side."""
    if connection.configuration.type == "graphql":
        return connection.post(path, json={"query": "{__typename}"})
    return connection.get(path)


def _dialled(infos: list[tuple[Any, ...]], timeout: float) -> socket.socket:
    """A connection to the first of the addresses that answers; raises ConnectionFailed."""
    failed: OSError | None = None
    for info in infos:
        try:
            return socket.create_connection(info[4][:2], min(timeout, CALL_SECONDS / len(infos)))
        except OSError as error:
            failed = error
    if isinstance(failed, ConnectionRefusedError):
        raise ConnectionFailed("refused", "nothing listens there, or a firewall refuses")
    if isinstance(failed, TimeoutError):
        raise ConnectionFailed("timeout", "no answer: a firewall may drop what is sent, or the host is down")
    raise ConnectionFailed("unreachable", "there is no way to the host")


def _answer(reply: Reply) -> str:
    phrase = HTTPStatus(reply.status).phrase if reply.status in set(HTTPStatus) else ""
    media_type = (reply.header("content-type") or "no content type").partition(";")[0][:100]
    return f"{reply.status} {phrase}".strip() + f", {media_type}, {reply.seconds:.2f} s"


def _hint(reply: Reply, path: str) -> str:
    if 300 <= reply.status < 400:
        return ": it redirects; use the URL that it redirects to"
    if reply.status == 404 and not path:
        return ": there is nothing at the base URL itself; test with a path that there is"
    return ""
