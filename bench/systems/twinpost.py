"""twinpost itself, as `twinpost serve` runs it, with everything else as it comes by default."""

from __future__ import annotations

from pathlib import Path

import psutil

from bench.case import Case
from bench.load_generator import LoadGenerator, Outcome, Timing
from bench.requests import twinpost_order
from bench.usage import Parts, Usage
from tests.gateway.process import Gateway
from tests.gateway.users import MYUSER, write_users_file
from twinpost_server import __version__

__all__ = ["Twinpost"]


class Twinpost:
    """A gateway in front of the cluster at `bootstrap_servers`."""

    def __init__(
        self, load: LoadGenerator, directory: Path, *, bootstrap_servers: str, topic: str, workers: int = 1
    ) -> None:
        """Start it in the empty directory `directory`, with `workers` workers, and wait until it is ready."""
        self._load = load
        self._topic = topic
        self._gateway = Gateway.serve(
            directory,
            {
                "kafka": {"bootstrap_servers": bootstrap_servers},
                "auth": {"users_file": str(write_users_file(directory))},
                "workers": {"count": workers},
            },
        )

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

    def measure(self, case: Case, timing: Timing, *, rate_per_s: float | None) -> tuple[Outcome, Usage]:
        """Put the load of `case` on it; see `System`."""
        order = twinpost_order(
            case,
            timing,
            rate_per_s=rate_per_s,
            address=self._gateway.address,
            topic=self._topic,
            authorization=MYUSER.authorization,
        )
        return self._load.run(order, self.parts)

    def close(self) -> None:
        """End its processes."""
        self._gateway.stop()
