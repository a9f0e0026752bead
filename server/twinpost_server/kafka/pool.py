"""The producer in use, replaced once it fails for good."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

import structlog
from confluent_kafka import KafkaError, KafkaException

from twinpost_server.core.batch import RecordBatch
from twinpost_server.kafka.client_config import ClientConfig
from twinpost_server.kafka.delivery import Delivery
from twinpost_server.kafka.producer import Producer

__all__ = ["ProducerPool"]

_RETIRE_TIMEOUT_S: Final = 10.0
"""How long a failed producer may take to give up what it holds, once purged."""

_REPLACE_RETRY_S: Final = 1.0
"""How long to wait where a replacement could not be made."""

_log = structlog.get_logger(__name__)


class ProducerPool:
    """Holds one producer that works: one that fails for good is replaced at once and retired behind the scenes.

    An idempotent producer whose sequence the broker refuses can never send again (librdkafka's INTRODUCTION.md, 'Fatal
    errors'). What it held comes back as `unknown`; callers who come later meet the new one. Lives on the loop's thread.
    """

    def __init__(
        self,
        config: ClientConfig,
        *,
        on_settled: Callable[[Delivery], None],
        on_trouble: Callable[[KafkaError], None],
    ) -> None:
        """Start the first producer with `config`; the callbacks are `Producer`'s."""
        self._config = config
        self._on_settled = on_settled
        self._on_trouble = on_trouble
        self._retiring: set[asyncio.Task[None]] = set()
        self._closing = False
        self._producer = self._started()

    @property
    def in_flight(self) -> int:
        """How many deliveries the producer in use lacks a report for."""
        return self._producer.in_flight

    def submit(self, batch: RecordBatch) -> Delivery:
        """Hand `batch` to the producer in use."""
        return self._producer.submit(batch)

    async def lookup(self, topic: str, timeout_s: float) -> int:
        """Return the partition count of `topic`.

        Raises:
            KafkaException: there is none, or the cluster did not answer in `timeout_s`.
        """
        return await self._producer.partition_count(topic, timeout_s)

    async def close(self, *, timeout_s: float) -> int:
        """Wait until nothing is in flight, then stop every producer.

        Args:
            timeout_s: how long to wait; what is still in flight then is given up and comes back as `unknown`.

        Returns:
            how many deliveries were given up.
        """
        self._closing = True
        producer = self._producer
        try:
            async with asyncio.timeout(timeout_s):
                await producer.drained()
        except TimeoutError:
            pass
        given_up = producer.in_flight
        await self._retire(producer)
        await asyncio.gather(*self._retiring)
        return given_up

    def _started(self) -> Producer:
        return Producer(self._config, on_settled=self._on_settled, on_failed=self._replace, on_trouble=self._on_trouble)

    def _replace(self, failed: Producer) -> None:
        if self._closing or failed is not self._producer:
            return
        try:
            self._producer = self._started()
        except (KafkaException, OSError) as error:
            # No descriptors, or no threads, for another one just now. The failed one refuses what comes, and says so.
            _log.error("producer failed for good and cannot be replaced yet", error=str(error))
            asyncio.get_running_loop().call_later(_REPLACE_RETRY_S, self._replace, failed)
            return
        _log.error("producer failed for good and is replaced", in_flight=failed.in_flight)
        task = asyncio.get_running_loop().create_task(self._retire(failed))
        self._retiring.add(task)
        task.add_done_callback(self._retiring.discard)

    async def _retire(self, producer: Producer) -> None:
        if producer.in_flight:
            producer.purge()
        try:
            async with asyncio.timeout(_RETIRE_TIMEOUT_S):
                await producer.drained()
        except TimeoutError:
            _log.error("a retired producer kept deliveries", in_flight=producer.in_flight)
        await producer.close()
