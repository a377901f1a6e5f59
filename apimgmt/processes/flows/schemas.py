"""The schemas that input and output of flows and tasks have to fit."""

from __future__ import annotations

from typing import Any

import jsonschema_rs

from apimgmt.errors import SettingInvalid
from apimgmt.processes.flows import failure
from apimgmt.processes.flows.definition import Schema

LINEAR = jsonschema_rs.RegexOptions()


def validator(schema: Schema | None, place: str) -> Any:
    """What checks values against a schema, or None; raises SettingInvalid for a schema that is none.

    A ``$ref`` or ``$schema`` elsewhere is refused: whoever writes a flow must not have us read files, or call what the
    guard keeps from it. Patterns run in linear time, for nothing can interrupt them.
    """
    if schema is None:
        return None
    if schema.format.partition(":")[0] != "json":
        raise SettingInvalid("schemas are of the format json", f"{place}/format")
    try:
        return jsonschema_rs.validator_for(schema.document, offline=True, pattern_options=LINEAR)
    except (ValueError, jsonschema_rs.ValidationError) as error:
        raise SettingInvalid(f"this is no JSON Schema: {str(error).splitlines()[0]}", f"{place}/document") from None


def check(schema: Any, value: Any, what: str, place: str) -> None:
    """Raise FlowFailed for a value that does not fit; ``what`` and ``place`` say which, of what."""
    if schema is None:
        return
    error = next(iter(schema.iter_errors(value)), None)
    if error is not None:
        where = "/".join(map(str, error.instance_path))
        raise failure("validation", f"the {what} does not fit its schema at /{where}: {error.message}", place)
