"""Whether the cluster answers."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from enum import Enum
from typing import Final

import structlog
from confluent_kafka import KafkaError, KafkaException

from twinpost_server.kafka.cluster_admin import ClusterAdmin

__all__ = ["ClusterState", "Connectivity"]

_PROBE_INTERVAL_S: Final = 1.0
_FAILURES_TO_DOWN: Final = 2
"""Probes that fail one after another before the cluster counts as down: one may be lost to a leader that moves."""

_CONFIRMATION_TTL_S: Final = 2.0
"""How long an acknowledgement speaks for the cluster."""

_log = structlog.get_logger(__name__)


class ClusterState(Enum):
    """What is known of the cluster."""

    UNKNOWN = "unknown"
    UP = "up"
    DOWN = "down"
    AUTHENTICATION_FAILED = "authentication failed"


class Connectivity:
    """Asks the cluster every second whether it is there.

    A producer tells of trouble only while it has something to send, and of recovery not at all; the probe knows both
    within seconds. Lives on the loop's thread.

    Attributes:
        state: what the last probes said.
    """

    def __init__(self, admin: ClusterAdmin, *, on_change: Callable[[ClusterState], None]) -> None:
        """Probe through `admin`, and call `on_change` on the loop whenever `state` changes."""
        self._admin = admin
        self._on_change = on_change
        self._probe_now = asyncio.Event()
        self._failures = 0
        self._confirmed_at = -math.inf
        self.state = ClusterState.UNKNOWN

    async def run(self) -> None:
        """Probe until cancelled."""
        while True:
            self._probe_now.clear()
            try:
                await self._probe()
            except Exception:  # noqa: BLE001 - see below
                # A probe that ends for good would freeze the state, and readiness would lie from then on.
                _log.exception("cluster probe failed")
            try:
                async with asyncio.timeout(_PROBE_INTERVAL_S):
                    await self._probe_now.wait()
            except TimeoutError:
                pass

    def confirm(self) -> None:
        """Note that a broker has just acknowledged something: whatever the probes say, the cluster is there."""
        self._confirmed_at = asyncio.get_running_loop().time()

    def suspect(self) -> None:
        """Probe at once: the producer has met trouble."""
        if self.state is ClusterState.UP:
            self._failures = max(self._failures, _FAILURES_TO_DOWN - 1)
            self._probe_now.set()

    async def _probe(self) -> None:
        try:
            await self._admin.probe()
        except KafkaException as exception:
            self._failures += 1
            errors = [exception.args[0], *self._admin.take_errors()]
            cause = errors[-1].str()
            if any(error.code() in _AUTHENTICATION_ERRORS for error in errors):
                self._change(ClusterState.AUTHENTICATION_FAILED, cause)
            elif asyncio.get_running_loop().time() - self._confirmed_at < _CONFIRMATION_TTL_S:
                self._failures = 0
            elif self.state is ClusterState.AUTHENTICATION_FAILED:
                # Brokers hang up on whom they refuse: what they said last holds until one of them answers.
                pass
            elif self._failures >= _FAILURES_TO_DOWN or self.state is ClusterState.UNKNOWN:
                self._change(ClusterState.DOWN, cause)
        else:
            self._failures = 0
            # Complaints of a connection that has recovered must not be read as those of the next outage.
            self._admin.take_errors()
            self._change(ClusterState.UP, "")

    def _change(self, state: ClusterState, cause: str) -> None:
        if state is not self.state:
            tell = _log.info if state is ClusterState.UP else _log.error
            tell("cluster state changed", before=self.state.value, now=state.value, cause=cause)
            self.state = state
            self._on_change(state)


_AUTHENTICATION_ERRORS: Final = frozenset({KafkaError._AUTHENTICATION, KafkaError.SASL_AUTHENTICATION_FAILED})
