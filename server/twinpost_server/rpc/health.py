"""`grpc.health.v1.Health`: what a worker says of itself."""

from __future__ import annotations

from typing import Final

from grpc_health.v1 import health_pb2
from grpc_health.v1._async import HealthServicer

__all__ = ["ROUTING_SERVICE", "Health"]

ROUTING_SERVICE: Final = "twinpost.routing"
"""Envoy routes to a worker while this serves: it takes requests, be it to answer them with 503."""

_READY_SERVICES: Final = ("", "twinpost.v1.ProducerService")
"""Clients and /readyz ask for these: the worker takes requests and the brokers answer."""


class Health:
    """Holds the two truths of a worker, routable and ready, and tells whoever asks or watches.

    Attributes:
        servicer: what to register with the server.
    """

    def __init__(self) -> None:
        """Start as neither routable nor ready."""
        self.servicer = HealthServicer()
        self._routable = False
        self._brokers_reachable = False

    async def set_routable(self, *, routable: bool) -> None:
        """Note whether the worker takes requests."""
        self._routable = routable
        await self.tell()

    async def set_brokers_reachable(self, *, reachable: bool) -> None:
        """Note whether the cluster answers."""
        self._brokers_reachable = reachable
        await self.tell()

    async def tell(self) -> None:
        """Tell both truths as they are; call before serving, since grpc's servicer starts with claims of its own."""
        await self.servicer.set(ROUTING_SERVICE, _status(serving=self._routable))
        for service in _READY_SERVICES:
            await self.servicer.set(service, _status(serving=self._routable and self._brokers_reachable))


def _status(*, serving: bool) -> int:
    return health_pb2.HealthCheckResponse.SERVING if serving else health_pb2.HealthCheckResponse.NOT_SERVING
