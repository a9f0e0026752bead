"""Topics made on a cluster that is ours to shape: the embedded broker of `twinpost dev`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from twinpost_server.kafka.admin_answer import admin_answer
from twinpost_server.kafka.log import client_logger

__all__ = ["TopicCreationError", "create_topics"]

_TIMEOUT_S: Final = 3.0


class TopicCreationError(Exception):
    """A topic could not be created.

    Attributes:
        topic: its name.
    """

    def __init__(self, topic: str, error: KafkaException) -> None:
        """Name the topic and what the client says about it."""
        super().__init__(f"topic {topic!r} could not be created: {error.args[0]}")
        self.topic = topic


async def create_topics(bootstrap_servers: str, names: Iterable[str], *, partitions: int) -> None:
    """Create the topics `names` with `partitions` partitions each, where they do not exist; never blocks the loop.

    Raises:
        TopicCreationError: the cluster refused one, or did not answer within 3 s.
    """
    topics = [NewTopic(name, num_partitions=partitions, replication_factor=1) for name in names]
    config: dict[str, str | int | float | bool] = {
        "bootstrap.servers": bootstrap_servers,
        # A broker that started a moment ago may refuse the first attempt; the next one should come soon.
        "reconnect.backoff.ms": 10,
        "reconnect.backoff.max.ms": 100,
    }
    with AdminClient(config, logger=client_logger()) as client:
        outcomes = client.create_topics(topics, request_timeout=_TIMEOUT_S, operation_timeout=_TIMEOUT_S)
        for name, outcome in outcomes.items():
            try:
                await admin_answer(outcome)
            except KafkaException as error:
                if not _exists_already(error):
                    raise TopicCreationError(name, error) from error


def _exists_already(error: KafkaException) -> bool:
    cause = error.args[0]
    return isinstance(cause, KafkaError) and cause.code() == KafkaError.TOPIC_ALREADY_EXISTS
