"""Bodies that no honest client sends."""

from __future__ import annotations

import gzip
import statistics
import time
import zlib
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from functools import cache

import pytest

from tests.brokers.ledger import read_topic
from tests.faults.processes import memory_bytes
from tests.hostile.besieged import TOPIC, Besieged
from tests.hostile.wire import assert_refused

MIB = 1024 * 1024
TARGET = f"/produce/{TOPIC}"
_ATTACKERS = 6
_CROWD = 250

Body = bytes | Callable[[], bytes]
"""A body, or what makes it where it is large."""


def array_of(count: int, element: bytes, *, last: bytes | None = None) -> Callable[[], bytes]:
    """Return what makes a JSON array of `count` times `element`, and `last` behind them."""
    return lambda: b"[" + b",".join([element] * count + ([] if last is None else [last])) + b"]"


def object_of(count: int) -> Callable[[], bytes]:
    """Return what makes a JSON object of `count` names, none of them known."""
    return lambda: b"{" + b",".join(b'"%d":0' % number for number in range(count)) + b"}"


def made(body: Body) -> bytes:
    """Return the body itself."""
    return body if isinstance(body, bytes) else body()


JSON: Mapping[str, Body] = {
    "deep arrays": b"[" * 100_000,
    "deep and closed": b"[" * 100_000 + b"]" * 100_000,
    "deep objects": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "deep value": b'{"value": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "deep unknown field": b'{"value": "a", "x": ' + b'[{"a":' * 50_000 + b"0" + b"}]" * 50_000 + b"}",
    "deep headers": b'{"value": "a", "headers": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "field twice": b'{"value": "a", "value": "b"}',
    "field twice, of two types": b'{"value": 1, "value": "b"}',
    "field of a header twice": b'{"value": "a", "headers": [{"key": "k", "value": "v", "value": "w"}]}',
    "topic twice": b'{"value": "a", "topic": "other", "topic": "besieged"}',
    "field a million times": lambda: b"{" + b",".join([b'"value":"a"'] * 1_000_000) + b"}",
    "unknown fields, a million": object_of(1_000_000),
    "1e308": b'{"value": "a", "timestamp": 1e308}',
    "1e400": b'{"value": "a", "timestamp": 1e400}',
    "-1e400": b'{"value": "a", "partition": -1e400}',
    "-0": b'{"value": "a", "timestamp": -0}',
    "0e0": b'{"value": "a", "partition": 0e0}',
    "1.0": b'{"value": "a", "partition": 1.0}',
    "leading zero": b'{"value": "a", "partition": 01}',
    "plus": b'{"value": "a", "partition": +1}',
    "400 digits": b'{"value": "a", "timestamp": ' + b"9" * 400 + b"}",
    "400 digits below zero": b'{"value": "a", "partition": -' + b"9" * 400 + b"}",
    "a million digits": lambda: b'{"value": "a", "timestamp": ' + b"9" * 1_000_000 + b"}",
    "a million digits of a fraction": lambda: b'{"value": "a", "timestamp": 1.' + b"9" * 1_000_000 + b"}",
    "400 digits in 100 messages": array_of(100, b'{"value":"a","timestamp":' + b"9" * 400 + b"}"),
    "NaN": b'{"value": "a", "timestamp": NaN}',
    "-Infinity": b'{"value": "a", "timestamp": -Infinity}',
    "100 000 headers": lambda: b'{"value": "a", "headers": ' + array_of(100_000, b'{"key":"k","value":"v"}')() + b"}",
    "100 000 messages": array_of(100_000, b'{"value":"a"}'),
    "a million empty arrays": array_of(1_000_000, b"[]"),
    "a million empty objects": array_of(1_000_000, b"{}"),
    "a million tiny messages": array_of(1_000_000, b'{"value":""}'),
    "the last of 10 000 is wrong": array_of(9_999, b'{"value":""}', last=b'{"value":1}'),
    "nothing but space": lambda: b" " * (16 * MIB),
    "nothing but commas": b"," * MIB,
    "one quote": b'"' * MIB,
    "nothing but escapes": b'{"value": "' + b"\\" * MIB,
    "NUL": b"\0" * 1000,
    "byte order mark": b'\xef\xbb\xbf{"value": "a"}',
    "utf-16": '{"value": "a"}'.encode("utf-16-le"),
    "utf-7": b"+AHsAIg-value+ACI:+ACI-a+ACIAfQ-",
    "overlong utf-8": b'{"value": "\xc0\xaf"}',
    "a surrogate in utf-8": b'{"value": "\xed\xa0\x80"}',
    "beyond unicode": b'{"value": "\xf4\x90\x80\x80"}',
    "utf-8 cut short": b'{"value": "\xe2\x82"}',
    "utf-8 cut short by the end": b'{"value": "\xe2\x82',
    "not utf-8 in a name": b'{"value": "a", "\xff": 1}',
    "not utf-8 between": b'{"value": "a"\xff}',
    "lone surrogate in a topic": b'{"value": "a", "topic": "\\ud800"}',
    "lone surrogate in a name": b'{"value": "a", "\\udfff": 1}',
    "lone surrogate in a header": b'{"value": "a", "headers": [{"key": "\\ud800", "value": "\\udc00"}]}',
    "topic of a million letters": b'{"value": "a", "topic": "' + b"x" * MIB + b'"}',
    "line breaks in a topic": b'{"value": "a", "topic": "a\\r\\nset-cookie: b"}',
    "markup in a name": b'{"value": "a", "<script>alert(1)</script>": 1}',
    "a form": b"value=a&value=b",
    "xml": b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>',
    "protobuf": b"\n\x07\n\x01t\x1a\x01k\x22\x01v",
    "a gRPC frame": b"\0\0\0\0\x02{}",
    "gzip without saying so": gzip.compress(b'{"value": "a"}'),
}


@pytest.mark.parametrize("body", JSON.values(), ids=JSON.keys())
def test_bad_json_is_refused_whole(besieged: Besieged, body: Body) -> None:
    """Quickly, with a short answer, and without a trace of the inside."""
    body = made(body)
    began = time.monotonic()
    response = besieged.gateway.rest.send("POST", TARGET, body=body)
    took_s = time.monotonic() - began

    error = assert_refused(response, 400, 413)
    assert error["retriable"] is False
    assert len(response.body) < 64 * 1024
    assert took_s < 10


@pytest.mark.parametrize("name", ["topic", "key", "partition", "timestamp", "headers", "value"])
@pytest.mark.parametrize("first", ["null", '"besieged"', "7", "[]"])
@pytest.mark.parametrize("second", ["null", '"besieged"', "7", "[]"])
def test_a_field_given_twice_is_never_stored(besieged: Besieged, name: str, first: str, second: str) -> None:
    """Whichever of the two the caller meant, the other would be lost."""
    value = "" if name == "value" else '"value": "a", '
    body = f'{{{value}"{name}": {first}, "{name}": {second}}}'.encode()

    assert_refused(besieged.gateway.rest.send("POST", TARGET, body=body), 400)


def members(count: int) -> bytes:
    """Return gzip of nothing, `count` times over."""
    return gzip.compress(b"") * count


def stored_blocks(size: int) -> bytes:
    """Return gzip of `size` bytes in empty deflate blocks, which inflate to nothing."""
    return b"\x1f\x8b\x08\0\0\0\0\0\0\xff" + b"\0\0\0\xff\xff" * (size // 5)


def named(name: bytes) -> bytes:
    """Return gzip with a file name in its header (RFC 1952, 2.3)."""
    return b"\x1f\x8b\x08\x08\0\0\0\0\0\xff" + name + b"\0" + gzip.compress(b"[]")[10:]


@cache
def bomb() -> bytes:
    """Return a little gzip of 256 MiB."""
    return gzip.compress(b" " * (256 * MIB), 1)


MESSAGE = gzip.compress(b'{"value": "a"}')

GZIP: Mapping[str, Body] = {
    "not gzip": b'{"value": "a"}',
    "nothing": b"",
    "zlib": zlib.compress(b'{"value": "a"}'),
    "header only": MESSAGE[:10],
    "without trailer": MESSAGE[:-8],
    "wrong checksum": MESSAGE[:-8] + b"\0" * 4 + MESSAGE[-4:],
    "wrong length": MESSAGE[:-4] + b"\0" * 4,
    "rubbish behind": MESSAGE + b"rubbish",
    "zeros behind": MESSAGE + b"\0" * 512,
    "half a member behind": MESSAGE + gzip.compress(b" ")[:12],
    "bomb": bomb,
    "bomb in a bomb": lambda: gzip.compress(gzip.compress(bomb())),
    "bomb behind a message": lambda: MESSAGE + bomb(),
    "a bomb of many members": lambda: gzip.compress(b" " * MIB, 9) * 64,
    "100 000 empty members": lambda: members(100_000),
    "16 MiB of empty members": lambda: members(16 * MIB // 20 - 1),
    "16 MiB of empty blocks": lambda: stored_blocks(16 * MIB - 20),
    "a name without an end": lambda: b"\x1f\x8b\x08\x08\0\0\0\0\0\xff" + b"a" * MIB,
    "reserved flags": b"\x1f\x8b\x08\xe0\0\0\0\0\0\xff" + gzip.compress(b"[]")[10:],
    "unknown method": b"\x1f\x8b\x07" + gzip.compress(b"[]")[3:],
    "inflates to bad json": lambda: gzip.compress(b"[" * 100_000),
    "a million tiny messages": lambda: gzip.compress(array_of(1_000_000, b'{"value":""}')()),
}


@pytest.mark.parametrize("body", GZIP.values(), ids=GZIP.keys())
def test_bad_gzip_is_refused_in_little_time(besieged: Besieged, body: Body) -> None:
    """A bomb costs no more than the limit it runs into, whatever it is made of."""
    body = made(body)
    began = time.monotonic()
    response = besieged.gateway.rest.send("POST", TARGET, body=body, headers={"Content-Encoding": "gzip"})
    took_s = time.monotonic() - began

    assert_refused(response, 400, 413)
    assert took_s < 5


@pytest.mark.parametrize(
    "body", [named(b"a.json"), named(b"a" * MIB), named(b"../../etc/passwd")], ids=["plain", "long", "climbing"]
)
def test_a_file_name_in_gzip_is_passed_over(besieged: Besieged, body: bytes) -> None:
    """It is legal, and of no interest."""
    response = besieged.gateway.rest.send("POST", TARGET, body=body, headers={"Content-Encoding": "gzip"})

    assert (200, []) == (response.status, response.json())


@pytest.mark.parametrize(
    ("encoding", "status"),
    [
        ("br", 415),
        ("zstd", 415),
        ("deflate", 415),
        ("gzip, gzip", 415),
        ("gzip;q=0", 415),
        ("aws-chunked", 415),
        ("x" * 10_000, 415),
        ("\xff\xfe", 415),
        ("{}<script>\"'", 415),
        ("identity", 200),
        ("", 200),
    ],
)
def test_encoding_is_known_or_refused(besieged: Besieged, encoding: str, status: int) -> None:
    """A body is never taken for what it is not."""
    response = besieged.gateway.rest.send("POST", TARGET, body=b"[]", headers={"Content-Encoding": encoding})

    if status == 200:
        assert (200, []) == (response.status, response.json())
    else:
        assert "UNSUPPORTED_ENCODING" == assert_refused(response, status)["reason"]
        assert len(response.body) < 1000


HEAVY: Mapping[str, Callable[[], bytes]] = {
    "tiny messages": array_of(1_200_000, b'{"value":""}'),
    "bad tiny messages": array_of(1_200_000, b'{"value":""}', last=b'{"value":1}'),
    "numbers": array_of(3_900_000, b"1.1"),
    "headers": lambda: b'{"value":"","headers":' + array_of(700_000, b'{"key":"","value":""}', last=b"1")() + b"}",
    "names": object_of(1_300_000),
    "names, as many as are read": object_of(480_000),
}
"""Up to 16 MiB each, of which gzip makes kilobytes."""


@pytest.mark.parametrize("make", HEAVY.values(), ids=HEAVY.keys())
def test_heavy_bodies_leave_room_for_others(besieged: Besieged, make: Callable[[], bytes]) -> None:
    """While many callers send them at once, good messages are stored without long waits, and memory stays bounded."""
    body = gzip.compress(make(), 1)
    processes = [*besieged.workers(), besieged.envoy()]
    peak = before = memory_bytes(processes)
    waits = []

    def attack() -> None:
        response = besieged.gateway.rest.send("POST", TARGET, body=body, headers={"Content-Encoding": "gzip"})
        assert_refused(response, 400, 413, 429, 504)

    with ThreadPoolExecutor(_ATTACKERS) as callers:
        attacks = [callers.submit(attack) for _ in range(_ATTACKERS)]
        while not all(done.done() for done in attacks):
            began = time.monotonic()
            assert 200 == besieged.produce().status
            waits.append(time.monotonic() - began)
            peak = max(peak, memory_bytes(processes))
        for done in attacks:
            done.result()

    assert statistics.median(waits) < 1, waits
    assert max(waits) < 5, waits
    assert peak - before < 1024 * MIB


@pytest.mark.parametrize("name", ["bad tiny messages", "numbers", "headers"])
def test_a_crowd_of_heavy_bodies_takes_bounded_memory(besieged: Besieged, name: str) -> None:
    """All of them inflated would take 4 GB: most are asked to come back."""
    body = gzip.compress(HEAVY[name](), 1)
    processes = [*besieged.workers(), besieged.envoy()]
    peak = before = memory_bytes(processes)

    def attack() -> int:
        headers = {"Content-Encoding": "gzip"}
        return besieged.gateway.rest.send("POST", TARGET, body=body, headers=headers, timeout_s=60).status

    with ThreadPoolExecutor(_CROWD) as callers:
        attacks = [callers.submit(attack) for _ in range(_CROWD)]
        while wait(attacks, timeout=0.05).not_done:
            peak = max(peak, memory_bytes(processes))

    statuses = Counter(done.result() for done in attacks)
    assert statuses.keys() <= {400, 413, 429, 504}, statuses
    assert statuses[429] > _CROWD // 2, statuses
    assert peak - before < 512 * MIB


def test_nothing_of_it_was_stored(besieged: Besieged, topic_name: Callable[[], str]) -> None:
    """Bodies with one fault among ten thousand good messages leave nothing in the topic."""
    topic = topic_name()
    besieged.broker.create_topic(topic)
    good = b'{"value": "a"},' * 9_999
    for bad in (b'{"value": "\\ud800"}', b'{"value": "a", "partition": -1}', b'{"value": "a", "value": "b"}', b"["):
        body = b"[" + good + bad + b"]"
        assert_refused(besieged.gateway.rest.send("POST", f"/produce/{topic}", body=body), 400)

    assert [] == read_topic(besieged.broker.bootstrap_servers, topic)
