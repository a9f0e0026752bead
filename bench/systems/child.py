"""A process of a system: started, watched, ended."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import psutil

from tests.brokers.ports import LOOPBACK
from tests.brokers.waiting import wait_for
from twinpost_server.supervisor import trampoline

__all__ = ["Child", "answers"]

_START_TIMEOUT_S = 30.0
_STOP_TIMEOUT_S = 10.0
_LOG_TAIL_CHARACTERS = 3000


class Child:
    """A process that logs into a file and dies with this one, however that ends. Start it on the main thread.

    Attributes:
        process: the process, to be measured.
    """

    def __init__(
        self, command: Sequence[str | Path], *, log_file: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        """Start `command`, with `environment` added to this process' own."""
        self._log_file = log_file
        with log_file.open("ab") as log:
            self._popen = subprocess.Popen(
                trampoline.command([str(part) for part in command]),
                env={**os.environ, **(environment or {})},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.process = psutil.Process(self._popen.pid)

    def wait_until(self, ready: Callable[[], bool]) -> None:
        """Return once `ready` holds.

        Raises:
            TimeoutError: it did not in time, or the process ended; the message has the end of its log.
        """

        def told() -> str:
            text = self._log_file.read_text(encoding="utf-8", errors="replace")
            return f"{self._log_file.stem} ready; its log ends with:\n{text[-_LOG_TAIL_CHARACTERS:]}"

        wait_for(lambda: self._popen.poll() is not None or ready(), told, timeout_s=_START_TIMEOUT_S)
        if self._popen.poll() is not None:
            msg = f"ended before {told()}"
            raise TimeoutError(msg)

    def stop(self) -> None:
        """End the process: SIGTERM, and SIGKILL where that is not enough."""
        self._popen.terminate()
        try:
            self._popen.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            self._popen.wait()


def answers(port: int, target: str) -> bool:
    """Return whether a GET of `target` on `port` is answered with 200."""
    connection = HTTPConnection(LOOPBACK, port, timeout=2.0)
    try:
        connection.request("GET", target)
        return connection.getresponse().status == 200  # noqa: PLR2004 - HTTP's OK
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()
