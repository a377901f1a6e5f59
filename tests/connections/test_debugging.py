"""What the debug log shows of a call: everything but its secrets."""

from __future__ import annotations

import base64
import json
import logging
import re

import pytest

from apimgmt.connections import Call, Reply
from apimgmt.connections.layers.debugging import (
    MOST_SIGNS,
    Masking,
    in_basic,
    is_secret_name,
    log_call,
    log_failure,
    log_reply,
)

SECRET = "s3cret/+ä value"


@pytest.mark.parametrize(
    "name",
    [
        "Authorization", "Proxy-Authorization", "Cookie", "Set-Cookie", "X-API-Key", "api_key", "apikey", "apiKey",
        "key", "Ocp-Apim-Subscription-Key", "x-functions-key", "access_token", "refreshToken", "X-Auth",
        "client_secret",
        "password", "passwd", "pwd", "sig", "X-Amz-Signature", "X-Amz-Credential", "sessionid", "code", "assertion",
        "privateKey", "X-Vault-Token", "pin",
    ],
)  # fmt: skip
def test_names_of_secrets_are_known(name: str) -> None:
    """In headers, queries and bodies."""
    assert is_secret_name(name)


@pytest.mark.parametrize(
    "name", ["Content-Type", "Accept", "Idempotency-Key", "status", "keyboard", "X-Request-ID", "monkey", "postcode"]
)
def test_other_names_are_none(name: str) -> None:
    """A log that masks everything helps nobody."""
    assert not is_secret_name(name)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://a.example/x?a=1&token=abc#part", "https://a.example/x?a=1&token=***"),
        ("https://u:p@a.example/", "https://a.example/"),
        ("https://a.example/hush-hush/x?q=hush-hush", "https://a.example/***/x?q=***"),
        ("http://[::1/", "***"),
        ("https://a.example/?api_key=&x", "https://a.example/?api_key=***&x="),
    ],
)
def test_urls(url: str, shown: str) -> None:
    """Secret parameters by name, known secrets anywhere, never a user name."""
    assert Masking(["hush-hush"]).url(url) == shown


def test_headers() -> None:
    """By name, by what the connection says is secret, by value, and in the query of a Location."""
    fields = (
        ("Authorization", "Bearer x"), ("X-Own", "y"), ("X-Note", "it is hush-hush"), ("Accept", "a"), ("Accept", "b"),
        ("location", "https://a.example/?code=z"),
    )  # fmt: skip
    assert Masking(["hush-hush"], ["x-own"]).headers(fields) == {
        "Authorization": "***",
        "X-Own": "***",
        "X-Note": "it is ***",
        "Accept": "a, b",
        "location": "https://a.example/?code=***",
    }


@pytest.mark.parametrize(
    ("content", "kind", "shown"),
    [
        (b'{"user": {"name": "a", "password": "b"}, "tokens": ["c", "d"], "notes": ["hush-hush"], "n": 1}',
         "application/json",
         '{"user":{"name":"a","password":"***"},"tokens":"***","notes":["***"],"n":1}'),
        (b'{"access_token": 5}', "application/vnd.x+json; charset=utf-8", '{"access_token":"***"}'),
        (b"grant_type=x&client_secret=y&scope=a", "application/x-www-form-urlencoded",
         "grant_type=x&client_secret=***&scope=a"),
        (b"<password>x</password>", "text/xml", "22 bytes of text/xml"),
        (b"{no json: hush-hush", "application/json", "19 bytes of application/json"),
        (b"\x00", "", "1 bytes of no type"),
        (b"", "", "nothing"),
    ],
    ids=["json", "json-suffix", "form", "xml", "broken", "no-type", "empty"],
)  # fmt: skip
def test_bodies(content: bytes, kind: str, shown: str) -> None:
    """JSON and forms are looked into, of the rest only the length is told."""
    assert Masking(["hush-hush"]).body(content, kind) == shown


def test_long_bodies_are_cut() -> None:
    """At so many signs, with the length of the whole."""
    fits, longer = (b'"%s"' % (b"x" * length) for length in (MOST_SIGNS - 2, MOST_SIGNS - 1))
    assert Masking().body(fits, "application/json") == fits.decode()
    assert Masking().body(longer, "application/json").endswith(f"... ({len(longer)} bytes)")


def test_no_secret_is_in_any_line(caplog: pytest.LogCaptureFixture) -> None:
    """A secret of the connection in every place and every spelling that a call has."""
    masking = Masking([SECRET])
    quoted = "s3cret%2F%2B%C3%A4%20value"
    call = Call(
        method="POST",
        url=f"https://a.example/{quoted}?q={quoted}&r=s3cret%2F%2B%C3%A4+value",
        headers=(("X-A", SECRET), ("Cookie", SECRET), ("Content-Type", "application/json")),
        content=f'{{"deep": [{{"a": "{SECRET}"}}]}}'.encode(),
    )
    with caplog.at_level(logging.DEBUG, "apimgmt.connections"):
        log_call(call, masking, logging.DEBUG)
        log_reply(call, Reply(200, (("x-b", SECRET), ("set-cookie", "sid=1"))), masking, logging.DEBUG)
        log_failure(call, "timeout", masking, logging.DEBUG)
    assert len(caplog.messages) == 3
    for line in caplog.messages:
        assert "s3cret" not in line and "value" not in line and "\n" not in line


def test_basic_credentials_are_masked_though_they_are_encoded() -> None:
    """The field is masked by its name."""
    encoded = base64.b64encode(b"user:hush-hush").decode()
    assert Masking(["hush-hush"]).headers((("authorization", f"Basic {encoded}"),)) == {"authorization": "***"}


def test_what_a_call_was_signed_with_is_masked_wherever_the_answer_repeats_it(caplog: pytest.LogCaptureFixture) -> None:
    """A token that was fetched, a password in Base64, a field that is said to be secret: in fields of other names."""
    for value in ("Bearer fetched-token", f"Basic {in_basic('user', 'hush-hush')}"):
        call = Call(method="GET", url="https://a.example/", headers=(("Authorization", value), ("X-Own", "own-secret")))
        with caplog.at_level(logging.DEBUG, "apimgmt.connections"):
            log_reply(call, Reply(500, (("x-seen", f"{value} own-secret"),)), Masking((), ["x-own"]), logging.DEBUG)
    assert len(caplog.messages) == 2
    for line in caplog.messages:
        assert not re.search("fetched|own-|aHVzaC|dXNlc", line) and "*** ***" in line


def test_secrets_are_masked_as_json_writes_them() -> None:
    """In the text of a body, with its escapes."""
    secret = 'hush "ä" \\ hush'
    for text in (json.dumps({"a": secret}), json.dumps({"a": secret}, ensure_ascii=False)):
        assert Masking([secret]).text(text) == '{"a": "***"}'


def test_lines_stay_lines(caplog: pytest.LogCaptureFixture) -> None:
    """What comes from another system cannot write a second line into the log."""
    with caplog.at_level(logging.DEBUG, "apimgmt.connections"):
        call = Call(method="GET", url="https://a.example/")
        log_reply(call, Reply(200, (("x", "a\r\nERROR forged"),)), Masking(), logging.DEBUG)
    assert "\n" not in caplog.messages[0]
