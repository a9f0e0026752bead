"""A producer: one librdkafka instance with the thread that serves its reports.

Theory of operation. The loop's thread calls `produce()` for every record of a delivery. librdkafka's own threads talk
to the brokers. The poll thread sleeps in `poll()` without the interpreter's lock; once reports are there it runs their
callbacks, which note outcomes and collect the deliveries that are complete, and then wakes the loop **once** for all of
them. Nothing hops threads per record.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import structlog
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka import Producer as ConfluentProducer

from twinpost_server.core.batch import RecordBatch
from twinpost_server.core.errors import Failure
from twinpost_server.core.records import Header, Payload
from twinpost_server.kafka.client_config import ClientConfig
from twinpost_server.kafka.delivery import NOT_HANDED_OVER, Delivery
from twinpost_server.kafka.log import client_logger
from twinpost_server.kafka.translate import QUEUE_FULL, refusal_from

__all__ = ["Producer"]

_POLL_TIMEOUT_S: Final = 0.2
"""How long the poll thread sleeps when nothing happens, and so how long `close` may wait for it."""

_CREATE_TIME_TTL_S: Final = 60.0
"""How long a topic that keeps records' own timestamps is taken to go on doing so."""

_log = structlog.get_logger(__name__)


class Producer:
    """Writes deliveries through one librdkafka producer, and tells when that producer is done for.

    Every method runs on the loop's thread.

    Attributes:
        failed: whether the producer met an error that ends it (librdkafka's 'fatal' errors).
    """

    def __init__(
        self,
        config: ClientConfig,
        *,
        on_settled: Callable[[Delivery], None],
        on_failed: Callable[[Producer], None],
        on_trouble: Callable[[KafkaError], None],
    ) -> None:
        """Start librdkafka with `config`, and the poll thread.

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
        self._create_time: set[str] = set()
        self._create_time_since = time.monotonic()
        self._refused: deque[tuple[Delivery, list[tuple[int, Failure]]]] = deque()
        self._closing = False
        self.failed = False
        self._deliveries: set[Delivery] = set()
        self._idle = asyncio.Event()
        self._idle.set()
        self._client = ConfluentProducer(
            dict(config) | {"error_cb": self._trouble_on_poll_thread}, logger=client_logger()
        )
        self._lookups = ThreadPoolExecutor(max_workers=8, thread_name_prefix="kafka-lookup")
        self._thread = threading.Thread(target=self._serve_reports, name="kafka-poll", daemon=True)
        self._thread.start()

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
            self._complete.append,
            now_ms=now_ms,
            create_time_topics=self._create_time,
        )
        self._deliveries.add(delivery)
        self._idle.clear()
        produce = self._client.produce
        refused: list[tuple[int, Failure]] = []
        for index, record in enumerate(batch.records):
            try:
                produce(
                    record.topic,
                    record.value,
                    record.key,
                    -1 if record.partition is None else record.partition,
                    delivery.reporter(index),
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
        if len(refused) == len(batch.records):
            # No report will come for any of them, so that no other thread knows the delivery.
            delivery.refused(refused)
            delivery.pending = 0
            self._loop.call_soon(self._settle, [delivery])
        elif refused:
            self._refused.append((delivery, refused))
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
        """Stop the poll thread and librdkafka. Records still in flight are given up: await `drained` first."""
        self._closing = True
        await asyncio.to_thread(self._close)
        # Whoever still waits shall not wait for reports that cannot come any more.
        self._settle(list(self._deliveries))

    def _close(self) -> None:
        self._thread.join()
        self._lookups.shutdown(cancel_futures=True)
        self._client.purge(in_queue=True, in_flight=True, blocking=False)
        self._client.close()

    def _serve_reports(self) -> None:
        """Run on the poll thread until closed: serve reports, then wake the loop once for what they completed."""
        try:
            while not self._closing:
                self._poll()
                if time.monotonic() - self._create_time_since > _CREATE_TIME_TTL_S:
                    self._create_time.clear()
                    self._create_time_since = time.monotonic()
                # Only this thread counts what is told, so a delivery whose records were refused in part is discounted
                # here: were the loop to do it, the last report could come between its read and its write.
                while self._refused:
                    delivery, refused = self._refused.popleft()
                    delivery.refused(refused)
                    delivery.discount(len(refused))
                if self._complete:
                    settled = list(self._complete)
                    self._complete.clear()
                    self._loop.call_soon_threadsafe(self._settle, settled)
        except Exception:  # noqa: BLE001 - without its thread a producer is of no use, whatever ended it
            _log.exception("the poll thread failed; the producer is given up")
            self._loop.call_soon_threadsafe(self._fail)

    def _poll(self) -> None:
        try:
            self._client.poll(_POLL_TIMEOUT_S)
        except KafkaException as exception:
            # The binding raises a fatal error here and does not tell `error_cb`. The reports of what the producer held
            # are still to come, so that the thread must go on.
            self._trouble_on_poll_thread(exception.args[0])

    def _settle(self, deliveries: list[Delivery]) -> None:
        for delivery in deliveries:
            self._deliveries.discard(delivery)
            if delivery.fatal:
                self._fail()
            self._on_settled(delivery)
            delivery.wake()
        if not self._deliveries:
            self._idle.set()

    def _trouble_on_poll_thread(self, error: KafkaError) -> None:
        self._loop.call_soon_threadsafe(self._trouble, error)

    def _trouble(self, error: KafkaError) -> None:
        _log.debug("kafka client reports trouble", code=error.name(), fatal=error.fatal(), text=error.str())
        if error.fatal():
            self._fail()
        self._on_trouble(error)

    def _fail(self) -> None:
        if not self.failed:
            self.failed = True
            self._on_failed(self)


def _pair(header: Header) -> tuple[str, Payload]:
    value = header.value
    # The binding takes the value of a header as a C string where it is text: past a NUL it would be lost.
    return header.key, value.encode() if isinstance(value, str) else value
