"""The cluster that every system writes to: one Apache Kafka broker."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import psutil
from confluent_kafka import TopicPartition
from confluent_kafka.admin import OffsetSpec
from confluent_kafka.cimpl import NewTopic

from bench.usage import Parts
from tests.brokers.apache_kafka import ApacheKafka

__all__ = ["BenchTopic", "Cluster"]

_MIB: Final = 1024**2
_PARTITIONS: Final = 4
_TOPICS_AT_ONCE: Final = 500
_CREATE_TIMEOUT_S: Final = 60.0

# As in production rather than as in tests: both compiler tiers, and a heap that need not be collected all the time.
_JAVA_OPTIONS: Final = ("-Xms1g", "-Xmx1g", "-XX:+UseG1GC")

# What was written is soon of no use: the disk shall not fill up.
_SETTINGS: Final = {
    "log.segment.bytes": str(128 * _MIB),
    "log.retention.bytes": str(256 * _MIB),
    "log.retention.check.interval.ms": "5000",
    "log.segment.delete.delay.ms": "1000",
    # An index of such a segment is smaller than that; ten thousand topics have twenty thousand of them.
    "log.index.size.max.bytes": str(_MIB),
}


class BenchTopic:
    """The topic that every system writes to.

    Attributes:
        name: the topic's.
    """

    name = "bench"

    def __init__(self, kafka: ApacheKafka) -> None:
        """Create it."""
        self._kafka = kafka
        kafka.create_topic(self.name, partitions=_PARTITIONS)

    def written(self) -> int:
        """Return how many records were written to it so far."""
        latest = OffsetSpec.latest()  # type: ignore[no-untyped-call] # the client's stubs leave it out
        places = {TopicPartition(self.name, number): latest for number in range(_PARTITIONS)}
        asked = self._kafka.client.admin.list_offsets(places)
        return sum(future.result().offset for future in asked.values())


class Cluster:
    """A broker with the topic of the benchmark.

    Attributes:
        bootstrap_servers: its address.
        processes: its process, as what runs beside a system.
        topic: the topic.
    """

    def __init__(self, kafka: ApacheKafka) -> None:
        """Make the topic on `kafka`."""
        self._admin = kafka.client.admin
        self.bootstrap_servers = kafka.bootstrap_servers
        self.processes: Parts = {"kafka": [psutil.Process(node.process.pid) for node in kafka.nodes.values()]}
        self.topic = BenchTopic(kafka)

    def create_topics(self, names: Sequence[str]) -> None:
        """Create topics of one partition.

        Raises:
            KafkaException: the broker refuses.
        """
        for start in range(0, len(names), _TOPICS_AT_ONCE):
            new = [NewTopic(name, num_partitions=1, replication_factor=1) for name in names[start:][:_TOPICS_AT_ONCE]]
            for created in self._admin.create_topics(new, request_timeout=_CREATE_TIMEOUT_S).values():
                created.result()

    @classmethod
    @contextmanager
    def running(cls, directory: Path) -> Iterator[Cluster]:
        """Run the broker with its files in `directory` until the end of the block.

        Raises:
            TimeoutError: it did not answer in time.
        """
        home = directory / "kafka"
        home.mkdir()
        kafka = ApacheKafka(home, settings=_SETTINGS, java_options=_JAVA_OPTIONS)
        try:
            yield cls(kafka)
        finally:
            kafka.close()
