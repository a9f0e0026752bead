"""The record sink that is Kafka."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from confluent_kafka import KafkaError

from twinpost_server.config.settings import KafkaSettings, LimitSettings, TimeoutSettings
from twinpost_server.core.batch import RecordBatch
from twinpost_server.core.errors import Delivered, Failure, Outcome, Reason, RequestFailed
from twinpost_server.kafka.budget import Budget
from twinpost_server.kafka.client_config import connection_config, producer_config
from twinpost_server.kafka.cluster_admin import ClusterAdmin
from twinpost_server.kafka.connectivity import ClusterState, Connectivity
from twinpost_server.kafka.delivery import Delivery
from twinpost_server.kafka.isolation import ALONE, Suspects
from twinpost_server.kafka.pool import ProducerPool
from twinpost_server.kafka.replica_watch import ReplicaWatch
from twinpost_server.kafka.topics import TopicCatalog

__all__ = ["KafkaSink"]

_REFUSALS: Final = {
    ClusterState.DOWN: Failure(
        reason=Reason.BROKERS_UNAVAILABLE,
        message="the brokers cannot be reached: send again after the delay; nothing was written",
    ),
    ClusterState.AUTHENTICATION_FAILED: Failure(
        reason=Reason.BROKER_AUTHENTICATION_FAILED,
        message="the cluster refuses the gateway's own credentials: tell its operator; nothing was written",
    ),
}


class KafkaSink:
    """Implements `core.ports.RecordSink` on a Kafka cluster. Lives on the loop's thread.

    Attributes:
        budget: what is held unacknowledged.
    """

    def __init__(
        self,
        kafka: KafkaSettings,
        limits: LimitSettings,
        timeouts: TimeoutSettings,
        *,
        on_cluster_change: Callable[[ClusterState], None] = lambda _: None,
    ) -> None:
        """Start clients for the cluster of `kafka`; must run on a running loop, which `close` must see end.

        Raises:
            OSError: the SASL password file cannot be read.
        """
        self.budget = Budget(records_max=limits.in_flight_records_max, size_bytes_max=limits.in_flight_bytes_max)
        self._producer_config = producer_config(kafka, limits, timeouts)
        self._pool = ProducerPool(self._producer_config, on_settled=self._settled, on_trouble=self._troubled)
        self._alone: ProducerPool | None = None
        self._catalog = TopicCatalog(self._pool.lookup, lookup_timeout_s=kafka.topic_lookup_timeout_s)
        admin = ClusterAdmin(connection_config(kafka))
        self._connectivity = Connectivity(admin, on_change=on_cluster_change)
        self._replica_watch = ReplicaWatch(admin)
        self._probing = asyncio.get_running_loop().create_task(self._connectivity.run())

    @property
    def cluster_state(self) -> ClusterState:
        """What is known of the cluster."""
        return self._connectivity.state

    async def write(self, batch: RecordBatch, *, deadline: float) -> list[Outcome]:
        """Write `batch`; the contract is `core.ports.RecordSink.write`'s."""
        refusal = _REFUSALS.get(self._connectivity.state)
        if refusal is not None:
            raise RequestFailed(refusal)
        if not self._catalog.knows(batch.topics):
            await self._catalog.ensure(batch.topics, deadline=deadline)
        if batch.partitions_named:
            await self._check_partitions(batch, deadline)
        self._replica_watch.check(batch)
        outcomes = await self._sent(self._pool, batch, deadline)
        if any(outcome.__class__ is Failure for outcome in outcomes):
            suspects = Suspects(batch.records, outcomes)
            outcomes = suspects.outcomes
            if suspects.indexes:
                outcomes = suspects.told(await self._sent_alone(suspects.batch(), deadline))
        return outcomes

    async def _sent(self, pool: ProducerPool, batch: RecordBatch, deadline: float) -> list[Outcome]:
        self.budget.acquire(len(batch.records), batch.size_bytes)
        delivery = pool.submit(batch)
        self._wait(delivery, deadline)
        try:
            await delivery.waiter
        finally:
            # Else a delivery that took long would be kept, with its records, until its deadline.
            if delivery.timer is not None:
                delivery.timer.cancel()
        return self._explained(delivery)

    async def _sent_alone(self, batch: RecordBatch, deadline: float) -> list[Outcome]:
        if self._alone is None:
            self._alone = ProducerPool(
                {**self._producer_config, **ALONE}, on_settled=self._settled, on_trouble=self._troubled
            )
        try:
            return await self._sent(self._alone, batch, deadline)
        except RequestFailed as refused:
            return [refused.failure] * len(batch.records)

    async def close(self, *, timeout_s: float) -> int:
        """Wait at most `timeout_s` for what is in flight, then stop every client.

        Returns:
            how many requests were given up.
        """
        self._probing.cancel()
        self._replica_watch.close()
        pools = [pool for pool in (self._pool, self._alone) if pool is not None]
        return sum(await asyncio.gather(*(pool.close(timeout_s=timeout_s) for pool in pools)))

    async def _check_partitions(self, batch: RecordBatch, deadline: float) -> None:
        named: dict[str, int] = {}
        for record in batch.records:
            if record.partition is not None and record.partition > named.get(record.topic, -1):
                named[record.topic] = record.partition
        for topic, partition in named.items():
            await self._catalog.check_partition(topic, partition, deadline=deadline)

    def _wait(self, delivery: Delivery, deadline: float) -> None:
        loop = asyncio.get_running_loop()
        delivery.timer = loop.call_at(min(loop.time() + _SLOW_S, deadline), self._slow, delivery, deadline)

    def _slow(self, delivery: Delivery, deadline: float) -> None:
        """Look, again and again, for the cause of a delivery that takes long, and let its caller go at the deadline."""
        now = asyncio.get_running_loop().time()
        if now >= deadline:
            delivery.wake()
            return
        for topic in delivery.batch.topics:
            self._replica_watch.suspect(topic)
        self._wait(delivery, deadline)

    def _explained(self, delivery: Delivery) -> list[Outcome]:
        """Return the outcomes, those that ran out of time named by their cause where it is known."""
        if not delivery.pending and not delivery.failures:
            return delivery.outcomes
        # Copied, since reports may still come in while the answer is made.
        return [
            self._cause(record.topic, outcome) if isinstance(outcome, Failure) else outcome
            for record, outcome in zip(delivery.batch.records, list(delivery.outcomes), strict=True)
        ]

    def _cause(self, topic: str, failure: Failure) -> Failure:
        if failure.reason is not Reason.DEADLINE_EXCEEDED:
            return failure
        if self._connectivity.state is ClusterState.DOWN:
            return _LOST_BROKERS
        if self._replica_watch.is_short(topic):
            return _LOST_REPLICAS
        return failure

    def _settled(self, delivery: Delivery) -> None:
        self.budget.release(len(delivery.batch.records), delivery.batch.size_bytes)
        if not delivery.failures:
            return
        for outcome, record in zip(delivery.outcomes, delivery.batch.records, strict=True):
            if outcome.__class__ is Failure and outcome.reason in _TOPIC_CHANGED:
                self._catalog.forget(record.topic)

    def _troubled(self, _error: KafkaError) -> None:
        self._connectivity.suspect()


_TOPIC_CHANGED: Final = frozenset({Reason.TOPIC_NOT_FOUND, Reason.PARTITION_OUT_OF_RANGE})

_SLOW_S: Final = 1.0
"""How long an acknowledgement may take before the gateway asks why."""

_LOST_BROKERS: Final = Failure(
    reason=Reason.BROKERS_UNAVAILABLE,
    message="the brokers went away before the acknowledgement came; the record may be in the log",
    delivered=Delivered.UNKNOWN,
)

_LOST_REPLICAS: Final = Failure(
    reason=Reason.NOT_ENOUGH_REPLICAS,
    message="too few replicas are in sync to acknowledge the record; it may be in the log",
    delivered=Delivered.UNKNOWN,
)
