"""More connections that are open and idle."""

from __future__ import annotations

import resource
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Final

from bench.scale.gateway import at_rest, lone_requests, memory_mib
from bench.scale_results import Point
from bench.stage import Stage
from tests.brokers.ports import LOOPBACK

__all__ = ["more_connections"]

_COUNTS: Final = (0, 1_000, 5_000, 10_000)
_REQUEST: Final = b"GET /livez HTTP/1.1\r\nHost: bench\r\n\r\n"
_ANSWER_TIMEOUT_S: Final = 10.0
_SPARE_FILES: Final = 100


def more_connections(stage: Stage) -> Iterator[Point]:
    """Yield what a gateway takes with more and more idle connections, each of which has had an answer.

    Raises:
        OSError: the operating system does not let this process open so many.
    """
    # What the supervisor and Envoy may open is inherited from here.
    _raise_file_limit(_COUNTS[-1] + _SPARE_FILES)
    for count in _COUNTS:
        with stage.gateway() as gateway, _open(gateway.port, count):
            lone = lone_requests(gateway)
            yield Point(count, {**memory_mib(gateway), **at_rest(gateway), **lone})


@contextmanager
def _open(port: int, count: int) -> Iterator[None]:
    with ExitStack() as stack:
        for _ in range(count):
            connection = stack.enter_context(socket.create_connection((LOOPBACK, port), timeout=_ANSWER_TIMEOUT_S))
            connection.sendall(_REQUEST)
            answer = connection.recv(4096)
            if not answer.startswith(b"HTTP/1.1 200"):
                msg = f"an idle connection was not taken: {answer!r}"
                raise ConnectionError(msg)
        yield


def _raise_file_limit(wanted: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < wanted:
        resource.setrlimit(
            resource.RLIMIT_NOFILE, (min(wanted, hard) if hard != resource.RLIM_INFINITY else wanted, hard)
        )
