"""Logging in, sessions, personal tokens, and how guessing is slowed (T13, T14; S-13, S-14)."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pytest
from control_members import PASSWORD, Platform
from control_samples import take_in

from apimgmt.archive import Archive
from apimgmt.auth.attempts import Attempts, whereabouts
from apimgmt.auth.directories import Credentials
from apimgmt.auth.directories.local import Local
from apimgmt.control.service import Control
from apimgmt.control.sessions import IDLE_SECONDS, MOST, SESSION_SECONDS, TOUCH_SECONDS, Member, Sessions
from apimgmt.control.store import Store
from apimgmt.digest import digest_of
from apimgmt.errors import Problem
from apimgmt.settings import Settings
from harness import Client

ADMIN_TOKEN = "admin-token-of-the-tests"
HOME, AWAY = "192.0.2.7", "198.51.100.7"


class Clock:
    """The time, as the test says."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    """A time that stands still."""
    return Clock()


@pytest.fixture
def sessions(store: Store, control: Control, clock: Clock) -> Sessions:
    """Sessions under that clock; there is a user ann, an operator."""
    control.users.create({"name": "ann", "password": PASSWORD, "role": "operator"})
    return Sessions(store, control.passwords, [digest_of(ADMIN_TOKEN)], clock)


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Platform]:
    """The admin API."""
    settings = Settings(data=str(tmp_path))
    store = Store(settings)
    control = Control(
        settings, store, Archive(settings.root), take_in, wait_seconds=0.1, admin_tokens=[digest_of(ADMIN_TOKEN)]
    )
    yield Platform(settings, control)
    store.close()


def log_in(sessions: Sessions, name: str = "ann", password: str = PASSWORD, address: str = HOME) -> str:
    """The token of a new session."""
    return str(sessions.log_in(name, password, address)["token"])


def refusal(sessions: Sessions, name: str = "ann", password: str = PASSWORD, address: str = HOME) -> str:
    """The code of the problem that a login ends with."""
    with pytest.raises(Problem) as caught:
        sessions.log_in(name, password, address)
    return caught.value.code


def known(sessions: Sessions, token: str) -> Member:
    """Whose token that is; it is somebody's."""
    member = sessions.member(token)
    assert member is not None
    return member


# ---- sessions --------------------------------------------------------------------------------------------------------


def test_every_login_has_a_text_of_its_own(sessions: Sessions, store: Store) -> None:
    """Made by the platform, never taken over from the caller; the store has the digests alone."""
    first, second = log_in(sessions), log_in(sessions)
    assert first != second
    assert len(first) >= 43
    assert known(sessions, first).login != known(sessions, second).login
    member = known(sessions, first)
    assert (member.name, member.role) == ("ann", "operator")
    with store.reading() as transaction:
        rows = transaction.logins(member.user)
    assert [row.digest for row in rows] == [digest_of(first), digest_of(second)]
    assert first not in str(rows)


def test_a_session_ends_when_it_is_idle(sessions: Sessions, clock: Clock) -> None:
    """29:59 after it was used it lives; 30 minutes after it does not, and no use brings it back."""
    token = log_in(sessions)
    clock.now += IDLE_SECONDS - 1
    known(sessions, token)
    clock.now += IDLE_SECONDS - 1
    known(sessions, token)
    clock.now += IDLE_SECONDS
    assert sessions.member(token) is None
    clock.now -= 1
    assert sessions.member(token) is not None


def test_uses_within_a_minute_are_noted_once(sessions: Sessions, store: Store, clock: Clock) -> None:
    """A busy session does not write at every request: it ends up to a minute early, never late."""
    token = log_in(sessions)
    clock.now += TOUCH_SECONDS
    user = known(sessions, token).user

    def used() -> float:
        with store.reading() as transaction:
            return transaction.logins(user)[0].used

    assert used() == clock.now - TOUCH_SECONDS
    clock.now += 1
    known(sessions, token)
    assert used() == clock.now


def test_a_session_ends_after_twelve_hours(sessions: Sessions, clock: Clock) -> None:
    """However much it is used: it lives until the last second, and not in the one after."""
    token = log_in(sessions)
    ends = clock.now + SESSION_SECONDS
    while clock.now + 1000 < ends:
        clock.now += 1000
        known(sessions, token)
    clock.now = ends - 1
    known(sessions, token)
    clock.now = ends
    assert sessions.member(token) is None


def test_a_session_is_ended(sessions: Sessions) -> None:
    """At once; another one goes on, and nobody ends another's."""
    mine, other = log_in(sessions), log_in(sessions)
    member = known(sessions, mine)
    with pytest.raises(Problem) as caught:
        sessions.end(Member("eve", "viewer", "user_eve"), member.login)
    assert caught.value.code == "not-found"
    sessions.end(member, member.login)
    assert sessions.member(mine) is None
    assert sessions.member(other) is not None


def test_the_role_is_the_one_of_now(sessions: Sessions, control: Control) -> None:
    """It changes under a session, and a session of somebody without a role is nobody's."""
    token = log_in(sessions)
    control.users.replace("ann", {"role": "viewer"})
    assert known(sessions, token).role == "viewer"
    control.users.replace("ann", {"role": ""})
    assert sessions.member(token) is None
    assert refusal(sessions) == "credential-unknown"


@pytest.mark.parametrize("change", ["removed", "renamed", "another password"])
def test_what_a_user_had_ends(sessions: Sessions, control: Control, change: str) -> None:
    """Sessions and personal tokens, at once, also for a later user of the same name."""
    session = log_in(sessions)
    token = sessions.make_token(known(sessions, session), "pipeline")["token"]
    if change == "removed":
        control.users.delete("ann")
        control.users.create({"name": "ann", "password": PASSWORD, "role": "admin"})
    else:
        body = {"name": "anna"} if change == "renamed" else {"password": "new horse"}
        control.users.replace("ann", {"role": "operator", **body})
    assert sessions.member(session) is None
    assert sessions.member(token) is None


@pytest.mark.parametrize("change", ["removed", "another password"])
def test_what_changes_while_a_password_is_looked_at(
    sessions: Sessions, control: Control, change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was right, and no longer is when the session is made; the same for a token of a session that ends."""
    member = known(sessions, log_in(sessions))
    check = Local.check

    def checked(self: Local, credentials: Credentials) -> bool:
        right = check(self, credentials)
        control.users.delete("ann") if change == "removed" else control.users.replace("ann", {"password": "other"})
        return right

    monkeypatch.setattr(Local, "check", checked)
    assert refusal(sessions) == "credential-unknown"
    with pytest.raises(Problem) as caught:
        sessions.make_token(member, "too late")
    assert caught.value.code == "credential-unknown"


def test_other_changes_of_a_user_end_nothing(sessions: Sessions, control: Control) -> None:
    """Rules, and a role that stays one."""
    token = log_in(sessions)
    control.users.replace("ann", {"role": "operator", "rules": [{"path": "/shop/**"}]})
    assert known(sessions, token).role == "operator"


def test_a_name_like_an_id_is_nobody_elses(sessions: Sessions, control: Control) -> None:
    """A user whose name is the id of one that is gone does not get what that one had."""
    token = log_in(sessions)
    user = known(sessions, token).user
    with sessions._store.writing() as transaction:
        transaction.remove_resource(user)
    control.users.create({"name": user, "password": PASSWORD, "role": "admin"})
    assert sessions.member(token) is None


# ---- personal tokens -------------------------------------------------------------------------------------------------


def test_a_personal_token(sessions: Sessions, clock: Clock) -> None:
    """It is its user's for as long as it says, used or not; the list shows it without its text."""
    member = known(sessions, log_in(sessions))
    made = sessions.make_token(member, "pipeline", 86_400.0)
    clock.now += 86_399
    assert known(sessions, made["token"])[:3] == member[:3]
    (shown,) = sessions.logins(member)
    assert {**shown, "token": made["token"]} == made
    assert (shown["kind"], shown["name"]) == ("token", "pipeline")
    clock.now += 1
    assert sessions.member(made["token"]) is None
    assert sessions.logins(member) == []


def test_the_administrators_token_is_nobodys(sessions: Sessions) -> None:
    """It is the administrator and makes no personal tokens; a text that is nearly it is nobody."""
    member = known(sessions, ADMIN_TOKEN)
    assert member == Member("admin", "admin")
    for text in (ADMIN_TOKEN[:-1], ADMIN_TOKEN + " ", digest_of(ADMIN_TOKEN), ""):
        assert sessions.member(text) is None
    with pytest.raises(Problem) as caught:
        sessions.make_token(member, "x")
    assert caught.value.code == "conflict"
    assert sessions.logins(member) == []


def test_so_many_at_a_time(store: Store, control: Control, sessions: Sessions, clock: Clock) -> None:
    """A hundred sessions and tokens; one more is refused until one has ended."""
    member = known(sessions, log_in(sessions))
    for number in range(MOST - 1):
        sessions.make_token(member, f"t{number}", 100.0)
    with pytest.raises(Problem) as caught:
        sessions.make_token(member, "more")
    assert caught.value.code == "conflict"
    clock.now += 100
    sessions.make_token(member, "more")


# ---- guessing --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "password"),
    [("ann", "wrong"), ("nobody", PASSWORD), ("ann", ""), ("", ""), ("bob", PASSWORD), ("*", PASSWORD), ("carl", "")],
)
def test_all_wrong_logins_look_alike(sessions: Sessions, control: Control, name: str, password: str) -> None:
    """A wrong password, an unknown name, a user without a role or a password, the entry for everyone."""
    control.users.create({"name": "bob", "password": PASSWORD})
    control.users.create({"name": "*", "password": PASSWORD, "role": "admin"})
    control.users.create({"name": "carl", "role": "admin"})
    with pytest.raises(Problem) as caught:
        sessions.log_in(name, password, HOME)
    assert (caught.value.status, caught.value.code) == (401, "credential-unknown")
    assert caught.value.detail == "The user name or the password is wrong, or the user has no role."


def test_names_and_passwords_are_read_as_the_gateway_reads_them(sessions: Sessions, control: Control) -> None:
    """Without case, and composed or decomposed."""
    control.users.create({"name": "Zoë", "password": "Änderung", "role": "viewer"})
    token = log_in(sessions, unicodedata.normalize("NFD", "ZOË"), unicodedata.normalize("NFD", "Änderung"))
    assert known(sessions, token).name == "Zoë"


def test_five_wrong_passwords_in_fifteen_minutes(sessions: Sessions, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of sixty from ten addresses five are looked at; then the right one has to wait as well, and is told how long."""
    looked_at: list[str] = []
    check = Local.check

    def counted(self: Local, credentials: Credentials) -> bool:
        looked_at.append(credentials.name)
        return check(self, credentials)

    monkeypatch.setattr(Local, "check", counted)
    codes = [refusal(sessions, password=f"p{number}", address=f"198.51.100.{number % 10}") for number in range(60)]
    assert codes == ["credential-unknown"] * 5 + ["quota-exceeded"] * 55
    assert looked_at == ["ann"] * 5
    with pytest.raises(Problem) as caught:
        sessions.log_in("ann", PASSWORD, HOME)
    assert caught.value.status == 429
    assert 0 < int(dict(caught.value.headers)["retry-after"]) <= 900


def test_nobody_is_locked_out_where_he_is_known(sessions: Sessions) -> None:
    """The last administrator gets in from the usual place while others guess the name from everywhere."""
    log_in(sessions, address=HOME)
    for number in range(10):
        refusal(sessions, password="wrong", address=f"198.51.100.{number}")
    assert refusal(sessions, address=AWAY) == "quota-exceeded"
    log_in(sessions, address=HOME)


def test_an_address_that_guesses_names_is_slowed(sessions: Sessions) -> None:
    """Twenty wrong ones within a minute, for whatever names: then nobody gets in from there, also by the right one."""
    codes = [refusal(sessions, name=f"user{number}", address=AWAY) for number in range(21)]
    assert codes == ["credential-unknown"] * 20 + ["quota-exceeded"]
    assert refusal(sessions, address=AWAY) == "quota-exceeded"
    log_in(sessions, address=HOME)


def test_the_counts_are_those_of_the_gateway(sessions: Sessions, settings: Settings) -> None:
    """Passwords that a worker of the gateway found wrong count here, too."""
    attempts = Attempts(settings.root / "attempts.sqlite")
    for _ in range(5):
        attempts.wrong(attempts.start("ann", whereabouts(AWAY)))
    assert refusal(sessions) == "quota-exceeded"


# ---- over the admin API ----------------------------------------------------------------------------------------------


def test_a_day_of_a_member(platform: Platform) -> None:
    """Log in, look, make a token, end the session by the word ``current``, go on with the token, end it by its id."""
    session = platform.join("ann", "designer")
    made = platform.ask("POST", "/me/tokens", session, {"name": "pipeline", "days": 1})
    assert (made.status, made.header("cache-control")) == (201, "no-store")
    token = made.json()["token"]
    me = platform.ask("GET", "/me", session).json()
    assert (me["name"], me["role"]) == ("ann", "designer")
    assert [login["kind"] for login in me["logins"]] == ["session", "token"]
    assert platform.ask("DELETE", "/me/logins/current", session).status == 204
    assert platform.ask("GET", "/me", session).status == 401
    assert [login["kind"] for login in platform.ask("GET", "/me", token).json()["logins"]] == ["token"]
    assert platform.ask("DELETE", f"/me/logins/{made.json()['id']}", token).status == 204
    assert platform.ask("GET", "/me", token).status == 401


def test_logins_of_others_are_not_there(platform: Platform) -> None:
    """A member sees and ends the own ones alone, the administrator included."""
    ann, ben = platform.join("ann", "viewer"), platform.join("ben", "viewer")
    login = platform.ask("GET", "/me", ann).json()["logins"][0]["id"]
    for token in (ben, ADMIN_TOKEN):
        assert login not in platform.ask("GET", "/me", token).text
        assert platform.ask("DELETE", f"/me/logins/{login}", token).status == 404
    assert platform.ask("DELETE", "/me/logins/current", ADMIN_TOKEN).status == 404
    assert platform.ask("GET", "/me", ADMIN_TOKEN).json() == {"name": "admin", "role": "admin", "logins": []}


@pytest.mark.parametrize(
    ("field", "code"),
    [
        ("Bearer " + "a" * 1000, "credential-unknown"),
        ("Bearer " + "a" * 1001, "credential-malformed"),
        ("Bearer ", "credential-malformed"),
        ("Bearer \xe9", "credential-malformed"),
        ("Basic YTpi", "credential-missing"),
        ("", "credential-missing"),
    ],
)
def test_tokens_that_are_none(platform: Platform, field: str, code: str) -> None:
    """401, each with its own word, and with what is wanted."""
    answer = Client(platform.app).get("/api/v1/me", {"Authorization": field})
    assert (answer.status, answer.json()["type"].rpartition("/")[2]) == (401, code)
    assert answer.header("www-authenticate")


def test_guessing_over_the_admin_api(platform: Platform) -> None:
    """429 with Retry-After after five, and the administrator's token works from the same address all the time."""
    platform.control.users.create({"name": "ann", "password": PASSWORD, "role": "admin"})
    for number in range(25):
        answer = platform.ask("POST", "/sessions", body={"name": "ann", "password": f"p{number}"})
        assert answer.status == (401 if number < 5 else 429)
        assert platform.ask("GET", "/me", ADMIN_TOKEN).status == 200
    assert int(answer.header("retry-after") or 0) > 0


def test_a_session_is_in_no_answer_and_no_note(platform: Platform) -> None:
    """The text is shown once; the audit log says that somebody logged in, and nothing to do it with."""
    token = platform.join("ann", "admin")
    audit = platform.ask("GET", "/audit", token)
    entry = next(one for one in audit.json() if one["subject"] == "session session")
    assert (entry["who"], entry["address"], entry["action"]) == ("ann", "192.0.2.7", "logIn")
    for answer in (audit, platform.ask("GET", "/me", token), platform.ask("GET", "/users", token)):
        assert token not in answer.text
        assert PASSWORD not in answer.text
        assert digest_of(token) not in json.dumps(answer.json())
