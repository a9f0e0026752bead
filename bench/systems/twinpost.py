"""twinpost itself, as `twinpost serve` runs it, with everything else as it comes by default."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import psutil

from bench.case import Case
from bench.load_generator import LoadGenerator
from bench.load_program import Load, Order, Timing
from bench.requests import twinpost_order
from bench.usage import Parts
from tests.gateway.process import Gateway
from tests.gateway.users import MYUSER, write_users_file
from twinpost_server import __version__

__all__ = ["Twinpost"]


class Twinpost:
    """A gateway in front of the cluster at `bootstrap_servers`."""

    stores = True

    def __init__(
        self,
        generator: LoadGenerator,
        directory: Path,
        *,
        bootstrap_servers: str,
        topic: str,
        workers: int = 1,
        users_file: Path | None = None,
    ) -> None:
        """Start it in the empty directory `directory`, with `workers` workers, and wait until it is ready.

        `users_file`, where it is given, must have the user that loads are sent as: `myuser`.
        """
        self._generator = generator
        self._topic = topic
        settings: dict[str, dict[str, Any]] = {
            "kafka": {"bootstrap_servers": bootstrap_servers},
            "auth": {"users_file": str(users_file or write_users_file(directory))},
            "workers": {"count": workers},
        }
        start = time.perf_counter()
        self._gateway = Gateway.serve(directory, settings)
        self.start_s = time.perf_counter() - start

    @property
    def version(self) -> str:
        """What it is, exactly."""
        return __version__

    @property
    def parts(self) -> Parts:
        """Its processes."""
        supervisor = psutil.Process(self._gateway.pid)
        children = supervisor.children(recursive=True)
        envoys = [child for child in children if child.name() == "envoy"]
        return {
            "supervisor": [supervisor],
            "workers": [child for child in children if child not in envoys],
            "envoy": envoys,
        }

    @property
    def port(self) -> int:
        """Its public port."""
        return self._gateway.port

    def load(self, case: Case, timing: Timing, *, rate_per_s: float | None) -> Load:
        """Return the load of `case`; see `System`."""
        return self._generator.load(self.order(case, timing, rate_per_s=rate_per_s))

    def order(self, case: Case, timing: Timing, *, rate_per_s: float | None) -> Order:
        """Return what the load generator is told for `case`, to be changed where a load is to differ."""
        return twinpost_order(
            case,
            timing,
            rate_per_s=rate_per_s,
            address=self._gateway.address,
            topic=self._topic,
            authorization=MYUSER.authorization,
        )

    def close(self) -> None:
        """End its processes."""
        self._gateway.stop()
