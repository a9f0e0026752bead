"""librdkafka's mock cluster: brokers inside this process that speak Kafka's protocol over loopback sockets."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager

from confluent_kafka import Producer

from tests.brokers.client import ClusterClient, quiet_logger

__all__ = ["PARTITIONS", "MockCluster"]

PARTITIONS = 4
"""How many partitions each topic has; the first client that asks for a topic creates it."""


class MockCluster:
    """A cluster that lives as long as the client that brings it.

    It speaks the protocol truly but has few of a broker's rules: no unknown topics, no timestamps it refuses.

    Attributes:
        bootstrap_servers: its addresses.
        client: asks it.
    """

    def __init__(self, *, brokers: int = 1) -> None:
        """Start `brokers` mock brokers."""
        self._host = Producer(
            {"test.mock.num.brokers": brokers, "bootstrap.servers": "replaced by the mock cluster"},
            logger=quiet_logger(),
        )
        metadata = self._host.list_topics(timeout=10.0)
        self.bootstrap_servers = ",".join(f"{broker.host}:{broker.port}" for broker in metadata.brokers.values())
        self.client = ClusterClient(self.bootstrap_servers)

    def create_topic(self, name: str, *, partitions: int = PARTITIONS, config: Mapping[str, str] | None = None) -> None:
        """Have the topic `name` made; the mock cluster leaves no choice of partitions or settings."""
        assert (partitions, config) == (PARTITIONS, None)
        self.client.leaders(name)

    def paused(self) -> AbstractContextManager[None]:
        """Refuse: a cluster inside this process cannot be frozen alone."""
        raise NotImplementedError

    def close(self) -> None:
        """End the cluster."""
        self._host.close()
