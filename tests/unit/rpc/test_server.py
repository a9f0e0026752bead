"""The server itself."""

from __future__ import annotations

import asyncio
import dataclasses
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from grpc import StatusCode, aio
from grpc_reflection.v1alpha import reflection_pb2

from tests.unit.rpc.served import LIMITS, Gateway
from twinpost_server.config.settings import MIB, LimitSettings

REFLECTION = "grpc.reflection.v1alpha.ServerReflection"


async def test_reflection_shows_the_native_service_and_health(gateway: Gateway) -> None:
    """The REST service stays out of sight: it is no API of its own."""
    reflect: aio.StreamStreamMultiCallable[bytes, bytes] = gateway.channel.stream_stream(
        f"/{REFLECTION}/ServerReflectionInfo"
    )
    request = reflection_pb2.ServerReflectionRequest(list_services="")
    answers = [
        reflection_pb2.ServerReflectionResponse.FromString(answer)
        async for answer in reflect(iter([request.SerializeToString()]))
    ]
    names = {service.name for answer in answers for service in answer.list_services_response.service}
    expected = {
        "twinpost.v1.ProducerService",
        "grpc.health.v1.Health",
        REFLECTION,
    }
    assert expected == names


async def test_drain_ends_reflection(gateway: Gateway) -> None:
    """A tool keeps its stream open for as long as it runs; a worker does not wait for that."""
    reflect: aio.StreamStreamMultiCallable[bytes, bytes] = gateway.channel.stream_stream(
        f"/{REFLECTION}/ServerReflectionInfo"
    )
    call = reflect()
    request = reflection_pb2.ServerReflectionRequest(list_services="")
    await call.write(request.SerializeToString())
    async with asyncio.timeout(5):
        assert await call.read()
        assert gateway.reflection is not None
        gateway.reflection.drain()
        with pytest.raises(aio.AioRpcError) as ended:
            await call.read()
    # Not OK, which would say of a question that was not read yet that there is no answer.
    assert StatusCode.UNAVAILABLE is ended.value.code()


async def test_reflection_can_be_left_out(socket_directory: Path) -> None:
    """A setting for those who would rather not show their services."""
    async with Gateway.opened(socket_directory, reflection_enabled=False) as gateway:
        with pytest.raises(aio.AioRpcError) as refused:
            await gateway.call(b"", method=f"{REFLECTION}/ServerReflectionInfo")
    assert StatusCode.UNIMPLEMENTED is refused.value.code()


async def test_server_that_stops_leaves_the_socket_to_another(socket_directory: Path) -> None:
    """A worker whose gateway was killed still drains while the next gateway has started in the same directory."""
    async with AsyncExitStack() as orphan:
        await orphan.enter_async_context(Gateway.opened(socket_directory))
        async with Gateway.opened(socket_directory) as gateway:
            await orphan.aclose()
            assert 200 == (await gateway.rest("GET", "/produce/one/hello")).status


@pytest.mark.parametrize("method", ["twinpost.v1.ProducerService/Nothing", "twinpost.v2.ProducerService/Produce"])
async def test_unknown_method_is_unimplemented(gateway: Gateway, method: str) -> None:
    """As every gRPC server says it."""
    with pytest.raises(aio.AioRpcError) as refused:
        await gateway.call(b"", method=method)
    assert StatusCode.UNIMPLEMENTED is refused.value.code()


async def test_long_request_target_travels_in_metadata(gateway: Gateway) -> None:
    """A message of 60 KiB in the path, percent-encoded or not, is taken; grpc's own bound is 16."""
    answer = await gateway.rest("GET", f"/produce/one/{'%41' * 3000}")
    assert (200, [b"A" * 3000]) == (answer.status, [stored.value for stored in gateway.sink.records])
    target = f"/produce/one/{'a' * 60_000}"
    assert 413 == (await gateway.rest("GET", target)).status


async def test_largest_body_that_may_be_set_is_taken(socket_directory: Path) -> None:
    """Twice its size is past what grpc takes for a message: the server starts and answers all the same."""
    settings = LimitSettings(body_bytes_max=1024 * MIB, in_flight_bytes_max=1024 * MIB)
    limits = dataclasses.replace(LIMITS, body_bytes_max=settings.body_bytes_max)
    async with Gateway.opened(socket_directory, limits=limits) as gateway:
        assert 200 == (await gateway.rest("GET", "/produce/one/hello")).status
