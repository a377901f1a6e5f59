"""API keys: look-up by digest, rules by template (apimgmt/auth/apikey.py)."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from connexion.security import NO_VALUE

from apimgmt.auth import Surroundings
from apimgmt.auth.access import Access
from apimgmt.auth.apikey import ApiKey, BearerKey
from apimgmt.auth.rules import covers
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


def access(*rules: Rule) -> Access:
    """One key "secret" named "crm" with these rules."""
    key = KeyEntry(id="k1", name="crm", digest=hashlib.sha256(b"secret").hexdigest(), rules=rules)
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


@pytest.mark.rows("F-037", "H-041", "X-003")
@pytest.mark.parametrize(
    ("text", "rules", "status"),
    [
        (b"wrong", ALL, 401),
        (b"", ALL, 401),
        ("é".encode(), ALL, 401),
        (b"secret", (), 403),
        (b"secret", (Rule(path="/v1/pets/**"),), 403),
        (b"secret", (Rule(methods=("POST",)),), 403),
    ],
)
def test_unknown_is_401_and_not_allowed_is_403(text: bytes, rules: tuple[Rule, ...], status: int) -> None:
    """A key without a rule that covers the operation opens nothing, and the text is not repeated."""
    sent = credentials({b"x-api-key": text}, rules=rules)
    with pytest.raises(Problem) as caught:
        ApiKey(SURROUNDINGS).get_fn(HEADER, [])(sent)
    assert caught.value.status == status
    assert "secret" not in str(caught.value.document())


@pytest.mark.parametrize(
    ("path", "template", "allowed"),
    [
        ("/**", "/v1/pet/{id}", True),
        ("/**", "/", True),
        ("/v1/**", "/v1/pet/{id}", True),
        ("/v1/**", "/v1", True),
        ("/v1/**", "/v12/pet", False),
        ("/v1/pet", "/v1/pets", False),
        ("/v1/pet/*", "/v1/pet/{id}", True),
        ("/v1/pet/{id}", "/v1/pet/{id}", True),
        ("/v1/pet/*", "/v1/pet/{id}/tags", False),
        ("/v1/*/{id}", "/v1/pet/{id}", True),
        ("/v1/pet", "/v1/PET", False),
    ],
)
def test_rules_are_compared_segment_by_segment(path: str, template: str, allowed: bool) -> None:
    """A rule for /pet does not open /pets (T27)."""
    assert covers(Rule(path=path), Target("GET", template)) is allowed


def test_rules_name_methods_in_capitals_or_all() -> None:
    """A rule for GET does not open DELETE."""
    assert covers(Rule(methods=("GET", "PUT")), TARGET)
    assert not covers(Rule(methods=("GET",)), Target("DELETE", "/v1/pet/{id}"))
