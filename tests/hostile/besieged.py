"""A gateway that is attacked, and the proof that it took no harm."""

from __future__ import annotations

import contextlib
import resource
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from tests.brokers.embedded import EmbeddedBroker
from tests.brokers.ports import LOOPBACK
from tests.brokers.waiting import wait_for
from tests.faults.processes import envoy, workers
from tests.gateway.process import Gateway
from tests.gateway.rest import RestResponse

__all__ = ["BODY_TIMEOUT_S", "TOPIC", "Besieged", "open_files_raised"]

TOPIC = "besieged"
"""The topic that exists."""

BODY_TIMEOUT_S = 2
"""How long a body may take: short, so that tests are."""

_CONNECT_TIMEOUT_S = 10.0
_ANSWER_TIMEOUT_S = 10.0


class Besieged:
    """`twinpost serve` in front of an embedded broker.

    Attributes:
        gateway: the gateway.
        port: its public port.
        broker: the broker, which holds one topic.
    """

    def __init__(self, gateway: Gateway, broker: EmbeddedBroker) -> None:
        """Watch `gateway`, which must be ready."""
        self.gateway = gateway
        self.port = gateway.port
        self.broker = broker
        self._pids = self._running()

    @classmethod
    @contextmanager
    def running(
        cls,
        directory: Path,
        users_file: Path,
        settings: Mapping[str, Mapping[str, Any]],
        *,
        detour: Callable[[int], int] | None = None,
    ) -> Iterator[Besieged]:
        """Run a gateway until the end of the block; it must stop cleanly then.

        Args:
            directory: where it runs and logs.
            users_file: who may call.
            settings: by section.
            detour: the way from the gateway to the broker, as `EmbeddedBroker` takes it.
        """
        broker = EmbeddedBroker(directory, detour=detour)
        try:
            broker.create_topic(TOPIC)
            own: dict[str, Mapping[str, Any]] = {
                "kafka": {"bootstrap_servers": broker.bootstrap_servers},
                "auth": {"users_file": str(users_file)},
                "timeouts": {"body_timeout_s": BODY_TIMEOUT_S},
            }
            gateway = Gateway.serve(directory, {**own, **settings})
            try:
                yield cls(gateway, broker)
            finally:
                code = gateway.stop()
            assert 0 == code
        finally:
            broker.close()

    def connect(self) -> socket.socket:
        """Return a new connection to the public port."""
        return socket.create_connection((LOOPBACK, self.port), _CONNECT_TIMEOUT_S)

    def produce(self) -> RestResponse:
        """Send one good message and return the answer."""
        target = f"/produce/{TOPIC}"
        return self.gateway.rest.send("POST", target, body=b'{"value": "good"}', timeout_s=_ANSWER_TIMEOUT_S)

    def produce_for(self, seconds: float) -> list[tuple[RestResponse, float]]:
        """Send good messages one after the other for `seconds`; return each answer and the seconds it took."""
        answers = []
        until = time.monotonic() + seconds
        while (began := time.monotonic()) < until:
            answers.append((self.produce(), time.monotonic() - began))
        return answers

    def workers(self) -> list[psutil.Process]:
        """Return the worker processes."""
        return workers(self.gateway)

    def envoy(self) -> psutil.Process:
        """Return the Envoy process."""
        return envoy(self.gateway)

    def connections(self) -> int:
        """Return how many connections to the public port the gateway holds open."""
        return sum(
            connection.status == psutil.CONN_ESTABLISHED and connection.laddr.port == self.port
            for connection in self.envoy().net_connections("tcp")
        )

    def assert_unharmed(self) -> None:
        """Assert that the processes are those of the beginning, and that a good message is stored."""

        def served() -> bool:
            with contextlib.suppress(OSError):
                return 200 == self.produce().status
            return False

        wait_for(
            served, lambda: f"a good message stored; the gateway's log: {self.gateway.log()[-2000:]}", timeout_s=10
        )
        assert self._pids == self._running()

    def _running(self) -> set[int]:
        return {process.pid for process in (*self.workers(), self.envoy())}


@contextmanager
def open_files_raised(wanted: int) -> Iterator[int]:
    """Let this process, and those it starts in the block, open up to `wanted` files; yield how many it may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, allowed), hard))
    try:
        yield max(soft, allowed)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
