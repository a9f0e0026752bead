"""The processes of a running gateway, found by their parent."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psutil

from tests.brokers.liveness import alive, command
from tests.gateway.process import Gateway

__all__ = ["envoy", "family", "memory_bytes", "supervisor_suspended", "workers"]


def family(gateway: Gateway) -> list[psutil.Process]:
    """Return every process of `gateway`, the supervisor first."""
    supervisor = psutil.Process(gateway.pid)
    return [supervisor, *supervisor.children(recursive=True)]


def workers(gateway: Gateway) -> list[psutil.Process]:
    """Return the worker processes of `gateway`."""
    return [process for process in _children(gateway) if "twinpost_server.worker" in command(process)]


def envoy(gateway: Gateway) -> psutil.Process:
    """Return the Envoy process of `gateway`; it must run."""
    (process,) = (process for process in _children(gateway) if process.name() == "envoy")
    return process


@contextmanager
def supervisor_suspended(gateway: Gateway) -> Iterator[None]:
    """Keep the supervisor of `gateway` from mending anything until the end of the block."""
    supervisor = psutil.Process(gateway.pid)
    supervisor.suspend()
    try:
        yield
    finally:
        supervisor.resume()


def memory_bytes(processes: list[psutil.Process]) -> int:
    """Return the resident memory of `processes` together."""
    return sum(process.memory_info().rss for process in processes)


def _children(gateway: Gateway) -> list[psutil.Process]:
    return [process for process in psutil.Process(gateway.pid).children() if alive(process)]
