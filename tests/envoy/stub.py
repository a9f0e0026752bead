"""A stub worker's process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Self

__all__ = ["StubWorker"]

_ROOT = Path(__file__).parents[2]


class StubWorker:
    """`stub_worker.py` on a unix socket; a context manager."""

    def __init__(self, socket: Path) -> None:
        """Start it, and return once it serves."""
        paths = [str(_ROOT / "server"), str(_ROOT / "generated"), os.environ.get("PYTHONPATH", "")]
        self._process = subprocess.Popen(
            [sys.executable, Path(__file__).with_name("stub_worker.py"), socket],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # gRPC's own complaints about what a test did to it
            text=True,
            start_new_session=True,
        )
        self.pid = self._process.pid
        assert self._process.stdout is not None
        assert "serving\n" == self._process.stdout.readline()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Kill it."""
        self.kill()

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    def set_health(self, service: str, *, serving: bool) -> None:
        """Make `service` serve or not, for whoever checks next."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{service} {'SERVING' if serving else 'NOT_SERVING'}\n")
        self._process.stdin.flush()

    def kill(self) -> None:
        """End it at once, as a crash would; harmless where it has ended."""
        self._process.kill()
        self._process.wait(10)
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()
