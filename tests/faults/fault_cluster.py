"""Three brokers of Apache Kafka, each reached by the gateway through a link of its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    OffsetSpec,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)
from confluent_kafka.cimpl import NewTopic

from tests.brokers.apache_kafka import ApacheKafka, KafkaBroker
from tests.brokers.client import quiet_logger
from tests.brokers.ports import LOOPBACK
from tests.brokers.waiting import wait_for
from tests.faults.network import Link, Network

__all__ = ["GATEWAY_PASSWORD", "GATEWAY_USER", "FaultCluster"]

GATEWAY_USER = "gateway"
GATEWAY_PASSWORD = "gateway-secret"  # noqa: S105 - of a cluster that lives as long as the tests
_CALL_TIMEOUT_S = 10.0
_HEAL_TIMEOUT_S = 60.0


class FaultCluster:
    """The cluster, its network and what can be done to them.

    The gateway comes through the links, with SCRAM and with rights of its own; the tests talk to the brokers directly,
    as super users, so that what they do to the network does not touch their own view.

    Attributes:
        kafka: the brokers.
        links: by node id.
    """

    def __init__(self, directory: Path) -> None:
        """Start everything; `directory` is empty."""
        self._network = Network()
        self.links: dict[int, Link] = {}
        try:
            self.kafka = ApacheKafka(
                directory,
                brokers=3,
                scram_users={GATEWAY_USER: GATEWAY_PASSWORD},
                authorizer=True,
                settings_of=self._advertised,
            )
        except BaseException:
            self._network.close()
            raise
        self._grant()

    @property
    def gateway_bootstrap_servers(self) -> str:
        """Where the gateway is to connect to."""
        return ",".join(f"{LOOPBACK}:{link.port}" for link in self.links.values())

    def _grant(self) -> None:
        """Give the gateway the rights it needs on every topic."""
        acls = [
            AclBinding(
                *(ResourceType.TOPIC, "*", ResourcePatternType.LITERAL, f"User:{GATEWAY_USER}", "*"),
                *(operation, AclPermissionType.ALLOW),
            )
            for operation in (AclOperation.WRITE, AclOperation.DESCRIBE, AclOperation.DESCRIBE_CONFIGS)
        ]
        for done in self.kafka.client.admin.create_acls(acls).values():
            done.result(_CALL_TIMEOUT_S)

    @contextmanager
    def writing_denied(self, topic: str) -> Iterator[None]:
        """Forbid the gateway to write `topic` until the end of the block."""
        admin = self.kafka.client.admin
        place = (ResourceType.TOPIC, topic, ResourcePatternType.LITERAL, f"User:{GATEWAY_USER}", "*")
        denied = AclBinding(*place, AclOperation.WRITE, AclPermissionType.DENY)
        admin.create_acls([denied])[denied].result(_CALL_TIMEOUT_S)
        try:
            yield
        finally:
            written = AclBindingFilter(*place, AclOperation.WRITE, AclPermissionType.DENY)
            admin.delete_acls([written])[written].result(_CALL_TIMEOUT_S)

    def set_password(self, password: str) -> None:
        """Change the gateway's password and return once every broker goes by it; connections that stand go on."""
        change = UserScramCredentialUpsertion(
            GATEWAY_USER, ScramCredentialInfo(ScramMechanism.SCRAM_SHA_256, 4096), password.encode()
        )
        done = self.kafka.client.admin.alter_user_scram_credentials([change])
        done[GATEWAY_USER].result(_CALL_TIMEOUT_S)
        wait_for(
            lambda: all(_admits(node, password) for node in self.kafka.nodes.values()),
            "the new password taken by every broker",
            timeout_s=_CALL_TIMEOUT_S,
        )

    def create_topic_led_by(self, node_id: int, name: str, *, partitions: int) -> None:
        """Create a topic all of whose partitions are led by the node `node_id`."""
        others = [other for other in self.kafka.nodes if other != node_id]
        topic = NewTopic(
            name, num_partitions=partitions, replica_assignment=[[node_id, *others] for _ in range(partitions)]
        )
        self.kafka.client.admin.create_topics([topic])[name].result(_CALL_TIMEOUT_S)
        self.wait_until_whole([name])

    def ends(self, topic: str) -> dict[int, int]:
        """Return the end of each partition of `topic` that has a leader: the offset of the next record."""
        admin = self.kafka.client.admin
        end: OffsetSpec = OffsetSpec.latest()  # type: ignore[no-untyped-call]
        ends = {TopicPartition(topic, number): end for number in self.kafka.client.leaders(topic)}
        return {
            place.partition: found.result(_CALL_TIMEOUT_S).offset for place, found in admin.list_offsets(ends).items()
        }

    def wait_until_whole(self, topics: Sequence[str] | None = None) -> None:
        """Return once every replica of `topics`, or of all topics, is in sync.

        Raises:
            TimeoutError: that took too long.
        """

        def lacking() -> list[str]:
            described = self.kafka.client.admin.list_topics(timeout=_CALL_TIMEOUT_S).topics
            names = list(described) if topics is None else list(topics)
            return [f"no topic {name}" for name in names if name not in described] + [
                f"{name}[{number}]: {partition.isrs} of {partition.replicas}"
                for name in names
                if name in described
                for number, partition in described[name].partitions.items()
                if partition.leader < 0 or len(partition.isrs) < len(partition.replicas)
            ]

        wait_for(lambda: not lacking(), lambda: f"replicas in sync: {lacking()}", timeout_s=_HEAL_TIMEOUT_S)

    def kill_all(self) -> None:
        """End every broker at once."""
        for node in self.kafka.nodes.values():
            node.process.kill()

    def start_all(self) -> None:
        """Start every broker that does not run, and return once all answer."""
        for node in self.kafka.nodes.values():
            if not node.process.running:
                node.start()
        self.kafka.wait_until_answering()

    def heal(self) -> None:
        """Undo every fault and return once the cluster is whole."""
        for link in self.links.values():
            link.heal()
            assert [] == link.errors
        self.start_all()
        self.wait_until_whole()

    def close(self) -> None:
        """End brokers and network."""
        self.kafka.close()
        self._network.close()

    def _advertised(self, node: KafkaBroker) -> dict[str, str]:
        link = self.links[node.node_id] = self._network.link(node.ports["SASL_PLAINTEXT"])
        plain = f"PLAINTEXT://{LOOPBACK}:{node.ports['PLAINTEXT']}"
        return {"advertised.listeners": f"{plain},SASL_PLAINTEXT://{LOOPBACK}:{link.port}"}


def _admits(node: KafkaBroker, password: str) -> bool:
    """Return whether `node` lets the gateway in with `password`."""
    config: dict[str, Any] = {
        "bootstrap.servers": f"{LOOPBACK}:{node.ports['SASL_PLAINTEXT']}",
        "security.protocol": "SASL_PLAINTEXT",
        "sasl.mechanism": "SCRAM-SHA-256",
        "sasl.username": GATEWAY_USER,
        "sasl.password": password,
        "error_cb": lambda _error: None,
    }
    try:
        AdminClient(config, logger=quiet_logger()).list_topics("__none", timeout=1.0)
    except KafkaException:
        return False
    return True
