"""A stream of batches to Kafka, in order."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from twinpost_server.core.batch import RecordBatch
from twinpost_server.core.errors import Outcome
from twinpost_server.core.ports import PendingWrite
from twinpost_server.kafka.delivery import Delivery
from twinpost_server.kafka.stream_order import StreamOrder

if TYPE_CHECKING:
    from twinpost_server.kafka.sink import KafkaSink

__all__ = ["KafkaStream"]


class KafkaStream:
    """Implements `core.ports.RecordStream`. Lives on the loop's thread.

    librdkafka keeps the order of what a producer is given. What could break it is a topic whose records change the
    producer, for which `StreamOrder` is, and a record that is tried again alone (`kafka.isolation`): it must not come
    behind a later one of its topic. So the turn is held while that happens, and a record whose topic a later step has
    touched is not tried again.
    """

    def __init__(self, sink: KafkaSink) -> None:
        """Write through `sink`."""
        self._sink = sink
        self._turn = asyncio.Lock()
        self._order = StreamOrder()
        self._steps = 0
        self._last_step: dict[str, int] = {}

    async def enqueue(self, batch: RecordBatch, *, deadline: float) -> PendingWrite:
        """Hand over `batch`; the contract is `core.ports.RecordStream.enqueue`'s."""
        async with self._turn:
            await self._sink.wait_for_room(batch, deadline)
            delivery = await self._sink.hand_over(batch, deadline, order=self._order)
            self._steps += 1
            for topic in batch.topics:
                self._last_step[topic] = self._steps
            return _Step(self, delivery, deadline, self._steps)

    async def resolve(self, delivery: Delivery, deadline: float, step: int) -> list[Outcome]:
        """Return the outcomes of a step that did not go well."""
        try:
            # A later step may hold the turn while it waits for room, for longer than this one may take.
            async with asyncio.timeout_at(deadline):
                await self._turn.acquire()
        except TimeoutError:
            return await self._sink.resolve(delivery, deadline, delivery.batch.topics)
        try:
            touched = frozenset(topic for topic in delivery.batch.topics if self._last_step[topic] > step)
            return await self._sink.resolve(delivery, deadline, touched)
        finally:
            self._turn.release()


class _Step:
    """Implements `core.ports.PendingWrite`."""

    __slots__ = ("_deadline", "_delivery", "_number", "_stream")

    def __init__(self, stream: KafkaStream, delivery: Delivery, deadline: float, number: int) -> None:
        self._stream = stream
        self._delivery = delivery
        self._deadline = deadline
        self._number = number

    async def outcomes(self) -> list[Outcome]:
        delivery = self._delivery
        await delivery.waiter
        if delivery.failures or delivery.pending:
            return await self._stream.resolve(delivery, self._deadline, self._number)
        return delivery.outcomes
