"""Client certificates: whom an API lets in, however the certificate came (auth/certificate.py, authorities.py,
revocations.py, forwarding.py)."""

from __future__ import annotations

import base64
import contextlib
import logging
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pki
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.verification import VerificationError

from apimgmt.auth import authorities as module
from apimgmt.auth.authorities import CHAIN_MOST, Authorities, Authority, Trust
from apimgmt.errors import Problem, SnapshotRefused
from apimgmt.model import AuthorityEntry, Rule
from apimgmt.request import Target
from apimgmt.settings import Settings
from harness import Answer, Client, serve

API = "api_sample"
DOCUMENT = {
    "openapi": "3.1.0",
    "info": {"title": "t", "version": "1"},
    "components": {"securitySchemes": {"cert": {"type": "mutualTLS"}}},
    "paths": {
        "/x": {
            "get": {"security": [{"cert": []}], "responses": {"200": {"description": "ok"}}},
            "put": {"security": [{"cert": []}], "responses": {"200": {"description": "ok"}}},
        }
    },
}
PROXY, CALLER = "192.0.2.1", "192.0.2.7"
RSA = pki.rsa_key()
ACME = pki.authority("Acme CA", key=RSA)
OTHER, NAMESAKE = pki.authority("Other CA"), pki.authority("Acme CA")
BETWEEN = ACME.issue("Acme Issuing CA", usage=(), ca=True)
ENDED = ACME.issue("Ended Issuing CA", usage=(), ca=True, days=(-9, -1))
FOR_SERVERS = ACME.issue("Acme Server CA", usage=(pki.SERVER,), ca=True)
NO_SIGNING = x509.KeyUsage(True, False, False, False, False, False, True, False, False)
NOT_SIGNING = ACME.issue("Acme Signer", usage=(), ca=True, extensions=[(NO_SIGNING, True)])
STRANGE = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00")
GOOD = ACME.issue("partner-one", key=pki.rsa_key())

# Everything but the first is refused, with this code.
SHOWN: dict[str, tuple[pki.Holder, str]] = {
    "good": (GOOD, ""),
    "expired": (ACME.issue("partner-one", days=(-9, -1)), "credential-expired"),
    "not yet valid": (ACME.issue("partner-one", days=(1, 9)), "credential-unknown"),
    "foreign issuer": (OTHER.issue("partner-one"), "credential-unknown"),
    "issuer of the same name": (NAMESAKE.issue("partner-one"), "credential-unknown"),
    "wrong usage": (ACME.issue("partner-one", usage=(pki.SERVER,)), "credential-unknown"),
    "self-signed": (pki.authority("partner-one", ca=False, usage=(pki.CLIENT,)), "credential-unknown"),
    "signed with SHA-1": (pki.with_sha1(GOOD, ACME), "credential-unknown"),
    "weak key": (ACME.issue("partner-one", key=pki.rsa_key(1024)), "credential-unknown"),
    "odd key": (ACME.issue("partner-one", key=ec.generate_private_key(ec.SECP256K1())), "credential-unknown"),
    "issued by a caller": (GOOD.issue("partner-one"), "credential-unknown"),
    "issued by CA:false": (ACME.issue("Acme B", usage=(), ca=False).issue("partner-one"), "credential-unknown"),
    "issued without constraints": (ACME.issue("Acme C", usage=(), ca=None).issue("partner-one"), "credential-unknown"),
    "issued by one who may not": (NOT_SIGNING.issue("partner-one"), "credential-unknown"),
    "issuer for servers": (FOR_SERVERS.issue("partner-one"), "credential-unknown"),
    "issuer ended": (ENDED.issue("partner-one"), "credential-unknown"),
    "without its issuer": (pki.Holder(BETWEEN.issue("partner-one").certificate, None), "credential-unknown"),
    "the authority itself": (ACME, "credential-unknown"),
    "an issuing authority": (BETWEEN, "credential-unknown"),
    "unknown critical extension": (ACME.issue("partner-one", extensions=[(STRANGE, True)]), "credential-unknown"),
    "revoked": (ACME.issue("revoked"), "credential-revoked"),
    "another name": (ACME.issue("partner-two"), "credential-unknown"),
    "no name": (ACME.issue(""), "credential-unknown"),
}


def entry(*authorities: pki.Holder, **more: Any) -> AuthorityEntry:
    """An authority as it is published."""
    pem = "".join(authority.pem for authority in authorities or (ACME,))
    return AuthorityEntry(**{"id": "auth_acme", "name": "acme", "certificates": pem, **more})


def api(*entries: AuthorityEntry, certificates: tuple[bytes, ...] = (), **settings: Any) -> Client:
    """An API whose operations take client certificates; it is called from CALLER."""
    access = {"authorities": entries or (entry(),)}
    client = serve(DOCUMENT, authentication="document", access=access, settings=Settings(**settings))
    client.certificates = certificates
    client.scheme = "https"
    client.address = CALLER
    return client


def refusal(answer: Answer) -> str:
    """The code of a problem; empty if the call was let in."""
    return "" if answer.status == 200 else answer.json()["type"].rpartition("/")[2]


# ---- how a certificate comes -------------------------------------------------------------------------------------


def encoded_pem(chain: tuple[bytes, ...]) -> str:
    """URL-encoded PEM, as nginx writes it."""
    pem = "".join(pki.to_pem(der) for der in chain)
    return quote(pem, safe="")


def structured(chain: tuple[bytes, ...]) -> str:
    """Byte sequences of RFC 8941."""
    return ", ".join(f":{base64.b64encode(der).decode()}:" for der in chain)


def in_tls(client: Client, holder: pki.Holder) -> dict[str, str]:
    """The connection itself has it."""
    client.certificates = holder.chain
    return {}


def by_standard(client: Client, holder: pki.Holder) -> dict[str, str]:
    """RFC 9440."""
    client.address = PROXY
    chain = {"Client-Cert-Chain": structured(holder.chain[1:])} if holder.between else {}
    return {"Client-Cert": structured(holder.chain[:1]), **chain}


def by_envoy(client: Client, holder: pki.Holder) -> dict[str, str]:
    """Envoy's X-Forwarded-Client-Cert."""
    client.address = PROXY
    cert, chain = encoded_pem(holder.chain[:1]), encoded_pem(holder.chain)
    others = 'By=spiffe://a/b;Hash=0a1b;Subject="CN=a \\"b\\", c";URI=x'
    return {"X-Forwarded-Client-Cert": f'{others};Cert="{cert}";Chain="{chain}"'}


def by_nginx(client: Client, holder: pki.Holder) -> dict[str, str]:
    """$ssl_client_escaped_cert in a field that the operator chose."""
    client.address = PROXY
    return {"X-Client-PEM": encoded_pem(holder.chain)}


Way = Callable[[Client, pki.Holder], dict[str, str]]
WAYS: dict[str, Way] = {
    "": in_tls,
    "client-cert": by_standard,
    "X-Forwarded-Client-Cert": by_envoy,
    "x-client-pem": by_nginx,
}


def behind(field: str, *entries: AuthorityEntry, **settings: Any) -> Client:
    """The API behind a proxy that passes certificates on in this field."""
    return api(*entries, trusted_proxies=PROXY, client_certificate_header=field, **settings)


def acme_and_one_name() -> AuthorityEntry:
    """The authority of the table above: one name is listed, one certificate revoked."""
    names = ("CN=partner-one,O=Acme", "CN=revoked,O=Acme", "CN=Acme CA,O=Acme", "CN=Acme Issuing CA,O=Acme")
    return entry(subjects=names, revocations=ACME.revoke(SHOWN["revoked"][0]))


@pytest.mark.rows("F-033", "F-034", "F-035", "F-069", "S-24")
@pytest.mark.parametrize("field", WAYS)
def test_exactly_one_certificate_is_accepted(field: str) -> None:
    """Of all that can be shown, in whatever way, one opens the API; whoever shows nothing is asked for one."""
    opened = {}
    for name, (holder, _) in SHOWN.items():
        client = behind(field, acme_and_one_name())
        opened[name] = refusal(client.get("/x", WAYS[field](client, holder)))
    assert opened == {name: code for name, (_, code) in SHOWN.items()}
    assert list(opened.values()).count("") == 1
    nothing = behind(field, acme_and_one_name()).get("/x")
    assert refusal(nothing) == "credential-missing"
    assert nothing.header("www-authenticate") == 'Mutual realm="api"'


class Credulous(Authority):
    """The authority with the fault that the test above is there for: it looks at names and dates alone."""

    def path(self, chain: Any, now: Any) -> Any:
        if chain[0].issuer not in [certificate.subject for certificate in self.certificates]:
            raise VerificationError("another issuer")
        return [chain[0], *self.certificates]


@pytest.mark.parametrize(("kind", "accepted"), [(Authority, 1), (Credulous, 7)])
def test_the_test_above_notices_who_only_looks_at_names(kind: type[Authority], accepted: int) -> None:
    """Seven certificates have the issuer's name, the right dates and a listed subject."""
    trust = Trust([kind(acme_and_one_name())])
    opened = []
    for name, (holder, _) in SHOWN.items():
        with contextlib.suppress(Problem):
            trust.certificate(holder.chain, False, pki.NOW.timestamp())
            opened.append(name)
    assert len(opened) == accepted, opened


@pytest.mark.parametrize("field", WAYS)
def test_the_chain_may_be_longer_and_the_caller_is_named(field: str) -> None:
    """The issuing authority comes with the certificate; the name is the subject as RFC 4514 writes it (F-069)."""
    client = behind(field)
    answer = client.get("/x", WAYS[field](client, BETWEEN.issue("partner-three")))
    assert answer.status == 200
    assert answer.json()["trigger"]["username"] == "CN=partner-three,O=Acme"


def test_what_is_not_said_is_no_fault() -> None:
    """Without an extended key usage a certificate is for everything (RFC 5280), and ``any`` is for everything too."""
    for usage in ((), (pki.ANY,), (pki.SERVER, pki.CLIENT)):
        assert api(certificates=ACME.issue("a", usage=usage).chain).get("/x").status == 200


def test_an_issuing_authority_can_be_where_trust_ends() -> None:
    """The root above it need not be known, and what else the root issues is not trusted."""
    client = api(entry(BETWEEN))
    client.certificates = BETWEEN.issue("partner-one").chain
    assert client.get("/x").status == 200
    client.certificates = GOOD.chain
    assert refusal(client.get("/x")) == "credential-unknown"


@pytest.mark.parametrize("shown", [b"", b"\x30", b"not DER", GOOD.der[:-1], GOOD.der + b"\x00"])
def test_nonsense_in_place_of_a_certificate(shown: bytes) -> None:
    """401 and nothing else, be it alone or behind a good one."""
    assert refusal(api(certificates=(shown,)).get("/x")) == "credential-malformed"
    assert refusal(api(certificates=(GOOD.der, shown)).get("/x")) == "credential-malformed"


def test_the_longest_chain() -> None:
    """So many certificates are looked at, and not one more."""
    others = tuple(OTHER.issue(f"other {number}").der for number in range(CHAIN_MOST))
    assert api(certificates=(GOOD.der, *others[: CHAIN_MOST - 1])).get("/x").status == 200
    assert refusal(api(certificates=(GOOD.der, *others)).get("/x")) == "credential-malformed"


# ---- fields ------------------------------------------------------------------------------------------------------


@pytest.mark.rows("S-24")
@pytest.mark.parametrize("field", [field for field in WAYS if field])
def test_a_field_of_anybody_else_has_no_effect(field: str) -> None:
    """Only a listed proxy is believed, and only if a field is believed at all (T24)."""
    client = behind(field)
    fields = WAYS[field](client, GOOD)
    assert client.get("/x", fields).status == 200
    client.address = CALLER
    assert refusal(client.get("/x", fields)) == "credential-missing"
    # nor does it take away from the certificate of the connection
    client.certificates = GOOD.chain
    assert client.get("/x", dict.fromkeys(fields, "nonsense")).status == 200
    unbelieved = api(trusted_proxies=PROXY)
    unbelieved.address = PROXY
    assert refusal(unbelieved.get("/x", fields)) == "credential-missing"


@pytest.mark.parametrize("field", [field for field in WAYS if field])
def test_the_certificate_of_the_proxy_is_not_the_callers(field: str) -> None:
    """A proxy that shows a certificate of its own and passes none on has a caller without one."""
    client = behind(field)
    client.address, client.certificates = PROXY, GOOD.chain
    assert refusal(client.get("/x")) == "credential-missing"


PEM, B64 = encoded_pem(GOOD.chain), structured(GOOD.chain)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("client-cert", "x"),
        ("client-cert", B64.strip(":")),
        ("client-cert", B64[:-1]),
        ("client-cert", f"{B64}, {B64}"),
        ("client-cert", f"{B64};a=1"),
        ("client-cert", ":!!!!:"),
        ("client-cert", "::"),
        ("client-cert", ":YQ=:"),
        ("x-client-pem", GOOD.der.hex()),
        ("x-client-pem", f"{PEM}, {PEM}"),
        ("x-client-pem", f"{PEM}x"),
        ("x-client-pem", PEM[:-10]),
        ("x-client-pem", quote("-----BEGIN CERTIFICATE-----\n?\n-----END CERTIFICATE-----")),
        ("x-client-pem", quote(GOOD.secret)),
        ("x-forwarded-client-cert", "Hash=0a1b"),
        ("x-forwarded-client-cert", f'Cert="{PEM}",Cert="{PEM}"'),
        ("x-forwarded-client-cert", f'Hash=0a1b,By=x;Cert="{PEM}"'),
        ("x-forwarded-client-cert", f'Cert="{PEM}";Cert="{PEM}"'),
        ("x-forwarded-client-cert", f'Cert="{PEM}'),
        ("x-forwarded-client-cert", f'Cert="{PEM}{PEM}"'),
        ("x-forwarded-client-cert", f'Cert="{PEM}" ;'),
        ("x-forwarded-client-cert", 'Cert=""'),
        ("x-forwarded-client-cert", ";;;"),
    ],
)
def test_a_field_that_cannot_be_read_is_refused(field: str, value: str) -> None:
    """Also one that two have written: which of them was the proxy cannot be known."""
    client = behind(field)
    client.address = PROXY
    assert refusal(client.get("/x", {field: value})) == "credential-malformed"


def test_a_chain_that_cannot_be_read_is_refused() -> None:
    """And one without a certificate before it is nothing."""
    client = behind("client-cert")
    client.address = PROXY
    assert refusal(client.get("/x", {"Client-Cert": B64, "Client-Cert-Chain": "x"})) == "credential-malformed"
    assert refusal(client.get("/x", {"Client-Cert-Chain": B64})) == "credential-missing"


# ---- each API its own --------------------------------------------------------------------------------------------


@pytest.mark.rows("F-034")
def test_each_api_has_its_own_authorities() -> None:
    """One that another API trusts, and which TLS therefore lets in, is foreign here."""
    other = entry(OTHER, id="auth_other", name="other", apis=("api_another",))
    client = api(entry(apis=(API,)), other)
    client.certificates = GOOD.chain
    assert client.get("/x").status == 200
    client.certificates = OTHER.issue("partner-one").chain
    assert refusal(client.get("/x")) == "credential-unknown"


def test_an_authority_of_apis_that_are_gone_is_nobodys() -> None:
    """Its list never becomes that of all APIs by becoming empty."""
    client = api(entry(apis=("api_gone",)), certificates=GOOD.chain)
    assert refusal(client.get("/x")) == "credential-unknown"


def test_an_api_that_trusts_nobody_lets_nobody_in() -> None:
    """An empty store is not an open door."""
    client = serve(DOCUMENT, authentication="document")
    client.certificates = GOOD.chain
    assert refusal(client.get("/x")) == "credential-unknown"


@pytest.mark.parametrize(
    ("rules", "statuses"),
    [
        (None, (200, 200)),
        ((), (403, 403)),
        ((Rule(methods=("GET",), path="/x"),), (200, 403)),
        ((Rule(path="/**"),), (200, 200)),
        ((Rule(path="/**", api="api_another"),), (403, 403)),
    ],
)
def test_rules_narrow_what_may_be_called(rules: Any, statuses: tuple[int, int]) -> None:
    """None is everything that trusts the authority, no rule is nothing."""
    client = api(entry(rules=rules), certificates=GOOD.chain)
    assert (client.get("/x").status, client.request("PUT", "/x").status) == statuses


def test_two_authorities_that_vouch_allow_what_either_does() -> None:
    """And a name that one of them does not list is not its business."""
    reading = entry(id="a", name="a", rules=(Rule(methods=("GET",)),))
    writing = entry(id="b", name="b", rules=(Rule(methods=("PUT",)),), subjects=("CN=partner-one,O=Acme",))
    client = api(reading, writing, certificates=GOOD.chain)
    assert (client.get("/x").status, client.request("PUT", "/x").status) == (200, 200)
    client.certificates = ACME.issue("partner-two").chain
    assert (client.get("/x").status, client.request("PUT", "/x").status) == (200, 403)


def test_who_may_call_is_known_before_anybody_calls() -> None:
    """The table answers for a subject as the check does."""
    table = Authorities([entry(rules=(Rule(methods=("GET",)),), subjects=("CN=a,O=Acme",), apis=(API,))])
    allowed = table.decide("CN=a,O=Acme", Target("GET", "/x", API), ())
    refused = table.decide("CN=a,O=Acme", Target("PUT", "/x", API), ())
    assert allowed is not None and allowed.allowed and refused is not None and refused.code == "forbidden"
    assert list(table.names()) == ["CN=a,O=Acme"]
    assert table.decide("CN=b,O=Acme", Target("GET", "/x", API), ()) is None
    elsewhere = table.decide("CN=a,O=Acme", Target("GET", "/x", "api_another"), ())
    assert elsewhere is not None and elsewhere.code == "credential-unknown"


def test_who_an_authority_without_a_list_lets_in_is_said_as_any_subject() -> None:
    """Nobody knows their names here, yet they may call: an answer without them would be wrong."""
    table = Authorities([entry(apis=(API,)), entry(id="b", name="b", subjects=("CN=a,O=Acme",), apis=("api_another",))])
    assert list(table.names()) == ["*", "CN=a,O=Acme"]
    anybody = table.decide("*", Target("GET", "/x", API), ())
    assert anybody is not None and anybody.allowed
    listed_only = table.decide("*", Target("GET", "/x", "api_another"), ())
    assert listed_only is not None and listed_only.code == "credential-unknown"


# ---- revocation --------------------------------------------------------------------------------------------------


def test_an_issuing_authority_can_be_revoked() -> None:
    """What it has issued is revoked with it, also where it is listed itself."""
    gone = ACME.issue("Gone CA", usage=(), ca=True)
    for listed in ((ACME,), (ACME, gone)):
        client = api(entry(*listed, revocations=ACME.revoke(gone)))
        client.certificates = gone.issue("partner-one").chain
        assert refusal(client.get("/x")) == "credential-revoked"
        client.certificates = GOOD.chain
        assert client.get("/x").status == 200


def test_a_list_counts_for_every_authority_of_the_api() -> None:
    """The same issuer, known twice, does not undo its list."""
    client = api(entry(revocations=ACME.revoke(GOOD)), entry(id="b", name="b"), certificates=GOOD.chain)
    assert refusal(client.get("/x")) == "credential-revoked"


@pytest.mark.parametrize("days", [(-9, -1), (1, 9)])
def test_a_list_that_is_out_of_date_refuses_unless_a_setting_says_otherwise(
    days: tuple[float, float], caplog: pytest.LogCaptureFixture
) -> None:
    """The operator is told which; what it lists is revoked in any case."""
    caplog.set_level(logging.INFO, "apimgmt.gateway")
    revoked = ACME.issue("revoked")
    stale = entry(revocations=ACME.revoke(revoked, days=days))
    assert refusal(api(stale, certificates=GOOD.chain).get("/x")) == "credential-unknown"
    assert "the list of CN=Acme CA,O=Acme counted until" in caplog.text
    assert api(stale, certificates=GOOD.chain, stale_revocations="accept").get("/x").status == 200
    for policy in ("refuse", "accept"):
        client = api(stale, certificates=revoked.chain, stale_revocations=policy)
        assert refusal(client.get("/x")) == "credential-revoked"


CHANGES_ONLY = x509.DeltaCRLIndicator(1)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (OTHER.revoke(), "signed by none of the authority's certificates"),
        (NAMESAKE.revoke(), "signed by none of the authority's certificates"),
        (ACME.revoke(extensions=[(CHANGES_ONLY, True)]), "not a complete one"),
        ("nonsense", "no PEM block X509 CRL"),
        ("-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----", "acme"),
    ],
)
def test_a_list_that_cannot_be_relied_on_refuses_the_snapshot(text: str, words: str) -> None:
    """It is never skipped: revoked certificates would be let in."""
    with pytest.raises(SnapshotRefused, match=words):
        Authorities([entry(revocations=text)])


def test_several_lists_in_one_text() -> None:
    """Each is of its issuer, with words between them."""
    text = f"of Acme\n{ACME.revoke(GOOD)}\nof the other\n{OTHER.revoke()}"
    client = api(entry(ACME, OTHER, revocations=text), certificates=GOOD.chain)
    assert refusal(client.get("/x")) == "credential-revoked"
    client.certificates = OTHER.issue("partner-one").chain
    assert client.get("/x").status == 200


# ---- what is remembered ------------------------------------------------------------------------------------------


def verdict(table: Authorities, holder: pki.Holder, seconds: float) -> str:
    """What comes of a certificate so many seconds from now."""
    try:
        table.of(API).certificate(holder.chain, False, pki.NOW.timestamp() + seconds)
    except Problem as problem:
        return problem.code
    return ""


def test_what_is_remembered_ends_with_the_certificate() -> None:
    """Its last second counts, the one after it does not, although it was accepted a moment ago."""
    table = Authorities([entry()])
    brief = ACME.issue("brief", days=(-1, 10 / 86_400))
    assert [verdict(table, brief, second) for second in (0, 10, 10.9, 11)] == ["", "", "", "credential-expired"]


def test_what_is_remembered_ends_with_the_issuer_and_the_list() -> None:
    """Nothing on the way counts longer than it says."""
    issuer = ACME.issue("Brief CA", usage=(), ca=True, days=(-1, 10 / 86_400))
    table = Authorities([entry()])
    assert [verdict(table, issuer.issue("a"), second) for second in (0, 10, 11)] == ["", "", "credential-unknown"]
    table = Authorities([entry(revocations=ACME.revoke(days=(-1, 10 / 86_400)))])
    assert [verdict(table, GOOD, second) for second in (0, 10, 11)] == ["", "", "credential-unknown"]


def test_a_certificate_that_was_too_early_is_looked_at_again() -> None:
    """A refusal is remembered for a minute at most."""
    table = Authorities([entry()])
    early = ACME.issue("early", days=(10 / 86_400, 9))
    assert [verdict(table, early, second) for second in (0, 61)] == ["credential-unknown", ""]


def test_the_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand callers are remembered; more of them begin it anew."""
    monkeypatch.setattr(module, "REMEMBERED_MOST", 3)
    trust = Authorities([entry()]).of(API)
    for number in range(10):
        trust.certificate(ACME.issue(f"partner-{number}").chain, False, pki.NOW.timestamp())
        assert len(trust._remembered) <= 3
