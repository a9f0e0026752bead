"""The choice of the producer that a batch goes through.

A producer that gathers sends few large batches instead of many small ones, which saves the gateway a part of its time
and the broker most of it; answers come sooner, since nothing waits behind small ones. A lone record, though, would wait
for nothing, and no producer can change its mind about that. So there are three: one sends at once, for a record that is
alone while little is in flight; one gathers for as long as only a crowd of requests is worth; and one gathers for a
moment, for everything else (decision 0008 has the figures).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Final

from confluent_kafka import KafkaError

from twinpost_server.core.batch import RecordBatch
from twinpost_server.kafka.client_config import BATCH_BYTES, ClientConfig
from twinpost_server.kafka.crowd import Crowd
from twinpost_server.kafka.delivery import Delivery
from twinpost_server.kafka.isolation import ALONE
from twinpost_server.kafka.pool import ProducerPool

__all__ = ["Producers"]

_LITTLE_IN_FLIGHT: Final = 2
"""Requests in flight up to which a lone record does not wait for company."""


class Producers:
    """Hands batches to the producer that suits them. Lives on the loop's thread."""

    def __init__(
        self,
        config: ClientConfig,
        *,
        crowd_linger_ms: float,
        on_settled: Callable[[Delivery], None],
        on_trouble: Callable[[KafkaError], None],
    ) -> None:
        """Start the producers.

        Args:
            config: librdkafka's configuration, which says how long a moment is.
            crowd_linger_ms: for how long a crowd is gathered.
            on_settled: `Producer`'s.
            on_trouble: `Producer`'s.
        """
        self._config = config
        self._on_settled = on_settled
        self._on_trouble = on_trouble
        self._at_once = self._pool({"linger.ms": 0})
        self._gathering = self._pool({})
        self._crowded = self._pool({"linger.ms": crowd_linger_ms})
        self._crowd = Crowd(crowd_linger_ms / 1000)
        self._alone: ProducerPool | None = None
        self._small_topics: set[str] = set()

    def submit(self, batch: RecordBatch, *, in_order: bool) -> Delivery:
        """Hand `batch` to a producer.

        Args:
            batch: the records.
            in_order: whether they belong behind others that may be in flight: nothing keeps an order between two
                producers, so such batches all go through the one that gathers for a moment, but for those that are
                sent alone; `StreamOrder` is for these.
        """
        pool = self._suitable(batch, in_order=in_order)
        delivery = pool.submit(batch)
        delivery.alone = pool is self._alone
        return delivery

    def sends_alone(self, batch: RecordBatch) -> bool:
        """Return whether `submit` would put every record of `batch` into a batch of its own."""
        return not self._small_topics.isdisjoint(batch.topics)

    def submit_alone(self, batch: RecordBatch) -> Delivery:
        """Hand `batch` to the producer that puts every record into a batch of its own."""
        delivery = self._lone_pool().submit(batch)
        delivery.alone = True
        return delivery

    async def lookup(self, topic: str, timeout_s: float) -> int:
        """Return the partition count of `topic`.

        Raises:
            KafkaException: there is none, or the cluster did not answer in `timeout_s`.
        """
        return await self._at_once.lookup(topic, timeout_s)

    def note_batch_bytes_max(self, topic: str, batch_bytes_max: int | None) -> None:
        """Note how many bytes of records `topic` takes at once; `None` where that is not known.

        A topic that takes less than a producer gathers would refuse batches of records that are all small enough; tried
        alone later, they might be out of order. So they are sent alone from the start.
        """
        if batch_bytes_max is not None and batch_bytes_max < BATCH_BYTES:
            self._small_topics.add(topic)
        else:
            self._small_topics.discard(topic)

    async def close(self, *, timeout_s: float) -> int:
        """Wait at most `timeout_s` for what is in flight, then stop every producer.

        Returns:
            how many deliveries were given up.
        """
        pools = [pool for pool in (self._at_once, self._gathering, self._crowded, self._alone) if pool is not None]
        return sum(await asyncio.gather(*(pool.close(timeout_s=timeout_s) for pool in pools)))

    def _suitable(self, batch: RecordBatch, *, in_order: bool) -> ProducerPool:
        if self.sends_alone(batch):
            return self._lone_pool()
        if in_order:
            return self._gathering
        in_flight = self._at_once.in_flight + self._gathering.in_flight + self._crowded.in_flight
        if self._crowd.joined_by_one(in_flight):
            return self._crowded
        return self._at_once if len(batch.records) == 1 and in_flight < _LITTLE_IN_FLIGHT else self._gathering

    def _lone_pool(self) -> ProducerPool:
        if self._alone is None:
            self._alone = self._pool(ALONE)
        return self._alone

    def _pool(self, own: Mapping[str, str | int | float | bool]) -> ProducerPool:
        return ProducerPool({**self._config, **own}, on_settled=self._on_settled, on_trouble=self._on_trouble)
