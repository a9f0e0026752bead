"""The sinks under contract, and the brokers behind them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager
from enum import Enum, auto
from typing import Protocol

from tests.brokers.ledger import StoredRecord, read_topic
from tests.contract.fake_sink import FakeSink
from twinpost_server.config.settings import KafkaSettings, LimitSettings, TimeoutSettings
from twinpost_server.core.ports import RecordSink
from twinpost_server.kafka.sink import KafkaSink

__all__ = ["FEATURES", "Backend", "FakeBackend", "Feature", "KafkaBackend"]

_CLOSE_TIMEOUT_S = 10.0


class Feature(Enum):
    """What not every backend can show."""

    MISSING_TOPICS = auto()
    """A topic that was not created does not exist."""

    PAUSE = auto()
    """Acknowledgements can be held back."""

    TIMESTAMPS = auto()
    """Reports carry the record's timestamp; the mock cluster's always say 1234."""

    TOPIC_RULES = auto()
    """Topics have rules of their own: LogAppendTime, the largest record, timestamps they refuse."""


FEATURES = {
    "fake": {Feature.MISSING_TOPICS, Feature.PAUSE, Feature.TIMESTAMPS},
    "mock_cluster": set[Feature](),
    "embedded_broker": {Feature.PAUSE, Feature.TIMESTAMPS},
    "apache_kafka": set(Feature),
}
"""The backends by name, each with what it can show."""


class Backend(Protocol):
    """Makes sinks, and tells the truth about what they wrote."""

    def create_topic(self, name: str, *, partitions: int = 4, config: Mapping[str, str] | None = None) -> None:
        """Create the topic `name`."""
        ...

    def opened(self, *, in_flight_records_max: int = 200_000) -> AbstractAsyncContextManager[RecordSink]:
        """Open a new sink, which may hold so many records unacknowledged."""
        ...

    def paused(self) -> AbstractContextManager[None]:
        """Have nothing acknowledged inside the block."""
        ...

    def records(self, topic: str) -> list[StoredRecord]:
        """Return what `topic` holds, sorted by partition, then offset."""
        ...


class FakeBackend:
    """The fake sink."""

    def __init__(self) -> None:
        """Start without topics."""
        self._topics: dict[str, int] = {}
        self._sink = FakeSink(self._topics)

    def create_topic(self, name: str, *, partitions: int = 4, config: Mapping[str, str] | None = None) -> None:
        """Create the topic `name`."""
        assert config is None
        self._topics[name] = partitions

    @asynccontextmanager
    async def opened(self, *, in_flight_records_max: int = 200_000) -> AsyncIterator[RecordSink]:
        """Open a new sink."""
        self._sink = FakeSink(self._topics, in_flight_records_max=in_flight_records_max)
        yield self._sink

    def paused(self) -> AbstractContextManager[None]:
        """Hold every acknowledgement of the sink opened last."""
        return self._sink.paused()

    def records(self, topic: str) -> list[StoredRecord]:
        """Return what the sink opened last stored."""
        held = (record for record in self._sink.records if record.topic == topic)
        return sorted(held, key=lambda record: (record.partition, record.offset))


class _Broker(Protocol):
    @property
    def bootstrap_servers(self) -> str: ...

    def create_topic(self, name: str, *, partitions: int = 4, config: Mapping[str, str] | None = None) -> None: ...

    def paused(self) -> AbstractContextManager[None]: ...


class KafkaBackend:
    """The product's own sink, on whatever speaks Kafka's protocol."""

    def __init__(self, broker: _Broker) -> None:
        """Write to `broker`."""
        self._broker = broker
        self.create_topic = broker.create_topic
        self.paused = broker.paused

    @asynccontextmanager
    async def opened(self, *, in_flight_records_max: int = 200_000) -> AsyncIterator[RecordSink]:
        """Open a new sink; leaving the block waits for what is in flight."""
        limits = LimitSettings(
            in_flight_records_max=in_flight_records_max, request_records_max=min(10_000, in_flight_records_max)
        )
        kafka = KafkaSettings(bootstrap_servers=self._broker.bootstrap_servers)
        sink = KafkaSink(kafka, limits, TimeoutSettings())
        try:
            yield sink
        finally:
            await sink.close(timeout_s=_CLOSE_TIMEOUT_S)

    def records(self, topic: str) -> list[StoredRecord]:
        """Read the topic with a plain consumer."""
        return read_topic(self._broker.bootstrap_servers, topic)
