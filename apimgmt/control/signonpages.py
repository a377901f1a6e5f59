"""The two addresses at which a browser comes by while somebody signs in to a connection; a Flask application."""

from __future__ import annotations

import logging
from typing import Any

from flask import Flask, Response, render_template, request
from sqlalchemy.exc import SQLAlchemyError

from apimgmt.control.authorization.pages import SECURITY
from apimgmt.control.signon import CALLBACK, START, TICKET_SECONDS, SignOn, SignOnRefused
from apimgmt.errors import ApimgmtError

log = logging.getLogger("apimgmt.connections")
POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'; form-action 'none'"


def signon_pages(sign_on: SignOn) -> Flask:
    """The application."""
    app = Flask("apimgmt.control.authorization", template_folder="templates", static_folder=None)
    app.after_request(_protected)
    app.register_error_handler(SignOnRefused, _refused)
    for kind in (ApimgmtError, SQLAlchemyError, OSError):
        app.register_error_handler(kind, _unavailable)

    # HEAD would use up what counts once, and whoever looks at links in mails sends it
    @app.route(START, methods=["GET"], provide_automatic_options=False)
    def start() -> Any:
        if request.method != "GET":
            return Response(status=405, headers={"Allow": "GET"})
        departure = sign_on.depart(request.args.get("ticket", ""))
        response = Response(status=302)
        response.headers["Location"] = departure.url
        response.set_cookie(
            departure.name,
            departure.mark,
            max_age=int(TICKET_SECONDS),
            path=CALLBACK,
            secure=sign_on.is_secure,
            httponly=True,
            samesite="Lax",
        )
        return response

    @app.route(CALLBACK, methods=["GET"], provide_automatic_options=False)
    def callback() -> Any:
        if request.method != "GET":
            return Response(status=405, headers={"Allow": "GET"})
        name = sign_on.arrive(request.args.to_dict(flat=False), request.cookies)
        log.info("somebody signed in to the connection %s", name)
        return _page(200, f"The connection {name} is signed in", "You can close this page.")

    return app


def _refused(error: Exception) -> Any:
    return _page(400, "This sign-in has not come about", str(error))


def _unavailable(error: Exception) -> Any:
    """A store that is away, keys that do not fit: the operator reads why, the person comes again."""
    log.error("a sign-in cannot be ended: %s", error)
    return _page(503, "This sign-in cannot be ended now", "Try again later; the operator finds the reason in the log.")


def _page(status: int, title: str, message: str) -> Response:
    page = render_template("signon.html", heading=title, message=message)
    return Response(page, status=status, mimetype="text/html")


def _protected(response: Response) -> Response:
    for name, value in {**SECURITY, "Content-Security-Policy": POLICY}.items():
        response.headers.setdefault(name, value)
    return response
