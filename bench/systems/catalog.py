"""Every system by its name."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from bench.load_generator import LoadGenerator
from bench.systems.bento import Bento
from bench.systems.floor import Floor
from bench.systems.kafka_pixy import KafkaPixy
from bench.systems.raw import Raw
from bench.systems.system import System
from bench.systems.twinpost import Twinpost

__all__ = ["Catalog"]


class Catalog:
    """Starts systems that write to one topic of one cluster."""

    def __init__(self, generator: LoadGenerator, directory: Path, *, bootstrap_servers: str, topic: str) -> None:
        """Have systems loaded by `generator` and write to `topic`; their files go into `directory`."""
        self._generator = generator
        self._directory = directory
        self._bootstrap_servers = bootstrap_servers
        self._topic = topic
        self._makers: Mapping[str, Callable[[Path], System]] = {
            "twinpost": partial(self._twinpost, workers=1),
            "twinpost-2": partial(self._twinpost, workers=2),
            "twinpost-4": partial(self._twinpost, workers=4),
            "floor": lambda home: Floor(generator, home, topic=topic),
            "raw": lambda _home: Raw(bootstrap_servers=bootstrap_servers, topic=topic),
            "kafka-pixy": lambda home: KafkaPixy(generator, home, bootstrap_servers=bootstrap_servers, topic=topic),
            "bento": lambda home: Bento(generator, home, bootstrap_servers=bootstrap_servers, topic=topic),
        }

    def start(self, name: str) -> System:
        """Start the system `name`, and return it once it is ready.

        Raises:
            Unavailable: it cannot be had on this machine.
            TimeoutError: it was not ready in time; the message has the end of its log.
        """
        return self._makers[name](Path(tempfile.mkdtemp(prefix=f"{name}-", dir=self._directory)))

    def _twinpost(self, home: Path, *, workers: int) -> System:
        return Twinpost(
            self._generator, home, bootstrap_servers=self._bootstrap_servers, topic=self._topic, workers=workers
        )
