"""A connection: made of its settings, called by processes, its secrets put on the wire and nowhere else."""

from __future__ import annotations

import time
from typing import Any

import pytest
import responses

import apimgmt
import apimgmt.asgi
from apimgmt.connections.address import joined
from apimgmt.connections.configuration import Configuration, with_secrets
from apimgmt.connections.connection import Connection
from apimgmt.connections.known import connections
from apimgmt.errors import ConnectionFailed, SettingInvalid
from apimgmt.reading import read
from apimgmt.settings import Settings


def made(**members: Any) -> Connection:
    """A connection to ``http://crm.example`` that waits for nothing."""
    given = {"baseUrl": "http://crm.example/v2", "retries": {"delay": 0}, **members}
    return Connection("crm", read(given, Configuration), given.pop("entities", {}), Settings())


@pytest.mark.rows("C-001")
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "PATCH"])
@responses.activate
def test_a_call_sends_the_method_and_gives_the_answer(method: str) -> None:
    """Every method of REST goes out as asked, whatever the status of the answer."""
    responses.add(method, "http://crm.example/v2/customers", json={"id": 1}, status=404)
    reply = made().call(method, "/customers")
    assert (reply.status, reply.outcome, reply.json()) == (404, "client-error", {"id": 1})


@pytest.mark.rows("C-007")
@pytest.mark.parametrize("base", ["https://api.example.com/v2", "https://api.example.com/v2/"])
@pytest.mark.parametrize("path", ["/customers", "customers"])
def test_base_url_and_path_have_one_slash_between_them(base: str, path: str) -> None:
    """Neither a double nor a missing slash."""
    assert joined(base, path) == "https://api.example.com/v2/customers"


@pytest.mark.rows("C-014")
@responses.activate
def test_a_bearer_token_is_sent() -> None:
    """As ``Authorization: Bearer <token>``."""
    responses.add("GET", "http://crm.example/v2/", json=[])
    made(authentication={"kind": "bearer", "token": "t0ken"}).get("/")
    assert responses.calls[0].request.headers["Authorization"] == "Bearer t0ken"


@pytest.mark.rows("C-018")
def test_secrets_are_found_wherever_they_are() -> None:
    """Each secret goes through the function, nothing else does."""
    settings = {
        "baseUrl": "https://x.example",
        "authentication": {"kind": "bearer", "token": "a"},
        "tls": {"key": "b", "certificate": "c"},
        "proxy": {"url": "http://p", "password": "d"},
        "secretHeaders": {"X-Key": "e"},
    }
    assert with_secrets(settings, str.upper) == {
        "baseUrl": "https://x.example",
        "authentication": {"kind": "bearer", "token": "A"},
        "tls": {"key": "B", "certificate": "c"},
        "proxy": {"url": "http://p", "password": "D"},
        "secretHeaders": {"X-Key": "E"},
    }


def test_an_internal_address_is_not_called() -> None:
    """The egress guard stands before every connection."""
    with pytest.raises(ConnectionFailed) as caught:
        made(baseUrl="http://127.0.0.1:9").get("/")
    assert caught.value.cause == "forbidden-address"


def test_a_process_finds_its_connection_by_name() -> None:
    """An unknown name says which there are."""
    with pytest.raises(SettingInvalid, match="there is no connection 'nowhere'"):
        apimgmt.connection("nowhere")
    assert connections.names() == sorted(connections.names())


@responses.activate
def test_retries_end_with_the_last_answer() -> None:
    """Three retries, then what came last."""
    responses.add("GET", "http://crm.example/v2/", status=503)
    began = time.monotonic()
    assert made().get("/").status == 503
    assert len(responses.calls) == 4
    assert time.monotonic() - began < 5
