"""Callers who take their time, or leave in the middle."""

from __future__ import annotations

import contextlib
import json
import socket
import statistics
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import pytest

from tests.brokers.ledger import read_topic
from tests.brokers.ports import LOOPBACK
from tests.brokers.waiting import wait_for
from tests.faults.processes import memory_bytes
from tests.hostile.besieged import BODY_TIMEOUT_S, TOPIC, Besieged, open_files_raised
from tests.hostile.wire import assert_refused, exchange, request

MIB = 1024 * 1024
TARGET = f"/produce/{TOPIC}".encode()

_IDLE_CONNECTIONS = 10_000
_SPARE_FILES = 1000
_STARTED = b"POST /produce/"


@contextmanager
def dripping(besieged: Besieged, head: bytes, drop: bytes, *, every_s: float = 0.05) -> Iterator[Callable[[], bytes]]:
    """Send `head`, then `drop` again and again; yield what returns the bytes received once the gateway has closed."""
    received = bytearray()
    with besieged.connect() as connection:
        connection.sendall(head)
        connection.settimeout(every_s)
        ended = threading.Event()

        def drip() -> None:
            with contextlib.suppress(ConnectionError):
                while not ended.is_set():
                    connection.sendall(drop)
                    with contextlib.suppress(TimeoutError):
                        piece = connection.recv(65_536)
                        received.extend(piece)
                        if not piece:
                            return

        thread = threading.Thread(target=drip)
        thread.start()

        def closed() -> bytes:
            thread.join(BODY_TIMEOUT_S + 10)
            assert not thread.is_alive()
            return bytes(received)

        try:
            yield closed
        finally:
            ended.set()
            thread.join()


SLOW = {
    "a body byte by byte": (request(TARGET, b"Content-Length: 10000"), b" "),
    "a chunked body byte by byte": (request(TARGET, b"Transfer-Encoding: chunked"), b"1\r\n \r\n"),
    "a chunk size digit by digit": (request(TARGET, b"Transfer-Encoding: chunked"), b"0"),
    "a chunk extension byte by byte": (request(TARGET, b"Transfer-Encoding: chunked") + b"1;", b"a"),
    "trailers byte by byte": (request(TARGET, b"Transfer-Encoding: chunked") + b"2\r\n[]\r\n0\r\n", b"a"),
    "headers byte by byte": (b"POST /produce/t HTTP/1.1\r\nHost: test\r\nX: ", b"a"),
    "headers line by line": (b"POST /produce/t HTTP/1.1\r\nHost: test\r\n", b"x: a\r\n"),
    "a target byte by byte": (b"GET /produce/t/", b"a"),
    "a body without credentials": (b"POST /produce/t HTTP/1.1\r\nHost: test\r\nContent-Length: 10000\r\n\r\n", b" "),
}


def test_a_slow_request_is_ended_in_time(besieged: Besieged) -> None:
    """With 408 for an answer, however it is slow."""
    began = time.monotonic()
    with ExitStack() as stack:
        callers = {name: stack.enter_context(dripping(besieged, *slow)) for name, slow in SLOW.items()}
        assert 200 == besieged.produce().status
        answers = {name: closed() for name, closed in callers.items()}
        took_s = time.monotonic() - began

    assert took_s < BODY_TIMEOUT_S + 5
    for name, answer in answers.items():
        assert answer.startswith((b"HTTP/1.1 408", b"HTTP/1.1 431", b"HTTP/1.1 400")), (name, answer)
        assert b"content-type: application/json" in answer, name
        assert b'"delivered":"no"' in answer, name


def test_a_stalled_body_is_408(besieged: Besieged) -> None:
    """In the one shape."""
    answer = exchange(besieged, request(TARGET, b"Content-Length: 100") + b"[")

    error = assert_refused(answer.responses[0], 408)
    assert ("BODY_TIMEOUT", True) == (error["reason"], error["retriable"])
    assert BODY_TIMEOUT_S - 1 < answer.took_s < BODY_TIMEOUT_S + 3


def cut(data: bytes) -> list[bytes]:
    """Return the beginnings of `data` that a caller may leave after."""
    return [data[:length] for length in (1, 10, len(data) // 2, len(data) - 1)]


@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
def test_half_a_request_leaves_nothing(besieged: Besieged, topic_name: Callable[[], str], *, reset: bool) -> None:
    """Neither a record nor an open connection, whether the caller closes or resets."""
    topic = topic_name()
    besieged.broker.create_topic(topic)
    good = json.dumps([{"value": "a"}] * 100).encode()
    whole = [
        request(f"/produce/{topic}".encode(), body=good),
        request(f"/produce/{topic}".encode(), b"Transfer-Encoding: chunked")
        + b"%x\r\n%s\r\n0\r\n\r\n" % (len(good), good),
        request(f"/produce/{topic}/m".encode(), method=b"GET"),
    ]
    idle = besieged.connections()
    for data in [part for request_ in whole for part in cut(request_)] * 10:
        connection = besieged.connect()
        connection.sendall(data)
        if reset:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()

    wait_for(lambda: besieged.connections() <= idle, "the gateway to close its side", timeout_s=BODY_TIMEOUT_S + 5)
    assert [] == read_topic(besieged.broker.bootstrap_servers, topic)


def test_a_caller_who_reads_nothing_costs_a_bounded_buffer(besieged: Besieged) -> None:
    """Its requests wait in its own socket; memory stays, and others are served."""
    processes = [*besieged.workers(), besieged.envoy()]
    body = json.dumps([{"value": "a"}] * 10_000).encode()
    before = memory_bytes(processes)
    with ExitStack() as stack:
        for _ in range(20):
            connection = stack.enter_context(socket.socket())
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.connect((LOOPBACK, besieged.port))
            connection.settimeout(1)
            # Each answer is a megabyte; what the gateway does not take stays with the caller.
            with contextlib.suppress(TimeoutError, ConnectionError):
                for _ in range(3):
                    connection.sendall(request(TARGET, body=body))
        answers = besieged.produce_for(1)
        peak = memory_bytes(processes)

    assert {200} <= {response.status for response, _ in answers} <= {200, 429}
    assert peak - before < 300 * MIB


def test_ten_thousand_idle_connections_leave_room_for_requests(besieged: Besieged) -> None:
    """Half of them silent, half in the middle of a request line; those who produce notice nothing."""
    processes = [*besieged.workers(), besieged.envoy()]
    before = memory_bytes(processes)
    with open_files_raised(2 * (_IDLE_CONNECTIONS + _SPARE_FILES)) as allowed, ExitStack() as stack:
        if allowed < _IDLE_CONNECTIONS + _SPARE_FILES:
            pytest.skip(f"a process may open {allowed} files here (ulimit -n)")
        for number in range(_IDLE_CONNECTIONS):
            connection = stack.enter_context(besieged.connect())
            # On closing, no port is left waiting for late packets.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            if number % 2:
                connection.sendall(_STARTED)
        answers = besieged.produce_for(3)
        peak = memory_bytes(processes)

    assert {200} == {response.status for response, _ in answers}
    assert statistics.median(took_s for _, took_s in answers) < 0.1
    assert peak - before < 600 * MIB


def test_connections_opened_and_closed_at_once_do_no_harm(besieged: Besieged) -> None:
    """Thousands, without a byte."""
    for number in range(5000):
        connection = besieged.connect()
        if number % 2:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()

    assert 200 == besieged.produce().status
