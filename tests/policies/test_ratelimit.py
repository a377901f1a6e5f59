"""Rate limits at the gateway: who is counted with whom, what every answer says, what a refusal says."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import http_sf
import pytest

from apimgmt.errors import SettingInvalid
from apimgmt.model import ApiEntry
from apimgmt.policies import Place, compose
from apimgmt.settings import Settings
from apimgmt.shared import Shared
from apimgmt.spec.compiler.compiler import compile_document
from apimgmt.spec.intake.loader import load
from harness import Answer, Client, api_key, serve

DOCUMENT = """
openapi: 3.0.3
info: {title: t, version: '1'}
paths:
  /items/{id}:
    get:
      operationId: item
      parameters: [{name: id, in: path, required: true, schema: {type: integer}}]
      responses: {'200': {description: ok}}
  /others:
    get: {operationId: others, responses: {'200': {description: ok}}}
"""
A, B = {"X-API-Key": "key-of-a-0123456789"}, {"X-API-Key": "key-of-b-0123456789"}
KEYS = [api_key("key-of-a-0123456789", "a"), api_key("key-of-b-0123456789", "b")]


def limited(
    folder: Path, *limits: dict[str, Any], key: bool = True, operations: Sequence[str] = ("item", "others"), **more: Any
) -> Client:
    """A gateway with these limits on its operations."""
    settings = more.pop("settings", {})
    policies = {"rateLimit": {"limits": [{"seconds": 60, **limit} for limit in limits], **more}}
    return serve(
        DOCUMENT,
        settings=Settings(data=str(folder), **settings),
        triggers={operation: {"policies": policies} for operation in operations},
        authentication="apiKey" if key else "none",
        keys=KEYS,
    )


def statuses(client: Client, *requests: tuple[str, dict[str, str]]) -> list[int]:
    """The status of each request in turn."""
    return [client.get(target, headers).status for target, headers in requests]


@pytest.mark.rows("H-047")
def test_a_key_over_its_limit_is_refused_while_another_is_served(tmp_path: Path) -> None:
    """At the limit and one past it."""
    client = limited(tmp_path, {"requests": 2})
    assert statuses(client, *[("/items/1", A)] * 3) == [200, 200, 429]
    assert statuses(client, ("/items/1", B), ("/items/1", A)) == [200, 429]


@pytest.mark.rows("H-048")
def test_an_address_over_its_limit_is_refused_before_credentials_are_looked_at(tmp_path: Path) -> None:
    """Wrong keys count too, and past the limit nobody is told whether a key is right."""
    client = limited(tmp_path, {"requests": 3, "by": "address"})
    wrong = {"X-API-Key": "wrong"}
    assert statuses(client, ("/items/1", wrong), ("/items/1", A), ("/items/1", wrong)) == [401, 200, 401]
    assert statuses(client, ("/items/1", wrong), ("/items/1", A)) == [429, 429]
    client.address = "192.0.2.8"
    assert client.get("/items/1", A).status == 200


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("192.0.2.1", "::ffff:192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
    ],
)
def test_an_ipv6_network_of_64_bits_is_one_caller(tmp_path: Path, first: str, second: str, same: bool) -> None:
    """A customer has at least so many addresses to choose from (T32)."""
    client = limited(tmp_path, {"requests": 1, "by": "address"}, key=False)
    seen = []
    for client.address in (first, second):
        seen.append(client.get("/items/1").status)
    assert seen == [200, 429 if same else 200]


def test_a_forwarded_address_counts_only_from_a_listed_proxy(tmp_path: Path) -> None:
    """Otherwise everybody could have as many addresses as he likes."""
    forged = [("/items/1", {"X-Forwarded-For": f"198.51.100.{number}"}) for number in range(3)]
    open_to_all = limited(tmp_path / "a", {"requests": 2, "by": "address"}, key=False)
    assert statuses(open_to_all, *forged) == [200, 200, 429]
    behind = {"trusted_proxies": "192.0.2.7"}
    listed = limited(tmp_path / "b", {"requests": 2, "by": "address"}, key=False, settings=behind)
    assert statuses(listed, *forged) == [200, 200, 200]


@pytest.mark.rows("H-049")
@pytest.mark.parametrize(
    ("by", "one", "same", "other"),
    [
        (
            "header.X-Tenant",
            ("/items/1", {"x-tenant": "a"}),
            ("/items/2", {"X-TENANT": "a"}),
            ("/items/1", {"x-tenant": "b"}),
        ),
        ("query.region", ("/items/1?region=eu", {}), ("/items/1?x=1&region=%65u", {}), ("/items/1?region=us", {})),
        ("path.id", ("/items/1", {}), ("/items/%31", {}), ("/items/2", {})),
        ("header.x-tenant", ("/items/1", {}), ("/items/2", {}), ("/items/1", {"x-tenant": ""})),
    ],
)
def test_a_limit_by_a_value_of_the_request(
    tmp_path: Path,
    by: str,
    one: tuple[str, dict[str, str]],
    same: tuple[str, dict[str, str]],
    other: tuple[str, dict[str, str]],
) -> None:
    """Equal values count together however they are spelt, others apart; whoever leaves the value out is one of them."""
    client = limited(tmp_path, {"requests": 1, "by": by}, key=False, operations=["item"])
    assert statuses(client, one, same, other) == [200, 429, 200]


@pytest.mark.parametrize(
    ("limit", "pointer"),
    [
        ({"by": "tenant"}, "/rateLimit/limits/0/by"),
        ({"by": "header."}, "/rateLimit/limits/0/by"),
        ({"by": "path.nothing"}, "/rateLimit/limits/0/by"),
        ({"requests": 0}, "/rateLimit/limits/0/requests"),
        ({"seconds": 0}, "/rateLimit/limits/0/seconds"),
        ({"seconds": 86_401}, "/rateLimit/limits/0/seconds"),
        ({"name": 'a"b'}, "/rateLimit/limits/0/name"),
        ({"per": "day"}, "/rateLimit/limits/0/per"),
    ],
)
def test_a_limit_that_cannot_be_is_refused_with_its_place(tmp_path: Path, limit: dict[str, Any], pointer: str) -> None:
    """At load, not at the first request."""
    with pytest.raises(SettingInvalid) as refused:
        compose({"rateLimit": {"limits": [{"requests": 1, "seconds": 60, **limit}]}}, place(tmp_path))
    assert refused.value.pointer == pointer


@pytest.mark.rows("H-050")
def test_every_answer_says_what_is_left_and_a_refusal_when_there_is_more(tmp_path: Path) -> None:
    """Structured fields of draft-ietf-httpapi-ratelimit-headers-11; Retry-After is the same instant as ``t``."""
    client = limited(tmp_path, {"requests": 2, "name": "burst"}, {"requests": 9, "seconds": 3600, "name": "hour"})
    first, second, third = (client.get("/items/1", A) for _ in range(3))
    missing = client.get("/items/none", A)
    assert [one.status for one in (first, second, third, missing)] == [200, 200, 429, 404]
    assert fields(first, "RateLimit-Policy") == {"burst": {"q": 2, "w": 60}, "hour": {"q": 9, "w": 3600}}
    assert {name: said["r"] for name, said in fields(first, "RateLimit").items()} == {"burst": 1, "hour": 8}
    assert {name: said["r"] for name, said in fields(second, "RateLimit").items()} == {"burst": 0, "hour": 7}
    refused = fields(third, "RateLimit")
    assert {name: said["r"] for name, said in refused.items()} == {"burst": 0, "hour": 7}
    assert third.header("Retry-After") == str(refused["burst"]["t"])
    assert 59 <= refused["burst"]["t"] <= 61
    problem = third.json()
    assert (problem["type"].rpartition("/")[2], problem["violated-policies"]) == ("quota-exceeded", ["burst"])


def test_a_process_that_fails_still_says_what_is_left(tmp_path: Path) -> None:
    """Problems carry the fields too."""
    client = limited(tmp_path, {"requests": 5})
    answer = client.request("GET", "/items/1?", {**A, "Accept-Encoding": "gzip"})
    assert fields(answer, "RateLimit")["default"]["r"] == 4


def test_operations_count_for_themselves_unless_the_limit_is_one_of_the_api(tmp_path: Path) -> None:
    """Scope ``operation`` is the default; with ``api`` all operations that have a limit of this name share it."""
    apart = limited(tmp_path / "a", {"requests": 1})
    assert statuses(apart, ("/items/1", A), ("/others", A), ("/others", A)) == [200, 200, 429]
    together = limited(tmp_path / "b", {"requests": 1, "scope": "api"})
    assert statuses(together, ("/items/1", A), ("/others", A)) == [200, 429]


def test_who_calls_without_a_credential_is_counted_by_address(tmp_path: Path) -> None:
    """A limit by key on a public operation does not put all its callers into one."""
    client = limited(tmp_path, {"requests": 1}, key=False)
    seen = []
    for client.address in ("192.0.2.1", "192.0.2.2", "192.0.2.1"):
        seen.append(client.get("/items/1").status)
    assert seen == [200, 200, 429]


def test_counts_outlive_a_new_runtime_and_a_new_worker(tmp_path: Path) -> None:
    """A second gateway on the same data folder goes on where the first is, with another limit as well."""
    first = limited(tmp_path, {"requests": 2})
    assert statuses(first, ("/items/1", A), ("/items/1", A)) == [200, 200]
    assert limited(tmp_path, {"requests": 2}).get("/items/1", A).status == 429
    wider = limited(tmp_path, {"requests": 4})
    assert statuses(wider, *[("/items/1", A)] * 3) == [200, 200, 429]


def place(folder: Path) -> Place:
    """The first operation of the sample, for whoever builds a policy around it."""
    compiled = compile_document(load(DOCUMENT.encode(), "application/yaml", Settings()))
    settings = Settings(data=str(folder))
    entry = ApiEntry(id="api", name="api", base_path="", revision=1, digest="")
    return Place(entry, compiled, compiled.operations[0], ("id",), settings, Shared(settings))


def fields(answer: Answer, name: str) -> dict[str, dict[str, int]]:
    """A list of structured fields (RFC 9651), by the string that each member is."""
    parsed = http_sf.parse(", ".join(answer.all(name)).encode(), tltype="list")
    return {str(member): dict(parameters) for member, parameters in parsed}
