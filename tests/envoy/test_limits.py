"""What callers may hold at once, and what happens to those who hold more."""

from __future__ import annotations

import contextlib
import socket
import subprocess
from pathlib import Path

import grpc

from tests.envoy import http2
from tests.envoy.errors import assert_error
from tests.envoy.front import Front, envoy_command, eventually, parse_settings
from twinpost_server.core.errors import Delivered, Reason
from twinpost_server.envoy.configuration import render

_CANCEL = 8


def test_a_connection_over_the_limit_is_closed_at_once() -> None:
    """Those that are open live on (limits.connections_max)."""
    with Front.started(limits={"connections_max": 3}) as front, contextlib.ExitStack() as stack:
        eventually(lambda: 0 == front.stat("http.public.downstream_cx_active"))
        opened = [stack.enter_context(front.connect()) for _ in range(5)]
        answers = []
        for connection in opened:
            # The kernel accepts for Envoy, which closes afterwards.
            with contextlib.suppress(ConnectionError):
                connection.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
                answers.append(connection.recv(12))

    assert 3 == answers.count(b"HTTP/1.1 200")


def test_without_memory_new_requests_are_429_until_there_is_some() -> None:
    """Bodies on their way in fill the heap (envoy.heap_bytes_max)."""
    head = b"POST /produce/t HTTP/1.1\r\nHost: x\r\nContent-Length: 14000000\r\n\r\n"
    with Front.started(envoy={"heap_bytes_max": 64 * 1024 * 1024}) as front, front.worker():
        with contextlib.ExitStack() as stack:
            for _ in range(4):
                stack.enter_context(front.connect()).sendall(head + b"x" * 13_500_000)
            eventually(lambda: 200 != front.send(b"/produce/t").status)
            assert_error(front.send(b"/produce/t"), 429, Reason.OVERLOADED, Delivered.NO)
            end = front.call("/twinpost.v1.ProducerService/Produce")
            assert (grpc.StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED") == (end.code, end.error_info.reason)
        eventually(lambda: 200 == front.send(b"/produce/t").status)


def test_a_caller_who_does_not_read_is_cut_off(brisk_front: Front) -> None:
    """Its answer does not lie in memory for ever."""
    with brisk_front.connect() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.sendall(b"GET /produce/t?stub=bytes:8000000 HTTP/1.1\r\nHost: x\r\n\r\n")
        eventually(lambda: brisk_front.stat("http.public.downstream_cx_tx_bytes_buffered") > 1_000_000)
        eventually(lambda: 0 == brisk_front.stat("http.public.downstream_cx_tx_bytes_buffered"))


def test_an_idle_connection_is_closed(brisk_front: Front) -> None:
    """After timeouts.idle_timeout_s."""
    with brisk_front.connect() as connection:
        assert b"" == connection.recv(1)


def test_opening_and_resetting_streams_in_a_row_ends_the_connection(front: Front) -> None:
    """CVE-2023-44487; other connections notice nothing."""
    with front.connect() as connection:
        request = http2.get(b"/produce/t?stub=hang")
        attack = [http2.headers_frames(s, request) + http2.rst_stream(s, _CANCEL) for s in range(1, 20_000, 2)]
        with contextlib.suppress(ConnectionError):
            connection.sendall(http2.PREFACE + b"".join(attack))
            while connection.recv(65_536):
                pass  # A connection that lives on says nothing more, and runs into its time-out.

    assert 200 == front.send(b"/produce/t").status


def test_a_hundred_thousand_headers_end_their_stream(front: Front) -> None:
    """Without the rest of the process noticing."""
    with front.connect() as connection:
        headers = http2.get(b"/produce/t", *[(b"h", b"")] * 100_000)
        last = http2.exchange(connection, headers)[-1]

    assert http2.Kind.RST_STREAM == last.kind
    assert 200 == front.send(b"/produce/t").status


def test_two_gateways_cannot_share_a_port(front: Front, tmp_path: Path) -> None:
    """The second one says so and ends, instead of taking half of the connections."""
    configuration = tmp_path / "envoy.yaml"
    configuration.write_text(render(parse_settings(listen={"port": front.port}), tmp_path), encoding="utf-8")
    second = subprocess.run(envoy_command(configuration), capture_output=True, text=True, timeout=20, check=False)

    assert 1 == second.returncode
    assert f"cannot bind '127.0.0.1:{front.port}': Address already in use" in second.stderr
