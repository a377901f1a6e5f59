"""Issuers of client certificates as people make them (apimgmt/control/authorities.py)."""

from __future__ import annotations

from typing import Any

import pki
import pytest
from control_samples import JSON, document
from cryptography.hazmat.primitives.asymmetric import ec

from apimgmt.auth.authorities import Authorities
from apimgmt.control.service import Control
from apimgmt.errors import Problem
from apimgmt.model import AuthorityEntry

ACME, OTHER = pki.authority("Acme CA"), pki.authority("Other CA")
PARTNER = ACME.issue("partner-one")


def published(control: Control) -> tuple[AuthorityEntry, ...]:
    """What the gateway gets."""
    archive = control._archive
    return archive.load_snapshot(archive.current()[0]).authorities


def test_an_authority_is_made_and_published(control: Control) -> None:
    """With what its texts hold; the gateway can build it."""
    text = f"Bag Attributes\n{ACME.pem}\nand again\n{ACME.pem}{OTHER.pem}"
    shown = control.authorities.create(
        {"name": "acme", "certificates": text, "revocations": f"# today's\n{ACME.revoke(PARTNER)}"}
    )
    assert [one["subject"] for one in shown.view["issuers"]] == ["CN=Acme CA,O=Acme", "CN=Other CA,O=Acme"]
    assert [(one["issuer"], one["revoked"]) for one in shown.view["lists"]] == [("CN=Acme CA,O=Acme", 1)]
    (entry,) = published(control)
    assert entry.certificates == ACME.pem + OTHER.pem and entry.rules is None and entry.apis == ()
    assert Authorities([entry]).of("any").authorities[0].name == "acme"
    control.authorities.delete("acme")
    assert published(control) == ()


def test_what_narrows_it(control: Control) -> None:
    """APIs by their ids, names in one spelling, rules and those of rulesets; rulesets without a rule are nothing."""
    api = control.upload(document(), JSON, name="shop", publish=True)
    control.rulesets.create({"name": "none", "rules": []})
    body = {"name": "acme", "certificates": ACME.pem, "apis": ["shop"]}
    body["subjects"] = ["CN=a,O=Acme", "CN=b\\2C c,O=Acme"]
    rule = {"methods": ["get"], "path": "/shop/**"}
    control.authorities.create({**body, "rules": [rule], "rulesets": ["none"]})
    (entry,) = published(control)
    assert entry.apis == (api.id,) and entry.subjects == ("CN=a,O=Acme", "CN=b\\, c,O=Acme")
    assert entry.rules is not None and [one.methods for one in entry.rules] == [("GET",)]
    control.authorities.replace("acme", {**body, "rulesets": ["none"]})
    assert published(control)[0].rules == ()
    control.authorities.replace("acme", body)
    assert published(control)[0].rules is None
    # the API goes, and the authority is nobody's, not everybody's
    control.delete("shop")
    assert published(control)[0].apis == (api.id,)


def test_a_ruleset_stays_while_an_authority_has_it(control: Control) -> None:
    """Its removal is refused with the name of the holder."""
    control.rulesets.create({"name": "readers", "rules": []})
    control.authorities.create({"name": "acme", "certificates": ACME.pem, "rulesets": ["readers"]})
    with pytest.raises(Problem, match="authority acme"):
        control.rulesets.delete("readers")


UNUSABLE: list[tuple[dict[str, Any], str, str]] = [
    ({"certificates": ""}, "/certificates", "no PEM certificate"),
    ({"certificates": "nonsense"}, "/certificates", "no PEM certificate"),
    ({"certificates": ACME.pem[:200]}, "/certificates", "no PEM certificate"),
    ({"certificates": ACME.pem.replace("M", "?", 1)}, "/certificates", "no PEM certificate"),
    ({"certificates": ACME.pem + ACME.secret}, "/certificates", "private key"),
    ({"certificates": ACME.pem + PARTNER.pem}, "/certificates", "CN=partner-one,O=Acme: this is no authority's"),
    ({"certificates": ACME.issue("x", ca=None).pem}, "/certificates", "no authority's"),
    ({"certificates": pki.authority("Old", days=(-9, -1)).pem}, "/certificates", "it ended at"),
    ({"certificates": pki.authority("Weak", key=pki.rsa_key(1024)).pem}, "/certificates", "has 1024 bits"),
    ({"certificates": pki.authority("Odd", key=ec.generate_private_key(ec.SECP256K1())).pem}, "/certificates", "P-256"),
    ({"revocations": "nonsense"}, "/revocations", "no PEM block X509 CRL"),
    ({"revocations": OTHER.revoke()}, "/revocations", "signed by none"),
    ({"revocations": ACME.revoke(days=(-9, -1))}, "/revocations", "counted until"),
    ({"apis": ["missing"]}, "/apis/0", "missing"),
    ({"subjects": ["CN=a", "partner-one"]}, "/subjects/1", "RFC 4514"),
    ({"subjects": [""]}, "/subjects/0", "RFC 4514"),
    ({"rulesets": ["missing"]}, "/rulesets/0", "no ruleset"),
    ({"rules": [{"path": "shop"}]}, "/rules/0/path", "must begin with /"),
    ({"colour": "red"}, "", "unknown field"),
]


@pytest.mark.parametrize(("body", "pointer", "words"), UNUSABLE)
def test_what_could_not_work_is_refused_with_its_place(
    control: Control, body: dict[str, Any], pointer: str, words: str
) -> None:
    """And nothing is kept."""
    with pytest.raises(Problem) as caught:
        control.authorities.create({"name": "acme", "certificates": ACME.pem, **body})
    assert (caught.value.code, caught.value.errors[0]["pointer"]) == ("validation", pointer)
    assert words in caught.value.detail
    assert control.authorities.all() == []
