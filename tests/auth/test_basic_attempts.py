"""Wrong passwords are counted: for a name, for an address, for all workers (apimgmt/auth/attempts.py; T13, S-13)."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from basicsamples import ask, gateway, user

from apimgmt.auth import attempts as module
from apimgmt.auth.access import Access
from apimgmt.auth.attempts import FULL_MOST, KNOWN_SECONDS, UNDECIDED_SECONDS, Attempt, Attempts, whereabouts
from apimgmt.auth.directories import Credentials, away
from apimgmt.auth.logins import Logins
from apimgmt.errors import Problem
from apimgmt.model import Snapshot
from apimgmt.request import Request
from apimgmt.settings import Settings

HOME, AWAY = "192.0.2.1", "198.51.100.1"


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
def attempts(tmp_path: Path, clock: Clock) -> Attempts:
    """No attempts yet."""
    return Attempts(tmp_path / "attempts.sqlite", clock)


def wait(attempts: Attempts, name: str, address: str) -> int:
    """The seconds of Retry-After, or 0 if there is a place (which is given back)."""
    try:
        attempts.withdraw(attempts.start(name, address))
    except Problem as problem:
        assert problem.code == "quota-exceeded"
        return int(dict(problem.headers)["retry-after"])
    return 0


def fail(attempts: Attempts, name: str, address: str, times: int = 1) -> None:
    """So many wrong passwords."""
    for _ in range(times):
        attempts.wrong(attempts.start(name, address))


def test_five_wrong_passwords_for_a_name_and_no_more(attempts: Attempts, clock: Clock) -> None:
    """From wherever they come; after 15 minutes there is a place again, and for other names there always is."""
    for number in range(5):
        assert wait(attempts, "anna", HOME) == 0
        fail(attempts, "anna", f"192.0.2.{number}")
        clock.now += 1
    assert wait(attempts, "anna", HOME) == wait(attempts, "anna", AWAY) == 895
    assert wait(attempts, "bert", HOME) == 0
    clock.now += 894.9
    assert wait(attempts, "anna", HOME) == 1
    clock.now += 0.2
    assert wait(attempts, "anna", HOME) == 0
    fail(attempts, "anna", HOME)
    assert wait(attempts, "anna", HOME) == 1


def test_twenty_wrong_passwords_from_an_address_and_no_more(attempts: Attempts, clock: Clock) -> None:
    """For whatever names; after a minute there is a place again, and elsewhere there always is."""
    for number in range(20):
        assert wait(attempts, f"user-{number}", HOME) == 0
        fail(attempts, f"user-{number}", HOME)
    assert wait(attempts, "anna", HOME) == 60
    assert wait(attempts, "anna", AWAY) == 0
    clock.now += 60
    assert wait(attempts, "anna", HOME) == 0


def test_a_right_password_takes_no_place(attempts: Attempts) -> None:
    """Whoever is right may be so as often as he likes."""
    for _ in range(25):
        attempts.right(attempts.start("anna", HOME))
    assert wait(attempts, "anna", HOME) == 0


def test_nobody_is_locked_out_where_he_was_let_in(attempts: Attempts, clock: Clock) -> None:
    """Strangers who use up all chances leave those of a known address alone, for 7 days; it has five, too."""
    attempts.right(attempts.start("anna", HOME))
    fail(attempts, "anna", AWAY, 5)
    assert wait(attempts, "anna", AWAY) == 900
    assert wait(attempts, "anna", HOME) == 0
    fail(attempts, "anna", HOME, 5)
    assert wait(attempts, "anna", HOME) == 900
    clock.now += KNOWN_SECONDS - 1
    fail(attempts, "anna", AWAY, 5)
    assert wait(attempts, "anna", HOME) == 0
    clock.now += 1
    assert wait(attempts, "anna", HOME) == 899


class CountedAfterwards(Attempts):
    """The mutant: it looks for a place and does not take it, so that guesses at the same time all find one."""

    def start(self, name: str, address: str) -> Attempt:
        attempt = super().start(name, address)
        self.withdraw(attempt)
        return attempt


@pytest.mark.parametrize(("kind", "places"), [(Attempts, 5), (CountedAfterwards, 50)])
def test_guesses_at_the_same_time_are_no_more_chances(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: type[Attempts], places: int
) -> None:
    """Of fifty at once five are looked at; the mutant shows that the test can tell."""
    monkeypatch.setattr(module, "PATIENCE_SECONDS", 0.01)
    attempts = kind(tmp_path / "attempts.sqlite")
    started = 0
    for _ in range(50):
        with contextlib.suppress(Problem):
            attempts.start("anna", HOME)
            started += 1
    assert started == places


def test_an_undecided_attempt_counts_until_it_is_decided(attempts: Attempts, monkeypatch: pytest.MonkeyPatch) -> None:
    """Five at once are no sixth chance: the sixth waits for them, and not for ever."""
    monkeypatch.setattr(module, "PATIENCE_SECONDS", 0.1)
    open_ones = [attempts.start("anna", HOME) for _ in range(5)]
    with pytest.raises(Problem) as caught:
        attempts.start("anna", HOME)
    assert caught.value.code == "unavailable"
    attempts.right(open_ones.pop())
    fail(attempts, "anna", AWAY)
    for attempt in open_ones:
        attempts.wrong(attempt)
    assert wait(attempts, "anna", AWAY) == 900


def test_an_attempt_of_a_killed_worker_is_given_back(attempts: Attempts, clock: Clock) -> None:
    """After a minute."""
    for _ in range(5):
        attempts.start("anna", HOME)
    clock.now += UNDECIDED_SECONDS
    assert wait(attempts, "anna", HOME) == 0


def test_all_workers_of_a_machine_count_together(tmp_path: Path, clock: Clock) -> None:
    """Two of them with 40 guesses at a time let five through, not ten."""
    workers = [Attempts(tmp_path / "attempts.sqlite", clock) for _ in range(2)]

    def guess(number: int) -> bool:
        worker = workers[number % 2]
        try:
            worker.wrong(worker.start("anna", f"192.0.2.{number}"))
        except Problem:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(guess, range(40))) == 5


def test_what_is_full_is_refused_from_memory(attempts: Attempts, clock: Clock) -> None:
    """Until there is room; for that name from that address alone, and for no more than 10,000 of them."""
    attempts.refuse("anna", HOME)
    fail(attempts, "anna", HOME, 5)
    attempts.refuse("anna", HOME)
    assert wait(attempts, "anna", HOME) == 900
    with pytest.raises(Problem):
        attempts.refuse("anna", HOME)
    attempts.refuse("anna", AWAY)
    clock.now += 900
    attempts.refuse("anna", HOME)
    clock.now -= 1
    for number in range(FULL_MOST):
        attempts._remember((str(number), HOME), clock.now + 1)
    attempts.refuse("anna", HOME)


def test_a_file_that_cannot_be_written_lets_nobody_in(tmp_path: Path) -> None:
    """503, not 500 and not open."""
    (tmp_path / "attempts.sqlite").write_bytes(b"this is no database" * 100)
    answer = ask(gateway(tmp_path, user("anna", "right")), "anna", "right")
    assert (answer.status, answer.header("retry-after")) == (503, "5")
    assert "sqlite" not in answer.text


def test_what_is_over_is_forgotten(attempts: Attempts, clock: Clock, tmp_path: Path) -> None:
    """The file does not grow with every name that somebody makes up."""
    for number in range(30):
        fail(attempts, f"user-{number}", f"192.0.2.{number}")
    clock.now += 900
    attempts.withdraw(attempts.start("anna", HOME))
    database = sqlite3.connect(tmp_path / "attempts.sqlite")
    assert database.execute("SELECT count(*) FROM attempts").fetchone() == (0,)
    database.close()


@pytest.mark.parametrize(
    ("address", "where"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8::1", "2001:db8::/64"),
        ("2001:db8::ffff:1", "2001:db8::/64"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("", ""),
        ("unix", "unix"),
    ],
)
def test_an_address_of_ipv6_counts_with_its_neighbours(address: str, where: str) -> None:
    """Who has one has 2^64 of them."""
    assert whereabouts(address) == where


# ---- through the gateway ---------------------------------------------------------------------------------------------


def test_the_sixth_wrong_password_is_429_and_so_is_the_right_one(tmp_path: Path) -> None:
    """From there; where the user was let in before, the right one is served all the time."""
    client = gateway(tmp_path, user("anna", "right"))
    assert ask(client, "anna", "right", address=HOME).status == 200
    assert [ask(client, name, "wrong", address=AWAY).status for name in ("anna", "ANNA", "anna ", "ａnna", "anna")] == [
        401
    ] * 5
    for password in ("wrong", "right"):
        answer = ask(client, "anna", password, address=AWAY)
        assert answer.status == 429
        assert 890 < int(answer.header("retry-after") or 0) <= 900
    assert ask(client, "anna", "right", address=HOME).status == 200


def test_an_unknown_name_is_counted_as_a_known_one(tmp_path: Path) -> None:
    """Otherwise the sixth answer would say which names there are."""
    client = gateway(tmp_path, user("anna", "right"))
    for name in ("anna", "nobody"):
        assert [ask(client, name, "wrong", address=AWAY).status for _ in range(6)] == [401] * 5 + [429]


def test_a_proxy_is_no_address(tmp_path: Path) -> None:
    """Callers behind a listed proxy are counted one by one; a made-up field of anyone else changes nothing."""
    behind = gateway(tmp_path / "behind", trusted_proxies="10.0.0.1")
    direct = gateway(tmp_path / "direct")
    for client, expected in ((behind, 401), (direct, 429)):
        client.address = "10.0.0.1"
        for number in range(21):
            headers = {"X-Forwarded-For": f"192.0.2.{number}", "Authorization": "Basic eDp5"}
            name = f"u{number}:y".encode()
            headers["Authorization"] = f"Basic {base64.b64encode(name).decode()}"
            answer = client.get("/orders", headers)
        assert answer.status == expected


async def test_1000_guesses_from_10_addresses_are_5_checks(tmp_path: Path) -> None:
    """S-13: all at once over two workers; everything else is refused without looking at the password."""

    class Counting:
        threads = 2
        checked = 0

        def check(self, credentials: Credentials) -> bool:
            self.checked += 1
            return False

    store = Counting()
    workers = [Logins(Settings(data=str(tmp_path)), store) for _ in range(2)]
    access = Access(Snapshot(number=1, created=""))

    async def guess(number: int) -> str:
        request = Request([], 0, {}, b"", access, f"192.0.2.{number % 10}")
        try:
            await workers[number % 2].check(Credentials("anna", f"guess {number}"), request)
        except Problem as problem:
            return problem.code
        return "let in"

    codes = []
    for start in range(0, 1000, 100):
        codes += await asyncio.gather(*(guess(number) for number in range(start, start + 100)))
    assert store.checked == codes.count("credential-unknown") == 5
    assert codes.count("quota-exceeded") == 995


async def test_what_is_remembered_is_no_help_to_guess(tmp_path: Path) -> None:
    """While a user calls all the time, somebody elsewhere who is out of guesses is refused even if he is right."""
    logins = Logins(Settings(data=str(tmp_path)))
    access = Access(Snapshot(number=1, created="", users=(user("anna", "right"),)))
    found = access.users.find("anna")
    assert found is not None

    async def ask(password: str, address: str) -> str:
        try:
            await logins.check(Credentials("anna", password, found.password), Request([], 0, {}, b"", access, address))
        except Problem as problem:
            return problem.code
        return "let in"

    assert await ask("right", HOME) == "let in"
    assert [await ask(f"guess {n}", AWAY) for n in range(5)] == ["credential-unknown"] * 5
    for address in (AWAY, "203.0.113.1", "203.0.113.2"):
        assert await ask("right", address) == "quota-exceeded"
    assert await ask("right", HOME) == "let in"


async def test_a_store_that_is_away_costs_nobody_a_chance(tmp_path: Path) -> None:
    """503 does not count as a wrong password."""

    class Away:
        threads = 1

        def check(self, credentials: Credentials) -> bool:
            raise away("it is away")

    logins = Logins(Settings(data=str(tmp_path)), Away())
    request = Request([], 0, {}, b"", Access(Snapshot(number=1, created="")), HOME)
    for _ in range(7):
        with pytest.raises(Problem) as caught:
            await logins.check(Credentials("anna", "x"), request)
        assert caught.value.code == "unavailable"
