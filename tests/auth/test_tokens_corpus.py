"""The examples of the RFCs that are about tokens, keys and challenges, read in place from the corpus."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tokensamples import ACCESS, b64, token

from apimgmt.auth.tokens.claims import words
from apimgmt.auth.tokens.compact import read
from apimgmt.auth.tokens.issuer import Issuer
from apimgmt.auth.tokens.keyset import Key, KeySet
from apimgmt.errors import PROBLEM_BASE, Problem
from apimgmt.model import IssuerEntry
from harness import Client, serve

STANDARDS = Path(__file__).parents[2] / "../shared/corpus/standards"
COOKBOOK = STANDARDS / "jose-cookbook"

pytestmark = pytest.mark.skipif(not STANDARDS.exists(), reason="the corpus is not beside the repository")


def _load(path: Path) -> Any:
    return json.loads(path.read_text("utf-8"))


def _signatures() -> list[tuple[str, dict[str, Any], str]]:
    """Every compact signature of the cookbook: file, the signer's JWK, the text."""
    found = []
    for path in sorted(COOKBOOK.rglob("*.json")):
        example = _load(path)
        # an encrypted text has five parts
        if example.get("output", {}).get("compact", "").count(".") == 2:
            found.append((path.stem, example["input"]["key"], example["output"]["compact"]))
    return found


def _vectors(kind: str) -> list[dict[str, Any]]:
    return [vector for vector in _load(STANDARDS / "rfc-vectors" / "vectors.json") if vector["kind"] == kind]


def test_the_signatures_of_the_cookbook() -> None:
    """RFC 7520: every one of a public key is verified, and no changed one; those of shared secrets have no key here."""
    verified = []
    for name, jwk, text in _signatures():
        public = {
            member: value for member, value in jwk.items() if member not in ("d", "p", "q", "dp", "dq", "qi", "k")
        }
        start, _, last = text.rpartition(".")
        if jwk["kty"] == "oct":
            with pytest.raises(ValueError, match="secret"):
                Key(jwk)
            continue
        header = json.loads(_decoded(start.partition(".")[0]))
        key = Key(public)
        assert key.verifies(header["alg"], start.encode(), _decoded(last)), name
        assert not key.verifies(header["alg"], start.encode() + b"x", _decoded(last)), name
        assert not key.verifies("HS256", start.encode(), _decoded(last)), name
        verified.append(header["alg"])
    assert sorted(verified) == ["ES512", "EdDSA", "PS384", "RS256"]


def test_no_signature_of_the_cookbook_is_a_token() -> None:
    """Their payloads are prose, or they leave the payload out, or they change how it is read (RFC 7797)."""
    texts = [text for _, _, text in _signatures()]
    assert len(texts) >= 6
    for text in texts:
        with pytest.raises(Problem) as caught:
            read(text.encode())
        assert caught.value.code == "credential-malformed"


def test_the_keys_of_the_cookbook() -> None:
    """The public ones are taken, the private and the shared ones are not."""
    taken = {}
    for path in sorted((COOKBOOK / "jwk").glob("*.json")):
        keys = KeySet({"keys": [_load(path)]})
        taken[path.stem] = [key.type for key in keys.keys] or keys.skipped
    assert {name: value for name, value in taken.items() if "secret" not in str(value)} == {
        "3_1.ec_public_key": ["EC"],
        "3_3.rsa_public_key": ["RSA"],
    }
    assert len(taken) == 6


def test_the_tokens_of_the_rfcs_are_refused() -> None:
    """RFC 7515 A.1 is signed with a shared secret and has expired, RFC 7519 6.1 is not signed at all."""
    vectors = _vectors("jwt")
    assert len(vectors) == 2
    for vector in vectors:
        jwks = {"keys": [vector["jwk"]]} if "jwk" in vector else {"keys": []}
        entry = IssuerEntry(id="i", name="i", issuer="joe", audiences=("a",), jwks=jwks, algorithms=("HS256", "none"))
        issuer, compact = Issuer(entry), read(vector["token"].encode())
        assert not issuer.allows(compact.algorithm)
        assert issuer.keys is not None and issuer.keys.keys == []


def test_expired_and_scopes_of_the_introspection_example() -> None:
    """RFC 7662 section 2.2 as a token: its audience, its three scopes, and that it is long over."""
    claims = _vectors("introspection")[0]["response"]
    assert words(claims["scope"]) == {"read", "write", "dolphin"}
    issuer = Issuer(IssuerEntry(id="i", name="i", issuer=claims["iss"], audiences=(claims["aud"],), jwks={"keys": []}))
    compact = read(token().encode())._replace(claims=claims)
    assert issuer.token(compact, float(claims["iat"])).client == ("i", claims["client_id"])
    with pytest.raises(Problem) as caught:
        issuer.token(compact, time.time())
    assert caught.value.code == "credential-expired"


def _api() -> Client:
    document = {
        "openapi": "3.0.3",
        "info": {"title": "t", "version": "1"},
        "components": {"securitySchemes": {"o": {"type": "oauth2", "flows": {}}}},
        "paths": {"/x": {"get": {"security": [{"o": ["read"]}], "responses": {}}}},
    }
    return serve(document, authentication="document", access=ACCESS)


@pytest.mark.rows("F-040", "F-042")
def test_the_challenges_of_rfc_6750() -> None:
    """No error without credentials, invalid_token with 401, insufficient_scope with 403."""
    sent = {"no credentials": {}, "expired token": _bearer(token(exp=1)), "scope missing": _bearer(token())}
    client = _api()
    for vector in _vectors("challenge"):
        answer = client.get("/x", sent[vector["when"]])
        challenge = answer.header("www-authenticate") or ""
        assert answer.status == vector["status"]
        wanted = vector.get("error") or ("invalid_token" if "invalid_token" in vector["www_authenticate"] else "")
        assert challenge.startswith("Bearer ")
        assert f'error="{wanted}"' in challenge if wanted else "error=" not in challenge


def test_a_refusal_has_the_members_of_rfc_9457() -> None:
    """Every member of a refusal that the examples of the RFC have too is of the same JSON type."""
    examples = [example["text"] for example in _load(STANDARDS / "http-drafts" / "problem-details-rfc9457.json")]
    problems = [
        json.loads(text[text.index("{") :])
        for text in examples
        if text.startswith("HTTP/1.1 4") and "problem+json" in text and "{" in text
    ]
    assert problems
    answer = _api().get("/x", _bearer(token()))
    refusal = answer.json()
    assert answer.header("content-type") == "application/problem+json"
    assert refusal["type"].startswith(PROBLEM_BASE) and refusal["status"] == 403
    for problem in problems:
        shared = set(problem) & set(refusal) & {"type", "title", "status", "detail", "instance"}
        assert {"type", "title"} <= shared
        assert {name: type(problem[name]) for name in shared} == {name: type(refusal[name]) for name in shared}


def _bearer(text: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {text}"}


def _decoded(text: str) -> bytes:
    decoded = msgspec.json.decode(f'"{text.replace("-", "+").replace("_", "/")}{"=" * (-len(text) % 4)}"', type=bytes)
    assert b64(decoded) == text
    return decoded
