"""The ledger: what a topic holds, read back by a plain consumer."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import cast

from confluent_kafka import OFFSET_BEGINNING, TIMESTAMP_LOG_APPEND_TIME, Consumer, KafkaError, KafkaException, Message
from confluent_kafka import TopicPartition as Position

from tests.brokers.client import quiet_logger

__all__ = ["StoredRecord", "TopicReader", "read_topic"]

_READ_TIMEOUT_S = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRecord:
    """A record as a broker hands it out: nothing decoded, nothing left out.

    Attributes:
        headers: in order, duplicates kept; a null value is `None`, and no headers are `()`.
        timestamp: milliseconds since the epoch.
        log_append_time: whether the timestamp is the broker's own (LogAppendTime) rather than the producer's.
    """

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]
    timestamp: int
    log_append_time: bool


class TopicReader:
    """Reads one topic from its beginning; open it with `TopicReader.opened`."""

    def __init__(self, consumer: Consumer, topic: str) -> None:
        """Assign every partition of `topic` to `consumer`.

        Raises:
            KafkaException: there is no such topic.
        """
        self._consumer = consumer
        described = consumer.list_topics(topic, timeout=_READ_TIMEOUT_S).topics[topic]
        if described.error is not None:
            raise KafkaException(described.error)
        self._partitions = frozenset(described.partitions)
        consumer.assign([Position(topic, partition, OFFSET_BEGINNING) for partition in self._partitions])

    @classmethod
    @contextmanager
    def opened(cls, bootstrap_servers: str, topic: str) -> Iterator[TopicReader]:
        """Read `topic` of the cluster at `bootstrap_servers`, without a consumer group of its own being joined."""
        consumer = Consumer(
            {
                "bootstrap.servers": bootstrap_servers,
                "group.id": "ledger",
                "enable.auto.commit": False,
                "auto.offset.reset": "error",
                "enable.partition.eof": True,
                "fetch.wait.max.ms": 20,
                "error_cb": lambda _error: None,
            },
            logger=quiet_logger(),
        )
        try:
            yield cls(consumer, topic)
        finally:
            consumer.close()

    def take(self, count: int) -> list[StoredRecord]:
        """Return the next `count` records, waiting for them; sorted by partition, then offset.

        Raises:
            TimeoutError: they did not come in time.
        """
        records: list[StoredRecord] = []
        deadline = time.monotonic() + _READ_TIMEOUT_S
        while len(records) < count:
            message = self._polled(deadline)
            if message.error() is None:
                records.append(_stored(message))
        return sorted(records, key=_place)

    def to_the_end(self) -> list[StoredRecord]:
        """Return every record up to the end of each partition; sorted by partition, then offset. For one call only.

        Raises:
            TimeoutError: the end was not reached in time.
        """
        records: list[StoredRecord] = []
        ended: set[int | None] = set()
        deadline = time.monotonic() + _READ_TIMEOUT_S
        while ended != self._partitions:
            message = self._polled(deadline)
            if message.error() is None:
                records.append(_stored(message))
            else:
                ended.add(message.partition())
        return sorted(records, key=_place)

    def _polled(self, deadline: float) -> Message:
        """Return the next record or end of partition.

        Raises:
            KafkaException: any other error.
            TimeoutError: nothing came by `deadline`.
        """
        while time.monotonic() < deadline:
            message = self._consumer.poll(0.5)
            # An empty value makes a message false: only `None` means that there is none.
            if message is None:
                continue
            error = message.error()
            if error is not None and error.code() != KafkaError._PARTITION_EOF:  # noqa: SLF001 - librdkafka's public name
                raise KafkaException(error)
            return message
        msg = f"the topic's records did not come within {_READ_TIMEOUT_S:g} s"
        raise TimeoutError(msg)


def read_topic(bootstrap_servers: str, topic: str) -> list[StoredRecord]:
    """Return everything that `topic` holds, sorted by partition, then offset.

    Raises:
        KafkaException: there is no such topic.
        TimeoutError: the records did not come in time.
    """
    with TopicReader.opened(bootstrap_servers, topic) as reader:
        return reader.to_the_end()


def _stored(message: Message) -> StoredRecord:
    topic, partition, offset = message.topic(), message.partition(), message.offset()
    assert topic is not None
    assert partition is not None
    assert offset is not None
    timestamp_type, timestamp = message.timestamp()
    # A consumer's headers come as a list of pairs with bytes, narrower than what `produce` takes.
    headers = cast("list[tuple[str, bytes | None]]", message.headers() or [])
    return StoredRecord(
        topic=topic,
        partition=partition,
        offset=offset,
        key=message.key(),
        value=message.value(),
        headers=tuple(headers),
        timestamp=timestamp,
        log_append_time=timestamp_type == TIMESTAMP_LOG_APPEND_TIME,
    )


def _place(record: StoredRecord) -> tuple[int, int]:
    return record.partition, record.offset
