"""The handlers behind ``openapi.yaml``: a request in, a method of :class:`Control`, an answer out. No decisions here.

The admin API is an API of this platform, so its handlers are ordinary Python processes: they get an invocation whose
parameters are cast and validated, and return ``(body, status, headers)``.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy.exc import OperationalError

from apimgmt.control.audit import Actor, actor
from apimgmt.control.connectionhandlers import connection_handlers
from apimgmt.control.crud import crud, if_match, member
from apimgmt.control.discovery.discoveries import Asked
from apimgmt.control.endpointhandlers import endpoint_handlers
from apimgmt.control.flowhandlers import flow_handlers
from apimgmt.control.metrics import CONTENT_TYPE
from apimgmt.control.runs import run_handlers
from apimgmt.control.service import Control
from apimgmt.control.signonhandlers import signon_handlers
from apimgmt.control.views import View, finding_views
from apimgmt.control.webhooks import Webhooks, webhook_handlers
from apimgmt.errors import DocumentRefused, Problem, SettingInvalid, SnapshotRefused, StoreConflict
from apimgmt.processes import Envelope, Invocation

Answer = Any
Handler = Callable[[Invocation], Answer]

DOCUMENT = Path(__file__).with_name("openapi.yaml")
RAW_OPERATIONS = ("post /apis", "put /apis/{api}", "post /connections/{id}/discovery")
PUBLIC_OPERATIONS = ("post /sessions",)
MEDIA_TYPES = ("application/json", "application/yaml", "application/x-yaml", "text/yaml", "application/zip")


class Admin:
    """One method per operation of ``openapi.yaml``; its name is the operationId."""

    def __init__(self, control: Control) -> None:
        self._control = control

    # ---- APIs ----------------------------------------------------------------------------------------------------

    def listApis(self, invocation: Invocation) -> Answer:  # noqa: N802  the names are operationIds
        """``GET /apis``."""
        return [view.plain() for view in self._control.apis()]

    def uploadApi(self, invocation: Invocation) -> Answer:  # noqa: N802
        """``POST /apis``: the body is the document."""
        query = invocation.data.query
        view = self._control.upload(
            invocation.data.content,
            _media_type(invocation),
            name=query.name,
            base_path=query.basePath,
            prefix=query.prefix or "",
            bind=query.bind or "mock",
            authentication=query.authentication or "document",
            allow_public=bool(query.allowPublic),
            publish=bool(query.publish),
        )
        return view.plain(), 201, {"ETag": view.etag, "Location": f"/api/v1/apis/{view.id}"}

    def getApi(self, invocation: Invocation) -> Answer:  # noqa: N802
        """``GET /apis/{api}``."""
        return _tagged(self._control.get(invocation.data.path.api))

    def replaceApi(self, invocation: Invocation) -> Answer:  # noqa: N802
        """``PUT /apis/{api}``: the body is the document of the next revision."""
        query = invocation.data.query
        view = self._control.replace(
            invocation.data.path.api,
            invocation.data.content,
            _media_type(invocation),
            base_path=query.basePath,
            plan_only=bool(query.plan),
            publish=bool(query.publish),
            if_match=if_match(invocation),
        )
        return _tagged(view)

    def deleteApi(self, invocation: Invocation) -> Answer:  # noqa: N802
        """``DELETE /apis/{api}``."""
        self._control.delete(invocation.data.path.api, if_match(invocation))
        return Envelope(204)

    def listOperations(self, invocation: Invocation) -> Answer:  # noqa: N802
        """``GET /apis/{api}/operations``; with ``?operation=`` the one, in full."""
        api, wanted = invocation.data.path.api, invocation.data.query.operation
        if wanted is not None:
            return [self._control.operation(api, wanted).plain()]
        return [view.plain() for view in self._control.operations(api)]

    def listRevisions(self, invocation: Invocation) -> Answer:  # noqa: N802
        """``GET /apis/{api}/revisions``."""
        return [view.plain() for view in self._control.revisions(invocation.data.path.api)]

    def getDocument(self, invocation: Invocation) -> Answer:  # noqa: N802
        """``GET /apis/{api}/revisions/{revision}/document``: the bytes as they were uploaded."""
        path = invocation.data.path
        content, media_type = self._control.document(path.api, path.revision)
        return Envelope(200, content, media_type)

    # ---- decisions -----------------------------------------------------------------------------------------------

    def bindOperations(self, invocation: Invocation) -> Answer:  # noqa: N802
        """``PUT /apis/{api}/bindings``."""
        return self._decide(self._control.bind, invocation)

    def setTriggers(self, invocation: Invocation) -> Answer:  # noqa: N802
        """``PUT /apis/{api}/triggers``."""
        return self._decide(self._control.set_triggers, invocation)

    def listFunctions(self, invocation: Invocation) -> Answer:  # noqa: N802
        """``GET /functions``."""
        return self._control.functions

    def publishApi(self, invocation: Invocation) -> Answer:  # noqa: N802
        """``POST /apis/{api}/publish``."""
        return _tagged(self._control.publish(invocation.data.path.api, if_match(invocation)))

    def rollbackApi(self, invocation: Invocation) -> Answer:  # noqa: N802
        """``POST /apis/{api}/rollback``."""
        revision = invocation.data.body["revision"]
        return _tagged(self._control.rollback(invocation.data.path.api, revision, if_match(invocation)))

    def clearCache(self, invocation: Invocation) -> Answer:  # noqa: N802
        """``DELETE /apis/{api}/cache``."""
        query = invocation.data.query
        self._control.clear_cache(invocation.data.path.api, query.operation, query.key)
        return Envelope(204)

    def getSnapshot(self, invocation: Invocation) -> Answer:  # noqa: N802
        """``GET /snapshot``."""
        return self._control.snapshot().plain()

    # ---- who may call --------------------------------------------------------------------------------------------

    def rotateKey(self, invocation: Invocation) -> Answer:  # noqa: N802
        """``POST /keys/{id}/rotate``: the only answer that shows the new text."""
        overlap = (invocation.data.body or {}).get("overlap", 0)
        shown = self._control.keys.rotate(invocation.data.path.id, overlap, if_match(invocation))
        return shown.view, 200, {"ETag": shown.etag, "Cache-Control": "no-store"}

    def getAccess(self, invocation: Invocation) -> Answer:  # noqa: N802
        """``GET /access``."""
        query = invocation.data.query
        return self._control.access(query.method, query.path, query["as"])

    def renewClientSecret(self, invocation: Invocation) -> Answer:  # noqa: N802
        """``POST /clients/{id}/secret``: the only answer that shows the new secret."""
        shown = self._control.clients.renew_secret(invocation.data.path.id, if_match(invocation))
        return shown.view, 200, {"ETag": shown.etag, "Cache-Control": "no-store"}

    # ---- connections ---------------------------------------------------------------------------------------------

    def discoverEntities(self, invocation: Invocation) -> Answer:  # noqa: N802
        """``POST /connections/{id}/discovery``: the body, if there is one, is the description."""
        data = invocation.data
        asked = Asked(
            kind=data.query.kind,
            source=data.query["from"] or "",
            content=data.content or b"",
            media_type=(data.httpHeaders["content-type"] or "").partition(";")[0].strip().lower(),
            store=bool(data.query.store),
            replace=bool(data.query.replace),
        )
        return self._control.discoveries.discover(data.path.id, asked, if_match(invocation))

    # ---- who is at work ------------------------------------------------------------------------------------------

    def logIn(self, invocation: Invocation) -> Answer:  # noqa: N802
        """``POST /sessions``: the only answer that shows the session's token."""
        body = invocation.data.body
        view = self._control.sessions.log_in(body["name"], body["password"], invocation.data.httpClientIp or "")
        return view, 201, {"Cache-Control": "no-store"}

    def getMe(self, invocation: Invocation) -> Answer:  # noqa: N802
        """``GET /me``."""
        who = member(invocation)
        return {"name": who.name, "role": who.role, "logins": self._control.sessions.logins(who)}

    def makeToken(self, invocation: Invocation) -> Answer:  # noqa: N802
        """``POST /me/tokens``: the only answer that shows the token."""
        body = invocation.data.body
        seconds = body.get("days", 90) * 86_400.0
        view = self._control.sessions.make_token(member(invocation), body["name"], seconds)
        return view, 201, {"Cache-Control": "no-store"}

    def endLogin(self, invocation: Invocation) -> Answer:  # noqa: N802
        """``DELETE /me/logins/{id}``; ``current`` is the one that asks."""
        who = member(invocation)
        wanted = invocation.data.path.id
        self._control.sessions.end(who, who.login if wanted == "current" else wanted)
        return Envelope(204)

    def listAudit(self, invocation: Invocation) -> Answer:  # noqa: N802
        """``GET /audit``."""
        query = invocation.data.query
        return self._control.audit_log.entries(query.after or 0, query.limit or 100, query.subject)

    def verifyAudit(self, invocation: Invocation) -> Answer:  # noqa: N802
        """``GET /audit/verification``."""
        broken = self._control.audit_log.broken()
        return {"whole": broken is None, "brokenAt": broken}

    def renewSecrets(self, invocation: Invocation) -> Answer:  # noqa: N802
        """``POST /secrets/renewal``."""
        return self._control.renewal.renew()

    def getMetrics(self, invocation: Invocation) -> Answer:  # noqa: N802
        """``GET /metrics``."""
        return Envelope(200, self._control.metrics.text(), CONTENT_TYPE)

    def _decide(self, decide: Callable[..., View], invocation: Invocation) -> Answer:
        body = invocation.data.body
        if not isinstance(body, dict):
            raise Problem("validation", "the body must be an object: {key or operationId: {...}}")
        publish = bool(invocation.data.query.publish)
        return _tagged(decide(invocation.data.path.api, body, publish=publish, if_match=if_match(invocation)))


def handlers(control: Control) -> dict[str, Handler]:
    """operationId -> handler, for every operation of ``openapi.yaml``."""
    admin = Admin(control)
    names = [name for name in vars(Admin) if not name.startswith("_")]
    found = {name: getattr(admin, name) for name in names}
    found |= crud(control.keys, "Key", "Keys", "keys")
    found |= crud(control.rulesets, "Ruleset", "Rulesets", "rulesets")
    found |= crud(control.users, "User", "Users", "users")
    found |= crud(control.authorities, "Authority", "Authorities", "authorities")
    found |= crud(control.issuers, "Issuer", "Issuers", "issuers")
    found |= crud(control.clients, "Client", "Clients", "clients")
    found |= crud(control.applications, "Application", "Applications", "applications")
    found |= crud(control.access_policies, "AccessPolicy", "AccessPolicies", "access-policies")
    found |= connection_handlers(control.connections)
    found |= flow_handlers(control.flows, control.runs)
    found |= endpoint_handlers(control.endpoints)
    found |= run_handlers(control.runs)
    found |= webhook_handlers(Webhooks(control.connections))
    found |= signon_handlers(control.sign_on)
    return {name: _mapped(handler) for name, handler in found.items()}


def _mapped(handler: Handler) -> Handler:
    """The handler, with every exception of ours as the problem that a caller sees."""

    @functools.wraps(handler)
    def answer(invocation: Invocation) -> Answer:
        data = invocation.data
        who = Actor(data.username or "", data.httpClientIp or "", invocation.operation.operation_id or "")
        at_work = actor.set(who)
        try:
            return handler(invocation)
        except DocumentRefused as error:
            findings = [view.plain() for view in finding_views(error.findings)]
            raise Problem("document-refused", str(error), extra={"findings": findings}) from error
        except StoreConflict as error:
            raise Problem("precondition-failed", str(error)) from error
        except SettingInvalid as error:
            raise Problem("validation", str(error)) from error
        except SnapshotRefused as error:
            raise Problem("conflict", str(error)) from error
        except (OperationalError, OSError) as error:
            # a full disk, a lock that is held too long, a database that is away; the cause goes to the log
            detail = "the store cannot be read or written now; what was acknowledged is safe"
            raise Problem("unavailable", detail, headers=[("retry-after", "5")]) from error
        finally:
            actor.reset(at_work)

    return answer


def _tagged(view: Any) -> Answer:
    return view.plain(), 200, {"ETag": view.etag}


def _media_type(invocation: Invocation) -> str:
    """The media type of the body, without parameters."""
    written = invocation.data.httpHeaders["content-type"] or ""
    media_type: str = written.partition(";")[0].strip().lower()
    if media_type not in MEDIA_TYPES:
        raise Problem("unsupported-media-type", f"a document is one of {', '.join(MEDIA_TYPES)}")
    return media_type
