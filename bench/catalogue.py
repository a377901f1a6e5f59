"""The table of subjects: the one place that says what is measured and how each is started.

Every server has one worker, its access log off, and the fastest event loop and parser that its documentation names.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from bench.subjects import Command, Place, Subject, product

FOLDER = Path(__file__).parent
DOCUMENT = str(FOLDER / "api.yaml")
NODE = FOLDER / "node"

NO_KEY_VALUES = "a mock server looks whether a key is sent, not which"


def _uvicorn(application: str, **environment: str) -> Callable[[Place], Command]:
    """One uvicorn process with uvloop and httptools, which is what ``uvicorn[standard]`` picks."""

    def prepare(place: Place) -> Command:
        arguments = (sys.executable, "-m", "uvicorn", application, "--port", str(place.port), "--workers", "1")
        speed = ("--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "warning")
        return Command((*arguments, *speed), environment)

    return prepare


def _node(script: str) -> Callable[[Place], Command]:
    """One Node process, in production mode."""

    def prepare(place: Place) -> Command:
        arguments = ("node", str(NODE / script), DOCUMENT, str(place.port))
        return Command(arguments, {"NODE_ENV": "production"})

    return prepare


def _prism(place: Place) -> Command:
    """Prism as a mock server, its log off."""
    program = str(NODE / "node_modules/@stoplight/prism-cli/dist/index.js")
    options = ("mock", "--multiprocess", "false", "--verboseLevel", "silent", "--port", str(place.port), DOCUMENT)
    return Command(("node", program, *options), {"NODE_ENV": "production"})


CONNEXION = {"APIKEYINFO_FUNC": "bench.handlers.check_key"}
OURS = ("py:apimgmt", "py:gunicorn", "py:uvloop", "py:httptools")
UVICORN = ("py:uvicorn", "py:uvloop", "py:httptools")

SUBJECTS = (
    Subject("apimgmt", product.gateway("python", "handlers.py"), OURS),
    Subject("apimgmt, key + limit + CORS", product.gateway("python", "handlers.py", product.GUARD), OURS),
    Subject("apimgmt, sync handlers", product.gateway("python", "handlers_sync.py"), OURS),
    Subject("apimgmt, mock", product.gateway("mock"), OURS, mock=True),
    Subject("apimgmt, mock, cached GET", product.gateway("mock", policies=product.CACHE), OURS, mock=True),
    Subject("bare ASGI, same server", product.bare, OURS, checks=False),
    Subject("bare ASGI, uvicorn", _uvicorn("bench.subjects.bare:app"), UVICORN, checks=False),
    Subject(
        "Connexion AsyncApp", _uvicorn("bench.subjects.connexion_async:app", **CONNEXION), ("py:connexion", *UVICORN)
    ),
    Subject(
        "Connexion FlaskApp",
        _uvicorn("bench.subjects.connexion_flask:app", **CONNEXION),
        ("py:connexion", "py:flask", "py:a2wsgi", *UVICORN),
    ),
    Subject("FastAPI", _uvicorn("bench.subjects.fastapi_shop:app"), ("py:fastapi", "py:pydantic", *UVICORN)),
    Subject(
        "Prism",
        _prism,
        ("npm:@stoplight/prism-cli",),
        mock=True,
        gaps={"get with wrong key": NO_KEY_VALUES, "post with wrong key": NO_KEY_VALUES},
    ),
    Subject("openapi-backend", _node("openapi_backend.js"), ("npm:openapi-backend", "npm:express")),
    Subject(
        "express-openapi-validator",
        _node("express_openapi_validator.js"),
        ("npm:express-openapi-validator", "npm:express"),
    ),
    Subject("fastify-openapi-glue", _node("fastify_openapi_glue.js"), ("npm:fastify-openapi-glue", "npm:fastify")),
)
