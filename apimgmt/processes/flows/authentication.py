"""Authentication policies of flows: basic and bearer, in place or by name; for all others there are connections."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from apimgmt.errors import SettingInvalid
from apimgmt.processes.flows import failure
from apimgmt.processes.flows.definition import Use
from apimgmt.reading import pointer

_CREDENTIALS = {"basic": ("username", "password"), "bearer": ("token",)}


def check_authentication(policy: Any, use: Use, place: str) -> None:
    """Raise SettingInvalid for an authentication policy that is none, or none that is done here."""
    if policy is None or (isinstance(policy, str) and "${" in policy):
        return
    if isinstance(policy, Mapping) and set(policy) == {"use"}:
        policy = policy["use"]
        if not isinstance(policy, str) or policy not in use.authentications:
            raise SettingInvalid(f"there is no authentication {policy!r:.100} in `use`", f"{place}/use")
        return
    if not isinstance(policy, Mapping) or len(policy) != 1:
        raise SettingInvalid("one of basic, bearer and use is needed", place)
    ((kind, details),) = policy.items()
    if kind not in _CREDENTIALS:
        detail = f"authentication by {kind!s:.40} is not done here: make a connection and use `call: connection`"
        raise SettingInvalid(detail, place + pointer(str(kind)))
    if not isinstance(details, Mapping):
        raise SettingInvalid("an object is needed", place + pointer(str(kind)))
    if "use" in details:
        detail = "secrets are not done here: make a connection and use `call: connection`"
        raise SettingInvalid(detail, f"{place}/{kind}/use")
    for name in {*_CREDENTIALS[kind], *details}:
        if name not in _CREDENTIALS[kind] or not isinstance(details.get(name), str):
            raise SettingInvalid(f"{kind} has {' and '.join(_CREDENTIALS[kind])}, as text", f"{place}/{kind}")


def authorization(policy: Any, authentications: Mapping[str, Any], place: str) -> dict[str, str]:
    """The header field of an authentication policy: basic or bearer; for everything else there are connections."""
    if isinstance(policy, str):
        policy = {"use": policy}
    if isinstance(policy, Mapping) and "use" in policy:
        policy = authentications.get(str(policy["use"]), {})
    if not policy:
        return {}
    if basic := policy.get("basic"):
        pair = f"{basic.get('username', '')}:{basic.get('password', '')}"
        return {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}
    if bearer := policy.get("bearer"):
        return {"Authorization": f"Bearer {bearer.get('token', '')}"}
    raise failure("configuration", "authentication is basic or bearer; for OAuth 2 use `call: connection`", place)
