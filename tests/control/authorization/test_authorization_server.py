"""Our OAuth 2.0 server, as applications see it: over its Flask application, on the real store."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from flask.testing import FlaskClient
from joserfc import jwt
from joserfc.jwk import KeySet

from apimgmt.archive import Archive
from apimgmt.control.authorization.clients import Client
from apimgmt.control.authorization.grants import Grants
from apimgmt.control.authorization.pages import pages
from apimgmt.control.authorization.server import AuthorizationServer, Person, is_safe
from apimgmt.control.authorization.signing import SigningKeys, key_set
from apimgmt.control.publish import Publisher
from apimgmt.control.service import Control
from apimgmt.control.store import Store
from apimgmt.encryption import Encryption
from apimgmt.settings import Settings

ISSUER = "https://api.example"
CALLBACK = "https://app.example/callback"
SECRET = "s3cr:t"
MACHINE = Client(
    "machine", "Machine", hashlib.sha256(SECRET.encode()).hexdigest(), (), ("client_credentials",), ("read", "write")
)
BROWSER = Client("browser", "Shop window", "", (CALLBACK,), ("authorization_code", "refresh_token"), ("read", "write"))
OTHER = Client("other", "Other", MACHINE.secret, (CALLBACK,), ("client_credentials",), ("read",))
CLIENTS = {client.client_id: client for client in (MACHINE, BROWSER, OTHER)}
SAME_SITE = {"Sec-Fetch-Site": "same-origin"}


class Caller:
    """An application that speaks to the server."""

    def __init__(self, client: FlaskClient, archive: Archive) -> None:
        self.client = client
        self.archive = archive
        self.verifier = secrets.token_urlsafe(48)

    def post(self, path: str, headers: Mapping[str, str] | None = None, **form: str) -> tuple[int, Any]:
        """Status and JSON of a form sent to an endpoint."""
        answer = self.client.post(path, data=form, headers=dict(headers or {}))
        return answer.status_code, answer.get_json(silent=True)

    def query(self, **changes: str | None) -> str:
        """The query of an authorization request that is good unless ``changes`` say otherwise; None leaves one out."""
        digest = hashlib.sha256(self.verifier.encode()).digest()
        wanted: dict[str, str | None] = {
            "response_type": "code",
            "client_id": "browser",
            "redirect_uri": CALLBACK,
            "scope": "read",
            "state": "xyz",
            "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
        }
        return urlencode({name: value for name, value in (wanted | changes).items() if value is not None})

    def consent(self, headers: Mapping[str, str] = SAME_SITE, password: str = "right", **changes: str | None) -> Any:
        """Alice answers the page."""
        form = {"decision": "allow", "username": "alice", "password": password}
        return self.client.post(f"/oauth2/authorize?{self.query(**changes)}", data=form, headers=dict(headers))

    def code(self) -> str:
        """A fresh code."""
        return parse_qs(urlsplit(self.consent().headers["Location"]).query)["code"][0]

    def exchange(self, code: str, **changes: str) -> tuple[int, Any]:
        """Code for tokens."""
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK, "client_id": "browser"}
        return self.post("/oauth2/token", **(form | {"code_verifier": self.verifier} | changes))

    def refresh(self, token: str, **more: str) -> tuple[int, Any]:
        """A refresh token for new tokens."""
        return self.post("/oauth2/token", grant_type="refresh_token", refresh_token=token, client_id="browser", **more)

    def revoked(self) -> dict[str, float]:
        """What the gateway knows as revoked."""
        return self.archive.load_snapshot(self.archive.current()[0]).revoked_tokens


def basic(identity: str = "machine", secret: str = SECRET) -> dict[str, str]:
    """Client authentication in the header."""
    return {"Authorization": "Basic " + base64.b64encode(f"{identity}:{secret}".encode()).decode()}


@pytest.fixture
def server(settings: Settings, store: Store, archive: Archive, control: Control) -> AuthorizationServer:
    """The server over the store of the control plane."""
    publisher = Publisher(store, archive, 0.5)
    signing = SigningKeys(store, publisher, Encryption(settings), ISSUER)

    def keys() -> dict[str, Any]:
        with store.reading() as transaction:
            return key_set(transaction)

    return AuthorizationServer(ISSUER, CLIENTS.get, Grants(store, publisher), signing, keys)


@pytest.fixture
def caller(server: AuthorizationServer, archive: Archive, control: Control) -> Caller:
    """Somebody who calls it."""
    alice = control.users.create({"name": "alice", "password": "right"}).view

    def check_password(user: str, password: str, address: str) -> Person | None:
        hashed = next(entry.password for entry in archive.load_snapshot(archive.current()[0]).users)
        return Person(alice["id"], "alice", hashed) if (user, password) == ("alice", "right") else None

    app = pages(server, check_password)
    return Caller(app.test_client(), archive)


def claims(server: AuthorizationServer, token: str) -> dict[str, Any]:
    """The verified claims of an access token."""
    read = jwt.decode(token, KeySet.import_key_set(server.keys()), algorithms=["ES256"])
    assert read.header["typ"] == "at+jwt"
    return dict(read.claims)


@pytest.mark.rows("F-038")
def test_a_machine_gets_a_token(server: AuthorizationServer, caller: Caller) -> None:
    """Client credentials: a token as RFC 9068 describes it, for no more scopes than the client has."""
    status, answer = caller.post("/oauth2/token", basic(), grant_type="client_credentials", scope="read")
    assert (status, answer["token_type"], answer["scope"], answer["expires_in"]) == (200, "Bearer", "read", 3600)
    assert "refresh_token" not in answer
    read = claims(server, answer["access_token"])
    wanted = {"iss": ISSUER, "aud": ISSUER, "sub": "machine", "client_id": "machine", "scope": "read"}
    assert wanted.items() <= read.items()
    assert read["exp"] - read["iat"] == 3600


@pytest.mark.parametrize(
    ("headers", "form", "status", "error"),
    [
        (basic(secret="wrong"), {"grant_type": "client_credentials"}, 401, "invalid_client"),
        (basic("nobody"), {"grant_type": "client_credentials"}, 401, "invalid_client"),
        ({"Authorization": "Basic !"}, {"grant_type": "client_credentials"}, 401, "invalid_client"),
        ({}, {"grant_type": "client_credentials"}, 401, "invalid_client"),
        (basic(), {"grant_type": "client_credentials", "scope": "admin"}, 400, "invalid_scope"),
        (basic(), {"grant_type": "password", "username": "alice", "password": "right"}, 400, "unsupported_grant_type"),
        (basic(), {"grant_type": "authorization_code", "code": "x"}, 400, "unauthorized_client"),
        ({}, {"grant_type": "client_credentials", "client_id": "browser"}, 401, "invalid_client"),
        (basic(), {}, 400, "unsupported_grant_type"),
    ],
)
def test_what_the_token_endpoint_refuses(
    caller: Caller, headers: dict[str, str], form: dict[str, str], status: int, error: str
) -> None:
    """Wrong secrets, wider scopes and grants that a client has not, each with the protocol's error."""
    assert (lambda answer: (answer[0], answer[1]["error"]))(caller.post("/oauth2/token", headers, **form)) == (
        status,
        error,
    )


def test_a_caller_cannot_put_words_into_the_token(server: AuthorizationServer, caller: Caller) -> None:
    """oauthlib's request shows form fields as attributes; none of them becomes a claim."""
    form = {"grant_type": "client_credentials", "user": "alice", "granted": "x", "audience": "y", "scopes": "admin"}
    status, answer = caller.post("/oauth2/token", basic(), **form)
    read = claims(server, answer["access_token"])
    assert (status, read["sub"], read["aud"], read["scope"]) == (200, "machine", ISSUER, "read write")


def test_a_person_allows_an_application(server: AuthorizationServer, caller: Caller) -> None:
    """The page, the code, the tokens: and the token names the person."""
    page = caller.client.get(f"/oauth2/authorize?{caller.query()}")
    assert (page.status_code, "Shop window" in page.text, "read" in page.text) == (200, True, True)
    assert "frame-ancestors 'none'" in page.headers["Content-Security-Policy"]
    sent = caller.consent()
    query = parse_qs(urlsplit(sent.headers["Location"]).query)
    assert sent.status_code == 302
    assert sent.headers["Location"].startswith(CALLBACK + "?")
    assert (query["state"], query["iss"]) == (["xyz"], [ISSUER])
    status, answer = caller.exchange(query["code"][0])
    assert status == 200
    assert claims(server, answer["access_token"])["sub"] == "alice"


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"code_challenge": None}, "invalid_request"),
        ({"code_challenge_method": None}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"scope": "admin"}, "invalid_scope"),
    ],
)
def test_a_bad_request_goes_back_with_an_error(caller: Caller, changes: dict[str, str | None], error: str) -> None:
    """No PKCE, ``plain``, the implicit grant, too many scopes."""
    answer = caller.client.get(f"/oauth2/authorize?{caller.query(**changes)}")
    location = answer.headers["Location"]
    assert location.startswith(CALLBACK + "?")
    assert parse_qs(urlsplit(location).query)["error"] == [error]


@pytest.mark.parametrize(
    "changes",
    [
        {"client_id": "nobody"},
        {"client_id": None},
        {"redirect_uri": "https://evil.example/callback"},
        {"redirect_uri": CALLBACK + "/more"},
        {"redirect_uri": CALLBACK.replace("https", "http")},
    ],
)
def test_nobody_is_sent_to_an_unknown_place(caller: Caller, changes: dict[str, str | None]) -> None:
    """An unknown application or address gets a page, never a redirect; the same when the form is sent."""
    for answer in (caller.client.get(f"/oauth2/authorize?{caller.query(**changes)}"), caller.consent(**changes)):
        assert answer.status_code == 400
        assert "Location" not in answer.headers


def test_only_our_own_form_counts(caller: Caller) -> None:
    """A form that another site sends is refused (T15)."""
    for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}, {}):
        assert caller.consent(headers).status_code == 403
    assert caller.consent({"Origin": ISSUER}).status_code == 302


def test_a_wrong_password_gives_no_code(caller: Caller) -> None:
    """The page again, with a word about it; Deny goes back to the application."""
    answer = caller.consent(password="wrong")
    assert (answer.status_code, "wrong" in answer.text) == (401, True)
    form = {"decision": "deny"}
    denied = caller.client.post(f"/oauth2/authorize?{caller.query()}", data=form, headers=SAME_SITE)
    assert "error=access_denied" in denied.headers["Location"]
    assert "state=xyz" in denied.headers["Location"]


@pytest.mark.parametrize(
    "changes",
    [
        {"code_verifier": "x" * 43},
        {"code_verifier": "é" * 43},
        {"code_verifier": ""},
        {"redirect_uri": CALLBACK + "2"},
        {"client_id": "other"},
    ],
)
def test_a_code_is_bound(caller: Caller, changes: dict[str, str]) -> None:
    """To its verifier, its address and its client; a failed try uses it up."""
    code = caller.code()
    status, answer = caller.exchange(code, **changes)
    assert status in (400, 401)
    assert "access_token" not in answer
    if "client_id" not in changes:
        assert caller.exchange(code)[0] == 400


def test_a_code_that_comes_twice_ends_what_it_gave(server: AuthorizationServer, caller: Caller) -> None:
    """The second use is refused, and the tokens of the first are revoked in the snapshot."""
    code = caller.code()
    _, first = caller.exchange(code)
    assert caller.revoked() == {}
    assert caller.exchange(code)[1]["error"] == "invalid_grant"
    assert list(caller.revoked()) == [claims(server, first["access_token"])["jti"]]
    assert caller.refresh(first["refresh_token"])[1]["error"] == "invalid_grant"


def test_refresh_tokens_rotate(server: AuthorizationServer, caller: Caller) -> None:
    """Each is good once, for no more scopes; a second use ends the family, the newest tokens included."""
    _, first = caller.exchange(caller.code())
    assert caller.refresh(first["refresh_token"], scope="write")[1]["error"] == "invalid_scope"
    _, again = caller.exchange(caller.code())
    status, second = caller.refresh(again["refresh_token"])
    assert (status, second["refresh_token"] != again["refresh_token"]) == (200, True)
    assert caller.refresh(again["refresh_token"])[1]["error"] == "invalid_grant"
    assert caller.refresh(second["refresh_token"])[1]["error"] == "invalid_grant"
    assert {claims(server, one["access_token"])["jti"] for one in (again, second)} <= set(caller.revoked())


def test_introspection_and_revocation(server: AuthorizationServer, caller: Caller) -> None:
    """A client learns about its own tokens and ends them; about those of others it learns nothing."""
    _, answer = caller.post("/oauth2/token", basic(), grant_type="client_credentials")
    token = answer["access_token"]
    status, told = caller.post("/oauth2/introspect", basic(), token=token)
    assert (status, told["active"], told["client_id"]) == (200, True, "machine")
    assert caller.post("/oauth2/introspect", basic("other"), token=token)[1] == {"active": False}
    assert caller.post("/oauth2/introspect", token=token)[0] == 401
    assert caller.post("/oauth2/revoke", basic("other"), token=token)[0] == 200
    assert caller.post("/oauth2/introspect", basic(), token=token)[1]["active"] is True
    assert caller.post("/oauth2/revoke", basic(), token=token)[0] == 200
    assert caller.post("/oauth2/introspect", basic(), token=token)[1] == {"active": False}
    assert list(caller.revoked()) == [claims(server, token)["jti"]]
    assert caller.post("/oauth2/introspect", basic(), token="garbage")[1] == {"active": False}


def test_keys_rotate(server: AuthorizationServer, caller: Caller, settings: Settings, store: Store) -> None:
    """A new key signs; tokens of the old one are still verified; private parts are only stored encrypted."""
    _, old = caller.post("/oauth2/token", basic(), grant_type="client_credentials")
    kid = server._signing.rotate()
    _, new = caller.post("/oauth2/token", basic(), grant_type="client_credentials")
    assert caller.client.get("/oauth2/jwks").json["keys"][-1]["kid"] == kid
    for answer in (old, new):
        claims(server, answer["access_token"])
    assert all("d" not in key for key in server.keys()["keys"])
    with store.reading() as transaction:
        contents = [json.loads(row.content) for row in transaction.resources("signingkey")]
    assert len(contents) == 2
    assert all('"d"' in Encryption(settings).decrypt(content["private"]) for content in contents)


def test_metadata(caller: Caller) -> None:
    """RFC 8414: what clients configure themselves with; every address is the issuer's."""
    told = caller.client.get("/.well-known/oauth-authorization-server").json
    assert (told["issuer"], told["token_endpoint"]) == (ISSUER, ISSUER + "/oauth2/token")
    assert told["code_challenge_methods_supported"] == ["S256"]
    assert "password" not in told["grant_types_supported"]


@pytest.mark.parametrize(
    ("issuer", "safe"),
    [
        ("https://a.example", True),
        ("http://127.0.0.1:8080", True),
        ("http://[::1]:1", True),
        ("http://a.example", False),
    ],
)
def test_tokens_need_https(issuer: str, safe: bool) -> None:
    """Plain HTTP only on this machine."""
    assert is_safe(issuer) is safe
