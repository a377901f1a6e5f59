"""Cleaning in the running product: set by REST and by command, shown, at once in force."""

from __future__ import annotations

import json
import os
import subprocess
from typing import Any

import pytest
import requests
from product_platform import PATIENCE_SECONDS, PROGRAM, TOKEN, Product

SCHEMA = {"type": "object", "properties": {"name": {"type": "string", "minLength": 1, "maxLength": 3}}}
OPERATION = {
    "requestBody": {"content": {"application/json": {"schema": SCHEMA}}},
    "responses": {"200": {"description": "ok"}},
}
DOCUMENT = {
    "openapi": "3.1.0",
    "info": {"title": "Cleaning", "version": "1"},
    "servers": [{"url": "/cleaning"}],
    "paths": {
        "/own": {"post": {"operationId": "own", **OPERATION}},
        "/other": {"post": {"operationId": "other", **OPERATION}},
    },
}


@pytest.mark.rows("H-100")
def test_texts_are_cleaned_as_was_set(product: Product) -> None:
    """For the whole API by REST, for one operation by command; an unknown step is refused and changes nothing."""
    product.upload("cleaning", DOCUMENT)
    product.bind("cleaning", {"own": {"kind": "echo"}, "other": {"kind": "echo"}})
    key = product.key("cleaning")

    def name(path: str, text: str) -> Any:
        url, fields = f"{product.gateway}/cleaning/{path}", {"X-API-Key": key}
        answer = requests.post(url, json={"name": text}, headers=fields, timeout=PATIENCE_SECONDS)
        return answer.json()["body"]["name"] if answer.ok else answer.json()["errors"][0]["code"]

    assert name("own", " ann ") == "maxLength"
    product.ask("PUT", "/apis/cleaning/triggers", {"*": {"textCleaning": ["trim"]}}, publish="true")
    assert [name("own", " ann "), name("own", "  "), name("other", "an\u202e ")] == ["ann", "minLength", "an\u202e"]
    command(product, "other", 'textCleaning=["trim", "control"]')
    assert [name("other", " an\u202en "), name("own", "an\u202en")] == ["ann", "maxLength"]
    assert json.loads(command(product, "other", "--output=json"))["textCleaning"] == ["trim", "control"]
    with pytest.raises(requests.HTTPError, match="/own/textCleaning/0"):
        product.ask("PUT", "/apis/cleaning/triggers", {"own": {"textCleaning": ["wash"]}}, publish="true")
    assert name("own", " ann ") == "ann"


def command(product: Product, operation: str, argument: str) -> str:
    """``apimgmt trigger`` as a person runs it; an argument with ``=`` that is no option is set."""
    arguments = [argument] if argument.startswith("--") else ["--set", argument]
    environment = {**os.environ, "APIMGMT_URL": product.admin.removesuffix("/api/v1"), "APIMGMT_TOKEN": TOKEN}
    return subprocess.run(
        [PROGRAM, "trigger", "cleaning", operation, *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=True,
    ).stdout
