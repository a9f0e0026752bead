"""Envoy's admin interface."""

from __future__ import annotations

import asyncio
import json
import socket
import weakref
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any, Final

from twinpost_server.polling import until

__all__ = ["LASTING_CLUSTER", "READY_CLUSTER", "ROUTING_CLUSTER", "AdminUnreachable", "EnvoyAdmin", "EnvoyPulse"]

ROUTING_CLUSTER: Final = "twinpost"
"""The workers that requests are sent to."""

LASTING_CLUSTER: Final = "twinpost_lasting"
"""The same workers, for streams that need no credentials."""

READY_CLUSTER: Final = "twinpost_ready"
"""The workers that can produce, which /readyz is computed from."""

_LISTENER: Final = "public"
_OK: Final = 200


class AdminUnreachable(Exception):
    """Envoy did not answer on its admin socket, or not with success.

    Attributes:
        path: what was asked.
    """

    def __init__(self, path: str, problem: str) -> None:
        """Name the question and what came instead of an answer."""
        super().__init__(f"Envoy's admin interface did not answer {path}: {problem}")
        self.path = path


@dataclass(frozen=True, slots=True)
class EnvoyAdmin:
    """A client of Envoy's admin interface on a unix socket; each call is a connection of its own.

    Every method but `is_live` raises `AdminUnreachable`; all may be called from any task.

    Attributes:
        socket: the unix socket.
        timeout_s: how long a single step of a call may take.
    """

    socket: Path
    timeout_s: float = 2.0

    async def is_live(self) -> bool:
        """Return whether Envoy has started: its public port is open. Raises nothing."""
        try:
            await self._ask("GET", "/ready")
        except AdminUnreachable:
            return False
        return True

    async def fail_readiness(self) -> None:
        """Make /readyz answer 503 from now on; everything else goes on as before."""
        await self._ask("POST", "/healthcheck/fail")

    async def drain(self) -> None:
        """Make /readyz answer 503 and tell callers to leave: `Connection: close`, on HTTP/2 GOAWAY.

        New connections and requests are still taken. Answers of requests in flight are not cut off.
        """
        await self.fail_readiness()
        await self._ask("POST", "/drain_listeners?graceful&skip_exit")

    async def stop_listening(self) -> None:
        """Close the public port: new connections are refused, those that are open live on.

        Returns once the port is closed; the caller sets the deadline.
        """
        await self._ask("POST", "/drain_listeners")
        # Envoy answers before its threads have stopped to listen, and closes the port once all of them have:
        # https://github.com/envoyproxy/envoy/issues/8031.
        await until(self._has_stopped_listening)

    async def active_requests(self) -> int:
        """Return how many requests of the public port are not answered yet, streams included."""
        return await self._stat(f"http.{_LISTENER}.downstream_rq_active")

    async def host_health(self) -> Mapping[str, Mapping[Path, bool]]:
        """Return for each cluster, by name, which worker sockets Envoy holds for healthy."""
        clusters = await self._ask_json("/clusters?format=json")
        return {
            cluster["name"]: {
                Path(host["address"]["pipe"]["path"]): not host["health_status"].get("failed_active_health_check")
                for host in cluster.get("host_statuses", ())
            }
            for cluster in clusters["cluster_statuses"]
        }

    async def _has_stopped_listening(self) -> bool:
        return await self._stat("listener_manager.listener_stopped") > 0

    async def _stat(self, name: str) -> int:
        stats = await self._ask_json(f"/stats?format=json&filter=^{name}$")
        return sum(stat["value"] for stat in stats["stats"] if stat.get("name") == name)

    async def _ask_json(self, path: str) -> Any:  # noqa: ANN401 - the shape is Envoy's
        return json.loads(await self._ask("GET", path))

    async def _ask(self, method: str, path: str) -> bytes:
        return await asyncio.to_thread(self._ask_blocking, method, path)

    def _ask_blocking(self, method: str, path: str) -> bytes:
        connection = _UnixConnection(self.socket, self.timeout_s)
        try:
            connection.request(method, path)
            response = connection.getresponse()
            body = response.read()
        except (OSError, HTTPException) as error:
            raise AdminUnreachable(path, str(error) or repr(error)) from error
        finally:
            connection.close()
        if response.status != _OK:
            raise AdminUnreachable(path, f"{response.status} {response.reason}")
        return body


class EnvoyPulse:
    """Whether Envoy does anything at all, asked over one connection; one task at a time may do so.

    The connection is kept: an Envoy that has no descriptor left for another one does not hang.
    """

    def __init__(self, socket: Path, *, timeout_s: float) -> None:
        """Ask the admin interface at the unix socket `socket`, and wait so long for each answer."""
        self._connection = _UnixConnection(socket, timeout_s)
        # Nobody has to tell it that Envoy has ended.
        weakref.finalize(self, self._connection.close)

    async def beats(self) -> bool:
        """Return `False` where a question was put and no answer came in time, and nowhere else. Raises nothing."""
        return await asyncio.to_thread(self._ask)

    def _ask(self) -> bool:
        try:
            # Not /ready, which says 503 from the drain on.
            self._connection.request("GET", "/memory")
            self._connection.getresponse().read()
        except TimeoutError:
            self._connection.close()
            return False
        except (OSError, HTTPException):
            # Gone, not yet there, or no descriptor left on our side: the next question makes a new one.
            self._connection.close()
        return True


class _UnixConnection(HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: Path, timeout_s: float) -> None:
        super().__init__("admin", timeout=timeout_s)
        self._path = path

    def connect(self) -> None:
        """Connect to the socket instead of a host."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))
