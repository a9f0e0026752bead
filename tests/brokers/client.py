"""Plain Kafka clients for tests: none of them shares code with the product."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from concurrent.futures import Future
from typing import Any

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType
from confluent_kafka.cimpl import NewTopic

from tests.brokers.waiting import wait_for

__all__ = ["ClusterClient", "quiet_logger"]

_CALL_TIMEOUT_S = 10.0


def quiet_logger() -> logging.Logger:
    """Return a logger for librdkafka that a test run shows only on failure."""
    return logging.getLogger("tests.librdkafka")


class ClusterClient:
    """What tests ask of a cluster beside reading records."""

    def __init__(self, bootstrap_servers: str, extra: Mapping[str, str] | None = None) -> None:
        """Talk to the cluster at `bootstrap_servers`; `extra` is added to librdkafka's configuration."""
        config: dict[str, Any] = {
            "bootstrap.servers": bootstrap_servers,
            "reconnect.backoff.ms": 20,
            "reconnect.backoff.max.ms": 100,
            # A broker that is still starting is no news.
            "error_cb": lambda _error: None,
        }
        self.admin = AdminClient(config | dict(extra or {}), logger=quiet_logger())

    def wait_until_answering(self, *, brokers: int, timeout_s: float) -> None:
        """Return once the cluster knows `brokers` brokers and answers for topics.

        Raises:
            TimeoutError: that was not so after `timeout_s`.
        """
        wait_for(lambda: self._brokers_answering() >= brokers, f"{brokers} brokers that answer", timeout_s=timeout_s)

    def create_topic(
        self, name: str, *, partitions: int = 4, replicas: int = 1, config: Mapping[str, str] | None = None
    ) -> None:
        """Create the topic `name` and return once its partitions have leaders.

        Raises:
            KafkaException: the cluster refuses, for example since the topic exists.
            TimeoutError: the topic was not ready in time.
        """
        topic = NewTopic(name, num_partitions=partitions, replication_factor=replicas, config=dict(config or {}))
        created: Future[None] = self.admin.create_topics([topic])[name]
        created.result(_CALL_TIMEOUT_S)
        wait_for(lambda: len(self.leaders(name)) == partitions, f"leaders of {name}", timeout_s=_CALL_TIMEOUT_S)

    def configure_topic(self, name: str, config: Mapping[str, str]) -> None:
        """Alter the settings of the topic `name` that `config` names."""
        entries = [
            ConfigEntry(key, value, incremental_operation=AlterConfigOpType.SET) for key, value in config.items()
        ]
        resource = ConfigResource(ResourceType.TOPIC, name, incremental_configs=entries)
        altered: Future[None] = self.admin.incremental_alter_configs([resource])[resource]
        altered.result(_CALL_TIMEOUT_S)

    def delete_topic(self, name: str) -> None:
        """Delete the topic `name`."""
        deleted: Future[None] = self.admin.delete_topics([name])[name]
        deleted.result(_CALL_TIMEOUT_S)

    def leaders(self, topic: str) -> dict[int, int]:
        """Return the broker id that leads each partition of `topic` that has a leader."""
        described = self.admin.list_topics(topic, timeout=_CALL_TIMEOUT_S).topics[topic]
        return {number: partition.leader for number, partition in described.partitions.items() if partition.leader >= 0}

    def _brokers_answering(self) -> int:
        # Not by DescribeCluster: asked while brokers start, librdkafka's admin requests may abort the process, when one
        # runs out of time just as a broker comes up (its issue 4605).
        try:
            return len(self.admin.list_topics(timeout=2.0).brokers)
        except KafkaException:
            return 0
