"""What the control plane adds to the findings of the intake: who may call, and which other API is in the way."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping

from apimgmt.control.addresses import overlaps
from apimgmt.control.discovery.shapes import rows_of
from apimgmt.control.views import is_public
from apimgmt.model import CompiledApi, Finding, Operation, Trigger


def access_findings(compiled: CompiledApi, trigger: Trigger) -> list[Finding]:
    """Say loudly what is open, and what would like to be."""
    if trigger.authentication == "none":
        message = "AUTHENTICATION IS OFF: anybody may call every operation of this API, whatever the document demands"
        return [Finding(severity="warning", code="authentication-off", message=message)]
    public = [operation for operation in compiled.operations if _says_public(operation)]
    if not trigger.public:
        return [_kept_closed(operation) for operation in public]
    count = len(public) + sum(operation.security is None for operation in compiled.operations)
    if not count:
        return []
    message = f"{count} operation(s) without security, or public by the document, can be called by anybody"
    return [Finding(severity="warning", code="public", message=message)]


def protocol_findings(compiled: CompiledApi, trigger: Trigger, triggers: Mapping[str, Trigger]) -> list[Finding]:
    """One finding if credentials may come over plain HTTP (F-044); ``triggers`` are the settings by operation key."""
    readable = [
        operation
        for operation in compiled.operations
        if _takes_plain_credentials(operation, triggers.get(operation.key, trigger))
    ]
    if not readable:
        return []
    message = (
        f"{len(readable)} of {len(compiled.operations)} operation(s) take credentials over plain HTTP, where others "
        "can read them; once the gateway is reached by HTTPS, set policies.protocols.allow to https"
    )
    return [Finding(severity="warning", code="credentials-over-http", message=message)]


def overlap_findings(
    base_path: str,
    compiled: CompiledApi,
    others: Mapping[str, str],
    load: Callable[[str], CompiledApi],
) -> list[Finding]:
    """Operations that can never answer because a longer base path takes their requests.

    ``others`` maps the base path of each other API to its name; ``load`` gives the compiled API at a base path.
    """
    found: list[Finding] = []
    for other, name in sorted(others.items()):
        found += _shadowed(overlaps(base_path, compiled.operations, other), other, name, own=True)
        if base_path.startswith(f"{other}/"):
            found += _shadowed(overlaps(other, load(other).operations, base_path), base_path, name, own=False)
    return found


def reference_findings(compiled: CompiledApi, flows: Collection[str]) -> list[Finding]:
    """Say which ``${name}`` of flows means one of several (H-065); ``flows`` are keys of operations."""
    found: list[Finding] = []
    for operation in compiled.operations:
        if operation.key not in flows:
            continue
        places = _names(operation, compiled)
        for name in dict.fromkeys(name for names in places.values() for name in names):
            several = [place for place, names in places.items() if name in names]
            if len(several) > 1:
                message = (
                    f"{name!r:.100} is in the {' and in the '.join(several)} of {operation.key}: ${{{name}}} is "
                    f"that of the {several[0]}; #trigger.data.{several[1]}.{name} is the other one"
                )
                found.append(
                    Finding(
                        severity="warning",
                        code="ambiguous-reference",
                        message=message,
                        pointer=operation.pointer,
                        line=operation.line,
                    )
                )
    return found


def _names(operation: Operation, compiled: CompiledApi) -> dict[str, list[str]]:
    """The names in each place that references look at, in the order in which they do."""
    places: dict[str, list[str]] = {
        place: [one.name for one in operation.parameters if one.location == place] for place in ("path", "query")
    }
    contents = operation.body.content.values() if operation.body is not None else ()
    places["body"] = [name for content in contents for name in rows_of(content.schema, compiled.schemas).members]
    return places


def _takes_plain_credentials(operation: Operation, trigger: Trigger) -> bool:
    return not is_public(operation, trigger) and trigger.policies.get("protocols", {}).get("allow") != "https"


def _says_public(operation: Operation) -> bool:
    return operation.security is not None and (
        not operation.security or any(not alternative for alternative in operation.security)
    )


def _kept_closed(operation: Operation) -> Finding:
    return Finding(
        severity="warning",
        code="public-not-allowed",
        message=f"{operation.key} is public in the document; it needs a credential until allowPublic=true says so too",
        pointer=operation.pointer,
        line=operation.line,
    )


def _shadowed(operations: Iterable[Operation], base_path: str, name: str, own: bool) -> list[Finding]:
    """One finding for each operation of this API (``own``) or of the API ``name`` that ``base_path`` takes away."""
    whose = f"the API {name!r} at {base_path}" if own else "this API"
    prefix = "" if own else f"{name}: "
    return [
        Finding(
            severity="warning",
            code="base-path-overlap",
            message=f"requests for {prefix}{operation.key} that begin with {base_path} go to {whose}",
            pointer=operation.pointer if own else "",
            line=operation.line if own else 0,
        )
        for operation in operations
    ]
