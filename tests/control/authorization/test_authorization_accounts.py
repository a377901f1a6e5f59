"""What our OAuth 2.0 server gave out ends with the user, the client or the key that it was given out for."""

from __future__ import annotations

import base64
import hashlib
import logging
import secrets
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import msgspec
import pytest
from control_samples import take_in
from cryptography.fernet import Fernet
from flask.testing import FlaskClient

from apimgmt.archive import Archive
from apimgmt.auth.directories import Credentials
from apimgmt.auth.directories.local import Local
from apimgmt.control.authorization.grants import Grant, Grants
from apimgmt.control.publish import Publisher
from apimgmt.control.service import Control
from apimgmt.control.store import Store
from apimgmt.settings import Settings

CALLBACK = "https://app.example/callback"
SHOP = {
    "name": "shop",
    "grants": ["authorization_code", "refresh_token"],
    "redirects": [CALLBACK],
    "scopes": ["read", "write"],
    "public": True,
}
ALICE = {"name": "alice", "password": "right"}


class Application:
    """The client called shop, in whose favour alice consents."""

    def __init__(self, control: Control, archive: Archive) -> None:
        self.control = control
        self.archive = archive
        self.client: FlaskClient = control.authorization().test_client()
        self.identity = control.clients.create(SHOP).view["clientId"]
        self.verifier = secrets.token_urlsafe(48)

    def code(self) -> str:
        """A code that alice gave."""
        digest = hashlib.sha256(self.verifier.encode()).digest()
        query = {
            "response_type": "code",
            "client_id": self.identity,
            "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
        }
        answer = self.client.post(
            f"/oauth2/authorize?{urlencode(query)}",
            data={"decision": "allow", "username": "alice", "password": "right"},
            headers={"Sec-Fetch-Site": "same-origin"},
        )
        return parse_qs(urlsplit(answer.headers["Location"]).query)["code"][0]

    def exchange(self, code: str) -> Any:
        """The answer to a code."""
        return self.token(grant_type="authorization_code", code=code, code_verifier=self.verifier)

    def refresh(self, token: str, **more: str) -> Any:
        """The answer to a refresh token."""
        return self.token(grant_type="refresh_token", refresh_token=token, **more)

    def token(self, **form: str) -> Any:
        """The answer of the token endpoint."""
        return self.client.post("/oauth2/token", data={"client_id": self.identity, **form}).get_json()

    def revoked(self) -> int:
        """How many access tokens the gateway knows as revoked."""
        return len(self.archive.load_snapshot(self.archive.current()[0]).revoked_tokens)


Race = Callable[[Callable[[], object]], None]


@pytest.fixture
def racing(monkeypatch: pytest.MonkeyPatch) -> Race:
    """Lets something happen just after a password was found right."""

    def race(change: Callable[[], object]) -> None:
        check = Local.check

        def checked(self: Local, credentials: Credentials) -> bool:
            right = check(self, credentials)
            change()
            return right

        monkeypatch.setattr(Local, "check", checked)

    return race


@pytest.fixture
def shop(control: Control, archive: Archive) -> Application:
    """The application; there is alice."""
    control.users.create(ALICE)
    return Application(control, archive)


@pytest.mark.parametrize(
    "change", [None, {"name": "alice", "password": "other"}, {"name": "alicia"}], ids=["removed", "password", "renamed"]
)
def test_consents_end_with_the_account(shop: Application, control: Control, change: Any) -> None:
    """Access tokens are revoked at once, refresh tokens and codes open nothing, also for the next user of the name."""
    tokens, code = shop.exchange(shop.code()), shop.code()
    assert shop.revoked() == 0
    if change is None:
        control.users.delete("alice")
        control.users.create(ALICE)
    else:
        control.users.replace("alice", change)
    assert shop.revoked() == 1
    assert shop.refresh(tokens["refresh_token"]) == {"error": "invalid_grant"}
    assert shop.exchange(code)["error"] == "invalid_grant"
    assert shop.revoked() == 1


def test_other_changes_end_nothing(shop: Application, control: Control) -> None:
    """A role, a rule, and the end of somebody else."""
    control.users.create({"name": "bob", "password": "x"})
    tokens = shop.exchange(shop.code())
    control.users.replace("alice", {"role": "viewer", "rules": [{"path": "/a"}]})
    control.users.delete("bob")
    assert "access_token" in shop.refresh(tokens["refresh_token"])
    assert shop.revoked() == 0


def test_what_is_being_made_when_the_account_ends_is_born_ended(
    shop: Application, control: Control, store: Store, archive: Archive
) -> None:
    """A code that was redeemed a moment before, and one that is kept a moment after."""
    grants = Grants(store, Publisher(store, archive, 0.1))
    account = control.users.get("alice").view["id"]
    grant = Grant(user="alice", account=account, family="f1")
    grants.keep("code", "c1", shop.identity, grant)
    used = grants.use("code", "c1", shop.identity)
    assert used is not None
    control.users.delete("alice")
    grants.keep_access("token-1", shop.identity, used, time.time() + 60)
    grants.keep("refresh", "r1", shop.identity, used)
    grants.keep("code", "c2", shop.identity, Grant(user="alice", account=account, family="f2"), "a hash")
    assert not grants.is_active("token-1")
    assert grants.use("refresh", "r1", shop.identity) is None
    assert grants.use("code", "c2", shop.identity) is None
    assert shop.revoked() == 1


def test_a_password_that_changes_while_it_is_looked_at(shop: Application, control: Control, racing: Race) -> None:
    """It was right, and no longer is when the code is kept: the code opens nothing."""
    racing(lambda: control.users.replace("alice", {"password": "other"}))
    assert shop.exchange(shop.code())["error"] == "invalid_grant"


def test_a_client_that_lost_a_scope_or_a_grant_does_not_keep_it(shop: Application, control: Control) -> None:
    """The consent stays, and covers no more than what the client still has."""
    tokens = shop.exchange(shop.code())
    assert tokens["scope"] == "read write"
    control.clients.replace("shop", {**SHOP, "scopes": ["read"]})
    assert shop.refresh(tokens["refresh_token"], scope="write")["error"] == "invalid_scope"
    tokens = shop.exchange(shop.code())
    control.clients.replace("shop", {**SHOP, "scopes": []})
    assert shop.refresh(tokens["refresh_token"])["scope"] == ""
    tokens = shop.exchange(shop.code())
    control.clients.replace("shop", {**SHOP, "grants": ["authorization_code"]})
    assert shop.refresh(tokens["refresh_token"])["error"] == "unauthorized_client"


def test_a_client_that_is_removed_gets_nothing(shop: Application, control: Control) -> None:
    """Neither for a code nor for a refresh token, and the page does not know it."""
    tokens, code = shop.exchange(shop.code()), shop.code()
    control.clients.delete("shop")
    assert shop.refresh(tokens["refresh_token"])["error"] == "invalid_client"
    assert shop.exchange(code)["error"] == "invalid_client"


def test_guessing_at_the_page_is_slowed(shop: Application) -> None:
    """Five wrong passwords for a name, then 429, in words."""
    query = urlencode({"response_type": "code", "client_id": shop.identity, "code_challenge": "x" * 43})
    url = f"/oauth2/authorize?{query}&code_challenge_method=S256"
    answers = [
        shop.client.post(
            url,
            data={"decision": "allow", "username": "alice", "password": f"p{number}"},
            headers={"Sec-Fetch-Site": "same-origin"},
        )
        for number in range(6)
    ]
    assert [answer.status_code for answer in answers] == [401] * 5 + [429]
    assert "Too many wrong passwords" in answers[5].text


# ---- keys ------------------------------------------------------------------------------------------------------------


def test_a_wrong_key_gives_no_tokens_and_says_why(
    settings: Settings, store: Store, archive: Archive, caplog: pytest.LogCaptureFixture
) -> None:
    """The caller learns that there are none now, the operator what to restore; with the right key it goes on."""

    keys = [Fernet.generate_key().decode() for _ in range(2)]

    def ask(secret_keys: str) -> Any:
        own = msgspec.structs.replace(settings, secret_keys=secret_keys)
        control = Control(own, store, archive, take_in, wait_seconds=0.1)
        made = control.clients.create({"name": secrets.token_hex(4), "grants": ["client_credentials"]}).view
        form = {
            "grant_type": "client_credentials",
            "client_id": made["clientId"],
            "client_secret": made["clientSecret"],
        }
        return control.authorization().test_client().post("/oauth2/token", data=form)

    assert ask(keys[0]).status_code == 200
    with caplog.at_level(logging.ERROR):
        answer = ask(keys[1])
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "60")
    assert "secret_keys" not in answer.text
    assert "secret_keys: none of the keys decrypts" in caplog.text
    assert ask(f"{keys[1]},{keys[0]}").status_code == 200
