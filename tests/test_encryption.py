"""Secrets that are kept to be read again: encrypted, with keys that can be replaced and must be the right ones."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from apimgmt.encryption import Encryption
from apimgmt.errors import SettingInvalid
from apimgmt.settings import Settings

SECRET = "-----BEGIN PRIVATE KEY-----"


@pytest.fixture
def keys() -> tuple[str, str]:
    """An old key and a new one."""
    return Fernet.generate_key().decode(), Fernet.generate_key().decode()


def encryption(folder: Path, keys: str = "") -> Encryption:
    """With the keys of the setting, or those of the folder."""
    return Encryption(Settings(data=str(folder), secret_keys=keys))


def test_a_text_comes_back_and_is_never_written_twice_alike(tmp_path: Path) -> None:
    """Readable with the key alone."""
    one = encryption(tmp_path)
    first, second = one.encrypt(SECRET), one.encrypt(SECRET)
    assert first != second
    assert SECRET not in first
    assert one.decrypt(first) == one.decrypt(second) == SECRET


def test_the_key_is_made_once_and_is_private(tmp_path: Path) -> None:
    """In the data folder, where nobody else may read it; a later start has the same one."""
    text = encryption(tmp_path).encrypt(SECRET)
    path = tmp_path / "secrets" / "secret.keys"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert encryption(tmp_path).decrypt(text) == SECRET


def test_keys_of_the_setting_are_kept_nowhere(tmp_path: Path, keys: tuple[str, str]) -> None:
    """Then the data folder has none."""
    encryption(tmp_path, keys[0]).encrypt(SECRET)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("separator", [",", " ", ", ", "\n"])
def test_a_key_is_rotated(tmp_path: Path, keys: tuple[str, str], separator: str) -> None:
    """The new one before the old one: both are read, the new one writes; then the old one can go."""
    old, new = keys
    before = encryption(tmp_path, old).encrypt(SECRET)
    both = encryption(tmp_path, new + separator + old)
    assert both.decrypt(before) == SECRET
    assert encryption(tmp_path, new).decrypt(both.encrypt(SECRET)) == SECRET
    with pytest.raises(SettingInvalid):
        encryption(tmp_path, new).decrypt(before)


def test_a_wrong_key_says_so(tmp_path: Path, keys: tuple[str, str]) -> None:
    """With the setting and what to do, and without key and text; the same for a text that was altered."""
    old, new = keys
    text = encryption(tmp_path, old).encrypt(SECRET)
    for one, given in ((encryption(tmp_path, new), text), (encryption(tmp_path, old), text[:-4] + "AAAA")):
        with pytest.raises(SettingInvalid, match="secret_keys: none of the keys decrypts") as caught:
            one.decrypt(given)
        assert new not in str(caught.value) and text[:20] not in str(caught.value)


@pytest.mark.parametrize("key", ["short", "x" * 44, "é" * 44])
def test_a_key_that_is_none_is_refused(tmp_path: Path, key: str) -> None:
    """At start, without showing it."""
    with pytest.raises(SettingInvalid, match="32 bytes in URL-safe Base64") as caught:
        encryption(tmp_path, key)
    assert key not in str(caught.value)


def test_an_empty_file_of_keys_is_refused(tmp_path: Path) -> None:
    """Nothing is encrypted with no key."""
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "secret.keys").write_text("\n")
    with pytest.raises(SettingInvalid):
        encryption(tmp_path)
