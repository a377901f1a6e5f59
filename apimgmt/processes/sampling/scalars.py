"""Strings and numbers made from a schema: by format, pattern and bounds."""

from __future__ import annotations

import base64
import datetime
import math
import uuid
from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from random import Random
from typing import Any

from apimgmt.processes.sampling.pattern import example, judged, matches

WORDS = ("amber", "birch", "cedar", "delta", "ember", "fjord", "grove", "harbor", "island", "juniper", "kelp", "lunar")
LONGEST = 100_000
# the middle of a range that is open on one side is within this of the side that is not
SPAN = 1000


class Unsatisfiable(ValueError):
    """No value was found that the schema allows."""


def text(schema: Mapping[str, Any], random: Random) -> str:
    """A string for ``schema``; raises Unsatisfiable if none was found."""
    shortest, longest = int(schema.get("minLength", 0)), schema.get("maxLength")
    if shortest > LONGEST or (longest is not None and longest < shortest):
        raise Unsatisfiable("no string is that long")
    formatted = _FORMATS.get(schema.get("format", ""))
    pattern = schema.get("pattern")
    most = None if longest is None else int(longest)
    plain = formatted(random) if formatted else " ".join(random.sample(WORDS, 2))
    for candidate in _candidates(plain, schema.get("format"), pattern, random, shortest, most):
        if _fits(candidate, shortest, longest, pattern):
            return candidate
    raise Unsatisfiable("no string was found for the pattern")


def _candidates(
    plain: str, form: str | None, pattern: str | None, random: Random, shortest: int, longest: int | None
) -> Iterator[str]:
    """What may do, best first; of a pattern that cannot be judged what is made of it, not what cannot be refuted."""
    if pattern is None or judged(pattern):
        yield from (plain, plain.upper()) if form == "uuid" else (plain,)
    if pattern is not None:
        for least in (max(shortest, 1), shortest, 0):
            made = example(pattern, random, least, longest)
            if made is not None:
                yield made
                yield _sized(made, shortest, longest)
    if form == "date-time":
        yield _stretched(plain, shortest)
    yield _sized(plain, shortest, longest)


def integer(schema: Mapping[str, Any], random: Random) -> int:
    """A whole number for ``schema``; raises Unsatisfiable if there is none."""
    # the whole multiples of a fraction are those of its numerator: 0.5 -> 1, 1.5 -> 3
    step = Fraction(max(_exact(schema.get("multipleOf", 1)).numerator, 1))
    return int(_multiple(*_bounds(schema, step), step, random))


def number(schema: Mapping[str, Any], random: Random) -> int | float:
    """A number for ``schema``; raises Unsatisfiable if there is none."""
    step = max(_exact(schema.get("multipleOf", 0)), Fraction(0))
    if step:
        return _plain(_multiple(*_bounds(schema, step), step, random))
    low, high = _closed(*_bounds(schema, step))
    value = round(random.uniform(float(low), float(high)), 2)
    excluded = [_exact(schema[word]) for word in ("exclusiveMinimum", "exclusiveMaximum") if word in schema]
    if low == high and low in excluded:
        raise Unsatisfiable("no number lies between the bounds")
    return value if low <= value <= high and value not in excluded else _plain((low + high) / 2)


def _bounds(schema: Mapping[str, Any], step: Fraction) -> tuple[Fraction | None, Fraction | None]:
    """The lowest and the highest value; a bound that is excluded gives way to the next multiple of ``step`` if any."""
    lows = [_exact(schema["minimum"])] if "minimum" in schema else []
    highs = [_exact(schema["maximum"])] if "maximum" in schema else []
    if "exclusiveMinimum" in schema:
        bound = _exact(schema["exclusiveMinimum"])
        lows.append((math.floor(bound / step) + 1) * step if step else bound)
    if "exclusiveMaximum" in schema:
        bound = _exact(schema["exclusiveMaximum"])
        highs.append((math.ceil(bound / step) - 1) * step if step else bound)
    if schema.get("format") in _RANGES:
        lowest, highest = _RANGES[schema["format"]]
        lows, highs = [*lows, Fraction(lowest)] if lows else [], [*highs, Fraction(highest)]
    return max(lows, default=None), min(highs, default=None)


def _closed(low: Fraction | None, high: Fraction | None) -> tuple[Fraction, Fraction]:
    """A range that is closed on both sides and not wider than SPAN."""
    if low is None:
        low = Fraction(1) if high is None or high >= 1 else high - SPAN
    if high is not None and high < low:
        raise Unsatisfiable("no number lies between the bounds")
    return low, low + SPAN if high is None else min(high, low + SPAN)


def _multiple(low: Fraction | None, high: Fraction | None, step: Fraction, random: Random) -> Fraction:
    if low is None:
        top = SPAN if high is None else min(math.floor(high / step), SPAN)
        return step * random.randint(min(1, top), top)
    first = math.ceil(low / step)
    last = first + SPAN if high is None else min(math.floor(high / step), first + SPAN)
    if first > last:
        raise Unsatisfiable("no multiple lies between the bounds")
    return step * random.randint(first, last)


def _exact(value: Any) -> Fraction:
    return Fraction(str(value))


def _plain(value: Fraction) -> int | float:
    return int(value) if value.denominator == 1 else float(value)


def _fits(candidate: str, shortest: int, longest: float | None, pattern: str | None) -> bool:
    if not shortest <= len(candidate) <= (LONGEST if longest is None else longest):
        return False
    return pattern is None or matches(pattern, candidate)


def _sized(candidate: str, shortest: int, longest: int | None) -> str:
    return candidate.ljust(shortest, "x")[:longest]


def _stretched(moment: str, shortest: int) -> str:
    """A time (``...Z``) with as many digits behind the second as it needs to be that long."""
    digits = shortest - len(moment) - 1
    return f"{moment[:-1]}.{'0' * max(digits, 1)}Z" if shortest > len(moment) else moment


def _day(random: Random) -> datetime.date:
    return datetime.date(2024, 1, 1) + datetime.timedelta(days=random.randrange(366))


def _time(random: Random) -> str:
    return f"{random.randrange(24):02}:{random.randrange(60):02}:{random.randrange(60):02}Z"


def _host(random: Random) -> str:
    return f"{random.choice(WORDS)}.example"


def _base64(random: Random) -> str:
    return base64.b64encode(random.choice(WORDS).encode()).decode("ascii")


_RANGES: dict[str, tuple[int, int]] = {
    "int32": (-(2**31), 2**31 - 1),
    "int64": (-(2**63), 2**63 - 1),
    "uint8": (0, 255),
    "uint16": (0, 2**16 - 1),
    "uint32": (0, 2**32 - 1),
    "uint64": (0, 2**64 - 1),
    "int8": (-128, 127),
    "int16": (-(2**15), 2**15 - 1),
}

_FORMATS: dict[str, Callable[[Random], str]] = {
    "date": lambda random: _day(random).isoformat(),
    "date-time": lambda random: f"{_day(random).isoformat()}T{_time(random)}",
    "time": _time,
    "duration": lambda random: f"P{random.randint(1, 9)}DT{random.randint(1, 9)}H",
    "email": lambda random: f"{random.choice(WORDS)}@{_host(random)}",
    "idn-email": lambda random: f"{random.choice(WORDS)}@{_host(random)}",
    "hostname": _host,
    "idn-hostname": _host,
    "ipv4": lambda random: f"192.0.2.{random.randint(1, 254)}",
    "ipv6": lambda random: f"2001:db8::{random.randint(1, 0xFFFF):x}",
    "uri": lambda random: f"https://{_host(random)}/{random.choice(WORDS)}",
    "url": lambda random: f"https://{_host(random)}/{random.choice(WORDS)}",
    "iri": lambda random: f"https://{_host(random)}/{random.choice(WORDS)}",
    "uri-reference": lambda random: f"/{random.choice(WORDS)}",
    "iri-reference": lambda random: f"/{random.choice(WORDS)}",
    "uri-template": lambda random: f"/{random.choice(WORDS)}/{{id}}",
    "uuid": lambda random: str(uuid.UUID(int=random.getrandbits(128), version=4)),
    "byte": _base64,
    "base64": _base64,
    "base64url": _base64,
    "binary": lambda random: random.choice(WORDS),
    "char": lambda random: random.choice("abcdefgh"),
    "json-pointer": lambda random: f"/{random.choice(WORDS)}",
    "relative-json-pointer": lambda random: f"0/{random.choice(WORDS)}",
    "regex": lambda random: f"^{random.choice(WORDS)}$",
    "int32": lambda random: str(random.randint(1, SPAN)),
    "int64": lambda random: str(random.randint(1, SPAN)),
    "decimal": lambda random: f"{random.randint(1, SPAN)}.50",
    "float": lambda random: f"{random.randint(1, SPAN)}.5",
    "double": lambda random: f"{random.randint(1, SPAN)}.5",
}
