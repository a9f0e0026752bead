"""A producer: one librdkafka instance whose reports are served by the loop.

Theory of operation. The loop calls `produce()` for every record of a delivery. librdkafka's own threads talk to the
brokers, and signal on a file descriptor once reports are there. The loop then runs the callbacks of all of them in one
go, which note outcomes and collect the deliveries that are complete, and wakes each of their callers once. Nothing hops
threads, and no other thread takes the interpreter's lock.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import structlog
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka import Producer as ConfluentProducer

from twinpost_server.core.batch import RecordBatch
from twinpost_server.core.errors import Failure
from twinpost_server.core.records import Header, Payload
from twinpost_server.kafka.client_config import ClientConfig
from twinpost_server.kafka.delivery import NOT_HANDED_OVER, Delivery
from twinpost_server.kafka.log import client_logger
from twinpost_server.kafka.report_signal import ReportSignal
from twinpost_server.kafka.timestamp_types import TimestampTypes
from twinpost_server.kafka.translate import QUEUE_FULL, refusal_from

__all__ = ["Producer"]

_log = structlog.get_logger(__name__)


class Producer:
    """Writes deliveries through one librdkafka producer, and tells when that producer is done for.

    Every method runs on the loop's thread.
    """

    def __init__(
        self,
        config: ClientConfig,
        *,
        on_settled: Callable[[Delivery], None],
        on_failed: Callable[[Producer], None],
        on_trouble: Callable[[KafkaError], None],
    ) -> None:
        """Start librdkafka with `config`.

        Args:
            config: librdkafka's configuration.
            on_settled: called on the loop for each delivery that is complete, before its caller is woken.
            on_failed: called on the loop, once, when the producer is done for.
            on_trouble: called on the loop for every error librdkafka tells of that is not about one record.
        """
        self._loop = asyncio.get_running_loop()
        self._on_settled = on_settled
        self._on_failed = on_failed
        self._on_trouble = on_trouble
        self._complete: list[Delivery] = []
        self._timestamp_types = TimestampTypes(time.monotonic())
        self._failed = False
        self._deliveries: set[Delivery] = set()
        self._idle = asyncio.Event()
        self._idle.set()
        self._client = ConfluentProducer(dict(config) | {"error_cb": self._trouble}, logger=client_logger())
        self._lookups = ThreadPoolExecutor(max_workers=8, thread_name_prefix="kafka-lookup")
        try:
            self._signal = ReportSignal(self._client)
        except OSError:
            # It is in a cycle with this, and would keep its descriptors, which there are none of, until that is found.
            self._client.close()
            raise
        self._loop.add_reader(self._signal.fileno(), self._serve_reports)

    @property
    def in_flight(self) -> int:
        """How many deliveries lack a report."""
        return len(self._deliveries)

    def submit(self, batch: RecordBatch) -> Delivery:
        """Hand every record of `batch` to librdkafka, in order, and return the delivery that waits for the reports.

        A record that librdkafka refuses at once (unknown partition, full queue) counts as failed in the delivery.
        """
        # Stamped here and not by librdkafka, since a report does not always tell what was stamped: see `Delivery`.
        now_ms = time.time_ns() // 1_000_000
        delivery = Delivery(
            batch,
            self._loop.create_future(),
            self._completed,
            now_ms=now_ms,
            timestamp_types=self._timestamp_types,
        )
        self._deliveries.add(delivery)
        self._idle.clear()
        produce = self._client.produce
        reported = delivery.reported
        refused: list[tuple[int, Failure]] = []
        for index, record in enumerate(batch.records):
            try:
                produce(
                    record.topic,
                    record.value,
                    record.key,
                    -1 if record.partition is None else record.partition,
                    partial(reported, index),
                    None,
                    now_ms if record.timestamp is None else record.timestamp,
                    None if not record.headers else [_pair(header) for header in record.headers],
                )
            except KafkaException as exception:
                refused.append((index, refusal_from(exception.args[0])))
                if exception.args[0].fatal():
                    self._loop.call_soon(self._fail)
            except BufferError:
                refused.append((index, QUEUE_FULL))
            except Exception:  # noqa: BLE001 - see below
                # Whatever it was, the records before this one are on their way, and their delivery must come to an end.
                _log.exception("a record could not be handed over")
                refused.append((index, NOT_HANDED_OVER))
        if refused:
            delivery.refused(refused)
            # Where no report will come for any of them, nothing else would settle the delivery.
            self._loop.call_soon(self._settle)
        return delivery

    async def partition_count(self, topic: str, timeout_s: float) -> int:
        """Return how many partitions `topic` has; a cluster that creates topics by itself may create it.

        Raises:
            KafkaException: the topic is unknown or unreadable, or the cluster did not answer in `timeout_s`.
        """
        # `list_topics` blocks, and so runs on a thread; one of the producer's own, since the loop's are few and others
        # wait for them.
        metadata = await self._loop.run_in_executor(self._lookups, self._client.list_topics, topic, timeout_s)
        described = metadata.topics[topic]
        if described.error is not None:
            raise KafkaException(described.error)
        return len(described.partitions)

    async def drained(self) -> None:
        """Return once no delivery is in flight."""
        await self._idle.wait()

    def purge(self) -> None:
        """Give up every record that waits or is in flight; their reports follow at once."""
        self._client.purge(in_queue=True, in_flight=True, blocking=False)

    async def close(self) -> None:
        """Stop librdkafka. Records still in flight are given up: await `drained` first."""
        self._loop.remove_reader(self._signal.fileno())
        self._signal.close()
        await asyncio.to_thread(self._close)
        # Whoever still waits shall not wait for reports that cannot come any more.
        self._complete = list(self._deliveries)
        self._settle()

    def _close(self) -> None:
        # Reports that come here are noted on this thread, while nobody else adds to their deliveries.
        self._lookups.shutdown(cancel_futures=True)
        self._client.purge(in_queue=True, in_flight=True, blocking=False)
        self._client.close()

    def _serve_reports(self) -> None:
        """Run the callbacks of the reports that are there, then settle what they completed."""
        self._signal.clear()
        self._timestamp_types.expire(time.monotonic())
        self._poll()
        if self._complete:
            self._settle()

    def _poll(self) -> None:
        while True:
            try:
                self._client.poll(0)
            except KafkaException as exception:
                # The binding raises a fatal error here, once, and does not tell `error_cb`. What was behind it in the
                # queue is still there, and will not be signalled again.
                self._trouble(exception.args[0])
            except Exception:  # noqa: BLE001 - whatever it was, the reports behind it must be served
                _log.exception("a report could not be noted; the producer is given up")
                self._fail()
            else:
                return

    def _settle(self) -> None:
        complete, self._complete = self._complete, []
        fatal = False
        for delivery in complete:
            self._deliveries.discard(delivery)
            fatal = fatal or delivery.fatal
            self._on_settled(delivery)
            delivery.wake()
        if not self._deliveries:
            self._idle.set()
        if fatal:
            self._fail()

    def _completed(self, delivery: Delivery) -> None:
        self._complete.append(delivery)

    def _trouble(self, error: KafkaError) -> None:
        _log.debug("kafka client reports trouble", code=error.name(), fatal=error.fatal(), text=error.str())
        if error.fatal():
            self._fail()
        self._on_trouble(error)

    def _fail(self) -> None:
        if not self._failed:
            self._failed = True
            self._on_failed(self)


def _pair(header: Header) -> tuple[str, Payload]:
    value = header.value
    # The binding takes the value of a header as a C string where it is text: past a NUL it would be lost.
    return header.key, value.encode() if isinstance(value, str) else value
