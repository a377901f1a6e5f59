"""Basic: what is sent, what comes of it, and what is remembered (apimgmt/auth/basic.py, logins.py, users.py)."""

from __future__ import annotations

import asyncio
import base64
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from argon2 import PasswordHasher
from basicsamples import ask, basic, gateway, user

from apimgmt.auth.access import Access
from apimgmt.auth.basic import name_and_password
from apimgmt.auth.directories import Credentials, Directory
from apimgmt.auth.directories.local import HASHER, Local
from apimgmt.auth.logins import REMEMBERED_MOST, Logins, Remembered
from apimgmt.auth.users import Users
from apimgmt.errors import Problem, SnapshotRefused
from apimgmt.model import Rule, Snapshot, UserEntry
from apimgmt.request import Request, Target
from apimgmt.settings import Settings
from harness import Answer

NAME, PASSWORD = "käyttäjä", "påss€"


def code(answer: Answer) -> str:
    """The code of a problem."""
    return str(answer.json()["type"].rpartition("/")[2])


# ---- what is sent ----------------------------------------------------------------------------------------------------


@pytest.mark.rows("F-029", "F-030", "F-068")
def test_a_right_pair_in_utf8_is_served_under_the_name(tmp_path: Path) -> None:
    """``käyttäjä:påss€`` comes in, and the caller is called so."""
    client = gateway(tmp_path, user(NAME, PASSWORD), bind="who")
    answer = ask(client, NAME, PASSWORD)
    assert (answer.status, answer.json()) == (200, {"name": NAME})


@pytest.mark.rows("F-029")
def test_none_a_wrong_and_an_unknown_pair_are_401_with_a_challenge(tmp_path: Path) -> None:
    """The last two get the same answer, so that nobody learns which names there are (T25)."""
    client = gateway(tmp_path, user(NAME, PASSWORD))
    answers = [client.get("/orders"), ask(client, NAME, "wrong"), ask(client, "nobody", PASSWORD)]
    for answer in answers:
        assert answer.status == 401
        assert answer.header("www-authenticate") == 'Basic realm="api", charset="UTF-8"'
    wrong, unknown = ({**answer.json(), "instance": ""} for answer in answers[1:])
    assert wrong == unknown
    assert [code(answer) for answer in answers[1:]] == ["credential-unknown"] * 2


@pytest.mark.rows("F-031")
@pytest.mark.parametrize(
    "text",
    [
        "",
        "!!!",
        "YTpi\x80",
        "YTpi=",
        "YTpi====",
        "YTpiYw",
        base64.b64encode(b"no colon").decode(),
        base64.b64encode(b"\xe4:latin-1").decode(),
        base64.b64encode(b"\xed\xa0\x80:surrogate").decode(),
        base64.b64encode(b"a\x00b:c").decode(),
        base64.b64encode(b"a:b\x7f").decode(),
        base64.b64encode("a:\x85".encode()).decode(),
        base64.b64encode(b"a:b").decode() + ", Basic " + base64.b64encode(b"a:b").decode(),
        "-_" + base64.b64encode(b"a:b").decode(),
    ],
)
def test_what_cannot_be_read_is_401(tmp_path: Path, text: str) -> None:
    """Broken Base64, no colon, no UTF-8, control characters, two credentials; never 500."""
    answer = gateway(tmp_path, user("a", "b")).get("/orders", {"Authorization": f"Basic {text}"})
    assert (answer.status, code(answer)) == (401, "credential-malformed")
    assert (answer.header("www-authenticate") or "").startswith("Basic ")


@pytest.mark.parametrize("sent", ["Basic ", "basic ", "BASIC   "])
def test_the_scheme_has_no_case(tmp_path: Path, sent: str) -> None:
    """RFC 9110 section 11.1."""
    pair = base64.b64encode(b"a:b:c").decode()
    assert gateway(tmp_path, user("a", "b:c")).get("/orders", {"Authorization": sent + pair}).status == 200


def test_the_first_colon_separates() -> None:
    """A password may have colons, a name cannot (RFC 7617 section 2)."""
    assert name_and_password(base64.b64encode(b"a:b:c")) == ("a", "b:c")
    assert name_and_password(base64.b64encode(b":")) == ("", "")


def test_composed_and_decomposed_letters_are_the_same() -> None:
    """Both are read in NFC (RFC 7617 section 2.1)."""
    decomposed = "ka\u0308ytta\u0308ja\u0308:pa\u030ass€".encode()
    assert name_and_password(base64.b64encode(decomposed)) == (NAME, PASSWORD)


@pytest.mark.parametrize("name", ["a", "", "nobody"])
def test_an_empty_password_is_never_right(tmp_path: Path, name: str) -> None:
    """Not even for a user who has none; and no store is asked (RFC 4513 section 5.1.2)."""
    assert ask(gateway(tmp_path, user("a"), user("*")), name, "").status == 401
    assert not (tmp_path / "attempts.sqlite").exists()


@pytest.mark.rows("F-027")
def test_beside_another_kind_the_wrong_pair_is_still_refused(tmp_path: Path) -> None:
    """Where anonymous callers are let in, too, a wrong password is not taken for none."""
    client = gateway(tmp_path, user("a", "b"), trigger={"authentication": ["basic", "none"]})
    assert client.get("/orders").status == 200
    assert ask(client, "a", "b").status == 200
    assert ask(client, "a", "wrong").status == 401


# ---- what a user may -------------------------------------------------------------------------------------------------


def test_no_rule_no_access(tmp_path: Path) -> None:
    """A user without a rule opens nothing; a rule opens what it covers and nothing beside it."""
    rules = (Rule(methods=("GET",), path="/orders"),)
    client = gateway(tmp_path, user("none", "x", ()), user("some", "x", rules))
    assert code(ask(client, "none", "x")) == "forbidden"
    assert ask(client, "some", "x").status == 200
    assert (ask(client, "some", "x", "/orders/7").status, code(ask(client, "some", "x", "/orders/7"))) == (
        403,
        "forbidden",
    )


def test_users_have_no_case_and_their_own_entry_counts() -> None:
    """``ANNA`` is not everyone but anna, who may nothing; a stranger is everyone."""
    users = Users([user("Anna", "", ()), user("*")])
    target = Target("GET", "/orders")
    for name in ("anna", "ANNA", " Anna ", "ＡＮＮＡ"):
        found = users.find(name)
        assert found is not None and found.caller(name)["id"] == "user_Anna"
        decision = users.decide(name, target, ())
        assert decision is not None and decision.code == "forbidden" and "no rules" in decision.why
    stranger = users.find("Bob")
    assert stranger is not None and stranger.deciding(target)
    assert stranger.caller("Bob") == {"sub": "Bob", "kind": "basic", "id": "user:bob"}
    assert list(users.names()) == ["Anna", "*"]


def test_the_entry_for_everyone_lets_no_local_user_in(tmp_path: Path) -> None:
    """It has rules; a password of it does not count."""
    client = gateway(tmp_path, user("*", "x"))
    assert ask(client, "bob", "x").status == ask(client, "*", "x").status == 401


# ---- what is remembered ----------------------------------------------------------------------------------------------


class Counting(PasswordHasher):
    """The real one, which notes whom it was asked about."""

    def __init__(self) -> None:
        super().__init__(time_cost=1, memory_cost=8, parallelism=1)
        self.asked: list[str] = []

    def verify(self, hash: str | bytes, password: str | bytes) -> Any:
        """Note, and verify."""
        self.asked.append(str(password))
        return super().verify(hash, password)


def request(*users: UserEntry, peer: str = "192.0.2.7") -> Request:
    """A request to a gateway with these users."""
    return Request([], 0, {}, b"", Access(Snapshot(number=1, created="", users=users)), peer)


async def test_a_right_password_is_remembered_for_a_while(tmp_path: Path) -> None:
    """The second time nothing is hashed; another password, hash or address is another matter."""
    hasher = Counting()
    logins = Logins(Settings(data=str(tmp_path)), Local(Settings(), hasher))
    stored, other = hasher.hash("right"), hasher.hash("changed")
    for _ in range(3):
        await logins.check(Credentials("anna", "right", stored), request())
    assert hasher.asked == ["right"]
    for credentials in (
        Credentials("anna", "right", other),
        Credentials("anna", "right"),
        Credentials("anna", "x", stored),
    ):
        with pytest.raises(Problem) as caught:
            await logins.check(credentials, request())
        assert caught.value.code == "credential-unknown"
    await logins.check(Credentials("anna", "right", stored), request(peer="198.51.100.1"))
    assert hasher.asked == ["right", "right", "right", "x", "right"]


async def test_nothing_is_remembered_if_the_setting_says_so(tmp_path: Path) -> None:
    """``basic_cache_seconds`` of 0."""
    hasher = Counting()
    logins = Logins(Settings(data=str(tmp_path), basic_cache_seconds=0), Local(Settings(), hasher))
    for _ in range(2):
        await logins.check(Credentials("anna", "right", hasher.hash("right")), request())
    assert hasher.asked == ["right"] * 2


def test_what_is_remembered_ends_and_is_bounded() -> None:
    """60 seconds; of too many the oldest goes."""
    now = [0.0]
    remembered = Remembered(60, lambda: now[0])
    first, second = remembered.digest("a", "b"), remembered.digest("ab", "")
    assert first != second
    remembered.add(first)
    now[0] = 59.9
    assert first in remembered and second not in remembered
    now[0] = 60.0
    assert first not in remembered
    for number in range(REMEMBERED_MOST):
        remembered.add(remembered.digest(str(number)))
    assert remembered.digest("0") in remembered
    remembered.add(remembered.digest("one more"))
    assert remembered.digest("0") not in remembered and remembered.digest("1") in remembered


def test_a_changed_or_removed_user_counts_at_once(tmp_path: Path) -> None:
    """The remembered password does not outlive a publish that changes the user."""
    client = gateway(tmp_path, user("anna", "old"))
    assert ask(client, "anna", "old").status == 200
    runtime = client.app.runtime
    runtime.access = Access(Snapshot(number=2, created="", users=(user("anna", "new"),)))
    assert (ask(client, "anna", "old").status, ask(client, "anna", "new").status) == (401, 200)
    runtime.access = Access(Snapshot(number=3, created=""))
    assert ask(client, "anna", "new").status == 401


async def test_many_requests_with_one_password_are_one_check(tmp_path: Path) -> None:
    """Fifty at once: the others wait for the first."""
    hasher = Counting()
    logins = Logins(Settings(data=str(tmp_path)), Local(Settings(), hasher))
    credentials = Credentials("anna", "right", hasher.hash("right"))
    await asyncio.gather(*(logins.check(credentials, request()) for _ in range(50)))
    assert hasher.asked == ["right"]


def naive(hasher: PasswordHasher) -> Directory:
    """The mutant: it hashes only for users that there are."""

    class Naive(Local):
        def check(self, credentials: Credentials) -> bool:
            return bool(credentials.stored) and super().check(credentials)

    return Naive(Settings(), hasher)


@pytest.mark.parametrize(("directory", "hashed"), [(lambda hasher: Local(Settings(), hasher), 1), (naive, 0)])
def test_an_unknown_user_costs_as_much_as_a_wrong_password(directory: Any, hashed: int) -> None:
    """One hash of the same parameters either way (T25, S-25); the naive store shows that the test can tell."""
    hasher = Counting()
    store = directory(hasher)
    assert not store.check(Credentials("nobody", "x"))
    assert len(hasher.asked) == hashed
    assert not store.check(Credentials("anna", "x", hasher.hash("y")))
    assert len(hasher.asked) == hashed + 1


def test_passwords_are_hashed_with_argon2id_as_owasp_says() -> None:
    """19 MiB, 2 passes, 1 lane; a hash that is none is a wrong password."""
    assert HASHER.hash("x").startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert not Local(Settings()).check(Credentials("anna", "x", "plain"))


async def test_the_event_loop_goes_on_while_a_store_is_slow(tmp_path: Path) -> None:
    """A store that hangs holds up its own callers alone; beyond 100 of them 503 comes at once."""
    release = threading.Event()

    class Slow:
        threads = 2

        def check(self, credentials: Credentials) -> bool:
            return release.wait(30)

    logins = Logins(Settings(data=str(tmp_path)), Slow())
    waiting = [asyncio.create_task(logins.check(Credentials(f"u{n}", "x"), request())) for n in range(100)]
    await asyncio.sleep(0)
    with pytest.raises(Problem) as caught:
        await logins.check(Credentials("one more", "x"), request())
    assert (caught.value.code, dict(caught.value.headers)) == ("unavailable", {"retry-after": "1"})
    assert not any(task.done() for task in waiting)
    release.set()
    await asyncio.gather(*waiting)


@pytest.mark.parametrize("library", ["pam", "ldap"])
def test_a_store_whose_library_is_missing_is_said_at_load(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, library: str
) -> None:
    """The snapshot is refused, with what to install; nothing is served by another store."""
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(SnapshotRefused, match=rf"basic_directory={library}: install the extra apimgmt\[{library}\]"):
        gateway(tmp_path, user("anna", "right"), basic_directory=library)


def test_no_password_is_in_what_is_kept(tmp_path: Path) -> None:
    """The file of attempts has neither passwords nor names."""
    client = gateway(tmp_path, user("anna-marker", "right-marker"))
    assert ask(client, "anna-marker", "right-marker").status == 200
    assert ask(client, "anna-marker", "wrong-marker").status == 401
    content = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert content and b"marker" not in content


def test_two_gateways_share_nothing_but_the_file(tmp_path: Path) -> None:
    """Fifty callers at once over two gateways: every right pair is served."""
    clients = [gateway(tmp_path, *(user(f"u{n}", "x") for n in range(4))) for _ in range(2)]
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda n: clients[n % 2].get("/orders", basic(f"u{n % 4}", "x")).status, range(48)))
    assert set(answers) == {200}
