"""The record sink that is Kafka."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from confluent_kafka import KafkaError

from twinpost_server.config.settings import KafkaSettings, LimitSettings, TimeoutSettings
from twinpost_server.core.batch import RecordBatch
from twinpost_server.core.errors import Delivered, Failure, Outcome, Reason, RequestFailed
from twinpost_server.core.ports import RecordStream
from twinpost_server.kafka.budget import Budget
from twinpost_server.kafka.client_config import connection_config, producer_config
from twinpost_server.kafka.cluster_admin import ClusterAdmin
from twinpost_server.kafka.connectivity import ClusterState, Connectivity
from twinpost_server.kafka.delivery import NO_TIME_LEFT, Delivery
from twinpost_server.kafka.isolation import Suspects
from twinpost_server.kafka.producers import Producers
from twinpost_server.kafka.replica_watch import ReplicaWatch
from twinpost_server.kafka.rule_book import RuleBook
from twinpost_server.kafka.stream import KafkaStream
from twinpost_server.kafka.stream_order import StreamOrder
from twinpost_server.kafka.topic_rules import TopicRules
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
            UnicodeDecodeError: it is not UTF-8.
            KafkaException: librdkafka refuses the configuration, as where the CA file holds no certificate.
        """
        self.budget = Budget(records_max=limits.in_flight_records_max, size_bytes_max=limits.in_flight_bytes_max)
        self._producers = Producers(
            producer_config(kafka, limits, timeouts),
            crowd_linger_ms=kafka.crowd_linger_ms,
            on_settled=self._settled,
            on_trouble=self._troubled,
        )
        self._catalog = TopicCatalog(self._look_up, lookup_timeout_s=kafka.topic_lookup_timeout_s)
        self._on_cluster_change = on_cluster_change
        self._admin = ClusterAdmin(connection_config(kafka))
        self._rule_book = RuleBook(self._admin.rules, self._learnt)
        self._connectivity = Connectivity(self._admin, on_change=self._cluster_changed)
        self._replica_watch = ReplicaWatch(self._admin)
        self._probing = asyncio.get_running_loop().create_task(self._connectivity.run())

    async def write(self, batch: RecordBatch, *, deadline: float) -> list[Outcome]:
        """Write `batch`; the contract is `core.ports.RecordSink.write`'s."""
        self._check_cluster()
        # Before anything is waited for: what waits is held, too.
        self.budget.acquire(len(batch.records), batch.held_bytes)
        delivery = await self.hand_over(batch, deadline)
        await delivery.waiter
        if delivery.failures or delivery.pending:
            return await self.resolve(delivery, deadline)
        return delivery.outcomes

    def open_stream(self) -> RecordStream:
        """Return a stream; the contract is `core.ports.RecordStream`'s."""
        return KafkaStream(self)

    async def close(self, *, timeout_s: float) -> int:
        """Wait at most `timeout_s` for what is in flight, then stop every client.

        Returns:
            how many requests were given up.
        """
        self._probing.cancel()
        self._replica_watch.close()
        given_up = await self._producers.close(timeout_s=timeout_s)
        # Only now: a report that comes meanwhile may begin another one.
        self._rule_book.close()
        self._admin.close()
        return given_up

    async def wait_for_room(self, batch: RecordBatch, deadline: float) -> None:
        """Take the budget for `batch`, waiting for it until `deadline`; `hand_over` must follow.

        Raises:
            RequestFailed: there was no room in time, or the cluster is known to be away.
        """
        self._check_cluster()
        await self.budget.acquire_in_turn(len(batch.records), batch.held_bytes, deadline=deadline)

    async def hand_over(self, batch: RecordBatch, deadline: float, *, order: StreamOrder | None = None) -> Delivery:
        """Submit `batch`, whose budget is taken, once nothing that can be known beforehand stands against it.

        Batches of one `order` are stored in the order they are handed over, partition by partition.

        Nothing waits between the submission and the return, so that a cancelled caller has either handed over nothing
        or has the delivery. The budget is given back where nothing is submitted, and by the delivery otherwise.

        Raises:
            RequestFailed: nothing was submitted.
        """
        try:
            if not self._catalog.knows(batch.topics):
                await self._catalog.ensure(batch.topics, deadline=deadline)
            if batch.partitions_named:
                await self._check_partitions(batch, deadline)
            if batch.timestamps_named or not self._rule_book.keyed_topics.isdisjoint(batch.topics):
                await self._rule_book.check(batch, deadline=deadline)
            if order is not None:
                # What is known of a topic may change during the wait.
                while not order.is_open(batch.topics, alone=self._producers.sends_alone(batch)):
                    await order.progress(deadline=deadline)
            self._replica_watch.check(batch)
            if deadline - asyncio.get_running_loop().time() < _HAND_OVER_S_MIN:
                raise RequestFailed(NO_TIME_LEFT)  # noqa: TRY301 - the same clean-up as every other refusal
            delivery = self._producers.submit(batch, in_order=order is not None)
        except BaseException:
            self.budget.release(len(batch.records), batch.held_bytes)
            raise
        if order is not None:
            delivery.enter(order)
        self._wait(delivery, deadline)
        return delivery

    async def resolve(
        self, delivery: Delivery, deadline: float, settled_topics: frozenset[str] = frozenset()
    ) -> list[Outcome]:
        """Return the outcomes of a delivery that did not go well: tried again where that is safe, and explained.

        Args:
            delivery: complete, or at its deadline.
            deadline: for the second try.
            settled_topics: topics whose records must not be tried again, since later ones may be stored.
        """
        outcomes = self._explained(delivery)
        # Where nothing failed the acknowledgements came after all, while a stream waited for its turn.
        if not delivery.failures or delivery.alone:
            return outcomes
        suspects = Suspects(delivery.batch, outcomes, settled_topics, delivery.refused_indexes)
        loop = asyncio.get_running_loop()
        for batch, indexes in suspects.rounds():
            # A try that ends at the deadline would turn a certain `no` into `unknown`.
            if deadline - loop.time() < _SECOND_TRY_S_MIN:
                suspects.leave("there was no time left")
                break
            try:
                outcomes = await self._tried_alone(batch, deadline, delivery.order)
            except RequestFailed:
                suspects.leave("the gateway had no room for that")
                break
            suspects.told(indexes, outcomes)
        return suspects.outcomes

    async def _tried_alone(self, batch: RecordBatch, deadline: float, order: StreamOrder | None) -> list[Outcome]:
        self.budget.acquire(len(batch.records), batch.held_bytes)
        try:
            delivery = self._producers.submit_alone(batch)
        except BaseException:
            self.budget.release(len(batch.records), batch.held_bytes)
            raise
        if order is not None:
            # Later steps must not overtake it, should its fate be open at the deadline.
            delivery.enter(order)
        self._wait(delivery, deadline)
        await delivery.waiter
        return self._explained(delivery)

    async def _look_up(self, topic: str, timeout_s: float) -> int:
        partitions = await self._producers.lookup(topic, timeout_s)
        await self._rule_book.learn(topic)
        return partitions

    def _learnt(self, topic: str, rules: TopicRules) -> None:
        self._producers.note_batch_bytes_max(topic, rules.batch_bytes_max)

    def _cluster_changed(self, state: ClusterState) -> None:
        refusal = _REFUSALS.get(state)
        if refusal is not None:
            self._catalog.give_up(refusal)
        self._on_cluster_change(state)

    def _check_cluster(self) -> None:
        refusal = _REFUSALS.get(self._connectivity.state)
        if refusal is not None:
            raise RequestFailed(refusal)

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
        if asyncio.get_running_loop().time() >= deadline:
            delivery.wake()
            return
        for topic in delivery.batch.topics:
            self._replica_watch.suspect(topic)
        self._wait(delivery, deadline)

    def _explained(self, delivery: Delivery) -> list[Outcome]:
        """Return the outcomes, those that ran out of time named by their cause where it is known."""
        if not delivery.failures and not delivery.pending:
            return delivery.outcomes  # of records that are dropped
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
        if self._connectivity.state is ClusterState.AUTHENTICATION_FAILED:
            return _LOST_RIGHTS
        if self._replica_watch.is_short(topic):
            return _LOST_REPLICAS
        return failure

    def _settled(self, delivery: Delivery) -> None:
        if delivery.timer is not None:
            # Else the delivery would be kept, with its records, until the timer ran out.
            delivery.timer.cancel()
        delivery.leave_order()
        batch = delivery.batch
        self.budget.release(len(batch.records), batch.held_bytes)
        if not delivery.failures:
            if not delivery.pending:
                self._connectivity.confirm()
                # The answer may have to wait, behind that of an earlier step or for a caller who does not read.
                delivery.drop_records()
            return
        for outcome, record in zip(delivery.outcomes, batch.records, strict=True):
            if outcome.__class__ is not Failure:
                continue
            if outcome.reason in _TOPIC_CHANGED:
                self._catalog.forget(record.topic)
            elif outcome.reason in _RULE_BROKEN or (outcome.reason is Reason.RECORD_TOO_LARGE and not delivery.alone):
                # What the topic demands may have changed.
                self._rule_book.doubt(record.topic)

    def _troubled(self, _error: KafkaError) -> None:
        self._connectivity.suspect()


_TOPIC_CHANGED: Final = frozenset({Reason.TOPIC_NOT_FOUND, Reason.PARTITION_OUT_OF_RANGE})

_RULE_BROKEN: Final = frozenset({Reason.INVALID_TIMESTAMP, Reason.BROKER_REFUSED})

_SLOW_S: Final = 1.0
"""How long an acknowledgement may take before the gateway asks why."""

_HAND_OVER_S_MIN: Final = 0.002
"""Time that must be left for anything to be handed over: hardly a broker acknowledges sooner, and what would become
`unknown` is better certain not to be written. (gRPC rounds a deadline of nanoseconds up to a millisecond.)"""

_SECOND_TRY_S_MIN: Final = 0.1
"""Time that must be left for a second try."""

_LOST_BROKERS: Final = Failure(
    reason=Reason.BROKERS_UNAVAILABLE,
    message="the brokers went away before the acknowledgement came; the record may be in the log",
    delivered=Delivered.UNKNOWN,
)

_LOST_RIGHTS: Final = Failure(
    reason=Reason.BROKER_AUTHENTICATION_FAILED,
    message="the cluster came to refuse the gateway's own credentials; the record may be in the log: tell its operator",
    delivered=Delivered.UNKNOWN,
)

_LOST_REPLICAS: Final = Failure(
    reason=Reason.NOT_ENOUGH_REPLICAS,
    message="too few replicas are in sync to acknowledge the record; it may be in the log",
    delivered=Delivered.UNKNOWN,
)
