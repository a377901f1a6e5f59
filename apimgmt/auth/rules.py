"""Rules: which operations a key, a user or a token may call (F-036, T27).

A rule is compared with the template of an operation, segment by segment, never with the path of a request: no spelling
of a path can bend it, and ``/pet`` does not open ``/pets``.
"""

from __future__ import annotations

from collections.abc import Iterable

from apimgmt.model import Rule
from apimgmt.request import Target

SHOWN_MOST = 20


class Rules:
    """The rules that somebody has, own ones and those of rulesets; worked out once per operation."""

    __slots__ = ("_deciding", "_rules")

    def __init__(self, rules: Iterable[Rule]) -> None:
        self._rules = tuple(rules)
        self._deciding: dict[Target, Rule | None] = {}

    def deciding(self, target: Target) -> Rule | None:
        """The first rule that covers the operation, or None: then it is not allowed."""
        try:
            return self._deciding[target]
        except KeyError:
            found = next((rule for rule in self._rules if covers(rule, target)), None)
            self._deciding[target] = found
            return found

    def __str__(self) -> str:
        """The rules in words, for whoever asks why none of them covers an operation."""
        shown = [described(rule) for rule in self._rules[:SHOWN_MOST]]
        more = len(self._rules) - len(shown)
        return "; ".join([*shown, f"and {more} more"] if more else shown) or "no rules"


def covers(rule: Rule, target: Target) -> bool:
    """Whether a rule covers an operation: its methods, its API, its operation and its path all do.

    In the path, ``*`` stands for one segment that is not empty, ``**`` at the end for any number of segments.
    """
    if "*" not in rule.methods and target.method not in rule.methods:
        return False
    if (rule.api and rule.api != target.api) or (rule.operation and rule.operation != target.operation):
        return False
    wanted = rule.path.split("/")[1:]
    segments = target.path.split("/")[1:]
    if wanted[-1] == "**":
        wanted.pop()
        segments = segments[: len(wanted)]
    return len(wanted) == len(segments) and all(map(_stands_for, wanted, segments))


def described(rule: Rule) -> str:
    """A rule in words, e.g. ``GET, PUT /shop/** (ruleset readers)``."""
    words = [", ".join("any method" if method == "*" else method for method in rule.methods), rule.path]
    words += [f"of {rule.api}"] if rule.api else []
    words += [f"operation {rule.operation!r}"] if rule.operation else []
    words += [f"(ruleset {rule.ruleset})"] if rule.ruleset else []
    return " ".join(words)


def _stands_for(pattern: str, segment: str) -> bool:
    return bool(segment) if pattern == "*" else pattern == segment
