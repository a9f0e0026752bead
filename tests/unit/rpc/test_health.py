"""What a worker says of itself, asked through a real server."""

from __future__ import annotations

import asyncio

import pytest
from grpc import StatusCode, aio
from grpc_health.v1 import health_pb2

from tests.unit.rpc.served import Gateway
from twinpost_server.rpc.health import ROUTING_SERVICE

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
SERVICE = "grpc.health.v1.Health"
READY_SERVICES = ("", "twinpost.v1.ProducerService")


def status(answer: bytes) -> int:
    """Return the status in a serialized answer."""
    return health_pb2.HealthCheckResponse.FromString(answer).status


async def told(gateway: Gateway) -> list[int]:
    """Ask for routing, then for both names of readiness."""
    requests = (health_pb2.HealthCheckRequest(service=service) for service in (ROUTING_SERVICE, *READY_SERVICES))
    return [status(await gateway.call(request, method=f"{SERVICE}/Check")) for request in requests]


async def test_worker_starts_as_neither_routable_nor_ready(gateway: Gateway) -> None:
    """Nothing is claimed before it is known."""
    assert [NOT_SERVING] * 3 == await told(gateway)


@pytest.mark.parametrize(
    ("routable", "reachable", "expected"),
    [
        (True, False, [SERVING, NOT_SERVING, NOT_SERVING]),
        (True, True, [SERVING, SERVING, SERVING]),
        (False, True, [NOT_SERVING, NOT_SERVING, NOT_SERVING]),
        (False, False, [NOT_SERVING, NOT_SERVING, NOT_SERVING]),
    ],
)
async def test_ready_is_routable_with_brokers(
    gateway: Gateway, expected: list[int], *, routable: bool, reachable: bool
) -> None:
    """A worker without brokers still takes requests, to answer them with 503."""
    await gateway.health.set_routable(routable=routable)
    await gateway.health.set_brokers_reachable(reachable=reachable)
    assert expected == await told(gateway)


async def test_watchers_are_told_of_changes(gateway: Gateway) -> None:
    """A balancer that watches need not ask."""
    watch: aio.UnaryStreamMultiCallable[bytes, bytes] = gateway.channel.unary_stream(f"/{SERVICE}/Watch")
    watching = aiter(watch(health_pb2.HealthCheckRequest(service=ROUTING_SERVICE).SerializeToString()))
    async with asyncio.timeout(5):
        assert NOT_SERVING == status(await anext(watching))
        await gateway.health.set_routable(routable=True)
        assert SERVING == status(await anext(watching))


async def test_other_services_are_not_found(gateway: Gateway) -> None:
    """The REST service is Envoy's business and says nothing of itself."""
    request = health_pb2.HealthCheckRequest(service="twinpost.v1.ProducerRestService")
    with pytest.raises(aio.AioRpcError) as refused:
        await gateway.call(request, method=f"{SERVICE}/Check")
    assert StatusCode.NOT_FOUND is refused.value.code()
