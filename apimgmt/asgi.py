"""The composition root: the only module that knows both planes. gunicorn calls these factories in every worker."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from functools import partial
from importlib.resources import files
from typing import Any

import msgspec
from a2wsgi import WSGIMiddleware

import apimgmt.connections.authentication.apikey
import apimgmt.connections.authentication.authorizationcode
import apimgmt.connections.authentication.basic
import apimgmt.connections.authentication.bearer
import apimgmt.connections.authentication.clientcredentials
import apimgmt.connections.authentication.none
import apimgmt.connections.authentication.signature
import apimgmt.formats.json
import apimgmt.formats.xml
import apimgmt.policies.cache
import apimgmt.policies.cors
import apimgmt.policies.protocols
import apimgmt.policies.quota
import apimgmt.policies.ratelimit
import apimgmt.processes.echo
import apimgmt.processes.flow
import apimgmt.processes.flows.functions.connection
import apimgmt.processes.flows.functions.entity
import apimgmt.processes.flows.functions.http
import apimgmt.processes.flows.functions.openapi
import apimgmt.processes.flows.functions.python
import apimgmt.processes.flows.tasks.attempt
import apimgmt.processes.flows.tasks.call
import apimgmt.processes.flows.tasks.do
import apimgmt.processes.flows.tasks.fork
import apimgmt.processes.flows.tasks.loop
import apimgmt.processes.flows.tasks.respond
import apimgmt.processes.flows.tasks.set
import apimgmt.processes.flows.tasks.subflow
import apimgmt.processes.flows.tasks.switch
import apimgmt.processes.flows.tasks.throw
import apimgmt.processes.flows.tasks.wait
import apimgmt.processes.mock
import apimgmt.processes.proxy
import apimgmt.processes.webhook  # noqa: F401  importing a plug-in registers it
from apimgmt.archive import Archive
from apimgmt.digest import digest_of
from apimgmt.gateway.app import Gateway, Worker
from apimgmt.gateway.runtime import Runtime, build
from apimgmt.model import ApiEntry, Binding, Snapshot, Trigger
from apimgmt.processes import python
from apimgmt.processes.masking import masking
from apimgmt.runs.lines import listen
from apimgmt.settings import Settings, from_environment
from apimgmt.spec.compiler.compiler import compile_document
from apimgmt.spec.intake.loader import load

ADMIN_BASE = "/api/v1"
SIGN_ON = ("/connections/",)
AUTHORIZATION = ("/oauth2/", "/.well-known/oauth-authorization-server")


def gateway() -> Gateway:
    """The gateway of one worker process: follows the data folder."""
    settings = from_environment(os.environ)
    # connections need them; functions of others, and the programs that these start, do not
    os.environ.pop("APIMGMT_SECRET_KEYS", None)
    python.functions.threads = settings.threads
    python.functions.update(python.load_handlers(settings.handlers))
    # after the handlers, which may have their own idea of how to log
    listen(settings, masking)
    return Worker(settings, Archive(settings.root))


def runner() -> None:
    """The runner: performs what the gateway accepted, until a signal ends it."""
    from apimgmt.runner.serving import serve

    settings = from_environment(os.environ)
    # neither the functions of others nor the programs that these start need them
    for name in ("APIMGMT_SECRET_KEYS", "APIMGMT_DATABASE_URL"):
        os.environ.pop(name, None)
    python.functions.threads = settings.threads

    def prepare() -> None:
        python.functions.update(python.load_handlers(settings.handlers))
        listen(settings, masking)

    serve(settings, prepare)


def admin() -> Gateway:
    """The admin API: our own document, compiled by our compiler, bound to our processes, served by our runtime."""
    # imported here: a gateway worker needs neither the store nor the intake, and starts sooner without them
    from apimgmt.control.service import Control
    from apimgmt.control.signonpages import signon_pages
    from apimgmt.control.store import Store
    from apimgmt.spec.intake import take_in

    settings = from_environment(os.environ)
    python.functions.threads = settings.threads
    functions = python.load_handlers(settings.handlers)
    control = Control(
        settings, Store(settings), Archive(settings.root), take_in, functions, admin_tokens=token_digests(settings)
    )
    python.functions.update(functions)
    return ControlPlane(
        admin_runtime(settings, control),
        {AUTHORIZATION: control.authorization(), SIGN_ON: signon_pages(control.sign_on)},
    )


class ControlPlane(Gateway):
    """The admin API, and beside it pages for browsers: Flask applications by how their paths begin."""

    records_throws = False

    def __init__(self, runtime: Runtime, pages: dict[tuple[str, ...], Any]) -> None:
        super().__init__(runtime)
        self._pages: list[tuple[tuple[str, ...], Any]] = [(paths, WSGIMiddleware(app)) for paths, app in pages.items()]

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        for paths, app in self._pages:
            if scope["type"] == "http" and scope["path"].startswith(paths):
                await app(scope, receive, send)
                return
        await super().__call__(scope, receive, send)


def admin_runtime(settings: Settings, control: Any) -> Runtime:
    """The runtime of the admin API over a control plane (:class:`apimgmt.control.service.Control`)."""
    from apimgmt.control.admin import PUBLIC_OPERATIONS, RAW_OPERATIONS, handlers
    from apimgmt.control.membership import Membership

    functions = handlers(control)
    content = (files("apimgmt.control") / "openapi.yaml").read_bytes()
    document = load(content, "application/yaml", settings)
    compiled = compile_document(document)
    names = {operation.key: f"apimgmt.control.{operation.operation_id}" for operation in compiled.operations}
    python.functions.update({f"apimgmt.control.{name}": function for name, function in functions.items()})
    entry = ApiEntry(
        id="admin",
        name="admin",
        base_path=ADMIN_BASE,
        revision=1,
        digest=hashlib.sha256(content).hexdigest(),
        bindings={key: Binding(kind="python", config={"function": name}) for key, name in names.items()},
        triggers={key: _upload_trigger(settings) for key in RAW_OPERATIONS}
        | {key: Trigger(public=True) for key in PUBLIC_OPERATIONS},
    )
    tags = {operation.key: operation.tags[0] for operation in compiled.operations if operation.tags}
    return build(
        Snapshot(number=1, created="", apis=(entry,)),
        _always(compiled),
        _always(msgspec.json.encode(document.root)),
        settings,
        kinds={"bearer": partial(Membership, control.sessions, tags)},
    )


def token_digests(settings: Settings) -> list[str]:
    """The SHA-256 of each admin token: of the one in the settings, or those kept in the data folder, one a line.

    The first is the administrator's; while a supervisor runs, the second is its own (``cli/folder.py``).
    """
    if settings.admin_token:
        return [digest_of(settings.admin_token)]
    return (settings.root / "secrets" / "admin-token.sha256").read_text("ascii").split()


def _upload_trigger(settings: Settings) -> Trigger:
    return Trigger(raw_body=True, body_limit=settings.document_bytes, timeout=300.0)


def _always(value: Any) -> Callable[[str], Any]:
    return lambda digest: value
