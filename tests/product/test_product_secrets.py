"""Sixty secrets go into a running product through every door, and none of them is anywhere afterwards (T18, S-18).

Not secrets: names of members, of a body or a path, which are told to whoever sent them, so that a mistake can be found;
and names of users and clients.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlencode, urlsplit

import pki
import pytest
from cryptography.fernet import Fernet
from product_echo import Echo, handlers, through_echoes
from product_platform import TOKEN, Product, wait
from product_secrets import Planted, holds, writings

# Where a secret has to be: what it is, and the only place that has it.
HAS_TO_BE = {
    ("key of stored secrets", "secrets/secret.keys"),
    ("password of redis", "gateway environment"),
    ("password of redis", "admin environment"),
}
DOCUMENT: dict[str, Any] = {
    "openapi": "3.0.3",
    "info": {"title": "Secrets", "version": "1"},
    "components": {
        "securitySchemes": {
            "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
            "basic": {"type": "http", "scheme": "basic"},
            "token": {"type": "oauth2", "flows": {"clientCredentials": {"tokenUrl": "/x", "scopes": {"read": ""}}}},
            "cookie": {"type": "apiKey", "in": "cookie", "name": "session"},
        },
        "schemas": {
            "Body": {
                "type": "object",
                "required": ["count"],
                "additionalProperties": False,
                "properties": {
                    "count": {"type": "integer"},
                    "kind": {"enum": ["a", "b"]},
                    "short": {"type": "string", "maxLength": 3},
                    "code": {"type": "string", "pattern": "^[a-z]$"},
                },
            }
        },
    },
    "paths": {
        f"/{name}": {
            "post": {
                "operationId": name,
                "security": [{name: []}],
                "parameters": [
                    {"name": "X-Count", "in": "header", "schema": {"type": "integer"}},
                    {"name": "count", "in": "query", "schema": {"type": "integer"}},
                    {"name": "count", "in": "cookie", "schema": {"type": "integer"}},
                ],
                "requestBody": {
                    "content": {
                        "application/json": {"schema": {"$ref": "#/components/schemas/Body"}},
                        "application/x-www-form-urlencoded": {"schema": {"$ref": "#/components/schemas/Body"}},
                        "application/xml": {"schema": {"$ref": "#/components/schemas/Body"}},
                    }
                },
                "responses": {"200": {"description": "ok"}},
            }
        }
        for name in ("key", "basic", "token", "cookie")
    },
}
GET = {"parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "integer"}}]}
DOCUMENT["paths"]["/things/{id}"] = {
    "get": {**GET, "security": [{"key": []}], "responses": {"200": {"description": "ok"}}}
}
LIMITS = {"*": {"policies": {"rateLimit": {"limits": [{"requests": 1000, "seconds": 60, "by": "key"}]}}}}
EVERYTHING = [{"path": "/**"}]


def fresh() -> str:
    """A secret that a person might choose: long, with characters that each writing writes in its own way."""
    return f'plänted/{secrets.token_hex(12)}+"& é'


def plain() -> str:
    """One of letters and digits, for places that take no others."""
    return f"planted{secrets.token_hex(12)}"


@pytest.fixture
def planted(tmp_path: Path) -> Iterator[Planted]:
    """A platform of its own, with HTTPS and a password for a Redis that is not there."""
    holder = pki.server(pki.authority("Planted CA"))
    redis = plain()
    product = Product(
        tmp_path,
        tls_certificate=holder.save(tmp_path / "gateway.pem"),
        gateway_tls_port=0,
        redis_url=f"redis://:{redis}@127.0.0.1:1/0",
    )
    product.start()
    try:
        made = Planted(product)
        made.plant("password of redis", redis)
        made.plant("admin token", TOKEN)
        made.plant("TLS key", number_of(holder.key))
        yield made
    finally:
        product.stop()


def number_of(key: Any) -> bytes:
    """The secret number of an EC key."""
    return int(key.private_numbers().private_value).to_bytes(32, "big")


def basic(name: str, password: str) -> dict[str, str]:
    """Basic credentials."""
    return {"Authorization": "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()}


# ---- the doors -------------------------------------------------------------------------------------------------------


def through_the_admin_api(planted: Planted) -> None:
    """Keys, users, sessions, tokens, clients; right ones, replaced ones, and ones that are in the wrong place."""
    plant, ask = planted.plant, planted.ask
    for path in ("/users", "/sessions"):
        ask("POST", path, {"name": plant(f"name in a wrong body of {path}", fresh()), "password": 5})
        ask("POST", path, {"password": plant(f"password without a name of {path}", fresh())})
        ask("POST", path, {"name": "x", "password": "\x00" + plant(f"password that cannot be of {path}", fresh())})
        told = f"member that is none of {path}"
        ask("POST", path, {"name": "x", "password": "y", plant(told, plain()): 1}, shows=(told,))
    for name in ("key", "key before", "key that is revoked"):
        text = ask("POST", "/keys", {"name": name, "rules": EVERYTHING}, shows=(name,)).json()["key"]
        plant(name, text)
    rotated = ask("POST", "/keys/key before/rotate", {"overlap": 3600}, shows=("key after",)).json()["key"]
    plant("key after", rotated)
    ask("DELETE", "/keys/key that is revoked")
    user = {"name": "alice", "password": plant("password before", fresh()), "rules": EVERYTHING, "role": "admin"}
    ask("POST", "/users", user)
    ask("PUT", "/users/alice", {**user, "password": plant("password", fresh())})
    ask("PUT", "/users/alice", {**user, "password": plant("password too long", fresh() * 20)})
    ask("POST", "/sessions", {"name": "alice", "password": plant("wrong password of a login", fresh())})
    login = {"name": "alice", "password": planted.secrets["password"].decode()}
    plant("session", ask("POST", "/sessions", login, shows=("session",)).json()["token"])
    session = planted.secrets["session"].decode()
    made = ask("POST", "/me/tokens", {"name": "t"}, session, ("personal token",)).json()
    plant("personal token", made["token"])
    ask("GET", "/me", plant("token that is nobody's", plain()))
    client = {"name": "machine", "grants": ["client_credentials"], "scopes": ["read"]}
    planted_client = ask("POST", "/clients", client, shows=("client secret before",)).json()
    plant("client secret before", planted_client["clientSecret"])
    renewed = ask("POST", "/clients/machine/secret", shows=("client secret",)).json()
    plant("client secret", renewed["clientSecret"])
    ask("PUT", "/clients/machine", {**client, "secret": plant("client secret of one's own", plain())})
    key = pki.authority("A CA")
    plant("key of an authority", number_of(key.key))
    assert ask("POST", "/authorities", {"name": "ca", "certificates": key.pem + key.secret}).status_code == 400
    jwk = {"kty": "oct", "kid": "k", "k": plant("key of an issuer", plain())}
    issuer = {"name": "i", "issuer": "https://i.example", "audiences": ["a"], "jwks": {"keys": [jwk]}}
    assert ask("POST", "/issuers", issuer).status_code == 400
    url = f"https://user:{plant('password in an address', plain())}@i.example/jwks"
    ask("POST", "/issuers", {**issuer, "jwks": {}, "jwksUrl": url})
    told = "name in a path of the admin API"
    ask("GET", "/keys/" + plant(told, plain()), shows=(told,))
    ask("DELETE", "/me/logins/" + plant("token as an id", plain()))


def through_the_authorization_server(planted: Planted) -> None:
    """Codes, verifiers, passwords and tokens; used, wrong and in the wrong place."""
    plant, call = planted.plant, planted.call
    body = {"name": "shop", "grants": ["authorization_code", "refresh_token"], "scopes": ["read"], "public": True}
    shop = planted.ask("POST", "/clients", {**body, "redirects": ["https://a.example/back"]}).json()["clientId"]
    policy = {"name": "p", "targets": EVERYTHING, "applications": ["machine", "shop"]}
    planted.ask("POST", "/access-policies", policy)
    verifier = plant("verifier", secrets.token_urlsafe(40))
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    query = {"response_type": "code", "client_id": shop, "code_challenge": challenge, "code_challenge_method": "S256"}
    consent = f"/oauth2/authorize?{urlencode(query)}"
    headers = {"Origin": planted.product.gateway}
    form = {"decision": "allow", "username": "alice", "password": plant("wrong password of a consent", fresh())}
    assert call("POST", consent, data=form, headers=headers).status_code == 401
    form["password"] = planted.secrets["password"].decode()
    sent = call("POST", consent, ("code",), data=form, headers=headers)
    code = plant("code", parse_qs(urlsplit(sent.headers["Location"]).query)["code"][0])
    grant = {"client_id": shop, "code": code, "code_verifier": verifier}
    shows = ("access token", "refresh token")
    tokens = call("POST", "/oauth2/token", shows, data={**grant, "grant_type": "authorization_code"}).json()
    plant("access token", tokens["access_token"])
    plant("refresh token", tokens["refresh_token"])
    again = {"grant_type": "refresh_token", "client_id": shop, "refresh_token": tokens["refresh_token"]}
    shows = ("second access token", "second refresh token")
    second = call("POST", "/oauth2/token", shows, data=again).json()
    plant("second access token", second["access_token"])
    plant("second refresh token", second["refresh_token"])
    call("POST", "/oauth2/token", data={**grant, "grant_type": plant("grant that is none", plain())})
    call("POST", "/oauth2/token", data={"client_id": plant("client that is none", plain())})
    machine = planted.ask("GET", "/clients/machine").json()["clientId"]
    for secret in (planted.secrets["client secret before"].decode(), plant("wrong client secret", fresh())):
        wrong = basic(machine, quote(secret, safe=""))
        call("POST", "/oauth2/token", data={"grant_type": "client_credentials"}, headers=wrong)
    call("GET", "/oauth2/jwks")
    bearer = {"Authorization": f"Bearer {second['access_token']}"}
    assert call("POST", "/secrets/token", headers=bearer, json={"count": 1}).status_code == 200


def through_connections(planted: Planted) -> None:
    """Secrets of connections: set, changed, masked, refused, tested and called with, and one that is sent at random."""
    plant, ask = planted.plant, planted.ask
    partner = pki.authority("Root of a connection").issue("partner")
    # the first line of a key says nothing but its kind
    plant("key of a connection", partner.secret.splitlines()[2][:24])
    body = {
        "name": "crm",
        "baseUrl": "http://127.0.0.1:9",
        "authentication": {"kind": "basic", "username": "svc", "password": plant("password of a connection", fresh())},
        "secretHeaders": {"X-Key": plant("secret header of a connection", plain())},
        "proxy": {"url": "http://127.0.0.1:8", "username": "px", "password": plant("password of a proxy", fresh())},
        "tls": {"certificate": partner.pem, "key": partner.secret},
    }
    assert ask("POST", "/connections", body).status_code == 422
    assert ask("POST", "/connection-tests", body).json()["ok"] is False
    assert ask("POST", "/connections?untested=true", body).status_code == 201
    assert ask("POST", "/connections?untested=true", {**body, "name": "no/name"}).status_code == 400
    again = {**body, "authentication": {"kind": "bearer", "token": plant("token of a connection", plain())}}
    assert ask("PUT", "/connections/crm?untested=true", again).status_code == 200
    assert ask("POST", "/connections/crm/test").status_code == 200
    assert ask("POST", "/connections/crm/call", {"path": "/x"}).status_code == 422
    assert ask("POST", "/connections/crm/call", {"entity": "nobody"}).status_code == 400


def through_the_gateway(planted: Planted) -> None:
    """Credentials of every kind, in every place, right and wrong, and secrets where none belongs."""
    plant, call = planted.plant, planted.call
    key = {"X-API-Key": planted.secrets["key"].decode()}
    assert call("POST", "/secrets/key", headers=key, json={"count": 1}).status_code == 200
    for name in ("key before", "key that is revoked"):
        call("POST", f"/secrets/key?api_key={planted.secrets[name].decode()}", json={"count": 1})
    call("POST", f"/secrets/key?api_key={quote(plant('wrong key in a query', fresh()), safe='')}")
    call("POST", "/secrets/key", headers={"X-API-Key": plant("wrong key", plain())})
    call("POST", "/secrets/key", headers={"X-API-Key": plant("mistyped key", f"apim_default_{plain()}")})
    call("POST", "/secrets/token", headers={"Authorization": f"Bearer {plant('token that is none', plain())}"})
    call("POST", "/secrets/token", headers={"Authorization": f"Digest {plant('other credential', plain())}"})
    unsigned = f"{json_64({'alg': 'none'})}.{json_64({'sub': plant('claim of a wrong token', plain())})}."
    call("POST", "/secrets/token", headers={"Authorization": f"Bearer {unsigned}"})
    alice = planted.secrets["password"].decode()
    assert call("POST", "/secrets/basic", headers=basic("alice", alice), json={"count": 1}).status_code == 200
    call("POST", "/secrets/basic", headers=basic("alice", plant("wrong password", fresh())))
    call("POST", "/secrets/basic", headers=basic(plant("password as a name", plain()), "x"))
    call("POST", "/secrets/cookie", headers={"Cookie": f"session={plant('cookie', plain())}"})
    bad = {"Cookie": f"count={plant('cookie of the wrong type', plain())}"}
    call("POST", "/secrets/key", headers={**key, **bad}, json={"count": 1})
    call("POST", "/secrets/key", headers={**key, "X-Count": plant("header of the wrong type", plain())})
    call("POST", f"/secrets/key?count={plant('parameter of the wrong type', plain())}", headers=key)
    call("POST", f"/secrets/key?{plant('parameter that is none', plain())}=1", headers=key)
    call("GET", f"/secrets/things/{plant('path parameter of the wrong type', plain())}", headers=key)
    call("GET", f"/nowhere/{plant('path that is nowhere', plain())}", headers=key)
    call("GET", f"/secrets/{plant('path in an API that is nowhere', plain())}", headers=key)
    for member in ("count", "kind", "short", "code"):
        call("POST", "/secrets/key", headers=key, json={"count": 1, member: plant(f"wrong {member}", fresh())})
    told = ("member that is none",)
    call("POST", "/secrets/key", told, headers=key, json={"count": 1, plant(told[0], plain()): 1})
    for media_type in ("application/json", "application/xml", "text/plain"):
        broken = ("<count>" if media_type.endswith("xml") else '{"count": "') + plant(f"broken {media_type}", plain())
        call("POST", "/secrets/key", headers={**key, "Content-Type": media_type}, data=broken.encode())


def json_64(value: Any) -> str:
    """JSON in URL-safe Base64, as in a token."""
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def of_the_platform(planted: Planted) -> None:
    """What nobody ever sees: the key in the data folder, and the private part of the key that signs tokens."""
    data = planted.product.data
    key = (data / "secrets" / "secret.keys").read_text("ascii").strip()
    planted.plant("key of stored secrets", key)
    with sqlite3.connect(data / "apimgmt.db") as database:
        (content,) = database.execute("SELECT content FROM resources WHERE kind = 'signingkey'").fetchone()
    private = json.loads(Fernet(key).decrypt(json.loads(content)["private"].encode()))["d"]
    planted.plant("key that signs", base64.urlsafe_b64decode(private + "="))


def exports(planted: Planted, api: str = "secrets") -> None:
    """Everything that can be read: by the administrator, by callers, and at the command line."""
    lists = (
        "apis",
        "keys",
        "users",
        "rulesets",
        "authorities",
        "issuers",
        "applications",
        "access-policies",
        "clients",
        "connections",
    )
    of_the_api = (f"apis/{api}/operations", f"apis/{api}/revisions")
    for name in (*lists, "snapshot", "audit?limit=1000", *of_the_api, "me"):
        assert planted.ask("GET", f"/{name}").status_code == 200
    planted.ask("GET", f"/apis/{api}/revisions/1/document")
    planted.ask("GET", f"/access?method=POST&path=/{api}/key")
    planted.call("GET", f"/{api}/openapi.json")
    program = str(Path(sys.executable).with_name("apimgmt"))
    doctor = subprocess.run(
        [program, "doctor", "--output", "json"], env={"APIMGMT_DATA": str(planted.product.data)}, capture_output=True
    )
    planted.answers.append(("doctor", doctor.stdout + doctor.stderr, ()))


# ---- the search ------------------------------------------------------------------------------------------------------


def test_no_secret_is_anywhere(planted: Planted) -> None:
    """0 found in logs, database, snapshots, counts, answers, environments and command lines, in any writing."""
    planted.product.upload("secrets", DOCUMENT, basePath="/secrets")
    planted.product.ask("PUT", "/apis/secrets/triggers", LIMITS, publish="true")
    through_the_admin_api(planted)
    through_the_authorization_server(planted)
    through_connections(planted)
    through_the_gateway(planted)
    of_the_platform(planted)
    exports(planted)
    wait(lambda: "credential" in planted.product.log())
    time.sleep(1)
    print(f"\n{len(planted.secrets)} secrets, {len(planted.answers)} answers")
    assert len(planted.secrets) >= 30
    found = set(planted.found())
    assert found - HAS_TO_BE == set()
    assert found >= HAS_TO_BE, "what has to be is found, so the search finds"
    # the mutant: a line of a log with each secret, in each writing
    for name, secret in planted.secrets.items():
        for writing in writings(secret):
            assert holds(b"a line with " + writing + b" in it", secret), name
    with (planted.product.data / "logs" / "gateway.log").open("a") as log:
        log.write(f"INFO who came with {planted.secrets['key'].decode()}\n")
    assert set(planted.found()) - HAS_TO_BE == {("key", "logs/gateway.log")}


@pytest.fixture
def talkative(tmp_path: Path) -> Iterator[Planted]:
    """A platform whose workers log everything, at the level DEBUG."""
    product = Product(tmp_path, handlers=handlers(tmp_path))
    product.start()
    try:
        made = Planted(product)
        made.plant("admin token", TOKEN)
        yield made
    finally:
        product.stop()


def test_no_secret_of_a_connection_is_said_again(talkative: Planted) -> None:
    """Systems that fail and repeat what they were sent: in no log, no record, no answer, no output of a command."""
    with Echo() as echo:
        through_echoes(talkative, echo, fresh, plain)
    exports(talkative, "echo")
    log = talkative.product.log()
    assert "DEBUG" in log and "/500/x" in log and "answers 401" in log
    print(f"\n{len(talkative.secrets)} secrets, {len(talkative.answers)} answers")
    assert set(talkative.found()) == set()
    # the mutant: a line that has what the other system said
    with (talkative.product.data / "logs" / "gateway.log").open("a") as file:
        file.write(f"DEBUG it said: {talkative.secrets['access token of an echo'].decode()}\n")
    assert set(talkative.found()) == {("access token of an echo", "logs/gateway.log")}
