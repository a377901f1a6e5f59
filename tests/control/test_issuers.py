"""Issuers as people register them: their keys are looked at at once (apimgmt/control/issuers.py)."""

from __future__ import annotations

from typing import Any

import pytest
from joserfc.jwk import OctKey
from tokensamples import EC, JWKS, site

from apimgmt.archive import Archive
from apimgmt.control.service import Control
from apimgmt.errors import Problem
from apimgmt.model import ClaimNames, Snapshot

PASTED: dict[str, Any] = {"name": "id", "issuer": "https://id.example", "audiences": ["https://api"], "jwks": JWKS}
URL = "https://id.example/keys"


def published(archive: Archive) -> Snapshot:
    """The snapshot that the gateway has now."""
    return archive.load_snapshot(archive.current()[0])


def test_pasted_keys_reach_the_gateway(control: Control, archive: Archive) -> None:
    """The answer says which keys were found; the snapshot has the issuer with them; gone is gone."""
    names = {"name": "email", "role": "realm_access.roles"}
    shown = control.issuers.create({**PASTED, "claims": names})
    assert [key["kid"] for key in shown.view["found"]["keys"]] == ["rsa", "ec", "ed"]
    (entry,) = published(archive).issuers
    assert (entry.id, entry.issuer, entry.audiences) == (shown.view["id"], "https://id.example", ("https://api",))
    assert (entry.jwks, entry.claims) == (JWKS, ClaimNames(name="email", role="realm_access.roles"))
    assert control.issuers.get("id").view["claims"] == {**names, "scope": "scope", "application": "client_id"}
    assert "found" not in control.issuers.get("id").view
    control.issuers.delete("id")
    assert published(archive).issuers == ()


def test_fetched_keys_are_looked_at(control: Control, archive: Archive) -> None:
    """By address and by discovery; what cannot be used is said; the keys themselves are not kept."""
    with site() as here:
        here.pages = {
            "/.well-known/openid-configuration": {"issuer": here.url, "jwks_uri": f"{here.url}/keys"},
            "/keys": {"keys": [*JWKS["keys"], {"kty": "oct", "k": "AAAA"}]},
        }
        shown = control.issuers.create({"name": "a", "issuer": here.url, "audiences": ["x"]})
        assert len(shown.view["found"]["keys"]) == 3
        assert shown.view["found"]["skipped"] == ["key 3: it is secret; only public keys belong into a key set"]
        control.issuers.create(
            {"name": "b", "issuer": "other", "audiences": ["x"], "jwksUrl": f"{here.url}/keys", "algorithms": ["ES256"]}
        )
    assert [entry.jwks for entry in published(archive).issuers] == [{}, {}]


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"audiences": []}, "/audiences"),
        ({"audiences": [""]}, "/audiences"),
        ({"algorithms": []}, "/algorithms"),
        ({"algorithms": ["HS256"]}, "/algorithms"),
        ({"algorithms": ["ES256", "none"]}, "/algorithms"),
        ({"algorithms": ["ES384"]}, "/jwks"),
        ({"jwksUrl": URL}, "/jwksUrl"),
        ({"jwks": {}, "jwksUrl": "http://id.example/keys"}, "/jwksUrl"),
        ({"jwks": {}, "jwksUrl": "http://127.0.0.1:9/keys"}, "/jwksUrl"),
        ({"jwks": {}, "issuer": "id"}, "/issuer"),
        ({"jwks": {}, "issuer": "http://127.0.0.1:9"}, "/issuer"),
        ({"issuer": ""}, "/issuer"),
        ({"claims": {"name": ""}}, "/claims"),
        ({"claims": {"colour": "x"}}, "/claims"),
        ({"jwks": {"keys": []}}, "/jwks"),
        ({"jwks": {"key": 1}}, "/jwks"),
        ({"jwks": {"keys": [EC.as_dict(private=True)]}}, "/jwks"),
        ({"jwks": {"keys": [*JWKS["keys"], OctKey.generate_key(256).as_dict(private=True)]}}, "/jwks"),
    ],
)
def test_what_could_not_work_is_refused_with_its_place(control: Control, change: Any, pointer: str) -> None:
    """400, and nothing is kept; a private key is not even shown back."""
    with pytest.raises(Problem) as caught:
        control.issuers.create({**PASTED, **change})
    assert (caught.value.code, caught.value.errors[0]["pointer"]) == ("validation", pointer)
    assert EC.as_dict(private=True)["d"] not in str(caught.value.document())
    assert control.issuers.all() == []


def test_an_issuer_is_registered_once(control: Control) -> None:
    """Two entries of one ``iss`` would leave open whose keys count; changing one is not that."""
    control.issuers.create(PASTED)
    with pytest.raises(Problem, match="registered already"):
        control.issuers.create({**PASTED, "name": "again"})
    body = {name: value for name, value in PASTED.items() if name != "name"}
    assert control.issuers.replace("id", {**body, "audiences": ["y"]}).view["audiences"] == ["y"]
    with pytest.raises(Problem):
        control.issuers.replace("id", {**body, "jwks": {"keys": []}})
