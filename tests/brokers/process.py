"""A broker's operating system process."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from twinpost_server.supervisor import trampoline

__all__ = ["BrokerProcess"]

_LOG_TAIL_CHARACTERS = 4000


class BrokerProcess:
    """One run of a broker, with its output in a file; it dies with this process, however that ends.

    Attributes:
        pid: the process id; every signal goes to this process alone.
    """

    def __init__(self, command: Sequence[str | Path], *, cwd: Path, log_file: Path) -> None:
        """Start `command` in the directory `cwd`; what it prints is added to `log_file`."""
        self._log_file = log_file
        with log_file.open("ab") as log:
            self._process = subprocess.Popen(
                trampoline.command([str(part) for part in command]),
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                # A Ctrl-C is for pytest, which then stops the broker.
                start_new_session=True,
            )
        self.pid = self._process.pid

    @property
    def running(self) -> bool:
        """Whether the process has not ended."""
        return self._process.poll() is None

    def log_tail(self) -> str:
        """Return the end of what the broker printed, for messages."""
        return self._log_file.read_text(encoding="utf-8", errors="replace")[-_LOG_TAIL_CHARACTERS:]

    def stop(self, *, timeout_s: float = 30.0) -> None:
        """Ask the process to end (SIGTERM) and wait until it has.

        Raises:
            subprocess.TimeoutExpired: it has not ended after `timeout_s`.
        """
        self._process.terminate()
        self._process.wait(timeout_s)

    def kill(self) -> None:
        """End the process at once (SIGKILL), as a crash would; harmless where it has ended."""
        self._process.kill()
        self._process.wait(10)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Freeze the process (SIGSTOP): its connections stay open, and nothing is answered."""
        self._process.send_signal(signal.SIGSTOP)
        # The signal takes effect when the last thread has met it; until then the broker may answer yet.
        os.waitpid(self.pid, os.WUNTRACED)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)
