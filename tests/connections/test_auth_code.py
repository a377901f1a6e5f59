"""OAuth 2 authorization code, without the browser: the link, the code, refreshing, and who may have sent the answer."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from connections.identityserver import CLIENT, IdentityServer

import apimgmt.asgi  # noqa: F401  registers every kind
from apimgmt.connections.authentication.authorizationcode import SignedIn
from apimgmt.connections.configuration import Configuration
from apimgmt.connections.connection import Connection
from apimgmt.errors import ConnectionFailed, SettingInvalid
from apimgmt.reading import read
from apimgmt.settings import Settings

REDIRECT = "https://ours.example/connections/callback"
VERIFIER = "abcdefghijklmnopqrstuvwxyz-0123456789._~ABCDEFGH"


class Signing:
    """A connection to an API that people sign in to, its tokens kept in a folder."""

    def __init__(self, server: IdentityServer, folder: Path, **members: Any) -> None:
        self.server = server
        authentication = server.client("oauth2AuthorizationCode", **members)
        own = {"baseUrl": server.url, "internalHosts": ["127.0.0.1"], "authentication": authentication}
        self.connection = Connection("crm", read(own, Configuration), {}, Settings(data=str(folder)))
        found = self.connection.policy.authentication
        assert isinstance(found, SignedIn)
        self.authentication = found

    def link(self, verifier: str = VERIFIER) -> str:
        """Where the browser is led."""
        return self.authentication.authorize_url(REDIRECT, "the state", verifier)

    def code(self, link: str) -> str:
        """The code that a browser comes back with."""
        return parse_qs(urlsplit(self.server.authorize(link)).query)["code"][0]

    def sign_in(self) -> None:
        """All of it."""
        self.authentication.sign_in(self.code(self.link()), VERIFIER, REDIRECT)

    def call(self) -> int:
        """The status of a call."""
        return self.connection.get("/api").status


def query(url: str) -> dict[str, list[str]]:
    """The parameters of a URL."""
    return parse_qs(urlsplit(url).query)


@pytest.mark.rows("C-016", "C-017", "P-004", "P-005")
def test_the_link_asks_for_a_code_with_pkce(tmp_path: Path) -> None:
    """With the client, the scopes as they were written, our redirect URI, the state, and a digest of the verifier."""
    with IdentityServer() as server:
        extra = {"authorizeUrl": f"{server.url}/authorize?tenant=7", "parameters": {"access_type": "offline"}}
        link = Signing(server, tmp_path, scopes="read write", **extra).link()
    digest = hashlib.sha256(VERIFIER.encode()).digest()
    assert query(link) == {
        "tenant": ["7"],
        "access_type": ["offline"],
        "response_type": ["code"],
        "client_id": [CLIENT],
        "redirect_uri": [REDIRECT],
        "scope": ["read write"],
        "state": ["the state"],
        "code_challenge": [base64.urlsafe_b64encode(digest).rstrip(b"=").decode()],
        "code_challenge_method": ["S256"],
    }
    assert VERIFIER not in link


@pytest.mark.rows("C-016")
def test_a_code_becomes_tokens_that_every_worker_finds(tmp_path: Path) -> None:
    """Nobody has signed in before; afterwards also a connection of another process calls."""
    with IdentityServer() as server:
        signing = Signing(server, tmp_path)
        with pytest.raises(ConnectionFailed, match="nobody has signed in") as caught:
            signing.call()
        assert caught.value.cause == "token" and server.requests == []
        signing.sign_in()
        assert signing.call() == Signing(server, tmp_path).call() == 200
        assert len(server.requests) == 1


@pytest.mark.rows("P-007")
def test_headers_go_with_what_we_send_ourselves(tmp_path: Path) -> None:
    """The request for the code and each refresh; the browser's request is its own and has no field of ours."""
    with IdentityServer() as server:
        signing = Signing(server, tmp_path, headers={"X-Tenant": "7"})
        signing.sign_in()
        server.revoke()
        assert signing.call() == 200
        assert [fields["x-tenant"] for fields in server.headers] == ["7", "7"]


@pytest.mark.rows("P-006", "P-004")
def test_the_refresh_url_is_used_for_refreshing(tmp_path: Path) -> None:
    """Else the token URL."""
    with IdentityServer() as server, IdentityServer() as other:
        for refresh_url, asked in ((f"{other.url}/refresh", other), ("", server)):
            signing = Signing(server, tmp_path / f"{len(refresh_url)}", refreshUrl=refresh_url)
            signing.sign_in()
            server.revoke()
            before = len(asked.requests)
            try:
                signing.call()
            except ConnectionFailed as failure:
                assert asked is other and "invalid_grant" in str(failure)
            assert [form["grant_type"] for form in asked.requests[before:]] == ["refresh_token"]


@pytest.mark.rows("C-056", "C-058")
@pytest.mark.parametrize("rotates", [True, False], ids=["rotating", "lasting"])
def test_a_refresh_token_is_replaced_if_a_new_one_comes(rotates: bool, tmp_path: Path) -> None:
    """Ten renewals in a row, each by another process: none of them uses one that counted once."""
    with IdentityServer() as server:
        server.rotates = rotates
        Signing(server, tmp_path).sign_in()
        for _ in range(10):
            server.revoke()
            assert Signing(server, tmp_path).call() == 200
        sent = [form["refresh_token"] for form in server.requests[1:]]
        assert len(sent) == 10 and len(set(sent)) == (10 if rotates else 1)


@pytest.mark.rows("C-060")
def test_a_sign_in_that_was_revoked_is_over(tmp_path: Path) -> None:
    """The call says so and what to do; no later call asks the server again, and signing in again mends it."""
    with IdentityServer() as server:
        signing = Signing(server, tmp_path)
        signing.sign_in()
        server.revoke_all()
        with pytest.raises(ConnectionFailed, match=r"invalid_grant.*sign in again"):
            signing.call()
        for one in (signing, Signing(server, tmp_path)):
            with pytest.raises(ConnectionFailed, match=r"ended.*apimgmt connections authorize"):
                one.connection.policy.authentication.forget()  # type: ignore[attr-defined]
                one.call()
        asked = len(server.requests)
        assert asked == 2
        signing.sign_in()
        assert signing.call() == 200 and len(server.requests) == asked + 1


def test_a_server_that_gives_no_refresh_token_wants_people_again(tmp_path: Path) -> None:
    """The failure says it when the token is refused."""
    with IdentityServer() as server:
        server.grants_refresh = False
        signing = Signing(server, tmp_path)
        signing.sign_in()
        assert signing.call() == 200
        server.revoke()
        with pytest.raises(ConnectionFailed, match="has ended"):
            signing.call()
        assert len(server.requests) == 1


def test_signing_out_forgets_the_tokens(tmp_path: Path) -> None:
    """Nothing is kept on disk either."""
    with IdentityServer() as server:
        signing = Signing(server, tmp_path)
        signing.sign_in()
        kept = signing.authentication.token()
        assert kept is not None and kept.refresh and kept.since
        signing.authentication.discard()
        assert signing.authentication.token() is None
        assert list((tmp_path / "connections").glob("*.token")) == []
        with pytest.raises(ConnectionFailed, match="nobody has signed in"):
            signing.call()


@pytest.mark.rows("C-017")
@pytest.mark.parametrize("attack", ["injected", "downgraded", "other-redirect", "used-twice"])
def test_a_code_that_is_not_from_this_sign_in_gives_no_tokens(attack: str, tmp_path: Path) -> None:
    """S-47: a code of the attacker's own sign-in, one for which the challenge was cut out on the way, one for another
    redirect URI, one that was used. The server can tell, because the verifier is always sent."""
    with IdentityServer() as server:
        signing = Signing(server, tmp_path)
        link, redirect = signing.link(), REDIRECT
        if attack == "injected":
            link = signing.link("another-verifier-of-the-attacker-0123456789abcdef")
        elif attack == "downgraded":
            link = link.replace("code_challenge", "x_challenge")
        elif attack == "other-redirect":
            link = link.replace("ours.example", "evil.example")
        code = signing.code(link)
        if attack == "used-twice":
            signing.authentication.sign_in(code, VERIFIER, redirect)
            signing.authentication.discard()
        with pytest.raises(ConnectionFailed, match="invalid_grant"):
            signing.authentication.sign_in(code, VERIFIER, redirect)
        assert server.requests[-1]["code_verifier"] == VERIFIER
        assert signing.authentication.token() is None


@pytest.mark.parametrize(
    ("issuer", "sent", "right"),
    [
        pytest.param("", None, True, id="neither"),
        pytest.param("", "{server}", True, id="origin"),
        pytest.param("", "{server}/tenant", True, id="origin-with-path"),
        pytest.param("", "https://evil.example", False, id="other-origin"),
        pytest.param("", "https://[", False, id="no-url"),
        pytest.param("", "", False, id="empty"),
        pytest.param("https://id.example/a", "https://id.example/a", True, id="configured"),
        pytest.param("https://id.example/a", "https://id.example/b", False, id="other-path"),
        pytest.param("https://id.example/a", "https://id.example/a/", False, id="slash"),
        pytest.param("https://id.example/a", None, False, id="left-out"),
    ],
)
def test_the_issuer_is_the_server_that_was_asked(issuer: str, sent: str | None, right: bool, tmp_path: Path) -> None:
    """Against mix-up (RFC 9207): character by character if it is configured, else by the origin."""
    with IdentityServer() as server:
        signing = Signing(server, tmp_path, issuer=issuer)
        given = sent.replace("{server}", server.url) if sent is not None else None
        assert signing.authentication.is_from(given) is right


@pytest.mark.parametrize(
    ("members", "pointer"),
    [
        ({"authorizeUrl": "javascript:alert(1)"}, "/authentication/authorizeUrl"),
        ({"authorizeUrl": "http://id.example/authorize"}, "/authentication/authorizeUrl"),
        ({"authorizeUrl": "https://id.example/a?code_challenge_method=plain"}, "/authentication/authorizeUrl"),
        ({"authorizeUrl": "https://id.example/a?redirect_uri=https://evil.example"}, "/authentication/authorizeUrl"),
        ({"refreshUrl": "http://id.example/refresh"}, "/authentication/refreshUrl"),
        ({"refreshUrl": "https://169.254.169.254/refresh"}, "/authentication/refreshUrl"),
        ({"parameters": {"code_challenge_method": "plain"}}, "/authentication/parameters"),
        ({"issuer": "https://id.example\n"}, "/authentication/issuer"),
    ],
    ids=["script", "http", "plain", "redirect", "refresh-http", "refresh-metadata", "parameters", "issuer"],
)
def test_settings_that_would_weaken_it_are_refused(members: dict[str, str], pointer: str, tmp_path: Path) -> None:
    """With their place."""
    with IdentityServer() as server, pytest.raises(SettingInvalid) as caught:
        Signing(server, tmp_path, **members)
    assert caught.value.pointer == pointer
