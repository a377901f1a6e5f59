"""The retry budget: what is down is not asked much more often than there are calls."""

from __future__ import annotations

import pytest
from connections.driving import CALL, Driver, answering
from connections.faults import Faults
from connections.test_connection import made

from apimgmt.connections import Reply
from apimgmt.connections.configuration import Breaker, Retries
from apimgmt.connections.layers.breaking import Breaking
from apimgmt.connections.layers.budget import RESERVE, SHARE, Budget
from apimgmt.connections.layers.exchange import authenticated
from apimgmt.errors import ConnectionFailed

CALLS = 4_000
MOST_TIMES = 1.2


class Boundless(Budget):
    """The mutant: there is always a retry left."""

    def withdraw(self) -> bool:
        """Yes."""
        return True


def requests_of(budget: Budget, *answers: int | str, breaker: Breaker | None = None) -> int:
    """What another system sees of 4,000 calls at 200 a second, with three retries each."""
    driver = Driver(answering(*answers), seconds=0.005)
    breaking = Breaking(breaker, driver.clock) if breaker else None
    policy = driver.policy(Retries(), budget=budget, breaking=breaking)
    for _ in range(CALLS):
        try:
            driver.run(authenticated(CALL, policy))
        except ConnectionFailed:
            continue
    return len(driver.calls)


@pytest.mark.parametrize("fault", [503, 429, 500, "reset", "timeout", "refused"])
def test_a_system_that_is_down_sees_a_fifth_more_at_most(fault: int | str) -> None:
    """R-18, with the breaker switched off: the budget alone holds."""
    seen = requests_of(Budget(), fault)
    assert CALLS < seen <= MOST_TIMES * CALLS


def test_the_breaker_lets_it_see_much_less() -> None:
    """R-18 as connections are by default: after five failures next to nothing is sent."""
    assert requests_of(Budget(), 503, breaker=Breaker()) < CALLS / 100


def test_without_a_budget_it_would_see_four_times_as_much() -> None:
    """The mutant: the test above fails without the budget."""
    assert requests_of(Boundless(), 503) == 4 * CALLS


def test_twenty_workers_together_keep_to_it() -> None:
    """Every worker process has a reserve of its own; with twenty of them it is still a fifth at most."""
    retries = 0
    for budget in (Budget() for _ in range(20)):
        for _ in range(CALLS // 20):
            budget.deposit()
            while budget.withdraw():
                retries += 1
    assert retries <= (MOST_TIMES - 1) * CALLS


def test_a_few_calls_have_all_their_retries() -> None:
    """A connection with little traffic gets its three retries: there is a reserve."""
    driver = Driver(answering(503))
    policy = driver.policy(Retries())
    for _ in range(3):
        driver.run(authenticated(CALL, policy))
    assert len(driver.calls) == 12


def test_what_is_paid_in_is_a_share() -> None:
    """An empty budget has one retry after as many calls as make one, and never more than the reserve is saved."""
    budget = Budget()
    while budget.withdraw():
        pass
    calls = 0
    while not budget.withdraw():
        budget.deposit()
        calls += 1
    assert calls in (int(1 / SHARE), int(1 / SHARE) + 1)
    for _ in range(1000):
        budget.deposit()
    assert sum(budget.withdraw() for _ in range(100)) == RESERVE


def test_a_retry_that_helped_costs_nothing() -> None:
    """A system that answers at the second attempt is asked twice, however often."""
    driver = Driver(lambda call: answering(503 if len(driver.calls) % 2 else 200)(call))
    policy = driver.policy(Retries())
    assert all(driver.run(authenticated(CALL, policy)).status == 200 for _ in range(200))


def test_it_holds_over_the_wire() -> None:
    """R-18 with a real server and a connection whose breaker is switched off: 400 calls from four threads."""
    with Faults("unavailable") as upstream:
        crm = made(baseUrl=upstream.url, internalHosts=["127.0.0.1"], breaker=None)
        replies = crm.parallel([{"path": "/"}] * 400, most=4)
        assert {reply.status for reply in replies if isinstance(reply, Reply)} == {503}
        assert 400 < len(upstream.requests) <= MOST_TIMES * 400
        crm.close()
