"""What children of ``apimgmt start`` find in their environment: their settings, and no secret that is not theirs."""

from __future__ import annotations

import pytest

from apimgmt.cli.start import child_environment
from apimgmt.settings import Settings, from_environment

SECRET = Settings(
    admin_token="s1-token",
    database_url="postgresql+psycopg://u:s2-password@db/apimgmt",
    secret_keys="s3-key",
    redis_url="redis://:s4-password@counters",
    workers=5,
)


@pytest.mark.parametrize(
    ("name", "known", "hidden"),
    [
        ("gateway", {"s3-key", "s4-password"}, {"s1-token", "s2-password", "s5-token"}),
        ("admin", {"s2-password", "s3-key", "s4-password"}, {"s1-token", "s5-token"}),
    ],
)
def test_a_child_has_its_own_secrets_alone(
    name: str, known: set[str], hidden: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those in our own environment, too; everything else that was there and was set reaches the child."""
    for variable in ("ADMIN_TOKEN", "DATABASE_URL", "SECRET_KEYS", "REDIS_URL"):
        monkeypatch.setenv(f"APIMGMT_{variable}", getattr(SECRET, variable.lower()))
    monkeypatch.setenv("APIMGMT_TOKEN", "s5-token")
    monkeypatch.setenv("OF_A_PROCESS", "its own")
    environment = child_environment(SECRET, name)
    text = "\n".join(environment.values())
    assert all(secret in text for secret in known)
    assert not any(secret in text for secret in hidden)
    assert (from_environment(environment).workers, environment["OF_A_PROCESS"]) == (5, "its own")
