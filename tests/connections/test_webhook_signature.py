"""Signatures of webhooks, held against the package of Standard Webhooks (S-48)."""

from __future__ import annotations

import base64
import random
from datetime import UTC, datetime

import pytest
from standardwebhooks import Webhook

from apimgmt.connections.webhooks.signature import SECRET_BYTES, TOLERANCE_SECONDS, Signatures, key_of
from apimgmt.errors import Problem, SettingInvalid

NOW = 1_780_000_000
OLD, NEW, FOREIGN = (f"whsec_{base64.b64encode(bytes([number]) * 32).decode()}" for number in (1, 2, 3))
BODY = '{"type": "order.created", "data": {"name": "Ægir \\u2603 ☃"}}'.encode()


def headers(secret: str = NEW, identity: str = "msg_1", timestamp: int = NOW, body: bytes = BODY) -> dict[str, str]:
    """What a sender with that secret sends."""
    signature = Signatures([secret]).sign(identity, timestamp, body)
    return {"webhook-id": identity, "webhook-timestamp": str(timestamp), "webhook-signature": signature}


def refusal(given: dict[str, str], body: bytes = BODY, now: float = NOW) -> str:
    """The code with which a receiver that is changing its secret from OLD to NEW refuses, or nothing."""
    try:
        Signatures([NEW, OLD]).check(given, body, now)
    except Problem as problem:
        assert problem.status == 401
        assert ("www-authenticate", "Webhook") in problem.headers
        return problem.code
    return ""


@pytest.mark.parametrize("number", range(20))
def test_we_sign_as_the_standard_does(number: int) -> None:
    """The same secret, id, time and body give the same signature as the package makes; theirs passes our check."""
    chance = random.Random(number)
    secret = f"whsec_{base64.b64encode(chance.randbytes(chance.choice([24, 32, 64]))).decode()}"
    identity, body = f"msg_{chance.randrange(10**9)}", BODY * chance.randrange(4)
    theirs = Webhook(secret).sign(identity, datetime.fromtimestamp(NOW, UTC), body.decode())
    assert Signatures([secret]).sign(identity, NOW, body) == theirs
    sent = {"webhook-id": identity, "webhook-timestamp": str(NOW), "webhook-signature": theirs}
    assert Signatures([secret]).check(sent, body, NOW) == identity


GOOD = {
    "now": (headers(), BODY, NOW),
    "with the secret that is being replaced": (headers(OLD), BODY, NOW),
    "signed with both": (headers() | {"webhook-signature": Signatures([OLD, NEW]).sign("msg_1", NOW, BODY)}, BODY, NOW),
    "at the end of the tolerance": (headers(), BODY, NOW + TOLERANCE_SECONDS),
    "from a clock ahead, at the end of the tolerance": (headers(), BODY, NOW - TOLERANCE_SECONDS),
    "with a signature of a later version beside it": (
        headers() | {"webhook-signature": "v2,AAAA v1a,BBBB " + headers()["webhook-signature"]},
        BODY,
        NOW,
    ),
    "an empty body": (headers(body=b""), b"", NOW),
    "bytes that are not UTF-8": (headers(body=b"\xff\x00"), b"\xff\x00", NOW),
}
BAD = {
    "one past the tolerance": (headers(), BODY, NOW + TOLERANCE_SECONDS + 1, "credential-expired"),
    "one past it ahead": (headers(), BODY, NOW - TOLERANCE_SECONDS - 1, "credential-expired"),
    "a foreign secret": (headers(FOREIGN), BODY, NOW, "credential-unknown"),
    "another body": (headers(), BODY + b" ", NOW, "credential-unknown"),
    "the body cut": (headers(), BODY[:-1], NOW, "credential-unknown"),
    "another id": (headers() | {"webhook-id": "msg_2"}, BODY, NOW, "credential-unknown"),
    "another time": (headers() | {"webhook-timestamp": str(NOW + 1)}, BODY, NOW, "credential-unknown"),
    "the time written otherwise": (headers() | {"webhook-timestamp": f"0{NOW}"}, BODY, NOW, "credential-unknown"),
    "id and body cut elsewhere": (
        headers(identity="a.1", body=b"x") | {"webhook-id": "a"},
        b"x",
        NOW,
        "credential-unknown",
    ),
    "a signature of another version": (
        headers() | {"webhook-signature": headers()["webhook-signature"].replace("v1", "v2")},
        BODY,
        NOW,
        "credential-unknown",
    ),
    "a signature that is no Base64": (headers() | {"webhook-signature": "v1,?"}, BODY, NOW, "credential-unknown"),
    "a signature without version": (headers() | {"webhook-signature": "AAAA"}, BODY, NOW, "credential-unknown"),
    "an empty signature": (headers() | {"webhook-signature": "v1,"}, BODY, NOW, "credential-unknown"),
    "the right one behind too many": (
        headers() | {"webhook-signature": "v1,AA== " * 10 + headers()["webhook-signature"]},
        BODY,
        NOW,
        "credential-unknown",
    ),
    "a time that is no number": (headers() | {"webhook-timestamp": "nan"}, BODY, NOW, "credential-malformed"),
    "a negative time": (headers() | {"webhook-timestamp": "-1"}, BODY, NOW, "credential-malformed"),
    "Arabic digits": (headers() | {"webhook-timestamp": "١٢"}, BODY, NOW, "credential-malformed"),
    "an id that is too long": (headers(identity="m" * 257), BODY, NOW, "credential-malformed"),
    "an id with a space": (headers(identity="m 1"), BODY, NOW, "credential-malformed"),
    **{
        f"no {name}": ({key: value for key, value in headers().items() if key != name}, BODY, NOW, "credential-missing")
        for name in headers()
    },
}


@pytest.mark.parametrize("name", GOOD)
def test_what_is_genuine_passes(name: str) -> None:
    """Every way in which an honest sender may sign."""
    given, body, now = GOOD[name]
    assert refusal(given, body, now) == ""


@pytest.mark.parametrize("name", BAD)
def test_what_is_not_genuine_is_refused(name: str) -> None:
    """Forged, changed, stale or malformed: 401 with the reason."""
    given, body, now, code = BAD[name]
    assert refusal(given, body, now) == code


@pytest.mark.parametrize("number", range(40))
def test_one_changed_bit_of_the_body_is_refused(number: int) -> None:
    """Wherever it is."""
    chance = random.Random(number)
    changed = bytearray(BODY)
    changed[chance.randrange(len(BODY))] ^= 1 << chance.randrange(8)
    assert refusal(headers(), bytes(changed)) == "credential-unknown"


@pytest.mark.parametrize("size", [0, SECRET_BYTES[0] - 1, SECRET_BYTES[-1] + 1])
def test_a_secret_of_the_wrong_size_is_refused(size: int) -> None:
    """24 to 64 bytes, with or without the prefix; nothing else is a secret."""
    for good in (SECRET_BYTES[0], SECRET_BYTES[-1]):
        assert len(key_of(base64.b64encode(bytes(good)).decode())) == good
    with pytest.raises(SettingInvalid, match="24 to 64"):
        key_of(f"whsec_{base64.b64encode(bytes(size)).decode()}")
    with pytest.raises(SettingInvalid):
        key_of("whsec_not base64!")
