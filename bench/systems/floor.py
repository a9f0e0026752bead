"""The floor: the same Envoy before a server that answers at once, which no gateway of this design can beat."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from bench.case import Case
from bench.load_generator import LoadGenerator
from bench.load_program import Load, Timing
from bench.requests import twinpost_order
from bench.systems.child import Child, answers
from bench.usage import Parts
from tests.brokers.ports import LOOPBACK, free_port
from tests.gateway.users import MYUSER
from twinpost_server.config.settings import AuthSettings, KafkaSettings, ListenSettings, Settings
from twinpost_server.envoy.binary import envoy_binary
from twinpost_server.envoy.configuration import render

__all__ = ["Floor"]


class Floor:
    """Envoy with the configuration that twinpost gives it, and one process of grpc.aio behind it."""

    stores = False

    def __init__(self, generator: LoadGenerator, directory: Path, *, topic: str) -> None:
        """Start both; `directory` is an empty one for their files."""
        self._generator = generator
        self._topic = topic
        self._port = free_port()
        # Paths of sockets are short, and `directory` may lie deep.
        self._run_dir = tempfile.TemporaryDirectory(prefix="twinpost-bench-")
        run_dir = Path(self._run_dir.name)
        settings = Settings(
            listen=ListenSettings(port=self._port),
            kafka=KafkaSettings(bootstrap_servers="none:9092"),
            auth=AuthSettings(mode="none"),
        )
        configuration = directory / "envoy.yaml"
        configuration.write_text(render(settings, run_dir), encoding="utf-8")
        socket = run_dir / "worker-0.sock"
        start = time.perf_counter()
        self._server = Child(
            [sys.executable, "-m", "bench.systems.floor_server", socket], log_file=directory / "floor-server.log"
        )
        self._envoy = Child(
            [
                envoy_binary(settings.envoy),
                *("-c", configuration),
                *("--concurrency", str(settings.envoy.concurrency)),
                "--disable-hot-restart",
                *("--log-level", "error"),
            ],
            log_file=directory / "floor-envoy.log",
        )
        try:
            self._server.wait_until(socket.exists)
            self._envoy.wait_until(lambda: answers(self._port, "/readyz"))
        except BaseException:
            self.close()
            raise
        self.start_s = time.perf_counter() - start

    @property
    def version(self) -> str:
        """What it is, exactly."""
        return "Envoy and grpc.aio of this environment"

    @property
    def parts(self) -> Parts:
        """Its processes."""
        return {"server": [self._server.process], "envoy": [self._envoy.process]}

    def load(self, case: Case, timing: Timing, *, rate_per_s: float | None) -> Load:
        """Return the load of `case`; see `System`."""
        order = twinpost_order(
            case,
            timing,
            rate_per_s=rate_per_s,
            address=f"{LOOPBACK}:{self._port}",
            topic=self._topic,
            authorization=MYUSER.authorization,
        )
        return self._generator.load(order)

    def close(self) -> None:
        """End its processes."""
        self._envoy.stop()
        self._server.stop()
        self._run_dir.cleanup()
