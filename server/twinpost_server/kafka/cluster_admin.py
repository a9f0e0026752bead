"""Questions to the cluster that name no record: is it there, how are a topic's replicas."""

from __future__ import annotations

import asyncio
from concurrent.futures import Executor, ThreadPoolExecutor
from functools import partial
from typing import Final, NamedTuple

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType, TopicMetadata

from twinpost_server.kafka.admin_answer import admin_answer
from twinpost_server.kafka.client_config import ClientConfig
from twinpost_server.kafka.log import client_logger
from twinpost_server.kafka.topic_rules import TopicRules

__all__ = ["ClusterAdmin", "TopicReplicas"]

_TIMEOUT_S: Final = 5.0
"""How long an answer may take: a cluster that is slow is not down."""

_SOCKET_TIMEOUT_S: Final = 4.5
"""Shorter than that, so that a broker that hangs is left for another one before the next question."""

_REFUSED_TIMEOUT_S: Final = 2.0
"""How long an answer may take right after every broker has refused to be connected to."""

_PROBES_MAX: Final = 8
_LOOKS_MAX: Final = 4
"""Threads for each kind of question, made when needed."""

_EVIDENCE_INTERVAL_S: Final = 0.1
"""How often the client is asked, while an answer is awaited, whether there is hope for one."""

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
        # Brokers that hang keep every thread that asks them for seconds. So the probe, which tells that they do, has
        # threads of its own, enough for the questions that are still under way after it gave up on them.
        self._probes = ThreadPoolExecutor(_PROBES_MAX, thread_name_prefix="kafka-probe")
        self._looks = ThreadPoolExecutor(_LOOKS_MAX, thread_name_prefix="kafka-replicas")
        self._errors: list[KafkaError] = []
        self._refused = False

    async def probe(self) -> None:
        """Return if a broker of the cluster answers; needs no right.

        Raises:
            KafkaException: no answer within five seconds, or none to be expected: no broker can be connected to.
        """
        # Once only: a cluster that has come back slow would never get to answer.
        timeout_s, self._refused = (_REFUSED_TIMEOUT_S if self._refused else _TIMEOUT_S), False
        answer = asyncio.create_task(self._described(_NO_TOPIC, timeout_s, self._probes))
        while not (await asyncio.wait((answer,), timeout=_EVIDENCE_INTERVAL_S))[0]:
            self._client.poll(0)
            hopeless = next((error for error in self._errors if error.code() in _HOPELESS), None)
            if hopeless is not None:
                # The question itself cannot be taken back; nobody waits for its answer any more.
                answer.add_done_callback(lambda asked: asked.cancelled() or asked.exception())
                self._refused = True
                raise KafkaException(hopeless)
        answer.result()

    async def replicas(self, topic: str) -> TopicReplicas:
        """Return how the replicas of `topic` are.

        Raises:
            KafkaException: no answer within five seconds, or the gateway may not describe the topic's configuration.
        """
        # In this order: the metadata tells the client which broker to ask for the configuration.
        described = await self._described(topic, _TIMEOUT_S, self._looks)
        if described.error is not None:
            raise KafkaException(described.error)
        partitions = described.partitions
        in_sync_min = int((await self._configuration(topic)).get(_MIN_IN_SYNC) or 1)
        return TopicReplicas(
            {number: len(partition.isrs) for number, partition in partitions.items()},
            # Since Kafka 4, a topic with fewer replicas than that demands only as many as it has (measured).
            min((in_sync_min, *(len(partition.replicas) for partition in partitions.values()))),
        )

    async def rules(self, topic: str) -> TopicRules:
        """Return what `topic` demands of its records, as far as the broker says.

        Raises:
            KafkaException: no answer within five seconds, or the gateway may not describe the topic's configuration.
        """
        return TopicRules.of_config(await self._configuration(topic))

    def close(self) -> None:
        """Ask nothing more; questions under way are not waited for. Nothing of this can be called afterwards."""
        for threads in (self._probes, self._looks):
            threads.shutdown(wait=False, cancel_futures=True)
        # Its callback leads back here. Left to the garbage collector, it might be destroyed on one of librdkafka's own
        # threads, on which answers are noted, and that aborts the process.
        del self._client

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

    async def _configuration(self, topic: str) -> dict[str, str | None]:
        resource = ConfigResource(ResourceType.TOPIC, topic)
        answer = self._client.describe_configs([resource], request_timeout=_TIMEOUT_S)[resource]
        return {name: entry.value for name, entry in (await admin_answer(answer)).items()}

    async def _described(self, topic: str, timeout_s: float, threads: Executor) -> TopicMetadata:
        # `list_topics` blocks, and so runs on a thread.
        metadata = await asyncio.get_running_loop().run_in_executor(
            threads, partial(self._client.list_topics, topic, timeout_s)
        )
        return metadata.topics[topic]


_HOPELESS: Final = frozenset(
    {KafkaError._ALL_BROKERS_DOWN, KafkaError._AUTHENTICATION, KafkaError.SASL_AUTHENTICATION_FAILED}
)
