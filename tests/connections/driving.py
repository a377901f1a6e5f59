"""Drives the layers of a call without any I/O: answers come from a function, time passes only where it is waited.

driver = Driver(lambda call: Reply(503, ()))
reply = driver.run(authenticated(CALL, driver.policy(Retries())))
assert driver.waits == [...] and len(driver.calls) == 4
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from apimgmt.connections import Call, Exchange, Reply, Send, Wait
from apimgmt.connections.authentication.none import Anonymous
from apimgmt.connections.configuration import Retries
from apimgmt.connections.layers.budget import Budget
from apimgmt.connections.layers.exchange import Policy
from apimgmt.errors import ConnectionFailed

CALL = Call(method="GET", url="http://crm.example/")
Answer = Reply | ConnectionFailed


class Driver:
    """``answer`` gives what a call gets; ``calls`` and ``waits`` are what was sent and waited for; ``now`` is the time.

    Sending takes ``seconds``. ``reply`` and ``failure`` are for a test to keep how it ended.
    """

    reply: Reply
    failure: ConnectionFailed

    def __init__(self, answer: Callable[[Call], Answer], seconds: float = 0.0) -> None:
        self._answer = answer
        self._seconds = seconds
        self.calls: list[Call] = []
        self.waits: list[float] = []
        self.now = 1000.0

    def clock(self) -> float:
        """The time."""
        return self.now

    def policy(self, retries: Retries | None = None, **members: Any) -> Policy:
        """A policy on this clock, with nothing in it but what is given."""
        given = {"throttle": None, "breaking": None, "budget": Budget(), "deadline": 120.0, **members}
        kind: Any = Anonymous()
        return Policy(kind.build(None), retries or Retries(), clock=self.clock, **given)

    def run(self, exchange: Exchange) -> Reply:
        """Drive it to its end."""
        try:
            step = next(exchange)
            while True:
                try:
                    result = self._perform(step)
                except ConnectionFailed as error:
                    step = exchange.throw(error)
                else:
                    step = exchange.send(result)
        except StopIteration as end:
            reply: Reply = end.value
            return reply

    def _perform(self, step: Any) -> Any:
        if isinstance(step, Wait):
            self.waits.append(step.seconds)
            self.now += step.seconds
            return None
        if not isinstance(step, Send):
            return step.function()
        self.calls.append(step.call)
        self.now += self._seconds
        answer = self._answer(step.call)
        if isinstance(answer, ConnectionFailed):
            raise answer
        return answer


def answering(*answers: int | str | Reply) -> Callable[[Call], Answer]:
    """Answers one after the other, the last one for ever: a status, a cause of a failure, or a whole reply."""
    left = list(answers)

    def answer(call: Call) -> Answer:
        one = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(one, int):
            return Reply(one, (), method=call.method, url=call.url)
        return ConnectionFailed(one, "on purpose") if isinstance(one, str) else one

    return answer
