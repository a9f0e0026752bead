"""The client's two interfaces, for threads and for asyncio, behind one that tests are written against."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Protocol

from twinpost.client import (
    AsyncClient,
    AsyncPublisher,
    Client,
    Publisher,
    PublisherOptions,
    Record,
    RecordError,
    RecordMetadata,
)

__all__ = ["AsyncioDoor", "Door", "PublisherDoor", "ThreadsDoor"]

_OUTCOME_S = 30.0

Outcome = RecordMetadata | RecordError


class PublisherDoor(Protocol):
    """A publisher of either kind."""

    async def publish(self, record: Record, *, timeout_s: float | None = None) -> Any:  # noqa: ANN401 - either future
        """Publish `record` and return its future."""
        ...

    async def outcome(self, future: Any) -> Outcome:  # noqa: ANN401 - either future
        """Return what became of the record, once that is known."""
        ...

    async def flush(self, timeout_s: float | None = None) -> None:
        """Flush."""
        ...

    async def close(self, timeout_s: float | None = None) -> int:
        """Close."""
        ...


class Door(Protocol):
    """Makes clients and publishers of one kind."""

    async def produce_many(self, target: str, records: Sequence[Record], **arguments: Any) -> list[Outcome]:  # noqa: ANN401 - the client's
        """Call the gateway once, with a client of its own."""
        ...

    async def produce(self, target: str, record: Record) -> RecordMetadata:
        """Write one record, with a client of its own."""
        ...

    def publisher(
        self,
        target: str,
        options: PublisherOptions | None = None,
        **arguments: Any,  # noqa: ANN401 - the publisher's
    ) -> Any:  # noqa: ANN401 - an asynchronous context with a PublisherDoor
        """Publish to `target` until the end of the block, which closes the publisher."""
        ...


class _ThreadsPublisher:
    def __init__(self, publisher: Publisher) -> None:
        self.publisher = publisher

    async def publish(self, record: Record, *, timeout_s: float | None = None) -> Any:  # noqa: ANN401
        return await asyncio.to_thread(self.publisher.publish, record, timeout_s=timeout_s)

    async def outcome(self, future: Any) -> Outcome:  # noqa: ANN401
        def told() -> Outcome:
            error: RecordError | None = future.exception(_OUTCOME_S)
            return future.result() if error is None else error

        return await asyncio.to_thread(told)

    async def flush(self, timeout_s: float | None = None) -> None:
        await asyncio.to_thread(self.publisher.flush, timeout_s)

    async def close(self, timeout_s: float | None = None) -> int:
        return await asyncio.to_thread(self.publisher.close, timeout_s)


class _AsyncioPublisher:
    def __init__(self, publisher: AsyncPublisher) -> None:
        self.publisher = publisher

    async def publish(self, record: Record, *, timeout_s: float | None = None) -> Any:  # noqa: ANN401
        return await self.publisher.publish(record, timeout_s=timeout_s)

    async def outcome(self, future: Any) -> Outcome:  # noqa: ANN401
        try:
            return await asyncio.wait_for(future, _OUTCOME_S)
        except RecordError as error:
            return error

    async def flush(self, timeout_s: float | None = None) -> None:
        await self.publisher.flush(timeout_s)

    async def close(self, timeout_s: float | None = None) -> int:
        return await self.publisher.close(timeout_s)


class ThreadsDoor:
    """Implements `Door` with `Client` and `Publisher`."""

    async def produce_many(self, target: str, records: Sequence[Record], **arguments: Any) -> list[Outcome]:  # noqa: ANN401
        """Call on a thread."""
        timeout_s = arguments.pop("timeout_s", 10.0)

        def called() -> list[Outcome]:
            with Client(target, **arguments) as client:
                return client.produce_many(records, timeout_s=timeout_s)

        return await asyncio.to_thread(called)

    async def produce(self, target: str, record: Record) -> RecordMetadata:
        """Call on a thread."""

        def called() -> RecordMetadata:
            with Client(target) as client:
                return client.produce(record)

        return await asyncio.to_thread(called)

    @asynccontextmanager
    async def publisher(
        self,
        target: str,
        options: PublisherOptions | None = None,
        **arguments: Any,  # noqa: ANN401
    ) -> AsyncIterator[PublisherDoor]:
        """Wait on threads."""
        publisher = Publisher(target, options=options, **arguments)
        try:
            yield _ThreadsPublisher(publisher)
        finally:
            await asyncio.to_thread(publisher.close)


class AsyncioDoor:
    """Implements `Door` with `AsyncClient` and `AsyncPublisher`."""

    async def produce_many(self, target: str, records: Sequence[Record], **arguments: Any) -> list[Outcome]:  # noqa: ANN401
        """Call on the loop."""
        timeout_s = arguments.pop("timeout_s", 10.0)
        async with AsyncClient(target, **arguments) as client:
            return await client.produce_many(records, timeout_s=timeout_s)

    async def produce(self, target: str, record: Record) -> RecordMetadata:
        """Call on the loop."""
        async with AsyncClient(target) as client:
            return await client.produce(record)

    @asynccontextmanager
    async def publisher(
        self,
        target: str,
        options: PublisherOptions | None = None,
        **arguments: Any,  # noqa: ANN401
    ) -> AsyncIterator[PublisherDoor]:
        """Wait on the loop."""
        async with AsyncPublisher(target, options=options, **arguments) as publisher:
            yield _AsyncioPublisher(publisher)
