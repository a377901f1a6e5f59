"""A Connexion application: async functions, files, the request and its context, Starlette and Flask responses."""

import flask
from connexion import context, request
from connexion.exceptions import Forbidden, OAuthProblem
from connexion.lifecycle import ConnexionResponse
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, StreamingResponse


async def upload(body, document, extras=None):
    """Fields in the body, files by name, read without a thread."""
    return {
        "body": body,
        "document": [document.filename, document.content_type, (await document.read()).decode()],
        "extras": [(await extra.read()).decode() for extra in extras or []],
    }


def upload_sync(document):
    """A file in a thread, read in the way of either framework."""
    first = document.read()
    document.file.seek(0)
    return {"same": first == document.file.read(), "name": document.filename}, 201


async def look(x_request_id, session=None, user=None, token_info=None, context_=None):
    """The request read twice, header and cookie by name, the caller."""
    one, two = await request.body(), await request.json()
    return {
        "body": one.decode(),
        "json": two,
        "method": request.method,
        "agent": request.headers["user-agent"],
        "x": x_request_id,
        "session": session,
        "user": user,
        "context": dict(context.context) == context_,
        "token": token_info,
    }


async def answer(kind, **kwargs):
    """Every kind of response, and every kind of exception."""
    answers = {
        "connexion": lambda: ConnexionResponse(202, content_type="text/csv", body="a,b", headers={"X-A": "1"}),
        "starlette": lambda: JSONResponse({"a": 1}, 203, {"X-A": "1"}),
        "stream": lambda: StreamingResponse(iter(["a", "b"]), media_type="text/plain"),
        "flask": lambda: flask.Response("f", 418, [("X-A", "1"), ("X-A", "2")]),
        "kwargs": lambda: kwargs,
        "headers": lambda: ({"a": 1}, {"X-A": "1"}),
        "three": lambda: ({"a": 1}, 201, {"X-A": "1"}),
    }
    if kind in answers:
        return answers[kind]()
    raise {
        "http": HTTPException(404, "no such thing", headers={"X-A": "1"}),
        "forbidden": Forbidden("not you"),
        "oauth": OAuthProblem("who are you"),
        "exit": SystemExit(1),
        "defect": RuntimeError("SELECT secret FROM passwords"),
    }[kind]


def stop():
    """flask.abort with a response of its own."""
    flask.abort(flask.Response("stopped", 410))
