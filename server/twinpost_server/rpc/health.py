"""`grpc.health.v1.Health`: what a worker says of itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Final

from grpc import StatusCode
from grpc.aio import ServicerContext
from grpc_health.v1 import health_pb2

__all__ = ["ROUTING_SERVICE", "Health"]

ROUTING_SERVICE: Final = "twinpost.routing"
"""Envoy routes to a worker while this serves: it takes requests, be it to answer them with 503."""

_READY_SERVICES: Final = ("", "twinpost.v1.ProducerService")
"""Clients and /readyz ask for these: the worker takes requests and the brokers answer."""

_Context = ServicerContext[health_pb2.HealthCheckRequest, health_pb2.HealthCheckResponse]
_Status = health_pb2.HealthCheckResponse


class Health:
    """Holds the two truths of a worker, routable and ready, and tells whoever asks or watches.

    grpc's own servicer waits for its watchers with every change, and so for ever for one that does not read. Here a
    change waits for nobody, and whoever is slow gets the latest. Lives on the loop's thread.
    """

    def __init__(self) -> None:
        """Start as neither routable nor ready."""
        self._routable = False
        self._brokers_reachable = False
        self._draining = False
        self._changed = asyncio.Event()

    def set_routable(self, *, routable: bool) -> None:
        """Note whether the worker takes requests."""
        self._routable = routable
        self._wake_watchers()

    def set_brokers_reachable(self, *, reachable: bool) -> None:
        """Note whether the cluster answers."""
        self._brokers_reachable = reachable
        self._wake_watchers()

    def drain(self) -> None:
        """Tell every watcher that nothing serves any more, and end its stream; who asks is told the truth as before."""
        self._draining = True
        self._wake_watchers()

    async def check(self, request: health_pb2.HealthCheckRequest, context: _Context) -> health_pb2.HealthCheckResponse:
        """Answer `Check`: the present status."""
        status = self._status(request.service)
        if status == _Status.SERVICE_UNKNOWN:
            await context.abort(StatusCode.NOT_FOUND)
        return health_pb2.HealthCheckResponse(status=status)

    async def watch(
        self,
        request: health_pb2.HealthCheckRequest,
        context: _Context,  # noqa: ARG002 - grpc's signature
    ) -> AsyncIterator[health_pb2.HealthCheckResponse]:
        """Answer `Watch`: the present status, and every one that follows, until the drain."""
        told: int | None = None
        while True:
            # Taken before the status: a change while it is being written has set this one.
            changed = self._changed
            status = self._status(request.service)
            if self._draining and status == _Status.SERVING:
                status = _Status.NOT_SERVING
            if status != told:
                yield health_pb2.HealthCheckResponse(status=status)
                told = status
            elif self._draining:
                return
            else:
                await changed.wait()

    def _status(self, service: str) -> Any:  # noqa: ANN401 - the stubs have no name for an enum's value
        if service == ROUTING_SERVICE:
            serving = self._routable
        elif service in _READY_SERVICES:
            serving = self._routable and self._brokers_reachable
        else:
            return _Status.SERVICE_UNKNOWN
        return _Status.SERVING if serving else _Status.NOT_SERVING

    def _wake_watchers(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()
