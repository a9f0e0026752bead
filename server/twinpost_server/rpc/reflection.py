"""`grpc.reflection.v1alpha.ServerReflection`: the contract, for tools that ask for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator
from typing import cast

from grpc import StatusCode
from grpc.aio import ServicerContext
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection, reflection_pb2

from twinpost.v1 import producer_service_pb2

__all__ = ["Reflection"]

_Request = reflection_pb2.ServerReflectionRequest
_Answer = reflection_pb2.ServerReflectionResponse


class Reflection:
    """grpc's own servicer, whose streams can be ended. Lives on the loop's thread."""

    def __init__(self) -> None:
        """Show the native service, health and this one. REST's stays out of sight: it is no API of its own."""
        native = producer_service_pb2.DESCRIPTOR.services_by_name["ProducerService"]
        health = health_pb2.DESCRIPTOR.services_by_name["Health"]
        names = (native.full_name, health.full_name, reflection.SERVICE_NAME)
        self._servicer = reflection.aio.ReflectionServicer(names)
        self._draining = asyncio.Event()

    def drain(self) -> None:
        """End every stream: tools keep theirs open for as long as they run."""
        self._draining.set()

    async def info(
        self, requests: AsyncIterator[_Request], context: ServicerContext[_Request, _Answer]
    ) -> AsyncIterator[_Answer]:
        """Answer `ServerReflectionInfo`: each request, until the caller or the drain ends the stream."""
        # The stubs take the generator for a coroutine.
        answers = cast(
            "AsyncIterable[_Answer]", self._servicer.ServerReflectionInfo(self._until_drain(requests), context)
        )
        async for answer in answers:
            yield answer
        if self._draining.is_set():
            await context.abort(StatusCode.UNAVAILABLE, "the gateway is stopping: connect again")

    async def _until_drain(self, requests: AsyncIterator[_Request]) -> AsyncIterator[_Request]:
        draining = asyncio.create_task(self._draining.wait())
        reading: asyncio.Task[_Request | None] | None = None
        try:
            while True:
                reading = asyncio.create_task(_next(requests))
                await asyncio.wait((reading, draining), return_when=asyncio.FIRST_COMPLETED)
                if not reading.done() or (request := reading.result()) is None:
                    return
                yield request
        finally:
            draining.cancel()
            if reading is not None:
                reading.cancel()


async def _next(requests: AsyncIterator[_Request]) -> _Request | None:
    return await anext(requests, None)
