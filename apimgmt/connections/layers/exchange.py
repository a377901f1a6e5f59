"""The layers of a call: ``authentication -> retries -> throttle -> single request``, without any I/O.

    reply = yield from authenticated(call, policy)

Each is a generator of steps (:mod:`apimgmt.connections`); what it may do is in the policy of its connection.
"""

from __future__ import annotations

import logging
import math
import random
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import msgspec

from apimgmt.connections import Call, Do, Exchange, Reply, Send, Wait
from apimgmt.connections.authentication import Authentication
from apimgmt.connections.configuration import Retries
from apimgmt.connections.layers.breaking import Breaking
from apimgmt.connections.layers.budget import Budget
from apimgmt.connections.layers.debugging import Masking, log_call, log_failure, log_reply
from apimgmt.connections.layers.throttling import Throttle
from apimgmt.connections.remaining import remaining
from apimgmt.errors import ConnectionFailed

# failures after which sending it again cannot do harm, because nothing was sent
UNSENT = frozenset(("name", "refused", "unreachable"))
NETWORK = UNSENT | {"timeout", "reset", "protocol"}
# what the breaker takes for a system that is down
DOWN = frozenset((502, 503, 504))
# raised by our own layers: nothing was asked, so what came before is the better answer
HELD_BACK = frozenset(("breaker-open", "rate-limited"))
REFUSALS = frozenset((401, 403, 407))
MOST_WAIT_SECONDS = 60.0
JITTER = 0.1


@dataclass(frozen=True, slots=True)
class Policy:
    """What the layers of one connection know and remember. ``deadline`` is for a call with all its attempts (seconds);
    with ``debug`` its requests are logged in any case."""

    authentication: Authentication
    retries: Retries
    throttle: Throttle | None
    breaking: Breaking | None
    budget: Budget
    deadline: float
    masking: Masking = field(default_factory=Masking)
    debug: bool = False
    clock: Callable[[], float] = time.monotonic
    # why a credential is refused, as far as an answer says so (C-074)
    explain: Callable[[Reply], str] = lambda reply: ""


def authenticated(call: Call, policy: Policy) -> Exchange:
    """Put the credential on; if it is refused, once more with a new one (C-057 to C-060).

    There is the time of the call, or less if the process that calls has less (X-007).
    """
    until = policy.clock() + min(policy.deadline, remaining())
    signed = yield from policy.authentication.sign(call)
    reply = yield from retried(signed, policy, until)
    if reply.status == 401:
        renewed = yield from policy.authentication.renew(call, signed)
        if renewed is not None:
            before = reply.attempts
            reply = yield from retried(renewed, policy, until)
            reply.attempts += before
    if reply.status in REFUSALS:
        reply.refusal = policy.explain(reply)
    return reply


def retried(call: Call, policy: Policy, until: float) -> Exchange:
    """Send it until it succeeds, cannot be helped, or there are no attempts, no budget or no time left."""
    policy.budget.deposit()
    attempt = 0
    outcome: Reply | ConnectionFailed | None = None
    while True:
        attempt += 1
        try:
            outcome = yield from throttled(call, policy, until)
            outcome.attempts = attempt
        except ConnectionFailed as error:
            if outcome is not None and error.cause in HELD_BACK:
                break
            outcome = error
        wait = _wait(call, policy.retries, attempt, outcome)
        if wait is None or policy.clock() + wait >= until or not policy.budget.withdraw():
            break
        if wait:
            yield Wait(wait)
    if isinstance(outcome, ConnectionFailed):
        raise outcome
    if attempt > 1 and not _is_error(policy.retries, outcome):
        policy.budget.give_back(attempt - 1)
    return outcome


def throttled(call: Call, policy: Policy, until: float) -> Exchange:
    """Wait for its turn under the connection's own limit, unless the breaker is open anyway."""
    if policy.breaking is not None:
        policy.breaking.check()
    if policy.throttle is not None:
        yield from _turn(policy.throttle, call, policy, until)
    return (yield from single(call, policy, until))


def single(call: Call, policy: Policy, until: float) -> Exchange:
    """Send it once, for no longer than there is time; the breaker and the debug log learn how it went."""
    left = until - policy.clock()
    if left <= 0:
        raise ConnectionFailed("timeout", "the time for the call with all its attempts is over")
    if left < math.inf and (call.timeout is None or call.timeout > left):
        call = msgspec.structs.replace(call, timeout=left)
    breaking, level = policy.breaking, logging.INFO if policy.debug else logging.DEBUG
    ticket = 0 if breaking is None else breaking.enter()
    log_call(call, policy.masking, level)
    good: bool | None = None
    try:
        reply: Reply = yield Send(call)
        good = reply.status not in DOWN
    except ConnectionFailed as error:
        good = False if error.cause in NETWORK else None
        log_failure(call, error.cause, policy.masking, level)
        raise
    finally:
        if breaking is not None:
            breaking.report(ticket, good)
    log_reply(call, reply, policy.masking, level)
    return reply


def _turn(throttle: Throttle, call: Call, policy: Policy, until: float) -> Generator[Wait | Do, Any, None]:
    while True:
        left = until - policy.clock()
        # the attempt needs time, too: calls that are sent when it is over would look like a system that is down
        most = left - min(left / 2, left if call.timeout is None else call.timeout) if left < math.inf else left
        delay: float = (yield Do(partial(throttle.delay, most))) if throttle.blocks else throttle.delay(most)
        if delay > most:
            text = "the connection's own limit is reached for longer than the call may take"
            raise ConnectionFailed("rate-limited", text, retry_after=delay)
        if delay <= 0:
            return
        due = policy.clock() + delay
        yield Wait(delay)
        if policy.clock() - due <= throttle.patience:
            return


def _wait(call: Call, retries: Retries, attempt: int, outcome: Reply | ConnectionFailed) -> float | None:
    """The seconds until the next attempt, None for no more."""
    if attempt > retries.count:
        return None
    if isinstance(outcome, ConnectionFailed):
        may = outcome.cause in UNSENT or (outcome.cause in NETWORK and call.repeatable)
        return _delay(retries, attempt) if may else None
    if not call.repeatable or not _is_error(retries, outcome):
        return None
    asked = outcome.retry_after
    return _delay(retries, attempt) if asked is None else min(asked, MOST_WAIT_SECONDS)


def _is_error(retries: Retries, reply: Reply) -> bool:
    return reply.status >= 300 if retries.all_errors else reply.status in retries.statuses


def _delay(retries: Retries, attempt: int) -> float:
    if not retries.backoff:
        return retries.delay
    delay: float = retries.delay * 2 ** (attempt - 1)
    return delay * (1 + random.uniform(0, JITTER))
