"""Hostile input while others work."""

from __future__ import annotations

import gzip
import json
import socket
from collections.abc import Callable, Mapping
from typing import NamedTuple

from tests.brokers.ports import LOOPBACK
from tests.faults.bounds import within_s
from tests.faults.processes import memory_bytes, workers
from tests.faults.table import Row
from tests.faults.trial import Trial
from tests.gateway.users import MYUSER

_MIB = 1024 * 1024
_ROUNDS = 5


class _Attack(NamedTuple):
    """A request that nobody should send, and the one answer to it."""

    status: int
    reason: str
    body: bytes
    headers: Mapping[str, str] = {}
    path: str = "/produce/{topic}"


_ATTACKS = {
    "deep JSON": _Attack(400, "MALFORMED_REQUEST", b"[" * 100_000),
    "deep JSON in a field": _Attack(400, "INVALID_RECORD", b'{"value": ' + b'{"a":' * 500 + b"1" + b"}" * 500 + b"}"),
    "invalid UTF-8": _Attack(400, "MALFORMED_REQUEST", b'{"value": "\xff\xfe"}'),
    "duplicate keys": _Attack(400, "INVALID_RECORD", b'{"value": "a", "value": "b"}'),
    "1e308 as partition": _Attack(400, "INVALID_RECORD", b'{"value": "v", "partition": 1e308}'),
    "1e999 as timestamp": _Attack(400, "INVALID_RECORD", b'{"value": "v", "timestamp": 1e999}'),
    "100 000 headers": _Attack(
        400, "INVALID_RECORD", json.dumps({"value": "v", "headers": [{"key": "k", "value": "v"}] * 100_000}).encode()
    ),
    "gzip bomb": _Attack(
        413, "REQUEST_TOO_LARGE", gzip.compress(b"[" + b" " * (256 * _MIB) + b"]"), {"Content-Encoding": "gzip"}
    ),
    "gzip that is none": _Attack(400, "MALFORMED_REQUEST", b"gzip?", {"Content-Encoding": "gzip"}),
    "slash in a topic": _Attack(400, "INVALID_RECORD", b'{"value": "v"}', {}, "/produce/a%2Fb"),
    "NUL in a topic": _Attack(400, "INVALID_RECORD", b'{"value": "v"}', {}, "/produce/%00"),
}


def test_14_hostile_input(trial: Trial, tell: Callable[[Row], None]) -> None:
    """Each attack gets its answer; nothing is written, nobody else notices, and the workers live on."""
    gateway = trial.start_gateway(timeouts={"body_timeout_s": 1})
    topic = trial.create_topic()
    answers: dict[str, set[tuple[int, str, str]]] = {name: set() for name in _ATTACKS}
    with trial.load(gateway, topic) as load:
        family, memory_before = workers(gateway), memory_bytes(workers(gateway))
        slow = [_slow_body(gateway.port) for _ in range(20)]
        for _ in range(_ROUNDS):
            for name, attack in _ATTACKS.items():
                target = attack.path.format(topic=topic)
                answer = gateway.rest.send("POST", target, body=attack.body, headers=attack.headers)
                error = answer.json()
                answers[name].add((answer.status, error["reason"], error["delivered"]))
        timed_out = [connection.makefile("rb").read() for connection in slow]
        for connection in slow:
            connection.close()
        load.wait_until_served()
        assert family == workers(gateway)
        memory_after = memory_bytes(family)

    row = trial.judge("14 hostile input", tell)
    assert {name: {(attack.status, attack.reason, "no")} for name, attack in _ATTACKS.items()} == answers
    assert [True] * len(slow) == [b" 408 " in answer and b'"BODY_TIMEOUT"' in answer for answer in timed_out]
    assert [] == [attempt for attempt in load.steady_attempts() if not attempt.acknowledged]
    assert row.gap_s is not None
    assert row.gap_s < within_s(1)
    assert memory_after - memory_before < 128 * _MIB


def _slow_body(port: int) -> socket.socket:
    """Begin a request and never end it."""
    connection = socket.create_connection((LOOPBACK, port), timeout=30)
    headers = f"Host: x\r\nAuthorization: {MYUSER.authorization}\r\nContent-Length: 100\r\n"
    connection.sendall(f'POST /produce/t HTTP/1.1\r\n{headers}\r\n{{"value"'.encode())
    return connection
