"""API keys on the real product: revoked under load, guessed, sent in URLs (H-098, S-25, S-29).

``PRODUCT_REVOCATIONS=200`` and ``PRODUCT_GUESSES=2000`` are the long form.
"""

from __future__ import annotations

import base64
import contextlib
import os
import random
import statistics
import time
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import quote

import pytest
import requests
from product_load import Load, Seen
from product_platform import Product

REVOCATIONS = int(os.environ.get("PRODUCT_REVOCATIONS", "20"))
GUESSES = int(os.environ.get("PRODUCT_GUESSES", "640"))
SECONDS_MOST = 1.0
BEFORE_SECONDS, AFTER_SECONDS = 0.2, 0.4
DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
SHARED_MOST = 31
DOCUMENT = {
    "openapi": "3.0.3",
    "info": {"title": "Keys", "version": "1"},
    "paths": {"/open": {"get": {"responses": {"200": {"description": "ok"}}}}},
}


@pytest.fixture(scope="module")
def api(product: Product) -> str:
    """An operation that needs an API key, and gives its request back; its URL."""
    product.upload("keys", DOCUMENT, basePath="/keys", bind="echo")
    return f"{product.gateway}/keys/open"


def with_key(text: str) -> str:
    """The head of a request with a key."""
    return f"GET /keys/open HTTP/1.1\r\nHost: gateway\r\nX-API-Key: {text}\r\n"


# ---- revoked ---------------------------------------------------------------------------------------------------------


@pytest.mark.rows("H-098")
def test_a_revoked_key_is_refused_within_a_second_under_load(product: Product, api: str) -> None:
    """On both workers, on fresh and kept connections; the holder is told, and other keys notice nothing."""
    late = []
    with Load(product.port, with_key(product.key("steady")), fresh=20, kept=40) as steady:
        for number in range(REVOCATIONS):
            late.append(revoke_under_load(product, f"revoked-{number}"))
    print(f"\n{REVOCATIONS} revocations under load: last accepted at most {max(late):.3f} s after, {steady.figures()}")
    assert max(late) <= SECONDS_MOST
    assert {one.status for one in steady.seen} == {200}


def revoke_under_load(product: Product, name: str) -> float:
    """Revoke a key that is in use; the seconds from the answer to the end of the last accepted request, 0 for none."""
    text = product.key(name)
    with Load(product.port, with_key(text), fresh=20, kept=80) as load:
        time.sleep(BEFORE_SECONDS)
        product.ask("DELETE", f"/keys/{name}")
        answered = time.monotonic()
        time.sleep(AFTER_SECONDS)
    return lateness(load.seen, answered)


def lateness(seen: Sequence[Seen], answered: float) -> float:
    """How long after ``answered`` the last accepted request ended, 0 for none; from then on all are refused rightly."""
    accepted = [one.sent + one.seconds for one in seen if one.status == 200]
    refused = [one for one in seen if one.status != 200]
    assert accepted and len(refused) > 10
    assert all(one.status == 401 and b"credential-revoked" in one.body for one in refused)
    assert max(one.sent for one in refused) > max(accepted), "it was accepted until the end"
    return max(0.0, max(accepted) - answered)


@pytest.mark.parametrize(("last", "late"), [(9.9, 0.0), (10.9, 0.9), (11.5, 1.5)])
def test_the_check_finds_a_key_that_is_accepted_too_long(last: float, late: float) -> None:
    """A revocation that was answered at 10 and took effect at ``last``, as a platform does that does not wait."""
    moments = [number / 20 for number in range(9 * 20, 14 * 20)]
    seen = [
        Seen("one", sent, 0.0, *((200, {}, b"") if sent <= last else (401, {}, b"credential-revoked")))
        for sent in (*moments, last)
    ]
    assert lateness(seen, 10.0) == pytest.approx(late)


# ---- guessed ---------------------------------------------------------------------------------------------------------


def wrong_key(right: str, shared: int, dice: random.Random) -> str:
    """A key as the platform would write it, whose random part begins with ``shared`` characters of another's."""
    prefix, environment, secret, _ = right.split("_")
    other = [secret[:shared], DIGITS[(DIGITS.index(secret[shared]) + 1) % 62], *dice.choices(DIGITS, k=42 - shared)]
    body = f"{prefix}_{environment}_{''.join(other)}"
    number, checksum = zlib.crc32(body.encode()), ""
    for _ in range(6):
        number, digit = divmod(number, 62)
        checksum = DIGITS[digit] + checksum
    return f"{body}_{checksum}"


def trend(times: Sequence[tuple[int, float]]) -> float:
    """Spearman's rank correlation of the shared characters, which are equally frequent, with the time."""
    by_time = sorted(times, key=lambda one: one[1])
    return statistics.correlation([shared for shared, _ in by_time], range(len(by_time)))


def most_by_chance(count: int) -> float:
    """A correlation that chance gives less than once in ten thousand times."""
    return 4 / count**0.5


def test_a_key_cannot_be_guessed_piece_by_piece(product: Product, api: str) -> None:
    """Wrong keys that begin like a right one by 0 to 31 characters: one answer, and no trend in its time."""
    dice = random.Random(5)
    right = product.key("guessed")
    lengths = [number % (SHARED_MOST + 1) for number in range(GUESSES)]
    dice.shuffle(lengths)
    times, bodies = [], set()
    with requests.Session() as session:
        for shared in lengths:
            headers = {"X-API-Key": wrong_key(right, shared, dice)}
            begun = time.perf_counter()
            answer = session.get(api, headers=headers, timeout=10)
            times.append((shared, time.perf_counter() - begun))
            bodies.add((answer.status_code, *sorted((answer.json() | {"instance": ""}).items())))
    found = trend(times)
    print(f"\n{GUESSES} guesses: rank correlation {found:+.3f}, at most {most_by_chance(GUESSES):.3f} by chance")
    assert len(bodies) == 1 and next(iter(bodies))[0] == 401
    assert abs(found) <= most_by_chance(GUESSES)


def test_the_check_finds_a_comparison_that_stops_at_the_first_difference() -> None:
    """The mutant of T25: 2 % more time for every character that is right, under noise of the same size as all of it."""
    dice = random.Random(6)
    times = [(number % 32, 1 + 0.02 * (number % 32) + dice.random()) for number in range(GUESSES)]
    assert trend(times) > most_by_chance(GUESSES)


@pytest.mark.parametrize("text", [b"\xff\xfe", "ключ".encode(), b"k" * 4000, b"", b"a,b", b"\x80" * 100])
def test_a_text_that_is_no_key_is_401(product: Product, api: str, text: bytes) -> None:
    """Never a 500, whatever bytes it has (S-25)."""
    for name in ("X-API-Key", "Authorization"):
        value = b"Bearer " + text if name == "Authorization" else text
        answer = requests.get(api, headers={name: value}, timeout=10)
        assert answer.status_code == 401
        assert answer.json()["type"].rpartition("/")[2] in ("credential-malformed", "credential-unknown")


# ---- in URLs ---------------------------------------------------------------------------------------------------------


@pytest.mark.rows("H-018")
def test_a_key_in_a_url_is_in_no_file_and_in_no_answer(product: Product, api: str) -> None:
    """Right, wrong, mistyped and revoked, for what is there and what is not: 0 hits in four writings (S-29)."""
    right, revoked = product.key("in-a-url"), product.key("in-a-url-revoked")
    product.ask("DELETE", "/keys/in-a-url-revoked")
    wrong = wrong_key(right, 4, random.Random(7))
    texts = [right, revoked, wrong, right[:-1]]
    answers = [
        requests.request(method, f"{url}?api_key={text}&a=1", timeout=10)
        for text in texts
        for url in (api, f"{product.gateway}/keys/nowhere", f"{product.gateway}/nowhere")
        for method in ("GET", "POST")
    ]
    assert answers[0].status_code == 200
    found = [text for text in texts for answer in answers if text in answer.text]
    found += [path.name for path, content in files(product.data) for text in texts if holds(content, text)]
    assert found == []


def files(folder: Path) -> Iterator[tuple[Path, bytes]]:
    """Every file of the platform with its content: logs, database, snapshots, secrets."""
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):
            if path.is_file():
                yield path, path.read_bytes()


def holds(content: bytes, text: str) -> bool:
    """Whether a text is there: plain, in a URL, in hexadecimal, or anywhere in Base64."""
    secret = text.split("_", 2)[2].encode()
    shifted = (base64.b64encode(b"x" * shift + secret)[4:-4] for shift in range(3))
    writings = [secret, quote(secret, safe="").encode(), secret.hex().encode(), *shifted]
    return any(writing in content for writing in writings)


def test_the_search_finds_a_key_that_was_written_down() -> None:
    """In each of its writings."""
    text = "apim_default_" + "Ab3" * 14 + "A_xxxxxx"
    secret = text.split("_", 2)[2].encode()
    for writing in (secret, secret.hex().encode(), *(base64.b64encode(b"ab"[:shift] + secret) for shift in range(3))):
        assert holds(b"... " + writing + b" ...", text)
    assert not holds(b"apim_default_", text)
