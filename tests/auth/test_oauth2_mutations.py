"""5,000 tokens, each a good one that was changed somewhere: none is accepted, none is a fault of ours (S-26)."""

from __future__ import annotations

import base64
import json
import time
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tokensamples import ACCESS, EC, ED, RSA, b64, token

from harness import Client, serve

DOCUMENT = {
    "openapi": "3.0.3",
    "info": {"title": "t", "version": "1"},
    "components": {"securitySchemes": {"o": {"type": "oauth2", "flows": {}}}},
    "paths": {"/x": {"get": {"security": [{"o": []}], "responses": {}}}},
}
# good for a day: a changed one must not be refused for its age
EXPIRES = int(time.time()) + 86_400
GOOD = [token(key, {"typ": type_}, exp=EXPIRES) for key in (RSA, EC, ED) for type_ in ("at+jwt", "JWT", None)]
WRITTEN = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=+/ ,\x00\x7fé"'
NAMES = ("alg", "kid", "typ", "crit", "b64", "jwk", "jku", "x5u", "iss", "aud", "exp", "nbf", "iat", "sub", "client_id")
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.sampled_from(["none", "HS256"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=3),
    max_leaves=5,
)


def parts_of(text: str) -> list[Any]:
    """Header and claims as objects, and the text of the signature."""
    head, body, signature = text.split(".")
    return [*(json.loads(base64.urlsafe_b64decode(part + "==")) for part in (head, body)), signature]


@st.composite
def changed(draw: st.DrawFn) -> str:
    """A good token with characters replaced, inserted or removed, parts exchanged, or members changed."""
    text = draw(st.sampled_from(GOOD))
    way = draw(st.sampled_from(["replace", "insert", "remove", "cut", "member", "signature", "parts"]))
    place = draw(st.integers(0, len(text) - 1))
    if way == "replace":
        return text[:place] + draw(st.sampled_from(WRITTEN)) + text[place + 1 :]
    if way == "insert":
        return text[:place] + draw(st.text(WRITTEN, min_size=1, max_size=5)) + text[place:]
    if way == "remove":
        return text[:place] + text[place + draw(st.integers(1, 5)) :]
    if way == "cut":
        return text[:place]
    if way == "signature":
        return text.rpartition(".")[0] + "." + b64(draw(st.binary(max_size=300)))
    if way == "parts":
        pieces = [draw(st.sampled_from(GOOD)).split(".")[number] for number in range(3)]
        return ".".join(draw(st.permutations(pieces)))
    head, body, signature = parts_of(text)
    draw(st.sampled_from([head, body]))[draw(st.sampled_from(NAMES))] = draw(VALUES)
    return ".".join([b64(json.dumps(head).encode()), b64(json.dumps(body).encode()), signature])


def test_no_changed_token_is_accepted() -> None:
    """401 for every one of 5,000; a text that came out as a good one is left out."""
    client: Client = serve(DOCUMENT, authentication="document", access=ACCESS)
    seen: list[int] = []

    @settings(max_examples=5_000, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(changed())
    def run(text: str) -> None:
        if text.strip() in GOOD:
            return
        answer = client.get("/x", {"Authorization": f"Bearer {text.encode().decode('latin-1')}"})
        seen.append(answer.status)
        assert answer.status == 401, text

    run()
    assert len(seen) > 4_500
    assert {client.get("/x", {"Authorization": f"Bearer {text}"}).status for text in GOOD} == {200}
