"""Users of the platform at the command line of the real product: from the password to the audit log."""

from __future__ import annotations

import json
import os
import subprocess
from typing import Any

import pytest
from product_platform import PROGRAM, TOKEN, Product

PASSWORD = "correct horse"


def run(product: Product, token: str, *arguments: str, typed: str = "", code: int = 0) -> Any:
    """A command of the product, and the JSON that it prints."""
    environment = {**os.environ, "APIMGMT_URL": product.admin.removesuffix("/api/v1"), "APIMGMT_TOKEN": token}
    command = [PROGRAM, *arguments, "--output", "json"]
    done = subprocess.run(command, env=environment, input=typed, capture_output=True, text=True)
    assert done.returncode == code, done.stdout + done.stderr
    return json.loads(done.stdout) if done.stdout else None


@pytest.fixture
def ann(product: Product) -> str:
    """The token of ann, an operator who logged in."""
    run(product, TOKEN, "users", "add", "ann", "--role", "operator", "--password-stdin", typed=PASSWORD)
    return str(run(product, "", "login", "--name", "ann", "--password-stdin", typed=PASSWORD)["token"])


def test_a_day_of_an_operator(product: Product, ann: str) -> None:
    """Who she is, what she may do and may not, in her name in the log; then she is removed."""
    assert run(product, ann, "whoami")["role"] == "operator"
    pipeline = run(product, ann, "tokens", "add", "pipeline", "--days", "1")
    made = run(product, pipeline["token"], "clients", "add", "nightly", "--scope", "read")
    assert made["clientSecret"] != run(product, ann, "clients", "secret", "nightly")["clientSecret"]
    assert run(product, ann, "users", "remove", "ann", code=1)["status"] == 403
    assert run(product, ann, "audit", code=1)["status"] == 403
    entries = run(product, TOKEN, "audit", "--subject", "client nightly")
    assert [(one["who"], one["action"]) for one in entries] == [("ann", "createClient"), ("ann", "renewClientSecret")]
    assert (entries[0]["address"], entries[1]["changed"]) == ("127.0.0.1", ["secret"])
    assert run(product, TOKEN, "audit", "--verify") == {"whole": True, "brokenAt": None}
    run(product, ann, "logout")
    assert run(product, ann, "whoami", code=1)["status"] == 401
    run(product, TOKEN, "users", "remove", "ann")
    assert run(product, pipeline["token"], "whoami", code=1)["status"] == 401
