"""The definition of a flow as people write it: the members that every document and every task has."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

import msgspec

from apimgmt.errors import SettingInvalid
from apimgmt.model import Struct
from apimgmt.reading import pointer, read

DSL = re.compile(r"1\.0\.\d+")
# members of ``use`` that are not done, with what to do instead
NOT_DONE = {
    "extensions": "write their tasks where they are needed, or in `use.functions`",
    "catalogs": "write their functions in `use.functions`",
    "secrets": "make a connection and use `call: connection`",
}
_DURATION = re.compile(
    r"P(?!$)(?:(?P<weeks>\d+(?:\.\d+)?)W)?(?:(?P<days>\d+(?:\.\d+)?)D)?"
    r"(?:T(?=\d)(?:(?P<hours>\d+(?:\.\d+)?)H)?(?:(?P<minutes>\d+(?:\.\d+)?)M)?(?:(?P<seconds>\d+(?:\.\d+)?)S)?)?"
)
# members whose own members are known; in all others null may be data
_PARTS = frozenset(("catch", "errors", "export", "for", "fork", "input", "limit", "output", "retry", "schema"))
Kind = TypeVar("Kind")
# of any unit; more counts as so many, for nobody waits as long, and a float may not hold it
MOST_UNITS = 10**15
_SECONDS = {"weeks": 604_800.0, "days": 86_400.0, "hours": 3_600.0, "minutes": 60.0, "seconds": 1.0}


Label = Annotated[str, msgspec.Meta(pattern=r"^[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?\Z")]
# Semantic Versioning 2.0.0
Version = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)"
        r"(-(0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*)(\.(0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*))*)?"
        r"(\+[0-9a-zA-Z-]+(\.[0-9a-zA-Z-]+)*)?\Z"
    ),
]


class Document(Struct, frozen=True):
    """Who the flow is."""

    dsl: str
    namespace: Label
    name: Label
    version: Version
    title: str = ""
    summary: str = ""
    tags: dict[str, Any] = {}  # noqa: RUF012  msgspec copies it
    metadata: dict[str, Any] = {}  # noqa: RUF012


class Schema(Struct, frozen=True):
    """A schema that values have to fit: ``document`` is JSON Schema."""

    document: Any
    format: str = "json"


class Input(Struct, frozen=True):
    """What becomes of the input before the task sees it."""

    schema: Schema | None = None
    source: Any = msgspec.field(default=None, name="from")


class Output(Struct, frozen=True):
    """What becomes of the output before the next task sees it, or of the context (``export``)."""

    schema: Schema | None = None
    to: Any = msgspec.field(default=None, name="as")


class Use(Struct, frozen=True):
    """What tasks refer to by name."""

    errors: dict[str, dict[str, Any]] = {}  # noqa: RUF012
    functions: dict[str, dict[str, Any]] = {}  # noqa: RUF012
    retries: dict[str, dict[str, Any]] = {}  # noqa: RUF012
    timeouts: dict[str, dict[str, Any]] = {}  # noqa: RUF012
    authentications: dict[str, dict[str, Any]] = {}  # noqa: RUF012


class Definition(Struct, frozen=True):
    """A whole flow. ``schedule`` and ``evaluate.language`` other than jq are refused by name."""

    document: Document
    do: list[Any]
    input: Input | None = None
    output: Output | None = None
    use: Use = Use()
    timeout: Any = None
    evaluate: dict[str, Any] = {}  # noqa: RUF012
    schedule: Any = None


class Common(Struct, frozen=True):
    """What every task can have."""

    condition: str | None = msgspec.field(default=None, name="if")
    input: Input | None = None
    output: Output | None = None
    export: Output | None = None
    timeout: Any = None
    then: str = "continue"
    metadata: dict[str, Any] = {}  # noqa: RUF012


COMMON = frozenset(field.encode_name for field in msgspec.structs.fields(Common))


def read_definition(value: Any) -> Definition:
    """A definition, read strictly; raises SettingInvalid with the pointer of what is wrong."""
    use = value.get("use") if isinstance(value, Mapping) else None
    for name, instead in NOT_DONE.items():
        if isinstance(use, Mapping) and name in use:
            raise SettingInvalid(f"{name} are not done here: {instead}", f"/use/{name}")
    definition = strictly(value, Definition)
    if not DSL.fullmatch(definition.document.dsl):
        raise SettingInvalid(f"the DSL is 1.0.x, not {definition.document.dsl!r:.40}", "/document/dsl")
    if definition.schedule is not None:
        raise SettingInvalid("schedules are not done here: call the flow from a scheduler", "/schedule")
    if definition.evaluate.get("language", "jq") != "jq":
        raise SettingInvalid("the language of expressions is jq", "/evaluate/language")
    return definition


def strictly(value: Any, kind: type[Kind], place: str = "") -> Kind:
    """``value`` as ``kind``; a member that is null is refused, too. Raises SettingInvalid with the whole place."""
    try:
        _refuse_nulls(value)
        return read(value, kind)
    except SettingInvalid as error:
        raise SettingInvalid(str(error), place + error.pointer) from None


def _refuse_nulls(value: Any, place: str = "") -> None:
    for name, one in value.items() if isinstance(value, Mapping) else ():
        where = place + pointer(str(name))
        if one is None:
            raise SettingInvalid("null is no value here: leave it out", where)
        if name in _PARTS:
            _refuse_nulls(one, where)


def named(item: Any, place: str) -> tuple[str, Mapping[str, Any]]:
    """The name and the members of an entry such as ``{"setColor": {...}}``; raises SettingInvalid."""
    if not isinstance(item, Mapping) or len(item) != 1:
        raise SettingInvalid("an object with one member is needed: its name", place)
    ((name, members),) = item.items()
    if not isinstance(members, Mapping):
        raise SettingInvalid("an object is needed", place + pointer(name))
    return str(name), members


def seconds(duration: Any, place: str) -> float:
    """A duration in seconds: ``{"minutes": 5}`` or ``PT5M`` (ISO 8601); raises SettingInvalid."""
    if isinstance(duration, str):
        match = _DURATION.fullmatch(duration)
        if match is None:
            raise SettingInvalid("a duration is needed: PT30S, or an object with seconds, minutes ...", place)
        return sum(float(amount) * _SECONDS[unit] for unit, amount in match.groupdict().items() if amount)
    units = {**_SECONDS, "milliseconds": 0.001}
    if not isinstance(duration, Mapping) or not duration:
        raise SettingInvalid("a duration is needed: PT30S, or an object with seconds, minutes ...", place)
    total = 0.0
    for unit, amount in duration.items():
        if unit not in units or unit == "weeks":
            raise SettingInvalid("a duration has days, hours, minutes, seconds, milliseconds", place + pointer(unit))
        if not isinstance(amount, int) or isinstance(amount, bool) or amount < 0:
            raise SettingInvalid("a whole number is needed, not below 0", place + pointer(unit))
        total += min(amount, MOST_UNITS) * units[unit]
    return total
