"""A stream of batches to Kafka, in order."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, NamedTuple

from twinpost_server.core.batch import RecordBatch
from twinpost_server.core.errors import Failure, Outcome, Reason, RequestFailed
from twinpost_server.core.ports import PendingWrite
from twinpost_server.kafka.delivery import NO_TIME_LEFT, Delivery
from twinpost_server.kafka.stream_order import StreamOrder

if TYPE_CHECKING:
    from twinpost_server.kafka.sink import KafkaSink

__all__ = ["KafkaStream"]

_ONE_AT_A_TIME_S: Final = 15.0
"""For how long steps go one at a time after a refusal: longer than a caller should wait before it sends again."""

_AFTER_WAIT_S_MIN: Final = 0.1
"""Time that must be left to a step that had to wait for another one."""


class KafkaStream:
    """Implements `core.ports.RecordStream`. Lives on the loop's thread.

    librdkafka keeps the order of what a producer is given. What could break it is a topic whose records change the
    producer, for which `StreamOrder` is, and a record that is tried again alone (`kafka.isolation`): it must not come
    behind a later one of its topic. So the turn is held while that happens, and a record whose topic a later step has
    touched is not tried again. Its caller may send it again, in a step that would meet the same: so for a while after
    that the topic's steps go one at a time, each once the outcomes of the one before it are there, and so does what
    stands behind them in the stream. Then a guilty record that comes last of its topic in its step is tried alone, is
    told so, and harms its neighbours no more.
    """

    def __init__(self, sink: KafkaSink) -> None:
        """Write through `sink`."""
        self._sink = sink
        self._turn = asyncio.Lock()
        self._order = StreamOrder()
        self._steps = 0
        self._last_step: dict[str, _Place] = {}
        self._one_at_a_time_until: dict[str, float] = {}

    async def enqueue(self, batch: RecordBatch, *, deadline: float) -> PendingWrite:
        """Hand over `batch`; the contract is `core.ports.RecordStream.enqueue`'s."""
        if self._one_at_a_time_until:
            await self._wait_for_turn_of(batch.topics, deadline)
        async with self._turn:
            await self._sink.wait_for_room(batch, deadline)
            delivery = await self._sink.hand_over(batch, deadline, order=self._order)
            self._steps += 1
            place = _Place(self._steps, asyncio.get_running_loop().create_future())
            # A step that went well needs nobody who asks for its outcomes.
            delivery.waiter.add_done_callback(lambda _: delivery.failures or delivery.pending or place.tell())
            for topic in batch.topics:
                self._last_step[topic] = place
            return _Step(self, delivery, deadline, place)

    async def resolve(self, delivery: Delivery, deadline: float, step: int) -> list[Outcome]:
        """Return the outcomes of a step that did not go well."""
        try:
            # A later step may hold the turn while it waits for room, for longer than this one may take.
            async with asyncio.timeout_at(deadline):
                await self._turn.acquire()
        except TimeoutError:
            outcomes = await self._sink.resolve(delivery, deadline, delivery.batch.topics)
        else:
            try:
                touched = frozenset(topic for topic in delivery.batch.topics if self._last_step[topic].number > step)
                outcomes = await self._sink.resolve(delivery, deadline, touched)
            finally:
                self._turn.release()
        # Without failures the records are dropped.
        if delivery.failures:
            for record, outcome in zip(delivery.batch.records, outcomes, strict=True):
                if isinstance(outcome, Failure) and outcome.reason is Reason.BATCH_REFUSED:
                    self._one_at_a_time_until[record.topic] = asyncio.get_running_loop().time() + _ONE_AT_A_TIME_S
        return outcomes

    async def _wait_for_turn_of(self, topics: frozenset[str], deadline: float) -> None:
        loop = asyncio.get_running_loop()
        for topic in self._one_at_a_time_until.keys() & topics:
            if self._one_at_a_time_until[topic] <= loop.time():
                del self._one_at_a_time_until[topic]
            else:
                await asyncio.wait((self._last_step[topic].told,), timeout=max(0.0, deadline - loop.time()))
                if deadline - loop.time() < _AFTER_WAIT_S_MIN:
                    # What is handed over now would turn a certain `no` into `unknown`.
                    raise RequestFailed(NO_TIME_LEFT)


class _Place(NamedTuple):
    """A step's place in its stream; its outcomes are not held by it.

    Attributes:
        number: how many steps came up to this one.
        told: done once its outcomes are there, or nobody waits for them any more.
    """

    number: int
    told: asyncio.Future[None]

    def tell(self) -> None:
        """Let go who waits."""
        if not self.told.done():
            self.told.set_result(None)


class _Step:
    """Implements `core.ports.PendingWrite`."""

    __slots__ = ("_deadline", "_delivery", "_place", "_stream")

    def __init__(self, stream: KafkaStream, delivery: Delivery, deadline: float, place: _Place) -> None:
        self._stream = stream
        self._delivery = delivery
        self._deadline = deadline
        self._place = place

    async def outcomes(self) -> list[Outcome]:
        delivery = self._delivery
        try:
            await delivery.waiter
            if delivery.failures or delivery.pending:
                return await self._stream.resolve(delivery, self._deadline, self._place.number)
            return delivery.outcomes
        finally:
            self._place.tell()
