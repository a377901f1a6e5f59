"""S-45: answers that are meant to harm: bombs, endless ones, ones with a million fields; memory stays where it is."""

from __future__ import annotations

import tracemalloc

import pytest
from connections.faults import FAULTS, Faults

from apimgmt.connections import Call, Reply
from apimgmt.connections.configuration import MIB, Configuration
from apimgmt.connections.egress.guard import Guard
from apimgmt.connections.transport.blocking import Blocking
from apimgmt.connections.transport.dialling import MOST_HEAD_BYTES
from apimgmt.errors import ConnectionFailed

MOST_MEMORY = 30 * MIB


def call(upstream: Faults, method: str = "GET", **members: object) -> Reply:
    """One call."""
    driver = Blocking(Configuration(**members), Guard(["127.0.0.1"]))
    try:
        return driver.send(Call(method=method, url=upstream.url, timeout=20))
    finally:
        driver.close()


@pytest.mark.parametrize("fault", sorted(one for one in FAULTS if one.startswith("endless") or one.endswith("bomb")))
def test_an_answer_without_end_costs_little_memory(fault: str) -> None:
    """10 MiB of body at most, whatever comes; the call fails, and nothing of it is kept."""
    with Faults(fault, seconds=60) as upstream:
        if fault.endswith("bomb"):
            call_of(upstream, "too-large")  # the bomb itself is made in this process: once, before it is measured
        tracemalloc.start()
        try:
            call_of(upstream, "protocol" if fault in HEADS else "too-large")
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert peak < MOST_MEMORY


HEADS = {"endless-headers", "endless-header", "endless-continue"}


def call_of(upstream: Faults, cause: str) -> None:
    """A call that fails like this."""
    with pytest.raises(ConnectionFailed) as caught:
        call(upstream)
    assert caught.value.cause == cause


@pytest.mark.parametrize("fault", ["good", "chunked", "gzip", "deflate", "http10"])
def test_the_limit_of_bytes_holds_for_every_framing(fault: str) -> None:
    """As many bytes as allowed are an answer, one more is not."""
    with Faults(fault, body=b"x" * 1000) as upstream:
        assert len(call(upstream, most_bytes=1000).content) == 1000
        with pytest.raises(ConnectionFailed, match="longer than 999 bytes") as caught:
            call(upstream, most_bytes=999)
        assert caught.value.cause == "too-large"


@pytest.mark.parametrize(("fields", "cause"), [(98, ""), (99, "protocol"), (1_000_000, "protocol")])
def test_the_number_of_fields_is_bounded(fields: int, cause: str) -> None:
    """99, of which Content-Length is one; a million of them are not read to their end."""
    with Faults(headers=(("X", "y"),) * fields) as upstream:
        if cause:
            call_of(upstream, cause)
        else:
            assert len(call(upstream).headers) == fields + 1


@pytest.mark.parametrize(("size", "well"), [(MOST_HEAD_BYTES - 9_000, True), (MOST_HEAD_BYTES + 9_000, False)])
def test_the_size_of_the_head_is_bounded(size: int, well: bool) -> None:
    """256 KiB with everything in it; read in blocks, so that the limit is a block wide."""
    with Faults(headers=tuple((f"X-{one}", "y" * (size // 8 - 20)) for one in range(8))) as upstream:
        if well:
            assert call(upstream).status == 200
        else:
            call_of(upstream, "protocol")


@pytest.mark.parametrize("fault", ["good", "gzip", "chunked", "longer-length"])
def test_an_answer_without_a_body_needs_none(fault: str) -> None:
    """HEAD has the fields of a body and no body, however it is said to be framed or encoded."""
    head = {"good": b"Content-Length: 9", "gzip": b"Content-Encoding: gzip", "chunked": b"Transfer-Encoding: chunked"}
    answer = b"HTTP/1.1 200 OK\r\n" + head.get(fault, b"Content-Length: 999") + b"\r\n\r\n"
    with Faults(answer) as upstream:
        assert call(upstream, "HEAD").content == b""


@pytest.mark.parametrize("status", [204, 304])
def test_statuses_without_a_body_end_with_their_head(status: int) -> None:
    """What is sent behind them is not the next answer."""
    answer = b"HTTP/1.1 %d Nothing\r\nX: y\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil" % status
    with Faults(answer, "good") as upstream:
        driver = Blocking(Configuration(), Guard(["127.0.0.1"]))
        assert driver.send(Call(method="GET", url=upstream.url)).status == status
        try:
            assert driver.send(Call(method="GET", url=upstream.url)).json() == {"ok": True}
        except ConnectionFailed as error:
            # the end of the connection arrived behind the second request
            assert error.cause == "reset"
        driver.close()


def test_what_is_sent_behind_an_answer_is_not_the_next_one() -> None:
    """The rest of a longer body is thrown away with its connection."""
    with Faults("shorter-length", "good", body=b'{"ok": true}' + b" " * 20_000) as upstream:
        driver = Blocking(Configuration(), Guard(["127.0.0.1"]))
        for _ in range(2):
            assert driver.send(Call(method="GET", url=upstream.url)).content.startswith(b'{"ok": true}')
        driver.close()


def test_cookies_are_not_kept() -> None:
    """What one call is given does not go out with the next, which may be somebody else's."""
    with Faults(headers=(("Set-Cookie", "session=s3cret; Path=/"),)) as upstream:
        driver = Blocking(Configuration(), Guard(["127.0.0.1"]))
        for _ in range(2):
            driver.send(Call(method="GET", url=upstream.url))
        driver.close()
        assert not any("cookie" in seen.headers for seen in upstream.requests)


def test_a_streamed_answer_is_bounded_as_well() -> None:
    """It comes in pieces, and fails where a whole one would."""
    with Faults("chunked", "chunked", "reset-mid-body", body=b"x" * 200_000) as upstream:
        driver = Blocking(Configuration(most_bytes=200_000), Guard(["127.0.0.1"]))
        asked = Call(method="GET", url=upstream.url, streamed=True, timeout=20)
        pieces = list(driver.send(asked).stream)
        assert len(pieces) > 2 and b"".join(pieces) == b"x" * 200_000
        tight = Blocking(Configuration(most_bytes=199_999), Guard(["127.0.0.1"]))
        for one, cause in ((tight, "too-large"), (driver, "reset")):
            with pytest.raises(ConnectionFailed) as caught:
                list(one.send(asked).stream)
            assert caught.value.cause == cause
            one.close()


@pytest.mark.parametrize(
    "charset", ["punycode", "PunyCode", "idna", "undefined", "unicode_escape", "raw_unicode_escape", "rot13", "x\0", ""]
)
def test_a_charset_that_is_none_is_read_as_utf_8(charset: str) -> None:
    """Of what Python knows under that name some fail, and punycode takes hours for such a body."""
    body = b"a-" + b"b9c8" * 2_000_000
    assert Reply(200, (("content-type", f"text/plain; charset={charset}"),), body).text == body.decode()


def test_the_charset_of_a_text_counts() -> None:
    """Whatever the case, quoted or not."""
    for named in ("charset=latin-1", 'Charset="ISO-8859-1"; x=y'):
        assert Reply(200, (("content-type", f"text/plain; {named}"),), "é".encode("latin-1")).text == "é"
