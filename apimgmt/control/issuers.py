"""Issuers of OAuth 2 tokens: their keys are looked at when they are made, so that a wrong address is said at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from apimgmt.auth.tokens.fetching import check_url, fetch, is_loopback
from apimgmt.auth.tokens.keyset import SUPPORTED, KeySet
from apimgmt.control.resources import Resources, Shown, wrong
from apimgmt.control.rows import ResourceRow
from apimgmt.control.transaction import Transaction
from apimgmt.errors import KeysNotFetched, Problem
from apimgmt.model import ClaimNames, IssuerEntry, Struct
from apimgmt.registry import find, names, register


class Issuer(Struct, frozen=True):
    """What is stored of an issuer: an :class:`IssuerEntry` without id and name."""

    issuer: str
    audiences: tuple[str, ...]
    jwks: dict[str, Any] = {}  # noqa: RUF012  msgspec copies it
    jwks_url: str = ""
    algorithms: tuple[str, ...] = ("RS256", "ES256", "PS256", "EdDSA", "Ed25519")
    claims: ClaimNames = ClaimNames()


class Issuers(Resources[Issuer]):
    """All issuers that people registered."""

    kind = "issuer"
    noun = "an issuer"
    content = Issuer

    def create(self, body: Mapping[str, Any]) -> Shown:
        """A new one, once its keys were there; the answer says under ``found`` which ones."""
        found = self._found_keys(body)
        return _with_keys(super().create(body), found)

    def replace(self, reference: str, body: Mapping[str, Any], if_match: str | None = None) -> Shown:
        """The new state of one; its keys are looked at again."""
        found = self._found_keys(body)
        return _with_keys(super().replace(reference, body, if_match), found)

    def read(self, body: Mapping[str, Any], before: Issuer | None, transaction: Transaction) -> Issuer:
        """``{"issuer": ..., "audiences": [...], "jwks" or "jwksUrl": ...}``; an issuer is registered once."""
        wanted = self.converted(body, Issuer)
        others = [entry.issuer for entry in issuers(transaction)]
        if before is not None:
            others.remove(before.issuer)
        if wanted.issuer in others:
            raise Problem("conflict", f"the issuer {wanted.issuer[:200]!r} is registered already")
        return wanted

    def view(self, row: ResourceRow) -> dict[str, Any]:
        """The issuer, with the names of all claims."""
        return {**super().view(row), "claims": msgspec.structs.asdict(self.stored(row).claims)}

    def release(self, row: ResourceRow, transaction: Transaction) -> None:
        """An issuer that has applications keeps its name."""
        users = [one.name for one in transaction.resources("application") if _issuer_of(one) == row.name]
        if users:
            raise Problem("conflict", f"the issuer {row.name!r} has applications: remove {', '.join(users[:10])} first")

    def _found_keys(self, body: Mapping[str, Any]) -> KeySet:
        """The keys, pasted or fetched (slowly, hence in no transaction); raises Problem with the place of a fault."""
        wanted = self.converted({name: value for name, value in body.items() if name != "name"}, Issuer)
        _check(wanted)
        try:
            keys = KeySet(wanted.jwks) if wanted.jwks else fetch(wanted.issuer, wanted.jwks_url)
        except ValueError as error:
            raise wrong("/jwks", "keys", str(error)) from None
        except KeysNotFetched as error:
            raise wrong("/jwksUrl" if wanted.jwks_url else "/issuer", "keys", str(error)) from None
        usable = [key for key in keys.keys if set(key.algorithms) & set(wanted.algorithms)]
        if not usable:
            reasons = "; ".join(keys.skipped) or "none is for these algorithms"
            raise wrong("/jwks" if wanted.jwks else "/issuer", "keys", f"there is no key to verify with: {reasons}")
        return keys


@register("snapshot", "issuers")
def issuers(transaction: Transaction) -> tuple[IssuerEntry, ...]:
    """The snapshot's field: the registered ones, and those of functions registered as ``("issuer", name)``."""
    registered = (
        IssuerEntry(id=row.id, name=row.name, **msgspec.structs.asdict(msgspec.json.decode(row.content, type=Issuer)))
        for row in transaction.resources(Issuers.kind)
    )
    built_in = (entry for name in names("issuer") for entry in find("issuer", name)(transaction))
    return (*registered, *built_in)


def _check(wanted: Issuer) -> None:
    """Raise Problem for what could never work, or would let in what it should not."""
    if not wanted.audiences or "" in wanted.audiences:
        raise wrong("/audiences", "minItems", "name at least one: what the tokens for these APIs have as `aud`")
    if not wanted.algorithms or set(wanted.algorithms) - SUPPORTED:
        raise wrong("/algorithms", "enum", f"must be some of {', '.join(sorted(SUPPORTED))}")
    if wanted.jwks and wanted.jwks_url:
        raise wrong("/jwksUrl", "conflict", "give the keys or their address, not both")
    if "" in (wanted.issuer, *msgspec.structs.astuple(wanted.claims)):
        raise wrong("/claims" if wanted.issuer else "/issuer", "minLength", "must not be empty")
    secret = [jwk for jwk in wanted.jwks.get("keys", ()) if isinstance(jwk, dict) and {"d", "k"} & set(jwk)]
    if secret:
        raise wrong(
            "/jwks", "secret", "there is a private or shared key in it: give the public ones only, and replace it"
        )
    url = wanted.jwks_url or ("" if wanted.jwks else wanted.issuer)
    try:
        check_url(url, is_loopback(url)) if url else None
    except ValueError as error:
        raise wrong("/jwksUrl" if wanted.jwks_url else "/issuer", "format", str(error)) from None


def _with_keys(shown: Shown, keys: KeySet) -> Shown:
    found = [{"kid": key.kid, "type": key.type, "algorithms": list(key.algorithms)} for key in keys.keys]
    return Shown({**shown.view, "found": {"keys": found, "skipped": keys.skipped}}, shown.etag)


def _issuer_of(row: ResourceRow) -> str:
    return str(msgspec.json.decode(row.content).get("issuer", ""))
