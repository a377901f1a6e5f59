"""schemathesis, with every check it has, finds nothing in what the gateway serves nor in our own admin API (S-38).

``PRODUCT_EXAMPLES=200`` asks for that many cases an operation and takes a fresh seed, which is printed.
"""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from product_apis import publish_bookshop
from product_platform import TOKEN, Product

EXAMPLES = os.environ.get("PRODUCT_EXAMPLES", "")
PROGRAM = str(Path(sys.executable).with_name("schemathesis"))

# 412 says that the ETag, which is made up, is old
ADMIN = """
[checks.positive_data_acceptance]
expected-statuses = ["2xx", 401, 404, 409, 412]
"""
ANY_API = """
[checks.negative_data_rejection]
expected-statuses = [400, 401, 404, 409, 412, 413, 414, 415, 422]
"""
# whether a document, a name, a rule, an address or a binding is acceptable is more than a schema can say; who guesses
# passwords is told to wait
RESOURCES = ("Key", "Ruleset", "User", "Authority", "Issuer", "Application", "AccessPolicy", "Client")
RESOURCES += ("Connection", "Flow", "Endpoint")
BY_MEANING = ["testConnection", "testStoredConnection", "callConnection", "replaceEntity", "discoverEntities"]
BY_MEANING += ["uploadApi", "replaceApi", "bindOperations", "setTriggers", "rotateKey", "makeToken", "logIn"]
BY_MEANING += ["rollbackFlow", "dryRunFlow", "drawFlow", "deployEndpoint", "testEndpoint"]
BY_MEANING += [f"{verb}{noun}" for verb in ("create", "replace") for noun in RESOURCES]
ADMIN_BY_MEANING = f"""
[[operations]]
include-operation-id = {json.dumps(BY_MEANING)}
[operations.checks.positive_data_acceptance]
expected-statuses = ["2xx", 400, 401, 404, 409, 412, 422, 429]
"""
# a connection is not tried while it is made, and operations that call made-up hosts are left out: looking for names
# that do not exist takes minutes where nobody answers for the DNS
UNTRIED = ("testConnection", "testStoredConnection", "callConnection", "discoverEntities")
PARAMETERS = """
[parameters]
untested = true
"""
ONE_API = """
api = "bookshop"
"""


def check(folder: Path, url: str, config: str, *options: str) -> None:
    """Run schemathesis; what it says is the message of a failure."""
    seed = str(secrets.randbelow(2**32)) if EXAMPLES else "1"
    file = folder / "schemathesis.toml"
    file.write_text(config, "utf-8")
    words = [PROGRAM, "--config-file", str(file), "run", f"{url}/openapi.json", "--checks", "all", "--no-color"]
    words += ["--max-examples", EXAMPLES or "5", "--seed", seed, "--generation-database", "none"]
    words += ["--continue-on-failure", "--no-shrink", "--warnings", "off", *options]
    run = subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=3600)
    print("\n".join(run.stdout.splitlines()[-12:]))
    assert run.returncode == 0, run.stdout[-8000:] + run.stderr[-2000:]


@pytest.mark.parametrize("name", ["bookshop", "workshop"])
def test_schemathesis_finds_nothing_in_a_published_sample(
    product: Product, bookshop: str, workshop: str, name: str, tmp_path: Path
) -> None:
    """All checks: server errors, statuses, types, schemas and headers of answers, data that must be refused or taken,
    methods that are not there, credentials that are left out, and what is deleted."""
    before = product.pids()
    check(tmp_path, f"{product.gateway}/{name}", "", "--header", f"X-API-Key: {workshop}")
    assert product.pids() == before


@pytest.fixture(scope="module")
def another(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """A platform whose contents may be changed and deleted."""
    started = Product(tmp_path_factory.mktemp("admin"), workers=1)
    try:
        publish_bookshop(started.start())
        yield started
    finally:
        started.stop()


@pytest.mark.parametrize("one", [True, False], ids=["one-api", "any-api"])
def test_schemathesis_finds_nothing_in_the_admin_api(another: Product, one: bool, tmp_path: Path) -> None:
    """Once all about an API that is there, except deleting it, so that the requests get as far as they can, one after
    another; then everything with made-up names and every kind of wrong value. With ``PRODUCT_EXAMPLES`` both do
    everything."""
    options = ["--header", f"Authorization: Bearer {TOKEN}"]
    options += [word for name in UNTRIED for word in ("--exclude-operation-id", name)]
    phases = "examples,stateful" if one else "coverage,fuzzing"
    options += ["--phases", phases if not EXAMPLES else "examples,coverage,fuzzing,stateful"]
    if one:
        # the name stays right when a case says that it is wrong, so refusals are for the other run to see
        options += ["--exclude-operation-id", "deleteApi", "--exclude-checks", "negative_data_rejection"]
    check(tmp_path, another.admin, PARAMETERS + (ONE_API if one else ANY_API) + ADMIN + ADMIN_BY_MEANING, *options)
