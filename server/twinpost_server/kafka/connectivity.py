"""Whether the cluster answers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from enum import Enum
from typing import Final

import structlog
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from twinpost_server.kafka.client_config import ClientConfig
from twinpost_server.kafka.log import client_logger

__all__ = ["ClusterState", "Connectivity"]

_PROBE_INTERVAL_S: Final = 1.0
_PROBE_TIMEOUT_S: Final = 2.0
_FAILURES_TO_DOWN: Final = 2
"""Probes that fail one after another before the cluster counts as down: one may be lost to a leader that moves."""

_log = structlog.get_logger(__name__)


class ClusterState(Enum):
    """What is known of the cluster."""

    UNKNOWN = "unknown"
    UP = "up"
    DOWN = "down"
    AUTHENTICATION_FAILED = "authentication failed"


class Connectivity:
    """Asks the cluster every second whether it is there, through a connection of its own.

    A producer tells of trouble only while it has something to send, and of recovery not at all; the probe
    (`DescribeCluster`, which needs no right and names no topic) knows both within seconds. Lives on the loop's thread.

    Attributes:
        state: what the last probes said.
    """

    def __init__(self, config: ClientConfig, *, on_change: Callable[[ClusterState], None]) -> None:
        """Probe the cluster of `config`, and call `on_change` on the loop whenever `state` changes."""
        self._on_change = on_change
        # The stubs know no callbacks in a configuration; the documentation does.
        self._admin = AdminClient(dict(config) | {"error_cb": self._note_error}, logger=client_logger())  # type: ignore[arg-type]
        self._probe_now = asyncio.Event()
        self._failures = 0
        self._authentication_failed = False
        self._cause = ""
        self.state = ClusterState.UNKNOWN

    async def run(self) -> None:
        """Probe until cancelled."""
        while True:
            self._probe_now.clear()
            await self._probe()
            try:
                async with asyncio.timeout(_PROBE_INTERVAL_S):
                    await self._probe_now.wait()
            except TimeoutError:
                pass

    def suspect(self) -> None:
        """Probe at once: the producer has met trouble."""
        if self.state is ClusterState.UP:
            self._failures = max(self._failures, _FAILURES_TO_DOWN - 1)
            self._probe_now.set()

    async def _probe(self) -> None:
        self._authentication_failed = False
        try:
            await asyncio.wrap_future(self._admin.describe_cluster(request_timeout=_PROBE_TIMEOUT_S))
        except KafkaException as exception:
            self._failures += 1
            self._cause = exception.args[0].str()
            self._admin.poll(0)
            if self._authentication_failed:
                self._change(ClusterState.AUTHENTICATION_FAILED)
            elif self._failures >= _FAILURES_TO_DOWN or self.state is ClusterState.UNKNOWN:
                self._change(ClusterState.DOWN)
        else:
            self._failures = 0
            self._cause = ""
            self._change(ClusterState.UP)

    def _note_error(self, error: KafkaError) -> None:
        # A refused password or a name that does not resolve shows here only; the probe itself just times out. Runs
        # inside `poll`, so on the loop's thread.
        self._cause = error.str()
        if error.code() in _AUTHENTICATION_ERRORS:
            self._authentication_failed = True

    def _change(self, state: ClusterState) -> None:
        if state is not self.state:
            tell = _log.info if state is ClusterState.UP else _log.error
            tell("cluster state changed", before=self.state.value, now=state.value, cause=self._cause)
            self.state = state
            self._on_change(state)


_AUTHENTICATION_ERRORS: Final = frozenset(
    {
        KafkaError._AUTHENTICATION,  # noqa: SLF001 - librdkafka's public name
        KafkaError.SASL_AUTHENTICATION_FAILED,
    }
)
