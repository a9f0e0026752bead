"""What a worker says of itself, asked through a real server."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest
from grpc import StatusCode, aio
from grpc_health.v1 import health_pb2

from tests.unit.rpc.served import Gateway
from twinpost_server.rpc.health import ROUTING_SERVICE

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
SERVICE_UNKNOWN = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN
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
    gateway.health.set_routable(routable=routable)
    gateway.health.set_brokers_reachable(reachable=reachable)
    assert expected == await told(gateway)


async def test_watchers_are_told_of_changes(gateway: Gateway) -> None:
    """A balancer that watches need not ask."""
    watch: aio.UnaryStreamMultiCallable[bytes, bytes] = gateway.channel.unary_stream(f"/{SERVICE}/Watch")
    watching = aiter(watch(health_pb2.HealthCheckRequest(service=ROUTING_SERVICE).SerializeToString()))
    async with asyncio.timeout(5):
        assert NOT_SERVING == status(await anext(watching))
        gateway.health.set_routable(routable=True)
        assert SERVING == status(await anext(watching))


async def test_other_services_are_not_found(gateway: Gateway) -> None:
    """The REST service is Envoy's business and says nothing of itself."""
    request = health_pb2.HealthCheckRequest(service="twinpost.v1.ProducerRestService")
    with pytest.raises(aio.AioRpcError) as refused:
        await gateway.call(request, method=f"{SERVICE}/Check")
    assert StatusCode.NOT_FOUND is refused.value.code()


async def test_watcher_that_does_not_read_holds_nobody_up(gateway: Gateway) -> None:
    """Changes go past it, and its status is the latest once it reads."""
    context = cast("Any", None)
    slow = gateway.health.watch(health_pb2.HealthCheckRequest(service=ROUTING_SERVICE), context)
    assert NOT_SERVING == (await anext(slow)).status
    for routable in (True, False, True):
        gateway.health.set_routable(routable=routable)
    assert [SERVING, NOT_SERVING, NOT_SERVING] == await told(gateway)
    assert SERVING == (await anext(slow)).status


async def test_change_while_a_status_is_written_is_told(gateway: Gateway) -> None:
    """Also where it comes between a status and the wait for the next."""
    watching = gateway.health.watch(health_pb2.HealthCheckRequest(service=ROUTING_SERVICE), cast("Any", None))
    assert NOT_SERVING == (await anext(watching)).status
    following = asyncio.ensure_future(anext(watching))
    gateway.health.set_routable(routable=True)
    async with asyncio.timeout(5):
        assert SERVING == (await following).status


@pytest.mark.parametrize(
    ("service", "expected"), [(ROUTING_SERVICE, [SERVING, NOT_SERVING]), ("unknown", [SERVICE_UNKNOWN])]
)
async def test_drain_ends_the_watch(gateway: Gateway, service: str, expected: list[int]) -> None:
    """A watcher learns that nothing serves any more; a service that is not known may be watched as well."""
    gateway.health.set_routable(routable=True)
    watch: aio.UnaryStreamMultiCallable[bytes, bytes] = gateway.channel.unary_stream(f"/{SERVICE}/Watch")
    watching = watch(health_pb2.HealthCheckRequest(service=service).SerializeToString())
    async with asyncio.timeout(5):
        statuses = [status(await anext(aiter(watching)))]
        gateway.health.drain()
        statuses += [status(answer) async for answer in watching]
    assert expected == statuses
    assert SERVING == (await told(gateway))[0]
