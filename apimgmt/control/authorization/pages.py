"""The authorization server over HTTP: a Flask application with the protocol's endpoints and one page for people.

The page asks for user name, password and consent at once, so there is no session that could be stolen or forged. A form
counts only if the browser says that it comes from this page (Sec-Fetch-Site, else Origin).
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from flask import Flask, Response, jsonify, render_template, request
from oauthlib.oauth2 import AccessDeniedError, FatalClientError, OAuth2Error
from sqlalchemy.exc import SQLAlchemyError

from apimgmt.control.authorization.server import Answer, AuthorizationServer, Person, Wanted
from apimgmt.errors import ApimgmtError, Problem

log = logging.getLogger("apimgmt.authorization")
RETRY_SECONDS = 60
FORM_BYTES = 64 * 1024
LOOPBACK = ("127.0.0.1", "::1")
SECURITY = {
    "Cache-Control": "no-store",
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}

# User name, password and the caller's address -> who that is, or nobody; raises Problem("quota-exceeded").
CheckPassword = Callable[[str, str, str], Person | None]


def pages(server: AuthorizationServer, check_password: CheckPassword) -> Flask:
    """The application; ``check_password`` is asked once for each form."""
    app = Flask("apimgmt.control.authorization", template_folder="templates", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = FORM_BYTES
    app.after_request(_protected)
    for kind in (ApimgmtError, SQLAlchemyError, OSError):
        app.register_error_handler(kind, _unavailable)

    @app.get("/oauth2/authorize")
    def ask() -> Any:
        try:
            return _consent(server, server.check(_query()))
        except (FatalClientError, OAuth2Error) as error:
            return _refused(server, error)

    @app.post("/oauth2/authorize")
    def decide() -> Any:
        try:
            wanted = server.check(_query())
        except (FatalClientError, OAuth2Error) as error:
            return _refused(server, error)
        if not _is_own_form(server.issuer):
            return _page("error.html", 403, message="This form was not sent from our page. Go back and try again.")
        if request.form.get("decision") != "allow":
            return _refused(server, AccessDeniedError(state=wanted.credentials.get("state")), wanted.redirect)
        try:
            person = check_password(request.form.get("username", ""), request.form.get("password", ""), _address())
        except Problem as problem:
            return _consent(server, wanted, problem.detail, problem.status)
        if person is None:
            return _consent(server, wanted, "User name or password is wrong.", 401)
        return _response(server.allow(_query(), wanted, person))

    @app.post("/oauth2/token")
    def token() -> Any:
        return _response(server.token(_body(), _headers()))

    @app.post("/oauth2/introspect")
    def introspect() -> Any:
        return _response(server.introspect(_body(), _headers()))

    @app.post("/oauth2/revoke")
    def revoke() -> Any:
        return _response(server.revoke(_body(), _headers()))

    @app.get("/oauth2/jwks")
    def jwks() -> Any:
        return jsonify(server.keys())

    @app.get("/.well-known/oauth-authorization-server")
    def metadata() -> Any:
        return jsonify(server.metadata())

    return app


def closed(issuer: str) -> Flask:
    """What answers instead where tokens would cross the network in clear."""
    app = Flask("apimgmt.control.authorization", template_folder="templates", static_folder=None)
    app.after_request(_protected)

    @app.route("/oauth2/<path:rest>", methods=["GET", "POST"])
    @app.route("/.well-known/oauth-authorization-server", defaults={"rest": ""})
    def refuse(rest: str) -> Any:
        message = f"Tokens are not given out at {issuer}, for it is not https: set public_url to the address that is."
        return _page("error.html", 503, message=message)

    return app


def _address() -> str:
    """The caller's address, as the relay of the gateway says it; nobody but it reaches this server from loopback."""
    peer = request.remote_addr or ""
    return request.headers.get("X-Forwarded-For", peer) if peer in LOOPBACK else peer


def _consent(server: AuthorizationServer, wanted: Wanted, wrong: str = "", status: int = 200) -> Any:
    """The page that asks; its form may lead to the application's own address and nowhere else."""
    parts = urlsplit(wanted.redirect)
    target = f"{parts.scheme}://{parts.netloc}"
    return _page(
        "consent.html",
        status,
        form_action=f"'self' {target}",
        client=wanted.client.name,
        scopes=wanted.scopes,
        target=target,
        wrong=wrong,
    )


def _refused(server: AuthorizationServer, error: OAuth2Error, redirect: str | None = None) -> Any:
    """Back to the application with the error, if the application is known; otherwise a page, never a redirect."""
    target = redirect or getattr(error, "redirect_uri", None)
    if isinstance(error, FatalClientError) or not target:
        return _page("error.html", 400, message=error.description or error.error)
    response = Response(status=302)
    response.headers["Location"] = server.signed(error.in_uri(target))
    return response


def _unavailable(error: Exception) -> Any:
    """Keys that do not fit, a store that is away: the operator reads why, the caller comes again."""
    log.error("the authorization server cannot answer: %s", error)
    if request.path.endswith("/authorize"):
        response = _page("error.html", 503, message="Nobody can be sent on at the moment. Try again later.")
    else:
        response = jsonify({"error": "temporarily_unavailable"})
        response.status_code = 503
    response.headers["Retry-After"] = str(RETRY_SECONDS)
    return response


def _page(template: str, status: int, form_action: str = "'none'", **values: Any) -> Any:
    response = Response(render_template(template, **values), status=status, mimetype="text/html")
    response.headers["Content-Security-Policy"] = (
        "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'; "
        f"form-action {form_action}"
    )
    return response


def _is_own_form(issuer: str) -> bool:
    """Whether the browser says that the form comes from our own page; a browser always says so for a POST."""
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site == "same-origin"
    return request.headers.get("Origin") == issuer


def _query() -> str:
    return request.query_string.decode("latin-1")


def _body() -> str:
    return request.get_data(as_text=True)


def _headers() -> dict[str, str]:
    wanted = ("Authorization", "Content-Type")
    return {name: request.headers[name] for name in wanted if name in request.headers}


def _response(answer: Answer) -> Response:
    response = Response(answer.body, status=answer.status)
    for name, value in answer.headers.items():
        response.headers[name] = value
    return response


def _protected(response: Response) -> Response:
    for name, value in SECURITY.items():
        response.headers.setdefault(name, value)
    return response
