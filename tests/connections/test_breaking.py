"""The circuit breaker: closed, open, half open, and how traffic comes back (R-17)."""

from __future__ import annotations

import pytest
from connections.driving import CALL, Driver, answering

from apimgmt.connections.configuration import Breaker, Retries
from apimgmt.connections.layers.breaking import SLOW_START_SECONDS, Breaking
from apimgmt.connections.layers.exchange import DOWN, NETWORK, authenticated
from apimgmt.errors import CAUSES, ConnectionFailed


class Clock:
    """A time that passes when it is told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def broken(clock: Clock, settings: Breaker | None = None) -> Breaking:
    """A breaker that has just opened."""
    breaking = Breaking(settings or Breaker(), clock)
    for _ in range((settings or Breaker()).failures):
        breaking.report(breaking.enter(), False)
    return breaking


def closed_again(clock: Clock) -> Breaking:
    """A breaker that has just closed again."""
    breaking = broken(clock)
    clock.now += 30
    for _ in range(2):
        breaking.report(breaking.enter(), True)
    return breaking


def refused(breaking: Breaking) -> bool:
    """Whether a request is refused now; one that is not has no effect on the breaker."""
    try:
        breaking.report(breaking.enter(), None)
    except ConnectionFailed as error:
        assert error.cause == "breaker-open" and error.retry_after is not None and error.retry_after >= 1
        return True
    return False


def test_it_opens_after_five_failures_in_a_row() -> None:
    """Four are not enough, and one success in between begins the count anew."""
    breaking = Breaking(Breaker(), Clock())
    for good in (False, False, False, False, True, False, False, False, False):
        breaking.report(breaking.enter(), good)
    assert breaking.state == "closed"
    breaking.report(breaking.enter(), False)
    assert breaking.state == "open" and refused(breaking)


def test_it_probes_after_thirty_seconds() -> None:
    """Nothing goes before; then one request at a time."""
    clock = Clock()
    breaking = broken(clock)
    clock.now += 29.99
    assert breaking.state == "open" and refused(breaking)
    with pytest.raises(ConnectionFailed):
        breaking.check()
    clock.now += 0.01
    assert breaking.state == "half-open"
    breaking.check()
    breaking.enter()
    assert refused(breaking), "a second probe while the first is on its way"


def test_it_closes_after_two_good_probes() -> None:
    """One is not enough."""
    clock = Clock()
    breaking = broken(clock)
    clock.now += 30
    breaking.report(breaking.enter(), True)
    assert breaking.state == "half-open"
    breaking.report(breaking.enter(), True)
    assert breaking.state == "closed"


def test_a_failed_probe_opens_it_for_another_thirty_seconds() -> None:
    """Even the second one."""
    clock = Clock()
    breaking = broken(clock)
    clock.now += 30
    breaking.report(breaking.enter(), True)
    breaking.report(breaking.enter(), False)
    clock.now += 29.99
    assert refused(breaking)
    clock.now += 0.01
    assert not refused(breaking)


def test_a_probe_that_says_nothing_makes_room_for_the_next() -> None:
    """A caller who goes away, say, leaves the breaker as it was."""
    clock = Clock()
    breaking = broken(clock)
    clock.now += 30
    breaking.report(breaking.enter(), None)
    assert not refused(breaking) and breaking.state == "half-open"


def test_answers_to_earlier_requests_change_nothing() -> None:
    """What was on its way when it opened neither closes it nor keeps it open for longer, and is no probe."""
    clock = Clock()
    breaking = Breaking(Breaker(), clock)
    early = [breaking.enter() for _ in range(20)]
    for ticket in early[:5]:
        breaking.report(ticket, False)
    clock.now += 29
    for ticket in early[5:]:
        breaking.report(ticket, ticket % 2 == 0)
    assert breaking.state == "open"
    clock.now += 1
    probe = breaking.enter()
    breaking.report(early[0], None)
    assert refused(breaking), "the probe is still on its way"
    breaking.report(probe, True)
    breaking.report(early[1], True)
    assert breaking.state == "half-open"


def test_the_numbers_are_settings() -> None:
    """Failures, seconds and successes."""
    clock = Clock()
    breaking = broken(clock, Breaker(failures=1, seconds=5, successes=1))
    clock.now += 5
    breaking.report(breaking.enter(), True)
    assert breaking.state == "closed"


def test_traffic_comes_back_from_a_tenth_to_all_of_it() -> None:
    """In ten seconds after closing: about 10 % of 1,000 requests a second in the first one, all after the last."""
    clock = Clock()
    breaking = closed_again(clock)
    shares = []
    for _ in range(12):
        passed = 0
        for _ in range(1000):
            passed += not refused(breaking)
            clock.now += 0.001
        shares.append(passed / 1000)
    assert shares[0] == pytest.approx(0.145, abs=0.01)
    assert shares == sorted(shares)
    assert shares[4] == pytest.approx(0.505, abs=0.01)
    assert shares[10:] == [1, 1] and SLOW_START_SECONDS == 10


def test_little_traffic_notices_nothing_of_the_slow_start() -> None:
    """One request a second always goes."""
    clock = Clock()
    breaking = closed_again(clock)
    for _ in range(12):
        assert not refused(breaking)
        clock.now += 1


@pytest.mark.parametrize("answer", [*sorted(DOWN), *sorted(NETWORK)])
def test_failures_of_the_system_open_it(answer: int | str) -> None:
    """Statuses that say that it is down, and failures of the network."""
    driver = Driver(answering(answer))
    policy = driver.policy(Retries(count=0), breaking=Breaking(Breaker(), driver.clock))
    for _ in range(9):
        try:
            driver.run(authenticated(CALL, policy))
        except ConnectionFailed:
            continue
    assert len(driver.calls) == 5


@pytest.mark.parametrize("answer", [200, 302, 404, 429, 500, *sorted(set(CAUSES) - NETWORK)])
def test_other_answers_do_not_open_it(answer: int | str) -> None:
    """A system that refuses or has a defect is up; what never left this machine says nothing."""
    driver = Driver(answering(answer))
    policy = driver.policy(Retries(count=0), breaking=Breaking(Breaker(), driver.clock))
    for _ in range(9):
        try:
            driver.run(authenticated(CALL, policy))
        except ConnectionFailed:
            continue
    assert len(driver.calls) == 9


def test_a_call_whose_retries_open_it_ends_with_what_was_answered() -> None:
    """The caller hears of the 503, not of the breaker, and does not wait for attempts that cannot be made."""
    driver = Driver(answering(503))
    policy = driver.policy(Retries(count=9), breaking=Breaking(Breaker(), driver.clock))
    reply = driver.run(authenticated(CALL, policy))
    assert (reply.status, reply.attempts, len(driver.calls)) == (503, 5, 5)
    with pytest.raises(ConnectionFailed) as caught:
        driver.run(authenticated(CALL, policy))
    assert caught.value.cause == "breaker-open"
    assert caught.value.problem().status == 503


def test_a_caller_who_goes_away_leaves_the_breaker_usable() -> None:
    """The exchange is closed while the probe is on its way; the next request is a probe."""
    driver = Driver(answering(200))
    clock = Clock()
    breaking = broken(clock)
    clock.now += 30
    exchange = authenticated(CALL, driver.policy(breaking=breaking))
    next(exchange)
    assert refused(breaking)
    exchange.close()
    assert not refused(breaking)
