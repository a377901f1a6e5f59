"""Requests as bytes for the tests of framing: what must be refused, and what must be read in exactly one way.

Each is followed by ``GET /after`` where it stands for a whole message; a server that reads it differently from what it
means shows `/after` or `/smuggled` where it must not, or does not show it where it must.
"""

from __future__ import annotations

AFTER = b"GET /after HTTP/1.1\r\nHost: x\r\n\r\n"
LAST = b"GET /after HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"


def post(fields: bytes, body: bytes = b"") -> bytes:
    """A POST with these header fields."""
    return b"POST /post HTTP/1.1\r\nHost: x\r\n" + fields + b"\r\n" + body


def chunked(body: bytes) -> bytes:
    """A POST with this as the chunked coding of its body."""
    return post(b"Transfer-Encoding: chunked\r\n", body)


def line(text: bytes) -> bytes:
    """A request with this request line."""
    return text + b"\r\nHost: x\r\n\r\n"


def field(text: bytes) -> bytes:
    """A GET with this header line."""
    return b"GET /get HTTP/1.1\r\nHost: x\r\n" + text + b"\r\n\r\n"


def host(text: bytes) -> bytes:
    """A GET with these instead of a Host line."""
    return b"GET /get HTTP/1.1\r\n" + text + b"\r\n"


LENGTH = b"Content-Length: 5\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"

REFUSED: dict[str, bytes] = {
    "length and chunked": post(LENGTH + CHUNKED, b"0\r\n\r\n" + SMUGGLED),
    "chunked and length": post(CHUNKED + LENGTH, b"0\r\n\r\n" + SMUGGLED),
    "two lengths that differ": post(LENGTH + b"Content-Length: 6\r\n", b"abcdef"),
    "two lengths that agree": post(LENGTH + LENGTH, b"abcde"),
    "lengths in a list": post(b"Content-Length: 5, 5\r\n", b"abcde"),
    "length with plus": post(b"Content-Length: +5\r\n", b"abcde"),
    "length with minus": post(b"Content-Length: -5\r\n", b"abcde"),
    "length in hexadecimal": post(b"Content-Length: 0x5\r\n", b"abcde"),
    "length with underscore": post(b"Content-Length: 1_0\r\n", b"abcdeabcde"),
    "length with a space inside": post(b"Content-Length: 1 0\r\n", b"abcdeabcde"),
    "length with a fraction": post(b"Content-Length: 5.0\r\n", b"abcde"),
    "length empty": post(b"Content-Length:\r\n"),
    "length in Arabic digits": post("Content-Length: ٥\r\n".encode(), b"abcde"),
    "length of sixteen digits": post(b"Content-Length: 1000000000000000\r\n", b"abcde"),
    "length folded": post(b"Content-Length:\r\n 5\r\n", b"abcde"),
    "length with vertical tab": post(b"Content-Length: \x0b5\r\n", b"abcde"),
    "chunked twice": post(CHUNKED + CHUNKED, b"0\r\n\r\n"),
    "chunked in a list twice": post(b"Transfer-Encoding: chunked, chunked\r\n", b"0\r\n\r\n"),
    "coding gzip": post(b"Transfer-Encoding: gzip\r\n", b"0\r\n\r\n"),
    "coding gzip then chunked": post(b"Transfer-Encoding: gzip, chunked\r\n", b"0\r\n\r\n"),
    "coding chunked then identity": post(b"Transfer-Encoding: chunked, identity\r\n", b"0\r\n\r\n"),
    "coding identity": post(b"Transfer-Encoding: identity\r\n" + LENGTH, b"abcde"),
    "coding identity alone": post(b"Transfer-Encoding: identity\r\n", b"0\r\n\r\n"),
    "coding xchunked": post(b"Transfer-Encoding: xchunked\r\n", b"0\r\n\r\n"),
    "coding with a parameter": post(b"Transfer-Encoding: chunked;q=1\r\n", b"0\r\n\r\n"),
    "coding in quotes": post(b'Transfer-Encoding: "chunked"\r\n', b"0\r\n\r\n"),
    "coding empty": post(b"Transfer-Encoding:\r\n" + LENGTH, b"abcde"),
    "coding with vertical tab": post(b"Transfer-Encoding: \x0bchunked\r\n", b"0\r\n\r\n"),
    "coding folded": post(b"Transfer-Encoding:\r\n chunked\r\n", b"0\r\n\r\n"),
    "chunked in HTTP/1.0": b"POST /post HTTP/1.0\r\nHost: x\r\n" + CHUNKED + b"\r\n0\r\n\r\n",
    "chunk size with 0x": chunked(b"0x5\r\nabcde\r\n0\r\n\r\n"),
    "chunk size with plus": chunked(b"+5\r\nabcde\r\n0\r\n\r\n"),
    "chunk size with minus": chunked(b"-5\r\nabcde\r\n0\r\n\r\n"),
    "chunk size with underscore": chunked(b"0_5\r\nabcde\r\n0\r\n\r\n"),
    "chunk size after a space": chunked(b" 5\r\nabcde\r\n0\r\n\r\n"),
    "chunk size before a space": chunked(b"5 \r\nabcde\r\n0\r\n\r\n"),
    "chunk size empty": chunked(b"\r\nabcde\r\n0\r\n\r\n"),
    "chunk size of no digits": chunked(b"x\r\nabcde\r\n0\r\n\r\n"),
    "chunk size of sixteen digits": chunked(b"1000000000000005\r\nabcde\r\n0\r\n\r\n"),
    "chunk size of twenty digits": chunked(b"00000000000000000005\r\nabcde\r\n0\r\n\r\n"),
    "chunk size with a bare line feed": chunked(b"5\nabcde\r\n0\r\n\r\n"),
    "chunk extension with a bare line feed": chunked(b"5;a\nabcde\r\n0\r\n\r\n"),
    "chunk extension with a carriage return": chunked(b"5;a\rb\r\nabcde\r\n0\r\n\r\n"),
    "chunk extension with NUL": chunked(b"5;a\x00\r\nabcde\r\n0\r\n\r\n"),
    "chunk extension too long": chunked(b"5;" + b"a" * 1100 + b"\r\nabcde\r\n0\r\n\r\n"),
    "chunk extensions too long in sum": chunked((b"1;" + b"a" * 200 + b"\r\nx\r\n") * 6 + b"0\r\n\r\n"),
    "chunk longer than its size": chunked(b"5\r\nabcdefg\r\n0\r\n\r\n"),
    "chunk ended by a bare line feed": chunked(b"5\r\nabcde\n0\r\n\r\n"),
    "chunk not ended": chunked(b"5\r\nabcde0\r\n\r\n"),
    "trailer with a bare line feed": chunked(b"0\r\nX: y\n\r\n"),
    "trailer without a colon": chunked(b"0\r\nX\r\n\r\n"),
    "trailer with NUL": chunked(b"0\r\nX: \x00\r\n\r\n"),
    "trailer with a length": chunked(b"0\r\nContent-Length: 5\r\n\r\n"),
    "trailer with a coding": chunked(b"0\r\nTransfer-Encoding: chunked\r\n\r\n"),
    "trailer with a Host": chunked(b"0\r\nHost: y\r\n\r\n"),
    "trailer too long": chunked(b"0\r\nX: " + b"y" * 9000 + b"\r\n\r\n"),
    "lines ended by bare line feeds": b"GET /get HTTP/1.1\nHost: x\n\n",
    "one field ended by a bare line feed": field(b"A: b\nC: d"),
    "request line ended by a bare line feed": b"GET /get HTTP/1.1\nHost: x\r\n\r\n",
    "head ended by a bare line feed": b"GET /get HTTP/1.1\r\nHost: x\r\n\n",
    "carriage return inside a value": field(b"A: b\rC: d"),
    "two carriage returns": field(b"A: b\r"),
    "NUL inside a value": field(b"A: b\x00c"),
    "bell inside a value": field(b"A: b\x07c"),
    "DEL inside a value": field(b"A: b\x7fc"),
    "folded field": field(b"A: b\r\n c"),
    "field folded by a tab": field(b"A: b\r\n\tc"),
    "first field folded": b"GET /get HTTP/1.1\r\n Host: x\r\n\r\n",
    "space before the colon": post(b"Content-Length : 5\r\n", b"abcde"),
    "tab before the colon": post(b"Transfer-Encoding\t: chunked\r\n", b"0\r\n\r\n"),
    "space inside a name": field(b"A b: c"),
    "name not ASCII": field("Ä: c".encode()),
    "name in brackets": field(b"(a): c"),
    "name with NUL": field(b"A\x00: c"),
    "name empty": field(b": c"),
    "line without a colon": field(b"abc"),
    "no Host": host(b""),
    "Host twice": host(b"Host: x\r\nHost: y\r\n"),
    "Host twice the same": host(b"Host: x\r\nHost: x\r\n"),
    "Host empty": host(b"Host:\r\n"),
    "Host with a path": host(b"Host: x/y\r\n"),
    "Host with a user": host(b"Host: u@x\r\n"),
    "Host with a space": host(b"Host: x y\r\n"),
    "Host with a list": host(b"Host: x, y\r\n"),
    "Host with a long port": host(b"Host: x:100000\r\n"),
    "Host with a named port": host(b"Host: x:http\r\n"),
    "Host with a scheme": host(b"Host: http://x\r\n"),
    "Host with a query": host(b"Host: x?y\r\n"),
    "too many fields": field(b"\r\n".join(b"A%d: b" % number for number in range(100))),
    "field too long": field(b"A: " + b"b" * 8188),
    "line too long": line(b"GET /" + b"a" * 4081 + b" HTTP/1.1"),
    "no version": line(b"GET /get"),
    "version 0.9": line(b"GET /get HTTP/0.9"),
    "version 1.2": line(b"GET /get HTTP/1.2"),
    "version 2.0": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "version 1.10": line(b"GET /get HTTP/1.10"),
    "version in lower case": line(b"GET /get http/1.1"),
    "version of another protocol": line(b"GET /get ICE/1.1"),
    "two spaces after the method": line(b"GET  /get HTTP/1.1"),
    "two spaces before the version": line(b"GET /get  HTTP/1.1"),
    "space at the end of the line": line(b"GET /get HTTP/1.1 "),
    "tab after the method": line(b"GET\t/get HTTP/1.1"),
    "space before the method": line(b" GET /get HTTP/1.1"),
    "empty line first": b"\r\n" + line(b"GET /get HTTP/1.1"),
    "method not a token": line(b"G@T /get HTTP/1.1"),
    "method with NUL": line(b"GE\x00T /get HTTP/1.1"),
    "method empty": line(b" /get HTTP/1.1"),
    "target not ASCII": line("GET /gét HTTP/1.1".encode()),
    "target with a control character": line(b"GET /g\x01t HTTP/1.1"),
    "target with NUL": line(b"GET /g\x00t HTTP/1.1"),
    "target with DEL": line(b"GET /g\x7ft HTTP/1.1"),
    "target with a tab": line(b"GET /g\tt HTTP/1.1"),
    "target with a fragment": line(b"GET /get#top HTTP/1.1"),
    "target with a space": line(b"GET /g et HTTP/1.1"),
    "target empty": line(b"GET ? HTTP/1.1"),
    "target without a slash": line(b"GET get HTTP/1.1"),
    "target * for GET": line(b"GET * HTTP/1.1"),
    "target an authority": line(b"GET x:80 HTTP/1.1"),
    "target of another host": line(b"GET http://y/get HTTP/1.1"),
    "target of another port": line(b"GET http://x:81/get HTTP/1.1"),
    "target with a user": line(b"GET http://u@x/get HTTP/1.1"),
    "target of another scheme": line(b"GET ftp://x/get HTTP/1.1"),
    "target without a host": line(b"GET http:///get HTTP/1.1"),
    "CONNECT": line(b"CONNECT x:80 HTTP/1.1"),
    "CONNECT with a path": line(b"CONNECT /get HTTP/1.1"),
    "expectation unknown": post(b"Expect: 200-ok\r\n" + LENGTH, b"abcde"),
    "expectation twice": post(b"Expect: 100-continue\r\nExpect: 100-continue\r\n" + LENGTH, b"abcde"),
    "TLS on the plain port": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
}

GET, POST = ["GET", "/get"], ["POST", "/post"]
ACCEPTED: dict[str, tuple[bytes, list[list[str]]]] = {
    "plain": (line(b"GET /get HTTP/1.1"), [GET]),
    "pipeline of three": (line(b"GET /get HTTP/1.1") * 3, [GET] * 3),
    "length": (post(LENGTH, b"abcde"), [POST]),
    "length with zeros": (post(b"Content-Length: 005\r\n", b"abcde"), [POST]),
    "length of nothing": (post(b"Content-Length: 0\r\n"), [POST]),
    "length in a body that is a request": (post(b"Content-Length: %d\r\n" % len(SMUGGLED), SMUGGLED), [POST]),
    "chunked": (chunked(b"5\r\nabcde\r\n0\r\n\r\n"), [POST]),
    "chunked in capitals": (post(b"TRANSFER-ENCODING: Chunked\r\n", b"5\r\nabcde\r\n0\r\n\r\n"), [POST]),
    "chunk size in capitals": (chunked(b"A\r\nabcdeabcde\r\n0\r\n\r\n"), [POST]),
    "chunk size with zeros": (chunked(b"0005\r\nabcde\r\n000\r\n\r\n"), [POST]),
    "chunk extension": (chunked(b'5;a=b;c="d"\r\nabcde\r\n0;e\r\n\r\n'), [POST]),
    "chunk that is a request": (chunked(b"%x\r\n%b\r\n0\r\n\r\n" % (len(SMUGGLED), SMUGGLED)), [POST]),
    "trailers": (chunked(b"0\r\nX: y\r\nExpires: never\r\n\r\n"), [POST]),
    "body of a GET": (b"GET /get HTTP/1.1\r\nHost: x\r\n" + LENGTH + b"\r\nabcde", [GET]),
    "pipeline of bodies": (post(LENGTH, b"abcde") + chunked(b"1\r\na\r\n0\r\n\r\n") * 2, [POST] * 3),
    "method in lower case": (line(b"get /get HTTP/1.1"), [["get", "/get"]]),
    "method unknown": (line(b"BREW /get HTTP/1.1"), [["BREW", "/get"]]),
    "OPTIONS *": (line(b"OPTIONS * HTTP/1.1"), [["OPTIONS", "*"]]),
    "absolute target": (line(b"GET http://x/get HTTP/1.1"), [GET]),
    "absolute target in capitals": (line(b"GET HTTP://X/get HTTP/1.1"), [GET]),
    "absolute target without a path": (line(b"GET http://x?a=b HTTP/1.1"), [["GET", "/"]]),
    "value not ASCII": (field(b"A: \xff\x80"), [GET]),
    "value with a tab": (field(b"A: b\tc"), [GET]),
    "value empty": (field(b"A:"), [GET]),
    "value with space around": (field(b"A: \t b \t"), [GET]),
    "value with colons": (field(b"A: b: c:"), [GET]),
    "field twice": (field(b"A: b\r\nA: c"), [GET]),
    "upgrade": (field(b"Connection: Upgrade\r\nUpgrade: websocket"), [GET]),
    "h2c upgrade": (field(b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AA"), [GET]),
    "override": (field(b"X-HTTP-Method-Override: DELETE"), [GET]),
    "Host with a port": (host(b"Host: x:65535\r\n"), [GET]),
    "Host of IPv6": (host(b"Host: [::1]:80\r\n"), [GET]),
    "most fields": (field(b"\r\n".join(b"A%d: b" % number for number in range(99))), [GET]),
    "longest field": (field(b"A: " + b"b" * 8187), [GET]),
    "longest line": (line(b"GET /get?" + b"a" * 4076 + b" HTTP/1.1"), [GET]),
    "Expect with its body": (post(b"Expect: 100-continue\r\n" + LENGTH, b"abcde"), [POST]),
    "odd but visible target": (line(b'GET /get?a={"b"}|[c]\\^`<> HTTP/1.1'), [GET]),
}
