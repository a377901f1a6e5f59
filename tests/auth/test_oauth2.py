"""OAuth 2 on the gateway: which tokens open an operation, and what is said to the others (apimgmt/auth/oauth2.py)."""

from __future__ import annotations

import base64
import hmac
import json
import time
from typing import Any

import msgspec
import pytest
from joserfc.jwk import import_key
from joserfc.jws import JWSRegistry
from tokensamples import (
    ACCESS,
    AUDIENCE,
    EC,
    ED,
    ENTRY,
    ISSUER,
    RSA,
    STRANGER,
    b64,
    claims,
    signed,
    token,
)

from apimgmt.auth.tokens.issuer import Token
from apimgmt.model import AccessPolicyEntry, ClaimNames, Rule
from apimgmt.processes import Invocation
from harness import Answer, Client, api_key, serve

SCHEMES: dict[str, Any] = {
    "oauth": {
        "type": "oauth2",
        "flows": {"clientCredentials": {"tokenUrl": "https://x.example/t", "scopes": {"read": "", "write": ""}}},
    },
    "oidc": {"type": "openIdConnect", "openIdConnectUrl": "https://x.example/.well-known/openid-configuration"},
    "bearer": {"type": "http", "scheme": "bearer"},
    "key": {"type": "apiKey", "in": "header", "name": "X-Key"},
}


def api(security: Any = None, **options: Any) -> Client:
    """An API whose operations GET /x and GET /y ask for a token."""
    operation = {"security": [{"oauth": []}] if security is None else security, "responses": {}}
    document = {
        "openapi": "3.0.3",
        "info": {"title": "t", "version": "1"},
        "components": {"securitySchemes": SCHEMES},
        "paths": {"/x": {"get": operation}, "/y": {"get": operation}},
    }
    return serve(document, **{"authentication": "document", "access": ACCESS, **options})


def call(client: Client, text: str, path: str = "/x") -> Answer:
    """A call with this token."""
    return client.get(path, {"Authorization": f"Bearer {text}"})


def code(answer: Answer) -> str:
    """The code of a problem."""
    return str(answer.json()["type"]).rpartition("/")[2]


def padded_otherwise(text: str) -> str:
    """The same signature with other padding bits in its last character (RFC 4648 section 3.5)."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return text[:-1] + alphabet[alphabet.index(text[-1]) ^ 1]


def unsigned(algorithm: str) -> str:
    """A token that nobody signed."""
    header = b64(json.dumps({"alg": algorithm, "typ": "at+jwt"}).encode())
    return f"{header}.{b64(json.dumps(claims()).encode())}."


def twice(name: str, value: str) -> str:
    """A signed token whose payload has a member two times."""
    return signed(json.dumps(claims()).encode()[:-1] + f', "{name}": "{value}"}}'.encode())


def crafted() -> dict[str, str]:
    """By what is wrong with them; made when they are needed, for some are wrong for a minute only."""
    return {
        "alg none": unsigned("none"),
        "alg nOnE": unsigned("nOnE"),
        "no alg": token(header={"alg": None}),
        "HS256 with the public key": token(RSA.as_pem(private=False)),
        "RS256 in the header, HS256 in fact": token(RSA.as_pem(private=False), header={"alg": "RS256"}),
        "another algorithm than the key's": token(header={"alg": "ES384"}),
        "the key of another type": token(header={"kid": "rsa"}),
        "an unknown critical extension": token(header={"crit": ["exp"], "exp": 1}),
        "an empty crit": token(header={"crit": []}),
        "b64 false": token(header={"b64": False}),
        "b64 false and critical": token(header={"b64": False, "crit": ["b64"]}),
        "a key in the header": token(STRANGER, header={"jwk": STRANGER.as_dict(private=False)}),
        "a URL of keys in the header": token(STRANGER, header={"jku": "https://evil.example/jwks"}),
        "a URL of certificates in the header": token(STRANGER, header={"x5u": "https://evil.example/chain"}),
        "certificates in the header": token(STRANGER, header={"x5c": ["MIIB"]}),
        "signed by a stranger": token(STRANGER),
        "an unknown kid": token(header={"kid": "other"}),
        "a path as kid": token(header={"kid": "../../dev/null"}),
        "other padding bits": padded_otherwise(token()),
        "no signature": token().rpartition(".")[0] + ".",
        "another issuer": token(iss="https://other.example"),
        "the issuer with a slash": token(iss=ISSUER + "/"),
        "no issuer": token(iss=None),
        "another audience": token(aud="https://other.example"),
        "no audience": token(aud=None),
        "an empty list of audiences": token(aud=[]),
        "expired": token(exp=time.time() - 61),
        "no expiry": token(exp=None),
        "an expiry that is text": token(exp=str(int(time.time()) + 300)),
        "an expiry that is true": token(exp=True),
        "an endless expiry": signed(json.dumps(claims()).replace(f'"exp": {claims()["exp"]}', '"exp": 1e400').encode()),
        "an expiry that is NaN": signed(json.dumps(claims(exp=float("nan"))).encode()),
        "not valid yet": token(nbf=time.time() + 120),
        "issued in the future": token(iat=time.time() + 120),
        "a member twice in the claims": twice("sub", "root"),
        "a payload that is a list": signed(b"[]"),
        "a payload that is text": signed(b'"ann"'),
        "a payload in UTF-16": signed(json.dumps(claims()).encode("utf-16")),
        "half a surrogate in the claims": signed(json.dumps(claims(sub="\ud800")).encode()),
        "an encrypted one of five parts": token() + ".x.y",
        "5 MB": token(pad="x" * 5_000_000),
        "a logout token": token(header={"typ": "logout+jwt"}),
        "an ID token": token(header={"typ": "JWT"}, nonce="n", at_hash="h"),
        "bound to a key": token(cnf={"jkt": "x"}),
        "text": "secret",
        "nothing": "",
        "two of them": f"{token()}, Bearer {token()}",
    }


@pytest.mark.rows("F-040", "X-003")
def test_of_all_crafted_tokens_only_the_good_one_is_accepted() -> None:
    """Everything that libraries have been led astray by is 401 with a challenge; 24 of them are the known ones."""
    client = api()
    answers = {name: call(client, text) for name, text in {**crafted(), "the good one": token()}.items()}
    assert [name for name, answer in answers.items() if answer.status == 200] == ["the good one"]
    del answers["the good one"]
    assert len(answers) >= 24
    assert {name: answer.status for name, answer in answers.items() if answer.status != 401} == {}
    challenges = [answer.header("www-authenticate") or "" for answer in answers.values()]
    assert all(challenge.startswith('Bearer error="invalid_token", error_description="') for challenge in challenges)


def test_a_naive_verifier_would_be_led_astray() -> None:
    """The mutant: one that lets the token say how it is checked accepts more than the good one."""
    accepted = {name for name, text in crafted().items() if naive(text)}
    assert {"alg none", "HS256 with the public key", "a key in the header", "a member twice in the claims"} <= accepted


def naive(text: str) -> bool:
    """A verifier that believes the header: its algorithm, and its key if there is one."""
    try:
        header, payload = (json.loads(base64.urlsafe_b64decode(part + "==")) for part in text.split(".")[:2])
        signature = base64.urlsafe_b64decode(text.split(".")[2] + "==")
        start, algorithm = text.rpartition(".")[0].encode(), header["alg"]
        if algorithm == "HS256":
            return hmac.digest(RSA.as_pem(private=False), start, "sha256") == signature
        if algorithm.lower() != "none":
            key = import_key(header["jwk"]) if "jwk" in header else {"RS256": RSA, "ES256": EC}.get(algorithm)
            if not JWSRegistry.algorithms[algorithm].verify(start, signature, key):
                return False
        return bool(payload["exp"] > time.time())
    except Exception:
        return False


@pytest.mark.rows("F-038")
@pytest.mark.parametrize("key", [RSA, EC, ED], ids=["RS256", "ES256", "EdDSA"])
@pytest.mark.parametrize("type_", ["at+jwt", "application/at+jwt", "AT+JWT", "JWT", None])
@pytest.mark.parametrize("audience", [AUDIENCE, ["https://other.example", AUDIENCE]], ids=["one", "several"])
def test_good_tokens_of_every_make_are_accepted(key: Any, type_: str | None, audience: Any) -> None:
    """Three types of keys, the media types of RFC 9068 and of old, one audience or several."""
    client = api()
    text = token(key, header={"typ": type_}, aud=audience)
    assert [call(client, text).status for _ in range(2)] == [200, 200]


@pytest.mark.parametrize(("seconds", "status"), [(-58, 200), (-62, 401)])
def test_clocks_may_differ_by_a_minute(seconds: int, status: int) -> None:
    """exp, nbf and iat have a leeway of 60 s."""
    client = api()
    now = time.time()
    assert call(client, token(exp=now + seconds)).status == status
    assert call(client, token(nbf=now - seconds)).status == status
    assert call(client, token(iat=now - seconds)).status == status


@pytest.mark.rows("F-040")
def test_what_is_wrong_with_a_token_is_told() -> None:
    """Expired, revoked, unreadable and unknown have problem types of their own."""
    client = api(access={**ACCESS, "revoked_tokens": {"gone": time.time() + 300}})
    texts = [token(exp=1), token(jti="gone"), "x", token(STRANGER)]
    expected = ["credential-expired", "credential-revoked", "credential-malformed", "credential-unknown"]
    assert [code(call(client, text)) for text in texts] == expected


def test_a_revocation_counts_though_the_token_was_verified_before() -> None:
    """What is remembered of a token is that its signature is good, not that it may still be used."""
    client, text = api(), token()
    assert call(client, text).status == 200
    client.app.runtime.access.revoked_tokens["t1"] = time.time() + 300
    assert code(call(client, text)) == "credential-revoked"


@pytest.mark.rows("F-039", "X-003")
def test_without_an_access_policy_nobody_gets_in() -> None:
    """A good token is 403 where no policy is about the operation, or none allows it."""
    text = token()
    assert call(api(access={**ACCESS, "access_policies": ()}), text).status == 403
    elsewhere = AccessPolicyEntry(id="p", name="p", targets=(Rule(path="/y"),))
    client = api(access={**ACCESS, "access_policies": (elsewhere,)})
    assert (call(client, text).status, call(client, text, "/y").status) == (403, 200)


@pytest.mark.rows("F-038", "X-003")
@pytest.mark.parametrize("client_id", ["other", None, 7])
def test_an_application_must_be_registered(client_id: Any) -> None:
    """A good token of an application that nobody registered is 403, and so is one that names none."""
    answer = call(api(), token(client_id=client_id))
    assert (answer.status, code(answer)) == (403, "forbidden")


SCOPES = [{"oauth": ["read", "write"]}]


@pytest.mark.rows("F-041", "F-042", "F-043", "X-005")
@pytest.mark.parametrize(
    ("security", "mode", "scope", "status"),
    [
        (SCOPES, "any", "read", 200),
        (SCOPES, "any", "write extra", 200),
        (SCOPES, "any", ["write"], 200),
        (SCOPES, "any", "", 403),
        (SCOPES, "any", None, 403),
        (SCOPES, "any", [], 403),
        (SCOPES, "any", "rea", 403),
        (SCOPES, "any", "READ", 403),
        (SCOPES, "any", {"read": True}, 403),
        (SCOPES, "all", "read", 403),
        (SCOPES, "all", "write read", 200),
        ([{"oauth": []}], "any", None, 200),
        ([{"oauth": []}], "all", None, 200),
        # two schemes of one alternative are needed together; how many of their scopes, the setting says
        ([{"oauth": ["read"], "oidc": ["write"]}], "any", "write", 200),
        ([{"oauth": ["read"], "oidc": ["write"]}], "all", "write", 403),
        ([{"oauth": ["read"], "oidc": ["write"]}], "all", "write read", 200),
        # two alternatives are two ways
        ([{"oauth": ["read"]}, {"oidc": ["write"]}], "all", "write", 200),
        ([{"oauth": ["read"]}, {"oidc": ["write"]}], "all", "x", 403),
    ],
)
def test_scopes(security: Any, mode: str, scope: Any, status: int) -> None:
    """Any of the operation's scopes is enough, or all by setting; an operation without scopes asks for none."""
    client = api(security, trigger={"scopes": mode})
    answer = call(client, token(scope=scope))
    assert answer.status == status
    if status == 403:
        assert code(answer) == "scope-missing"
        challenge = answer.header("www-authenticate") or ""
        assert challenge.startswith('Bearer error="insufficient_scope", scope="')


@pytest.mark.rows("F-041", "F-042")
def test_a_missing_scope_is_named() -> None:
    """The challenge names the scopes that would do; a trigger of kind oauth2 takes them from the document (F-041)."""
    for options in ({}, {"authentication": "oauth2"}):
        answer = call(api([{"oauth": ["read", 'wri"te']}], **options), token())
        assert answer.header("www-authenticate") == 'Bearer error="insufficient_scope", scope="read"'
        assert "read" in answer.json()["detail"]


def test_the_setting_of_one_operation_counts_for_it_alone() -> None:
    """``scopes: all`` on one operation leaves the other at any."""
    client = api(SCOPES, triggers={"get /x": {"scopes": "all"}})
    text = token(scope="read")
    assert (call(client, text, "/x").status, call(client, text, "/y").status) == (403, 200)


@pytest.mark.rows("X-005")
def test_the_documentation_says_how_many_scopes_are_needed() -> None:
    """OpenAPI means all of an alternative's scopes; where any is enough, the operation's description says so."""
    client = api(SCOPES, triggers={"get /x": {"scopes": "all"}})
    paths = client.get("/openapi.json").json()["paths"]
    assert paths["/y"]["get"]["description"] == "Any one of the scopes is enough."
    assert "description" not in paths["/x"]["get"]
    assert "description" not in api([{"oauth": ["read"]}]).get("/openapi.json").json()["paths"]["/y"]["get"]


@pytest.mark.rows("F-027", "F-040")
def test_no_token_is_challenged_without_an_error() -> None:
    """Who sent nothing is told what to send, and no error (RFC 6750 section 3.1)."""
    answer = api().get("/x")
    assert (answer.status, answer.header("www-authenticate")) == (401, 'Bearer realm="api"')
    assert api().get(f"/x?access_token={token()}").status == 401


def test_bearer_of_a_document_is_a_key_or_a_token() -> None:
    """The scheme http bearer takes both, told apart by their text; a trigger that asks for keys takes no tokens."""
    keys = [api_key("apim_default_x"), api_key("apik_old", name="old")]
    client = api([{"bearer": []}], keys=keys)
    assert [call(client, text).status for text in ("apim_default_x", "apik_old", token())] == [200, 200, 200]
    assert [call(client, text).status for text in ("apim_default_y", "secret", token(exp=1))] == [401, 401, 401]
    only_keys = api([{"bearer": []}], keys=keys, authentication="apiKey")
    assert [call(only_keys, text).status for text in ("apim_default_x", token())] == [200, 401]
    only_tokens = api([{"bearer": []}], keys=keys, authentication="oauth2")
    assert [call(only_tokens, text).status for text in ("apim_default_x", token())] == [401, 200]


def test_a_wrong_token_is_not_forgotten_beside_another_way_in() -> None:
    """A key opens the operation whatever the token is; a wrong token alone does not become anonymous."""
    client = api([{"oauth": []}, {"key": []}], keys=[api_key("k")])
    assert client.get("/x", {"X-Key": "k"}).status == 200
    assert call(client, token()).status == 200
    assert call(client, "x").status == 401
    optional = api([{"oauth": []}, {}], trigger={"public": True})
    assert (optional.get("/x").status, call(optional, "x").status) == (200, 401)


@pytest.mark.rows("F-027")
def test_of_several_kinds_the_one_that_knows_the_text_says_what_is_wrong() -> None:
    """An expired token is expired, though as an API key it is unknown; a wrong key is unknown, though no token."""
    client = api(authentication=["apiKey", "oauth2"], keys=[api_key("apim_k")])
    assert [call(client, text).status for text in ("apim_k", token())] == [200, 200]
    assert [code(call(client, text)) for text in (token(exp=1), "other")] == [
        "credential-expired",
        "credential-unknown",
    ]


@pytest.mark.parametrize("jti", [["t1"], {"a": 1}, 7, True])
def test_an_odd_jti_is_no_fault_of_ours(jti: Any) -> None:
    """It names nothing that could be revoked."""
    assert call(api(access={**ACCESS, "revoked_tokens": {"t1": time.time() + 300}}), token(jti=jti)).status == 200


NAMES = ClaimNames(name="profile.name", role="realm_access.roles", scope="scp", application="azp")
NESTED = {
    "profile": {"name": "Ann"},
    "realm_access": {"roles": ["editor", "reader"]},
    "scp": ["read"],
    "azp": "shop-client",
}


@pytest.mark.rows("F-070", "F-072", "F-073", "F-074")
@pytest.mark.parametrize(
    ("names", "more", "username", "roles"),
    [
        (ClaimNames(), {}, "ann", set()),
        (ClaimNames(), {"roles": "editor"}, "ann", {"editor"}),
        (ClaimNames(), {"roles": ["editor", "reader"]}, "ann", {"editor", "reader"}),
        (ClaimNames(), {"roles": "editor reader"}, "ann", {"editor reader"}),
        (ClaimNames(name="email"), {"email": "a@x.example"}, "a@x.example", set()),
        (ClaimNames(name="email"), {}, None, set()),
        (NAMES, NESTED, "Ann", {"editor", "reader"}),
        (ClaimNames(role="https://x.example/roles"), {"https://x.example/roles": ["editor"]}, "ann", {"editor"}),
    ],
)
def test_a_process_sees_the_claims(names: ClaimNames, more: Any, username: str | None, roles: set[str]) -> None:
    """The name claim as user name, all claims, their presence, and the roles, from where the issuer puts them."""

    def seen(invocation: Invocation) -> Any:
        principal = invocation.claimsprincipal
        known = ("editor", "reader", "edit", "editor reader")
        return {
            "username": invocation.data.username,
            "claims": principal.Claims,
            "has": [name for name in ("sub", "roles", "foo", "nothing") if principal.HasClaim(name)],
            "roles": [role for role in known if principal.IsInRole(role)],
        }

    sent = {**more, "foo": None}
    entry = msgspec.structs.replace(ENTRY, claims=names)
    client = api(
        access={**ACCESS, "issuers": (entry,)},
        bindings={"get /x": {"kind": "python", "function": "seen"}},
        functions={"seen": seen},
    )
    whole = {**claims(), **sent}
    answer = call(client, signed(json.dumps(whole).encode())).json()
    assert answer["username"] == username
    assert answer["claims"] == whole
    assert answer["has"] == [name for name in ("sub", "roles", "foo") if name in whole]
    assert set(answer["roles"]) == roles


def test_what_a_process_does_to_the_claims_stays_with_it() -> None:
    """A token is remembered; a process that writes into its claims changes nothing for the next request."""

    def spoil(invocation: Invocation) -> Any:
        mine = invocation.claimsprincipal.Claims
        before = list(mine["roles"])
        mine["roles"].append("root")
        return before

    client = api(bindings={"get /x": {"kind": "python", "function": "spoil"}}, functions={"spoil": spoil})
    text = token(roles=["reader"])
    assert [call(client, text).json() for _ in range(2)] == [["reader"], ["reader"]]


@pytest.mark.rows("F-071")
def test_other_kinds_have_no_claims() -> None:
    """Key, none: the claims principal is null; a token has one."""
    client = api([{"oauth": []}, {"key": []}], keys=[api_key("k")])
    assert client.get("/x", {"X-Key": "k"}).json()["trigger"]["claimsprincipal"] is None
    assert api(authentication="none").get("/x").json()["trigger"]["claimsprincipal"] is None
    assert call(client, token()).json()["trigger"]["claimsprincipal"]["Claims"]["sub"] == "ann"


def test_a_function_written_for_connexion_gets_the_claims() -> None:
    """``token_info`` are the claims, ``user`` the name."""

    def whoami(user: str, token_info: dict[str, Any]) -> Any:
        return [user, token_info["client_id"]]

    client = api(bindings={"get /x": {"kind": "python", "function": "whoami"}}, functions={"whoami": whoami})
    assert call(client, token()).json() == ["ann", "shop-client"]


def test_two_applications_of_one_user_are_two_callers() -> None:
    """What counts requests or keeps answers tells users, applications and issuers apart, whatever their names hold."""
    made = [
        Token(msgspec.structs.replace(ENTRY, id=issuer), claims(client_id=client, sub=sub), 0.0).info["id"]
        for issuer, client, sub in (("i", "a/b", "c"), ("i", "a", "b/c"), ("j", "a", "b/c"), ("i", "a", "b%2Fc"))
    ]
    assert len(set(made)) == 4
