"""HTTP/2 as attackers write it: floods against its bookkeeping, and frames that break its rules."""

from __future__ import annotations

import struct
from collections.abc import Callable

import pytest

from tests.envoy.http2 import Kind, frame, get, headers_frames, post, rst_stream
from tests.faults.processes import memory_bytes
from tests.hostile.besieged import TOPIC, Besieged
from tests.hostile.streams import AUTHORIZATION, as_response, call, send
from tests.hostile.wire import assert_refused

MIB = 1024 * 1024
TARGET = f"/produce/{TOPIC}".encode()
MESSAGE = get(TARGET + b"/m", AUTHORIZATION)
BODY = post(TARGET, AUTHORIZATION)

_CANCEL = 8
_END_STREAM = 0x1
_END_HEADERS = 0x4
_PRIORITY = 2
_PUSH_PROMISE = 5
_INDEXED = b"\x40"
"""A literal that goes into the dynamic table (RFC 7541, 6.2.1)."""


def streams(count: int, make: Callable[[int], bytes]) -> bytes:
    """Return the frames that `make` makes for `count` streams."""
    return b"".join(make(1 + 2 * number) for number in range(count))


def settings(*pairs: tuple[int, int]) -> bytes:
    """Return a SETTINGS frame."""
    return frame(Kind.SETTINGS, 0, 0, b"".join(struct.pack(">HI", *pair) for pair in pairs))


FLOODS: dict[str, Callable[[], bytes]] = {
    "rapid reset": lambda: streams(10_000, lambda s: headers_frames(s, MESSAGE) + rst_stream(s, _CANCEL)),
    "rapid reset of bodies": lambda: streams(
        10_000, lambda s: headers_frames(s, BODY, ends_stream=False) + rst_stream(s, _CANCEL)
    ),
    "made to reset": lambda: streams(  # the gateway resets each, for its window of 0
        10_000,
        lambda s: headers_frames(s, BODY, ends_stream=False) + frame(Kind.WINDOW_UPDATE, 0, s, b"\0\0\0\0"),
    ),
    "pings": lambda: frame(Kind.PING, 0, 0, b"hostile!") * 100_000,
    "settings": lambda: settings() * 100_000,
    "settings with the same setting": lambda: settings(*[(4, 65_535)] * 100) * 1000,
    "empty data": lambda: headers_frames(1, BODY, ends_stream=False) + frame(Kind.DATA, 0, 1) * 100_000,
    "padding": lambda: (
        headers_frames(1, BODY, ends_stream=False) + frame(Kind.DATA, 0x8, 1, b"\xff" + b"\0" * 255) * 9000
    ),
    "window updates": lambda: frame(Kind.WINDOW_UPDATE, 0, 0, b"\0\0\0\1") * 100_000,
    "priorities": lambda: frame(_PRIORITY, 0, 1, b"\0\0\0\0\x10") * 100_000,
    "resets of streams that never were": lambda: streams(10_000, lambda s: rst_stream(s, _CANCEL)),
    "empty continuations": lambda: frame(Kind.HEADERS, 0, 1) + frame(Kind.CONTINUATION, 0, 1) * 100_000,
}


@pytest.mark.parametrize("make", FLOODS.values(), ids=FLOODS.keys())
def test_a_flood_ends_its_connection(besieged: Besieged, make: Callable[[], bytes]) -> None:
    """Instead of being served for ever; its memory is given back, and other connections notice nothing."""
    envoy = [besieged.envoy()]
    before = memory_bytes(envoy)
    answer = send(besieged, make(), until=())

    assert answer.closed
    assert answer.took_s < 10
    assert memory_bytes(envoy) - before < 200 * MIB


BREACHES = {
    "data on stream 0": frame(Kind.DATA, 0, 0, b"x"),
    "headers on stream 0": frame(Kind.HEADERS, _END_HEADERS, 0, b"\x82"),
    "an even stream": headers_frames(2, MESSAGE),
    "data on a stream that never was": frame(Kind.DATA, 0, 1, b"x"),
    "a frame longer than allowed": frame(Kind.DATA, 0, 1, b"x" * 20_000),
    "a frame of 16 MiB to come": b"\xff\xff\xff\0\0\0\0\0\1",
    "settings of half a setting": frame(Kind.SETTINGS, 0, 0, b"\0\4\0"),
    "settings on a stream": frame(Kind.SETTINGS, 0, 1, struct.pack(">HI", 4, 1)),
    "an acknowledgement with settings": frame(Kind.SETTINGS, 1, 0, struct.pack(">HI", 4, 1)),
    "a window past 2^31": settings((4, 2**31)),
    "a frame size of 0": settings((5, 0)),
    "push from a client": headers_frames(1, MESSAGE) + frame(_PUSH_PROMISE, _END_HEADERS, 1, b"\0\0\0\2\x82"),
    "a ping of 7 bytes": frame(Kind.PING, 0, 0, b"7 bytes"),
    "a window overflow": frame(Kind.WINDOW_UPDATE, 0, 0, struct.pack(">I", 2**31 - 1)) * 3,
    "a window update of 0": frame(Kind.WINDOW_UPDATE, 0, 0, b"\0\0\0\0"),
    "header compression that is none": frame(Kind.HEADERS, _END_HEADERS | _END_STREAM, 1, b"\xff" * 100),
    "an index past the table": frame(Kind.HEADERS, _END_HEADERS | _END_STREAM, 1, b"\xff\xff\xff\xff\x0f"),
    "a table past its bound": frame(Kind.HEADERS, _END_HEADERS | _END_STREAM, 1, b"\x3f\xff\xff\xff\x0f"),
    "a continuation of nothing": frame(Kind.CONTINUATION, _END_HEADERS, 1, b"\x82"),
    "another stream in the middle of headers": frame(Kind.HEADERS, 0, 1, b"\x82") + headers_frames(3, MESSAGE),
    "padding longer than its frame": frame(Kind.DATA, 0x8, 1, b"\xff"),
}


@pytest.mark.parametrize("data", BREACHES.values(), ids=BREACHES.keys())
def test_a_breach_of_the_protocol_ends_its_connection(besieged: Besieged, data: bytes) -> None:
    """Nothing it says after that is believed."""
    answer = send(besieged, data + headers_frames(99, MESSAGE), until=())

    assert answer.closed
    assert 99 not in answer.streams or answer.streams[99].status == 0


BAD_REQUESTS = {
    "no path": [header for header in MESSAGE if header[0] != b":path"],
    "no method": [header for header in MESSAGE if header[0] != b":method"],
    "an empty path": get(b"", AUTHORIZATION),
    "two paths": [*MESSAGE, (b":path", b"/livez")],
    "two methods": [(b":method", b"POST"), *MESSAGE],
    "an unknown pseudo-header": [(b":hostile", b"1"), *MESSAGE],
    "a pseudo-header of answers": [(b":status", b"200"), *MESSAGE],
    "a pseudo-header behind others": [AUTHORIZATION, *get(TARGET + b"/m")],
    "capitals in a name": [*MESSAGE, (b"X-A", b"1")],
    "an empty name": [*MESSAGE, (b"", b"1")],
    "a space in a name": [*MESSAGE, (b"x a", b"1")],
    "a colon in a name": [*MESSAGE, (b"x:a", b"1")],
    "a line break in a name": [*MESSAGE, (b"x\r\na", b"1")],
    "a line break in a value": [*MESSAGE, (b"x", b"a\r\nset-cookie: b")],
    "NUL in a value": [*MESSAGE, (b"x", b"a\0b")],
    "a line break in the path": get(TARGET + b"/a\r\nset-cookie: b", AUTHORIZATION),
    "NUL in the path": get(TARGET + b"/a\0b", AUTHORIZATION),
    "a space in the path": get(TARGET + b"/a b", AUTHORIZATION),
    "raw utf-8 in the path": get(TARGET + "/é".encode(), AUTHORIZATION),
    "raw latin-1 in the path": get(TARGET + b"/\xe9", AUTHORIZATION),
    "a path without a slash": get(b"produce/besieged/m", AUTHORIZATION),
    "an absolute path": get(b"http://evil.example/produce/besieged/m", AUTHORIZATION),
    "a connection header": [*MESSAGE, (b"connection", b"close")],
    "a transfer coding": [*MESSAGE, (b"transfer-encoding", b"chunked")],
    "an upgrade": [*MESSAGE, (b"upgrade", b"websocket")],
    "te that is not trailers": [*MESSAGE, (b"te", b"gzip")],
    "a line break in the method": [(b":method", b"GET /evil HTTP/1.1\r\nx:"), *MESSAGE[1:]],
    "101 headers": [*MESSAGE, *[(b"x-%d" % number, b"1") for number in range(101)]],
    "100 000 headers": [*MESSAGE, *[(b"x-%d" % number, b"1") for number in range(100_000)]],
    "100 000 empty headers": [*MESSAGE, *[(b"x", b"")] * 100_000],
    "a header of 90 000 bytes and one more": [*MESSAGE, (b"x", b"a" * 90_000), (b"y", b"a" * 90_000)],
    "a header of 4 MiB": [*MESSAGE, (b"x", b"a" * 4 * MIB)],
    "a name of 200 000 bytes": [*MESSAGE, (b"x" * 200_000, b"a")],
    "CONNECT": [(b":method", b"CONNECT"), (b":authority", b"evil.example:80"), AUTHORIZATION],
    "a tunnel over CONNECT": [(b":method", b"CONNECT"), (b":protocol", b"websocket"), *MESSAGE[1:]],
}


@pytest.mark.parametrize("headers", BAD_REQUESTS.values(), ids=BAD_REQUESTS.keys())
def test_a_bad_request_ends_no_other(besieged: Besieged, headers: list[tuple[bytes, bytes]]) -> None:
    """It is refused or its stream reset; only what is far too large ends the connection that others may share."""
    good = 3
    answer = send(besieged, headers_frames(1, headers) + headers_frames(good, MESSAGE), until=(good,))

    bad = answer.streams.get(1)
    if bad is not None and bad.status:
        assert_refused(as_response(bad), 400, 404, 405, 431)
    else:
        assert answer.closed or (bad is not None and bad.reset)
    if answer.closed:
        assert sum(len(name) + len(value) for name, value in headers) > 96 * 1024
    else:
        assert 200 == answer.streams[good].status


BOMB = (
    frame(
        Kind.HEADERS,
        0,
        1,
        # One header of 4000 bytes goes into the table, and is then named a million times by one byte each.
        b"\x82\x86\x84" + _INDEXED + b"\x01x" + b"\x7f\xa1\x1e" + b"a" * 4000,
    )
    + frame(Kind.CONTINUATION, 0, 1, b"\xbe" * 16_000) * 63
    + frame(Kind.CONTINUATION, _END_HEADERS, 1, b"\xbe" * 16_000)
)


def test_a_compression_bomb_costs_little(besieged: Besieged) -> None:
    """A megabyte of indexes that stand for four gigabytes of headers."""
    envoy = [besieged.envoy()]
    before = memory_bytes(envoy)
    answer = send(besieged, BOMB)

    assert answer.closed or answer.streams[1].reset
    assert memory_bytes(envoy) - before < 50 * MIB


LENGTHS = {
    "longer than said": (b"3", b'{"value":"a"}'),
    "shorter than said": (b"300", b'{"value":"a"}'),
    "no number": (b"x", b'{"value":"a"}'),
    "below zero": (b"-1", b'{"value":"a"}'),
}


@pytest.mark.parametrize(("length", "body"), LENGTHS.values(), ids=LENGTHS.keys())
def test_a_body_is_as_long_as_it_says(besieged: Besieged, length: bytes, body: bytes) -> None:
    """Else its stream is reset, and nothing of it stored."""
    answer = send(besieged, call([*BODY, (b"content-length", length)], body))

    assert answer.streams[1].reset or answer.streams[1].status == 400


def test_streams_over_the_limit_are_refused_and_the_others_served(besieged: Besieged) -> None:
    """A client that ignores the limit loses what is over it, with the word that it may try again."""
    refused_stream = 7
    answer = send(besieged, streams(1000, lambda s: headers_frames(s, MESSAGE)), until=range(1, 2000, 2))

    outcomes = [(end.status, end.reset) for end in answer.streams.values()]
    assert {(200, None), (0, refused_stream)} >= set(outcomes)
    assert outcomes.count((200, None)) >= 100


def test_unknown_frames_and_settings_are_passed_over(besieged: Besieged) -> None:
    """HTTP/2 may be extended (RFC 9113, 5.5)."""
    data = frame(0xBE, 0xFF, 0, b"x" * 1000) * 20 + settings((0xBEEF, 1)) + headers_frames(1, MESSAGE)
    answer = send(besieged, data)

    assert 200 == answer.streams[1].status


@pytest.mark.parametrize("magic", [b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n", b"PRI * HTTP/3.0\r\n\r\nSM\r\n\r\n"])
def test_a_preface_that_is_none_is_refused(besieged: Besieged, magic: bytes) -> None:
    """At once."""
    with besieged.connect() as connection:
        connection.sendall(magic + b"\0" * 100)
        received = b""
        while piece := connection.recv(65_536):
            received += piece

    assert not received or received.startswith((b"HTTP/1.1 400", b"\0"))


def test_frames_of_a_stalled_handshake_wait_for_nobody(besieged: Besieged) -> None:
    """A client that says nothing after its preface costs a connection, and holds up no other."""
    silent = [besieged.connect() for _ in range(100)]
    for connection in silent:
        connection.sendall(b"PRI * HTTP/2.0\r\n\r\n")

    assert 200 == besieged.produce().status
    for connection in silent:
        connection.close()
