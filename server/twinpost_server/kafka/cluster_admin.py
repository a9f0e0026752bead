"""Questions to the cluster that name no record: is it there, how are a topic's replicas."""

from __future__ import annotations

import asyncio
from typing import Final, NamedTuple

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType, TopicMetadata

from twinpost_server.kafka.client_config import ClientConfig
from twinpost_server.kafka.log import client_logger

__all__ = ["ClusterAdmin", "TopicReplicas"]

_TIMEOUT_S: Final = 2.0
_SOCKET_TIMEOUT_S: Final = 1.0
"""Shorter than the answer may take, so that a broker that hangs is left for another one within the same question."""

_NO_TOPIC: Final = ".."
"""A name no topic can have: asking for it costs a broker next to nothing and creates nothing, whereas asking for all
topics of a large cluster would be megabytes a second. (`DescribeCluster` goes to one certain broker, the controller as
last heard of, and fails while that one is away, measured.)"""

_MIN_IN_SYNC: Final = "min.insync.replicas"


class TopicReplicas(NamedTuple):
    """How the replicas of a topic are.

    Attributes:
        in_sync: how many replicas of each partition are in sync, by partition.
        in_sync_min: how many acks=all demands.
    """

    in_sync: dict[int, int]
    in_sync_min: int


class ClusterAdmin:
    """An admin client with a connection of its own, and awaitable answers. Lives on the loop's thread."""

    def __init__(self, config: ClientConfig) -> None:
        """Connect to the cluster of `config`."""
        # The stubs know no callbacks in a configuration; the documentation does.
        own = {"error_cb": self._note, "socket.timeout.ms": int(_SOCKET_TIMEOUT_S * 1000)}
        self._client = AdminClient(dict(config) | own, logger=client_logger())  # type: ignore[arg-type]
        self._errors: list[KafkaError] = []

    async def probe(self) -> None:
        """Return if a broker of the cluster answers; needs no right.

        Raises:
            KafkaException: no answer within two seconds.
        """
        await self._described(_NO_TOPIC)

    async def replicas(self, topic: str) -> TopicReplicas:
        """Return how the replicas of `topic` are.

        Raises:
            KafkaException: no answer within two seconds, or the gateway may not describe the topic's configuration.
        """
        # In this order: the metadata tells the client which broker to ask for the configuration.
        described = await self._described(topic)
        if described.error is not None:
            raise KafkaException(described.error)
        partitions = described.partitions
        resource = ConfigResource(ResourceType.TOPIC, topic)
        answer = self._client.describe_configs([resource], request_timeout=_TIMEOUT_S)[resource]
        # Shielded, since the client's thread would stumble over a future that was cancelled under it.
        configured = await asyncio.shield(asyncio.wrap_future(answer))
        return TopicReplicas(
            {number: len(partition.isrs) for number, partition in partitions.items()},
            # Since Kafka 4, a topic with fewer replicas than that demands only as many as it has (measured).
            min(int(configured[_MIN_IN_SYNC].value), *(len(partition.replicas) for partition in partitions.values())),
        )

    def take_errors(self) -> list[KafkaError]:
        """Return what the client complained of since the last call.

        A refused password or a name that does not resolve shows here only; the request itself just times out.
        """
        self._client.poll(0)
        errors, self._errors = self._errors, []
        return errors

    def _note(self, error: KafkaError) -> None:
        # Runs inside `poll`, so on the loop's thread.
        self._errors.append(error)

    async def _described(self, topic: str) -> TopicMetadata:
        # `list_topics` blocks, and so runs on a thread of the loop's executor.
        metadata = await asyncio.to_thread(self._client.list_topics, topic, _TIMEOUT_S)
        return metadata.topics[topic]
