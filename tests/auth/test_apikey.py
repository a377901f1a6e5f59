"""API keys: where they are found, what is said about a wrong one, and to whom (apimgmt/auth/apikey.py)."""

from __future__ import annotations

import hashlib
import time
from typing import Any

import pytest
from connexion.security import NO_VALUE

from apimgmt.auth import Surroundings
from apimgmt.auth.access import Access
from apimgmt.auth.apikey import ApiKey, BearerKey, Keys
from apimgmt.errors import Problem
from apimgmt.model import ApiEntry, KeyEntry, Rule, Snapshot
from apimgmt.request import Request, Target
from apimgmt.settings import Settings
from apimgmt.shared import Shared

TARGET = Target("GET", "/v1/pet/{id}")
ALL = (Rule(),)


SURROUNDINGS = Surroundings(
    ApiEntry(id="api", name="api", base_path="/v1", revision=1, digest=""), Settings(), Shared(Settings())
)


def digest(text: str) -> str:
    """What is kept of a text."""
    return hashlib.sha256(text.encode()).hexdigest()


def access(*rules: Rule) -> Access:
    """One key "secret" named "crm" with these rules."""
    key = KeyEntry(id="k1", name="crm", digest=digest("secret"), rules=rules)
    return Access(Snapshot(number=1, created="", keys=(key,)))


def credentials(
    headers: dict[bytes, bytes] | None = None, query: bytes = b"", rules: tuple[Rule, ...] = ALL
) -> Request:
    """A request with these header fields and this query."""
    request = Request([], 0, headers or {}, query, access(*rules))
    request.target = TARGET
    return request


HEADER = {"type": "apiKey", "in": "header", "name": "X-API-Key"}
QUERY = {"type": "apiKey", "in": "query", "name": "api key"}
COOKIE = {"type": "apiKey", "in": "cookie", "name": "key"}


@pytest.mark.rows("F-036", "F-067", "H-013", "H-014")
@pytest.mark.parametrize(
    ("handler", "scheme", "headers", "query"),
    [
        (ApiKey, HEADER, {b"x-api-key": b"secret"}, b""),
        (ApiKey, QUERY, {}, b"a=1&api%20key=secret"),
        (ApiKey, QUERY, {}, b"api+key=%73ecret"),
        (ApiKey, COOKIE, {b"cookie": b"a=b; key=secret"}, b""),
        (BearerKey, {}, {b"authorization": b"Bearer secret"}, b""),
        (BearerKey, {}, {b"authorization": b"bearer  secret"}, b""),
    ],
)
def test_a_known_key_is_found_where_the_scheme_says(handler: Any, scheme: Any, headers: Any, query: bytes) -> None:
    """Header, query, cookie and bearer; the caller is the key's name."""
    assert handler(SURROUNDINGS).get_fn(scheme, [])(credentials(headers, query))["sub"] == "crm"


@pytest.mark.parametrize(
    ("handler", "scheme", "headers"),
    [
        (ApiKey, HEADER, {}),
        (ApiKey, COOKIE, {b"cookie": b"other=secret"}),
        (BearerKey, {}, {b"authorization": b"Basic secret"}),
        (BearerKey, {}, {}),
    ],
)
def test_no_credential_of_the_kind_is_no_value(handler: Any, scheme: Any, headers: Any) -> None:
    """Another alternative may still let the caller in."""
    assert handler(SURROUNDINGS).get_fn(scheme, [])(credentials(headers)) is NO_VALUE


# whole texts, written out so that the tests have the same names in every process
GOOD = "apim_default_qnqUohbkpKJJjCLvZmM9dROO04R4YhgNXmpqPG7KuTx_4YTKHp"
OTHER = "apim_staging_Jjf5WVkBydUN894JlbGBS3az2OhGm1CE3ZnKYtzIdBs_4GTrkp"
NOBODYS = "apim_default_yBQpxN70LQy5jfr2NXqn3Z4Ayu7DGVGwR61vwnIgNTg_1lu9FK"
EXPIRED, OLD, LATE = "apik_expired", "apik_old", "apik_late"
NOW = time.time()


def entry(name: str, text: str, **fields: Any) -> KeyEntry:
    """A key with this text."""
    return KeyEntry(id=f"id-{name}", name=name, digest=digest(text), **{"rules": ALL, **fields})


KEYS = (
    entry("good", GOOD, older={digest(OLD): NOW + 1000, digest(LATE): NOW - 1}),
    entry("poor", "apik_poor", rules=(Rule(path="/v1/pets/**", ruleset="readers"),)),
    entry("writer", "apik_writer", rules=(Rule(methods=("POST",)),)),
    entry("expired", EXPIRED, expires=NOW - 1),
    entry("short", "apik_short", expires=NOW - 1, older={digest("apik_long"): NOW + 1000}),
    entry("revoked", "apik_revoked", revoked=True, older={digest("apik_revoked-old"): NOW + 1000}, rules=()),
    entry("staged", OTHER, environment="staging"),
)


def refusal(text: str | bytes, header: bytes = b"x-api-key") -> Problem:
    """What is said to a caller with this text."""
    sent = text.encode() if isinstance(text, str) else text
    request = Request([], 0, {header: sent}, b"", Access(Snapshot(number=1, created="", keys=KEYS)))
    request.target = TARGET
    handler = (
        ApiKey(SURROUNDINGS).get_fn(HEADER, []) if header == b"x-api-key" else BearerKey(SURROUNDINGS).get_fn({}, [])
    )
    with pytest.raises(Problem) as caught:
        handler(request)
    return caught.value


@pytest.mark.rows("F-037", "H-015", "H-041", "H-099", "H-108", "X-003")
@pytest.mark.parametrize(
    ("text", "code", "reason"),
    [
        ("apik_nobody", "credential-unknown", "no key has this text"),
        (NOBODYS, "credential-unknown", "no key has this text, which names the environment 'default'"),
        (OTHER, "credential-unknown", "key id-staged (staged): it belongs to the environment 'staging'"),
        ("", "credential-malformed", ""),
        ("apik_poor, apik_poor", "credential-malformed", ""),
        ("two words", "credential-malformed", ""),
        ("é", "credential-malformed", ""),
        (b"\xff\xfe", "credential-malformed", ""),
        (GOOD[:-1], "credential-malformed", ""),
        (GOOD.swapcase(), "credential-unknown", ""),
        (GOOD[:-10] + "x" + GOOD[-9:], "credential-malformed", ""),
        (EXPIRED, "credential-expired", "key id-expired (expired)"),
        (LATE, "credential-expired", "key id-good (good)"),
        ("apik_long", "credential-expired", "key id-short (short)"),
        ("apik_revoked", "credential-revoked", "key id-revoked (revoked)"),
        ("apik_revoked-old", "credential-revoked", "key id-revoked (revoked)"),
        (
            "apik_poor",
            "forbidden",
            "key id-poor (poor): no rule covers GET '/v1/pet/{id}'; "
            "looked at: any method /v1/pets/** (ruleset readers)",
        ),
        ("apik_writer", "forbidden", "key id-writer (writer)"),
    ],
)
def test_a_refusal_says_what_is_wrong_and_to_the_operator_why(text: str | bytes, code: str, reason: str) -> None:
    """Of the key itself neither of them gets anything but its name and id; those are not for the caller."""
    problem = refusal(text)
    assert (problem.code, problem.status) == (code, 403 if code == "forbidden" else 401)
    assert problem.reason.startswith(reason) and problem.reason
    shown = str(problem.document())
    assert "id-" not in shown and "staging" not in shown
    plain = text.decode("latin-1") if isinstance(text, bytes) else text
    if len(plain) > 5:
        assert plain not in shown and plain not in problem.reason


def test_a_text_that_a_rotation_replaced_counts_until_its_time() -> None:
    """It is the same caller (H-097)."""
    request = Request([], 0, {b"x-api-key": OLD.encode()}, b"", Access(Snapshot(number=1, created="", keys=KEYS)))
    request.target = TARGET
    assert ApiKey(SURROUNDINGS).get_fn(HEADER, [])(request)["sub"] == "good"


@pytest.mark.rows("H-108")
@pytest.mark.parametrize(
    "value", ["Bearer", "Bearer ", "bearer  ", GOOD, "", f"Bearer {GOOD}, Bearer {GOOD}", "Bearer a b"]
)
def test_an_authorization_field_that_cannot_be_read_is_malformed(value: str) -> None:
    """Without a text, without a scheme, with two: 401, and it says so instead of "no key"."""
    problem = refusal(value, b"authorization")
    assert problem.code == "credential-malformed"
    assert GOOD not in str(problem.document()) + problem.reason


@pytest.mark.parametrize(
    ("scheme", "headers", "query"),
    [
        (QUERY, {}, b"api+key=secret&api%20key=secret"),
        (QUERY, {}, b"api+key=other&api+key=secret"),
        (COOKIE, {b"cookie": b"key=secret; key=other"}, b""),
    ],
)
def test_two_keys_are_one_too_many(scheme: Any, headers: Any, query: bytes) -> None:
    """Whichever of them is right: two readers might take two different ones."""
    with pytest.raises(Problem) as caught:
        ApiKey(SURROUNDINGS).get_fn(scheme, [])(credentials(headers, query))
    assert caught.value.code == "credential-malformed"


def test_a_key_ends_at_its_second(monkeypatch: pytest.MonkeyPatch) -> None:
    """Just before its end it counts, at its end it does not."""
    keys = Keys([entry("k", "apik_k", expires=1000.0)])
    key = keys.find(b"apik_k")
    assert key is not None
    monkeypatch.setattr(time, "time", lambda: 999.999)
    assert key.deciding(TARGET) == Rule()
    monkeypatch.setattr(time, "time", lambda: 1000.0)
    with pytest.raises(Problem) as caught:
        key.deciding(TARGET)
    assert "1970-01-01T00:16:40Z" in caught.value.detail
