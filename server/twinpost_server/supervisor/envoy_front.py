"""Envoy, as the supervisor uses it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

import structlog

from twinpost_server.config.settings import Settings
from twinpost_server.envoy.admin import READY_CLUSTER, ROUTING_CLUSTER, AdminUnreachable, EnvoyAdmin, EnvoyPulse
from twinpost_server.envoy.binary import envoy_binary
from twinpost_server.envoy.configuration import render
from twinpost_server.polling import until
from twinpost_server.supervisor.program import Program, Recipe
from twinpost_server.supervisor.run_directory import RunDirectory
from twinpost_server.supervisor.slots import Slot

__all__ = ["EnvoyFront"]

_STOP_TIMEOUT_S: Final = 1.0
"""How long Envoy may take to end. SIGTERM ends it at once, whatever it is doing."""

_QUIET_S: Final = 0.1
"""How long no request may be under way before the drain counts as done.

A connection that was accepted before the port closed may still bring its request: it is given this long to arrive.
"""

_QUIET_POLL_S: Final = 0.02

# Envoy's levels are a step louder than ours: it tells at `info` of its insides, and warns of every stop.
_LEVELS: Final = MappingProxyType({"debug": "info", "info": "warning", "warning": "error", "error": "error"})

# One JSON object a line, as the access log that shares the stream.
_LOG_FORMAT: Final = '{"ts":"%Y-%m-%dT%H:%M:%S.%eZ","level":"%l","process":"envoy","logger":"%n","event":"%j"}'

_log = structlog.get_logger(__name__)


class EnvoyFront:
    """Starts Envoy, asks it for the workers' health, and empties it before its end."""

    def __init__(self, settings: Settings, run_directory: RunDirectory) -> None:
        """Prepare; nothing is started yet."""
        self._settings = settings
        self._run_directory = run_directory
        self._admin = EnvoyAdmin(run_directory.envoy_admin_socket)

    async def start(self, on_up: Callable[[], None]) -> Program:
        """Write the configuration and start Envoy on it; `on_up` is called once the public port is open.

        Raises:
            OSError: the configuration cannot be written, or the process not be started.
        """
        configuration = self._run_directory.envoy_configuration
        configuration.write_text(render(self._settings, self._run_directory.path), encoding="utf-8")
        # What a killed Envoy left here would be asked for the health of the next one.
        self._run_directory.envoy_admin_socket.unlink(missing_ok=True)
        recipe = Recipe(
            "envoy",
            self._command(configuration),
            until_up=lambda: until(self._admin.is_live),
            on_output=_pass_on,
            is_awake=EnvoyPulse(self._run_directory.envoy_admin_socket, timeout_s=1.0).beats,
            readable=_event,
            stop_timeout_s=_STOP_TIMEOUT_S,
        )
        program = await Program.start(recipe, on_up)
        _log.info("envoy started", pid=program.pid)
        return program

    async def is_routed(self, slot: Slot) -> bool:
        """Return whether Envoy sends requests to the worker in `slot`."""
        return (await self._health()).get(ROUTING_CLUSTER, {}).get(slot.socket, False)

    async def may_replace(self, slot: Slot) -> bool:
        """Return whether the worker in `slot` does what another one does, so that the other one may go.

        It gets requests, and reaches the brokers unless no worker does. One that does not, for a password that is wrong
        by now, would answer 503 where the old one still serves.
        """
        health = await self._health()
        ready = health.get(READY_CLUSTER, {})
        return health.get(ROUTING_CLUSTER, {}).get(slot.socket, False) and (
            ready.get(slot.socket, False) or not any(ready.values())
        )

    async def is_ready(self) -> bool:
        """Return whether any worker reaches the brokers, which is what /readyz tells."""
        return any((await self._health()).get(READY_CLUSTER, {}).values())

    async def drain(self, end_streams: Callable[[], None]) -> None:
        """Take no new requests and wait for the answers to the others, each step under its deadline.

        1. /readyz says 503, and callers are told to leave with every answer, while connections and requests are still
           taken: balancers and callers see it within the grace period.
        2. The port is closed.
        3. `end_streams` is called: a stream may be open for as long as its caller likes. Not sooner, since who connects
           again is not to come back here.
        4. Every request under way is answered, or `drain_timeout_s` has passed.
        """
        timeouts = self._settings.timeouts
        try:
            await self._admin.drain()
            await asyncio.sleep(timeouts.drain_grace_s)
            async with asyncio.timeout(timeouts.drain_timeout_s):
                await self._admin.stop_listening()
                end_streams()
                await self._quiet()
        except TimeoutError:
            _log.warning(
                "requests were still under way at the end of the drain", drain_timeout_s=timeouts.drain_timeout_s
            )
        except AdminUnreachable as error:
            # It died a moment ago: there is nothing left to drain.
            _log.warning("envoy could not be drained", why=str(error))

    async def _quiet(self) -> None:
        loop = asyncio.get_running_loop()
        quiet_since = None
        while quiet_since is None or loop.time() - quiet_since < _QUIET_S:
            if await self._admin.active_requests() > 0:
                quiet_since = None
            elif quiet_since is None:
                quiet_since = loop.time()
            await asyncio.sleep(_QUIET_POLL_S)

    async def _health(self) -> Mapping[str, Mapping[Path, bool]]:
        try:
            return await self._admin.host_health()
        except AdminUnreachable:  # it is being started, maybe for the second time
            return {}

    def _command(self, configuration: Path) -> list[str]:
        envoy = self._settings.envoy
        return [
            str(envoy_binary(envoy)),
            *("-c", str(configuration)),
            *("--concurrency", str(envoy.concurrency)),
            # Its own restart without a gap is not used, and would leave shared memory behind.
            "--disable-hot-restart",
            # Whoever is told to leave is told so with the very next answer.
            *("--drain-strategy", "immediate"),
            *("--log-level", _LEVELS[self._settings.log.level]),
            *("--log-format", _LOG_FORMAT),
        ]


def _pass_on(output: bytes) -> None:
    """Write lines of Envoy to our standard error, between our own."""
    with contextlib.suppress(OSError):  # nobody reads it any more: no reason to leave Envoy stuck in a full pipe
        sys.stderr.flush()
        sys.stderr.buffer.write(output)
        sys.stderr.buffer.flush()


def _event(line: str) -> str:
    """Return what a line of Envoy's log says, for people; other lines as they are."""
    try:
        return str(json.loads(line)["event"])
    except (ValueError, TypeError, LookupError):
        return line
