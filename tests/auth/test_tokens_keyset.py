"""Key sets: which keys of them are used, and for what (apimgmt/auth/tokens/keyset.py)."""

from __future__ import annotations

from typing import Any

import pytest
from joserfc.jwk import ECKey, OctKey
from tokensamples import EC, JWKS, RSA, b64

from apimgmt.auth.tokens.keyset import MOST_KEYS, KeySet

PUBLIC = EC.as_dict(private=False)


@pytest.mark.parametrize(
    "jwk",
    [
        None,
        [],
        {},
        {"kty": "oct", "k": "AAAA"},
        {"kty": "EC", "kid": "broken"},
        {**PUBLIC, "x": "AAAA"},
        {**PUBLIC, "crv": "P-384"},
        {**PUBLIC, "crv": ["P-256"]},
        {**PUBLIC, "alg": "HS256"},
        {**PUBLIC, "alg": "RS256"},
        {**PUBLIC, "use": "enc"},
        {**PUBLIC, "key_ops": ["sign"]},
        {**PUBLIC, "key_ops": 7},
        {**PUBLIC, "kid": ["a"]},
        EC.as_dict(private=True),
        OctKey.generate_key(256).as_dict(private=True),
        {"kty": "RSA", "n": b64((1 << 1023 | 1).to_bytes(128, "big")), "e": "AQAB"},
        ECKey.generate_key("secp256k1").as_dict(private=False),
        {"kty": "RSA", "n": 5, "e": "AQAB"},
    ],
)
def test_one_odd_key_does_not_spoil_the_set(jwk: Any) -> None:
    """It is left out with the reason; the others are used."""
    keys = KeySet({"keys": [jwk, PUBLIC]})
    assert [key.kid for key in keys.keys] == ["ec"]
    assert len(keys.skipped) == 1 and keys.skipped[0].startswith("key 0: ")


@pytest.mark.parametrize("jwks", [None, [], {}, {"keys": {}}, {"keys": [PUBLIC] * (MOST_KEYS + 1)}])
def test_what_is_no_key_set_is_refused(jwks: Any) -> None:
    """Neither a text nor too many keys."""
    with pytest.raises(ValueError, match=r"JWK Set|at most"):
        KeySet(jwks)


def test_a_thousand_keys_are_taken() -> None:
    """The limit itself."""
    keys = KeySet({"keys": [{**PUBLIC, "kid": str(number)} for number in range(MOST_KEYS)]})
    assert keys.find("999", "ES256") is not None
    assert keys.find("1000", "ES256") is None


def test_the_algorithm_belongs_to_the_key() -> None:
    """A key is found for the algorithms of its own kind only; without a name only if there is no other."""
    keys = KeySet(JWKS)
    assert keys.find("rsa", "PS512") is not None
    assert [keys.find("rsa", name) for name in ("ES256", "HS256", "none")] == [None] * 3
    assert keys.find(None, "ES256") is keys.find("ec", "ES256")
    assert KeySet({"keys": [PUBLIC, {**PUBLIC, "kid": "b"}]}).find(None, "ES256") is None
    assert KeySet({"keys": [{**RSA.as_dict(private=False), "alg": "RS256"}]}).find("rsa", "PS256") is None
