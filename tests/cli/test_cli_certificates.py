"""The commands about certificates: ``authorities`` and what ``doctor`` says of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pki
import pytest
import responses
from click.testing import CliRunner, Result
from responses.matchers import header_matcher, json_params_matcher

from apimgmt.archive import Archive
from apimgmt.cli.commands import apimgmt
from apimgmt.model import AuthorityEntry, Snapshot, WorkerReport

ADMIN = "http://admin.example:8081"
ACME = pki.authority("Acme CA")
SHOWN = {
    "name": "acme",
    "id": "authority_1",
    "apis": ["api_1"],
    "subjects": ["CN=a"],
    "rules": [],
    "rulesets": ["readers"],
    "certificates": "PEM",
    "revocations": "OLD",
    "created": "2026-01-01T00:00:00Z",
    "issuers": [{"subject": "CN=Acme CA,O=Acme", "expires": "2030-01-01T00:00:00Z", "sha256": "00"}],
    "lists": [{"issuer": "CN=Acme CA,O=Acme", "expires": "2026-02-01T00:00:00Z", "revoked": 2}],
}


@pytest.fixture
def admin() -> Iterator[responses.RequestsMock]:
    """An admin API that answers what the test says and fails the test for anything unasked."""
    with responses.RequestsMock() as mock:
        yield mock


def run(*arguments: str) -> Result:
    """The command as a user runs it."""
    return CliRunner().invoke(apimgmt, list(arguments), env={"APIMGMT_URL": ADMIN, "APIMGMT_TOKEN": "secret"})


def answer(
    admin: responses.RequestsMock, method: str, path: str, body: Any, *matchers: Any, headers: Any = None
) -> None:
    """Expect one call."""
    admin.add(method, f"{ADMIN}/api/v1{path}", json=body, match=matchers, headers=headers)


def test_authorities_are_listed(admin: responses.RequestsMock) -> None:
    """One line for each certificate and each list, with its end."""
    answer(admin, "GET", "/authorities", [SHOWN])
    lines = run("authorities", "list").output.splitlines()
    assert lines[1].split() == ["acme", "authority_1", "api_1", "CN=Acme", "CA,O=Acme", "2030-01-01T00:00:00Z"]
    assert "list of CN=Acme CA,O=Acme: 2 revoked" in lines[2]


def test_an_authority_is_added(admin: responses.RequestsMock, tmp_path: Path) -> None:
    """The files are sent as texts, with what narrows it."""
    for name, text in (("a.pem", "A\n"), ("b.pem", "B\n"), ("crl.pem", "C\n")):
        (tmp_path / name).write_text(text)
    sent = {
        "name": "acme",
        "certificates": "A\n\nB\n",
        "revocations": "C\n",
        "apis": ["shop"],
        "subjects": ["CN=a"],
        "rulesets": ["readers"],
        "rules": [{"methods": ["GET"], "path": "/x"}],
    }
    answer(admin, "POST", "/authorities", SHOWN, json_params_matcher(sent))
    files = [str(tmp_path / name) for name in ("a.pem", "b.pem")]
    narrow = ["--api", "shop", "--subject", "CN=a", "--ruleset", "readers", "--allow", "GET /x"]
    result = run("authorities", "add", "acme", *files, "--revocations", str(tmp_path / "crl.pem"), *narrow)
    assert result.exit_code == 0, result.output
    assert run("authorities", "add", "acme", str(tmp_path / "absent")).exit_code == 2


def test_revocations_are_replaced_and_nothing_else(admin: responses.RequestsMock, tmp_path: Path) -> None:
    """What is there is read and written back, unless somebody else wrote in between."""
    (tmp_path / "crl.pem").write_text("NEW")
    answer(admin, "GET", "/authorities/acme", SHOWN, headers={"ETag": '"7"'})
    kept = ("certificates", "apis", "subjects", "rules", "rulesets")
    sent = {name: SHOWN[name] for name in kept} | {"revocations": "NEW"}
    answer(admin, "PUT", "/authorities/acme", SHOWN, json_params_matcher(sent), header_matcher({"If-Match": '"7"'}))
    result = run("authorities", "revocations", "acme", str(tmp_path / "crl.pem"))
    assert result.exit_code == 0, result.output


def test_an_authority_is_removed(admin: responses.RequestsMock) -> None:
    """By name."""
    answer(admin, "DELETE", "/authorities/acme%20two", {})
    assert run("authorities", "remove", "acme two").output == "acme two is removed\n"


def checks(root: Path, **environment: str) -> list[tuple[str, str, str]]:
    """What the doctor says of certificates: subject, verdict, what was found."""
    ports = {"APIMGMT_GATEWAY_PORT": "0", "APIMGMT_ADMIN_PORT": "0", **environment}
    result = CliRunner().invoke(apimgmt, ["doctor", "--data", str(root), "--output", "json"], env=ports)
    found = [(check["subject"], check["verdict"], check["found"]) for check in json.loads(result.stdout)]
    return [check for check in found if check[0].endswith(("certificate", "TLS")) or check[0].startswith("authority")]


@pytest.mark.parametrize(
    ("days", "verdict"), [(-0.1, "wrong"), (0.1, "warning"), (29.9, "warning"), (30.1, "fine"), (400, "fine")]
)
def test_doctor_says_when_the_certificate_ends(tmp_path: Path, days: float, verdict: str) -> None:
    """Thirty days before it does."""
    ending = ACME.issue("gateway", usage=(pki.SERVER,), days=(-9, days))
    path = ending.save(tmp_path / "gateway.pem")
    ((subject, found, words),) = checks(tmp_path / "data", APIMGMT_TLS_CERTIFICATE=str(path))
    assert (subject, found) == ("tls certificate", verdict)
    assert f"{ending.certificate.not_valid_after_utc:%Y-%m-%d}" in words


def test_doctor_says_that_the_certificate_cannot_be_used(tmp_path: Path) -> None:
    """Before the next start does; without one there is nothing to say."""
    assert checks(tmp_path / "data", APIMGMT_TLS_CERTIFICATE=str(tmp_path / "absent"))[0][1] == "wrong"
    assert checks(tmp_path / "data", APIMGMT_TLS_KEY=str(tmp_path / "absent"))[0][1] == "wrong"
    assert checks(tmp_path / "data") == []


def test_doctor_says_when_authorities_and_their_lists_end(tmp_path: Path) -> None:
    """And which worker has not taken over a new certificate."""
    ending = pki.authority("Ending CA", days=(-9, 20))
    entries = (
        AuthorityEntry(id="1", name="acme", certificates=ACME.pem, revocations=ACME.revoke(days=(-9, -1))),
        AuthorityEntry(id="2", name="ending", certificates=ending.pem, revocations=ending.revoke(days=(-1, 1))),
    )
    archive = Archive(tmp_path)
    snapshot = Snapshot(number=1, created="2026-01-01T00:00:00Z", authorities=entries)
    archive.make_current(archive.put_snapshot(snapshot))
    report = WorkerReport(pid=1, digest="", number=1, seen=4e9, tls="tls_key=x: No such file")
    archive.report(report)
    assert [(subject, verdict) for subject, verdict, _ in checks(tmp_path)] == [
        ("worker 1 TLS", "wrong"),
        ("authority acme", "warning"),
        ("authority acme", "wrong"),
        ("authority ending", "warning"),
        ("authority ending", "fine"),
    ]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--tls-certificate", "absent"], "tls_certificate=absent: No such file"),
        (["--tls-key", "absent"], "tls_certificate is empty"),
        (["--tls-certificate", "ca.pem"], "there is no PEM private key in it"),
    ],
)
def test_a_start_with_a_wrong_certificate_ends_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], words: str
) -> None:
    """With a sentence, exit code 2, and nothing made or started."""
    monkeypatch.chdir(tmp_path)
    Path("ca.pem").write_text(ACME.pem)
    result = CliRunner().invoke(apimgmt, ["start", "--data", "data", *options])
    assert result.exit_code == 2 and words in result.output
    assert not Path("data").exists()
