"""Signing in to a connection through a browser: the good way ends well, and every other way is refused (S-47, T47)."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import msgspec
import pytest
import requests
from connections.identityserver import SECRET, IdentityServer
from control_samples import take_in
from cryptography.fernet import Fernet
from flask.testing import FlaskClient
from werkzeug.serving import make_server

import apimgmt.asgi
from apimgmt.archive import Archive
from apimgmt.connections import Call
from apimgmt.connections.known import Connections as Serving
from apimgmt.control.pending import Pending
from apimgmt.control.service import Control
from apimgmt.control.sessions import Member
from apimgmt.control.signon import SignOn
from apimgmt.control.signonpages import signon_pages
from apimgmt.control.store import Store
from apimgmt.digest import digest_of
from apimgmt.errors import ConnectionFailed, Problem
from apimgmt.settings import Settings
from harness import Client as AsgiClient

ADMIN = Member("admin", "admin")
OWN = "http://127.0.0.1:8081"
TOKEN = "the-admin-token"
CREDENTIALS = "oauth2ClientCredentials"


class Clock:
    """A clock that goes when it is told to."""

    def __init__(self) -> None:
        self.now = time.time()

    def __call__(self) -> float:
        return self.now


class People:
    """A control plane with a connection called crm to ``server``, and browsers that come by."""

    def __init__(self, control: Control, settings: Settings, store: Store, server: IdentityServer) -> None:
        self.control = control
        self.settings = settings
        self.server = server
        self.clock = Clock()
        self.sign_on = SignOn(settings, store, control._publisher, control.connections, self.clock)
        self.browser = self.new_browser()
        control.connections.create({"name": "crm", **self.members()})

    def members(self, **authentication: Any) -> dict[str, Any]:
        """The settings of the connection."""
        client = self.server.client("oauth2AuthorizationCode", scopes="read", **authentication)
        return {"baseUrl": self.server.url, "internalHosts": ["127.0.0.1"], "authentication": client}

    def new_browser(self) -> FlaskClient:
        """A browser without cookies."""
        return signon_pages(self.sign_on).test_client()

    def link(self, member: Member = ADMIN) -> str:
        """Path and query of a fresh link."""
        return _path(self.sign_on.begin("crm", member)["url"])

    def led(self, browser: FlaskClient | None = None, member: Member = ADMIN) -> str:
        """Where a browser is led by a fresh link: at the other system."""
        answer = (browser or self.browser).get(self.link(member), base_url=OWN)
        assert answer.status_code == 302
        return answer.headers["Location"]

    def back(self, url: str) -> str:
        """Path and query of where the other system leads it back to."""
        answer = requests.get(url, allow_redirects=False, timeout=30)
        assert answer.headers["Location"].startswith(f"{OWN}/connections/callback?")
        return _path(answer.headers["Location"])

    def arrive(self, path: str, browser: FlaskClient | None = None) -> Any:
        """What the browser is shown then."""
        answer = (browser or self.browser).get(path, base_url=OWN)
        assert "Location" not in answer.headers
        return answer

    @property
    def is_signed_in(self) -> bool:
        """Whether somebody is."""
        return bool(self.sign_on.view("crm")["signedIn"])

    def refused(self, path: str, browser: FlaskClient | None = None) -> str:
        """The text of a page that refuses; nobody is signed in then."""
        answer = self.arrive(path, browser)
        assert answer.status_code == 400 and not self.is_signed_in
        return str(answer.text)


@pytest.fixture
def server() -> Iterator[IdentityServer]:
    """The other system."""
    with IdentityServer() as server:
        yield server


@pytest.fixture
def people(control: Control, settings: Settings, store: Store, server: IdentityServer) -> People:
    """Somebody who wants to sign in."""
    return People(control, settings, store, server)


def _path(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.path}?{parts.query}"


def _changed(path: str, **values: str | None) -> str:
    """A callback with other parameters; None leaves one out."""
    query = {name: found[0] for name, found in parse_qs(urlsplit(path).query).items()} | values
    return f"{urlsplit(path).path}?{urlencode({name: value for name, value in query.items() if value is not None})}"


@pytest.mark.rows("C-016", "C-017")
def test_the_good_way_ends_signed_in(people: People, archive: Archive) -> None:
    """A link, a consent, a page; the connection calls with the tokens, and the gateway is told that they are new."""
    assert not people.is_signed_in
    answer = people.arrive(people.back(people.led()))
    assert answer.status_code == 200 and "crm is signed in" in answer.text
    view = people.sign_on.view("crm")
    assert view["signedIn"] and view["renewable"] and view["scopes"] == "read"
    assert view["redirectUri"] == f"{OWN}/connections/callback" and view["since"] < view["expires"]
    (entry,) = archive.load_snapshot(archive.current()[0]).connections
    assert entry.signed_on
    connection = people.control.connections.opened("crm", 30)
    assert connection.get("/api").status == 200
    connection.close()


def test_the_browser_is_led_with_pkce_and_marked(people: People) -> None:
    """The mark is a cookie for the callback alone, which no script reads; neither it nor the verifier is in a URL."""
    answer = people.browser.get(people.link(), base_url=OWN)
    query = parse_qs(urlsplit(answer.headers["Location"]).query)
    assert query["code_challenge_method"] == ["S256"] and len(query["code_challenge"][0]) == 43
    assert query["redirect_uri"] == [f"{OWN}/connections/callback"] and len(query["state"][0]) == 43
    (cookie,) = answer.headers.getlist("Set-Cookie")
    parts = [part.strip() for part in cookie.split(";")]
    assert {"HttpOnly", "Path=/connections/callback", "SameSite=Lax", "Max-Age=600"} <= set(parts)
    assert parts[0].partition("=")[2] not in answer.headers["Location"]
    assert answer.headers["Cache-Control"] == "no-store" and answer.headers["Referrer-Policy"] == "no-referrer"


def test_the_cookie_is_secure_where_browsers_come_over_https(people: People, settings: Settings, store: Store) -> None:
    """``admin_url`` decides, as it does about the redirect URI; a Host field does not."""
    https = msgspec.structs.replace(settings, admin_url="https://admin.example.com/")
    people.sign_on = SignOn(https, store, people.control._publisher, people.control.connections, people.clock)
    begun = people.sign_on.begin("crm", ADMIN)
    assert begun["redirectUri"] == "https://admin.example.com/connections/callback"
    answer = people.new_browser().get(_path(begun["url"]), base_url="http://evil.example")
    assert "; Secure" in answer.headers["Set-Cookie"] and "evil" not in str(answer.headers)


@pytest.mark.parametrize("address", ["http://admin.example.com", "http://10.0.0.1:8081"])
def test_no_code_crosses_the_network_in_the_clear(
    address: str, people: People, settings: Settings, store: Store
) -> None:
    """Where the callback would not be https, nothing begins, and it is said which setting helps."""
    clear = msgspec.structs.replace(settings, admin_url=address)
    sign_on = SignOn(clear, store, people.control._publisher, people.control.connections)
    with pytest.raises(Problem, match="set admin_url"):
        sign_on.begin("crm", ADMIN)


# ---- every other way ---------------------------------------------------------------------------------------------


@pytest.mark.rows("C-017")
@pytest.mark.parametrize("state", [None, "", "x" * 43, "../../secrets/secret.keys"], ids=range(4))
def test_a_state_that_is_missing_or_invented_is_refused(state: str | None, people: People) -> None:
    """However good the code is; no request goes to the token endpoint."""
    path = people.back(people.led())
    assert "not known" in people.refused(_changed(path, state=state))
    assert people.server.requests == []


@pytest.mark.rows("C-017")
def test_a_state_of_another_browser_is_refused(people: People) -> None:
    """Somebody is lured to a callback with a code of the attacker's; the state is used up by it, too."""
    path = people.back(people.led())
    assert "another browser" in people.refused(path, people.new_browser())
    assert "not known" in people.refused(path)
    assert people.server.requests == []


@pytest.mark.rows("C-017")
def test_the_state_of_another_sign_in_of_the_same_browser_is_refused(people: People) -> None:
    """The code of the one and the state of the other: the verifier does not fit."""
    first, second = people.back(people.led()), people.back(people.led())
    state = parse_qs(urlsplit(second).query)["state"][0]
    assert "invalid_grant" in people.refused(_changed(first, state=state))


@pytest.mark.rows("C-017")
def test_a_state_counts_once(people: People) -> None:
    """The second time it is refused, and what the first brought stays."""
    path = people.back(people.led())
    assert people.arrive(path).status_code == 200
    assert people.arrive(path).status_code == 400
    assert people.is_signed_in and len(people.server.requests) == 1


@pytest.mark.rows("C-017")
def test_link_and_state_end_after_ten_minutes(people: People) -> None:
    """At the last moment they count, from then on they do not."""
    link = people.link()
    people.clock.now += 600
    assert "older than ten minutes" in people.refused(link)
    path = people.back(people.led())
    people.clock.now += 600
    assert "too long ago" in people.refused(path)
    path = people.back(people.led())
    people.clock.now += 599.9
    assert people.arrive(path).status_code == 200


def test_a_link_counts_once(people: People) -> None:
    """Neither a second time nor as a state, nor does a state count as a link."""
    link = people.link()
    led = people.browser.get(link, base_url=OWN).headers["Location"]
    assert "used already" in people.refused(link)
    ticket = parse_qs(urlsplit(people.link()).query)["ticket"][0]
    assert "not known" in people.refused(f"/connections/callback?state={ticket}&code=c")
    state = parse_qs(urlsplit(led).query)["state"][0]
    assert "used already" in people.refused(f"/connections/authorize?ticket={state}")


@pytest.mark.parametrize("path", ["/connections/authorize", "/connections/callback"])
def test_looking_at_a_link_does_not_use_it_up(path: str, people: People) -> None:
    """What looks at links in mails sends HEAD."""
    link = people.link()
    good = link if path in link else people.back(people.led())
    assert people.browser.head(good, base_url=OWN).status_code == 405
    assert people.browser.options(good, base_url=OWN).status_code == 405
    assert people.browser.get(good, base_url=OWN).status_code in (200, 302)


@pytest.mark.rows("C-017")
@pytest.mark.parametrize("issuer", ["https://evil.example", "", "http://127.0.0.1:1"])
def test_an_answer_of_another_server_is_refused(issuer: str, people: People) -> None:
    """Mix-up: the code would be sent to the wrong token endpoint (RFC 9207)."""
    path = people.back(people.led())
    assert "another server" in people.refused(_changed(path, iss=issuer))
    assert people.server.requests == []


@pytest.mark.rows("C-017")
def test_a_server_whose_issuer_is_configured_must_say_it(people: People) -> None:
    """Then also an answer without ``iss`` is refused, and the right one taken."""
    issuer = f"{people.server.url}/tenant"
    people.control.connections.replace("crm", people.members(issuer=issuer))
    path = people.back(people.led())
    assert "another server" in people.refused(_changed(path, iss=None))
    people.server.iss = issuer
    assert people.arrive(people.back(people.led())).status_code == 200


@pytest.mark.rows("C-017")
@pytest.mark.parametrize("removed", ["code_challenge", "code_challenge_method"])
def test_a_challenge_that_was_cut_out_is_noticed(removed: str, people: People) -> None:
    """PKCE downgrade: the verifier is sent in any case, and a server as RFC 9700 wants it refuses it then."""
    led = people.led()
    parts = urlsplit(led)
    query = {name: found[0] for name, found in parse_qs(parts.query).items() if name != removed}
    path = people.back(parts._replace(query=urlencode(query)).geturl())
    assert "invalid_grant" in people.refused(path)


@pytest.mark.rows("C-017")
def test_a_code_of_somebody_else_is_refused(people: People) -> None:
    """Code injection: the attacker's code with the victim's state in the victim's browser."""
    attackers = people.new_browser()
    stolen = parse_qs(urlsplit(people.back(people.led(attackers))).query)["code"][0]
    path = people.back(people.led())
    assert "invalid_grant" in people.refused(_changed(path, code=stolen))


@pytest.mark.parametrize("name", ["code", "state", "iss"])
def test_a_parameter_that_comes_twice_is_refused(name: str, people: People) -> None:
    """Two programs could take different ones of the two."""
    path = people.back(people.led())
    assert "came twice" in people.refused(f"{path}&{name}=x")


@pytest.mark.parametrize("error", ["access_denied", "server_error", "<script>alert(1)</script>", "unheard_of"])
def test_a_refusal_of_the_other_system_is_said(error: str, people: People) -> None:
    """Its code if it is a known one, and nothing of what it wrote beside it."""
    path = _changed(people.back(people.led()), error=error, error_description="<b>believe me</b>", code=None)
    text = people.refused(path)
    assert "has refused" in text and "believe" not in text and "<script" not in text
    assert ("access_denied" in text) is (error == "access_denied")
    assert "not known" in people.refused(path)


def test_an_answer_without_a_code_is_refused(people: People) -> None:
    """There is nothing that could be exchanged."""
    assert "no code" in people.refused(_changed(people.back(people.led()), code=None))


@pytest.mark.rows("C-017")
def test_a_sign_in_ends_with_the_session_in_which_it_began(people: People) -> None:
    """Whoever logs out, or is removed, leaves no link behind that works, neither before nor after the consent."""
    people.control.users.create({"name": "alice", "password": "right", "role": "designer"})
    sessions = people.control.sessions
    member = sessions.member(sessions.log_in("alice", "right", "")["token"])
    assert member is not None
    link, path = people.link(member), people.back(people.led(member=member))
    assert people.arrive(people.back(people.led(member=member))).status_code == 200
    people.sign_on.end("crm")
    sessions.end(member, member.login)
    assert "session" in people.refused(link)
    assert "session" in people.refused(path)


@pytest.mark.rows("C-017")
def test_a_connection_that_was_changed_meanwhile_gets_no_tokens(people: People) -> None:
    """The code is not sent to a token URL that was set after the person consented; nor is it for a removed one."""
    with IdentityServer() as evil:
        path = people.back(people.led())
        members = people.members()
        members["authentication"] |= {"tokenUrl": f"{evil.url}/token"}
        people.control.connections.replace("crm", members)
        assert "was changed" in people.refused(path)
        assert evil.requests == []
    path = people.back(people.led())
    people.control.connections.delete("crm")
    answer = people.arrive(path)
    assert answer.status_code == 400 and "removed" in answer.text


def test_pages_show_what_they_are_given_as_text(people: People) -> None:
    """Neither a name nor a parameter becomes part of the page; nothing on it may be loaded."""
    answer = people.arrive("/connections/callback?state=%3Cscript%3E&code=x")
    assert "<script" not in answer.text
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert answer.headers["X-Frame-Options"] == "DENY"


def test_the_two_addresses_are_all_there_is(people: People) -> None:
    """No open redirect: what is not one of them is 404."""
    for path in ("/connections/", "/connections/callback/x", "/connections//evil.example", "/connections/authorize/"):
        answer = people.browser.get(path, base_url=OWN)
        assert answer.status_code == 404 and "Location" not in answer.headers


# ---- the admin API -----------------------------------------------------------------------------------------------


def test_a_connection_of_another_kind_has_nobody_signed_in(people: People) -> None:
    """It is said why, by each of the three operations; one that there is not is 404."""
    people.control.connections.create({"name": "plain", "baseUrl": "https://crm.example"})
    asked: list[Callable[[str], Any]] = [
        lambda name: people.sign_on.begin(name, ADMIN),
        people.sign_on.view,
        people.sign_on.end,
    ]
    for ask in asked:
        with pytest.raises(Problem, match="oauth2AuthorizationCode") as caught:
            ask("plain")
        assert caught.value.status == 409
        with pytest.raises(Problem) as caught:
            ask("nowhere")
        assert caught.value.status == 404


def test_signing_out_reaches_every_worker(people: People, archive: Archive) -> None:
    """A worker that has the token in memory builds the connection anew with the next snapshot, and finds none."""
    people.arrive(people.back(people.led()))
    serving = Serving()
    settings = people.settings
    serving.prepared(archive.load_snapshot(archive.current()[0]).connections, settings)()
    assert serving.find("crm").get("/api").status == 200
    people.sign_on.end("crm")
    serving.prepared(archive.load_snapshot(archive.current()[0]).connections, settings)()
    with pytest.raises(ConnectionFailed, match="nobody has signed in"):
        serving.find("crm").get("/api")
    assert not people.is_signed_in


def test_signing_in_again_reaches_every_worker(people: People, archive: Archive) -> None:
    """With the tokens of whoever signed in last, not with those in memory."""
    serving = Serving()
    seen = set()
    for _ in range(2):
        people.arrive(people.back(people.led()))
        serving.prepared(archive.load_snapshot(archive.current()[0]).connections, people.settings)()
        assert serving.find("crm").get("/api").status == 200
        seen.add(people.server.calls[-1])
    assert len(seen) == 2


def test_who_signed_in_stands_in_the_audit_log(people: People) -> None:
    """The one who asked for the link, for the browser at the callback has no login; no token is written down."""
    people.control.users.create({"name": "alice", "password": "right", "role": "designer"})
    sessions = people.control.sessions
    member = sessions.member(sessions.log_in("alice", "right", "")["token"])
    assert member is not None
    people.arrive(people.back(people.led(member=member)))
    last = people.control.audit_log.entries(0, 100, None)[-1]
    assert last["who"] == "alice" and "crm" in last["subject"] and "signedOn" in str(last)
    assert not any(token in str(people.control.audit_log.entries(0, 100, None)) for token in people.server.tokens)


def test_nothing_of_a_sign_in_is_readable_in_the_data_folder(people: People, settings: Settings) -> None:
    """While one is on its way and afterwards: neither verifier, state, code, tokens nor secret."""
    led = people.led()
    state = parse_qs(urlsplit(led).query)["state"][0]
    path = people.back(led)
    code = parse_qs(urlsplit(path).query)["code"][0]

    def written() -> bytes:
        files = [one for one in Path(settings.data).rglob("*") if one.is_file()]
        return b"".join(str(one).encode() + one.read_bytes() for one in files)

    before = written()
    people.arrive(path)
    after = written()
    verifier = people.server.requests[0]["code_verifier"]
    secrets = [state, code, verifier, SECRET, *people.server.tokens]
    assert not [one for one in secrets if one.encode() in before or one.encode() in after]
    assert list((Path(settings.data) / "signons").iterdir()) == []


def test_a_secret_that_cannot_be_kept_is_said_on_the_page(people: People) -> None:
    """A store that is away does not look like a refusal of the other system."""
    path = people.back(people.led())
    folder = Path(people.settings.data) / "connections"
    folder.rmdir() if folder.exists() else None
    folder.write_text("in the way")
    assert "cannot be written" in people.arrive(path).text


def test_with_a_connection_go_its_tokens(people: People, settings: Settings) -> None:
    """Of one that is removed nothing is left that somebody could use."""
    people.arrive(people.back(people.led()))
    folder = Path(settings.data) / "connections"
    assert len(list(folder.glob("*.token"))) == 1
    people.control.connections.delete("crm")
    assert list(folder.glob("*.token")) == []


def test_tokens_outlive_the_key_that_they_were_encrypted_with(
    settings: Settings, store: Store, archive: Archive, server: IdentityServer
) -> None:
    """After a renewal of secrets the newest key is enough; nobody has to sign in again."""
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    for keys in (old, f"{new} {old}", new):
        present = msgspec.structs.replace(settings, secret_keys=keys)
        control = Control(present, store, archive, take_in, wait_seconds=0.5)
        if keys == old:
            people = People(control, present, store, server)
            people.arrive(people.back(people.led()))
        elif keys != new:
            assert control.connections.renew_secrets() == (["crm"], [])
    assert control.sign_on.view("crm")["signedIn"]


def test_two_who_take_the_same_at_once_do_not_both_get_it(tmp_path: Path) -> None:
    """What was put down once is taken once."""
    pending = Pending(Settings(data=str(tmp_path)), "signons", 60.0)
    text, _ = pending.put({"a": 1})
    assert [pending.take(text), pending.take(text), pending.take("../x")] == [{"a": 1}, None, None]


def test_what_waits_too_long_is_removed_and_too_much_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thousand sign-ins at a time are enough; what is old makes room."""
    clock = Clock()
    pending = Pending(Settings(data=str(tmp_path)), "signons", 60.0, clock)
    pending.put({})
    for number in range(999):
        (tmp_path / "signons" / f"{number}").touch()
    with pytest.raises(Problem, match="1000 sign-ins"):
        pending.put({})
    clock.now += 61 + 5
    pending.put({})
    assert len(list((tmp_path / "signons").iterdir())) == 1


# ---- over HTTP ---------------------------------------------------------------------------------------------------


def test_it_all_works_through_the_admin_api(settings: Settings, store: Store, archive: Archive) -> None:
    """As a script and a browser see it: begin, consent, callback, look, sign out."""
    control = Control(settings, store, archive, take_in, wait_seconds=0.5, admin_tokens=[digest_of(TOKEN)])
    with IdentityServer() as server:
        plane = apimgmt.asgi.ControlPlane(
            apimgmt.asgi.admin_runtime(settings, control), {apimgmt.asgi.SIGN_ON: signon_pages(control.sign_on)}
        )
        client = AsgiClient(plane, host="127.0.0.1:8081")
        own = {"Authorization": f"Bearer {TOKEN}"}
        body = {
            "name": "crm",
            "baseUrl": server.url,
            "internalHosts": ["127.0.0.1"],
            "authentication": server.client("oauth2AuthorizationCode"),
        }
        made = client.request("POST", "/api/v1/connections?untested=true", own, json=body)
        assert made.status == 201, made.text
        assert SECRET not in made.text
        assert client.request("POST", "/api/v1/connections/crm/authorize").status == 401
        link = client.request("POST", "/api/v1/connections/crm/authorize", own)
        assert link.status == 200 and link.header("cache-control") == "no-store"
        led = client.get(_path(link.json()["url"]))
        assert led.status == 302
        back = requests.get(led.header("location") or "", allow_redirects=False, timeout=30).headers["Location"]
        cookie = (led.header("set-cookie") or "").partition(";")[0]
        page = client.get(_path(back), {"Cookie": cookie})
        assert page.status == 200 and "crm is signed in" in page.text
        assert client.get("/api/v1/connections/crm/authorization", own).json()["signedIn"] is True
        assert client.request("DELETE", "/api/v1/connections/crm/authorization", own).status == 204
        assert client.get("/api/v1/connections/crm/authorization", own).json()["signedIn"] is False


@pytest.mark.rows("C-015", "C-016", "C-056")
def test_our_own_authorization_server_is_one_that_can_be_signed_in_to(tmp_path: Path) -> None:
    """It demands PKCE, sends its issuer back, and rotates refresh tokens; a client by itself gets a token, too."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = Settings(data=str(tmp_path), gateway_port=port, egress_allow="127.0.0.1")
    store = Store(settings)
    control = Control(settings, store, Archive(settings.root), take_in, wait_seconds=0.5)
    control.users.create({"name": "alice", "password": "right"})
    grants = ["authorization_code", "refresh_token", "client_credentials"]
    redirects = [control.sign_on.redirect_uri]
    client = control.clients.create({"name": "crm", "grants": grants, "redirects": redirects, "scopes": ["read"]}).view
    web = make_server("127.0.0.1", port, control.authorization(), threaded=True)
    thread = threading.Thread(target=web.serve_forever, daemon=True)
    thread.start()
    try:
        own = {
            "tokenUrl": f"http://127.0.0.1:{port}/oauth2/token",
            "clientId": client["clientId"],
            "clientSecret": client["clientSecret"],
            "scopes": "read",
        }
        code = {"authorizeUrl": f"http://127.0.0.1:{port}/oauth2/authorize", "issuer": f"http://127.0.0.1:{port}"}
        for name, more in (("person", {"kind": "oauth2AuthorizationCode", **code}), ("itself", {"kind": CREDENTIALS})):
            control.connections.create({"name": name, "baseUrl": "https://crm.example", "authentication": own | more})
        browser = signon_pages(control.sign_on).test_client()
        led = browser.get(_path(control.sign_on.begin("person", ADMIN)["url"]), base_url=OWN).headers["Location"]
        consent = {"decision": "allow", "username": "alice", "password": "right"}
        form = {"Sec-Fetch-Site": "same-origin"}
        answer = requests.post(led, data=consent, headers=form, allow_redirects=False, timeout=60)
        assert browser.get(_path(answer.headers["Location"]), base_url=OWN).status_code == 200
        seen = []
        for name in ("person", "itself"):
            connection = control.connections.opened(name, 30)
            call = Call(method="GET", url="https://crm.example/")
            signed = connection.run(connection.policy.authentication.sign(call))  # type: ignore[arg-type]
            seen += [signed, connection.run(connection.policy.authentication.renew(call, signed))]  # type: ignore[arg-type]
            connection.close()
        assert len({dict(one.headers)["Authorization"] for one in seen}) == 4
        assert control.sign_on.view("person")["scopes"] == "read"
    finally:
        web.shutdown()
        web.server_close()
        thread.join(10)
        store.close()
