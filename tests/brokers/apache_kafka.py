"""Apache Kafka, the judge of every promise about delivery: real brokers in KRaft mode on loopback ports."""

from __future__ import annotations

import fcntl
import hashlib
import subprocess
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.brokers.client import ClusterClient
from tests.brokers.ports import LOOPBACK, ReservedPort
from tests.brokers.prerequisites import needs_program
from tests.brokers.process import BrokerProcess

__all__ = ["ApacheKafka", "KafkaBroker"]

_PROJECT = Path(__file__).parents[1] / "kafka"
_START_TIMEOUT_S = 60.0
_DOWNLOAD_TIMEOUT_S = 300.0
_LISTENERS = ("PLAINTEXT", "SASL_PLAINTEXT", "CONTROLLER")
# The serial collector and one compiler tier start fastest and take the least of a small machine.
_JAVA_OPTIONS = ("-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")


class KafkaBroker:
    """One node, broker and controller alike, that can be stopped, killed, frozen and started again on its ports.

    Attributes:
        node_id: 1, 2, …
        ports: the port of each listener.
        process: the run under way, or the last one.
    """

    process: BrokerProcess

    def __init__(self, node_id: int, directory: Path, classpath: str, java_options: Sequence[str]) -> None:
        """Reserve ports for the node, whose files live in `directory`; `classpath` and `java_options` are Java's."""
        self.node_id = node_id
        self.directory = directory
        self._reserved = {listener: ReservedPort() for listener in _LISTENERS}
        self.ports = {listener: port.number for listener, port in self._reserved.items()}
        self._java = [
            str(needs_program("java", "run Apache Kafka")),
            *java_options,
            "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
            "-cp",
            classpath,
        ]

    @property
    def _properties_file(self) -> Path:
        return self.directory / "server.properties"

    def format(self, properties: Mapping[str, str], cluster_id: str, scram_users: Mapping[str, str]) -> None:
        """Write the node's properties and prepare its log directory.

        Raises:
            subprocess.CalledProcessError: Kafka refuses the properties; its output is in the exception.
        """
        self.directory.mkdir()
        text = "".join(f"{name}={value}\n" for name, value in properties.items())
        self._properties_file.write_text(text, encoding="utf-8")
        users = [
            argument
            for name, password in scram_users.items()
            for argument in ("--add-scram", f"SCRAM-SHA-256=[name={name},password={password}]")
        ]
        subprocess.run(
            [
                *self._java,
                "kafka.tools.StorageTool",
                "format",
                # In one word, since an id may begin with a dash.
                f"--cluster-id={cluster_id}",
                "-c",
                str(self._properties_file),
                *users,
            ],
            check=True,
            capture_output=True,
            timeout=_START_TIMEOUT_S,
        )

    def start(self) -> None:
        """Start the node; it is of use only once `ApacheKafka.wait_until_answering` has returned."""
        self.process = BrokerProcess(
            [*self._java, "kafka.Kafka", str(self._properties_file)],
            cwd=self.directory,
            log_file=self.directory / "broker.log",
        )

    def close(self) -> None:
        """Kill the node and give its ports back."""
        self.process.kill()
        for port in self._reserved.values():
            port.release()


class ApacheKafka:
    """A cluster of one broker or more, with its data in a directory of the caller's.

    Topics are not created by themselves unless `settings` say so: `auto.create.topics.enable=true`. Everyone on the
    PLAINTEXT listener is a super user, so that tests can set up what the product, on either listener, may not.

    Attributes:
        nodes: the brokers by node id, which counts from 1.
        client: asks the cluster and creates topics.
    """

    def __init__(
        self,
        directory: Path,
        *,
        brokers: int = 1,
        settings: Mapping[str, str] | None = None,
        scram_users: Mapping[str, str] | None = None,
        authorizer: bool = False,
        settings_of: Callable[[KafkaBroker], Mapping[str, str]] | None = None,
        java_options: Sequence[str] = _JAVA_OPTIONS,
    ) -> None:
        """Start the cluster and return once every broker answers.

        Args:
            directory: an empty directory for the brokers' files.
            brokers: how many; three or more replicate everything three times, with min.insync.replicas=2.
            settings: broker settings beside, or instead of, those a cluster needs.
            scram_users: passwords by name of users for SCRAM-SHA-256 on the SASL_PLAINTEXT listener.
            authorizer: whether rights (ACLs) are checked.
            settings_of: tells the settings of one broker, above all others.
            java_options: Java's; by default those that suit tests, which start brokers often and load them little.

        Raises:
            TimeoutError: a broker did not answer in time; the message has the end of its log.
        """
        classpath = f"{_libraries()}/*"
        self.nodes = {
            node_id: KafkaBroker(node_id, directory / f"node-{node_id}", classpath, java_options)
            for node_id in range(1, brokers + 1)
        }
        self.replicas = min(brokers, 3)
        cluster_id = urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode()
        for node in self.nodes.values():
            properties = self._properties(node, authorizer=authorizer) | dict(settings or {})
            if settings_of is not None:
                properties |= settings_of(node)
            node.format(properties, cluster_id, scram_users or {})
        for node in self.nodes.values():
            node.start()
        try:
            self.client = ClusterClient(self.bootstrap_servers)
            self.wait_until_answering()
        except BaseException:
            self.close()
            raise

    @property
    def bootstrap_servers(self) -> str:
        """The PLAINTEXT listeners, where everyone is a super user."""
        return self._addresses("PLAINTEXT")

    @property
    def sasl_bootstrap_servers(self) -> str:
        """The SASL_PLAINTEXT listeners, for SCRAM-SHA-256."""
        return self._addresses("SASL_PLAINTEXT")

    def wait_until_answering(self) -> None:
        """Return once every node that runs has joined and answers.

        Raises:
            TimeoutError: that took too long, or a node ended; the message has the end of its log.
        """
        running = [node for node in self.nodes.values() if node.process.running]
        try:
            self.client.wait_until_answering(brokers=len(running), timeout_s=_START_TIMEOUT_S)
        except TimeoutError as error:
            logs = "\n".join(f"node {node.node_id}: …{node.process.log_tail()}" for node in running)
            msg = f"Apache Kafka did not start: {error}\n{logs}"
            raise TimeoutError(msg) from None

    def create_topic(self, name: str, *, partitions: int = 4, config: Mapping[str, str] | None = None) -> None:
        """Create a topic with as many replicas as the cluster has room for, at most three."""
        self.client.create_topic(name, partitions=partitions, replicas=self.replicas, config=config)

    def leader(self, topic: str, partition: int) -> KafkaBroker:
        """Return the node that leads `partition` of `topic`."""
        return self.nodes[self.client.leaders(topic)[partition]]

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Freeze every broker: connections stay open, and nothing is answered."""
        with ExitStack() as frozen:
            for node in self.nodes.values():
                frozen.enter_context(node.process.paused())
            yield

    def close(self) -> None:
        """Kill every broker: the data is the caller's to remove, and of no more use."""
        for node in self.nodes.values():
            node.close()

    def _addresses(self, listener: str) -> str:
        return ",".join(f"{LOOPBACK}:{node.ports[listener]}" for node in self.nodes.values())

    def _properties(self, node: KafkaBroker, *, authorizer: bool) -> dict[str, str]:
        voters = ",".join(f"{other.node_id}@{LOOPBACK}:{other.ports['CONTROLLER']}" for other in self.nodes.values())
        replicas = str(self.replicas)
        in_sync_min = "2" if self.replicas > 2 else "1"
        properties = {
            "process.roles": "broker,controller",
            "node.id": str(node.node_id),
            "controller.quorum.voters": voters,
            "controller.listener.names": "CONTROLLER",
            "inter.broker.listener.name": "PLAINTEXT",
            "listeners": ",".join(f"{listener}://{LOOPBACK}:{port}" for listener, port in node.ports.items()),
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT",
            "sasl.enabled.mechanisms": "SCRAM-SHA-256",
            "listener.name.sasl_plaintext.scram-sha-256.sasl.jaas.config": (
                "org.apache.kafka.common.security.scram.ScramLoginModule required;"
            ),
            "log.dirs": str(node.directory / "data"),
            "num.partitions": "4",
            "default.replication.factor": replicas,
            "min.insync.replicas": in_sync_min,
            "offsets.topic.replication.factor": replicas,
            "offsets.topic.num.partitions": "1",
            "transaction.state.log.replication.factor": replicas,
            "transaction.state.log.min.isr": in_sync_min,
            "transaction.state.log.num.partitions": "1",
            "auto.create.topics.enable": "false",
            "group.initial.rebalance.delay.ms": "0",
            # Elections within a second or two instead of nine, so that fault tests do not wait for Kafka.
            "broker.session.timeout.ms": "3000",
            "broker.heartbeat.interval.ms": "500",
            # Records with timestamps of years ago shall be there when a test reads them.
            "log.retention.ms": "-1",
            "log.cleaner.dedupe.buffer.size": str(4 * 1024 * 1024),
        }
        if authorizer:
            properties |= {
                "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
                "super.users": "User:ANONYMOUS",
            }
        return properties


def _libraries() -> Path:
    """Return the directory of Kafka's jars, which Maven fetches once for each version of the pom."""
    pom = _PROJECT / "pom.xml"
    target = _PROJECT / "target"
    libraries = target / "libs"
    fetched = target / "pom.sha256"
    digest = hashlib.sha256(pom.read_bytes()).hexdigest()
    needs_program("java", "run Apache Kafka")
    target.mkdir(exist_ok=True)
    # Several test runs, or workers of one, may get here at once.
    with (target / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not fetched.exists() or fetched.read_text(encoding="utf-8") != digest:
            maven = needs_program("mvn", "fetch Apache Kafka")
            for jar in libraries.glob("*.jar"):
                jar.unlink()
            subprocess.run(
                [maven, "--batch-mode", "--quiet", "--file", pom, "package"], check=True, timeout=_DOWNLOAD_TIMEOUT_S
            )
            fetched.write_text(digest, encoding="utf-8")
    return libraries
