"""A delivery: the records of one request on their way to Kafka and back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence

from confluent_kafka import KafkaError, Message

from twinpost_server.core.batch import RecordBatch
from twinpost_server.core.errors import Delivered, Failure, Outcome, Reason
from twinpost_server.core.records import RecordMetadata
from twinpost_server.kafka.stream_order import StreamOrder
from twinpost_server.kafka.timestamp_types import TimestampTypes
from twinpost_server.kafka.translate import failure_from

__all__ = ["NOT_HANDED_OVER", "NO_TIME_LEFT", "Delivery"]

_PENDING = Failure(
    reason=Reason.DEADLINE_EXCEEDED,
    message="the deadline passed before the acknowledgement came; the record may be in the log",
    delivered=Delivered.UNKNOWN,
)

_NO_PLACE = Failure(
    reason=Reason.BROKER_ERROR,
    message="the broker told of no place for the record; it may be in the log",
    delivered=Delivered.UNKNOWN,
)

NOT_HANDED_OVER = Failure(
    reason=Reason.INTERNAL,
    message="a fault inside the gateway: the record could not be handed to the producer; it was not written",
)

NO_TIME_LEFT = Failure(
    reason=Reason.DEADLINE_EXCEEDED,
    message="the deadline passed before the records were sent: allow more time; nothing was written",
)

_NO_RECORDS = RecordBatch((), frozenset(), size_bytes=0, held_bytes=0, partitions_named=False, timestamps_named=False)

_NO_INDEXES: frozenset[int] = frozenset()


class Delivery:
    """Collects the delivery reports of one request, and wakes its caller once.

    Lives on the loop's thread; only while its producer is being closed are reports noted on another one. A caller who
    looks before the end sees each record either pending or told.

    Attributes:
        batch: the records, until `drop_records`.
        outcomes: what became of each so far, in request order; pending ones read as deadline exceeded, which is what
            they are the moment anyone reads them before the end.
        pending: how many are not told yet.
        timer: what happens next if the reports do not come; the sink's.
        order: that of the stream it belongs to, if any.
        alone: whether each record travels in a batch of its own, so that what is told of it is about it.
        refused_indexes: the records that were never handed over; what is told of them is about them, too.
        waiter: done once all are told, or the deadline has passed. Cancelling it recalls nothing.
        failures: how many were refused or failed so far.
        fatal: whether a report carried an error that ends the producer.
    """

    __slots__ = (
        "_create_time_topics",
        "_now_ms",
        "_on_complete",
        "_timestamp_types",
        "alone",
        "batch",
        "failures",
        "fatal",
        "order",
        "outcomes",
        "pending",
        "refused_indexes",
        "timer",
        "waiter",
    )

    def __init__(
        self,
        batch: RecordBatch,
        waiter: asyncio.Future[None],
        on_complete: Callable[[Delivery], None],
        *,
        now_ms: int,
        timestamp_types: TimestampTypes,
    ) -> None:
        """Wait for the reports of every record of `batch`.

        Args:
            batch: the records.
            waiter: to be done once all are told.
            on_complete: called then.
            now_ms: the timestamp of records that have none of their own.
            timestamp_types: what is known of topics' timestamps; reports add to it.
        """
        self._on_complete = on_complete
        self._now_ms = now_ms
        self._timestamp_types = timestamp_types
        self._create_time_topics = timestamp_types.create_time
        self.batch = batch
        self.outcomes: list[Outcome] = [_PENDING] * len(batch.records)
        self.pending = len(batch.records)
        self.waiter = waiter
        self.timer: asyncio.TimerHandle | None = None
        self.order: StreamOrder | None = None
        self.alone = False
        self.refused_indexes = _NO_INDEXES
        self.failures = 0
        self.fatal = False

    def reported(self, index: int, error: KafkaError | None, message: Message) -> None:
        """Note the report of record `index`."""
        if error is not None:
            self.failures += 1
            self.fatal = self.fatal or error.fatal()
            self.outcomes[index] = failure_from(error, message.latency())
        elif (offset := message.offset()) is None:
            # librdkafka infers this acknowledgement from that of a later batch. No broker gave it.
            self.failures += 1
            self.outcomes[index] = _NO_PLACE
        else:
            record = self.batch.records[index]
            topic = record.topic
            timestamp = self._now_ms if record.timestamp is None else record.timestamp
            if topic not in self._create_time_topics:
                timestamp = self._timestamp_types.timestamp(topic, timestamp, message, time.monotonic())
            # The stubs allow for messages without a place; a report without an error has one.
            self.outcomes[index] = RecordMetadata(topic, message.partition(), offset, timestamp)  # type: ignore[arg-type]
        self.pending -= 1
        if not self.pending:
            self._on_complete(self)

    def refused(self, failures: Sequence[tuple[int, Failure]]) -> None:
        """Note the records that were never handed over, for which no report will come."""
        self.failures += len(failures)
        self.refused_indexes = frozenset(index for index, _ in failures)
        for index, failure in failures:
            self.outcomes[index] = failure
        self.pending -= len(failures)
        if not self.pending:
            self._on_complete(self)

    def enter(self, order: StreamOrder) -> None:
        """Become part of a stream's order until `leave_order`."""
        self.order = order
        order.handed_over(self.batch.topics, alone=self.alone)

    def leave_order(self) -> None:
        """Tell the stream, if there is one, that every record is told."""
        if self.order is not None:
            self.order.settled(self.batch.topics, alone=self.alone)

    def drop_records(self) -> None:
        """Let go of the records, every one of which is acknowledged; only the outcomes are left."""
        self.batch = _NO_RECORDS

    def wake(self) -> None:
        """Let the caller look at `outcomes`; harmless where it has left or has been woken before."""
        if not self.waiter.done():
            self.waiter.set_result(None)
